"""Puzzle cubes, jack-in-the-boxes, chandeliers, paintbrushes, bagpipes, necklaces, cradles, coconuts."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.anatomy import add_eyes
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, join, pair, ring, scatter, sphere, torus
from subnet17.procedural.sweeps import capsule, cone, cylinder, lathe, tube


@family("puzzle cube", words=("rubik cube", "rubiks cube", "puzzle cube", "magic cube"),
        primary="black plastic")  # fmt: skip
def make_puzzle_cube(build: Build) -> Model:
    model = build.model()
    steps = np.array([-1.0, 0.0, 1.0]) * 0.34
    spots = np.array([(x, y + 0.51, z) for x in steps for y in steps for z in steps])
    model.add("primary", scatter(box(0.33, 0.33, 0.33, bevel=0.03), spots), part="body")
    paints = [
        "red plastic",
        "orange plastic",
        "blue plastic",
        "green plastic",
        "white plastic",
        "yellow plastic",
    ]
    solved = build.has("solved") and not build.has("half")
    stickers: dict[str, list[Shape]] = {paint: [] for paint in paints}
    sticker = box(0.28, 0.28, 0.08, bevel=0.02).moved(z=0.49)
    for side, (axis, angle) in enumerate(
        (("y", 0), ("y", 180), ("y", 90), ("y", -90), ("x", -90), ("x", 90))
    ):
        for a in steps:
            for b in steps:
                paint = paints[side] if solved or a == b == 0 else build.pick(paints)
                stickers[paint].append(sticker.moved(a, b).turned(axis, angle).moved(y=0.51))
    for paint, shapes in stickers.items():
        if shapes:
            model.add(paint, *shapes, part="sticker")
    return model


@family("jack in the box", words=("jack in the box", "jack in box"), primary="red paint",
        secondary="golden paint", accent="azure fabric")  # fmt: skip
def make_jack(build: Build) -> Model:
    model = build.model()
    walls = [box(1.0, 0.9, 0.08, bevel=0.02).moved(y=0.45, z=0.46).turned("y", 90 * k) for k in range(4)]
    model.add("primary", *walls, box(0.95, 0.06, 0.95).moved(y=0.04), part="box")
    rims = [
        box(1.04, 0.08, 0.12, bevel=0.02).moved(y=y, z=0.46).turned("y", 90 * k)
        for k in range(4)
        for y in (0.05, 0.87)
    ]
    model.add("secondary", *rims, part="trim")
    star_spots = [ellipsoid(0.16, 0.16, 0.02).moved(y=0.46, z=0.505).turned("y", 90 * k) for k in range(4)]
    model.add("secondary", *star_spots, part="emblem")
    lid = box(1.04, 0.07, 1.0, bevel=0.02).moved(z=0.5).turned("x", -108).moved(y=0.9, z=-0.48)
    model.add("primary", lid, part="lid")
    crank = tube([(0.5, 0.45, 0), (0.66, 0.45, 0), (0.66, 0.25, 0), (0.8, 0.25, 0)], 0.03, smooth=False)
    model.add("ash steel", crank, part="crank")
    model.add("secondary", sphere(0.06).moved(0.82, 0.25), part="knob")
    t = np.linspace(0, 1, 90)
    coil = np.stack([0.2 * np.cos(t * 34), 0.2 + 1.0 * t, 0.2 * np.sin(t * 34)], axis=1)
    model.add("ash steel", tube(coil, 0.025), part="spring")
    ruff = [cone(0.14, 0.3, sides=12).moved(y=0.2).turned("x", 100).turned("y", 45 * k) for k in range(8)]
    model.add("accent", join(ruff).moved(y=1.24), sphere(0.22).moved(y=1.2), part="collar")
    model.add("peach skin", sphere(0.3).moved(y=1.52), part="head")
    model.add("red plastic", sphere(0.085).moved(y=1.5, z=0.31), part="nose")
    smile = tube([(-0.14, 1.4, 0.26), (0, 1.34, 0.29), (0.14, 1.4, 0.26)], 0.022)
    model.add("red paint", smile, part="mouth")
    add_eyes(model, (0.11, 1.6, 0.24), 0.06, iris="white paint")
    for side, paint in ((-1, "azure fabric"), (1, "golden fabric")):
        horn = [(side * 0.08, 1.72, 0), (side * 0.32, 2.0, 0), (side * 0.55, 1.86, 0)]
        model.add(paint, tube(horn, [0.22, 0.13, 0.03]), part="hat")
        model.add("secondary", sphere(0.06).moved(side * 0.57, 1.83), part="bell")
    model.anchor("head_top", (0, 1.82, 0), size=0.5)
    return model


@family("chandelier", words=("chandelier", "crystal chandelier"), primary="gold", secondary="crystal",
        light="lemon light")  # fmt: skip
def make_chandelier(build: Build) -> Model:
    model = build.model()
    radii = [0, 0.1, 0.16, 0.06, 0.1, 0.2, 0.06, 0.05, 0.12, 0.04, 0]
    heights = [0.1, 0.16, 0.3, 0.45, 0.6, 0.75, 0.9, 1.2, 1.3, 1.4, 1.4]
    stem = np.stack([radii, heights], axis=1)
    model.add("primary", lathe(stem), part="stem")
    link = torus(0.06, 0.015).turned("x", 90)
    links = [link.turned("y", 90 * (k % 2)).moved(y=1.45 + 0.09 * k) for k in range(5)]
    model.add("primary", *links, part="chain")
    model.add("primary", lathe([(0, 1.95), (0.2, 1.95), (0.1, 1.86), (0, 1.84)]), part="base")
    drop = lathe([(0, -0.13), (0.045, -0.05), (0.02, 0.05), (0, 0.06)], smooth=False, sides=8)
    for count, reach, y in ((8, 0.85, 0.55), (4, 0.5, 0.98)):
        arm = tube(
            [(0.05, y - 0.1, 0), (0.4 * reach, y - 0.28, 0), (reach, y - 0.12, 0), (reach, y, 0)], 0.028
        )
        cup = lathe([(0, 0), (0.13, 0.03), (0.1, 0.05), (0, 0.04)]).moved(reach, y)
        model.add("primary", ring(join([arm, cup]), count), part="arm")
        candle = cylinder(0.035, 0.2, bevel=0.01).moved(reach, y + 0.13)
        model.add("ivory wax", ring(candle, count), part="candle")
        flame = lathe([(0, 0), (0.035, 0.04), (0.02, 0.1), (0, 0.15)]).moved(reach, y + 0.23)
        model.add("light", ring(flame, count), part="flame")
        model.add("secondary", ring(drop.moved(reach, y - 0.14), count), part="crystal")
        model.add("secondary", ring(_swag(reach, y, 360 / count, drop), count), part="crystal")
    model.add(
        "secondary", lathe([(0, -0.18), (0.09, -0.05), (0, 0.08)], smooth=False, sides=8), part="crystal"
    )
    return model


def _swag(reach: float, y: float, angle_deg: float, drop: Shape) -> Shape:
    """A hanging row of drops from one arm's end to the next."""
    t = np.linspace(0, 1, 7)[1:-1]
    turn = np.deg2rad(angle_deg) * t
    sag = y - 0.02 - 0.5 * t * (1 - t)
    spots: Array = np.stack([reach * np.cos(turn), sag, -reach * np.sin(turn)], axis=1)
    return scatter(drop, spots, sizes=0.7)


@family("paintbrush", words=("paintbrush", "paint brush", "artist brush"), primary="brown wood",
        secondary="silver", accent="azure paint")  # fmt: skip
def make_paintbrush(build: Build) -> Model:
    model = build.model()
    grip = lathe([(0, -1.0), (0.035, -0.98), (0.05, -0.6), (0.085, -0.1), (0.07, 0.15), (0, 0.16)])
    model.add("primary", grip, part="handle")
    ferrule = lathe([(0.075, 0.12), (0.085, 0.14), (0.08, 0.25), (0.088, 0.27), (0.1, 0.45), (0, 0.46)])
    model.add("secondary", ferrule, part="ferrule")
    hair = lathe([(0.095, 0.44), (0.13, 0.58), (0.11, 0.72), (0.03, 0.9), (0, 0.93)])
    model.add("tan hair", hair, part="bristle", fade=("accent", lambda p: (p[:, 1] - 0.55) * 14))
    drop = lathe([(0, -0.08), (0.04, -0.04), (0.02, 0.05), (0, 0.1)]).turned("z", 180)
    model.add("accent", drop.moved(0.03, 1.04), part="paint")
    model.anchor("grip", (0, -0.1, 0), size=0.16)
    return model


@family("bagpipes", words=("bagpipe", "bagpipes"), primary="green fabric", pipes="ebony wood",
        rings="ivory bone")  # fmt: skip
def make_bagpipes(build: Build) -> Model:
    model = build.model()
    bag = tube([(-0.75, 0.55, 0), (-0.3, 0.5, 0), (0.2, 0.55, 0), (0.62, 0.72, 0)], [0.12, 0.36, 0.34, 0.1])
    tartan = (
        "red fabric",
        lambda p: np.clip(np.maximum(np.sin(p[:, 0] * 30), np.sin(p[:, 1] * 30)) * 5 - 3.4, 0, 1),
    )
    model.add("primary", bag, part="bag", fade=tartan)
    for x, high, lean in ((-0.4, 1.75, -0.25), (-0.2, 1.3, -0.08), (0.0, 1.3, 0.08)):
        top = np.array([x + lean, 0.7 + high, -0.25])
        _add_pipe(model, np.array([x, 0.78, -0.05]), top, 0.05)
    _add_pipe(model, np.array([0.62, 0.74, 0.02]), np.array([0.85, -0.1, 0.2]), 0.04)
    _add_pipe(model, np.array([0.3, 0.85, 0.1]), np.array([0.55, 1.4, 0.35]), 0.035)
    cord = tube([(-0.63, 2.1, -0.2), (-0.4, 1.75, -0.05), (-0.25, 1.8, -0.15), (0.0, 1.6, -0.1)], 0.025)
    model.add("red wool", cord, part="cord")
    return model


def _add_pipe(model: Model, start: Array, end: Array, radius: float) -> None:
    """A turned pipe with pale rings and a flared end."""
    model.add("pipes", capsule(start, end, radius), part="pipe")
    direction = end - start
    for share in (0.05, 0.45, 0.5, 0.97):
        band = cylinder(1.45 * radius, 0.05, bevel=0.012).pointed(direction)
        model.add("rings", band.at(start + share * direction), part="ring")
    bell = cylinder(1.2 * radius, 0.16, top_radius=1.7 * radius, bevel=0.02).pointed(direction)
    model.add("pipes", bell.at(end), part="pipe")


@family("necklace", words=("necklace", "pendant", "pearl necklace", "amulet necklace"), worn="neck",
        primary="ivory plastic", secondary="gold", accent="ruby gem")  # fmt: skip
def make_necklace(build: Build) -> Model:
    model = build.model()
    a = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    front = 0.5 + 0.5 * np.cos(a)
    spots = np.stack([0.5 * np.sin(a), -0.22 * front**2, 0.5 * np.cos(a) + 0.12 * front**2], axis=1)
    model.add("primary", scatter(sphere(0.055), spots, sizes=0.7 + 0.5 * front), part="bead")
    model.add("secondary", torus(0.1, 0.02).turned("x", 70).moved(y=-0.38, z=0.66), part="setting")
    gem = lathe([(0, -0.1), (0.09, 0.0), (0.06, 0.06), (0, 0.07)], smooth=False, sides=8).turned("x", 70)
    model.add("accent", gem.moved(y=-0.38, z=0.66), part="gem")
    model.anchor("mount", (0, 0, 0), size=1.0)
    return model


@family("cradle", words=("cradle", "crib", "baby crib", "bassinet"), primary="tan wood",
        secondary="white fabric", accent="azure fabric")  # fmt: skip
def make_cradle(build: Build) -> Model:
    model = build.model()
    for z, high in ((-0.78, 0.95), (0.78, 0.7)):
        model.add("primary", box(0.9, high, 0.07, bevel=0.03).moved(y=0.22 + high / 2, z=z), part="frame")
        model.add("primary", cylinder(0.45, 0.07, bevel=0.02).turned("x", 90).scaled(1, 0.5, 1).moved(
            y=0.22 + high, z=z), part="frame")  # fmt: skip
        rocker = [(-0.7, 0.18, z), (-0.3, 0.06, z), (0.3, 0.06, z), (0.7, 0.18, z)]
        model.add("primary", tube(rocker, 0.06), part="runner")
        model.add("primary", pair(box(0.08, 0.2, 0.07).moved(0.36, 0.16, z)), part="leg")
    rails = [box(0.06, 0.07, 1.55, bevel=0.02).moved(0.43, y) for y in (0.3, 0.78)]
    slats = [box(0.04, 0.45, 0.05, bevel=0.01).moved(0.43, 0.54, z) for z in np.linspace(-0.65, 0.65, 9)]
    model.add("primary", pair(join([*rails, *slats])), part="rail")
    model.add("secondary", box(0.8, 0.16, 1.5, bevel=0.06).moved(y=0.38), part="mattress")
    model.add("accent", box(0.82, 0.1, 0.9, bevel=0.05).moved(y=0.47, z=0.28), part="blanket")
    model.add("secondary", ellipsoid(0.3, 0.09, 0.17).moved(y=0.51, z=-0.5), part="pillow")
    model.anchor("inside", (0, 0.5, 0), size=0.7)
    model.anchor("top", (0, 0.5, 0), size=0.7)
    return model


@family("coconut", words=("coconut", "coconut drink"), primary="brown bark", secondary="snow plastic")
def make_coconut(build: Build) -> Model:
    model = build.model()
    shell = [(0, 0.0), (0.3, 0.05), (0.5, 0.35), (0.47, 0.72), (0.42, 0.74)]
    model.add("primary", lathe(shell), part="shell")
    flesh = torus(0.415, 0.055).scaled(1, 0.9, 1).moved(y=0.72)
    model.add("secondary", flesh, part="flesh")
    model.add("cream plastic", cylinder(0.38, 0.02).moved(y=0.67), part="milk")
    straw = tube(
        [(0.08, 0.45, 0), (0.2, 1.0, 0.02), (0.24, 1.1, 0.02), (0.42, 1.2, 0.04)], 0.03, smooth=False
    )
    stripes = ("red plastic", lambda p: np.clip(np.sin(p[:, 1] * 60) * 5, 0, 1))
    model.add("white plastic", straw, part="straw", fade=stripes)
    rod = capsule((-0.15, 0.5, 0.05), (-0.35, 1.25, 0.05), 0.012)
    model.add("tan wood", rod, part="stick")
    cover = lathe([(0.32, 0.0), (0.2, 0.09), (0, 0.17), (0, 0.15), (0.19, 0.06), (0.32, -0.01)], sides=12)
    folds = (
        "yellow paper",
        lambda p: np.clip(np.sin(6 * np.arctan2(p[:, 0] + 0.32, p[:, 2] - 0.05)) * 5, 0, 1),
    )
    model.add("pink paper", cover.turned("z", 15).moved(-0.32, 1.1, 0.05), part="umbrella", fade=folds)
    return model
