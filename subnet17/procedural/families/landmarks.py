"""Bridges, tents, pyramids and igloos."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from subnet17.procedural.mechanics import block, cloth, stepped
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, box, ellipsoid, grid, join, pair, plate, sphere
from subnet17.procedural.sweeps import capsule, cone, cylinder, extrude, lathe, tube


@family("bridge", words=("bridge", "arch bridge", "footbridge"), primary="grey stone",
        secondary="ash stone", accent="slate stone")  # fmt: skip
def make_bridge(build: Build) -> Model:
    model = build.model()
    arc = np.deg2rad(np.linspace(180, 0, 25))
    under = np.stack([0.62 * np.cos(arc), 0.5 * np.sin(arc)], axis=1)
    x = np.linspace(1.1, -1.1, 25)
    over = np.stack([x, _deck_height(x)], axis=1)
    side = np.concatenate([[[-1.1, 0.0]], under, [[1.1, 0.0]], over])
    model.add("primary", extrude(side, 0.62), part="arch")
    for z in (-0.33, 0.33):
        ring_stones = [box(0.12, 0.13, 0.1, bevel=0.025).turned("z", np.rad2deg(a) -
            90).moved(0.68 * np.cos(a), 0.56 * np.sin(a), z) for a in
            np.deg2rad(np.linspace(4, 176, 17))]  # fmt: skip
        model.add("secondary", *ring_stones, part="stone")
        path = np.stack([x, _deck_height(x) + 0.12, np.full_like(x, z * 0.91)], axis=1)
        square = [(-1, -2.2), (1, -2.2), (1, 2.2), (-1, 2.2)]
        model.add("secondary", tube(path, 0.05, section=square, smooth=False, round_ends=False), part="wall")
        posts = [
            box(0.15, 0.36, 0.15, bevel=0.03).moved(px, float(_deck_height(np.array(px))) + 0.14, z * 0.91)
            for px in (-1.06, 0.0, 1.06)
        ]
        model.add("accent", *posts, part="post")
    deck = np.stack(
        [np.stack([x, _deck_height(x) + 0.012, np.full_like(x, s)], axis=1) for s in (0.28, -0.28)]
    )
    model.add("accent", grid(deck[:, ::-1]), part="deck")
    model.anchor("top", (0, 0.76, 0), size=0.55)
    return model


def _deck_height(x: Array) -> Array:
    return np.asarray(0.38 + 0.34 * np.cos(np.pi * x / 2.3) ** 2)


@family("tent", words=("tent", "camping tent", "circus tent", "tipi", "teepee", "tepee",
        "wigwam"), primary="orange fabric", secondary="cream fabric", accent="brown wood")  # fmt: skip
def make_tent(build: Build) -> Model:
    if build.has("circus"):
        return _circus_tent(build)
    if build.has("tipi", "teepee", "tepee", "wigwam"):
        return _tipi(build)
    model = build.model()
    for side in (-1, 1):
        sheet = plate(
            [(side * 0.72, 0, 0.85), (side * 0.72, 0, -0.85), (0, 0.95, -0.72), (0, 0.95, 0.72)][::side]
        )
        model.add("primary", cloth(sheet, 0.04), part="wall")
    model.add(
        "primary",
        cloth(plate([(0.72, 0, -0.85), (-0.72, 0, -0.85), (0, 0.95, -0.72), (0, 0.95, -0.72)]), 0.03),
        part="wall",
    )
    model.add(
        "charcoal fabric",
        cloth(plate([(-0.68, 0.0, 0.7), (0.68, 0.0, 0.7), (0, 0.92, 0.62), (0, 0.92, 0.62)]), 0.02),
    )
    for side in (-1, 1):
        flap = plate(
            [(side * 0.72, 0, 0.85), (side * 0.28, 0, 1.02), (0, 0.95, 0.72), (0, 0.95, 0.72)][::side]
        )
        model.add("secondary", cloth(flap, 0.035), part="door")
    model.add(
        "accent",
        capsule((0, 0, 0.74), (0, 1.02, 0.74), 0.022),
        capsule((0, 0.95, -0.74), (0, 0.95, 0.76), 0.03),
        part="pole",
    )
    ropes = [capsule((0.36, 0.48, z), (1.0, 0.02, z * 1.1), 0.009) for z in (-0.78, 0.0, 0.78)]
    pegs = [capsule((1.02, -0.02, z * 1.1), (0.98, 0.1, z * 1.1), 0.018) for z in (-0.78, 0.0, 0.78)]
    model.add("secondary", pair(join(ropes)), part="rope")
    model.add("accent", pair(join(pegs)), part="peg")
    model.add("secondary", box(1.5, 0.03, 1.75, bevel=0.012), part="base")
    return model


def _circus_tent(build: Build) -> Model:
    model = build.model(primary="red fabric", stripe="white fabric", accent="golden paint")

    def stripes(points: Array) -> Array:
        return np.asarray(np.clip(0.5 + 6 * np.sin(12 * np.arctan2(points[:, 0], points[:, 2])), 0, 1))

    wall = lathe([(0.86, 0), (0.86, 0.5)], smooth=False, sides=96)
    roof = lathe([(0.98, 0.46), (0.95, 0.52), (0.55, 0.74), (0.25, 1.0), (0.06, 1.3), (0, 1.34)], sides=96)
    model.add("primary", wall, part="wall", fade=("stripe", stripes))
    model.add("primary", roof, part="roof", fade=("stripe", stripes))
    scallops = [ellipsoid(0.13, 0.1, 0.03).moved(y=0.45, z=0.96).turned("y", 15.0 * k) for k in range(24)]
    model.add("accent", join(scallops), part="trim")
    model.add("accent", capsule((0, 1.3, 0), (0, 1.62, 0), 0.02), sphere(0.04).moved(y=1.64), part="pole")
    model.add(
        "primary", cloth(plate([(0, 1.45, 0), (0.34, 1.51, 0), (0.34, 1.53, 0), (0, 1.6, 0)])), part="flag"
    )
    model.add(
        "chocolate fabric",
        cloth(plate([(-0.2, 0, 0.87), (0.2, 0, 0.87), (0.02, 0.42, 0.87), (-0.02, 0.42, 0.87)])),
        part="door",
    )
    return model


def _tipi(build: Build) -> Model:
    model = build.model(primary="tan leather", secondary="red leather")

    def band(points: Array) -> Array:
        zigzag = 0.06 * np.abs(((np.arctan2(points[:, 0], points[:, 2]) * 16 / np.pi) % 2) - 1)
        return np.asarray(np.clip((0.06 - np.abs(points[:, 1] - 0.26 - zigzag)) * 60, 0, 1))

    model.add(
        "primary",
        lathe([(0.68, 0), (0.66, 0.02), (0.09, 1.32), (0.07, 1.32)], smooth=False, sides=64),
        part="wall",
    )
    cover = lathe(np.stack([np.linspace(0.675, 0.1, 24), np.linspace(0.02, 1.32, 24)], axis=1), sides=96)
    model.add("primary", cover, part="wall", fade=("secondary", band))
    poles = [
        capsule((0.55 * np.sin(a), 0.2, 0.55 * np.cos(a)), (-0.2 * np.sin(a), 1.75, -0.2 * np.cos(a)), 0.022)
        for a in np.arange(9) * 0.698
    ]
    model.add("accent", join(poles), part="pole")
    door = plate([(-0.17, 0, 0.7), (0.17, 0, 0.7), (0.02, 0.62, 0.43), (-0.02, 0.62, 0.43)])
    model.add("chocolate leather", cloth(door, 0.03), part="door")
    return model


@family("pyramid", words=("pyramid", "egyptian pyramid", "mayan pyramid", "aztec pyramid",
        "aztec temple", "mayan temple", "ziggurat"), primary="sand stone",
        secondary="tan stone", accent="golden stone")  # fmt: skip
def make_pyramid(build: Build) -> Model:
    model = build.model()
    mayan = build.has("mayan", "aztec", "ziggurat")
    steps, high, reach = (7, 0.85, 11.0) if mayan else (16, 1.15, 16.4)
    for k in range(steps):
        size, inner, low = 1 - k / reach, 1 - (k + 1) / reach, k * high / steps
        step = stepped([(size, low), (size, low + high / steps), (inner, low + high / steps)])
        model.add("primary" if k % 2 or mayan else "secondary", step, part="stone")
    if mayan:
        _add_stairs_and_shrine(model, high)
    else:
        model.add("accent", cone(0.11, 0.14, sides=4).turned("y", 45).moved(y=high + 0.05), part="tip")
        model.add(
            "secondary",
            pair(box(0.06, 0.2, 0.3).moved(0.11, 0.1, 0.93)),
            box(0.34, 0.06, 0.32).moved(y=0.22, z=0.93),
            part="gate",
        )
        model.add("black stone", box(0.16, 0.2, 0.1).moved(y=0.1, z=1.0), part="door")
    model.anchor("top", (0, high, 0), size=0.3)
    return model


def _add_stairs_and_shrine(model: Model, high: float) -> None:
    for angle in (0, 90, 180, 270):
        stair = [
            box(0.36, 0.05, 0.06).moved(y=high * (k + 0.5) / 18, z=1.06 - 0.62 * k / 18) for k in range(18)
        ]
        wall = [capsule((x, 0.0, 1.12), (x, high + 0.02, 0.46), 0.05) for x in (-0.22, 0.22)]
        model.add("secondary", join([*stair, *wall]).turned("y", angle), part="stair")
    model.add("secondary", box(0.5, 0.3, 0.5, bevel=0.01).moved(y=high + 0.15), part="shrine")
    model.add(
        "primary",
        box(0.6, 0.08, 0.6, bevel=0.02).moved(y=high + 0.33),
        box(0.42, 0.08, 0.42, bevel=0.02).moved(y=high + 0.4),
        part="roof",
    )
    for angle in (0, 90, 180, 270):
        model.add(
            "charcoal stone",
            box(0.16, 0.22, 0.03).moved(y=high + 0.11, z=0.25).turned("y", angle),
            part="door",
        )


@family("igloo", words=("igloo", "snow house", "ice house"), primary="snow ice",
        secondary="white snow", accent="aqua ice", dark="navy ice")  # fmt: skip
def make_igloo(build: Build) -> Model:
    model = build.model()
    for row in range(6):
        low, high = (np.deg2rad(90 * (row + k) / 6.3) for k in (0, 1))
        count = max(5, round(16 * np.cos(low)))
        for k in range(count):
            start = 2 * np.pi * (k + 0.5 * (row % 2)) / count
            if row < 2 and abs((start + np.pi / count + np.pi) % (2 * np.pi) - np.pi) < 0.3:
                continue
            stone = block(start, 2 * np.pi / count, float(low), float(high), top=0.79)
            model.add("primary" if (k + row) % 3 else "secondary", stone, part="brick")
    arc = np.deg2rad(np.linspace(0, 90, 16))
    dome = lathe(0.785 * np.stack([np.cos(arc), np.sin(arc)], axis=1))
    model.add("accent", dome, part="wall")
    model.add("secondary", sphere(0.2).scaled(1, 0.4, 1).moved(y=0.79))
    angles = np.deg2rad(np.linspace(0, 180, 8))
    for z in (0.72, 0.9, 1.08):
        for a, b in pairwise(angles):
            middle, wide = (a + b) / 2, 0.38 * (b - a)
            stone = box(wide * 1.0, 0.13, 0.17, bevel=0.03).turned("z", np.rad2deg(middle) - 90)
            model.add("primary", stone.moved(0.34 * np.cos(middle), 0.36 * np.sin(middle), z), part="brick")
    model.add("dark", cylinder(0.3, 0.3).turned("x", 90).scaled(1, 1.1, 1).moved(y=0.02, z=0.98), part="door")
    model.add(
        "secondary",
        lathe([(0, -0.03), (0.92, -0.03), (0.95, 0.0), (0.78, 0.04)]).scaled(1, 1, 1.3).moved(z=0.18),
        part="base",
    )
    return model
