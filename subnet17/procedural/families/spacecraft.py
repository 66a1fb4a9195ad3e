"""Rockets, shuttles, starships and flying saucers."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import forward, lying, upright
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, join, pair, ring, sphere, torus
from subnet17.procedural.sweeps import body, capsule, cylinder, lathe


@family("rocket", words=("rocket", "rocketship", "rocket ship", "space rocket", "missile"),
        primary="white paint", secondary="red plastic", accent="ash metal")  # fmt: skip
def make_rocket(build: Build) -> Model:
    model = build.model()
    fat = 0.24 if build.has("missile", "realistic", "modern") else 0.34
    profile = [
        (0.6 * fat, -0.8),
        (0.9 * fat, -0.5),
        (fat, 0.0),
        (0.88 * fat, 0.4),
        (0.6 * fat, 0.75),
        (0, 1.05),
    ]
    shell = lathe(profile)
    model.add("primary", shell, part="body", fade=("secondary", _nose))
    model.add("accent", torus(0.62 * fat, 0.03).moved(y=-0.8), torus(0.81 * fat, 0.02).moved(y=0.515))
    fin = upright(
        [(0.7 * fat, -0.25), (0.75, -0.75), (0.75, -1.1), (0.66, -1.1), (0.5, -0.85), (0.6 * fat, -0.8)], 0.07
    )
    model.add("secondary", ring(fin, 4 if build.has("missile") else 3).turned("y", 0), part="fin")
    bell = lathe(
        [(0.3 * fat, -0.78), (0.4 * fat, -0.86), (0.62 * fat, -1.0), (0.5 * fat, -1.0), (0.2 * fat, -0.84)]
    )
    model.add("charcoal metal", bell, part="nozzle")
    for angle in (0, 120, 240):
        for y, size in ((0.24, 0.12), (-0.14, 0.09)):
            window = forward([(size, 0.0), (size, 0.03), (size * 0.75, 0.045)], smooth=False).moved(
                y=y, z=fat * 0.93
            )
            glass = ellipsoid(size * 0.78, size * 0.78, 0.03).moved(y=y, z=fat * 0.95)
            model.add("accent", window.turned("y", angle + 60), part="rim")
            model.add("aqua glass", glass.turned("y", angle + 60), part="window")
    model.anchor("grip", (0, -0.2, 0), size=0.5)
    return model


def _nose(points: Array) -> Array:
    return np.asarray(np.clip(0.5 + (points[:, 1] - 0.52) * 60, 0, 1))


@family("space shuttle", words=("space shuttle", "shuttle", "spaceplane", "orbiter"),
        primary="white ceramic", secondary="black ceramic", accent="charcoal metal")  # fmt: skip
def make_space_shuttle(build: Build) -> Model:
    model = build.model()
    stations = [(-0.8, 0.02, 0.2, 0.2, 0.4), (0.0, 0, 0.2, 0.19, 0.4),
        (0.55, 0, 0.19, 0.18, 0.3), (0.8, -0.03, 0.13, 0.13, 0.1), (0.95, -0.06, 0.06, 0.07, 0),
        (1.0, -0.07, 0.01, 0.015, 0)]  # fmt: skip
    model.add("primary", body(stations), part="body", fade=("secondary", _tiles))
    outline = [(0.15, 0.45), (0.3, 0.0), (0.75, -0.5), (0.75, -0.78), (0.15, -0.82)]
    model.add("primary", pair(lying(outline, 0.05).moved(y=-0.12)), part="wing")
    model.add("secondary", pair(lying(outline, 0.03).scaled(1.03, 1, 1.02).moved(y=-0.135)), part="wing")
    fin = upright([(-0.4, 0.15), (-0.75, 0.62), (-0.98, 0.62), (-0.88, 0.15)], 0.06)
    model.add("primary", fin, part="tail")
    model.add("secondary", upright([(-0.85, 0.3), (-0.92, 0.6), (-0.985, 0.6), (-0.92, 0.3)], 0.065))
    pod = ellipsoid(0.09, 0.09, 0.25).moved(0.15, 0.17, -0.62)
    model.add("primary", pair(pod), part="engine")
    bell = forward([(0.11, -0.2), (0.07, -0.06), (0.05, 0.05)])
    model.add("accent", bell.moved(y=0.12, z=-0.82), pair(bell.moved(0.11, -0.06, -0.82)), part="nozzle")
    pane = ellipsoid(0.045, 0.032, 0.04)
    model.add("navy glass", pair(pane.turned("y", 25).moved(0.035, 0.085, 0.77)), part="window")
    model.add("navy glass", pair(pane.turned("y", 60).moved(0.115, 0.06, 0.72)), part="window")
    doors = pair(box(0.012, 0.012, 1.1).moved(0.1, 0.183, -0.05)).moved(y=0.0)
    model.add("grey metal", doors, box(0.012, 0.012, 1.1).moved(y=0.195, z=-0.05))
    model.anchor("top", (0, 0.19, 0), size=0.35)
    return model


def _tiles(points: Array) -> Array:
    belly = np.clip(0.5 + (-0.1 - points[:, 1]) * 50, 0, 1)
    return np.asarray(np.maximum(belly, np.clip(0.5 + (points[:, 2] - 0.93) * 40, 0, 1)))


@family("spaceship", words=("spaceship", "starship", "space ship", "spacecraft", "starfighter",
        "space fighter", "star fighter", "space cruiser"), primary="ash metal",
        secondary="red paint", accent="slate metal", light="cyan light")  # fmt: skip
def make_spaceship(build: Build) -> Model:
    model = build.model()
    stations = [(-0.75, 0, 0.24, 0.15, 0.4), (-0.3, 0.02, 0.27, 0.18, 0.35),
        (0.25, 0, 0.2, 0.14, 0.2), (0.8, -0.03, 0.09, 0.07, 0.1), (1.1, -0.05, 0.015, 0.015, 0)]  # fmt: skip
    model.add("primary", body(stations), part="body")
    model.add("navy glass", ellipsoid(0.12, 0.11, 0.27).turned("x", 8).moved(y=0.13, z=0.28), part="cockpit")
    wing = lying([(0.15, 0.35), (0.95, -0.45), (0.95, -0.7), (0.15, -0.6)], 0.06).turned("z", -9)
    model.add("accent", pair(wing), part="wing")
    stripe = lying([(0.5, 0.01), (0.66, -0.15), (0.66, -0.66), (0.5, -0.645)], 0.066).turned("z", -9)
    model.add("secondary", pair(stripe), part="stripe")
    gun = forward([(0.045, -0.4), (0.05, 0.0), (0.022, 0.05), (0.018, 0.55), (0, 0.56)])
    model.add("primary", pair(gun.moved(0.95, -0.15, -0.35)), part="gun")
    engine = forward([(0.11, -0.25), (0.14, -0.15), (0.15, 0.15), (0.08, 0.35), (0, 0.4)])
    model.add("accent", pair(engine.moved(0.27, 0.08, -0.65)), part="engine")
    glow = forward([(0, -0.3), (0.1, -0.25), (0.1, -0.15), (0, -0.1)])
    model.add("light", pair(glow.moved(0.27, 0.08, -0.66)), part="light")
    fin = upright([(-0.35, 0.1), (-0.75, 0.48), (-0.95, 0.48), (-0.85, 0.1)], 0.05).turned("z", -14)
    model.add("secondary", pair(fin.moved(x=0.22)), part="fin")
    model.add("accent", pair(box(0.05, 0.05, 0.5, bevel=0.02).moved(0.14, 0.14, -0.35)))
    return model


@family("ufo", words=("ufo", "flying saucer", "saucer", "alien spaceship", "alien ship",
        "alien spacecraft", "alien craft"), primary="silver", secondary="slate metal",
        accent="aqua glass", light="lime light")  # fmt: skip
def make_ufo(build: Build) -> Model:
    model = build.model()
    disc = [(0, -0.22), (0.35, -0.2), (0.62, -0.1), (1.0, 0.0), (0.98, 0.04), (0.6, 0.14), (0.4, 0.2)]
    model.add("primary", lathe(disc), part="body")
    model.add("secondary", torus(0.99, 0.035).moved(y=0.02), torus(0.4, 0.035).moved(y=0.19), part="rim")
    model.add("accent", ellipsoid(0.39, 0.34, 0.39).moved(y=0.2), part="dome")
    lamp = sphere(0.055)
    model.add("light", ring(lamp.moved(y=0.1, z=0.78), 12), part="light")
    model.add("light", ring(lamp.moved(y=-0.115, z=0.62), 8), part="light")
    model.add("light", lathe([(0, -0.3), (0.18, -0.27), (0.26, -0.19), (0, -0.18)]), part="light")
    model.add("secondary", ring(_landing_leg(), 3), part="leg")
    model.anchor("inside", (0, 0.25, 0), size=0.6)
    model.anchor("top", (0, 0.54, 0), size=0.5)
    return model


def _landing_leg() -> Shape:
    foot = cylinder(0.1, 0.04, bevel=0.015).moved(y=-0.47, z=0.66)
    return join([capsule((0, -0.15, 0.45), (0, -0.46, 0.66), 0.03), foot])
