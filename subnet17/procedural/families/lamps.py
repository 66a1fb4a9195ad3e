"""Lamps, lanterns, street lights."""

from __future__ import annotations

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, join, pair, ring, sphere, torus
from subnet17.procedural.sweeps import capsule, cone, cylinder, lathe, tube


@family("lamp", words=("lamp", "table lamp", "desk lamp", "floor lamp", "bedside lamp"),
        primary="cream fabric", secondary="brass",
        light="lemon light")  # fmt: skip
def make_lamp(build: Build) -> Model:
    model = build.model()
    if build.has("desk"):
        model.add("secondary", cylinder(0.38, 0.07, bevel=0.03).moved(y=0.035), part="base")
        arm = [
            capsule((0, 0.05, -0.1), (0, 0.8, -0.35), 0.04),
            capsule((0, 0.8, -0.35), (0, 1.35, 0.15), 0.04),
            sphere(0.07).moved(0, 0.8, -0.35),
        ]
        model.add("secondary", join(arm), part="stand")
        shade = (
            lathe([(0.08, 0.22), (0.14, 0.18), (0.34, -0.2), (0.3, -0.2), (0.1, 0.1)])
            .turned("x", -35)
            .moved(0, 1.32, 0.27)
        )
        model.add("primary", shade, part="shade")
        model.add("light", sphere(0.15).moved(0, 1.2, 0.36), part="light")
        return model
    tall = 1.9 if build.has("floor", "tall", "standing") else 0.62
    base = [(0, 0), (0.36, 0.0), (0.34, 0.06), (0.09, 0.12), (0.07, tall * 0.5), (0.06, tall), (0, tall)]
    if tall < 1:
        base = [
            (0, 0),
            (0.3, 0.0),
            (0.28, 0.06),
            (0.14, 0.1),
            (0.28, 0.32),
            (0.12, 0.55),
            (0.05, 0.66),
            (0, 0.68),
        ]
    model.add("secondary", lathe(base), cylinder(0.03, 0.3).moved(y=tall + 0.1), part="base")
    shade = lathe(
        [(0.55, tall + 0.1), (0.32, tall + 0.72), (0.3, tall + 0.72), (0.53, tall + 0.1)], smooth=False
    )
    model.add("primary", shade, part="shade", fade=("light", lambda p: 0.35 + 0 * p[:, 1]))
    model.add(
        "secondary",
        torus(0.55, 0.02).moved(y=tall + 0.1),
        torus(0.31, 0.02).moved(y=tall + 0.72),
        part="trim",
    )
    model.add("light", sphere(0.15).moved(y=tall + 0.4), part="light")
    return model


@family("lantern", words=("lantern", "oil lamp", "camping lantern", "storm lantern"), primary="bronze",
        secondary="aqua glass",
        light="amber light")  # fmt: skip
def make_lantern(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        lathe([(0, 0), (0.42, 0.0), (0.44, 0.08), (0.34, 0.16), (0.34, 0.2), (0, 0.2)], smooth=False),
        part="base",
    )
    model.add(
        "primary",
        lathe([(0.4, 0.95), (0.42, 1.0), (0.22, 1.22), (0.12, 1.26), (0.1, 1.36), (0, 1.38)], smooth=False),
        part="roof",
    )
    model.add(
        "primary",
        ring(capsule((0.35, 0.18, 0), (0.35, 0.97, 0), 0.028), 6),
        torus(0.35, 0.022).moved(y=0.55),
        part="frame",
    )
    model.add("light", lathe([(0, 0.2), (0.14, 0.28), (0.16, 0.45), (0.08, 0.68), (0, 0.86)]), part="light")
    model.add("primary", torus(0.2, 0.03).turned("x", 90).moved(y=1.5), part="handle")
    model.anchor("grip", (0, 1.65, 0), size=0.12)
    return model


@family("street lamp", words=("street lamp", "street light", "streetlight", "lamp post", "lamppost"),
        primary="iron",
        secondary="iron", light="lemon light")  # fmt: skip
def make_street_lamp(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        lathe(
            [
                (0, 0),
                (0.3, 0.0),
                (0.28, 0.12),
                (0.16, 0.2),
                (0.12, 0.5),
                (0.07, 0.6),
                (0.055, 2.1),
                (0.1, 2.16),
                (0, 2.2),
            ]
        ),
        part="pole",
    )
    model.add(
        "secondary",
        torus(0.09, 0.035).moved(y=0.62),
        torus(0.07, 0.025).moved(y=1.9),
        pair(capsule((0, 1.95, 0), (0.3, 1.95, 0), 0.025)),
    )
    model.add("light", cylinder(0.14, 0.42, top_radius=0.22, sides=6).moved(y=2.42), part="light")
    cage = tube([(0.15, 2.2, 0), (0.235, 2.64, 0)], 0.02)
    model.add(
        "secondary",
        ring(cage, 6),
        cone(0.32, 0.25, sides=6).moved(y=2.75),
        sphere(0.05).moved(y=2.9),
        part="frame",
    )
    model.add("secondary", box(0.3, 0.04, 0.3, bevel=0.01).moved(y=2.2))
    return model
