"""Robots."""

from __future__ import annotations

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, join, mean_point, pair, sphere, torus
from subnet17.procedural.sweeps import capsule, cylinder, tube


@family("robot", words=("robot", "android", "droid", "mech", "mecha", "cyborg", "automaton", "bot"),
        primary="ash metal", secondary="slate metal", accent="orange paint", light="cyan light",
            dark="charcoal metal")  # fmt: skip
def make_robot(build: Build) -> Model:
    model = build.model()
    head = 1.3 if build.has("cute", "baby", "chibi", "adorable", "kawaii", "friendly", "toy") else 1.0
    _add_torso(model)
    _add_head(model, head)
    _add_arms(model)
    _add_legs(model)
    model.anchor("neck", (0, 1.55, 0), size=0.5)
    model.anchor("torso", (0, 1.15, 0), size=0.85)
    model.anchor("back", (0, 1.2, -0.31), size=0.9)
    return model


def _add_torso(model: Model) -> None:
    model.add("primary", box(0.86, 0.78, 0.58, bevel=0.09).moved(y=1.14), part="body")
    model.add("secondary", box(0.56, 0.16, 0.44, bevel=0.04).moved(y=0.7), part="body")
    model.add("dark", box(0.54, 0.38, 0.05, bevel=0.02).moved(y=1.2, z=0.285), part="panel")
    gauge = torus(0.1, 0.022).turned("x", 90).moved(-0.13, 1.25, 0.32)
    model.add("accent", gauge, capsule((-0.13, 1.25, 0.32), (-0.08, 1.31, 0.32), 0.012), part="gauge")
    buttons = [
        sphere(0.035).moved(0.08 + 0.1 * i, 1.29 - 0.11 * j, 0.315) for i in range(2) for j in range(2)
    ]
    model.add("light", join(buttons), part="light")
    model.add("accent", box(0.3, 0.035, 0.03, bevel=0.01).moved(-0.08, 1.075, 0.315), part="panel")
    rivet = sphere(0.028)
    spots = [(x, y, z) for x in (-0.36, 0.36) for y in (0.84, 1.44) for z in (-0.29, 0.29)]
    model.add("secondary", join(rivet.at(p) for p in spots), part="bolt")
    vents = [box(0.5, 0.04, 0.04, bevel=0.01).moved(y=0.95 + 0.1 * i, z=-0.29) for i in range(5)]
    model.add("dark", join(vents), part="vent")


def _add_head(model: Model, scale: float) -> None:
    model.add("dark", cylinder(0.12, 0.18).moved(y=1.59), part="neck")
    model.add("secondary", torus(0.13, 0.03).moved(y=1.57), torus(0.13, 0.03).moved(y=1.63), part="neck")
    head = Model(model.roles)
    head.add("primary", box(0.6, 0.46, 0.48, bevel=0.1), part="head")
    head.add("dark", box(0.48, 0.22, 0.06, bevel=0.03).moved(y=0.05, z=0.23), part="face")
    head.add("light", pair(sphere(0.075).scaled(1, 1, 0.5).moved(0.12, 0.06, 0.265)), part="eye")
    grille = [box(0.025, 0.07, 0.03, bevel=0.008).moved(-0.12 + 0.06 * i, -0.14, 0.24) for i in range(5)]
    head.add("secondary", join(grille), part="mouth")
    head.add("secondary", pair(cylinder(0.09, 0.08, bevel=0.02).turned("z", 90).moved(x=0.33)), part="ear")
    head.add("accent", pair(sphere(0.045).moved(x=0.38)), part="ear")
    head.add("secondary", capsule((0, 0.2, 0), (0, 0.44, 0), 0.02), part="antenna")
    head.add("light", sphere(0.055).moved(y=0.46), part="antenna")
    y = 1.67 + 0.23 * scale
    model.include(head.placed((0, y, 0.01), scale=scale))
    model.anchor("head_top", (0, y + 0.23 * scale, 0), size=0.6 * scale)
    model.anchor("eyes", (0, y + 0.06 * scale, 0.28 * scale), size=0.6 * scale)


def _add_arms(model: Model) -> None:
    shoulder, elbow, wrist = (0.56, 1.4, 0.0), (0.66, 1.02, 0.02), (0.64, 0.72, 0.2)
    model.add("secondary", pair(sphere(0.15).at(shoulder)), part="shoulder")
    model.add("dark", pair(join([sphere(0.1).at(elbow), sphere(0.085).at(wrist)])), part="joint")
    model.add("primary", pair(_segmented(shoulder, elbow, 0.085)), part="arm")
    model.add("primary", pair(cylinder(0.085, 0.24, top_radius=0.12, bevel=0.03).pointed((-0.02, -0.3,
        0.18)).at(
        mean_point([elbow, wrist]))), part="arm")  # fmt: skip
    fingers = [
        tube([(dx, 0.12, -0.03 + dz), (1.9 * dx, 0.03, 1.9 * dz), (1.1 * dx, -0.06, 0.02 + dz)], 0.032).moved(
            0.64, 0.56, 0.25
        )
        for dx, dz in ((0.07, 0.0), (-0.07, 0.0), (0.0, 0.07))
    ]
    model.add("accent", pair(join(fingers)), part="hand")
    model.anchor("hand_right", (-0.64, 0.56, 0.26), size=0.1)
    model.anchor("hand_left", (0.64, 0.56, 0.26), size=0.1)


def _segmented(start: tuple[float, float, float], end: tuple[float, float, float], radius: float) -> Shape:
    """A flexible arm of rings."""
    points = [
        mean_point([start, end]) + (k - 2) / 5 * (mean_point([end]) - mean_point([start])) for k in range(5)
    ]
    bar = capsule(start, end, 0.7 * radius)
    direction = mean_point([end]) - mean_point([start])
    return join([bar, *(torus(radius, 0.03).pointed(direction).at(p) for p in points)])


def _add_legs(model: Model) -> None:
    hip, knee, ankle = (0.2, 0.66, 0.0), (0.22, 0.38, 0.02), (0.22, 0.14, 0.0)
    model.add("dark", pair(join([sphere(0.11).at(hip), sphere(0.1).at(knee)])), part="joint")
    model.add("primary", pair(cylinder(0.1, 0.24, top_radius=0.12, bevel=0.03).moved(0.21, 0.52)), part="leg")
    model.add("primary", pair(cylinder(0.14, 0.26, top_radius=0.1, bevel=0.03).moved(0.22, 0.25)), part="leg")
    model.add("accent", pair(box(0.14, 0.14, 0.08, bevel=0.03).moved(knee[0], knee[1], 0.1)), part="knee")
    foot = box(0.28, 0.15, 0.44, bevel=0.06).moved(ankle[0], 0.075, 0.07)
    model.add("secondary", pair(foot), part="foot")
