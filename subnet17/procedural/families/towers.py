"""Lighthouses, windmills, skyscrapers, watchtowers."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import stepped
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import (
    Array,
    Shape,
    box,
    join,
    pair,
    ring,
    sphere,
    torus,
)
from subnet17.procedural.sweeps import capsule, cylinder, lathe


@family("lighthouse", words=("lighthouse", "light house", "beacon"), primary="white plaster",
        secondary="red plaster", accent="charcoal iron", light="lemon light")  # fmt: skip
def make_lighthouse(build: Build) -> Model:
    model = build.model()
    tower = lathe([(0.4, -1.0), (0.36, -0.7), (0.3, -0.2), (0.255, 0.3), (0.23, 0.55)])
    model.add("primary", tower, part="tower", fade=("secondary", _bands))
    model.add(
        "grey stone",
        cylinder(0.56, 0.12, bevel=0.04).moved(y=-1.02),
        cylinder(0.47, 0.12, bevel=0.04).moved(y=-0.93),
        part="base",
    )
    model.add(
        "accent",
        cylinder(0.36, 0.06, bevel=0.02).moved(y=0.57),
        torus(0.345, 0.014).moved(y=0.72),
        part="gallery",
    )
    model.add("accent", ring(capsule((0.345, 0.58, 0), (0.345, 0.72, 0), 0.012), 16), part="gallery")
    model.add("light", cylinder(0.15, 0.28, bevel=0.05).moved(y=0.74), part="lamp")
    model.add(
        "accent", ring(capsule((0.2, 0.58, 0), (0.2, 0.9, 0), 0.014), 8), torus(0.2, 0.02).moved(y=0.76)
    )
    model.add(
        "secondary", lathe([(0.27, 0.88), (0.26, 0.92), (0.14, 1.06), (0.03, 1.14), (0, 1.15)]), part="roof"
    )
    model.add("accent", sphere(0.05).moved(y=1.17), capsule((0, 1.18, 0), (0, 1.34, 0), 0.012))
    for y, angle in ((-0.35, 0), (-0.35, 180), (0.12, 90), (0.12, 270), (0.3, 0)):
        depth = float(np.interp(y, [-1, 0.55], [0.4, 0.225]))
        pane = join([box(0.09, 0.13, 0.04, bevel=0.01), cylinder(0.045, 0.04).turned("x", 90).moved(y=0.065)])
        model.add("navy glass", pane.moved(y=y, z=depth - 0.02).turned("y", angle), part="window")
    model.add("brown wood", box(0.18, 0.28, 0.06, bevel=0.02).moved(y=-0.75, z=0.37), part="door")
    model.anchor("top", (0, 1.15, 0), size=0.3)
    return model


def _bands(points: Array) -> Array:
    return np.asarray(np.clip(0.5 + 12 * np.sin((points[:, 1] + 1.0) * 2 * np.pi / 0.62), 0, 1))


@family("windmill", words=("windmill", "wind mill", "dutch windmill", "mill"),
        primary="cream plaster", secondary="brown wood", accent="white fabric",
        roof="auburn tile")  # fmt: skip
def make_windmill(build: Build) -> Model:
    model = build.model()
    model.add("primary", lathe([(0.46, -1.0), (0.4, -0.4), (0.3, 0.42)], smooth=False, sides=8), part="wall")
    model.add(
        "grey stone", lathe([(0.52, -1.05), (0.5, -0.85), (0.45, -0.85)], smooth=False, sides=8), part="base"
    )
    model.add(
        "secondary",
        torus(0.47, 0.025).moved(y=-0.32),
        ring(capsule((0.3, -0.5, 0), (0.47, -0.33, 0), 0.02), 8),
        part="gallery",
    )
    model.add(
        "secondary",
        cylinder(0.47, 0.03).moved(y=-0.33),
        ring(capsule((0.46, -0.32, 0), (0.46, -0.2, 0), 0.014), 16),
    )
    model.add("secondary", torus(0.46, 0.014).moved(y=-0.2))
    cap = lathe([(0.35, 0.4), (0.36, 0.46), (0.28, 0.66), (0.12, 0.8), (0, 0.84)])
    model.add("roof", cap, part="roof")
    model.add(
        "secondary", torus(0.335, 0.025).moved(y=0.42), box(0.16, 0.16, 0.5, bevel=0.04).moved(y=0.56, z=0.22)
    )
    vane = _vane()
    for k in range(4):
        spar, cloth = (s.turned("z", 90 * k + 20).moved(y=0.56, z=0.5) for s in vane)
        model.add("secondary", spar, part="blade")
        model.add("accent", cloth, part="sail")
    model.add("secondary", sphere(0.07).moved(y=0.56, z=0.53))
    model.add("secondary", box(0.2, 0.34, 0.06, bevel=0.02).moved(y=-0.73, z=0.41), part="door")
    for angle, y in (
        (0, 0.0),
        (90, -0.05),
        (180, 0.0),
        (270, -0.05),
        (90, -0.62),
        (270, -0.62),
        (180, -0.62),
    ):
        depth = float(np.interp(y, [-1, -0.4, 0.42], [0.46, 0.4, 0.3])) * 0.93
        model.add(
            "navy glass",
            box(0.1, 0.15, 0.04, bevel=0.01).moved(y=y, z=depth).turned("y", angle),
            part="window",
        )
        model.add("secondary", box(0.14, 0.025, 0.06).moved(y=y - 0.085, z=depth).turned("y", angle))
    model.anchor("top", (0, 0.84, 0), size=0.4)
    return model


def _vane() -> tuple[Shape, Shape]:
    """(frame, cloth) of one of a windmill's sails, from the hub upwards."""
    bars = [box(0.2, 0.016, 0.03).moved(0.085, float(y)) for y in np.linspace(0.28, 0.98, 9)]
    frame = join(
        [box(0.035, 1.0, 0.035, bevel=0.01).moved(y=0.5), box(0.02, 0.72, 0.03).moved(0.18, 0.63), *bars]
    )
    return frame, box(0.17, 0.7, 0.014).moved(0.095, 0.63, -0.008)


@family("skyscraper", words=("skyscraper", "office tower", "high rise", "office building",
        "apartment building", "building", "tower block"), primary="ash concrete",
        secondary="azure glass", accent="charcoal metal", light="red light")  # fmt: skip
def make_skyscraper(build: Build) -> Model:
    model = build.model()
    y = 0.0
    for width, height in ((0.86, 0.22), (0.74, 1.12), (0.56, 0.64), (0.38, 0.34)):
        _add_office_floors(build, model, width, y, height)
        y += height
    model.add(
        "accent",
        cylinder(0.04, 0.5, top_radius=0.012).moved(y=y + 0.25),
        box(0.2, 0.08, 0.2).moved(y=y + 0.05),
        part="antenna",
    )
    model.add("light", sphere(0.03).moved(y=y + 0.51), part="light")
    model.add("accent", box(0.3, 0.14, 0.06).moved(y=0.07, z=0.43), part="door")
    model.add("grey concrete", box(1.05, 0.05, 1.05, bevel=0.015).moved(y=-0.02), part="base")
    model.anchor("top", (0, y, 0), size=0.35)
    return model


def _add_office_floors(build: Build, model: Model, width: float, y: float, height: float) -> None:
    """One storey block of a tower: a shaft with a cornice, and rows of windows of which a few are lit."""
    half = width / 2
    shaft = [
        (half, y),
        (half, y + height - 0.03),
        (half + 0.02, y + height - 0.03),
        (half + 0.02, y + height + 0.02),
    ]
    model.add("primary", stepped([*shaft, (0, y + height + 0.02)]), part="wall")
    columns, rows = max(2, int((width - 0.04) / 0.15)), max(1, int((height - 0.06) / 0.16))
    pane = box(0.105, 0.115, 0.03)
    panes = [pane.moved((k - (columns - 1) / 2) * 0.15, y + 0.04 + 0.16 * (r + 0.5),
        half).turned("y", turn) for k in range(columns) for r in range(rows) for turn in
        (0, 90, 180, 270)]  # fmt: skip
    lit = build.rng.random(len(panes)) < 0.15
    model.add("secondary", *[p for p, on in zip(panes, lit, strict=True) if not on], part="window")
    if lit.any():
        model.add("cream glass", join(p for p, on in zip(panes, lit, strict=True) if on), part="window")


@family("watchtower", words=("watchtower", "watch tower", "guard tower", "lookout tower"),
        primary="brown wood", secondary="tan wood", accent="auburn tile")  # fmt: skip
def make_watchtower(build: Build) -> Model:
    model = build.model()
    for x in (-1, 1):
        for z in (-1, 1):
            model.add("primary", capsule((0.46 * x, 0, 0.46 * z), (0.3 * x, 1.2, 0.3 * z), 0.045), part="leg")
    for y in (0.15, 0.65):
        a, b = 0.46 - 0.133 * y, 0.46 - 0.133 * (y + 0.5)
        brace = join(
            [capsule((-a, y, a), (b, y + 0.5, b), 0.026), capsule((a, y, a), (-b, y + 0.5, b), 0.026)]
        )
        model.add("secondary", ring(brace, 4), part="beam")
    model.add("secondary", box(0.9, 0.06, 0.9, bevel=0.015).moved(y=1.2), part="deck")
    wall = join(box(0.86, 0.075, 0.03, bevel=0.01).moved(y=1.29 + 0.085 * k, z=0.42) for k in range(3))
    model.add("secondary", ring(wall, 4), part="wall")
    model.add("primary", ring(box(0.06, 0.62, 0.06).moved(0.4, 1.5, 0.4), 4), part="post")
    roof = lathe([(0.74, 1.76), (0.7, 1.8), (0.03, 2.2), (0, 2.2)], smooth=False, sides=4).turned("y", 45)
    model.add("accent", roof, part="roof")
    steps = [box(0.22, 0.025, 0.03).moved(0, 0.08 + 0.11 * k, 0.52 - 0.012 * k) for k in range(11)]
    rails = pair(capsule((0.11, 0, 0.53), (0.11, 1.25, 0.4), 0.016))
    model.add("tan wood", *steps, rails, part="ladder")
    model.anchor("inside", (0, 1.4, 0), size=0.7)
    return model
