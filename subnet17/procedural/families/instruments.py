"""Pianos, drums and accordions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, box, ellipsoid, join, pair, ring, sphere, torus
from subnet17.procedural.sweeps import capsule, curve, extrude, lathe, tube


@family("piano", words=("piano", "grand piano", "concert piano", "upright piano",
        "harpsichord"), primary="black paint", secondary="white plastic", accent="gold")  # fmt: skip
def make_piano(build: Build) -> Model:
    if build.has("upright"):
        return _upright_piano(build)
    model = build.model()
    wing = [
        (-0.75, 0.6),
        (-0.75, -0.95),
        (-0.55, -1.12),
        (-0.25, -1.05),
        (-0.05, -0.75),
        (0.15, -0.4),
        (0.55, -0.2),
        (0.75, 0.05),
        (0.75, 0.6),
    ]
    rim = np.concatenate([curve(wing[:-1], 60), np.array([wing[-1]])])
    lying_ = extrude(rim, 0.28).turned("x", 90)
    model.add("primary", lying_.moved(y=0.76), part="body")
    inside = rim.mean(axis=0) + (rim - rim.mean(axis=0)) * 0.93
    model.add("accent", extrude(inside, 0.02).turned("x", 90).moved(y=0.905, z=-0.08), part="frame")
    lid = extrude(rim - [-0.75, 0], 0.04).turned("x", 90).turned("z", 38).moved(-0.75, 0.95, -0.08)
    model.add("primary", lid, part="lid")
    model.add("accent", capsule((0.35, 0.9, -0.3), (0.2, 1.62, -0.3), 0.018))
    _add_keys(model, 1.32, 0.82, 0.68)
    model.add(
        "primary",
        box(1.5, 0.12, 0.34, bevel=0.02).moved(y=0.7, z=0.66),
        pair(box(0.09, 0.22, 0.34, bevel=0.03).moved(0.71, 0.78, 0.66)),
        part="body",
    )
    model.add(
        "primary", box(0.8, 0.26, 0.03, bevel=0.012).turned("x", -18).moved(y=1.03, z=0.36), part="stand"
    )
    leg = lathe([(0.06, 0.06), (0.05, 0.2), (0.09, 0.62)])
    model.add(
        "primary", *[leg.moved(x, 0, z) for x, z in ((-0.6, 0.5), (0.6, 0.5), (-0.5, -0.85))], part="leg"
    )
    model.add(
        "accent",
        *[sphere(0.06).moved(x, 0.05, z) for x, z in ((-0.6, 0.5), (0.6, 0.5), (-0.5, -0.85))],
        part="foot",
    )
    model.add(
        "accent",
        *[capsule((x, 0.06, 0.34), (x, 0.05, 0.46), 0.02) for x in (-0.08, 0, 0.08)],
        box(0.22, 0.5, 0.05).moved(y=0.35, z=0.32),
        part="pedal",
    )
    model.anchor("top", (0, 0.92, -0.2), size=0.8)
    return model


def _add_keys(model: Model, width: float, y: float, z: float) -> None:
    pitch = width / 28
    whites = [
        box(pitch * 0.9, 0.05, 0.24, bevel=0.006).moved((k - 13.5) * pitch, y - 0.03, z) for k in range(28)
    ]
    blacks = [
        box(pitch * 0.5, 0.05, 0.14, bevel=0.006).moved((k - 13.0) * pitch, y + 0.005, z - 0.05)
        for k in range(27)
        if k % 7 not in (2, 6)
    ]
    model.add("secondary", *whites, part="key")
    model.add("black plastic", *blacks, part="key")


def _upright_piano(build: Build) -> Model:
    model = build.model(primary="brown wood")
    model.add(
        "primary",
        box(1.6, 1.2, 0.45, bevel=0.03).moved(y=0.65, z=-0.2),
        box(1.68, 0.06, 0.52, bevel=0.02).moved(y=1.28, z=-0.2),
        part="body",
    )
    model.add(
        "primary",
        box(1.6, 0.14, 0.36, bevel=0.03).moved(y=0.62, z=0.18),
        pair(box(0.1, 0.18, 0.36, bevel=0.03).moved(0.75, 0.76, 0.18)),
        part="body",
    )
    model.add(
        "primary",
        pair(lathe([(0.07, 0.0), (0.045, 0.15), (0.07, 0.56)]).moved(0.7, 0, 0.28)),
        box(1.66, 0.1, 0.5, bevel=0.02).moved(y=0.05, z=-0.2),
        part="leg",
    )
    _add_keys(model, 1.38, 0.73, 0.2)
    model.add(
        "chocolate wood",
        pair(box(0.6, 0.3, 0.03, bevel=0.012).moved(0.37, 1.0, 0.03)),
        box(0.7, 0.03, 0.1).moved(y=0.86, z=0.06),
        part="panel",
    )
    model.add(
        "accent", *[capsule((x, 0.12, 0.05), (x, 0.1, 0.16), 0.02) for x in (-0.08, 0.08)], part="pedal"
    )
    model.anchor("top", (0, 1.31, -0.2), size=0.5)
    return model


@family("drum", words=("drum", "snare drum", "bongo drum", "bongo", "war drum", "djembe",
        "tom drum"), primary="red paint", secondary="cream leather", accent="golden fabric")  # fmt: skip
def make_drum(build: Build) -> Model:
    if build.has("bongo", "djembe"):
        return _bongo(build)
    model = build.model()
    model.add("primary", lathe([(0.6, -0.4), (0.6, 0.4)], smooth=False, sides=72), part="body")
    model.add(
        "secondary",
        lathe([(0.6, 0.42), (0, 0.43)], smooth=False),
        lathe([(0, -0.43), (0.6, -0.42)], smooth=False),
        part="skin",
    )
    model.add(
        "brown wood",
        *[
            lathe(
                [(0.6, y - 0.07), (0.645, y - 0.07), (0.645, y + 0.07), (0.6, y + 0.07)],
                smooth=False,
                sides=72,
            )
            for y in (-0.37, 0.38)
        ],
        part="rim",
    )
    angles = 2 * np.pi * np.arange(17) / 16
    zigzag = np.stack(
        [0.62 * np.sin(angles), np.where(np.arange(17) % 2 == 0, -0.3, 0.31), 0.62 * np.cos(angles)], axis=1
    )
    cords = [tube(np.stack([a, (a + b) / 2 * [1.02, 1, 1.02], b]), 0.022) for a, b in pairwise(zigzag)]
    model.add("accent", *cords, part="rope")
    stick = [join([capsule((-0.45, 0, 0), (0.55, 0, 0), 0.032, 0.026),
        ellipsoid(0.085, 0.06, 0.06).moved(0.58)]).turned("y", a).moved(0.02, 0.49 + 0.06 * k, 0.02)
        for k, a in enumerate((35, -40))]  # fmt: skip
    model.add("tan wood", *stick, part="stick")
    model.anchor("top", (0, 0.45, 0), size=1.0)
    return model


def _bongo(build: Build) -> Model:
    model = build.model(primary="ginger wood", accent="ash steel")
    tall = build.has("djembe")
    shell = (
        [(0.24, -0.75), (0.16, -0.35), (0.2, -0.1), (0.42, 0.35)]
        if tall
        else [(0.3, -0.4), (0.38, -0.05), (0.42, 0.35)]
    )
    model.add("primary", lathe(shell), part="body", fade=("chocolate wood", _staves))
    model.add("secondary", lathe([(0.43, 0.3), (0.42, 0.38), (0, 0.4)]), part="skin")
    model.add(
        "accent",
        torus(0.43, 0.024).moved(y=0.3),
        torus(0.3 if not tall else 0.2, 0.022).moved(y=-0.38 if not tall else -0.15),
        part="rim",
    )
    model.add(
        "accent", ring(capsule((0.44, 0.3, 0), (0.37 if not tall else 0.22, -0.1, 0), 0.018), 8), part="bolt"
    )
    model.anchor("top", (0, 0.4, 0), size=0.7)
    return model


def _staves(points: Array) -> Array:
    return np.asarray(np.clip(np.cos(12 * np.arctan2(points[:, 0], points[:, 2])) * 20 - 19, 0, 1))


@family("accordion", words=("accordion", "concertina", "squeezebox"), primary="red paint",
        secondary="ivory plastic", accent="gold")  # fmt: skip
def make_accordion(build: Build) -> Model:
    model = build.model()
    for side in (-1, 1):
        model.add(
            "primary", box(0.3, 1.05, 0.6, bevel=0.07).turned("z", -7 * side).moved(0.62 * side), part="body"
        )
        model.add(
            "accent",
            box(0.31, 0.04, 0.61, bevel=0.015).moved(y=0.38).turned("z", -7 * side).moved(0.62 * side),
            box(0.31, 0.04, 0.61, bevel=0.015).moved(y=-0.38).turned("z", -7 * side).moved(0.62 * side),
            part="trim",
        )
    for k in range(9):
        x = -0.4 + 0.1 * k
        high = 0.96 + 0.0 * k
        model.add(
            "charcoal leather" if k % 2 else "secondary",
            box(0.075, high, 0.55, bevel=0.03).turned("z", -14 * x).moved(x),
            part="bellows",
        )
    keys = [box(0.035, 0.055, 0.2, bevel=0.008).moved(0.8, 0.36 - 0.065 * k, 0.16) for k in range(12)]
    model.add("secondary", join(keys).turned("z", -7).moved(y=0.09), part="key")
    dots = [sphere(0.028).moved(-0.79, 0.3 - 0.1 * k, z) for k in range(7) for z in (-0.05, 0.06, 0.17)]
    model.add("secondary", join(dots).turned("z", 7).moved(y=-0.09), part="button")
    strap = tube([(-0.45, 0.42, -0.3), (-0.4, 0.2, -0.52), (-0.4, -0.2, -0.52), (-0.45, -0.42, -0.3)], 0.045)
    model.add("brown leather", strap, strap.mirrored(), part="strap")
    return model
