"""Whales, sharks and dolphins: a hull along Z with fins."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.anatomy import add_eyes
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, pair, scatter
from subnet17.procedural.sheets import lens
from subnet17.procedural.sweeps import body, cone, tube

FLUKE = [(0, 0.14), (0.3, 0.2), (0.62, -0.02), (0.72, -0.24), (0.45, -0.14), (0.15, -0.1), (0, -0.03),
         (-0.15, -0.1), (-0.45, -0.14), (-0.72, -0.24), (-0.62, -0.02), (-0.3, 0.2)]  # fmt: skip
"""A whale's tail from above, its front up."""
FLIPPER = [(0, 0.14), (0.25, 0.1), (0.58, -0.22), (0.62, -0.4), (0.35, -0.26), (0, -0.12)]
"""A flipper from above, its root at x = 0."""


def _fluke(y: float, z: float, size: float) -> Shape:
    return lens(FLUKE, 0.1).scaled(size).turned("x", 90).turned("x", -12).moved(y=y, z=z)


def _flippers(x: float, y: float, z: float, size: float, *, droop_deg: float = 28.0) -> Shape:
    return pair(lens(FLIPPER, 0.1).scaled(size).turned("x", 90).turned("z", -droop_deg).moved(x, y, z))


@family("whale", words=("whale", "blue whale", "humpback whale", "humpback", "sperm whale"),
    primary="cobalt skin", secondary="ash skin", accent="aqua water")  # fmt: skip
def make_whale(build: Build) -> Model:
    model = build.model()
    hull = body(
        [(-1.55, 0.5, 0.05, 0.05), (-1.3, 0.36, 0.14, 0.13), (-0.75, 0.1, 0.38, 0.34), (-0.1, 0, 0.56, 0.52),
         (0.5, 0, 0.6, 0.55), (0.95, 0, 0.52, 0.46), (1.22, -0.02, 0.34, 0.32), (1.34, -0.04, 0.02, 0.02)]
    )  # fmt: skip
    model.add("primary", hull, part="body", fade=("secondary", _throat))
    model.add("primary", _fluke(0.53, -1.6, 1.05), part="tail")
    model.add("primary", _flippers(0.46, -0.26, 0.35, 0.95), part="fin")
    model.add(
        "navy paint",
        pair(tube([(0.585, -0.1, 0.62), (0.5, -0.1, 0.95), (0.25, -0.05, 1.27), (0, -0.02, 1.345)], 0.014)),
    )
    add_eyes(model, (0.535, 0.03, 0.66), 0.065, iris="white paint")
    if build.has("cute", "cartoon", "happy", "baby", "kawaii", "friendly"):
        jet = [tube([(0, 0.5, 0.45), (0, 0.85, 0.45), (x, 1.05, 0.45 + z), (1.8 * x, 0.9,
            0.45 + 1.8 * z)], [0.05, 0.06, 0.06, 0.03]) for x, z in ((0.2, 0), (-0.2, 0), (0, 0.2),
            (0, -0.2))]  # fmt: skip
        model.add("accent", *jet, part="water")
    model.anchor("head_top", (0, 0.52, 0.65), size=0.75)
    model.anchor("eyes", (0, 0.05, 0.95), size=1.2)
    model.anchor("back", (0, 0.5, -0.1), size=0.8)
    model.anchor("top", (0, 0.53, 0.1), size=0.7)
    return model


def _throat(p: Array) -> Array:
    """A pale, grooved underside that ends before the tail."""
    low = np.clip(-p[:, 1] * 9 - 0.6 + 0.6 * np.clip(p[:, 2], -1, 1), 0, 1)
    groove = 0.72 + 0.28 * np.clip(np.cos(p[:, 0] * 42) * 2, -1, 1)
    return np.asarray(low * groove * np.clip(p[:, 2] * 3 + 3.2, 0, 1))


@family("shark", words=("shark", "great white shark", "white shark", "hammerhead shark"),
    primary="slate skin", secondary="white skin", accent="white bone")  # fmt: skip
def make_shark(build: Build) -> Model:
    model = build.model()
    hull = body(
        [(-1.35, 0.1, 0.03, 0.06), (-1.1, 0.07, 0.09, 0.11), (-0.6, 0.02, 0.24, 0.25), (0, 0, 0.36, 0.38),
         (0.5, 0, 0.36, 0.38), (0.95, 0.04, 0.26, 0.25), (1.3, 0.09, 0.11, 0.1), (1.4, 0.1, 0.01, 0.01)]
    )  # fmt: skip
    model.add("primary", hull, part="body", fade=("secondary", lambda p: -p[:, 1] * 12 + 0.1))
    dorsal = lens(
        [(-0.28, 0), (-0.2, 0.2), (-0.3, 0.56), (-0.12, 0.5), (0.14, 0.2), (0.3, 0)], 0.1, smooth=False
    )
    model.add("primary", dorsal.turned("y", -90).moved(y=0.33, z=0.05), part="fin")
    model.add("primary", dorsal.scaled(0.4).turned("y", -90).moved(y=0.17, z=-0.75), part="fin")
    tail = lens([(0.1, 0.0), (-0.12, 0.32), (-0.42, 0.62), (-0.3, 0.2), (-0.22, 0.0), (-0.28, -0.18),
        (-0.34, -0.42), (-0.08, -0.2)], 0.08)  # fmt: skip
    model.add("primary", tail.turned("y", -90).moved(y=0.09, z=-1.28), part="tail")
    model.add("primary", _flippers(0.28, -0.14, 0.3, 1.05), part="fin")
    model.add("primary", _flippers(0.14, -0.1, -0.62, 0.4), part="fin")
    gills = [
        box(0.02, 0.2, 0.025, bevel=0.008).turned("x", 15).moved(0.352 - 0.012 * k, 0.04, 0.42 + 0.075 * k)
        for k in range(4)
    ]
    model.add("dark slate paint", *(pair(g) for g in gills))
    _add_jaws(model)
    add_eyes(model, (0.225, 0.12, 0.96), 0.05, iris="black paint")
    if build.has("hammerhead"):
        model.add("primary", ellipsoid(0.62, 0.08, 0.17).moved(y=0.1, z=1.28), part="head")
    model.anchor("head_top", (0, 0.32, 0.8), size=0.5)
    model.anchor("eyes", (0, 0.12, 1.1), size=0.5)
    model.anchor("back", (0, 0.36, -0.2), size=0.6)
    return model


def _add_jaws(model: Model) -> None:
    """An open mouth under the snout, with teeth along its rim."""
    a = np.linspace(-np.pi / 2, np.pi / 2, 15)
    rim = np.stack([0.2 * np.sin(a), -0.13 + 0.02 * np.cos(a), 0.86 + 0.2 * np.cos(a)], axis=1)
    model.add("maroon skin", ellipsoid(0.19, 0.055, 0.2).moved(y=-0.15, z=0.88), part="mouth")
    model.add("accent", scatter(cone(0.024, 0.085, sides=6), rim - [0, 0.02, 0],
        directions=np.tile([0.0, -1.0, 0.15], (15, 1))), part="tooth")  # fmt: skip


@family(
    "dolphin",
    words=("dolphin", "porpoise", "orca", "killer whale"),
    primary="slate skin",
    secondary="snow skin",
)
def make_dolphin(build: Build) -> Model:
    orca = build.has("orca", "killer")
    model = build.model(primary="black skin" if orca else "azure skin")
    hull = body(
        [(-1.25, -0.1, 0.04, 0.04), (-1.0, 0.04, 0.1, 0.11), (-0.5, 0.2, 0.24, 0.26), (0, 0.24, 0.31, 0.33),
         (0.45, 0.2, 0.3, 0.31), (0.8, 0.08, 0.24, 0.24), (1.0, 0.0, 0.16, 0.16), (1.06, -0.04, 0.08, 0.07),
         (1.28, -0.1, 0.05, 0.045), (1.32, -0.11, 0.01, 0.01)]
    )  # fmt: skip
    model.add("primary", hull, part="body", fade=("secondary", _belly))
    dorsal = lens([(-0.26, 0.02), (-0.3, 0.3), (-0.24, 0.42), (-0.02, 0.26), (0.22, 0)], 0.1)
    model.add("primary", dorsal.turned("y", -90).moved(y=0.52, z=-0.08), part="fin")
    model.add("primary", _fluke(-0.1, -1.3, 0.72), part="tail")
    model.add("primary", _flippers(0.24, 0.06, 0.42, 0.75, droop_deg=40), part="fin")
    if orca:
        model.add("secondary", pair(ellipsoid(0.03, 0.06, 0.13).moved(0.235, 0.2, 0.72)), part="patch")
    model.add(
        "dark slate paint", pair(tube([(0.2, -0.04, 0.86), (0.09, -0.08, 1.06), (0.04, -0.1, 1.3)], 0.008))
    )
    add_eyes(model, (0.2, 0.1, 0.84), 0.04, iris="black paint")
    model.anchor("head_top", (0, 0.3, 0.75), size=0.45)
    model.anchor("eyes", (0, 0.1, 0.95), size=0.46)
    model.anchor("back", (0, 0.55, 0), size=0.5)
    return model


def _belly(p: Array) -> Array:
    centre = np.interp(
        p[:, 2], [-1.25, -1.0, -0.5, 0, 0.45, 0.8, 1.0, 1.3], [-0.1, 0.04, 0.2, 0.24, 0.2, 0.08, 0.0, -0.1]
    )
    return np.asarray(np.clip((centre - p[:, 1]) * 14 + 0.1, 0, 1))
