"""Flyers: bee, butterfly, dragonfly, ladybird."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from subnet17.procedural.anatomy import add_eyes
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, ellipsoid, join, pair, sphere
from subnet17.procedural.sheets import closed_curve, lens
from subnet17.procedural.sweeps import cone, tube


def feelers(start: tuple[float, float, float], end: tuple[float, float, float], thickness: float) -> Shape:
    """Two bent feelers with knobs."""
    (x, y, z), (x1, y1, z1) = start, end
    feeler = tube([start, (x + 0.3 * (x1 - x), y + 0.7 * (y1 - y), z + 0.3 * (z1 - z)), end], thickness)
    return pair(join([feeler, sphere(1.9 * thickness).at(end)]))


def bent_legs(
    places: list[tuple[float, float]], reach: float, knee: float, root: tuple[float, float], thickness: float
) -> Shape:
    """Pairs of bent legs down to y = 0; `places`: (z of the root, z of the foot); `root`: its (x, y)."""
    x, y = root
    return pair(
        join(
            tube(
                [(x, y, z), (0.55 * reach + 0.2 * x, knee, 0.5 * (z + foot)), (reach, 0.0, foot)],
                [thickness, thickness, 0.5 * thickness],
            )
            for z, foot in places
        )
    )


@family("bee", words=("bee", "bumblebee", "honeybee", "honey bee", "wasp", "hornet"), primary="yellow wool",
        secondary="black wool", accent="snow glass")  # fmt: skip
def make_bee(build: Build) -> Model:
    model = build.model()
    slim = 0.8 if build.has("wasp", "hornet") else 1.0
    model.add(
        "primary",
        ellipsoid(0.48 * slim, 0.46 * slim, 0.66).moved(y=0.6, z=-0.12),
        part="body",
        fade=("secondary", _belts),
    )
    model.add("secondary", cone(0.09, 0.26).turned("x", -90).moved(y=0.58, z=-0.84), part="stinger")
    model.add("primary", sphere(0.36).moved(y=0.68, z=0.58), part="head")
    model.add("secondary", feelers((0.12, 0.98, 0.66), (0.26, 1.3, 0.86), 0.028), part="antenna")
    model.add(
        "secondary",
        bent_legs([(0.25, 0.4), (0.05, 0.05), (-0.15, -0.3)], 0.42, 0.16, (0.22, 0.32), 0.05),
        part="leg",
    )
    add_eyes(model, (0.19, 0.76, 0.82), 0.12, iris="white paint")
    model.add("black paint", tube([(-0.09, 0.56, 0.905), (0, 0.52, 0.92), (0.09, 0.56, 0.905)], 0.016))
    wing = lens([(0, -0.06), (0.35, -0.2), (0.85, -0.12), (0.95, 0.12), (0.7, 0.3), (0.25, 0.2)], 0.05)
    for size, turn, z in ((1.0, -14, 0.08), (0.72, -40, -0.12)):
        placed = wing.scaled(size).turned("x", -62).turned("y", -turn).turned("z", 38)
        model.add("accent", pair(placed.moved(0.12, 0.98, z)), part="wing", fade=("azure glass", _veins))
    model.anchor("head_top", (0, 1.0, 0.56), size=0.6)
    model.anchor("eyes", (0, 0.76, 0.94), size=0.62)
    return model


def _belts(p: Array) -> Array:
    return np.asarray(np.clip(np.sin((p[:, 2] + 0.07) * 15) * 6, 0, 1))


def _veins(p: Array) -> Array:
    return np.asarray(np.clip(np.sin(p[:, 0] * 40) + np.sin(p[:, 2] * 46) - 1.2, 0, 0.6))


FORE_WING = [
    (0.02, -0.02),
    (0.3, 0.34),
    (0.72, 0.78),
    (1.02, 0.9),
    (1.04, 0.62),
    (0.9, 0.28),
    (0.72, 0.02),
    (0.3, -0.1),
]


HIND_WING = [
    (0.02, 0.04),
    (0.4, 0.06),
    (0.78, -0.04),
    (0.84, -0.36),
    (0.62, -0.7),
    (0.4, -0.74),
    (0.2, -0.45),
]


@family("butterfly", words=("butterfly", "monarch butterfly", "moth"), primary="orange petal",
    secondary="black wool", accent="white paint")  # fmt: skip
def make_butterfly(build: Build) -> Model:
    blue = not build.has("monarch", "moth") and build.rng.random() < 0.5
    colour = "tan" if build.has("moth") else "azure" if blue else "orange"
    model = build.model(primary=f"{colour} petal")
    for outline, z in ((FORE_WING, 0.02), (HIND_WING, -0.01)):
        p = np.array(outline)
        wing = lens(p, 0.035)
        border = _border(p)
        placed = wing.turned("y", -24).moved(0.03, 0, z)
        dots = np.stack([p[2:-1, 0] * 0.93 + 0.01, p[2:-1, 1] * 0.93], axis=1)
        shape = (
            join(sphere(0.032).scaled(1, 1, 0.9).moved(x, y, 0.0) for x, y in dots)
            .turned("y", -24)
            .moved(0.03, 0, z)
        )
        model.add("primary", pair(placed), part="wing", fade=("secondary", border))
        model.add("accent", pair(shape), part="spot")
    model.add(
        "secondary",
        tube([(0, 0.3, 0.03), (0, 0.1, 0.05), (0, -0.15, 0.04), (0, -0.55, 0.02)], [0.06, 0.09, 0.085, 0.03]),
        part="body",
    )
    model.add("secondary", sphere(0.085).moved(y=0.38, z=0.05), part="head")
    model.add("secondary", feelers((0.03, 0.44, 0.06), (0.22, 0.8, 0.12), 0.014), part="antenna")
    add_eyes(model, (0.055, 0.41, 0.11), 0.035, iris="white paint")
    model.anchor("head_top", (0, 0.45, 0.05), size=0.17)
    model.anchor("eyes", (0, 0.41, 0.14), size=0.17)
    return model


def _border(outline: Array) -> Callable[[Array], Array]:
    """A dark rim and dark veins from the root, for a wing that was turned about Y."""
    rim, root = closed_curve(outline, 120), outline[0]

    def share(p: Array) -> Array:
        flat = np.stack([np.hypot(p[:, 0], p[:, 2]), p[:, 1]], axis=1)
        gap = np.linalg.norm(flat[:, None] - rim[None], axis=2).min(axis=1)
        angle = np.arctan2(flat[:, 1] - root[1], flat[:, 0] - root[0])
        veins = np.clip(np.cos(angle * 17) * 6 - 5.0, 0, 0.9)
        return np.asarray(np.clip((0.085 - gap) * 30, 0, 1) + veins)

    return share


@family("dragonfly", words=("dragonfly", "damselfly"), primary="teal metal", secondary="emerald metal",
        accent="aqua glass")  # fmt: skip
def make_dragonfly(build: Build) -> Model:
    model = build.model()
    model.add("primary", tube([(0, 0.5, 0.3), (0, 0.52, 0), (0, 0.5, -0.3), (0, 0.56, -1.3)], [0.12,
        0.15, 0.07, 0.045]), part="body", fade=("secondary", lambda p: np.clip(np.sin(p[:,
        2] * 30) * 3 - 1, 0, 1)))  # fmt: skip
    model.add("secondary", ellipsoid(0.15, 0.12, 0.12).moved(y=0.5, z=0.42), part="head")
    model.add("maroon plastic", pair(sphere(0.11).moved(0.12, 0.54, 0.48)), part="eye")
    wing = lens(
        [(0, -0.04), (0.5, -0.12), (1.1, -0.1), (1.22, 0.02), (1.1, 0.1), (0.5, 0.08), (0, 0.05)], 0.03
    )
    for z, turn in ((0.12, 14), (-0.12, -14)):
        model.add("accent", pair(wing.turned("x", -72).turned("y", turn).turned("z", 16).moved(0.06,
            0.6, z)), part="wing", fade=("white paint", _veins))  # fmt: skip
    model.add(
        "secondary",
        bent_legs([(0.2, 0.4), (0.1, 0.1), (0.0, -0.2)], 0.3, 0.3, (0.06, 0.42), 0.022),
        part="leg",
    )
    model.anchor("head_top", (0, 0.62, 0.42), size=0.26)
    model.anchor("eyes", (0, 0.54, 0.58), size=0.34)
    return model


@family("ladybird", words=("ladybird", "ladybug", "lady bug", "beetle", "scarab"),
    primary="red plastic", secondary="black plastic", accent="white plastic")  # fmt: skip
def make_ladybird(build: Build) -> Model:
    beetle = build.has("beetle", "scarab")
    model = build.model(primary="emerald metal") if beetle else build.model()
    dome = ellipsoid(0.62, 0.52, 0.72).moved(y=0.2, z=-0.1)
    model.add("primary", dome, part="shell", fade=("secondary", _wing_line if beetle else _dots))
    model.add("secondary", ellipsoid(0.6, 0.14, 0.7).moved(y=0.16, z=-0.08))
    model.add("secondary", ellipsoid(0.34, 0.28, 0.26).moved(y=0.3, z=0.62), part="head")
    model.add("accent", pair(ellipsoid(0.11, 0.1, 0.05).turned("y", 30).moved(0.2, 0.45, 0.77)), part="cheek")
    add_eyes(model, (0.14, 0.34, 0.82), 0.085, iris="white paint")
    model.add("secondary", feelers((0.1, 0.52, 0.7), (0.24, 0.8, 0.92), 0.022), part="antenna")
    model.add(
        "secondary",
        bent_legs([(0.4, 0.55), (0.05, 0.05), (-0.35, -0.5)], 0.78, 0.2, (0.4, 0.16), 0.05),
        part="leg",
    )
    model.anchor("head_top", (0, 0.56, 0.6), size=0.5)
    model.anchor("eyes", (0, 0.36, 0.86), size=0.5)
    model.anchor("back", (0, 0.72, -0.1), size=0.7)
    return model


def _dots(p: Array) -> Array:
    """Seven spots and the line between the wing cases, on the ladybird's dome."""
    spots = np.array([[0.0, 0.38], [0.3, 0.18], [0.42, -0.22], [0.22, -0.52], [0.1, -0.12]])
    flat = np.stack([np.abs(p[:, 0]), p[:, 2] + 0.02], axis=1)
    gap = np.linalg.norm(flat[:, None] - spots[None], axis=2).min(axis=1)
    return np.asarray(np.clip((0.105 - gap) * 40, 0, 1) + _wing_line(p))


def _wing_line(p: Array) -> Array:
    return np.asarray(np.clip((0.026 - np.abs(p[:, 0])) * 80, 0, 1))
