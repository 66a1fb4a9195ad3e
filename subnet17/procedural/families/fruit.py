"""Fruit and vegetables."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.families.food import BEAD
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import (
    Array,
    Shape,
    ellipsoid,
    join,
    polygon,
    ring,
    scatter,
    sphere,
)
from subnet17.procedural.sheets import frond, leaf
from subnet17.procedural.sweeps import capsule, cylinder, extrude, lathe, tube

APPLE = [
    (0, 0.09),
    (0.1, 0.02),
    (0.3, 0.0),
    (0.5, 0.28),
    (0.56, 0.62),
    (0.42, 0.88),
    (0.2, 0.95),
    (0.06, 0.84),
    (0, 0.8),
]


PEAR = [
    (0, 0.06),
    (0.12, 0.0),
    (0.4, 0.08),
    (0.52, 0.38),
    (0.4, 0.75),
    (0.26, 1.0),
    (0.19, 1.18),
    (0.08, 1.24),
    (0, 1.22),
]


LEMON = [
    (0, -0.1),
    (0.07, -0.06),
    (0.12, 0.02),
    (0.36, 0.17),
    (0.46, 0.46),
    (0.37, 0.78),
    (0.14, 0.95),
    (0.08, 1.02),
    (0, 1.05),
]


ROUND = [(0, 0.02), (0.26, 0.02), (0.48, 0.26), (0.52, 0.5), (0.44, 0.8), (0.22, 0.97), (0, 0.97)]


@family("apple", words=("apple", "fruit", "pear", "peach", "plum"), primary="red flesh",
        secondary="green leaves", accent="brown bark")  # fmt: skip
def make_apple(build: Build) -> Model:
    pear = build.has("pear")
    colour = "lime" if pear else "peach" if build.has("peach") else "purple" if build.has("plum") else "red"
    model = build.model(primary=colour + " flesh")
    model.add("primary", lathe(PEAR if pear else APPLE), part="fruit")
    top = 1.2 if pear else 0.82
    model.add(
        "accent",
        tube([(0, top - 0.02, 0), (0.02, top + 0.14, 0), (0.09, top + 0.3, 0.02)], [0.03, 0.028, 0.04]),
        part="stem",
    )
    model.add(
        "secondary",
        leaf(0.42, 0.24, bend_deg=60).turned("x", 40).turned("y", 75).moved(0.03, top + 0.16, 0),
        part="leaf",
    )
    model.anchor("head_top", (0, 0.92, 0), size=0.7)
    model.anchor("eyes", (0, 0.6, 0.5), size=0.8)
    model.anchor("grip", (0, 0.45, 0), size=0.75)
    return model


@family("citrus", words=("lemon", "orange fruit", "tangerine", "grapefruit", "citrus", "lime fruit"),
    primary="orange rubber", secondary="green leaves")  # fmt: skip
def make_citrus(build: Build) -> Model:
    yellow = build.has("lemon", "grapefruit")
    model = build.model(primary="yellow rubber" if yellow else "orange rubber")
    shape = LEMON if build.has("lemon") else ROUND
    fruit = lathe(shape)
    model.add("primary", fruit, part="fruit")
    top = fruit.bounds()[1, 1]
    model.add("brown bark", cylinder(0.045, 0.06).moved(y=top))
    model.add(
        "secondary",
        leaf(0.45, 0.22, bend_deg=50).turned("x", 60).moved(y=top + 0.02),
        leaf(0.34, 0.18, bend_deg=50).turned("x", 55).turned("y", 150).moved(y=top + 0.02),
        part="leaf",
    )
    model.anchor("head_top", (0, top, 0), size=0.7)
    model.anchor("eyes", (0, 0.55, 0.48), size=0.8)
    return model


@family(
    "banana", words=("banana", "bananas", "plantain"), primary="yellow rubber", secondary="chocolate bark"
)
def make_banana(build: Build) -> Model:
    model = build.model()
    a = np.deg2rad(np.linspace(-62, 62, 9))
    path = np.stack([0 * a, 1.0 - np.cos(a), np.sin(a)], axis=1)
    radii = [0.07, 0.15, 0.19, 0.205, 0.21, 0.205, 0.19, 0.15, 0.06]
    fruit = tube(path, radii, section=polygon(6, 1.0) * [0.95, 1.05])
    smooth = tube(path, np.array(radii) * 0.95)
    stem = capsule(path[-1], path[-1] + [0, 0.26, 0.12], 0.07, 0.06)
    tip = capsule(path[0], path[0] + [0, 0.05, -0.03], 0.06, 0.05)
    for turn in (-32, 0, 32) if build.has("bananas") else (0,):
        hinge = np.array([0.0, 0.75, 1.0])

        def swing(shape: Shape, turn: float = turn, hinge: Array = hinge) -> Shape:
            return shape.at(-hinge).turned("y", turn).at(hinge)

        model.add(
            "primary",
            swing(join([fruit, smooth])),
            part="fruit",
            fade=("lime rubber", lambda p: (np.abs(p[:, 2]) - 0.75) * 2.5),
        )
        model.add("secondary", swing(join([stem, tip])), part="stem")
    model.anchor("grip", (0, 0.1, 0), size=0.35)
    model.anchor("eyes", (0, 0.2, 0.3), size=0.3)
    return model


@family(
    "pineapple",
    words=("pineapple", "ananas"),
    primary="amber leather",
    secondary="green leaves",
    accent="brown bark",
)
def make_pineapple(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        lathe([(0, 0), (0.3, 0.02), (0.5, 0.3), (0.54, 0.68), (0.46, 1.05), (0.26, 1.26), (0, 1.28)]),
        part="fruit",
        fade=("chestnut leather", _diamonds),
    )
    k = np.arange(120)
    y, angle = 0.07 + 1.13 * k / 120, np.deg2rad(137.508) * k
    r = np.interp(y, [0, 0.3, 0.68, 1.05, 1.26], [0.33, 0.49, 0.535, 0.465, 0.27])
    places = np.stack([r * np.sin(angle), y, r * np.cos(angle)], axis=1)
    bump = lathe([(0.07, -0.01), (0.055, 0.03), (0.012, 0.05), (0, 0.085)], smooth=False, sides=4)
    out = places * [1, 0, 1] + np.stack([0 * y, (y - 0.6) * 0.25 + 0.06, 0 * y], axis=1)
    model.add("primary", scatter(bump, places, directions=out), part="fruit")
    for row, (count, lean, size) in enumerate(((9, 52, 0.6), (8, 34, 0.75), (7, 18, 0.85), (5, 6, 0.85))):
        blade = leaf(size, 0.15, bend_deg=38, fold=0.35, widest=0.25, rows=8).turned("x", lean).moved(z=0.06)
        model.add(
            "secondary", ring(blade, count).turned("y", 21 * row).moved(y=1.24 + 0.03 * row), part="leaf"
        )
    model.anchor("head_top", (0, 1.26, 0), size=0.7)
    model.anchor("eyes", (0, 0.85, 0.52), size=0.95)
    return model


def _diamonds(p: Array) -> Array:
    around, y = np.arctan2(p[:, 0], p[:, 2]), p[:, 1]
    lines = np.minimum(np.abs(np.sin(4 * around + 9 * y)), np.abs(np.sin(4 * around - 9 * y)))
    return np.asarray(np.clip(0.9 - 4 * lines, 0, 0.8))


@family(
    "strawberry",
    words=("strawberry", "raspberry"),
    primary="red flesh",
    secondary="green leaves",
    accent="lemon plastic",
)
def make_strawberry(build: Build) -> Model:
    model = build.model()
    profile = np.array(
        [(0, 0), (0.12, 0.05), (0.34, 0.36), (0.5, 0.74), (0.42, 0.98), (0.2, 1.05), (0, 1.03)]
    )
    model.add("primary", lathe(profile), part="fruit")
    k = np.arange(80)
    y, angle = 0.1 + 0.86 * np.sqrt(k / 80), np.deg2rad(137.508) * k
    r = np.interp(y, profile[:5, 1], profile[:5, 0]) + 0.012
    seeds = np.stack([r * np.sin(angle), y, r * np.cos(angle)], axis=1)
    model.add("accent", scatter(BEAD.scaled(0.018, 0.032, 0.018), seeds), part="seed")
    model.add("secondary", ring(leaf(0.42, 0.2, bend_deg=70).turned("x", 60).moved(y=1.03), 8), part="leaf")
    model.add("secondary", tube([(0, 1.02, 0), (0.02, 1.2, 0), (0.1, 1.32, 0)], 0.035), part="stem")
    model.anchor("head_top", (0, 1.05, 0), size=0.7)
    model.anchor("eyes", (0, 0.75, 0.47), size=0.8)
    return model


@family(
    "watermelon",
    words=("watermelon", "melon", "watermelon slice"),
    primary="red flesh",
    secondary="green rubber",
    accent="cream rubber",
)
def make_watermelon(build: Build) -> Model:
    model = build.model()
    if build.has("slice", "halved", "half", "cut", "piece") or build.rng.random() < 0.5:
        a = np.deg2rad(np.linspace(0, -180, 49))
        arc = np.stack([np.cos(a), np.sin(a)], axis=1)
        for role, size, depth in (("secondary", 1.0, 0.36), ("accent", 0.93, 0.375), ("primary", 0.87, 0.39)):
            model.add(role, extrude(arc * size, depth), part="rind" if size == 1.0 else "flesh")
        spots = np.array(
            [
                (0.62, -0.2),
                (0.32, -0.25),
                (0, -0.24),
                (-0.32, -0.25),
                (-0.62, -0.2),
                (0.47, -0.47),
                (0.16, -0.55),
                (-0.16, -0.55),
                (-0.47, -0.47),
            ]
        )
        seeds = np.column_stack([spots, np.full(9, 0.195)])
        drop = ellipsoid(0.035, 0.06, 0.02)
        model.add("black plastic", scatter(drop, np.concatenate([seeds, seeds * [1, 1, -1]])), part="seed")
        return model
    model.roles["primary"] = "green rubber"
    model.add(
        "primary",
        ellipsoid(0.75, 0.75, 0.95).moved(y=0.75),
        part="rind",
        fade=("dark green rubber", _melon_stripes),
    )
    model.add("brown bark", tube([(0, 0.78, 0.93), (0.02, 0.82, 1.05), (0.08, 0.92, 1.1)], 0.04), part="stem")
    return model


def _melon_stripes(p: Array) -> Array:
    around = np.arctan2(p[:, 0], p[:, 1] - 0.75)
    return np.asarray(np.clip(np.sin(8 * around + 0.9 * np.sin(11 * p[:, 2])) * 3, 0, 1))


@family(
    "grapes", words=("grape", "grapes"), primary="purple flesh", secondary="green leaves", accent="brown bark"
)
def make_grapes(build: Build) -> Model:
    model = build.model()
    berries = []
    for row, count in enumerate((9, 9, 8, 7, 6, 4, 3, 1)):
        r = (0.4, 0.42, 0.38, 0.32, 0.25, 0.17, 0.11, 0.0)[row]
        a = np.arange(count) * 2 * np.pi / count + 0.5 * row
        berries += [
            (r * np.sin(x), 1.25 - 0.17 * row + build.rng.uniform(-0.025, 0.025), r * np.cos(x)) for x in a
        ]
    model.add(
        "primary",
        scatter(ellipsoid(0.135, 0.145, 0.135), np.array(berries)),
        sphere(0.3).moved(y=1.05),
        part="berry",
    )
    model.add("accent", tube([(0, 1.2, 0), (0.0, 1.5, 0), (0.12, 1.66, 0)], 0.035), part="stem")
    model.add(
        "secondary",
        *(leaf(0.5, 0.42, bend_deg=65).turned("x", 60).turned("y", y).moved(y=1.42) for y in (40, 200)),
        part="leaf",
    )
    model.anchor("grip", (0.05, 1.6, 0), size=0.1)
    return model


@family(
    "carrot",
    words=("carrot", "radish", "turnip", "parsnip"),
    primary="orange leather",
    secondary="green leaves",
)
def make_carrot(build: Build) -> Model:
    model = build.model(primary="rose leather" if build.has("radish", "turnip") else "orange leather")
    root = [(0, -1.0), (0.03, -0.95), (0.13, -0.5), (0.21, -0.05), (0.25, 0.22), (0.17, 0.34), (0, 0.34)]
    if build.has("radish", "turnip"):
        root = [(0, -0.5), (0.02, -0.4), (0.06, -0.22), (0.36, 0.02), (0.36, 0.24), (0.15, 0.36), (0, 0.36)]
    model.add(
        "primary",
        lathe(root),
        part="root",
        fade=(
            "chestnut leather",
            lambda p: np.clip(np.sin(p[:, 1] * 34 + 2 * np.arctan2(p[:, 0], p[:, 2])) * 4 - 3.2, 0, 0.5),
        ),
    )
    model.add(
        "secondary",
        *(
            frond(0.75, 0.3, leaflets=12, bend_deg=55, slender=0.34)
            .turned("x", 8 + 9 * (k % 3))
            .turned("y", 51 * k)
            .moved(y=0.3)
            for k in range(7)
        ),
        part="leaf",
    )
    model.anchor("grip", (0, 0.1, 0), size=0.45)
    return model
