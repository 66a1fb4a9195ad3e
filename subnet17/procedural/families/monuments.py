"""Arches, fountains and totem poles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, ellipsoid, join, pair, sphere
from subnet17.procedural.sweeps import capsule, cone, cylinder, extrude, lathe, tube


@family("arch", words=("archway", "arch", "portal", "gateway"), primary="grey stone",
        secondary="ash stone", accent="slate stone", light="violet light")  # fmt: skip
def make_arch(build: Build) -> Model:
    model = build.model()
    for x in (-0.62, 0.62):
        for k in range(6):
            width = build.vary(0.36, 0.07)
            stone = box(width, 0.19, build.vary(0.36, 0.07), bevel=0.035).turned(
                "y", float(build.rng.uniform(-4, 4))
            )
            model.add("primary" if k % 2 else "secondary", stone.moved(x, 0.2 + 0.19 * k, 0), part="stone")
        model.add(
            "accent",
            box(0.5, 0.12, 0.5, bevel=0.03).moved(x, 0.06, 0),
            box(0.46, 0.1, 0.46, bevel=0.03).moved(x, 1.29, 0),
            part="base",
        )
    angles = np.deg2rad(np.linspace(0, 180, 12))
    for k, (a, b) in enumerate(pairwise(angles)):
        middle = (a + b) / 2
        size = 0.42 if k == 5 else 0.33
        stone = box(0.2, size, 0.36, bevel=0.035).turned("z", np.rad2deg(middle) - 90)
        spot = (0.64 * np.cos(middle), 1.34 + 0.64 * np.sin(middle), 0)
        model.add("accent" if k == 5 else "primary" if k % 2 else "secondary", stone.at(spot), part="stone")
    if build.has("portal", "magic", "magical"):
        arc = np.deg2rad(np.linspace(0, 180, 21))
        door = np.concatenate(
            [[[-0.46, 0.1], [0.46, 0.1]], np.stack([0.46 * np.cos(arc), 1.34 + 0.46 * np.sin(arc)], axis=1)]
        )
        model.add("light", extrude(door, 0.06), part="light")
    model.anchor("top", (0, 2.14, 0), size=0.35)
    return model


@family("fountain", words=("fountain", "water fountain", "garden fountain"),
        primary="ash stone", secondary="grey stone", accent="azure water")  # fmt: skip
def make_fountain(build: Build) -> Model:
    model = build.model()
    basin = [(0.95, 0.0), (1.0, 0.08), (0.95, 0.3), (1.02, 0.38), (0.9, 0.38), (0.86, 0.3), (0.85, 0.2)]
    model.add("primary", lathe(basin), part="basin")
    model.add("accent", lathe([(0.9, 0.29), (0, 0.3)], smooth=False), part="water")
    column = [
        (0.22, 0.2),
        (0.15, 0.36),
        (0.12, 0.6),
        (0.18, 0.8),
        (0.5, 0.92),
        (0.55, 0.98),
        (0.46, 0.97),
        (0.2, 0.9),
    ]
    model.add("secondary", lathe(column), part="column")
    model.add("accent", lathe([(0.5, 0.955), (0, 0.965)], smooth=False), part="water")
    upper = [(0.1, 0.94), (0.07, 1.15), (0.1, 1.28), (0.26, 1.36), (0.28, 1.4), (0.2, 1.39), (0.05, 1.36)]
    model.add("secondary", lathe(upper), sphere(0.09).moved(y=1.46), part="column")
    for radius, y, drop, count in ((0.52, 0.97, 0.68, 14), (0.27, 1.39, 0.43, 10)):
        t = np.linspace(0, 1, 8)
        arc = np.stack([0 * t, y + 0.05 * np.sin(np.pi * t) - drop * t**2, radius + 0.2 * t], axis=1)
        for k in range(count):
            stream = tube(arc, np.linspace(0.03, 0.018, 8)).turned("y", 360 * k / count)
            model.add("accent", stream, part="water")
    jet = [
        tube([(0, 1.5, 0), (0.08, 1.75, 0), (0.2, 1.62, 0), (0.25, 1.4, 0)], 0.02).turned("y", 60.0 * k)
        for k in range(6)
    ]
    model.add("accent", *jet, part="water")
    model.anchor("top", (0, 1.5, 0), size=0.3)
    return model


@family("totem pole", words=("totem pole", "totem", "tiki pole"), primary="brown wood",
        secondary="red paint", accent="teal paint")  # fmt: skip
def make_totem_pole(build: Build) -> Model:
    model = build.model()
    for k in range(3):
        face = Model(model.roles)
        face.add("primary", cylinder(0.34, 0.66, bevel=0.06), part="body")
        face.add(
            "secondary" if k % 2 else "accent", cylinder(0.36, 0.09, bevel=0.03).moved(y=-0.32), part="band"
        )
        eye = [ellipsoid(0.11, 0.09, 0.05).moved(0.14, 0.12, 0.29)]
        face.add("white paint", pair(eye[0]), part="eye")
        face.add("black paint", pair(sphere(0.05).moved(0.14, 0.12, 0.325)), part="pupil")
        face.add(
            "secondary" if k != 1 else "accent",
            pair(capsule((0.05, 0.22, 0.33), (0.27, 0.27, 0.22), 0.035)),
            part="eyebrow",
        )
        beak = cone(0.1, 0.3, sides=6).turned("x", 105) if k == 2 else ellipsoid(0.07, 0.11, 0.08)
        face.add(
            "golden paint" if k == 2 else "secondary",
            beak.moved(y=0.0, z=0.4 if k == 2 else 0.34),
            part="nose",
        )
        face.add("black paint", box(0.32, 0.13, 0.06, bevel=0.025).moved(y=-0.18, z=0.32), part="mouth")
        teeth = [box(0.06, 0.05, 0.04).moved(x, -0.15, 0.345) for x in (-0.11, -0.035, 0.04, 0.115)]
        face.add("white paint", *teeth, part="tooth")
        ear = [ellipsoid(0.09, 0.12, 0.07).moved(0.36, 0.14, 0.0)]
        face.add("accent" if k % 2 else "secondary", pair(ear[0]), part="ear")
        model.include(face.placed((0, 0.35 + 0.66 * k, 0), scale=1.0))
    wing = extrude([(0.28, 0.15), (1.0, 0.4), (1.05, 0.2), (0.95, -0.02), (0.75, -0.14), (0.28, -0.18)], 0.09)
    model.add("accent", pair(wing).moved(y=1.66, z=-0.02), part="wing")
    feathers = [
        capsule((0.4 + 0.18 * k, 1.6, 0.05), (0.5 + 0.17 * k, 1.75 + 0.05 * k, 0.05), 0.03) for k in range(3)
    ]
    model.add("secondary", pair(join(feathers)), part="feather")
    model.add(
        "primary",
        lathe([(0.3, 2.0), (0.2, 2.08), (0, 2.1)]),
        cylinder(0.42, 0.08, bevel=0.03).moved(y=0.02),
        part="base",
    )
    model.anchor("top", (0, 2.1, 0), size=0.5)
    return model
