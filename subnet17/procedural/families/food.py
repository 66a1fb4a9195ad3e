"""Fast food: hamburger, hot dog, pizza; and grains and frills for other food."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, ellipsoid, grid, join, ring, scatter, torus
from subnet17.procedural.sweeps import capsule, cylinder, extrude, lathe, tube

BEAD = lathe([(0, -1.0), (0.8, -0.5), (0.8, 0.5), (0, 1.0)], smooth=False, sides=6)


"""A grain about the size of 1: sesame seeds, sprinkles."""


def spiral(count: int, radius: float, *, inner: float = 0.0) -> Array:
    """(count, 2) places spread evenly over a disc."""
    k = np.arange(count) + 0.5
    r, a = np.sqrt(inner**2 + (radius**2 - inner**2) * k / count), np.deg2rad(137.508) * k
    return np.stack([r * np.sin(a), r * np.cos(a)], axis=1)


def ruffle(inner: float, outer: float, waves: int, height: float) -> Shape:
    """A wavy ring about Y: lettuce, frills."""
    t, a = np.linspace(0, 1, 6)[:, None], np.linspace(0, 2 * np.pi, 10 * waves, endpoint=False)[None]
    r = inner + (outer - inner) * t + 0.03 * np.sin(2.3 * waves * a) * t
    y = height * t * np.sin(waves * a) - 0.4 * height * t
    points = np.stack([r * np.sin(a), y, r * np.cos(a)], axis=-1)
    return join([grid(points[::-1], close_columns=True), grid(points - [0, 0.015, 0], close_columns=True)])


@family("hamburger", words=("hamburger", "burger", "cheeseburger"), primary="ginger crust",
    secondary="chocolate leather", accent="amber cream")  # fmt: skip
def make_hamburger(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        lathe([(0.5, 0), (0.66, 0.02), (0.74, 0.12), (0.72, 0.24), (0.5, 0.26)]),
        part="bun",
        fade=("cream crust", lambda p: (p[:, 1] - 0.2) * 12),
    )
    model.add(
        "secondary", lathe([(0.5, 0.25), (0.74, 0.27), (0.79, 0.35), (0.74, 0.44), (0.5, 0.45)]), part="patty"
    )
    model.add("accent", _slice(0.6).moved(y=0.475), part="cheese")
    model.add("red flesh", ring(cylinder(0.36, 0.07, bevel=0.03).moved(x=0.4, y=0.53), 4), part="tomato")
    model.add("lime leaves", ruffle(0.4, 0.86, 11, 0.055).moved(y=0.6), part="lettuce")
    top = lathe([(0.6, 0.61), (0.7, 0.62), (0.78, 0.74), (0.7, 0.95), (0.42, 1.13), (0, 1.19)])
    model.add("primary", top, part="bun", fade=("chestnut crust", lambda p: (p[:, 1] - 0.85) * 2.2))
    flat = spiral(46, 0.62)
    y = np.interp(np.hypot(*flat.T), [0, 0.2, 0.42, 0.6, 0.7], [1.19, 1.18, 1.13, 1.03, 0.95])
    seeds = np.column_stack([flat[:, 0], y, flat[:, 1]])
    model.add(
        "cream plastic",
        scatter(
            BEAD.scaled(0.02, 0.035, 0.02),
            seeds,
            directions=np.column_stack([flat[:, 1], 0 * y, -flat[:, 0]]),
        ),
        part="seed",
    )
    model.anchor("head_top", (0, 1.17, 0), size=0.9)
    model.anchor("eyes", (0, 0.85, 0.76), size=0.9)
    return model


def _slice(half: float) -> Shape:
    """A square slice of cheese whose corners hang down."""
    u = np.linspace(-1, 1, 25)
    x, z = np.meshgrid(u * half * 1.22, u * half * 1.22)
    x, z = (x + z) * np.sqrt(0.5), (z - x) * np.sqrt(0.5)
    y = -0.8 * np.maximum(np.hypot(x, z) - 0.7, 0)
    points = np.stack([x, y, z], axis=-1)
    return join([grid(points[::-1]), grid(points - [0, 0.035, 0])])


@family("hot dog", words=("hot dog", "hotdog", "frankfurter"), primary="ginger crust",
    secondary="auburn plastic", accent="yellow cream")  # fmt: skip
def make_hot_dog(build: Build) -> Model:
    model = build.model()
    for x in (-0.2, 0.2):
        model.add("primary", tube([(x, 0.24, -0.75), (x * 1.15, 0.24, 0), (x, 0.24, 0.75)], [0.2,
            0.25, 0.2]), part="bun", fade=("cream crust", lambda p: 2.2 - 12 * np.abs(p[:, 0])))  # fmt: skip
    model.add(
        "secondary",
        tube([(0, 0.42, -0.98), (0, 0.38, 0), (0, 0.42, 0.98)], [0.15, 0.17, 0.15]),
        part="sausage",
    )
    z = np.linspace(-0.8, 0.8, 60)
    sauce = np.stack(
        [0.075 * np.sin(z * 16), 0.56 + 0.03 * z**2 - 0.25 * (0.075 * np.sin(z * 16)) ** 2, z], axis=1
    )
    model.add("accent", tube(sauce, 0.035, smooth=False), part="mustard")
    model.add("lime leaves", ruffle(0.1, 0.3, 7, 0.05).scaled(1.05, 1, 2.9).moved(y=0.42), part="lettuce")
    model.anchor("head_top", (0, 0.58, 0.4), size=0.4)
    return model


@family("pizza", words=("pizza", "pepperoni pizza", "pizza slice"), primary="amber cream",
    secondary="ginger crust", accent="red leather")  # fmt: skip
def make_pizza(build: Build) -> Model:
    model = build.model()
    if build.has("slice", "piece"):
        return _pizza_slice(model)
    tilt = 9.0

    def lean(shape: Shape) -> Shape:
        return shape.turned("x", tilt).moved(y=0.2)

    model.add(
        "secondary",
        lean(cylinder(0.98, 0.08, bevel=0.03)),
        lean(torus(0.95, 0.09).scaled(1, 0.8, 1).moved(y=0.04)),
        part="crust",
    )
    model.add("red cream", lean(cylinder(0.9, 0.03).moved(y=0.045)), part="sauce")
    model.add(
        "primary",
        lean(_melted(0.86).moved(y=0.062)),
        part="cheese",
        fade=("ginger crust", lambda p: np.sin(p * [23, 19, 29]).sum(axis=1) * 0.5 - 0.7),
    )
    flat = spiral(13, 0.72)
    disc = cylinder(0.135, 0.03, bevel=0.012).moved(y=0.09)
    model.add("accent", lean(join(disc.moved(x=x, z=z) for x, z in flat)), part="pepperoni")
    leaf_at = spiral(17, 0.8)[::-1] * [-0.93, 0.93]
    model.add(
        "green leaves",
        lean(
            join(
                ellipsoid(0.075, 0.012, 0.04).turned("y", 70 * i).moved(x, 0.1, z)
                for i, (x, z) in enumerate(leaf_at)
            )
        ),
        part="basil",
    )
    model.add(
        "black plastic",
        lean(join(torus(0.04, 0.02).moved(x, 0.095, z) for x, z in spiral(11, 0.76) * [1, -1])),
        part="olive",
    )
    return model


def _melted(radius: float) -> Shape:
    r, a = np.linspace(1e-3, radius, 14)[:, None], np.linspace(0, 2 * np.pi, 72, endpoint=False)[None]
    y = 0.012 * np.sin(9 * r * np.cos(a) * 3) * np.sin(8 * r * np.sin(a) * 3)
    rim = r * (1 + 0.02 * np.sin(11 * a) * r)
    return grid(np.stack([rim * np.sin(a), y + 0 * r, rim * np.cos(a)], axis=-1)[::-1], close_columns=True)


def _pizza_slice(model: Model) -> Model:
    a = np.deg2rad(np.linspace(-24, 24, 9))
    arc = np.stack([np.sin(a), np.cos(a)], axis=1) * 1.5 - [0, 0.75]
    wedge = np.concatenate([[[0.0, -0.75]], arc[::-1]])
    model.add("secondary", extrude(wedge, 0.09), part="crust")
    model.add("secondary", tube(np.column_stack([arc * 1.02, 0 * a + 0.03]), 0.12), part="crust")
    model.add("primary", extrude(wedge * 0.97 - [0, 0.0], 0.03).moved(z=0.05), part="cheese")
    for x, z in ((0, 0.32), (0.3, 0.55), (-0.3, 0.52), (0.06, -0.2), (0.0, 0.66)):
        model.add(
            "accent",
            cylinder(0.15, 0.04, bevel=0.015).turned("x", 90).moved(x, z - 0.06, 0.075),
            part="pepperoni",
        )
    drips = [
        capsule((x, y, 0.05), (x, y - d, 0.05), 0.05, 0.035)
        for x, y, d in ((0.26, -0.1, 0.18), (-0.2, -0.24, 0.2), (0.0, -0.7, 0.16))
    ]
    model.add("primary", *drips, part="cheese")
    return model
