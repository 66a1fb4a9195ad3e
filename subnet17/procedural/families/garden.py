"""Watering cans, stumps, branches, hammocks, floating islands, flags."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import cloth
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, grid, scatter, sphere, torus
from subnet17.procedural.sheets import leaf
from subnet17.procedural.sweeps import blend, capsule, curve, cylinder, lathe, tube


@family("watering can", words=("watering can", "garden watering can"), primary="teal paint",
        secondary="brass")  # fmt: skip
def make_watering_can(build: Build) -> Model:
    model = build.model()
    wall = [(0, 0), (0.46, 0.0), (0.48, 0.05), (0.44, 0.75), (0.4, 0.78), (0.36, 0.74), (0, 0.7)]
    model.add("primary", lathe(wall, smooth=False), part="body")
    model.add("primary", *(torus(r, 0.025).moved(y=y) for r, y in ((0.48, 0.06), (0.44, 0.76))), part="trim")
    spout = [(0.4, 0.16, 0), (0.7, 0.3, 0), (0.95, 0.72, 0), (1.12, 0.98, 0)]
    model.add("primary", tube(spout, [0.12, 0.09, 0.06, 0.05]), part="spout")
    rose = lathe([(0, 0), (0.05, 0), (0.17, 0.16), (0.17, 0.2), (0, 0.23)], smooth=False)
    model.add("secondary", rose.turned("z", -40).moved(1.1, 0.94), part="rose")
    handle = [(-0.42, 0.2, 0), (-0.85, 0.45, 0), (-0.6, 1.0, 0), (0.0, 1.16, 0), (0.3, 0.76, 0)]
    model.add("primary", tube(handle, 0.04), part="handle")
    model.anchor("inside", (0, 0.74, 0), size=0.7)
    model.anchor("grip", (-0.65, 0.95, 0), size=0.1)
    return model


@family("stump", words=("stump", "tree stump", "tree trunk stump"), primary="brown bark",
        secondary="tan wood",
        accent="green leaves")  # fmt: skip
def make_stump(build: Build) -> Model:
    model = build.model()
    a = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    phase = float(build.rng.uniform(0, 6))
    rows = []
    for t in np.linspace(0, 1, 24):
        flare = 0.42 + 0.3 * (1 - t) ** 3.2 * (0.75 + 0.5 * np.cos(5 * a + phase)) + 0.015 * np.cos(17 * a)
        rows.append(np.stack([flare * np.sin(a), 0.62 * t + 0 * a, flare * np.cos(a)], axis=1))
    model.add("primary", grid(np.stack(rows), close_columns=True), part="trunk")
    rings = ("dark brown wood", lambda p: np.clip(np.sin(np.hypot(p[:, 0], p[:, 2]) * 75) - 0.35, 0, 1))
    model.add("secondary", cylinder(0.43, 0.03).moved(y=0.62), part="top", fade=rings)
    twig = capsule((0.35, 0.35, 0.2), (0.62, 0.5, 0.32), 0.06, 0.04)
    model.add("primary", twig, part="branch")
    sprig = [leaf(0.2, 0.1, bend_deg=50).turned("y", 120 * k).at((0.62, 0.5, 0.32)) for k in range(3)]
    model.add("accent", *sprig, part="leaf")
    model.anchor("top", (0, 0.635, 0), size=0.8)
    return model


@family("branch", words=("branch", "tree branch", "twig", "stick", "perch"), primary="brown bark",
        secondary="green leaves")  # fmt: skip
def make_branch(build: Build) -> Model:
    model = build.model()
    path = [(-1.0, 0.0, 0), (-0.5, 0.1, 0.05), (0.1, 0.06, -0.04), (0.6, 0.2, 0.02), (1.05, 0.3, 0.08)]
    twigs = [
        ((-0.45, 0.1, 0.05), (-0.15, 0.36, 0.2), (0.0, 0.55, 0.22)),
        ((0.35, 0.12, 0), (0.55, -0.06, 0.16), (0.82, -0.14, 0.22)),
        ((0.62, 0.2, 0), (0.72, 0.42, -0.15), (0.9, 0.6, -0.2)),
    ]
    model.add("primary", tube(path, [0.13, 0.12, 0.1, 0.08, 0.03]), part="branch")
    model.add("primary", *(tube(t, [0.05, 0.04, 0.015]) for t in twigs), part="branch")
    ends = np.array([t[2] for t in twigs] + [path[-1]])
    spots = np.repeat(ends, 5, axis=0) + build.rng.normal(0, 0.03, (20, 3))
    lean = build.rng.normal(0, 1, (20, 3)) + np.array([0.5, 0.2, 0])
    model.add("secondary", scatter(leaf(0.26, 0.13), spots, directions=lean), part="leaf")
    model.anchor("top", (-0.05, 0.18, 0), size=0.9)
    return model


@family("hammock", words=("hammock", "rope hammock"), primary="cream fabric", secondary="brown wood",
        accent="tan straw")  # fmt: skip
def make_hammock(build: Build) -> Model:
    model = build.model()
    u, v = np.linspace(-1, 1, 60)[None], np.linspace(-1, 1, 24)[:, None]
    y = 0.42 + 0.42 * u**2 + 0.14 * v**2 * (1 - u**2)
    bed = grid(np.stack(np.broadcast_arrays(0.95 * u, y, -0.36 * v * (1 - 0.25 * u**2)), axis=-1))
    stripes = ("red fabric", lambda p: np.clip(np.sin(p[:, 2] * 34) * 5, 0, 1))
    model.add("primary", cloth(bed, 0.03), part="cloth", fade=stripes)
    for side in (-1, 1):
        ring = (side * 1.28, 1.04, 0)
        cords = [capsule((side * 0.95, 0.86, z), ring, 0.012) for z in np.linspace(-0.27, 0.27, 9)]
        model.add("accent", *cords, part="rope")
        model.add("secondary", capsule((side * 0.95, 0.86, -0.3), (side * 0.95, 0.86, 0.3), 0.03), part="bar")
        post = [(side * 0.9, 0.06, 0), (side * 1.2, 0.4, 0), (side * 1.34, 1.12, 0)]
        model.add("secondary", tube(post, 0.06), part="frame")
        foot = box(0.14, 0.1, 0.95, bevel=0.03).moved(side * 0.75, 0.05)
        model.add("secondary", foot, part="frame")
    model.add("secondary", box(2.0, 0.1, 0.12, bevel=0.03).moved(y=0.08), part="frame")
    model.anchor("top", (0, 0.45, 0), size=1.0)
    return model


@family("floating island", words=("floating island", "island", "sky island"), primary="green grass",
        secondary="brown stone", accent="azure water")  # fmt: skip
def make_floating_island(build: Build) -> Model:
    model = build.model()
    rng = build.rng
    rock = _rock(rng)
    model.add("secondary", rock, part="rock")
    turf = lathe([(0, -0.06), (0.9, -0.08), (1.0, 0.0), (0.9, 0.08), (0.4, 0.14), (0, 0.16)])
    model.add("primary", turf, part="grass")
    hill = blend([((-0.35, 0.1, -0.35), 0.3), ((-0.6, 0.08, -0.1), 0.22), ((-0.1, 0.05, -0.5), 0.2)])
    model.add("primary", hill, part="grass")
    river = [(0.05, 0.17, -0.35), (0.2, 0.165, 0.1), (0.32, 0.14, 0.6), (0.38, 0.08, 0.95)]
    fall = [(0.38, 0.08, 0.97), (0.4, -0.12, 1.06), (0.4, -0.6, 1.08), (0.4, -1.0, 1.06)]
    ribbon = np.array([[-1, -0.25], [1, -0.25], [1, 0.25], [-1, 0.25]])
    model.add("accent", tube(river, [0.06, 0.09, 0.11, 0.12], section=ribbon), part="water")
    strands = [
        tube(np.array(fall) + np.array([dx, 0, 0]), [0.05, 0.05, 0.045, 0.02]) for dx in (-0.07, 0, 0.07)
    ]
    model.add("aqua water", *strands, part="waterfall")
    for x, z, s in ((-0.45, -0.3, 1.0), (-0.65, 0.2, 0.7), (0.6, -0.35, 0.8), (-0.1, -0.55, 0.75)):
        y = 0.3 if (x, z) == (-0.45, -0.3) else 0.14
        model.add("brown bark", capsule((x, y, z), (x, y + 0.35 * s, z), 0.05 * s), part="trunk")
        crown = [((x, y + 0.5 * s, z), 0.2 * s), ((x + 0.12 * s, y + 0.42 * s, z), 0.15 * s),
                 ((x - 0.12 * s, y + 0.44 * s, z + 0.05), 0.15 * s)]  # fmt: skip
        model.add("emerald leaves", blend(crown, softness=0.06, cells=24), part="tree")
    model.anchor("top", (0, 0.16, 0.1), size=1.0)
    return model


def _rock(rng: np.random.Generator) -> Shape:
    """A cone of rock that hangs upside down, with lumps."""
    lumps: list[tuple[tuple[float, float, float], float]] = [((0.0, -0.55, 0.0), 0.6)]
    for level, wide, size in (
        (-0.18, 0.62, 0.33),
        (-0.55, 0.4, 0.3),
        (-0.9, 0.18, 0.24),
        (-1.25, 0.05, 0.16),
    ):
        for angle in np.arange(7) * 0.9 + rng.uniform(0, 6):
            reach = wide * rng.uniform(0.8, 1.1)
            spot = (reach * np.sin(angle), level + rng.uniform(-0.06, 0.06), reach * np.cos(angle))
            lumps.append((spot, size * rng.uniform(0.8, 1.1)))
    lumps.append(((0.0, -1.45, 0.0), 0.1))
    return blend(lumps, softness=0.04, cells=52)


@family("flag", words=("flag", "banner", "pennant"), primary="red fabric", secondary="brown wood",
        accent="gold")  # fmt: skip
def make_flag(build: Build) -> Model:
    model = build.model()
    model.add("secondary", capsule((0, 0, 0), (0, 2.0, 0), 0.035), part="pole")
    model.add("accent", sphere(0.075).moved(y=2.05), part="knob")
    u, v = np.linspace(0, 1, 50)[None], np.linspace(0, 1, 24)[:, None]
    z = 0.1 * np.sin(7 * u + 1.2 * v) * u**0.7
    sheet = grid(np.stack(np.broadcast_arrays(0.03 + 1.15 * u, 1.15 + 0.75 * v - 0.05 * u, z), axis=-1))
    model.add("primary", cloth(sheet), part="cloth")
    model.add("secondary", lathe([(0, 0), (0.28, 0), (0.26, 0.06), (0.05, 0.12), (0, 0.12)]), part="base")
    model.anchor("front", (0.6, 1.5, 0.08), size=0.6)
    model.anchor("grip", (0, 0.6, 0), size=0.09)
    return model


@family("shears", words=("shears", "garden shears", "pruning shears", "hedge shears", "secateurs"),
        primary="steel", secondary="orange rubber")  # fmt: skip
def make_shears(build: Build) -> Model:
    model = build.model()
    model.add("primary", *_shear_half(1), *_shear_half(-1), part="blade")
    for side in (1, -1):
        path = curve([(0.02, -0.1), (0.18, -0.35), (0.22, -0.75), (0.16, -1.05)], 20) * [side, 1]
        points: Array = np.column_stack([path, np.full(20, -0.03 * side)])
        model.add("secondary", tube(points, [0.06] * 20), part="handle")
    model.add("charcoal metal", cylinder(0.07, 0.16, bevel=0.02).turned("x", 90), part="bolt")
    model.anchor("grip", (0.2, -0.7, 0), size=0.14)
    return model


def _shear_half(side: int) -> list[Shape]:
    edge = [(0.0, -0.12), (0.11, 0.05), (0.17, 0.45), (0.14, 0.8), (0.05, 1.05)]
    path = curve(edge, 20) * [side, 1]
    points = np.column_stack([path - [0.06 * side, 0], np.full(20, 0.03 * side)])
    flat = np.array([[-1, -0.2], [1, -0.2], [1, 0.2], [-1, 0.2]])
    return [tube(points, np.linspace(0.1, 0.03, 20), section=flat)]
