"""Vehicles that work: buses, fire engines, bulldozers, wheelbarrows."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import (
    add_lights,
    add_wheels,
    cloth,
    disc_rim,
    tyre,
    upright,
)
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, ellipsoid, grid, join, pair, plate, sphere
from subnet17.procedural.sweeps import capsule, cylinder, extrude, tube


@family("bus", words=("bus", "school bus", "double decker bus", "double decker", "coach",
        "city bus"), primary="yellow paint", secondary="white plastic", accent="charcoal metal")  # fmt: skip
def make_bus(build: Build) -> Model:
    decks = 2 if build.has("decker") else 1
    model = build.model(primary="red paint") if decks == 2 else build.model()
    high = 0.68 if decks == 1 else 1.18
    model.add("primary", box(0.74, high, 1.9, bevel=0.09).moved(y=0.18 + high / 2, z=-0.05), part="body")
    if build.has("school"):
        model.add("primary", box(0.66, 0.36, 0.42, bevel=0.08).moved(y=0.36, z=0.98), part="hood")
    nose = 1.18 if build.has("school") else 0.9
    for deck in range(decks):
        y = 0.66 + 0.52 * deck
        row = [box(0.03, 0.23, 0.22, bevel=0.012).moved(0.365, y, z) for z in np.linspace(-0.8, 0.66, 6)]
        model.add("navy glass", pair(join(row)), part="window")
        model.add("navy glass", box(0.6, 0.27, 0.03, bevel=0.012).moved(y=y, z=0.895), part="windshield")
        model.add("navy glass", box(0.5, 0.22, 0.03, bevel=0.012).moved(y=y, z=-0.995), part="window")
        model.add("secondary", pair(box(0.025, 0.035, 1.86).moved(0.37, y - 0.19, -0.05)), part="stripe")
    model.add("secondary", box(0.66, 0.04, 1.8, bevel=0.02).moved(y=0.18 + high, z=-0.05), part="roof")
    model.add(
        "accent",
        *[box(0.76, 0.08, 0.08, bevel=0.025).moved(y=0.22, z=z) for z in (nose, -1.0)],
        part="bumper",
    )
    model.add("accent", box(0.36, 0.14, 0.03, bevel=0.012).moved(y=0.34, z=nose), part="grille")
    model.add("secondary", box(0.03, 0.5, 0.2, bevel=0.01).moved(-0.365, 0.46, 0.76), part="door")
    add_wheels(model, [(0.31, -0.58), (0.31, 0.62)], 0.19, 0.14, "ash metal")
    add_lights(model, 0.26, 0.36, nose + 0.01, -1.0)
    model.anchor("top", (0, 0.2 + high, -0.05), size=0.74)
    return model


@family("fire engine", words=("fire engine", "fire truck", "firetruck", "ladder truck"),
        primary="red paint", secondary="white plastic", accent="ash metal", light="azure light")  # fmt: skip
def make_fire_engine(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(0.72, 0.62, 0.56, bevel=0.08).moved(y=0.53, z=0.72), part="cab")
    model.add("primary", box(0.74, 0.5, 1.3, bevel=0.04).moved(y=0.47, z=-0.3), part="body")
    model.add("navy glass", box(0.6, 0.25, 0.03, bevel=0.012).moved(y=0.66, z=0.99), part="windshield")
    model.add("navy glass", pair(box(0.03, 0.23, 0.32, bevel=0.012).moved(0.355, 0.67, 0.74)), part="window")
    model.add(
        "secondary",
        pair(box(0.025, 0.06, 1.3).moved(0.367, 0.36, -0.3)),
        box(0.66, 0.05, 0.03).moved(y=0.42, z=1.0),
        part="stripe",
    )
    lockers = [box(0.03, 0.2, 0.28, bevel=0.01).moved(0.365, 0.56, z) for z in (-0.75, -0.42, -0.09, 0.2)]
    model.add("accent", pair(join(lockers)), part="door")
    rungs = [capsule((-0.13, 0, z), (0.13, 0, z), 0.018) for z in np.linspace(-0.95, 0.95, 15)]
    rails = pair(box(0.04, 0.08, 2.0, bevel=0.015).moved(0.14))
    ladder = join([rails, *rungs]).turned("x", -9).moved(y=0.98, z=0.0)
    model.add("accent", ladder, part="ladder")
    model.add(
        "charcoal metal",
        cylinder(0.18, 0.16, bevel=0.02).moved(y=0.78, z=-0.6),
        box(0.2, 0.12, 0.2).moved(y=0.86, z=-0.6),
    )
    model.add("light", pair(ellipsoid(0.09, 0.06, 0.06).moved(0.2, 0.87, 0.78)), part="light")
    model.add(
        "accent", *[box(0.76, 0.1, 0.09, bevel=0.03).moved(y=0.22, z=z) for z in (1.0, -0.95)], part="bumper"
    )
    add_wheels(model, [(0.31, -0.62), (0.31, 0.62)], 0.2, 0.15, "ash metal")
    add_lights(model, 0.27, 0.34, 1.01, -0.95)
    model.anchor("top", (0, 0.84, 0.7), size=0.5)
    return model


@family("bulldozer", words=("bulldozer", "digger", "dozer", "excavator"),
        primary="orange paint", secondary="ash steel", dark="charcoal iron")  # fmt: skip
def make_bulldozer(build: Build) -> Model:
    model = build.model()
    outline = [
        (-0.75, 0.1),
        (-0.62, 0.0),
        (0.62, 0.0),
        (0.75, 0.1),
        (0.75, 0.26),
        (0.62, 0.38),
        (-0.62, 0.38),
        (-0.75, 0.26),
    ]
    model.add("dark", pair(upright(outline, 0.24).moved(x=0.42)), part="track")
    cleats = [
        box(0.26, 0.05, 0.06, bevel=0.012).moved(0.42, y, z)
        for y in (0.0, 0.38)
        for z in np.linspace(-0.6, 0.6, 11)
    ]
    model.add("dark", pair(join(cleats)), part="track")
    model.add(
        "secondary",
        pair(join(disc_rim(0.11, 0.1).moved(0.52, 0.19, z) for z in (-0.5, -0.17, 0.17, 0.5))),
        part="wheel",
    )
    model.add(
        "primary",
        box(0.6, 0.42, 0.74, bevel=0.06).moved(y=0.58, z=0.25),
        box(0.6, 0.2, 1.2, bevel=0.03).moved(y=0.36),
        part="body",
    )
    model.add(
        "dark", *[box(0.4, 0.025, 0.03).moved(y=0.48 + 0.06 * k, z=0.62) for k in range(5)], part="grille"
    )
    model.add(
        "primary",
        box(0.62, 0.1, 0.62, bevel=0.04).moved(y=1.26, z=-0.36),
        box(0.58, 0.26, 0.56, bevel=0.03).moved(y=0.58, z=-0.36),
        part="cab",
    )
    model.add(
        "dark",
        *[box(0.05, 0.56, 0.05).moved(x, 0.96, z) for x in (-0.27, 0.27) for z in (-0.62, -0.1)],
        part="cab",
    )
    model.add("aqua glass", box(0.5, 0.48, 0.46).moved(y=0.96, z=-0.36), part="window")
    model.add("dark", capsule((0.16, 0.78, 0.38), (0.16, 1.1, 0.38), 0.04), part="pipe")
    if build.has("digger", "excavator"):
        boom = tube([(0, 0.7, 0.2), (0, 1.3, 0.65), (0, 1.25, 1.1)], [0.11, 0.1, 0.08])
        model.add(
            "primary",
            boom,
            tube([(0, 1.3, 1.05), (0, 0.75, 1.35), (0, 0.4, 1.3)], [0.09, 0.08, 0.06]),
            part="arm",
        )
        scoop = extrude(
            [(-0.18, 0.3), (0.12, 0.3), (0.2, 0.1), (0.1, -0.05), (-0.2, 0.0), (-0.28, 0.14), (-0.1, 0.12)],
            0.4,
        )
        model.add("secondary", scoop.turned("y", -90).moved(y=0.12, z=1.3), part="shovel")
        return model
    angle, x = np.linspace(-0.8, 0.8, 14)[:, None], np.linspace(-0.72, 0.72, 24)[None]
    sheet = np.stack(
        np.broadcast_arrays(x, 0.32 + 0.36 * np.sin(angle), 1.16 - 0.36 * np.cos(angle) + 0.2), axis=-1
    )
    model.add("secondary", cloth(grid(sheet), 0.06), part="blade")
    model.add(
        "primary",
        pair(capsule((0.6, 0.2, 0.1), (0.6, 0.24, 1.0), 0.05)),
        pair(capsule((0.2, 0.6, 0.5), (0.25, 0.4, 1.0), 0.045)),
        part="arm",
    )
    model.add("lemon light", pair(sphere(0.05).moved(0.22, 0.74, 0.61)), part="light")
    model.anchor("top", (0, 1.31, -0.36), size=0.5)
    return model


@family("wheelbarrow", words=("wheelbarrow", "barrow", "wheel barrow"), primary="green paint",
        secondary="tan wood", accent="charcoal metal")  # fmt: skip
def make_wheelbarrow(build: Build) -> Model:
    model = build.model()
    top = np.array([(-0.42, 0.75, -0.5), (0.42, 0.75, -0.5), (0.36, 0.75, 0.62), (-0.36, 0.75, 0.62)])
    low = np.array([(-0.28, 0.4, -0.32), (0.28, 0.4, -0.32), (0.2, 0.4, 0.26), (-0.2, 0.4, 0.26)])
    walls = [cloth(plate([low[k], top[k], top[(k + 1) % 4], low[(k + 1) % 4]]), 0.035) for k in range(4)]
    model.add("primary", *walls, cloth(plate(low), 0.035), part="tray")
    model.add("primary", tube(np.concatenate([top, top[:1]]), 0.028, smooth=False), part="rim")
    soil = ellipsoid(0.36, 0.2, 0.5)
    model.add("chocolate earth", soil.moved(y=0.68, z=0.05), part="soil")
    model.add(
        "secondary",
        pair(tube([(0.07, 0.24, 0.85), (0.26, 0.4, 0.1), (0.36, 0.52, -0.6), (0.38, 0.58, -1.1)], 0.038)),
        part="handle",
    )
    model.add(
        "accent", pair(tube([(0.3, 0.44, -0.25), (0.32, 0.02, -0.35), (0.3, 0.45, -0.5)], 0.026)), part="leg"
    )
    model.add("black rubber", tyre(0.24, 0.12).moved(y=0.24, z=0.85), part="wheel")
    model.add(
        "accent",
        disc_rim(0.17, 0.1).moved(y=0.24, z=0.85),
        pair(capsule((0.08, 0.24, 0.85), (0.2, 0.5, 0.45), 0.024)),
        part="rim",
    )
    model.anchor("inside", (0, 0.72, 0.05), size=0.7)
    return model
