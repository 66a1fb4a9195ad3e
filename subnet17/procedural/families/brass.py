"""Trumpets, saxophones and bells."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import ellipsoid, sphere, torus
from subnet17.procedural.sweeps import capsule, cone, cylinder, lathe, tube


@family("trumpet", words=("trumpet", "cornet", "bugle", "trombone"), primary="gold",
        secondary="silver", accent="ivory plastic")  # fmt: skip
def make_trumpet(build: Build) -> Model:
    model = build.model()
    bell = lathe(
        [
            (0.045, -0.1),
            (0.06, 0.35),
            (0.11, 0.6),
            (0.24, 0.78),
            (0.36, 0.85),
            (0.34, 0.84),
            (0.2, 0.74),
            (0.05, 0.5),
        ]
    )
    model.add(
        "primary",
        bell.turned("z", -90).moved(0.15, 0.12),
        torus(0.36, 0.018).turned("z", 90).moved(1.0, 0.12),
        part="bell",
    )
    loop = [
        (-0.95, 0.12, 0),
        (0.35, 0.12, 0.0),
        (0.52, 0.02, 0),
        (0.52, -0.12, 0),
        (0.35, -0.22, 0),
        (-0.35, -0.22, 0),
        (-0.52, -0.12, 0),
        (-0.52, 0.02, 0.06),
        (-0.35, 0.12, 0.1),
        (0.1, 0.12, 0.09),
    ]
    model.add(
        "primary",
        tube(loop[:6], 0.042),
        tube([(0.3, -0.22, 0), *loop[5:9], (0.15, 0.12, 0.02)], 0.042),
        part="tube",
    )
    for x in (-0.18, 0.0, 0.18):
        model.add("primary", cylinder(0.07, 0.46, bevel=0.02).moved(x, -0.06, 0.04), part="valve")
        model.add(
            "secondary",
            cylinder(0.02, 0.12).moved(x, 0.22, 0.04),
            cylinder(0.076, 0.05).moved(x, -0.29, 0.04),
            cylinder(0.076, 0.04).moved(x, 0.17, 0.04),
            part="valve",
        )
        model.add("accent", cylinder(0.055, 0.04, bevel=0.015).moved(x, 0.29, 0.04), part="button")
    mouth = lathe([(0.02, -0.02), (0.035, 0.12), (0.085, 0.2), (0.085, 0.22), (0.03, 0.2)])
    model.add("secondary", mouth.turned("z", 90).moved(-0.92, 0.12), part="mouthpiece")
    rings = [torus(0.05, 0.016).turned("z", 90).moved(x, 0.12) for x in (-0.75, -0.4, 0.3)]
    model.add("secondary", *rings, torus(0.07, 0.016).turned("x", 90).moved(0.34, 0.22))
    model.anchor("grip", (0, -0.06, 0.04), size=0.25)
    return model


@family("bell", words=("bell", "hand bell", "handbell", "church bell", "school bell"),
        primary="gold", secondary="brown wood", accent="brass")  # fmt: skip
def make_bell(build: Build) -> Model:
    model = build.model()
    shell = lathe(
        [
            (0.2, -0.38),
            (0.56, -0.6),
            (0.6, -0.57),
            (0.5, -0.42),
            (0.4, -0.1),
            (0.36, 0.2),
            (0.26, 0.36),
            (0, 0.42),
        ]
    )
    model.add("primary", shell, part="body")
    model.add(
        "accent",
        *[torus(r, 0.022).moved(y=y) for r, y in ((0.545, -0.5), (0.44, -0.25), (0.38, 0.12))],
        part="band",
    )
    model.add(
        "charcoal iron",
        sphere(0.14).moved(y=-0.62),
        capsule((0, -0.3, 0), (0, -0.6, 0), 0.04),
        part="clapper",
    )
    if build.has("church", "jingle"):
        model.add("accent", torus(0.14, 0.05).turned("x", 90).moved(y=0.52), part="ring")
    else:
        handle = lathe(
            [(0.07, 0.4), (0.09, 0.5), (0.06, 0.6), (0.1, 0.85), (0.08, 1.05), (0.12, 1.16), (0, 1.25)]
        )
        model.add("secondary", handle, part="handle")
        model.add("accent", torus(0.085, 0.035).moved(y=0.43), cone(0.05, 0.1).moved(y=1.27), part="band")
    model.anchor("grip", (0, 0.8, 0), size=0.22)
    return model


@family("saxophone", words=("saxophone", "sax", "alto saxophone"), primary="gold",
        secondary="brass", accent="ivory plastic")  # fmt: skip
def make_saxophone(build: Build) -> Model:
    model = build.model()
    path = [
        (-0.12, 0.85, 0),
        (-0.1, 0.2, 0),
        (-0.06, -0.5, 0),
        (0.02, -0.82, 0),
        (0.22, -0.92, 0),
        (0.42, -0.78, 0),
        (0.5, -0.4, 0),
        (0.56, -0.1, 0),
    ]
    model.add("primary", tube(path, [0.055, 0.08, 0.115, 0.13, 0.14, 0.145, 0.16, 0.19]), part="body")
    bell = lathe(
        [(0.18, -0.1), (0.21, 0.1), (0.29, 0.24), (0.38, 0.3), (0.36, 0.29), (0.2, 0.12), (0.1, -0.05)]
    )
    model.add(
        "primary",
        bell.turned("z", -12).moved(0.57, -0.08),
        torus(0.375, 0.02).turned("z", -12).moved(0.63, 0.215),
        part="bell",
    )
    neck = tube(
        [(-0.12, 0.84, 0), (-0.13, 1.02, 0), (-0.24, 1.12, 0), (-0.45, 1.06, 0)], [0.055, 0.05, 0.045, 0.035]
    )
    model.add("primary", neck, torus(0.065, 0.025).moved(-0.12, 0.85), part="neck")
    model.add("black plastic", capsule((-0.43, 1.07, 0), (-0.66, 0.98, 0), 0.05, 0.03), part="mouthpiece")
    for k in range(7):
        y = 0.65 - 0.19 * k
        x = float(np.interp(y, [-0.5, 0.85], [-0.06, -0.12]))
        r = float(np.interp(y, [-0.5, 0.85], [0.115, 0.055]))
        for side in (-1, 1):
            pad = [cylinder(0.075, 0.035, bevel=0.012).turned("x", 90).moved(x, y, side * (r + 0.045))]
            model.add("secondary", *pad, part="key")
            model.add("accent", ellipsoid(0.045, 0.045, 0.02).moved(x, y, side * (r + 0.065)), part="button")
    rods = [capsule((-0.24, 0.7, z), (-0.2, -0.5, z), 0.016) for z in (-0.06, 0.06)]
    model.add(
        "secondary",
        *rods,
        cylinder(0.1, 0.04).turned("x", 90).moved(0.48, -0.45, 0.18),
        cylinder(0.1, 0.04).turned("x", 90).moved(0.48, -0.45, -0.18),
        part="rod",
    )
    model.anchor("grip", (-0.1, 0.1, 0), size=0.2)
    return model
