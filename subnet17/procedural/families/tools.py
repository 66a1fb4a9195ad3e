"""Hand tools, standing upright where they have a handle."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import cloth, forward, upright
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, ellipsoid, grid, join, pair, torus
from subnet17.procedural.sweeps import body, capsule, curve, cylinder, extrude, tube


@family("wrench", words=("wrench", "spanner", "adjustable wrench", "monkey wrench"),
        primary="ash steel", secondary="red rubber", accent="charcoal metal")  # fmt: skip
def make_wrench(build: Build) -> Model:
    model = build.model()
    shaft = extrude([(-0.1, -0.75), (0.1, -0.75), (0.085, 0.45), (-0.085, 0.45)], 0.13, taper=0.93)
    model.add("primary", shaft, part="handle")
    model.add(
        "secondary",
        extrude([(-0.13, -0.85), (0.13, -0.85), (0.11, -0.1), (-0.11, -0.1)], 0.19, taper=0.9),
        part="grip",
    )
    jaw = [(-0.14, 0.35), (0.14, 0.35), (0.33, 0.55), (0.36, 0.85), (0.26, 1.05), (0.13, 1.0),
        (0.16, 0.74), (0.1, 0.64), (-0.08, 0.64), (-0.13, 0.74), (-0.13, 1.02), (-0.27, 1.02),
        (-0.34, 0.8), (-0.31, 0.55)]  # fmt: skip
    model.add("primary", extrude(jaw, 0.21, taper=0.95), part="jaw")
    if build.has("adjustable", "monkey"):
        model.add("accent", cylinder(0.085, 0.2, bevel=0.02).turned("z", 90).moved(0.03, 0.53), part="screw")
        rims = [torus(0.085, 0.014).turned("z", 90).moved(0.03 + 0.045 * k, 0.53) for k in (-1, 0, 1)]
        model.add("primary", *rims, part="screw")
    ring_end = torus(0.1, 0.055).turned("x", 90).moved(y=-0.93)
    model.add("primary", ring_end, part="head")
    model.anchor("grip", (0, -0.5, 0), size=0.24)
    return model


@family("screwdriver", words=("screwdriver", "screw driver", "chisel"), primary="red plastic",
        secondary="ash steel", accent="black rubber")  # fmt: skip
def make_screwdriver(build: Build) -> Model:
    model = build.model(primary="tan wood") if build.has("chisel") else build.model()
    flutes = np.deg2rad(np.arange(48) * 7.5)
    radius = 1 - 0.12 * np.cos(6 * flutes) ** 2
    section = np.stack([radius * np.cos(flutes), radius * np.sin(flutes)], axis=1)
    handle = tube(
        [(0, -1.0, 0), (0, -0.8, 0), (0, -0.4, 0), (0, -0.15, 0)], [0.16, 0.2, 0.185, 0.13], section=section
    )
    model.add("primary", handle, part="handle")
    model.add(
        "accent", torus(0.12, 0.05).moved(y=-0.12), ellipsoid(0.15, 0.07, 0.15).moved(y=-1.1), part="cap"
    )
    if build.has("chisel"):
        model.add(
            "secondary",
            cylinder(0.07, 0.4).moved(y=0.05),
            box(0.28, 0.7, 0.08, bevel=0.01).moved(y=0.55),
            part="blade",
        )
    else:
        model.add("secondary", cylinder(0.058, 0.95).moved(y=0.3), part="shaft")
        tip = extrude(
            [(-0.058, 0.75), (0.058, 0.75), (0.12, 0.9), (0.1, 1.05), (-0.1, 1.05), (-0.12, 0.9)], 0.06
        )
        model.add("secondary", tip, part="tip")
    model.anchor("grip", (0, -0.6, 0), size=0.38)
    return model


@family("saw", words=("saw", "handsaw", "hand saw", "carpenter saw", "hacksaw"),
        primary="ash steel", secondary="tan wood", accent="brass")  # fmt: skip
def make_saw(build: Build) -> Model:
    model = build.model()
    x = np.linspace(0.95, -0.42, 47)
    teeth = np.stack([x, -0.22 + 0.035 * (np.arange(47) % 2) + 0 * x], axis=1)
    blade = np.concatenate([[[-0.42, 0.28], [0.95, 0.0]], teeth])
    model.add("primary", extrude(blade[::-1], 0.035), part="blade")
    model.add("slate steel", box(1.4, 0.03, 0.045).turned("z", -11.5).moved(0.27, 0.14), part="blade")
    grip = [
        (-0.5, 0.3, 0),
        (-0.85, 0.36, 0),
        (-1.02, 0.22, 0),
        (-0.98, -0.08, 0),
        (-1.04, -0.3, 0),
        (-0.88, -0.4, 0),
        (-0.6, -0.28, 0),
        (-0.48, -0.05, 0),
    ]
    loop = curve([*grip, grip[0]], 48)
    model.add("secondary", tube(loop, 0.085, smooth=False).scaled(1, 1, 0.75), part="grip")
    plate = [(-0.62, 0.28), (-0.3, 0.24), (-0.26, -0.08), (-0.38, -0.2), (-0.6, -0.22)]
    model.add("secondary", extrude(plate, 0.11, taper=0.93), part="handle")
    model.add(
        "accent",
        *[
            cylinder(0.032, 0.13).turned("x", 90).moved(a, b)
            for a, b in ((-0.42, 0.16), (-0.45, -0.08), (-0.6, 0.05))
        ],
        part="bolt",
    )
    model.anchor("grip", (-1.0, 0.05, 0), size=0.2)
    return model


@family("shovel", words=("shovel", "spade", "snow shovel", "garden spade", "trowel"),
        primary="slate steel", secondary="tan wood", accent="red paint")  # fmt: skip
def make_shovel(build: Build) -> Model:
    model = build.model()
    model.add("secondary", cylinder(0.05, 1.5).moved(y=0.25), part="handle")
    u, v = np.linspace(-1, 1, 17)[None], np.linspace(0, 1, 20)[:, None]
    pointed = 1.0 if build.has("spade", "snow") else 0.0
    half = 0.33 * np.clip((1 - (v - 0.12) ** 2 * (1 - pointed) * 1.25), 0, 1) ** 0.8
    x, y = u * half, -0.35 - 0.85 * v - (1 - pointed) * 0.06 * (1 - u**2)
    z = 0.13 * u**2 - 0.1 * np.sin(np.pi * v) + 0.12 * v
    blade = cloth(grid(np.stack(np.broadcast_arrays(x, y, z), axis=-1)[::-1]), 0.035)
    model.add("primary", blade, part="blade")
    model.add(
        "primary",
        tube([(0, -0.15, 0), (0, -0.4, -0.01), (0, -0.75, -0.06)], [0.065, 0.06, 0.02]),
        part="socket",
    )
    arms = [tube([(0, 0.98, 0), (0.13, 1.08, 0), (0.15, 1.22, 0)], 0.035)]
    model.add("accent", pair(join(arms)), capsule((-0.17, 1.24, 0), (0.17, 1.24, 0), 0.05), part="grip")
    model.anchor("grip", (0, 0.3, 0), size=0.14)
    return model


@family("pickaxe", words=("pickaxe", "pick axe", "pick", "mining pick", "mattock"),
        primary="slate iron", secondary="brown wood", accent="charcoal iron")  # fmt: skip
def make_pickaxe(build: Build) -> Model:
    model = build.model()
    model.add(
        "secondary", tube([(0, -1.0, 0), (0, 0.0, 0), (0, 0.85, 0)], [0.065, 0.058, 0.068]), part="handle"
    )
    square = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    arm = tube(
        [(0.0, 0.74, 0), (0.35, 0.68, 0), (0.65, 0.5, 0), (0.85, 0.26, 0)],
        [0.1, 0.085, 0.06, 0.012],
        section=square,
    )
    model.add("primary", pair(arm), part="head")
    model.add("accent", box(0.24, 0.26, 0.26, bevel=0.03).moved(y=0.73), part="head")
    model.add("accent", torus(0.066, 0.02).moved(y=-0.95), torus(0.066, 0.02).moved(y=-0.55), part="band")
    model.anchor("grip", (0, -0.55, 0), size=0.15)
    return model


@family("drill", words=("drill", "cordless drill", "power drill", "electric drill"),
        primary="yellow plastic", secondary="black rubber", accent="ash steel")  # fmt: skip
def make_drill(build: Build) -> Model:
    model = build.model()
    motor = body(
        [
            (-0.6, 0.35, 0.12, 0.14, 0.3),
            (-0.45, 0.35, 0.2, 0.2, 0.3),
            (0.1, 0.35, 0.19, 0.2, 0.2),
            (0.3, 0.35, 0.13, 0.13, 0),
        ]
    )
    model.add("primary", motor, part="body")
    handle = [(-0.42, 0.22), (-0.1, 0.24), (-0.16, -0.45), (-0.44, -0.42)]
    model.add("primary", upright(handle, 0.24, taper=0.85), part="handle")
    model.add(
        "secondary",
        upright([(-0.46, 0.12), (-0.34, 0.14), (-0.38, -0.4), (-0.48, -0.4)], 0.25, taper=0.9),
        part="grip",
    )
    model.add("secondary", box(0.42, 0.24, 0.62, bevel=0.06).moved(y=-0.54, z=-0.26), part="battery")
    model.add("primary", box(0.43, 0.06, 0.5, bevel=0.02).moved(y=-0.54, z=-0.26))
    model.add(
        "secondary",
        forward([(0.12, 0.28), (0.14, 0.34), (0.14, 0.48), (0.07, 0.6)], smooth=False).moved(y=0.35),
        part="chuck",
    )
    model.add(
        "secondary",
        *[box(0.42, 0.025, 0.07).moved(y=0.35 + 0.06 * k, z=-0.4) for k in (-1, 0, 1)],
        part="vent",
    )
    t = np.linspace(0, 1, 40)
    flute = np.stack([0.035 * np.cos(22 * t), 0.35 + 0.035 * np.sin(22 * t), 0.58 + 0.42 * t], axis=1)
    model.add(
        "accent",
        forward([(0.035, 0.55), (0.035, 0.98), (0, 1.05)], smooth=False).moved(y=0.35),
        tube(flute, 0.025, smooth=False),
        part="bit",
    )
    model.add("red plastic", box(0.08, 0.14, 0.07, bevel=0.02).moved(y=0.08, z=-0.08), part="trigger")
    model.anchor("grip", (0, -0.1, -0.28), size=0.3)
    return model


@family("toolbox", words=("toolbox", "tool box", "tool chest"), primary="red paint",
        secondary="ash steel", accent="black rubber")  # fmt: skip
def make_toolbox(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        *[box(1.3, 0.5, 0.04).moved(y=0.25, z=z) for z in (-0.33, 0.33)],
        *[box(0.04, 0.5, 0.7).moved(x, 0.25) for x in (-0.64, 0.64)],
        box(1.3, 0.04, 0.7),
        part="body",
    )
    for side in (-1, 1):
        tray = join(
            [
                box(1.26, 0.04, 0.36),
                *[box(1.26, 0.15, 0.03).moved(y=0.07, z=z) for z in (-0.17, 0.17)],
                *[box(0.03, 0.15, 0.36).moved(x, 0.07) for x in (-0.62, 0.62)],
            ]
        )
        model.add("primary", tray.moved(y=0.62, z=0.42 * side), part="tray")
        arms = pair(
            join(capsule((0.66, 0.4, z * side), (0.66, 0.66, (z + 0.25) * side), 0.022) for z in (0.08, 0.25))
        )
        model.add("secondary", arms, part="hinge")
        tools = [
            capsule((-0.45, 0.68, 0.42 * side), (0.1, 0.68, 0.42 * side), 0.03),
            box(0.3, 0.06, 0.12).moved(0.36, 0.68, 0.42 * side),
        ]
        model.add("secondary", *tools, part="tool")
        model.add(
            "yellow plastic",
            capsule((-0.5, 0.68, 0.42 * side), (-0.25, 0.68, 0.42 * side), 0.05),
            part="tool",
        )
    model.add("secondary", pair(capsule((0.6, 0.4, 0), (0.6, 0.98, 0), 0.028)), part="handle")
    model.add("accent", capsule((-0.6, 0.98, 0), (0.6, 0.98, 0), 0.05), part="handle")
    model.add("secondary", pair(box(0.12, 0.14, 0.04, bevel=0.012).moved(0.35, 0.4, 0.355)), part="clasp")
    model.anchor("inside", (0, 0.6, 0), size=0.6)
    return model
