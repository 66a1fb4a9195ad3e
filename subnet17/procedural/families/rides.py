"""Moon rovers, go-karts, sleds and carriages."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import (
    add_wheels,
    disc_rim,
    lying,
    sideways,
    spokes,
    tyre,
    upright,
)
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, ellipsoid, join, pair, sphere, torus
from subnet17.procedural.sweeps import body, capsule, cylinder, tube


@family("rover", words=("rover", "moon rover", "mars rover", "lunar rover", "moon buggy"),
        primary="white plastic", secondary="gold", accent="ash metal")  # fmt: skip
def make_rover(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(0.8, 0.22, 1.2, bevel=0.04).moved(y=0.52), part="body")
    model.add("secondary", box(0.74, 0.16, 1.1, bevel=0.03).moved(y=0.38), part="body")
    panel = join(
        [
            box(0.86, 0.025, 0.5).moved(y=0.655, z=-0.32),
            box(0.5, 0.025, 0.7).moved(0.65, 0.655, -0.25),
            box(0.5, 0.025, 0.7).moved(-0.65, 0.655, -0.25),
        ]
    )
    model.add("navy glass", panel, part="panel")
    lines = [box(0.012, 0.03, 0.7).moved(x, 0.657, -0.25) for x in np.linspace(-0.85, 0.85, 12)]
    model.add("accent", *lines, box(1.8, 0.03, 0.014).moved(y=0.657, z=-0.25))
    for z in (-0.62, 0.0, 0.62):
        model.add("accent", pair(tyre(0.21, 0.2, depth=0.3).moved(0.62, 0.21, z)), part="wheel")
        model.add("secondary", pair(disc_rim(0.15, 0.16).moved(0.62, 0.21, z)), part="rim")
        model.add("accent", pair(capsule((0.4, 0.45, z * 0.6), (0.56, 0.24, z), 0.035)), part="leg")
    model.add("accent", capsule((0.2, 0.6, 0.42), (0.2, 1.1, 0.42), 0.03), part="mast")
    model.add("primary", box(0.3, 0.16, 0.16, bevel=0.03).moved(0.2, 1.14, 0.42), part="head")
    model.add(
        "navy glass",
        *[cylinder(0.05, 0.04).turned("x", 90).moved(x, 1.14, 0.51) for x in (0.12, 0.28)],
        part="eye",
    )
    dish = [
        ellipsoid(0.24, 0.05, 0.24).turned("x", 50).moved(-0.25, 1.0, 0.1),
        capsule((-0.25, 0.6, 0.05), (-0.25, 0.98, 0.1), 0.025),
    ]
    model.add("primary", dish[0], part="dish")
    model.add(
        "accent",
        dish[1],
        capsule((-0.25, 1.0, 0.1), (-0.25, 1.12, 0.24), 0.015),
        capsule((0.38, 0.6, -0.4), (0.38, 1.05, -0.42), 0.012),
        part="antenna",
    )
    arm = tube([(-0.2, 0.48, 0.58), (-0.2, 0.7, 0.8), (-0.2, 0.42, 1.0)], 0.03)
    model.add("accent", arm, sphere(0.06).moved(-0.2, 0.42, 1.0), part="arm")
    return model


@family("go-kart", words=("go kart", "gokart", "kart", "racing kart"), primary="red paint",
        secondary="white plastic", accent="charcoal metal")  # fmt: skip
def make_go_kart(build: Build) -> Model:
    model = build.model()
    model.add(
        "accent",
        lying(
            [(-0.42, -0.7), (0.42, -0.7), (0.4, 0.2), (0.24, 0.85), (-0.24, 0.85), (-0.4, 0.2)], 0.06
        ).moved(y=0.14),
        part="frame",
    )
    nose = body([(0.4, 0.26, 0.3, 0.1, 0.5), (0.75, 0.24, 0.34, 0.1, 0.5), (1.0, 0.2, 0.3, 0.06, 0.5)])
    model.add("primary", nose, pair(box(0.16, 0.17, 0.72, bevel=0.06).moved(0.46, 0.24, 0.02)), part="body")
    model.add("primary", box(0.36, 0.12, 0.3, bevel=0.04).turned("x", 35).moved(y=0.42, z=0.42), part="body")
    model.add(
        "secondary", cylinder(0.13, 0.03, bevel=0.01).turned("x", 35).moved(y=0.5, z=0.45), part="plate"
    )
    seven = join(
        [
            capsule((-0.05, 0.0, -0.06), (0.05, 0.0, -0.06), 0.014),
            capsule((0.05, 0, -0.06), (-0.01, 0, 0.07), 0.014),
        ]
    )
    model.add("black plastic", seven.turned("x", 35).moved(y=0.52, z=0.455), part="number")
    seat = [
        box(0.4, 0.08, 0.4, bevel=0.03).moved(y=0.24, z=-0.2),
        box(0.42, 0.46, 0.09, bevel=0.04).turned("x", -18).moved(y=0.45, z=-0.42),
    ]
    model.add("black leather", *seat, part="seat")
    model.add(
        "accent",
        torus(0.15, 0.028).turned("x", 55).moved(y=0.6, z=0.16),
        capsule((0, 0.58, 0.17), (0, 0.3, 0.4), 0.022),
    )
    model.add(
        "ash metal",
        box(0.3, 0.24, 0.26, bevel=0.04).moved(0.0, 0.34, -0.66),
        capsule((0.2, 0.3, -0.6), (0.22, 0.42, -0.92), 0.05),
        part="engine",
    )
    add_wheels(model, [(0.52, -0.62)], 0.24, 0.26, "secondary")
    add_wheels(model, [(0.5, 0.62)], 0.2, 0.2, "secondary")
    model.add(
        "accent",
        sideways(cylinder(0.035, 1.0)).moved(y=0.22, z=-0.62),
        sideways(cylinder(0.03, 0.95)).moved(y=0.2, z=0.62),
    )
    model.anchor("inside", (0, 0.3, -0.2), size=0.5)
    return model


@family("sled", words=("sled", "sledge", "sleigh", "toboggan", "santa sleigh"),
        primary="tan wood", secondary="ash steel", accent="red fabric")  # fmt: skip
def make_sled(build: Build) -> Model:
    model = build.model()
    if build.has("sleigh"):
        return _sleigh(build)
    runner = [(0.32, 0.04, -0.9), (0.32, 0.03, 0.5), (0.32, 0.12, 0.8), (0.32, 0.36, 0.95), (0.32, 0.5, 0.78)]
    model.add("secondary", pair(tube(runner, 0.038)), part="runner")
    for x in np.linspace(-0.3, 0.3, 5):
        model.add("primary", box(0.11, 0.045, 1.7, bevel=0.015).moved(float(x), 0.32, -0.1), part="slat")
    model.add(
        "primary",
        *[box(0.72, 0.05, 0.1, bevel=0.015).moved(y=0.27, z=z) for z in (-0.75, -0.1, 0.55)],
        part="beam",
    )
    model.add(
        "primary",
        pair(join(box(0.07, 0.25, 0.08, bevel=0.015).moved(0.32, 0.15, z) for z in (-0.75, -0.1, 0.5))),
        part="post",
    )
    model.add("primary", capsule((-0.36, 0.5, 0.78), (0.36, 0.5, 0.78), 0.035), part="beam")
    model.add(
        "accent",
        tube([(-0.3, 0.5, 0.8), (-0.1, 0.3, 1.2), (0.1, 0.3, 1.2), (0.3, 0.5, 0.8)], 0.02),
        part="rope",
    )
    model.anchor("top", (0, 0.35, -0.1), size=0.7)
    return model


def _sleigh(build: Build) -> Model:
    model = build.model(primary="red paint", secondary="gold", accent="green fabric")
    side = [
        (-0.85, 0.95),
        (-0.72, 0.3),
        (0.55, 0.26),
        (0.9, 0.45),
        (0.92, 0.75),
        (0.7, 0.55),
        (0.1, 0.52),
        (-0.35, 0.75),
        (-0.6, 1.0),
    ]
    model.add("primary", pair(upright(side, 0.06).moved(x=0.42)), part="body")
    model.add(
        "primary",
        box(0.84, 0.06, 1.25).moved(y=0.3, z=-0.08),
        box(0.84, 0.7, 0.06).turned("x", -14).moved(y=0.62, z=-0.7),
        box(0.84, 0.28, 0.06).moved(y=0.42, z=0.62),
        part="body",
    )
    model.add("accent", box(0.78, 0.14, 0.45, bevel=0.05).moved(y=0.5, z=-0.4), part="seat")
    rail = [(0.44, p[1], p[0]) for p in (side[0], side[8], side[7], side[6], side[5], side[4])]
    model.add("secondary", pair(tube(rail, 0.035)), part="trim")
    runner = [
        (0.36, 0.1, -0.95),
        (0.36, 0.05, -0.6),
        (0.36, 0.05, 0.6),
        (0.36, 0.16, 0.98),
        (0.36, 0.4, 1.12),
        (0.36, 0.52, 0.98),
    ]
    model.add(
        "secondary",
        pair(tube(runner, 0.038)),
        pair(join(capsule((0.36, 0.05, z), (0.4, 0.3, z), 0.025) for z in (-0.5, 0.0, 0.5))),
        part="runner",
    )
    model.anchor("inside", (0, 0.55, -0.2), size=0.7)
    return model


@family("carriage", words=("carriage", "royal carriage", "horse drawn carriage", "stagecoach",
        "princess carriage"), primary="white paint", secondary="gold", accent="navy fabric")  # fmt: skip
def make_carriage(build: Build) -> Model:
    model = build.model()
    hull = body(
        [
            (-0.55, 0.85, 0.28, 0.3, 0.3),
            (-0.3, 0.8, 0.36, 0.44, 0.3),
            (0.3, 0.8, 0.36, 0.44, 0.3),
            (0.55, 0.85, 0.28, 0.3, 0.3),
        ]
    )
    model.add("primary", hull, part="body")
    model.add(
        "navy glass",
        pair(box(0.04, 0.3, 0.3, bevel=0.02).moved(0.355, 0.95, 0.0)),
        box(0.3, 0.26, 0.03, bevel=0.01).moved(y=0.95, z=0.55),
        box(0.3, 0.26, 0.03, bevel=0.01).moved(y=0.95, z=-0.55),
        part="window",
    )
    frame = [((0.375, 0.78, s), (0.375, 1.12, s)) for s in (-0.17, 0.17)] + [
        ((0.375, y, -0.17), (0.375, y, 0.17)) for y in (0.78, 1.12)
    ]
    model.add("secondary", pair(join(capsule(a, b, 0.02) for a, b in frame)), part="trim")
    model.add(
        "secondary",
        torus(0.34, 0.03).scaled(1, 1, 1.45).moved(y=1.14),
        torus(0.36, 0.03).scaled(1, 1, 1.4).moved(y=0.62),
        part="trim",
    )
    model.add(
        "secondary",
        sphere(0.07).moved(y=1.28),
        *[sphere(0.05).moved(x, 1.2, z) for x in (-0.25, 0.25) for z in (-0.38, 0.38)],
        part="crown",
    )
    for z, radius in ((-0.62, 0.36), (0.66, 0.27)):
        wheel = join([torus(radius - 0.03, 0.035).turned("z", 90), spokes(radius - 0.03, 10, 0.018)])
        model.add(
            "secondary",
            pair(wheel.moved(0.44, radius, z)),
            sideways(cylinder(0.03, 0.9)).moved(y=radius, z=z),
            part="wheel",
        )
    model.add(
        "secondary",
        pair(
            tube(
                [(0.2, 0.5, -0.85), (0.2, 0.36, -0.6), (0.2, 0.42, 0.0), (0.2, 0.36, 0.66), (0.2, 0.6, 0.9)],
                0.03,
            )
        ),
        part="frame",
    )
    model.add(
        "accent",
        box(0.5, 0.09, 0.3, bevel=0.035).moved(y=0.72, z=0.86),
        box(0.5, 0.26, 0.07, bevel=0.03).moved(y=0.86, z=0.7),
        part="seat",
    )
    model.add("brown wood", pair(capsule((0.12, 0.32, 0.7), (0.12, 0.4, 1.45), 0.022)), part="pole")
    model.add("lemon light", pair(sphere(0.05).moved(0.34, 1.0, 0.5)), part="light")
    model.anchor("inside", (0, 0.8, 0), size=0.6)
    return model
