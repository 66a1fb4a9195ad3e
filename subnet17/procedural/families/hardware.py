"""Anvils, keys, padlocks, anchors, gears and telescopes."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import forward, stepped
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, join, pair, ring, sphere, torus
from subnet17.procedural.sweeps import body, capsule, cone, cylinder, extrude, lathe, tube


@family(
    "anvil",
    words=("anvil", "blacksmith anvil"),
    primary="slate iron",
    secondary="brown wood",
    accent="ash steel",
)
def make_anvil(build: Build) -> Model:
    model = build.model()
    stations = [
        (-0.62, 0.62, 0.2, 0.14, 0.9),
        (0.25, 0.62, 0.2, 0.14, 0.9),
        (0.42, 0.62, 0.17, 0.12, 0.3),
        (0.75, 0.66, 0.1, 0.08, 0),
        (1.0, 0.7, 0.015, 0.015, 0),
    ]
    model.add("primary", body(stations, smooth=False).turned("y", 90), part="head")
    model.add("accent", box(0.85, 0.025, 0.36, bevel=0.01).moved(-0.18, 0.765), part="face")
    waist = stepped(
        [(0.5, 0.0), (0.5, 0.1), (0.44, 0.16), (0.26, 0.26), (0.22, 0.38), (0.3, 0.5)], depth=0.62
    )
    model.add("primary", waist.moved(x=-0.05), part="base")
    model.add("black iron", box(0.07, 0.03, 0.07).moved(-0.5, 0.775), part="hole")
    model.add(
        "accent",
        *[sphere(0.03).moved(x - 0.05, 0.09, z) for x in (-0.4, 0.4) for z in (-0.22, 0.22)],
        part="bolt",
    )
    model.anchor("top", (0, 0.78, 0), size=0.5)
    return model


@family("key", words=("key", "skeleton key"), primary="gold", secondary="brass",
        accent="ruby gem")  # fmt: skip
def make_key(build: Build) -> Model:
    model = build.model()
    model.add("primary", cylinder(0.075, 1.35).moved(y=-0.35), part="shaft")
    model.add("primary", sphere(0.08).moved(y=-1.02))
    lobe = torus(0.17, 0.062).turned("x", 90)
    for x, y in ((-0.25, 0.62), (0.25, 0.62), (0.0, 0.92)):
        model.add("primary", lobe.moved(x, y), part="bow")
    model.add("primary", sphere(0.13).scaled(1, 1, 0.7).moved(y=0.66), part="bow")
    model.add("accent", sphere(0.085).moved(y=0.66, z=0.05), sphere(0.085).moved(y=0.66, z=-0.05), part="gem")
    model.add(
        "secondary",
        *[torus(r, 0.032).moved(y=y) for r, y in ((0.09, 0.35), (0.085, 0.22), (0.085, -0.45))],
        part="band",
    )
    bit = [(0.05, -0.98), (0.42, -0.98), (0.42, -0.84), (0.3, -0.84), (0.3, -0.76),
        (0.42, -0.76), (0.42, -0.56), (0.3, -0.56), (0.3, -0.66), (0.18, -0.66), (0.18, -0.56),
        (0.05, -0.56)]  # fmt: skip
    model.add("primary", extrude(bit, 0.1), part="bit")
    model.anchor("grip", (0, 0.6, 0), size=0.3)
    return model


@family(
    "padlock",
    words=("padlock", "lock", "pad lock"),
    primary="brass",
    secondary="ash steel",
    accent="charcoal iron",
)
def make_padlock(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(1.0, 0.85, 0.42, bevel=0.1).moved(y=-0.3), part="body")
    lift = 0.2 if build.has("open", "unlocked") else 0.0
    arch = np.deg2rad(np.linspace(0, 180, 13))
    bow = np.stack([0.31 * np.cos(arch), 0.38 + lift + 0.31 * np.sin(arch), 0 * arch], axis=1)
    foot = [[-0.31, 0.05 if not lift else 0.35, 0]]
    path = np.concatenate([[[0.31, 0.05, 0]], bow, foot])
    model.add("secondary", tube(path, 0.09, smooth=False, round_ends=False), part="shackle")
    for side in (1, -1):
        plate = cylinder(0.19, 0.03, bevel=0.012).turned("x", 90).moved(y=-0.28, z=0.21 * side)
        hole = [
            cylinder(0.06, 0.04).turned("x", 90).moved(y=-0.24, z=0.22 * side),
            box(0.06, 0.18, 0.04).moved(y=-0.34, z=0.22 * side),
        ]
        model.add("secondary", plate, part="plate")
        model.add("accent", *hole, part="keyhole")
    rims = [box(1.03, 0.07, 0.45, bevel=0.03).moved(y=y) for y in (0.06, -0.66)]
    model.add("accent", *rims, part="band")
    model.add(
        "secondary",
        *[sphere(0.035).moved(x, y, z) for x in (-0.42, 0.42) for y in (0.06, -0.66) for z in (-0.22, 0.22)],
        part="rivet",
    )
    return model


@family(
    "anchor",
    words=("anchor", "ship anchor", "boat anchor"),
    primary="slate iron",
    secondary="tan fabric",
)
def make_anchor(build: Build) -> Model:
    model = build.model()
    model.add("primary", tube([(0, 0.75, 0), (0, 0.0, 0), (0, -0.85, 0)], [0.075, 0.085, 0.1]), part="shank")
    model.add(
        "primary",
        capsule((-0.5, 0.55, 0), (0.5, 0.55, 0), 0.065),
        pair(sphere(0.095).moved(0.52, 0.55)),
        part="stock",
    )
    arm = [(0, -0.9, 0), (0.35, -0.82, 0), (0.62, -0.6, 0), (0.76, -0.28, 0)]
    model.add("primary", pair(tube(arm, [0.11, 0.1, 0.085, 0.06])), part="arm")
    fluke = (
        extrude([(-0.2, -0.05), (0.2, -0.05), (0.0, 0.36)], 0.09, taper=0.8)
        .turned("z", -12)
        .moved(0.76, -0.36)
    )
    model.add("primary", pair(fluke), part="fluke")
    model.add(
        "primary",
        torus(0.16, 0.05).turned("x", 90).moved(y=0.95),
        sphere(0.11).moved(y=0.76),
        cone(0.1, 0.16).turned("z", 180).moved(y=-1.02),
        part="ring",
    )
    t = np.linspace(0, 1, 60)
    rope = np.stack([0.19 * np.sin(9 * np.pi * t), 1.0 - 1.5 * t, 0.19 * np.cos(9 * np.pi * t)], axis=1)
    model.add("secondary", tube(rope, 0.042, smooth=False), part="rope")
    return model


@family("gear", words=("gear", "cog", "cogwheel", "gear wheel"), primary="brass", secondary="ash steel")
def make_gear(build: Build) -> Model:
    model = build.model()
    model.add("primary", _cog(12, 0.78, 0.95), part="gear")
    model.add("primary", torus(0.62, 0.13).turned("x", 90).scaled(1, 1, 1.2), part="rim")
    model.add("primary", ring(box(0.16, 0.6, 0.18, bevel=0.03).moved(y=0.3), 5, axis="z"), part="spoke")
    model.add("secondary", cylinder(0.2, 0.42, bevel=0.03).turned("x", 90), part="hub")
    bolts = ring(cylinder(0.045, 0.38).turned("x", 90).moved(y=0.62), 10, axis="z")
    model.add("secondary", bolts, part="bolt")
    return model


def _cog(teeth: int, inner: float, outer: float) -> Shape:
    """A toothed ring in the XY plane, made of its teeth and a band."""
    tooth = extrude(
        [(-0.16, inner - 0.1), (0.16, inner - 0.1), (0.1, outer), (-0.1, outer)], 0.26, taper=0.95
    )
    half: Array = np.array(
        [(inner - 0.2, -0.13), (inner, -0.13), (inner, 0.13), (inner - 0.2, 0.13), (inner - 0.2, -0.13)]
    )
    return join([ring(tooth, teeth, axis="z"), lathe(half, smooth=False).turned("x", 90)])


@family("telescope", words=("telescope", "spyglass"), primary="brass", secondary="brown wood",
        accent="charcoal metal")  # fmt: skip
def make_telescope(build: Build) -> Model:
    model = build.model()
    barrel = [forward([(0.075, -0.75), (0.075, -0.35)], smooth=False), forward([(0.1, -0.4),
        (0.1, 0.1)], smooth=False), forward([(0.13, 0.05), (0.13, 0.75), (0.15, 0.78),
        (0.15, 0.85), (0.12, 0.85)], smooth=False)]  # fmt: skip
    rims = [
        torus(r, 0.02).turned("x", 90).moved(z=z)
        for r, z in ((0.08, -0.75), (0.1, -0.38), (0.13, 0.07), (0.14, 0.78))
    ]
    model.add("primary", join([*barrel, *rims]).turned("x", -22).moved(y=1.15), part="tube")
    lens = [ellipsoid(0.12, 0.12, 0.03).moved(z=0.83), cylinder(0.07, 0.02).turned("x", 90).moved(z=-0.75)]
    model.add("aqua glass", join(lens).turned("x", -22).moved(y=1.15), part="lens")
    leg = capsule((0.05, 0.95, 0), (0.5, 0.0, 0), 0.04, 0.026)
    model.add("secondary", ring(leg, 3).turned("y", 30), part="leg")
    model.add(
        "primary",
        cylinder(0.09, 0.12, bevel=0.03).moved(y=0.96),
        ring(cone(0.035, 0.08).turned("z", 180).moved(0.51, 0.0), 3).turned("y", 30),
    )
    model.add("accent", sphere(0.07).moved(y=1.05), cylinder(0.03, 0.3).turned("z", 90).moved(y=1.1))
    return model
