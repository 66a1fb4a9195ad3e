"""Aeroplanes, helicopters and balloons."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import disc_rim, forward, lying, propeller, tyre, upright
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, join, pair, ring, sphere, torus
from subnet17.procedural.sweeps import body, capsule, cylinder, lathe, tube


@family("airplane", words=("airplane", "plane", "aeroplane", "airliner", "passenger plane",
        "jumbo jet", "aircraft", "jetliner", "jet plane", "cargo plane"), primary="white paint",
        secondary="blue paint", accent="ash metal")  # fmt: skip
def make_airplane(build: Build) -> Model:
    model = build.model()
    stations = [(-1.0, 0.1, 0.02, 0.03), (-0.75, 0.06, 0.08, 0.1), (-0.35, 0.0, 0.155, 0.16),
        (0.35, 0, 0.16, 0.16), (0.7, 0, 0.15, 0.155), (0.9, -0.03, 0.1, 0.105),
        (1.0, -0.05, 0.02, 0.02)]  # fmt: skip
    model.add("primary", body(stations, sides=56), part="fuselage", fade=("secondary", _belly_line))
    wing = lying([(0.1, 0.32), (1.02, -0.32), (1.02, -0.46), (0.45, -0.2), (0.1, -0.16)], 0.045)
    model.add("primary", pair(wing.turned("z", 5).moved(y=-0.09)), part="wing")
    model.add("secondary", pair(upright([(-0.48, 0), (-0.32, 0), (-0.46, 0.18)], 0.03).moved(1.01, 0)))
    tail = lying([(0.02, -0.7), (0.42, -0.9), (0.42, -0.99), (0.02, -0.92)], 0.035)
    model.add("primary", pair(tail.moved(y=0.1)), part="tail")
    fin = upright([(-0.62, 0.1), (-0.88, 0.52), (-1.02, 0.52), (-0.94, 0.1)], 0.045)
    model.add("secondary", fin, part="tail")
    _add_engines(model)
    _add_windows(model)
    model.anchor("top", (0, 0.16, 0), size=0.3)
    model.anchor("back", (0, 0.1, -0.9), size=0.3)
    return model


def _belly_line(points: Array) -> Array:
    return np.asarray(np.clip((-0.03 - points[:, 1]) * 60, 0, 1) * np.clip((points[:, 2] + 0.98) * 20, 0, 1))


def _add_engines(model: Model) -> None:
    nacelle = forward([(0.05, -0.2), (0.08, -0.1), (0.095, 0.06), (0.085, 0.14), (0.07, 0.13), (0.065, 0.06)])
    model.add("accent", pair(nacelle.moved(0.42, -0.16, 0.08)), part="engine")
    fan = forward([(0.07, 0.04), (0.07, 0.07), (0.02, 0.09), (0, 0.13)])
    model.add("charcoal metal", pair(fan.moved(0.42, -0.16, 0.08)), part="engine")
    model.add("primary", pair(box(0.025, 0.09, 0.2, bevel=0.01).moved(0.42, -0.08, 0.03)))


def _add_windows(model: Model) -> None:
    window = ellipsoid(0.012, 0.022, 0.016).moved(0.157, 0.045)
    model.add("navy glass", pair(join(window.moved(z=z) for z in np.linspace(-0.35, 0.6, 17))), part="window")
    pane = ellipsoid(0.045, 0.035, 0.06)
    model.add(
        "navy glass",
        pair(pane.turned("y", 28).moved(0.062, 0.055, 0.8)),
        pane.scaled(0.9).moved(y=0.068, z=0.82),
        part="window",
    )


@family("fighter jet", words=("fighter jet", "jet fighter", "jet", "fighter plane",
        "fighter aircraft", "warplane"), primary="slate metal", secondary="grey metal",
        accent="red paint", light="orange light")  # fmt: skip
def make_fighter_jet(build: Build) -> Model:
    model = build.model()
    stations = [(-0.9, 0, 0.15, 0.08, 0.3), (-0.4, 0, 0.19, 0.1, 0.3),
        (0.05, 0.01, 0.16, 0.1, 0.2), (0.45, 0.01, 0.09, 0.09, 0), (0.8, -0.01, 0.05, 0.05, 0),
        (1.1, -0.03, 0.006, 0.006, 0)]  # fmt: skip
    model.add("primary", body(stations), part="fuselage")
    model.add("aqua glass", ellipsoid(0.06, 0.075, 0.24).turned("x", 4).moved(y=0.09, z=0.4), part="cockpit")
    wing = lying([(0.1, 0.3), (0.75, -0.4), (0.75, -0.58), (0.1, -0.62)], 0.035)
    model.add("secondary", pair(wing), part="wing")
    strake = lying([(0.06, 0.65), (0.18, 0.2), (0.1, 0.0)], 0.03)
    model.add("secondary", pair(strake))
    tail = lying([(0.1, -0.68), (0.45, -0.92), (0.45, -1.03), (0.1, -0.95)], 0.03)
    model.add("secondary", pair(tail), part="tail")
    fin = upright([(-0.45, 0.05), (-0.75, 0.42), (-0.95, 0.42), (-0.9, 0.05)], 0.03).turned("z", -16)
    model.add("primary", pair(fin.moved(x=0.1)), part="tail")
    model.add("accent", pair(upright([(-0.68, 0.34), (-0.75, 0.425), (-0.955, 0.425),
        (-0.94, 0.34)], 0.034) .turned("z", -16).moved(x=0.1)), part="tail")  # fmt: skip
    nozzle = forward([(0.075, -0.18), (0.095, 0.0), (0.1, 0.12)]).moved(0.09, 0, -0.88)
    model.add("charcoal metal", pair(nozzle), part="nozzle")
    model.add("light", pair(forward([(0, -0.1), (0.068, -0.02), (0, 0.02)]).moved(0.09, 0, -1.03)))
    missile = forward([(0.025, -0.25), (0.025, 0.15), (0, 0.25)])
    model.add("white paint", pair(missile.moved(0.5, -0.06, -0.25)), part="missile")
    model.add("accent", pair(missile.moved(0.77, 0, -0.4)), part="missile")
    return model


@family("biplane", words=("biplane", "propeller plane", "prop plane", "stunt plane", "triplane",
        "warbird", "crop duster"), primary="red paint", secondary="cream fabric",
        accent="tan wood")  # fmt: skip
def make_biplane(build: Build) -> Model:
    model = build.model()
    stations = [(-0.95, 0.06, 0.02, 0.04), (-0.5, 0.02, 0.08, 0.1), (0, 0, 0.15, 0.17),
        (0.45, 0, 0.17, 0.18), (0.62, 0, 0.15, 0.15)]  # fmt: skip
    model.add("primary", body(stations), part="fuselage")
    model.add("charcoal metal", forward([(0.15, 0.58), (0.155, 0.66), (0.1, 0.7), (0, 0.7)]), part="engine")
    levels = (-0.12, 0.2, 0.5) if build.has("triplane") else (-0.12, 0.42)
    for y in levels:
        wing = box(2.0, 0.045, 0.36, bevel=0.022).moved(y=y, z=0.22)
        model.add("secondary", wing, part="wing")
        model.add("primary", pair(box(0.34, 0.048, 0.364, bevel=0.023).moved(0.84, y, 0.22)), part="wing")
    for x, z in ((0.72, 0.1), (0.72, 0.34), (0.18, 0.32), (0.18, 0.12)):
        model.add("accent", pair(capsule((x, -0.12, z), (x, levels[-1], z), 0.014)), part="strut")
    wire = [capsule((0.2, -0.12, z), (0.7, levels[-1], z), 0.006) for z in (0.12, 0.32)]
    model.add("grey metal", pair(join(wire)))
    _add_biplane_tail(model)
    _add_propeller(model)
    model.add("brown leather", torus(0.1, 0.025).scaled(1, 1, 1.3).moved(y=0.15, z=-0.12), part="seat")
    model.add("charcoal leather", ellipsoid(0.09, 0.03, 0.12).moved(y=0.145, z=-0.12))
    model.add(
        "aqua glass", ellipsoid(0.09, 0.08, 0.015).turned("x", -25).moved(y=0.19, z=0.04), part="windshield"
    )
    model.anchor("inside", (0, 0.14, -0.12), size=0.3)
    model.anchor("top", (0, levels[-1], 0.22), size=0.4)
    return model


def _add_biplane_tail(model: Model) -> None:
    tail = lying([(0.03, -0.66), (0.4, -0.78), (0.4, -0.93), (0.03, -0.95)], 0.03)
    model.add("secondary", pair(tail.moved(y=0.07)), part="tail")
    fin = upright([(-0.7, 0.05), (-0.82, 0.34), (-0.95, 0.38), (-1.02, 0.25), (-1.0, 0.02)], 0.035)
    model.add("primary", fin, part="tail")
    leg = capsule((0.1, -0.12, 0.38), (0.26, -0.42, 0.42), 0.018)
    model.add("accent", pair(leg), capsule((-0.26, -0.42, 0.42), (0.26, -0.42, 0.42), 0.015), part="leg")
    model.add("black rubber", pair(tyre(0.12, 0.07).moved(0.28, -0.42, 0.42)), part="wheel")
    model.add("ash metal", pair(disc_rim(0.085, 0.06).moved(0.28, -0.42, 0.42)))
    model.add("black rubber", tyre(0.045, 0.04).moved(y=-0.07, z=-0.9), part="wheel")
    model.add("accent", capsule((0, 0.05, -0.88), (0, -0.07, -0.9), 0.014))


def _add_propeller(model: Model) -> None:
    blades = propeller(0.4, 2, width=0.1).turned("z", 30).moved(z=0.76)
    model.add("accent", blades, part="propeller")
    model.add("secondary", forward([(0.07, 0.7), (0.065, 0.77), (0, 0.88)]), part="nose")


@family("helicopter", words=("helicopter", "chopper", "rescue helicopter", "gunship"),
        primary="red paint", secondary="white plastic", accent="charcoal metal")  # fmt: skip
def make_helicopter(build: Build) -> Model:
    model = build.model()
    stations = [(-0.5, 0.1, 0.06, 0.1), (-0.3, 0.05, 0.22, 0.25), (0.1, 0, 0.3, 0.32),
        (0.45, -0.05, 0.26, 0.26), (0.68, -0.1, 0.12, 0.13), (0.74, -0.12, 0.02, 0.02)]  # fmt: skip
    model.add("primary", body(stations, squareness=0.15), part="body", fade=("secondary", _band))
    model.add("navy glass", ellipsoid(0.235, 0.2, 0.26).moved(y=0.03, z=0.45), part="window")
    model.add("navy glass", pair(box(0.05, 0.19, 0.22, bevel=0.02).moved(0.272, 0.08, 0.1)), part="window")
    boom = tube([(0, 0.1, -0.4), (0, 0.13, -0.8), (0, 0.17, -1.15)], [0.12, 0.07, 0.045])
    model.add("primary", boom, part="tail")
    fin = upright([(-1.0, 0.12), (-1.15, 0.5), (-1.28, 0.5), (-1.2, 0.12)], 0.045)
    model.add("secondary", fin, part="tail")
    model.add(
        "secondary",
        pair(lying([(0.02, -0.85), (0.28, -0.9), (0.28, -1.0), (0.02, -1.02)], 0.03).moved(y=0.13)),
    )
    _add_rotors(model)
    skid = tube([(0.3, -0.5, 0.62), (0.3, -0.55, 0.5), (0.3, -0.55, -0.3), (0.3, -0.52, -0.42)], 0.024)
    legs = [capsule((0.14, -0.22, z), (0.3, -0.54, z), 0.02) for z in (-0.12, 0.32)]
    model.add("accent", pair(join([skid, *legs])), part="skid")
    model.anchor("top", (0, 0.3, 0), size=0.4)
    return model


def _band(points: Array) -> Array:
    return np.asarray(np.clip(0.5 + (0.07 - np.abs(points[:, 1] + 0.13)) * 40, 0, 1))


def _add_rotors(model: Model) -> None:
    model.add("accent", cylinder(0.035, 0.24).moved(y=0.42), cylinder(0.075, 0.06, bevel=0.02).moved(y=0.53))
    model.add("secondary", box(0.24, 0.14, 0.42, bevel=0.06).moved(y=0.3, z=-0.08))
    blade = box(0.075, 0.025, 1.0, bevel=0.01).turned("z", 8).moved(z=0.53)
    model.add("accent", ring(blade, 4).turned("y", 25).moved(y=0.54), part="rotor")
    tail_rotor = propeller(0.2, 4, width=0.055).turned("y", 90).moved(0.06, 0.42, -1.2)
    model.add("accent", tail_rotor, sphere(0.035).moved(0.06, 0.42, -1.2), part="rotor")


@family("hot air balloon", words=("hot air balloon", "air balloon"), primary="red fabric",
        secondary="yellow fabric", accent="tan straw", flame="orange flame")  # fmt: skip
def make_hot_air_balloon(build: Build) -> Model:
    model = build.model()
    profile = [
        (0.13, -0.72),
        (0.24, -0.55),
        (0.52, -0.18),
        (0.68, 0.2),
        (0.62, 0.52),
        (0.36, 0.75),
        (0, 0.82),
    ]
    envelope = lathe(profile, sides=96)
    plain = build.has("rainbow", "multicolored", "colorful", "colourful", "striped", "checkered")
    model.add("primary", envelope, part="balloon", fade=None if plain else ("secondary", _gores))
    model.add("secondary", torus(0.13, 0.02).moved(y=-0.72))
    model.add("accent", _basket(), part="basket")
    model.add("brown leather", torus(0.175, 0.026).moved(y=-1.06), part="rim")
    ropes = ring(capsule((0.12, -0.72, 0.0), (0.165, -1.06, 0.0), 0.009), 8)
    model.add("chocolate leather", ropes, part="rope")
    model.add(
        "ash metal",
        cylinder(0.05, 0.06).moved(y=-0.9),
        pair(capsule((0.04, -0.9, 0), (0.16, -0.94, 0), 0.01)),
    )
    model.add("flame", lathe([(0, -0.88), (0.045, -0.83), (0.025, -0.76), (0, -0.68)]), part="flame")
    model.anchor("inside", (0, -1.06, 0), size=0.34)
    return model


def _gores(points: Array) -> Array:
    turn = np.arctan2(points[:, 0], points[:, 2]) * 12 / (2 * np.pi)
    return np.asarray(np.clip(0.5 + 6 * np.sin(2 * np.pi * turn / 2 + 0.2), 0, 1))


def _basket() -> Shape:
    wall = lathe([(0, -1.34), (0.14, -1.34), (0.15, -1.3), (0.175, -1.07), (0.16, -1.06),
        (0.14, -1.28), (0, -1.3)], smooth=False)  # fmt: skip
    bands = [torus(0.157, 0.012).moved(y=-1.26), torus(0.166, 0.012).moved(y=-1.16)]
    return join([wall, *bands])
