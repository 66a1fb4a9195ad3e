"""Devices: cameras, radios, telephones, game controllers, drones, headphones, light bulbs."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.families.computers import add_screen, dial
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, ellipsoid, join, pair, sphere, torus
from subnet17.procedural.sweeps import Ball, blend, capsule, cone, cylinder, lathe, tube


@family("camera", words=("camera", "photo camera", "film camera", "digital camera"),
    primary="charcoal leather", secondary="silver", glass="indigo glass")  # fmt: skip
def make_camera(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(1.5, 0.72, 0.5, bevel=0.1).moved(y=0.42), part="body")
    model.add(
        "secondary",
        box(1.5, 0.24, 0.5, bevel=0.08).moved(y=0.86),
        box(1.5, 0.1, 0.5, bevel=0.04).moved(y=0.07),
        part="top",
    )
    model.add("secondary", _hump(), part="top")
    for radius, depth, z in ((0.36, 0.12, 0.3), (0.33, 0.16, 0.42), (0.29, 0.14, 0.54)):
        model.add(
            "secondary" if radius != 0.33 else "primary", dial(radius, depth).moved(y=0.45, z=z), part="lens"
        )
    model.add("ebony plastic", dial(0.25, 0.02).moved(y=0.45, z=0.605))
    model.add("glass", ellipsoid(0.2, 0.2, 0.07).moved(y=0.45, z=0.6), part="glass")
    model.add("white light", ellipsoid(0.05, 0.035, 0.01).moved(-0.07, 0.53, 0.665))
    model.add(
        "secondary",
        cylinder(0.13, 0.1, bevel=0.02).moved(0.5, 1.0),
        cylinder(0.1, 0.08, bevel=0.02).moved(-0.55, 1.0),
        part="dial",
    )
    model.add("red plastic", cylinder(0.05, 0.06, bevel=0.015).moved(0.26, 1.0, 0.05), part="button")
    model.add(
        "glass",
        box(0.24, 0.13, 0.02, bevel=0.006).moved(y=1.0, z=0.21),
        box(0.2, 0.12, 0.02).moved(-0.52, 0.86, 0.25),
        part="finder",
    )
    if build.has("vintage", "old", "retro", "classic"):
        strap = [
            (-0.76, 0.86, 0),
            (-1.05, 0.5, -0.15),
            (-0.7, 0.06, -0.5),
            (0, 0.03, -0.62),
            (0.7, 0.06, -0.5),
            (1.05, 0.5, -0.15),
            (0.76, 0.86, 0),
        ]
        model.add("brown leather", tube(strap, 0.035), part="strap")
    model.anchor("grip", (-0.6, 0.4, 0), size=0.5)
    return model


def _hump() -> Shape:
    """The prism housing on top of a camera."""
    return (
        lathe([(0.34, 0), (0.3, 0.1), (0.2, 0.2), (0, 0.2)], smooth=False, sides=4)
        .turned("y", 45)
        .scaled(1.1, 1, 0.8)
        .moved(y=0.94)
    )


@family("radio", words=("radio", "boombox", "transistor radio", "speaker", "stereo", "jukebox"),
    primary="chestnut wood", secondary="cream fabric", accent="golden metal",
    light="amber light")  # fmt: skip
def make_radio(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(1.5, 0.95, 0.5, bevel=0.1).moved(y=0.55), part="body")
    model.add("secondary", pair(dial(0.3, 0.04).moved(0.4, 0.45, 0.25)), part="speaker")
    model.add("accent", pair(torus(0.3, 0.03).turned("x", 90).moved(0.4, 0.45, 0.26)), part="rim")
    grille = [
        pair(box(0.5 * np.cos(k * 0.36), 0.018, 0.02).moved(0.4, 0.45 + 0.085 * k, 0.275))
        for k in range(-3, 4)
    ]
    model.add("accent", *grille, part="grille")
    model.add("light", box(1.1, 0.14, 0.03, bevel=0.01).moved(y=0.88, z=0.245), part="display")
    model.add("red plastic", box(0.02, 0.14, 0.04).moved(0.18, 0.88, 0.25), part="needle")
    model.add("accent", *(dial(0.06, 0.09).moved(x, 0.16, 0.28) for x in (-0.5, -0.2, 0.2, 0.5)), part="knob")
    model.add(
        "accent",
        tube([(-0.6, 1.0, 0), (-0.56, 1.2, 0), (0, 1.24, 0), (0.56, 1.2, 0), (0.6, 1.0, 0)], 0.04),
        part="handle",
    )
    model.add(
        "accent",
        capsule((0.62, 1.0, -0.12), (0.95, 1.75, -0.12), 0.014),
        sphere(0.03).moved(0.95, 1.75, -0.12),
        part="antenna",
    )
    model.anchor("top", (0, 1.02, 0), size=1.0)
    model.anchor("grip", (0, 1.24, 0), size=0.1)
    return model


@family("telephone", words=("telephone", "phone", "rotary phone", "smartphone", "mobile phone",
    "cell phone"), primary="red plastic", secondary="ivory plastic", accent="golden metal",
    light="azure light")  # fmt: skip
def make_telephone(build: Build) -> Model:
    model = (
        build.model(primary="charcoal plastic")
        if build.has("smartphone", "mobile", "cell")
        else build.model()
    )
    if build.has("smartphone", "mobile", "cell", "modern"):
        model.add("primary", box(0.8, 1.6, 0.09, bevel=0.04), part="body")
        add_screen(model, lambda s: s, 0.72, 1.45, 0.043)
        model.add(
            "secondary",
            *(dial(0.07, 0.03).moved(-0.24, y, 0).scaled(1, 1, -1).moved(z=-0.055) for y in (0.66, 0.48)),
            part="lens",
        )
        return model
    base = lathe([(0, 0), (0.78, 0.0), (0.76, 0.1), (0.5, 0.3), (0.36, 0.52), (0, 0.56)], sides=4).turned(
        "y", 45
    )
    model.add("primary", base.scaled(1.15, 1, 0.95), part="body")
    tilt = 52.0

    def front(shape: Shape) -> Shape:
        return shape.turned("x", tilt).moved(y=0.3, z=0.36)

    model.add("accent", front(cylinder(0.31, 0.06, bevel=0.02)), part="rim")
    model.add("secondary", front(cylinder(0.28, 0.08, bevel=0.02)), part="dial")
    model.add(
        "ebony plastic",
        front(
            join(
                cylinder(0.044, 0.09).moved(0.2 * np.sin(t), 0, 0.2 * np.cos(t))
                for t in np.linspace(0.6, 5.6, 10)
            )
        ),
    )
    model.add("accent", front(cylinder(0.1, 0.1, bevel=0.02)))
    model.add("primary", pair(capsule((0.26, 0.5, 0), (0.3, 0.72, 0), 0.05)), part="cradle")
    hand = [(-0.62, 0.72, 0), (-0.52, 0.86, 0), (0, 0.92, 0), (0.52, 0.86, 0), (0.62, 0.72, 0)]
    model.add(
        "primary",
        tube(hand, [0.1, 0.1, 0.085, 0.1, 0.1]),
        pair(cylinder(0.17, 0.14, bevel=0.05).turned("z", 14).moved(0.64, 0.7)),
        part="handset",
    )
    t = np.linspace(0, 1, 120)
    cord = np.stack(
        [0.66 + 0.3 * np.sin(np.pi * t) + 0.05 * np.cos(60 * t), 0.66 - 0.6 * t, 0.05 * np.sin(60 * t)],
        axis=1,
    )
    model.add("ebony plastic", tube(cord, 0.02, smooth=False), part="cord")
    return model


@family("game controller", words=("game controller", "gamepad", "controller", "joypad", "joystick"),
    primary="white plastic", secondary="charcoal plastic", accent="red plastic")  # fmt: skip
def make_game_controller(build: Build) -> Model:
    model = build.model()
    bones: list[Ball] = [((-0.5, 0.1, 0), (0.5, 0.1, 0), 0.26, 0.26)]
    bones += [((x * 0.5, 0.08, 0), (x * 0.72, -0.52, 0), 0.27, 0.17) for x in (-1, 1)]
    lean = 30.0
    model.add(
        "primary", blend(bones, softness=0.1, cells=48).scaled(1, 1, 0.72).turned("x", -lean), part="body"
    )

    def on_top(shape: Shape) -> Shape:
        return shape.moved(z=0.18).turned("x", -lean)

    sticks = join([cylinder(0.1, 0.12).turned("x", 90), ellipsoid(0.13, 0.13, 0.05).moved(z=0.08)])
    model.add(
        "secondary", on_top(join([sticks.moved(0.24, -0.12), sticks.moved(-0.24, -0.12)])), part="stick"
    )
    cross = join([box(0.28, 0.09, 0.08, bevel=0.02), box(0.09, 0.28, 0.08, bevel=0.02)])
    model.add("secondary", on_top(cross.moved(-0.54, 0.14)), part="pad")
    for k, paint in enumerate(("accent", "azure plastic", "lime plastic", "yellow plastic")):
        t = np.pi / 2 * k
        model.add(
            paint,
            on_top(dial(0.06, 0.09).moved(0.54 + 0.11 * np.sin(t), 0.14 + 0.11 * np.cos(t))),
            part="button",
        )
    model.add(
        "secondary",
        on_top(pair(box(0.1, 0.04, 0.05, bevel=0.015).moved(0.12, 0.16))),
        on_top(pair(box(0.3, 0.1, 0.16, bevel=0.04).moved(0.5, 0.36, -0.16))),
        part="button",
    )
    model.anchor("grip", (-0.6, -0.2, 0), size=0.35)
    return model


@family(
    "drone",
    words=("drone", "quadcopter", "quadrocopter"),
    primary="charcoal plastic",
    secondary="slate metal",
    accent="orange plastic",
    light="red light",
)
def make_drone(build: Build) -> Model:
    model = build.model()
    model.add("primary", ellipsoid(0.34, 0.17, 0.46).moved(y=0.34), part="body")
    model.add("accent", ellipsoid(0.22, 0.1, 0.34).moved(y=0.44), part="stripe")
    for x, z in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        model.add("primary", capsule((0.2 * x, 0.36, 0.25 * z), (0.74 * x, 0.42, 0.66 * z), 0.06), part="arm")
        model.add("secondary", cylinder(0.1, 0.2, bevel=0.03).moved(0.76 * x, 0.46, 0.68 * z), part="motor")
        blade = pair(ellipsoid(0.21, 0.012, 0.05).turned("x", 12).moved(x=0.22)).turned("y", 35 * x * z)
        model.add(
            "accent",
            blade.moved(0.76 * x, 0.58, 0.68 * z),
            sphere(0.05).moved(0.76 * x, 0.58, 0.68 * z),
            part="propeller",
        )
        model.add("primary", torus(0.46, 0.022).moved(0.76 * x, 0.56, 0.68 * z), part="guard")
        model.add("light", sphere(0.04).moved(0.76 * x, 0.36, 0.74 * z), part="light")
    skid = [(0.3, 0.26, 0.2), (0.38, 0.04, 0.34), (0.38, 0.02, -0.3), (0.3, 0.26, -0.2)]
    model.add("secondary", pair(tube(skid, 0.028)), part="leg")
    model.add("secondary", sphere(0.13).moved(y=0.17, z=0.36), part="camera")
    model.add("azure glass", dial(0.08, 0.06).moved(y=0.17, z=0.48), part="lens")
    return model


@family(
    "headphones",
    words=("headphones", "headphone", "headset", "earphones"),
    primary="charcoal plastic",
    secondary="black leather",
    accent="silver",
)
def make_headphones(build: Build) -> Model:
    model = build.model()
    a = np.linspace(-1.75, 1.75, 25)
    band = np.stack([0.72 * np.sin(a), 0.2 + 0.78 * np.cos(a), 0 * a], axis=1)
    model.add(
        "primary",
        tube(
            band,
            0.07,
            section=[
                (1.4 * np.cos(t), 0.6 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 20, endpoint=False)
            ],
        ),
        part="band",
    )
    model.add("secondary", tube(band[6:19] - [0, 0.06, 0], 0.075), part="cushion")
    cup = cylinder(0.36, 0.2, bevel=0.08).turned("z", 90).moved(x=0.78)
    model.add("primary", pair(cup), part="cup")
    model.add("secondary", pair(torus(0.25, 0.1).turned("z", 90).moved(x=0.63)), part="cushion")
    model.add("accent", pair(cylinder(0.2, 0.03, bevel=0.01).turned("z", 90).moved(x=0.885)), part="cap")
    return model


@family("light bulb", words=("light bulb", "lightbulb", "bulb"), primary="lemon light", secondary="silver")
def make_light_bulb(build: Build) -> Model:
    model = build.model(primary="lemon light" if not build.has("glass") else "aqua glass")
    model.add(
        "primary",
        lathe([(0.2, 0.42), (0.22, 0.55), (0.42, 0.95), (0.46, 1.2), (0.3, 1.52), (0, 1.62)]),
        part="glass",
    )
    screw = [torus(0.2, 0.035).turned("x", 4).moved(y=0.16 + 0.075 * k) for k in range(4)]
    model.add("secondary", cylinder(0.2, 0.36).moved(y=0.27), *screw, part="base")
    model.add(
        "ebony plastic",
        cylinder(0.08, 0.1, top_radius=0.14).moved(y=0.04),
        cone(0.05, 0.06).turned("x", 180).moved(y=-0.03),
    )
    model.anchor("eyes", (0, 1.15, 0.44), size=0.7)
    return model
