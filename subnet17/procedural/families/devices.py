"""Typewriters, microscopes, gramophones."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, join, pair, scatter, sphere, torus
from subnet17.procedural.sweeps import capsule, cylinder, lathe, tube


@family("typewriter", words=("typewriter", "type writer"), primary="black paint", secondary="ivory plastic",
        accent="silver")  # fmt: skip
def make_typewriter(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(1.5, 0.2, 1.35, bevel=0.07).moved(y=0.1), part="base")
    model.add("primary", box(1.5, 0.42, 0.6, bevel=0.1).moved(y=0.38, z=-0.35), part="body")
    model.add("charcoal metal", box(0.7, 0.05, 0.3, bevel=0.02).moved(y=0.6, z=-0.28))
    for row in range(4):
        y, z = 0.28 + 0.09 * (3 - row), 0.55 - 0.17 * (3 - row)
        x = np.linspace(-0.58, 0.58, 10) + 0.03 * (row % 2)
        spots = np.stack([x, np.full(10, y), np.full(10, z)], axis=1)
        model.add("accent", scatter(cylinder(0.058, 0.03, bevel=0.01), spots), part="rim")
        model.add("secondary", scatter(cylinder(0.048, 0.045, bevel=0.012), spots), part="key")
        model.add("charcoal metal", scatter(cylinder(0.014, 0.2).moved(y=-0.1), spots))
    model.add("secondary", box(0.75, 0.05, 0.09, bevel=0.02).moved(y=0.25, z=0.66), part="key")
    roller = cylinder(0.1, 1.5, bevel=0.02).turned("z", 90)
    model.add("black rubber", roller.moved(y=0.72, z=-0.45), part="roller")
    knob = cylinder(0.11, 0.1, bevel=0.03).turned("z", 90)
    model.add("accent", pair(knob.moved(0.82, 0.72, -0.45)), part="knob")
    lever = tube([(-0.72, 0.78, -0.4), (-0.9, 0.86, -0.25), (-0.98, 0.84, 0.0)], 0.025)
    model.add("accent", lever, part="lever")
    model.add("white paper", box(0.9, 0.75, 0.025).turned("x", -12).moved(y=1.1, z=-0.52), part="paper")
    lines = [box(0.6 - 0.12 * (k % 2), 0.018, 0.03).moved(-0.06 * (k % 2), 0.16 - 0.09 * k) for k in range(4)]
    model.add("charcoal paint", join(lines).turned("x", -12).moved(y=1.14, z=-0.52), part="text")
    model.anchor("top", (0, 0.6, -0.2), size=0.8)
    return model


@family("microscope", words=("microscope", "optical microscope"), primary="white paint",
        secondary="charcoal metal", accent="silver")  # fmt: skip
def make_microscope(build: Build) -> Model:
    model = build.model()
    model.add("secondary", box(0.8, 0.14, 1.0, bevel=0.06).moved(y=0.07), part="base")
    arm = [(0, 0.1, -0.36), (0, 0.6, -0.46), (0, 1.1, -0.42), (0, 1.42, -0.16)]
    model.add("primary", tube(arm, [0.14, 0.11, 0.11, 0.12]).scaled(1.1, 1, 1), part="arm")
    model.add("secondary", box(0.66, 0.06, 0.55, bevel=0.02).moved(y=0.62, z=0.1), part="stage")
    model.add("aqua glass", box(0.36, 0.02, 0.12).moved(y=0.66, z=0.12), part="slide")
    model.add("accent", cylinder(0.12, 0.2, bevel=0.03).moved(y=0.45, z=0.12), part="condenser")
    model.add("lemon light", sphere(0.09).scaled(1, 0.5, 1).moved(y=0.16, z=0.12), part="light")
    barrel = lathe(
        [
            (0, -0.1),
            (0.15, -0.1),
            (0.15, 0.4),
            (0.1, 0.44),
            (0.1, 0.72),
            (0.14, 0.74),
            (0.14, 0.84),
            (0, 0.84),
        ],
        smooth=False,
    ).turned("x", -22)
    model.add("primary", barrel.moved(y=1.26, z=0.06), part="tube")
    eyepiece = cylinder(0.15, 0.12, bevel=0.03).moved(y=0.86).turned("x", -22)
    model.add("secondary", eyepiece.moved(y=1.26, z=0.06), part="eyepiece")
    turret = cylinder(0.19, 0.09, bevel=0.03).moved(y=1.12, z=0.1)
    model.add("secondary", turret, part="turret")
    for angle in (0, 120, 240):
        tip = lathe(
            [(0, 0), (0.075, 0), (0.075, 0.14), (0.045, 0.24), (0.045, 0.28), (0, 0.28)], smooth=False
        )
        lens = tip.turned("x", 180 - 24).moved(z=0.05).turned("y", angle)
        model.add("accent", lens.moved(y=1.1, z=0.1), part="lens")
    knob = cylinder(0.11, 0.08, bevel=0.02).turned("z", 90)
    model.add("secondary", pair(knob.moved(0.17, 0.42, -0.42)), part="knob")
    return model


@family("gramophone", words=("gramophone", "phonograph", "record player"), primary="brass",
        secondary="brown wood", accent="black plastic")  # fmt: skip
def make_gramophone(build: Build) -> Model:
    model = build.model()
    model.add("secondary", box(1.0, 0.1, 1.0, bevel=0.04).moved(y=0.05), part="base")
    model.add("secondary", box(0.9, 0.34, 0.9, bevel=0.03).moved(y=0.26), part="box")
    model.add("secondary", box(0.98, 0.06, 0.98, bevel=0.03).moved(y=0.44), part="lid")
    rings = [(0.0, 0.0)] + [(0.05 * k, 0.012 if k % 2 else 0.02) for k in range(2, 9)] + [(0.4, 0.0)]
    model.add("accent", lathe(rings, smooth=False).moved(y=0.5, z=0.04), part="record")
    model.add("red paint", cylinder(0.12, 0.02).moved(y=0.525, z=0.04), part="label")
    crank = tube(
        [(0.45, 0.28, 0), (0.62, 0.28, 0), (0.62, 0.08, 0.06), (0.74, 0.06, 0.06)], 0.025, smooth=False
    )
    model.add("primary", crank, part="crank")
    neck = [(0.1, 0.6, 0.1), (0.12, 0.75, -0.3), (0.0, 0.95, -0.45), (0.0, 1.2, -0.38)]
    model.add("primary", tube(neck, [0.035, 0.05, 0.065, 0.085]), part="arm")
    model.add("primary", cylinder(0.09, 0.06, bevel=0.02).turned("x", 70).moved(0.1, 0.57, 0.13), part="arm")
    outer = [(0.08, 0.0), (0.1, 0.2), (0.17, 0.45), (0.34, 0.68), (0.66, 0.84)]
    inner = [(0.62, 0.88), (0.28, 0.75), (0.11, 0.52), (0.04, 0.28), (0.0, 0.24)]
    horn = lathe([*outer, *inner])
    a = np.arctan2(horn.vertices[:, 0], horn.vertices[:, 2])
    wide = np.hypot(horn.vertices[:, 0], horn.vertices[:, 2])
    flare = 1 + 0.07 * np.abs(np.cos(4 * a)) * np.clip((wide - 0.2) * 3, 0, 1)
    horn = horn._replace(vertices=horn.vertices * np.stack([flare, 1 + 0 * flare, flare], axis=1))
    model.add("primary", horn.turned("x", 48).moved(y=1.15, z=-0.42), part="horn")
    model.add("accent", torus(0.075, 0.02).turned("x", 48).moved(y=1.18, z=-0.4))
    return model


@family("magnifying glass", words=("magnifying glass", "magnifier", "hand lens"), primary="brass",
        secondary="brown wood", glass="aqua glass")  # fmt: skip
def make_magnifying_glass(build: Build) -> Model:
    model = build.model()
    model.add("primary", torus(0.5, 0.06).turned("x", 90).moved(y=1.5), part="rim")
    model.add(
        "glass", lathe([(0.48, -0.02), (0.3, 0.05), (0, 0.08)]).turned("x", 90).moved(y=1.5), part="lens"
    )
    back = lathe([(0.48, -0.02), (0.3, 0.05), (0, 0.08)]).turned("x", -90)
    model.add("glass", back.moved(y=1.5), part="lens")
    model.add("primary", capsule((0, 0.98, 0), (0, 0.82, 0), 0.06), part="neck")
    grip = lathe([(0, 0), (0.09, 0.02), (0.1, 0.2), (0.075, 0.45), (0.09, 0.7), (0.06, 0.85), (0, 0.87)])
    model.add("secondary", grip, part="handle")
    model.anchor("grip", (0, 0.35, 0), size=0.18)
    return model
