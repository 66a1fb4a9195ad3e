"""Temples, churches, pagodas and wells."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import block, stepped
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import (
    Shape,
    box,
    grid,
    join,
    pair,
    plate,
    sphere,
    torus,
)
from subnet17.procedural.sweeps import capsule, cylinder, extrude, lathe, tube


@family("temple", words=("temple", "greek temple", "roman temple", "parthenon", "pantheon",
        "museum", "bank"), primary="white marble", secondary="cream marble",
        accent="ash marble")  # fmt: skip
def make_temple(build: Build) -> Model:
    model = build.model()
    steps = [(0.8, 0), (0.8, 0.07), (0.74, 0.07), (0.74, 0.14), (0.68, 0.14), (0.68, 0.21), (0, 0.21)]
    model.add("secondary", stepped(steps, depth=1.36), part="step")
    column = _column(0.7)
    xs, zs = np.linspace(-0.57, 0.57, 4), np.linspace(-0.83, 0.83, 6)
    places = [(x, z) for x in xs for z in zs if abs(x) > 0.5 or abs(z) > 0.8]
    model.add("primary", *[column.moved(float(x), 0.21, float(z)) for x, z in places], part="column")
    model.add("accent", stepped([(0.37, 0.2), (0.37, 0.92)], depth=1.7), part="wall")
    model.add("brown wood", box(0.3, 0.52, 0.04).moved(y=0.48, z=0.63), part="door")
    model.add(
        "secondary",
        stepped([(0.5, 0.91), (0.67, 0.91), (0.67, 1.03), (0.7, 1.03), (0.7, 1.08)], depth=1.41),
        part="beam",
    )
    gable = plate([(-0.7, 1.07, 0.94), (0.7, 1.07, 0.94), (0, 1.4, 0.94), (0, 1.4, 0.94)])
    model.add("primary", gable, gable.turned("y", 180), part="gable")
    for side in (-1, 1):
        slab = box(0.83, 0.05, 2.02, bevel=0.012).turned("z", -25.3 * side).moved(0.365 * side, 1.25)
        model.add("accent", slab, part="roof")
    model.add(
        "secondary",
        torus(0.11, 0.025).turned("x", 90).moved(y=1.17, z=0.95),
        sphere(0.06).moved(y=1.46, z=0.96),
    )
    model.anchor("top", (0, 1.42, 0), size=0.9)
    return model


def _column(height: float) -> Shape:
    flutes = np.deg2rad(np.arange(32) * 11.25)
    radius = 1 - 0.08 * (np.arange(32) % 4 < 2)
    outline = np.stack([radius * np.cos(flutes), radius * np.sin(flutes)], axis=1)
    shaft = tube([(0, 0.05, 0), (0, height - 0.05, 0)], [0.082, 0.068], section=outline, round_ends=False)
    base = cylinder(0.1, 0.05, bevel=0.015).moved(y=0.025)
    top = join(
        [
            cylinder(0.075, 0.05, top_radius=0.1).moved(y=height - 0.05),
            box(0.2, 0.04, 0.2).moved(y=height - 0.01),
        ]
    )
    return join([shaft, base, top])


@family("church", words=("church", "chapel", "cathedral", "abbey"), primary="white plaster",
        secondary="auburn tile", accent="grey stone")  # fmt: skip
def make_church(build: Build) -> Model:
    stone = build.has("cathedral", "abbey", "gothic", "medieval", "old", "ancient", "ruined")
    model = build.model(
        primary="grey stone" if stone else "white plaster", secondary="slate tile" if stone else "auburn tile"
    )
    model.add("primary", box(0.84, 0.7, 1.3).moved(y=0.35, z=-0.3), part="wall")
    model.add("primary", extrude([(-0.42, 0), (0.42, 0), (0, 0.5)], 1.28).moved(y=0.7, z=-0.3), part="wall")
    for side in (-1, 1):
        slab = box(0.74, 0.06, 1.4, bevel=0.02).turned("z", -50 * side).moved(0.235 * side, 0.955, -0.3)
        model.add("secondary", slab, part="roof")
    model.add("primary", box(0.46, 1.3, 0.46).moved(y=0.65, z=0.42), part="tower")
    model.add(
        "accent",
        *[box(0.5, 0.05, 0.5, bevel=0.015).moved(y=y, z=0.42) for y in (0.9, 1.3)],
        box(0.92, 0.08, 1.38).moved(y=0.04, z=-0.3),
        box(0.54, 0.08, 0.54).moved(y=0.04, z=0.42),
    )
    spire = lathe([(0.36, 0), (0.02, 0.85), (0, 0.86)], smooth=False, sides=4).turned("y", 45)
    model.add("secondary", spire.moved(y=1.31, z=0.42), part="roof")
    cross = join([box(0.035, 0.26, 0.035).moved(y=2.26), box(0.16, 0.035, 0.035).moved(y=2.3)])
    model.add("golden metal", cross.moved(z=0.42), sphere(0.04).moved(y=2.13, z=0.42), part="cross")
    _add_church_windows(model)
    model.anchor("top", (0, 2.1, 0.42), size=0.3)
    return model


def _arched(width: float, height: float, depth: float) -> Shape:
    """A round-topped plate in the XY plane, its foot at the origin."""
    arc = np.deg2rad(np.linspace(0, 180, 13))
    top = np.stack([width / 2 * np.cos(arc), height - width / 2 + width / 2 * np.sin(arc)], axis=1)
    return extrude(np.concatenate([[[-width / 2, 0], [width / 2, 0]], top]), depth)


def _add_church_windows(model: Model) -> None:
    for z in (-0.75, -0.42, -0.09):
        model.add("accent", pair(_arched(0.2, 0.46, 0.03).turned("y", 90).moved(0.42, 0.16, z)))
        model.add(
            "sapphire glass",
            pair(_arched(0.15, 0.4, 0.05).turned("y", 90).moved(0.42, 0.19, z)),
            part="window",
        )
    for angle in (0, 90, 180, 270):
        opening = join([_arched(0.09, 0.26, 0.04).moved(x=x) for x in (-0.075, 0.075)])
        model.add(
            "charcoal wood", opening.moved(y=0.97, z=0.225).turned("y", angle).moved(z=0.42), part="window"
        )
    model.add("accent", _arched(0.29, 0.5, 0.04).moved(y=0.06, z=0.65))
    model.add("brown wood", _arched(0.23, 0.44, 0.06).moved(y=0.06, z=0.65), part="door")
    model.add("accent", torus(0.09, 0.02).turned("x", 90).moved(y=0.72, z=0.655))
    model.add("ruby glass", cylinder(0.09, 0.03).turned("x", 90).moved(y=0.72, z=0.645), part="window")
    model.add("ruby glass", cylinder(0.15, 0.03).turned("x", 90).moved(y=0.78, z=-0.95), part="window")


@family("pagoda", words=("pagoda", "japanese pagoda", "chinese pagoda", "japanese temple",
        "chinese temple", "shrine"), primary="red wood", secondary="slate tile",
        accent="cream plaster")  # fmt: skip
def make_pagoda(build: Build) -> Model:
    model = build.model()
    model.add(
        "grey stone",
        box(1.1, 0.1, 1.1, bevel=0.02).moved(y=0.05),
        box(0.95, 0.08, 0.95, bevel=0.02).moved(y=0.13),
        part="base",
    )
    floors, y, size = 5, 0.16, 0.64
    for k in range(floors):
        height = 0.32 if k == 0 else 0.25
        model.add("accent", stepped([(size / 2, y), (size / 2, y + height)]), part="wall")
        posts = [
            box(0.055, height, 0.055).moved(x * size / 2, y + height / 2, z * size / 2)
            for x in (-1, -0.36, 0.36, 1)
            for z in (-1, 1)
        ]
        model.add(
            "primary",
            join(posts),
            join(posts).turned("y", 90),
            stepped([(0.5 * size, y + 0.1), (0.53 * size, y + 0.1), (0.53 * size, y), (0.5 * size, y)][::-1]),
            part="pillar",
        )
        model.add(
            "secondary", _curved_roof(0.5 * size + 0.17, 0.36 * size, 0.14).moved(y=y + height), part="roof"
        )
        y, size = y + height + 0.13, size * 0.86
    model.add(
        "primary",
        *[box(0.2, 0.2, 0.04).moved(y=0.27, z=0.31).turned("y", a) for a in (0, 90, 180, 270)],
        part="door",
    )
    model.add("golden metal", cylinder(0.02, 0.42, top_radius=0.008).moved(y=y + 0.18), part="spire")
    model.add(
        "golden metal",
        *[torus(0.06 - 0.008 * k, 0.014).moved(y=y + 0.06 + 0.06 * k) for k in range(5)],
        part="spire",
    )
    model.anchor("top", (0, y, 0), size=0.3)
    return model


def _curved_roof(reach: float, top: float, height: float) -> Shape:
    """A square roof with eaves that curl up at the corners."""
    t = np.linspace(0, 1, 10)[:, None]
    angle = np.deg2rad(np.linspace(0, 360, 65)[:-1])[None]
    square = 1 / np.maximum(np.abs(np.cos(angle)), np.abs(np.sin(angle)))
    radius = (reach + (top - reach) * t) * square
    corner = np.clip((square - 1) / 0.414, 0, 1) ** 2
    y = height * t**1.7 + 0.09 * corner * (1 - t) ** 2
    points = np.stack(np.broadcast_arrays(radius * np.sin(angle), y, radius * np.cos(angle)), axis=-1)
    rows = np.concatenate([points[:1] * [0.6, 1, 0.6], points[:1] - [0, 0.035, 0]])
    return join(
        [grid(rows, close_columns=True), grid(np.concatenate([rows[1:], points]), close_columns=True)]
    )


@family("well", words=("well", "water well", "wishing well"), primary="grey stone",
        secondary="brown wood", accent="auburn tile")  # fmt: skip
def make_well(build: Build) -> Model:
    model = build.model()
    for row in range(5):
        for k in range(13):
            start = 2 * np.pi * (k + 0.5 * (row % 2) + float(build.rng.uniform(-0.05, 0.05))) / 13
            radius = build.vary(0.58, 0.02)
            model.add(
                "primary", block(start, 2 * np.pi / 13, 0.15 * row, 0.15 * row + 0.15, radius), part="stone"
            )
    model.add(
        "primary", lathe([(0.42, 0.76), (0.46, 0.79), (0.6, 0.79), (0.63, 0.76), (0.62, 0.72)]), part="stone"
    )
    wall = lathe([(0.575, 0.0), (0.575, 0.76), (0.44, 0.76), (0.44, 0.45)], smooth=False)
    model.add("charcoal stone", wall, part="wall")
    model.add("azure water", cylinder(0.46, 0.02).moved(y=0.5), part="water")
    for x in (-0.56, 0.56):
        model.add("secondary", box(0.1, 1.1, 0.1, bevel=0.02).moved(x, 1.15, 0), part="post")
    model.add("secondary", capsule((-0.72, 1.28, 0), (0.72, 1.28, 0), 0.05), part="post")
    model.add("tan fabric", cylinder(0.085, 0.3, bevel=0.02).turned("z", 90).moved(y=1.28), part="rope")
    crank = tube([(0.72, 1.28, 0), (0.78, 1.28, 0), (0.8, 1.12, 0.06), (0.9, 1.12, 0.06)], 0.022)
    model.add("charcoal iron", crank, part="crank")
    model.add("tan fabric", capsule((0, 1.2, 0.08), (0, 0.95, 0.08), 0.014), part="rope")
    bucket = lathe(
        [(0, 0.68), (0.11, 0.68), (0.15, 0.92), (0.13, 0.92), (0.1, 0.74), (0, 0.74)], smooth=False
    )
    handle = tube([(-0.14, 0.9, 0.08), (0, 1.02, 0.08), (0.14, 0.9, 0.08)], 0.012)
    model.add("tan wood", bucket.moved(z=0.08), part="bucket")
    model.add(
        "charcoal iron",
        handle,
        *[torus(r, 0.012).moved(y=y, z=0.08) for r, y in ((0.12, 0.72), (0.143, 0.87))],
        part="bucket",
    )
    _add_gable_roof(model, 1.6, 0.62, 1.66, 38)
    model.anchor("inside", (0, 0.72, 0), size=0.8)
    return model


def _add_gable_roof(model: Model, width: float, half_depth: float, y: float, slope_deg: float) -> None:
    """Two roof slabs with their ridge along X."""
    length = half_depth / np.cos(np.deg2rad(slope_deg))
    for side in (-1, 1):
        slab = box(width, 0.06, length, bevel=0.02).moved(z=length / 2).turned("x", slope_deg)
        slab = slab if side > 0 else slab.turned("y", 180)
        model.add("accent", slab.moved(y=y + half_depth * np.tan(np.deg2rad(slope_deg))), part="roof")
    height = half_depth * np.tan(np.deg2rad(slope_deg))
    gable = extrude([(-half_depth * 0.8, 0), (half_depth * 0.8, 0), (0, height * 0.82)], 0.06).turned("y", 90)
    model.add("secondary", pair(gable.moved(x=0.42 * width, y=y + 0.04)))
