"""Cakes and sweets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from subnet17.procedural.families.food import BEAD, ruffle, spiral
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, grid, join, scatter, sphere, torus
from subnet17.procedural.sweeps import capsule, curve, cylinder, lathe, tube

SPRINKLES = ("red plastic", "yellow plastic", "azure plastic", "white plastic", "lime plastic")


@family("cake", words=("cake", "birthday cake", "wedding cake", "chocolate cake", "layer cake"),
    primary="pink cream", secondary="cream crust", accent="red plastic", light="orange light")  # fmt: skip
def make_cake(build: Build) -> Model:
    model = build.model(primary="chocolate") if build.has("chocolate") else build.model()
    tiers = 3 if build.has("wedding", "tall", "big") else 2
    model.add(
        "white ceramic",
        lathe([(0, 0), (0.3, 0.02), (1.02, 0.06), (1.04, 0.09), (0, 0.09)], smooth=False),
        part="plate",
    )
    y, r = 0.09, 0.84
    for k in range(tiers):
        model.add("secondary", cylinder(r, 0.4, bevel=0.03).moved(y=y + 0.2), part="sponge")
        model.add("primary", _icing(r + 0.015, 0.4).moved(y=y), part="icing")
        model.add(
            "white cream", scatter(_swirl(0.085), _circle(r - 0.02, 22 - 5 * k, y + 0.02)), part="cream"
        )
        y, r = y + 0.41, r * 0.66
    rim = r / 0.66
    tops = _circle(rim - 0.13, 8, y)
    model.add("white cream", scatter(_swirl(0.11), tops), part="cream")
    model.add("accent", scatter(sphere(0.08), tops).moved(y=0.15), part="cherry")
    if build.has("birthday") or not build.has("wedding", "chocolate"):
        for k, (x, z) in enumerate(spiral(5, rim * 0.45)):
            model.add(SPRINKLES[k], cylinder(0.028, 0.32).moved(x, y + 0.16, z), part="candle")
            model.add(
                "light",
                lathe([(0, 0), (0.035, 0.04), (0.02, 0.1), (0, 0.15)]).moved(x, y + 0.32, z),
                part="flame",
            )
    model.anchor("top", (0, y, 0), size=1.0)
    model.anchor("head_top", (0, y, 0), size=0.9)
    return model


def _icing(radius: float, height: float) -> Shape:
    """A coat over the top of a tier that runs down its side in drips."""
    a = np.linspace(0, 2 * np.pi, 144, endpoint=False)[None]
    t = np.array([0, 0.25, 0.6, 0.85, 1.0])[:, None]
    drip = height * (0.36 + 0.16 * np.sin(9 * a) + 0.09 * np.sin(14 * a + 1))
    wall = np.stack(
        [radius * np.sin(a) + 0 * t, height - drip * (1 - t), radius * np.cos(a) + 0 * t], axis=-1
    )
    rounds = [(0.985, 1.04), (0.94, 1.06), (0.5, 1.06), (0.0, 1.06)]
    top = np.stack(
        [
            np.concatenate([radius * f * np.sin(a), 0 * a + height * h, radius * f * np.cos(a)]).T
            for f, h in rounds
        ]
    )
    return grid(np.concatenate([wall, top]), close_columns=True)


def _circle(radius: float, count: int, y: float) -> Array:
    a = np.arange(count) * 2 * np.pi / count
    return np.stack([radius * np.sin(a), y + 0 * a, radius * np.cos(a)], axis=1)


def _swirl(radius: float) -> Shape:
    """A small rosette of cream."""
    return lathe(
        [(0, 0), (1, 0.1), (0.95, 0.5), (0.6, 0.8), (0.55, 1.1), (0.2, 1.35), (0, 1.7)],
        sides=12,
        smooth=False,
    ).scaled(radius)


@family(
    "cupcake",
    words=("cupcake", "muffin", "fairy cake"),
    primary="pink cream",
    secondary="azure paper",
    accent="red plastic",
)
def make_cupcake(build: Build) -> Model:
    model = build.model()
    a = np.linspace(0, 2 * np.pi, 168, endpoint=False)[None]
    t = np.linspace(0, 1, 8)[:, None]
    r = (0.44 + 0.16 * t) * (1 + 0.035 * np.sign(np.sin(28 * a)) * np.abs(np.sin(28 * a)) ** 0.5)
    wall = grid(np.stack([r * np.sin(a), 0.55 * t + 0 * a, r * np.cos(a)], axis=-1), close_columns=True)
    model.add("secondary", wall, cylinder(0.44, 0.02).moved(y=0.01), part="wrapper")
    model.add("tan crust", ellipsoid(0.62, 0.2, 0.62).moved(y=0.52), part="cake")
    turns = np.linspace(0, 1, 150)
    wind, reach = 2 * np.pi * 3.6 * turns, 0.44 * (1 - turns) ** 0.8 + 0.02
    path = np.stack([reach * np.sin(wind), 0.66 + 0.6 * turns, reach * np.cos(wind)], axis=1)
    model.add(
        "primary",
        tube(path, 0.19 * (1 - 0.72 * turns), smooth=False),
        lathe([(0, 0.5), (0.5, 0.6), (0, 1.25)], smooth=False),
        part="icing",
    )
    model.add("accent", sphere(0.13).moved(y=1.37), part="cherry")
    model.add("brown bark", tube([(0, 1.48, 0), (0.03, 1.6, 0), (0.1, 1.7, 0.02)], 0.015))
    for k, paint in enumerate(SPRINKLES):
        height = build.rng.uniform(0.66, 1.14, 9)
        angle = build.rng.uniform(0, 2 * np.pi, 9)
        at = 0.6 - 0.48 * (height - 0.66) / 0.56
        places = np.stack([at * np.sin(angle), height + 0.05, at * np.cos(angle)], axis=1)
        model.add(
            paint,
            scatter(
                BEAD.scaled(0.018, 0.05, 0.018), places, directions=build.rng.normal(size=(9, 3)) + k * 0.01
            ),
            part="sprinkle",
        )
    model.anchor("head_top", (0, 1.3, 0), size=0.45)
    model.anchor("eyes", (0, 0.4, 0.56), size=0.7)
    return model


@family("donut", words=("donut", "doughnut"), primary="pink plastic", secondary="ginger crust")
def make_donut(build: Build) -> Model:
    model = build.model()
    tilt = 16.0
    model.add("secondary", torus(0.62, 0.34).scaled(1, 0.85, 1).turned("x", tilt), part="dough")
    ring_ = torus(0.62, 0.365).scaled(1, 0.85, 1)
    a = np.arctan2(ring_.vertices[:, 0], ring_.vertices[:, 2])
    v = ring_.vertices.copy()
    edge = 0.015 + 0.05 * np.sin(8 * a) + 0.03 * np.sin(13 * a)
    v[:, 1] = np.maximum(v[:, 1], edge)
    model.add("primary", Shape(v, ring_.faces).turned("x", tilt), part="icing")
    for k, paint in enumerate(SPRINKLES):
        angle = build.rng.uniform(0, 2 * np.pi, 22)
        slope = build.rng.uniform(-1.1, 1.1, 22)
        r = 0.62 + 0.365 * np.sin(slope)
        places = np.stack([r * np.sin(angle), 0.31 * np.cos(slope) + 0.008, r * np.cos(angle)], axis=1)
        spots = scatter(
            BEAD.scaled(0.024, 0.07, 0.024),
            places,
            directions=build.rng.normal(size=(22, 3)) * [1, 0.2, 1] + 0.01 * k,
        )
        model.add(paint, spots.turned("x", tilt), part="sprinkle")
    return model


@family("ice cream", words=("ice cream", "ice cream cone", "icecream", "gelato", "ice cream sundae"),
    primary="rose cream", secondary="ginger crust", accent="ivory cream")  # fmt: skip
def make_ice_cream(build: Build) -> Model:
    model = build.model(primary=build.pick(("pink cream", "mint cream", "cream cream")))
    cone_ = lathe(
        [(0, 0), (0.05, 0.02), (0.4, 1.1), (0.43, 1.12), (0.43, 1.2), (0.36, 1.2), (0, 1.0)], smooth=False
    )
    model.add("secondary", cone_, part="cone")
    waffle = [_helix(side * turn) for side in (-1, 1) for turn in range(1, 8)]
    model.add("chestnut crust", join(waffle), part="cone")
    lower, upper = (0, 1.42, 0), (0, 1.86, 0)
    model.add("primary", _scoop(0.46).at(lower), part="scoop")
    model.add("accent", _scoop(0.36).at(upper), part="scoop")
    model.add("chocolate", capsule((0.12, 1.95, -0.05), (0.34, 2.45, -0.14), 0.055), part="wafer")
    model.add("red plastic", sphere(0.12).moved(-0.05, 2.27, 0.06), part="cherry")
    model.anchor("grip", (0, 0.5, 0), size=0.4)
    model.anchor("eyes", (0, 1.45, 0.44), size=0.7)
    return model


def _scoop(radius: float) -> Shape:
    return join(
        [
            sphere(radius),
            ruffle(0.6 * radius, 1.14 * radius, 9, 0.07 * radius).moved(y=-0.5 * radius),
            torus(0.85 * radius, 0.2 * radius).moved(y=-0.5 * radius),
        ]
    )


def _helix(turn: float) -> Shape:
    """One rib of a waffle cone."""
    t = np.linspace(0.04, 1, 16)
    angle = np.sign(turn) * 2.2 * t + 2 * np.pi * abs(turn) / 7
    r = 0.05 + 0.36 * t
    return tube(np.stack([r * np.sin(angle), 1.1 * t, r * np.cos(angle)], axis=1), 0.016)


@family(
    "pancakes",
    words=("pancake", "pancakes", "crepe", "waffle"),
    primary="tan crust",
    secondary="lemon cream",
    accent="auburn glass",
)
def make_pancakes(build: Build) -> Model:
    model = build.model()
    model.add(
        "white ceramic",
        lathe([(0, 0), (0.5, 0.02), (1.05, 0.1), (1.05, 0.13), (0.55, 0.08), (0, 0.06)]),
        part="plate",
    )
    for k in range(5):
        cake = cylinder(0.72, 0.14, bevel=0.065).moved(
            build.rng.uniform(-0.04, 0.04), 0.16 + 0.135 * k, build.rng.uniform(-0.04, 0.04)
        )
        model.add(
            "primary",
            cake,
            part="pancake",
            fade=("cream crust", _browned(0.16 + 0.135 * k)),
        )
    model.add(
        "accent",
        _icing(0.73, 0.6).scaled(0.8, 1, 0.8).moved(y=0.165),
        cylinder(0.5, 0.03, bevel=0.012).moved(y=0.785),
        part="syrup",
    )
    drips = [
        tube(
            curve(
                [(r * np.sin(a), 0.79, r * np.cos(a)) for r in (0.4, 0.7)]
                + [(0.755 * np.sin(a), 0.7 - d, 0.755 * np.cos(a))],
                8,
            ),
            0.06,
        )
        for a, d in zip(np.arange(7) * 0.9, (0.2, 0.4, 0.3, 0.5, 0.25, 0.45, 0.3), strict=True)
    ]
    model.add("accent", *drips, part="syrup")
    model.add("secondary", box(0.3, 0.14, 0.3, bevel=0.04).turned("y", 30).moved(y=0.86), part="butter")
    model.anchor("top", (0, 0.92, 0), size=0.6)
    return model


def _browned(y: float) -> Callable[[Array], Array]:
    """A pale edge halfway up a pancake whose middle is at this height."""
    return lambda p: np.asarray(0.9 - 30 * np.abs(p[:, 1] - y))
