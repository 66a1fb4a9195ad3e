"""Trains, tanks, tractors and carts."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import disc_rim, forward, sideways, spokes, tyre
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, ellipsoid, join, pair, ring, sphere, torus, wedge
from subnet17.procedural.sweeps import body, capsule, cylinder, extrude, lathe, tube

Point = tuple[float, float, float]


@family("locomotive", words=("locomotive", "steam locomotive", "train", "steam train",
        "steam engine", "train engine", "toy train", "railway engine"), primary="green paint",
        secondary="red plastic", accent="brass", dark="charcoal iron")  # fmt: skip
def make_locomotive(build: Build) -> Model:
    model = build.model()
    boiler = cylinder(0.3, 1.15, bevel=0.03).turned("x", 90).moved(y=0.62, z=0.3)
    model.add("primary", boiler, part="boiler")
    model.add(
        "accent",
        *[torus(0.302, 0.018).turned("x", 90).moved(y=0.62, z=z) for z in (0.05, 0.35, 0.62)],
        part="band",
    )
    model.add("dark", cylinder(0.31, 0.22, bevel=0.03).turned("x", 90).moved(y=0.62, z=0.8), part="smokebox")
    model.add(
        "accent",
        ellipsoid(0.1, 0.1, 0.03).moved(y=0.62, z=0.92),
        torus(0.25, 0.015).turned("x", 90).moved(y=0.62, z=0.91),
    )
    _add_cab(model)
    chimney = lathe([(0.1, 0.85), (0.085, 1.02), (0.13, 1.2), (0.19, 1.32), (0.14, 1.34), (0.1, 1.2)])
    model.add("dark", chimney.moved(z=0.76), part="chimney")
    dome = lathe([(0.13, 0.85), (0.12, 0.98), (0.08, 1.04), (0, 1.06)])
    model.add("accent", dome.moved(z=0.42), dome.scaled(0.75, 0.98, 0.75).moved(z=0.1), part="dome")
    model.add("dark", box(0.5, 0.14, 2.0, bevel=0.03).moved(y=0.3, z=0.0), part="frame")
    model.add("secondary", box(0.78, 0.06, 2.02, bevel=0.02).moved(y=0.36), part="trim")
    _add_train_wheels(model)
    model.add(
        "accent", cylinder(0.085, 0.12, bevel=0.02).turned("x", 90).moved(y=1.0, z=0.88), part="headlight"
    )
    model.add("lemon light", ellipsoid(0.07, 0.07, 0.03).moved(y=1.0, z=0.945), part="light")
    model.anchor("top", (0, 1.36, -0.6), size=0.6)
    return model


def _add_cab(model: Model) -> None:
    model.add("primary", box(0.74, 0.85, 0.62, bevel=0.03).moved(y=0.78, z=-0.6), part="cab")
    roof = cylinder(0.62, 0.78).turned("x", 90).scaled(0.72, 0.25, 1).moved(y=1.19, z=-0.6)
    model.add("dark", roof, part="roof")
    model.add("cream glass", pair(box(0.03, 0.28, 0.34, bevel=0.01).moved(0.365, 0.95, -0.6)), part="window")
    model.add("secondary", pair(box(0.025, 0.24, 0.44, bevel=0.01).moved(0.365, 0.58, -0.6)), part="panel")
    front = pair(cylinder(0.075, 0.02).turned("x", 90).moved(0.24, 1.05, -0.285))
    model.add("aqua glass", front, part="window")


def _add_train_wheels(model: Model) -> None:
    for z, radius in ((-0.68, 0.25), (-0.12, 0.25), (0.38, 0.2), (0.78, 0.16)):
        rim = torus(radius - 0.03, 0.035).turned("z", 90)
        spoke = spokes(radius - 0.03, 10, 0.014)
        model.add("secondary", pair(join([rim, spoke]).moved(0.32, radius - 0.02, z)), part="wheel")
        model.add("dark", pair(sideways(cylinder(radius - 0.03, 0.02)).moved(0.29, radius - 0.02, z)))
    rod = box(0.03, 0.05, 1.15, bevel=0.012).moved(0.37, 0.19, -0.18)
    piston = cylinder(0.1, 0.3, bevel=0.02).turned("x", 90).moved(0.37, 0.26, 0.62)
    model.add("ash metal", pair(join([rod, piston])), part="rod")
    bars = [capsule((x, 0.34, 1.02), (1.25 * x, 0.06, 1.22), 0.024) for x in np.linspace(-0.3, 0.3, 9)]
    model.add("secondary", *bars, capsule((-0.38, 0.06, 1.22), (0.38, 0.06, 1.22), 0.03), part="bumper")
    model.add("secondary", box(0.72, 0.14, 0.08, bevel=0.02).moved(y=0.34, z=1.0), part="bumper")


@family("tank", words=("tank", "battle tank", "army tank", "armoured tank", "armored tank",
        "panzer"), primary="olive paint", secondary="khaki metal", dark="charcoal iron")  # fmt: skip
def make_tank(build: Build) -> Model:
    model = build.model()
    hull = extrude([(-0.92, 0.34), (-0.85, 0.5), (0.55, 0.5), (0.98, 0.36), (0.8, 0.16), (-0.8, 0.16)], 0.8)
    model.add("primary", hull.turned("y", -90), part="hull")
    outline = [
        (-0.95, 0.28),
        (-0.8, 0.1),
        (-0.6, 0.0),
        (0.62, 0.0),
        (0.85, 0.12),
        (1.0, 0.3),
        (0.92, 0.4),
        (-0.9, 0.4),
    ]
    track = extrude(outline, 0.26).turned("y", -90).moved(x=0.5)
    model.add("dark", pair(track), part="track")
    model.add("dark", pair(_treads(outline)), part="track")
    for z in np.linspace(-0.6, 0.6, 6):
        model.add("secondary", pair(disc_rim(0.13, 0.1).moved(0.61, 0.15, z)), part="wheel")
    model.add(
        "secondary", pair(join(disc_rim(0.1, 0.1).moved(0.61, 0.27, z) for z in (-0.84, 0.87))), part="wheel"
    )
    model.add("primary", pair(box(0.32, 0.035, 1.9, bevel=0.015).moved(0.5, 0.45, 0)), part="fender")
    turret = body(
        [
            (-0.5, 0.62, 0.3, 0.1, 0.6),
            (-0.2, 0.64, 0.36, 0.15, 0.5),
            (0.15, 0.64, 0.33, 0.15, 0.4),
            (0.4, 0.61, 0.16, 0.09, 0.3),
        ]
    )
    model.add("primary", turret, part="turret")
    barrel = forward(
        [(0.06, 0.3), (0.055, 0.8), (0.045, 1.3), (0.065, 1.32), (0.065, 1.44), (0.03, 1.45), (0.03, 1.3)],
        smooth=False,
    )
    model.add("primary", barrel.turned("x", -4).moved(y=0.64), part="barrel")
    model.add("secondary", cylinder(0.13, 0.09, bevel=0.025).moved(-0.12, 0.8, -0.15), part="hatch")
    model.add(
        "dark",
        capsule((0.14, 0.82, -0.1), (0.14, 0.9, 0.25), 0.022),
        box(0.05, 0.1, 0.1).moved(0.14, 0.8, -0.08),
    )
    model.add("dark", capsule((-0.22, 0.7, -0.35), (-0.24, 1.15, -0.4), 0.009), part="antenna")
    model.add("lemon light", pair(sphere(0.04).moved(0.3, 0.45, 0.83)), part="light")
    model.anchor("top", (0, 0.8, -0.05), size=0.55)
    return model


def _treads(outline: list[tuple[float, float]]) -> Shape:
    loop = np.array([*outline, outline[0]])
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(loop, axis=0), axis=1))]
    at = np.linspace(0, length[-1], 44)[:-1]
    z, y = (np.interp(at, length, loop[:, k]) for k in (0, 1))
    return join(
        box(0.28, 0.05, 0.05, bevel=0.012).moved(0.5, float(b), float(a)) for a, b in zip(z, y, strict=True)
    )


@family("tractor", words=("tractor", "farm tractor", "farming tractor"), primary="green paint",
        secondary="yellow plastic", accent="charcoal metal")  # fmt: skip
def make_tractor(build: Build) -> Model:
    model = build.model()
    hood = body(
        [
            (0.0, 0.72, 0.2, 0.2, 0.7),
            (0.45, 0.7, 0.19, 0.18, 0.65),
            (0.78, 0.66, 0.17, 0.16, 0.6),
            (0.84, 0.64, 0.1, 0.1, 0.5),
        ]
    )
    model.add("primary", hood, part="hood")
    bars = [box(0.24, 0.018, 0.03).moved(y=0.58 + 0.045 * k, z=0.84) for k in range(5)]
    model.add("accent", *bars, part="grille")
    model.add("accent", box(0.26, 0.22, 1.3, bevel=0.04).moved(y=0.42, z=0.1), part="frame")
    _add_farm_wheel(model, (0.42, 0.5, -0.42), 0.5, 0.3)
    _add_farm_wheel(model, (0.36, 0.28, 0.58), 0.28, 0.2)
    angles = np.deg2rad(np.linspace(35, 165, 14))
    arc = np.stack([0 * angles, 0.5 + 0.56 * np.sin(angles), -0.42 + 0.56 * np.cos(angles)], axis=1)
    model.add("primary", pair(tube(arc, 0.035).scaled(4.2, 1, 1).moved(x=0.4)), part="fender")
    posts = [capsule((0.24, 0.75, z), (0.22, 1.42, z * 0.9 - 0.03), 0.025) for z in (0.02, -0.62)]
    model.add("accent", pair(join(posts)), part="cab")
    model.add("primary", box(0.62, 0.07, 0.84, bevel=0.03).moved(y=1.45, z=-0.3), part="roof")
    model.add("aqua glass", box(0.42, 0.36, 0.015).moved(y=1.2, z=-0.01), part="window")
    model.add(
        "black leather",
        box(0.3, 0.1, 0.28, bevel=0.04).moved(y=0.78, z=-0.42),
        box(0.3, 0.34, 0.08, bevel=0.03).moved(y=0.96, z=-0.56),
        part="seat",
    )
    model.add(
        "accent",
        torus(0.12, 0.018).turned("x", 60).moved(y=1.0, z=-0.12),
        capsule((0, 0.8, 0), (0, 1.0, -0.12), 0.016),
    )
    pipe = tube([(0.12, 0.85, 0.4), (0.12, 1.2, 0.4), (0.12, 1.3, 0.36)], [0.03, 0.035, 0.035])
    model.add("accent", pipe, cylinder(0.05, 0.18, bevel=0.02).moved(0.12, 1.02, 0.4), part="pipe")
    model.add("lemon light", pair(ellipsoid(0.045, 0.045, 0.02).moved(0.14, 0.76, 0.81)), part="headlight")
    model.add(
        "accent",
        capsule((-0.36, 0.28, 0.58), (0.36, 0.28, 0.58), 0.05),
        box(0.3, 0.16, 0.1, bevel=0.03).moved(y=0.42, z=0.84),
    )
    model.anchor("top", (0, 1.49, -0.3), size=0.85)
    return model


def _add_farm_wheel(model: Model, centre: Point, radius: float, width: float) -> None:
    model.add("black rubber", pair(tyre(radius * 0.95, width, depth=0.4).at(centre)), part="wheel")
    lug = box(width * 0.55, 0.09 * radius, 0.1 * radius, bevel=0.01).moved(y=0.95 * radius)
    left = ring(lug.turned("y", 28).moved(x=0.22 * width), 18, axis="x")
    right = ring(lug.turned("y", -28).moved(x=-0.22 * width), 18, axis="x").turned("x", 10)
    model.add("black rubber", pair(join([left, right]).at(centre)), part="wheel")
    model.add("secondary", pair(disc_rim(radius * 0.6, width * 0.8).at(centre)), part="rim")


@family("cart", words=("cart", "wagon", "farm cart", "horse cart"), primary="brown wood",
        secondary="tan wood", accent="charcoal iron")  # fmt: skip
def make_cart(build: Build) -> Model:
    model = build.model()
    model.add("secondary", box(0.8, 0.06, 1.3, bevel=0.015).moved(y=0.55), part="deck")
    for k in range(3):
        board = box(0.05, 0.11, 1.3, bevel=0.015).moved(0.4, 0.63 + 0.125 * k)
        model.add("primary", pair(board), part="wall")
        end = box(0.8, 0.11, 0.05, bevel=0.015).moved(y=0.63 + 0.125 * k)
        model.add("primary", end.moved(z=0.64), end.moved(z=-0.64), part="wall")
    posts = join(box(0.06, 0.5, 0.06, bevel=0.012).moved(0.43, 0.72, z) for z in (-0.6, 0, 0.6))
    model.add("secondary", pair(posts))
    wheels = (-0.42, 0.42) if build.has("wagon") else (0.0,)
    for z in wheels:
        radius = 0.36 if len(wheels) == 2 else 0.48
        rim = join(
            [torus(radius - 0.04, 0.05).turned("z", 90).scaled(0.8, 1, 1), spokes(radius - 0.05, 10, 0.024)]
        )
        model.add("secondary", pair(rim.moved(0.55, radius, z)), part="wheel")
        model.add("accent", pair(torus(radius, 0.016).turned("z", 90).moved(0.55, radius, z)), part="rim")
        model.add("primary", sideways(cylinder(0.045, 1.2)).moved(y=radius, z=z))
    model.add(
        "secondary", pair(tube([(0.3, 0.54, 0.6), (0.3, 0.52, 1.0), (0.28, 0.45, 1.45)], 0.03)), part="pole"
    )
    model.add("primary", wedge(0.3, 0.1, 0.2).moved(y=0.5, z=0.6))
    model.anchor("inside", (0, 0.6, 0), size=0.7)
    return model
