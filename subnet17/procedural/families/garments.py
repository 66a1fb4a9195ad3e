"""Things worn on the neck, the face, the chest and the back; "mount" is where the body goes in."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import cloth
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, ellipsoid, grid, pair, scatter, star, torus
from subnet17.procedural.sweeps import capsule, curve, extrude, lathe, tube


@family(
    "scarf",
    words=("scarf", "shawl", "collar", "bandana"),
    worn="neck",
    primary="red wool",
    secondary="white wool",
)
def make_scarf(build: Build) -> Model:
    model = build.model()
    model.add("primary", torus(0.52, 0.19).scaled(1, 0.8, 1), part="scarf")
    tail = (
        box(0.3, 0.85, 0.12, bevel=0.05)
        .moved(y=-0.42)
        .turned("x", -12)
        .turned("z", 10)
        .moved(0.22, -0.02, 0.62)
    )
    model.add("primary", tail, part="scarf")
    model.add(
        "secondary",
        box(0.31, 0.09, 0.135, bevel=0.03)
        .moved(y=-0.74)
        .turned("x", -12)
        .turned("z", 10)
        .moved(0.22, -0.02, 0.62),
    )
    model.anchor("mount", (0, 0, 0), size=1.0)
    return model


@family("glasses", words=("glasses", "sunglasses", "spectacles", "eyeglasses", "goggles"), worn="eyes",
        primary="black plastic", glass="charcoal glass")  # fmt: skip
def make_glasses(build: Build) -> Model:
    model = build.model(glass="aqua glass" if build.has("glasses", "spectacles") else "charcoal glass")
    rim = torus(0.21, 0.035).turned("x", 90).moved(x=0.26)
    model.add("primary", pair(rim), capsule((-0.06, 0.03, 0), (0.06, 0.03, 0), 0.03), part="frame")
    model.add("primary", pair(capsule((0.46, 0.03, 0), (0.52, 0.03, -0.5), 0.03)), part="frame")
    if not build.has("glasses"):
        model.add("glass", pair(ellipsoid(0.2, 0.2, 0.03).moved(x=0.26)), part="lens")
    model.anchor("mount", (0, 0, -0.03), size=1.0)
    return model


@family("cape", words=("cape", "cloak", "mantle"), worn="back", primary="red fabric", secondary="gold")
def make_cape(build: Build) -> Model:
    model = build.model()
    u, v = np.linspace(-1, 1, 30)[None], np.linspace(0, 1, 30)[:, None]
    x = u * (0.5 + 0.35 * v)
    z = -0.12 - 0.3 * v + 0.1 * np.cos(u * 9) * v + 0.22 * u**2
    y = 0.45 - 1.75 * v + 0 * u
    sheet = grid(np.stack(np.broadcast_arrays(x, y, z), axis=-1))
    model.add("primary", cloth(sheet), part="cape")
    model.add("secondary", tube([(-0.5, 0.46, 0.1), (0, 0.44, -0.1), (0.5, 0.46, 0.1)], 0.05))
    model.anchor("mount", (0, 0, 0), size=1.0)
    return model


@family(
    "backpack",
    words=("backpack", "rucksack", "school bag"),
    worn="back",
    primary="green fabric",
    secondary="brown leather",
)
def make_backpack(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(0.8, 1.0, 0.42, bevel=0.14).moved(z=-0.2), part="bag")
    model.add("primary", box(0.6, 0.42, 0.2, bevel=0.08).moved(y=-0.22, z=-0.45), part="pocket")
    model.add("secondary", box(0.82, 0.2, 0.46, bevel=0.1).moved(y=0.42, z=-0.21), part="lid")
    model.add("secondary", pair(box(0.07, 0.4, 0.04, bevel=0.01).moved(0.2, 0.22, -0.43)), part="strap")
    model.add(
        "secondary",
        pair(tube([(0.26, 0.45, 0.0), (0.28, 0.3, 0.2), (0.28, -0.1, 0.2), (0.26, -0.4, 0.0)], 0.045)),
        part="strap",
    )
    model.anchor("mount", (0, 0, 0), size=1.0)
    return model


@family("armor", words=("armor", "armour", "breastplate", "suit of armor"), worn="torso", primary="steel",
        secondary="gold", accent="brown leather")  # fmt: skip
def make_armor(build: Build) -> Model:
    model = build.model()
    shell = lathe([(0.42, -0.55), (0.46, -0.3), (0.58, 0.1), (0.52, 0.42), (0.3, 0.55)]).scaled(1, 1, 0.8)
    model.add("primary", shell, part="plate")
    model.add("primary", pair(ellipsoid(0.26, 0.22, 0.26).moved(0.6, 0.42)), part="shoulder")
    model.add(
        "secondary",
        torus(0.45, 0.04).scaled(1, 1, 0.8).moved(y=-0.5),
        torus(0.32, 0.05).scaled(1, 1, 0.8).moved(y=0.54),
    )
    model.add("secondary", extrude(star(4, 0.18, 0.06), 0.05).moved(y=0.15, z=0.47), part="emblem")
    model.add("accent", torus(0.44, 0.05).scaled(1, 1.3, 0.8).moved(y=-0.36), part="belt")
    model.anchor("mount", (0, 0, 0), size=1.0)
    return model


@family("wing", words=("wing", "pair of wings", "angel wing", "feathered wing"), worn="back",
        primary="white feather", secondary="ivory feather")  # fmt: skip
def make_wings(build: Build) -> Model:
    model = build.model()
    bone = [(0.05, 0, -0.05), (0.5, 0.45, -0.3), (1.1, 0.6, -0.4), (1.6, 0.35, -0.45)]
    model.add("primary", pair(tube(bone, [0.09, 0.09, 0.07, 0.03])), part="wing")
    feather = ellipsoid(0.13, 0.5, 0.025).moved(y=-0.45)
    at = np.linspace(0, 1, 9)
    points = curve(bone, 9)
    for row, (size, back) in enumerate(((1.25, -0.03), (0.75, 0.03))):
        sizes = size * (0.65 + 0.5 * np.sin(np.pi * (0.25 + 0.6 * at)))
        lean = np.stack([-0.1 - 0.75 * at, np.ones(9), 0.1 * np.ones(9)], axis=1)
        shape = scatter(feather, points + np.array([0, 0, back]), directions=lean, sizes=sizes)
        model.add("primary" if row == 0 else "secondary", pair(shape), part="wing")
    model.anchor("mount", (0, 0, 0), size=1.0)
    return model
