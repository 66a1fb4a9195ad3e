"""Globes and planets, skulls, gravestones, boots."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.noise import Noise
from subnet17.procedural.shapes import (
    Array,
    Shape,
    box,
    ellipsoid,
    join,
    pair,
    scatter,
    sphere,
    torus,
)
from subnet17.procedural.sweeps import Ball, blend, capsule, extrude, lathe, tube


def _lands(p: Array) -> Array:
    centre = (p.min(axis=0) + p.max(axis=0)) / 2
    return np.asarray(np.clip((Noise(5).cloudy(p - centre, 2.2) - 0.5) * 30, 0, 1))


@family("globe", words=("globe", "world globe", "desk globe"), primary="azure paint",
    secondary="brown wood", accent="gold", land="green paint", snow="snow paint")  # fmt: skip
def make_globe(build: Build) -> Model:
    model = build.model()
    model.add("primary", _fine_ball(0.62).turned("z", -23).moved(y=1.12), part="globe", fade=("land", _lands))
    caps = np.array([[0.0, 0.6, 0.0], [0.0, -0.6, 0.0]])
    model.add(
        "snow",
        scatter(lathe([(0.17, -0.03), (0.1, 0.01), (0, 0.03)]), caps, directions=caps)
        .turned("z", -23)
        .moved(y=1.12),
    )
    a = np.linspace(-100, 100, 31)
    arc = np.stack([0.76 * np.cos(np.deg2rad(a)), 0.76 * np.sin(np.deg2rad(a)), 0 * a], axis=1)
    model.add("accent", tube(arc, 0.04).turned("z", -23 - 180).moved(y=1.12), part="arc")
    model.add(
        "accent", capsule((0, -0.78, 0), (0, 0.78, 0), 0.03).turned("z", -23).moved(y=1.12), part="axis"
    )
    model.add(
        "secondary",
        lathe([(0, 0), (0.5, 0.0), (0.5, 0.08), (0.2, 0.15), (0.09, 0.24), (0.08, 0.4), (0, 0.4)]),
        part="base",
    )
    return model


def _fine_ball(radius: float) -> Shape:
    """A ball with vertices near enough to each other to carry coast lines."""
    fine = sphere(2.2)
    return fine.scaled(radius / 2.2)


@family("planet", words=("planet", "moon", "earth planet", "ringed planet", "gas giant", "asteroid"),
    primary="ginger paint", secondary="cream paint", accent="tan paint")  # fmt: skip
def make_planet(build: Build) -> Model:
    moon = build.has("moon", "asteroid")
    model = build.model(primary="ash stone", secondary="slate stone") if moon else build.model()
    if build.has("earth"):
        model = build.model(primary="blue paint", secondary="green paint")
        model.add("primary", _fine_ball(0.8), part="planet", fade=("secondary", _lands))
        model.add(
            "snow paint",
            pair(ellipsoid(0.3, 0.08, 0.3).moved(y=0.76)),
            ellipsoid(0.3, 0.08, 0.3).moved(y=-0.76),
        )
        return model
    if moon:
        k = np.arange(26)
        y, a = 1 - 2 * (k + 0.5) / 26, 2.39996 * k
        at = np.stack([np.sqrt(1 - y**2) * np.sin(a), y, np.sqrt(1 - y**2) * np.cos(a)], axis=1)
        model.add("primary", sphere(0.8), part="planet", fade=("secondary", _craters))
        sizes = build.rng.uniform(0.5, 1.5, 26)
        model.add(
            "primary", scatter(torus(0.12, 0.025), at * 0.795, directions=at, sizes=sizes), part="crater"
        )
        return model
    model.add("primary", _fine_ball(0.62).turned("z", 14), part="planet", fade=("secondary", _storms))
    for inner, outer, role in ((0.82, 1.0, "accent"), (1.03, 1.2, "secondary"), (1.22, 1.34, "accent")):
        disc = lathe(
            [(inner, -0.008), (outer, -0.008), (outer, 0.008), (inner, 0.008), (inner, -0.008)], smooth=False
        )
        model.add(role, disc.turned("z", 14).turned("x", 12), part="ring")
    return model


def _storms(p: Array) -> Array:
    height = p[:, 1] * np.cos(np.deg2rad(14)) - p[:, 0] * np.sin(np.deg2rad(14))
    return np.asarray(np.clip(np.sin(height * 22 + 1.5 * Noise(3).at(p, 5)) * 1.5, 0, 1))


def _craters(p: Array) -> Array:
    return np.asarray(np.clip((Noise(8).cloudy(p, 3.0) - 0.52) * 8, 0, 0.8))


@family(
    "skull",
    words=("skull", "human skull", "crystal skull"),
    primary="ivory bone",
    secondary="ivory bone",
    dark="ebony rubber",
)
def make_skull(build: Build) -> Model:
    model = build.model()
    bones: list[Ball] = [((0, 0.95, -0.08), 0.56), ((0, 0.92, 0.12), 0.5), ((0, 0.55, 0.3), (0, 0.38,
        0.34), 0.3, 0.24), ((0.34, 0.6, 0.3), (0.42, 0.58, 0.05), 0.13, 0.1), ((-0.34, 0.6, 0.3),
        (-0.42, 0.58, 0.05), 0.13, 0.1), ((0.22, 0.82, 0.5), 0.14), ((-0.22, 0.82, 0.5), 0.14), ]  # fmt: skip
    model.add("primary", blend(bones, softness=0.07, cells=56), part="head")
    sockets = pair(ellipsoid(0.17, 0.165, 0.12).turned("z", -12).moved(0.22, 0.68, 0.53))
    nose = join(
        [ellipsoid(0.045, 0.11, 0.06).turned("z", 14 * s).moved(0.045 * s, 0.47, 0.59) for s in (-1, 1)]
    )
    model.add("dark", sockets, nose, pair(ellipsoid(0.06, 0.14, 0.12).moved(0.47, 0.72, 0.1)), part="socket")
    jaw: list[Ball] = [((x * 0.34, 0.4, 0.0), (x * 0.26, 0.06, 0.3), 0.1, 0.12) for x in (-1, 1)]
    model.add(
        "secondary",
        blend([*jaw, ((-0.16, 0.02, 0.42), (0.16, 0.02, 0.42), 0.13, 0.13)], softness=0.06, cells=36),
        part="jaw",
    )
    model.add("dark", box(0.42, 0.1, 0.1, bevel=0.04).moved(y=0.185, z=0.5))
    for k in range(8):
        t = (k - 3.5) / 3.5
        for y, long in ((0.235, 0.075), (0.14, 0.07)):
            model.add(
                "snow bone",
                box(0.054, long, 0.06, bevel=0.018)
                .turned("y", 30 * t)
                .moved(0.215 * t, y, 0.575 - 0.07 * t * t),
                part="tooth",
            )
    model.anchor("head_top", (0, 1.42, -0.02), size=0.98)
    model.anchor("eyes", (0, 0.69, 0.6), size=0.88)
    model.anchor("top", (0, 1.45, 0), size=0.6)
    return model


@family(
    "gravestone",
    words=("gravestone", "tombstone", "headstone", "grave"),
    primary="grey stone",
    secondary="dark slate stone",
    accent="olive grass",
)
def make_gravestone(build: Build) -> Model:
    model = build.model()
    a = np.linspace(0, np.pi, 17)
    outline = np.concatenate(
        [[(-0.5, 0.0), (0.5, 0.0)], np.stack([0.5 * np.cos(a), 0.95 + 0.45 * np.sin(a)], axis=1)]
    )
    model.add("primary", extrude(outline, 0.24, taper=0.97).moved(y=0.1), part="stone")
    model.add("primary", box(1.25, 0.18, 0.5, bevel=0.03).moved(y=0.09), part="base")
    strokes = [((-0.28, 0.75), (-0.28, 1.0)), ((-0.28, 1.0), (-0.14, 0.94)), ((-0.14, 0.94), (-0.28,
        0.87)), ((-0.24, 0.87), (-0.12, 0.75)), ((0, 0.75), (0, 1.0)), ((0.14, 0.75), (0.14, 1.0)),
        ((0.14, 1.0), (0.28, 0.94)), ((0.28, 0.94), (0.14, 0.87)), ((-0.22, 0.55), (0.22, 0.55)),
        ((-0.16, 0.42), (0.16, 0.42))]  # fmt: skip
    model.add("secondary", *(capsule((*p, 0.125), (*q, 0.125), 0.022) for p, q in strokes), part="letter")
    model.add(
        "secondary",
        capsule((0, 1.14, 0.12), (0, 1.4, 0.12), 0.026),
        capsule((-0.09, 1.32, 0.12), (0.09, 1.32, 0.12), 0.026),
        part="cross",
    )
    model.add("accent", ellipsoid(0.85, 0.06, 0.62).moved(z=0.1), part="grass")
    blades = build.rng.uniform(-1, 1, (70, 2)) * [0.72, 0.45]
    tuft = lathe([(0.022, 0), (0.014, 0.1), (0, 0.17)], smooth=False, sides=5)
    model.add(
        "accent",
        scatter(tuft, np.column_stack([blades[:, 0], 0.03 + 0 * blades[:, 0], blades[:, 1] + 0.12])),
        part="grass",
    )
    return model


@family("boot", words=("boot", "shoe", "sneaker", "leather boot", "rain boot", "trainer", "slipper",
    "cowboy boot"), primary="brown leather", secondary="ebony rubber", accent="cream fabric")  # fmt: skip
def make_boot(build: Build) -> Model:
    sneaker = build.has("sneaker", "shoe", "trainer", "slipper")
    model = (
        build.model(primary="red fabric", secondary="snow rubber", accent="snow fabric")
        if build.has("sneaker", "trainer")
        else build.model()
    )
    high = 0.5 if sneaker else 1.25
    foot: list[Ball] = [
        ((0, 0.26, -0.36), (0, 0.24, 0.34), 0.24, 0.21),
        ((0, 0.2, 0.5), 0.21),
        ((0, 0.3, -0.38), (0, high, -0.36), 0.25, 0.27),
    ]
    foot += [((0, 0.34, -0.1), (0, 0.2, 0.4), 0.24, 0.18)]
    model.add("primary", blend(foot, softness=0.06, cells=54), part="shoe")
    top = high + 0.24
    model.add(
        "accent" if sneaker else "primary",
        torus(0.215, 0.055).scaled(1, 1, 1.05).moved(y=top - 0.03, z=-0.36),
        part="trim",
    )
    model.add("ebony fabric", ellipsoid(0.2, 0.035, 0.21).moved(y=top, z=-0.36))
    sole = np.array(
        [(0.0, -0.66), (0.22, -0.6), (0.25, -0.3), (0.21, 0.0), (0.26, 0.4), (0.2, 0.66), (0, 0.75)]
    )
    outline = np.concatenate([sole, (sole * [-1, 1])[-2:0:-1]])
    model.add("secondary", extrude(outline, 0.13).turned("x", 90).moved(y=0.05), part="sole")
    if not sneaker:
        model.add("secondary", box(0.42, 0.14, 0.34, bevel=0.03).moved(y=-0.06, z=-0.44), part="heel")
    for k in range(3 if sneaker else 5):
        y, z = (0.44 + 0.05 * k, 0.16 - 0.12 * k) if k < 3 else (0.56 + 0.16 * (k - 2), -0.11)
        lace = [(-0.14, y - 0.03, z), (0, y + 0.035, z + 0.02), (0.14, y - 0.03, z)]
        model.add("accent", tube(lace, 0.028), part="lace")
    return model
