"""What goes on two wheels."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import disc_rim, forward, sideways, spokes, tyre
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, ellipsoid, join, pair, torus
from subnet17.procedural.sweeps import body, capsule, cylinder, tube

Point = tuple[float, float, float]


@family("bicycle", words=("bicycle", "bike", "mountain bike", "city bike", "road bike",
        "push bike"), primary="red paint", secondary="brown leather", accent="ash metal")  # fmt: skip
def make_bicycle(build: Build) -> Model:
    model = build.model()
    rear, front = (0.0, 0.34, -0.55), (0.0, 0.34, 0.6)
    for centre in (rear, front):
        wheel = torus(0.31, 0.032).turned("z", 90).at(centre)
        model.add("black rubber", wheel, part="wheel")
        model.add(
            "accent",
            torus(0.275, 0.014).turned("z", 90).at(centre),
            spokes(0.28, 14, 0.006).at(centre),
            part="rim",
        )
    crank, seat, head = (0.0, 0.32, -0.06), (0.0, 0.86, -0.22), (0.0, 0.84, 0.36)
    bars = [
        (crank, seat),
        (seat, (0, 0.8, 0.38)),
        (crank, (0, 0.7, 0.41)),
        ((0, 0.66, 0.42), (0, 0.95, 0.33)),
    ]
    model.add("primary", *[capsule(a, b, 0.031) for a, b in bars], part="frame")
    stays = [capsule((0.05, 0.34, -0.55), b, 0.018) for b in ((0.025, 0.34, -0.08), (0.025, 0.8, -0.21))]
    fork = tube([(0.045, 0.68, 0.42), (0.05, 0.5, 0.49), (0.05, 0.34, 0.6)], 0.02)
    model.add("primary", pair(join([*stays, fork])), part="frame")
    model.add("accent", capsule(seat, (0, 0.95, -0.25), 0.02), capsule(head, (0, 1.05, 0.3), 0.02))
    handle = tube([(0, 1.05, 0.3), (0.16, 1.1, 0.3), (0.28, 1.08, 0.22), (0.31, 1.06, 0.08)], 0.02)
    model.add("accent", pair(handle), part="handlebar")
    model.add("secondary", pair(capsule((0.305, 1.065, 0.13), (0.312, 1.06, 0.02), 0.03)), part="grip")
    saddle = body(
        [
            (-0.4, 0.98, 0.1, 0.04),
            (-0.3, 0.98, 0.1, 0.045),
            (-0.15, 0.975, 0.04, 0.035),
            (-0.06, 0.97, 0.025, 0.025),
        ]
    )
    model.add("secondary", saddle, part="seat")
    _add_pedals(model)
    _add_mudguards(model)
    model.anchor("top", (0, 1.0, -0.26), size=0.75)
    return model


def _add_pedals(model: Model) -> None:
    gear = sideways(cylinder(0.1, 0.015)).moved(0.05, 0.32, -0.06)
    arm = join(
        [
            capsule((0.07, 0.32, -0.06), (0.09, 0.2, 0.03), 0.014),
            box(0.1, 0.03, 0.07, bevel=0.01).moved(0.14, 0.19, 0.03),
        ]
    )
    other = join(
        [
            capsule((-0.07, 0.32, -0.06), (-0.09, 0.44, -0.15), 0.014),
            box(0.1, 0.03, 0.07, bevel=0.01).moved(-0.14, 0.45, -0.15),
        ]
    )
    chain = [capsule((0.05, 0.32 + s * 0.095, -0.06), (0.05, 0.34 + s * 0.04, -0.55), 0.011) for s in (-1, 1)]
    model.add(
        "charcoal metal", gear, sideways(cylinder(0.045, 0.03)).moved(0.05, 0.34, -0.55), *chain, part="chain"
    )
    model.add("charcoal metal", arm, other, part="pedal")


def _add_mudguards(model: Model) -> None:
    angles = np.deg2rad(np.linspace(20, 165, 12))
    for z, turn in ((-0.55, 1.0), (0.6, 1.0)):
        arc = np.stack([0 * angles, 0.34 + 0.37 * np.sin(angles), z + 0.37 * np.cos(angles) * turn], axis=1)
        part = arc if z < 0 else arc[2:9]
        model.add("primary", tube(part, 0.025), part="mudguard")
    model.add(
        "primary", cylinder(0.05, 0.08, bevel=0.02).turned("x", 90).moved(y=0.93, z=0.42), part="headlight"
    )
    model.add("lemon light", ellipsoid(0.043, 0.043, 0.02).moved(y=0.93, z=0.465), part="light")
    model.add("ruby gem", ellipsoid(0.03, 0.03, 0.02).moved(y=0.72, z=-0.78), part="light")


@family("motorcycle", words=("motorcycle", "motorbike", "chopper bike", "motor bike",
        "superbike", "dirt bike"), primary="red paint", secondary="black leather",
        accent="chrome")  # fmt: skip
def make_motorcycle(build: Build) -> Model:
    model = build.model()
    for z in (-0.62, 0.68):
        model.add("black rubber", tyre(0.34, 0.19, depth=0.33).moved(y=0.34, z=z), part="wheel")
        model.add("accent", torus(0.225, 0.022).turned("z", 90).moved(y=0.34, z=z), part="rim")
        model.add("accent", spokes(0.225, 12, 0.012).moved(y=0.34, z=z), part="rim")
    tank = body(
        [(-0.12, 0.8, 0.1, 0.08), (0.05, 0.84, 0.16, 0.14), (0.3, 0.86, 0.17, 0.15), (0.45, 0.86, 0.06, 0.08)]
    )
    model.add("primary", tank, part="tank")
    seat = body(
        [
            (-0.7, 0.8, 0.11, 0.05),
            (-0.5, 0.78, 0.14, 0.07),
            (-0.2, 0.72, 0.15, 0.07),
            (0.02, 0.78, 0.08, 0.05),
        ]
    )
    model.add("secondary", seat, part="seat")
    angles = np.deg2rad(np.linspace(15, 150, 12))
    for z, some in ((-0.62, angles[:]), (0.68, angles[2:9])):
        arc = np.stack(
            [0 * some, 0.34 + 0.39 * np.sin(some), z - 0.39 * np.cos(some) * (1 if z < 0 else -1)], axis=1
        )
        model.add("primary", tube(arc, 0.05).scaled(2.0, 1, 1), part="fender")
    _add_engine(model)
    fork = tube([(0.12, 0.34, 0.68), (0.12, 0.7, 0.53), (0.12, 1.02, 0.4)], 0.032)
    model.add("accent", pair(fork), part="fork")
    bar = tube([(0, 1.0, 0.4), (0.16, 1.1, 0.38), (0.34, 1.12, 0.28), (0.44, 1.1, 0.16)], 0.024)
    model.add("accent", pair(bar), part="handlebar")
    model.add("secondary", pair(capsule((0.4, 1.11, 0.21), (0.455, 1.1, 0.12), 0.035)), part="grip")
    model.add("accent", forward([(0.05, 0.38), (0.11, 0.46), (0.12, 0.56)]).moved(y=0.93), part="headlight")
    model.add("lemon light", ellipsoid(0.11, 0.11, 0.04).moved(y=0.93, z=0.55), part="light")
    model.add("ruby gem", ellipsoid(0.07, 0.04, 0.03).moved(y=0.74, z=-0.93), part="light")
    model.anchor("top", (0, 0.8, -0.35), size=0.8)
    return model


def _add_engine(model: Model) -> None:
    model.add("charcoal metal", box(0.3, 0.3, 0.42, bevel=0.06).moved(y=0.36, z=0.02), part="engine")
    for lean, z in ((-22, -0.08), (22, 0.14)):
        fins = [cylinder(0.12, 0.022).moved(y=0.12 + 0.045 * k) for k in range(5)]
        model.add(
            "accent",
            join([cylinder(0.095, 0.26).moved(y=0.18), *fins]).turned("x", lean).moved(y=0.42, z=z),
            part="engine",
        )
    frame = [
        ((0, 0.95, 0.42), (0, 0.4, 0.3)),
        ((0, 0.4, 0.3), (0, 0.22, 0.2)),
        ((0, 0.22, 0.2), (0, 0.22, -0.3)),
        ((0, 0.22, -0.3), (0, 0.75, -0.3)),
    ]
    model.add("charcoal metal", *[capsule(a, b, 0.03) for a, b in frame], part="frame")
    swing = [
        capsule((0.13, 0.26, -0.15), (0.13, 0.34, -0.62), 0.03),
        capsule((0.15, 0.4, -0.6), (0.15, 0.74, -0.45), 0.03),
    ]
    model.add("charcoal metal", pair(join(swing)), part="frame")
    pipe = tube([(0.12, 0.5, 0.22), (0.2, 0.3, 0.3), (0.21, 0.2, 0.05), (0.22, 0.2, -0.4),
        (0.23, 0.26, -0.98)], [0.03, 0.035, 0.035, 0.05, 0.055])  # fmt: skip
    model.add("accent", pair(pipe), part="pipe")


@family("scooter", words=("scooter", "moped", "vespa", "motor scooter"), primary="mint paint",
        secondary="brown leather", accent="chrome")  # fmt: skip
def make_scooter(build: Build) -> Model:
    model = build.model()
    for z in (-0.48, 0.56):
        model.add("black rubber", tyre(0.2, 0.14, depth=0.4).moved(y=0.2, z=z), part="wheel")
        model.add("accent", disc_rim(0.125, 0.13).moved(y=0.2, z=z), part="rim")
    rear = body(
        [
            (-0.8, 0.42, 0.05, 0.06),
            (-0.6, 0.42, 0.22, 0.22),
            (-0.35, 0.42, 0.24, 0.22),
            (-0.12, 0.4, 0.18, 0.16),
            (0.0, 0.36, 0.1, 0.08),
        ]
    )
    model.add("primary", rear, part="body")
    shield = body(
        [(-0.02, 0, 0.24, 0.04, 0.5), (0.32, 0, 0.22, 0.05, 0.4), (0.62, 0, 0.12, 0.05, 0.2)]
    ).turned("x", -62)
    model.add(
        "primary",
        shield.moved(y=0.28, z=0.3),
        box(0.42, 0.07, 0.48, bevel=0.03).moved(y=0.24, z=0.12),
        part="body",
    )
    fender = ellipsoid(0.12, 0.2, 0.25).moved(y=0.27, z=0.56)
    model.add("primary", fender, part="fender")
    model.add("primary", ellipsoid(0.13, 0.12, 0.14).moved(y=0.98, z=0.36), part="head")
    model.add("accent", capsule((0, 0.3, 0.56), (0, 0.95, 0.38), 0.04), part="fork")
    model.add(
        "secondary",
        body([(-0.7, 0.68, 0.14, 0.05), (-0.5, 0.69, 0.18, 0.07), (-0.1, 0.67, 0.13, 0.055)]),
        part="seat",
    )
    bar = tube([(0, 1.0, 0.34), (0.2, 1.04, 0.32), (0.36, 1.02, 0.24)], 0.026)
    model.add("accent", pair(bar), part="handlebar")
    model.add("secondary", pair(capsule((0.3, 1.03, 0.28), (0.39, 1.01, 0.22), 0.036)), part="grip")
    model.add("accent", torus(0.085, 0.02).turned("x", 90).moved(y=0.99, z=0.48), part="headlight")
    model.add("lemon light", ellipsoid(0.08, 0.08, 0.03).moved(y=0.99, z=0.48), part="light")
    model.add("ruby gem", ellipsoid(0.07, 0.05, 0.03).moved(y=0.5, z=-0.78), part="light")
    mirror = [
        capsule((0.24, 1.04, 0.3), (0.3, 1.22, 0.3), 0.012),
        ellipsoid(0.06, 0.06, 0.015).moved(0.3, 1.26, 0.3),
    ]
    model.add("accent", pair(join(mirror)), part="mirror")
    model.anchor("top", (0, 0.74, -0.4), size=0.8)
    return model
