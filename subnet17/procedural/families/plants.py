"""Plants that are not plain trees: cactus, palm, fir, bonsai, plants in pots, pumpkin."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import (
    Array,
    Shape,
    box,
    ellipsoid,
    grid,
    join,
    polygon,
    ring,
    scatter,
    sphere,
    star,
)
from subnet17.procedural.sheets import frond, leaf
from subnet17.procedural.sweeps import Ball, blend, capsule, cone, curve, cylinder, extrude, lathe, tube


def pot(top_radius: float, height: float) -> tuple[Shape, Shape]:
    """(a flower pot standing on y = 0, the earth in it)."""
    r = top_radius
    profile = [(0, 0), (0.68 * r, 0), (0.9 * r, 0.76 * height), (1.06 * r, 0.76 * height), (1.1 * r, height),
               (0.98 * r, height), (0.9 * r, 0.8 * height), (0, 0.8 * height)]  # fmt: skip
    return lathe(profile, smooth=False), cylinder(0.94 * r, 0.03).moved(y=0.88 * height)


@family("flowerpot", words=("flowerpot", "flower pot", "plant pot", "pot", "planter", "clay pot",
    "terracotta pot"), primary="coral clay", secondary="chocolate earth")  # fmt: skip
def make_flowerpot(build: Build) -> Model:
    model = build.model()
    shell, earth = pot(0.5, 0.85)
    model.add("primary", shell, part="pot")
    model.add("secondary", earth)
    model.anchor("inside", (0, 0.76, 0), size=0.85)
    model.anchor("top", (0, 0.76, 0), size=0.85)
    return model


@family(
    "cactus",
    words=("cactus", "saguaro"),
    primary="green leather",
    secondary="pink petal",
    accent="ivory bone",
)
def make_cactus(build: Build) -> Model:
    model = build.model()
    trunk = [((0, 0, 0), (0, 0.5, 0), (0, 1.1, 0), (0, 1.62, 0)), (0.27, 0.3, 0.3, 0.22)]
    left = [((0.15, 0.6, 0), (0.48, 0.6, 0), (0.62, 0.75, 0), (0.62, 1.2, 0)), (0.16, 0.17, 0.18, 0.14)]
    right = [((-0.15, 0.82, 0), (-0.46, 0.82, 0), (-0.6, 0.98, 0), (-0.6, 1.42, 0)), (0.15, 0.16, 0.17, 0.13)]
    for path, radii in (trunk, left, right):
        stem, spines = _ribbed(np.array(path), np.array(radii), 12 if path is trunk[0] else 9)
        model.add("primary", stem, part="stem")
        model.add("accent", spines, part="spine")
    petals = ring(leaf(0.2, 0.11, bend_deg=70).turned("x", 15).moved(z=0.03), 7)
    places = np.array([[0, 1.83, 0], [0.62, 1.33, 0], [-0.6, 1.54, 0]])
    sizes = np.array([1.15, 0.8, 0.8])
    model.add("secondary", scatter(petals, places, sizes=sizes), part="flower")
    model.add("yellow petal", scatter(sphere(0.055), places, sizes=sizes).moved(y=0.04))
    model.anchor("head_top", (0, 1.8, 0), size=0.5)
    model.anchor("eyes", (0, 1.3, 0.3), size=0.5)
    return model


def _ribbed(path: Array, radii: Array, ribs: int) -> tuple[Shape, Shape]:
    """A ribbed stem with a round top, and rows of spines on its ribs."""
    angles = np.linspace(0, 2 * np.pi, 8 * ribs, endpoint=False)
    r = 1 + 0.09 * np.cos(ribs * angles)
    stem = tube(path, radii, section=np.stack([r * np.cos(angles), r * np.sin(angles)], axis=1))
    rows = curve(np.column_stack([path, radii]), 22)
    around = np.linspace(0, 2 * np.pi, ribs, endpoint=False)
    along = np.gradient(rows[:, :3], axis=0)
    side = np.cross(along, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    front = np.cross(side, along)
    front /= np.linalg.norm(front, axis=1, keepdims=True)
    out = side[:, None] * np.cos(around)[None, :, None] + front[:, None] * np.sin(around)[None, :, None]
    places = rows[:, None, :3] + out * (1.06 * rows[:, 3, None, None])
    return stem, scatter(cone(0.011, 0.085, sides=4), places.reshape(-1, 3), directions=out.reshape(-1, 3))


@family("palm tree", words=("palm tree", "palm", "coconut tree", "coconut palm"), primary="green leaves",
        secondary="tan bark", accent="chocolate wood")  # fmt: skip
def make_palm(build: Build) -> Model:
    model = build.model()
    lean = build.vary(0.3, 0.3)
    spine = curve(np.array([[0, 0, 0], [0.05, 0.6, 0], [0.45 * lean, 1.2, 0], [lean, 1.85, 0]]), 40)
    radii = np.linspace(0.125, 0.075, 40) * (1 + 0.1 * (np.arange(40) % 3 == 0))
    model.add("secondary", tube(spine, radii, smooth=False), part="trunk")
    model.add("secondary", ring(ellipsoid(0.08, 0.06, 0.14).moved(y=0.03, z=0.1), 7), part="root")
    top = spine[-1]
    for i in range(13):
        reach, rise = build.vary(1.05, 0.12), 28 if i % 2 else 52
        model.add(
            "primary",
            frond(reach, 0.46, bend_deg=105).turned("x", rise).turned("y", 360 / 13 * i).at(top),
            part="leaf",
        )
    model.add("accent", ring(ellipsoid(0.1, 0.12, 0.1).moved(x=0.13, y=-0.09), 4).at(top), part="coconut")
    model.anchor("top", top, size=0.5)
    return model


@family("fir", words=("pine tree", "fir tree", "fir", "christmas tree", "xmas tree", "spruce",
    "conifer", "evergreen tree"), primary="green leaves", secondary="brown bark", accent="red paint",
    light="lemon light")  # fmt: skip
def make_fir(build: Build) -> Model:
    festive = build.has("christmas", "xmas", "decorated")
    model = build.model(primary="emerald leaves" if festive else "dark green leaves")
    model.add("secondary", cylinder(0.12, 0.5, top_radius=0.1).moved(y=0.2), part="trunk")
    tiers = 7
    for k in range(tiers):
        size = 0.78 * (1 - 0.86 * k / tiers)
        model.add(
            "primary",
            _tier(size, 0.52 - 0.025 * k, 11 + k % 2).turned("y", 17 * k).moved(y=0.28 + 0.24 * k),
            part="leaf",
        )
    if festive:
        _decorate(model, tiers)
    model.anchor("top", (0, 2.1, 0), size=0.3)
    model.anchor("head_top", (0, 2.05, 0), size=0.3)
    return model


def _tier(radius: float, height: float, tips: int) -> Shape:
    """A skirt of branches: a cone whose rim runs in drooping tips."""
    rows, columns = 9, tips * 8
    t, a = np.linspace(0, 1, rows)[::-1, None], np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    jag = np.abs(np.sin(tips * a / 2)) ** 0.7
    r = radius * t * (0.72 + 0.28 * jag * t)
    y = height * (1 - t) ** 1.15 - 0.09 * jag * t**3
    return grid(np.stack([r * np.sin(a), y, r * np.cos(a)], axis=-1), close_columns=True)


def _decorate(model: Model, tiers: int) -> None:
    k = np.arange(34)
    height = 0.2 + 1.35 * (k / 34) ** 1.1
    angle = np.deg2rad(137.5 * k)
    r = 0.73 * (1 - 0.86 * (height - 0.2) / 1.68)
    places = np.stack([r * np.sin(angle), height, r * np.cos(angle)], axis=1)
    for i, paint in enumerate(("accent", "golden paint", "azure paint")):
        model.add(paint, scatter(sphere(0.062), places[i::3]), part="bauble")
    t = np.linspace(0, 1, 160)
    wind = 2 * np.pi * 5 * t
    rope = 0.77 * (1 - 0.86 * t)
    garland = np.stack([rope * np.sin(wind), 0.33 + 1.62 * t, rope * np.cos(wind)], axis=1)
    model.add("light", scatter(sphere(0.028), garland[::2]), part="light")
    shape = extrude(star(5, 0.19, 0.08), 0.09, taper=0.5)
    model.add("golden light", join([shape, shape.turned("y", 90)]).moved(y=2.2), part="star")


@family("potted plant", words=("potted plant", "plant", "houseplant", "house plant", "fern",
    "pot plant", "succulent", "aloe", "seedling"), primary="green leaves", secondary="coral clay",
    accent="chocolate earth")  # fmt: skip
def make_potted_plant(build: Build) -> Model:
    model = build.model()
    shell, earth = pot(0.42, 0.68)
    model.add("secondary", shell, part="pot")
    model.add("accent", earth)
    if build.has("fern"):
        leaves = [
            frond(build.vary(0.9), 0.3, leaflets=18, bend_deg=110)
            .turned("x", 12 + 20 * (i % 3))
            .turned("y", 24 * i)
            for i in range(15)
        ]
    elif build.has("succulent", "aloe"):
        leaves = [
            _spike(build.vary(0.75)).turned("x", 12 + 22 * (i % 3)).turned("y", 137.5 * i) for i in range(18)
        ]
    else:
        leaves = [
            leaf(build.vary(0.95), 0.34, bend_deg=75, widest=0.55)
            .turned("x", 6 + 20 * (i % 3))
            .turned("y", 137.5 * i)
            for i in range(15)
        ]
    model.add(
        "primary",
        join(leaves).moved(y=0.58),
        part="leaf",
    )
    model.anchor("head_top", (0, 1.35, 0), size=0.6)
    model.anchor("eyes", (0, 0.38, 0.42), size=0.7)
    return model


def _spike(length: float) -> Shape:
    return tube([(0, 0, 0), (0, 0.55 * length, 0.04), (0, length, 0.16)], [0.1, 0.085, 0.008]).scaled(
        1, 1, 0.6
    )


@family(
    "bonsai",
    words=("bonsai", "bonsai tree"),
    primary="green leaves",
    secondary="brown bark",
    accent="slate ceramic",
)
def make_bonsai(build: Build) -> Model:
    model = build.model()
    model.add(
        "accent",
        box(1.25, 0.22, 0.8, bevel=0.07).moved(y=0.17),
        box(1.36, 0.06, 0.9, bevel=0.025).moved(y=0.27),
        part="pot",
    )
    model.add(
        "accent",
        *(box(0.14, 0.1, 0.12, bevel=0.02).moved(x, 0.05, z) for x in (-0.45, 0.45) for z in (-0.26, 0.26)),
    )
    model.add("olive grass", ellipsoid(0.6, 0.09, 0.37).moved(y=0.29), part="moss")
    trunk = [(0.1, 0.25, 0), (0.2, 0.5, 0.03), (-0.05, 0.75, -0.02), (-0.16, 0.98, 0.0), (0.06, 1.25, 0.02)]
    model.add("secondary", tube(trunk, [0.17, 0.13, 0.105, 0.08, 0.05]), part="trunk")
    for foot in ((0.36, 0.1), (-0.15, 0.16), (0.08, -0.24)):
        model.add("secondary", tube([(0.1, 0.42, 0), (foot[0], 0.29, foot[1])], [0.12, 0.03]), part="root")
    pads = [((0.52, 0.78, 0.06), 0.36, (0.08, 0.6, 0.0)), ((-0.56, 0.98, -0.04), 0.4, (-0.1, 0.82,
        0)), ((0.06, 1.36, 0.0), 0.42, (-0.1, 1.05, 0)), ((0.1, 0.98, -0.36), 0.28, (-0.1, 0.85, 0)),
        ((-0.1, 0.92, 0.36), 0.26, (-0.08, 0.8, 0))]  # fmt: skip
    for centre, r, root in pads:
        model.add("secondary", capsule(root, np.array(centre) - [0, 0.05, 0], 0.06, 0.035))
        model.add("primary", _cloud(build, r).at(centre), part="leaf")
    return model


def _cloud(build: Build, radius: float) -> Shape:
    angle = build.rng.uniform(0, 6.3) + np.arange(6) * np.pi / 3
    balls: list[Ball] = [((0, 0.04, 0), 0.62 * radius)]
    balls += [((0.6 * radius * np.sin(a), 0, 0.6 * radius * np.cos(a)), 0.42 * radius) for a in angle]
    return blend(balls, softness=0.06, cells=26).scaled(1, 0.62, 1)


@family("pumpkin", words=("pumpkin", "jack o lantern", "jack o lanterns", "halloween pumpkin",
    "gourd"), primary="orange leather", secondary="olive bark", dark="ebony rubber",
    light="lemon light")  # fmt: skip
def make_pumpkin(build: Build) -> Model:
    model = build.model()
    round_ = ellipsoid(0.72, 0.56, 0.72)
    v = round_.vertices
    around = np.arctan2(v[:, 0], v[:, 2])
    v = v * (1 - 0.11 * (1 - np.abs(np.cos(5.5 * around))) ** 1.5)[:, None]
    v[:, 1] -= 0.16 * np.exp(-((v[:, 0] ** 2 + v[:, 2] ** 2) / 0.05)) * np.sign(v[:, 1])
    model.add("primary", Shape(v, round_.faces).moved(y=0.55), part="body")
    model.add(
        "secondary",
        tube([(0, 0.9, 0), (0.01, 1.1, 0), (0.1, 1.28, 0.05)], [0.13, 0.08, 0.075], section=polygon(6, 1.0)),
        part="stem",
    )
    if build.has("jack", "halloween", "spooky", "scary", "carved", "evil", "grinning"):
        _carve(model, "light" if build.has("glowing") else "dark")
    model.anchor("head_top", (0, 1.02, 0), size=1.15)
    model.anchor("eyes", (0, 0.68, 0.68), size=1.1)
    return model


def _carve(model: Model, role: str) -> None:
    """A grinning face cut into the front, wrapped around it."""
    eye = [(0.12, 0.68), (0.38, 0.72), (0.27, 0.92)]
    nose = [(-0.07, 0.58), (0.07, 0.58), (0, 0.68)]
    x = np.linspace(-0.44, 0.44, 13)
    teeth = np.where(np.arange(13) % 4 == 2, 0.1, 0.0)
    low = np.stack([x, 0.33 + 0.5 * x**2 + teeth], axis=1)
    high = np.stack([x, 0.48 + 0.55 * x**2 - np.roll(teeth, 2)], axis=1)[::-1]
    for outline in (eye, [(-a, b) for a, b in eye][::-1], nose, np.concatenate([low, high])):
        flat = extrude(outline, 0.04)
        v = flat.vertices.copy()
        lift = np.sqrt(np.maximum(1 - (v[:, 0] / 0.72) ** 2 - ((v[:, 1] - 0.55) / 0.56) ** 2, 0.02))
        v[:, 2] += 0.715 * lift
        model.add(role, Shape(v, flat.faces), part="face")
