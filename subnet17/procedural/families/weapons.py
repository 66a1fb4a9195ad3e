"""Axes, hammers, daggers and spears: blades and heads on a handle, upright, with a grip to hold them by."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import (
    Array,
    Shape,
    box,
    ellipsoid,
    join,
    pair,
    ring,
    sphere,
    star,
    torus,
)
from subnet17.procedural.sweeps import capsule, cone, curve, cylinder, extrude, tube


def _wrapped(radius: float, low: float, high: float) -> Shape:
    """The windings of a leather grip."""
    heights = np.arange(low, high, 1.7 * radius)
    return join(torus(radius, 0.3 * radius).scaled(1, 1.3, 1).moved(y=float(y)) for y in heights)


@family("axe", words=("axe", "ax", "battle axe", "battleaxe", "hatchet", "war axe",
        "woodcutter axe", "double axe", "tomahawk"), primary="ash steel",
        secondary="brown wood", accent="chocolate leather", edge="silver")  # fmt: skip
def make_axe(build: Build) -> Model:
    model = build.model()
    battle = build.has("battle", "battleaxe", "war", "double", "viking", "dwarven", "fantasy", "epic")
    model.add(
        "secondary", tube([(0, -1.0, 0), (0, -0.3, 0), (0, 0.75, 0)], [0.062, 0.055, 0.05]), part="handle"
    )
    model.add("accent", _wrapped(0.062, -0.9, -0.35), part="grip")
    (_add_battle_head if battle else _add_axe_head)(model)
    model.anchor("grip", (0, -0.6, 0), size=0.15)
    return model


def _crescent(reach: float, half: float) -> Array:
    """Outline of an axe blade towards +X, from its root at x = 0.04."""
    arc = np.deg2rad(np.linspace(-62, 62, 17))
    edge = np.stack(
        [reach - 0.62 * half + 0.62 * half * np.cos(arc) * 1.2, half * np.sin(arc) / np.sin(np.deg2rad(62))],
        axis=1,
    )
    lower = curve([(0.04, -0.13), (0.2, -0.14), (edge[0, 0], edge[0, 1])], 8)[:-1]
    upper = curve([(edge[-1, 0], edge[-1, 1]), (0.2, 0.14), (0.04, 0.13)], 8)[1:]
    return np.concatenate([lower, edge, upper])


def _blade(outline: Array, depth: float) -> tuple[Shape, Shape]:
    """(blade, bright cutting edge) of an axe."""
    face = extrude(outline, depth, taper=0.86)
    arc = outline[7:24]
    rim = np.column_stack([arc, np.zeros(len(arc))])
    return face, tube(rim, 0.024, smooth=False)


def _add_battle_head(model: Model) -> None:
    face, rim = _blade(_crescent(0.62, 0.44), 0.13)
    model.add("primary", pair(face).moved(y=0.5), part="blade")
    model.add("edge", pair(rim).moved(y=0.5), part="edge")
    model.add("primary", cylinder(0.1, 0.36, bevel=0.03).moved(y=0.5), part="head")
    model.add("golden metal", *[torus(0.1, 0.02).moved(y=y) for y in (0.34, 0.66)], part="band")
    model.add("primary", cone(0.06, 0.3).moved(y=0.86), part="spike")
    model.add("golden metal", sphere(0.085).moved(y=-1.02), part="pommel")
    model.add("golden metal", pair(extrude(star(4, 0.09, 0.035), 0.15).moved(0.3, 0.5)), part="emblem")


def _add_axe_head(model: Model) -> None:
    face, rim = _blade(_crescent(0.5, 0.3), 0.13)
    model.add("primary", face.moved(y=0.52), part="blade")
    model.add("edge", rim.moved(y=0.52), part="edge")
    model.add("primary", box(0.3, 0.28, 0.17, bevel=0.03).moved(x=-0.07, y=0.52), part="head")
    model.add("secondary", ellipsoid(0.075, 0.1, 0.065).moved(y=-1.0), part="pommel")


@family("hammer", words=("hammer", "claw hammer", "mallet", "sledgehammer"),
        primary="ash steel", secondary="tan wood", accent="red rubber")  # fmt: skip
def make_hammer(build: Build) -> Model:
    model = build.model()
    heavy = build.has("mallet", "sledgehammer")
    model.add(
        "secondary",
        tube([(0, -0.95, 0), (0, -0.5, 0), (0, 0.55, 0)], [0.085, 0.075, 0.055]).scaled(0.85, 1, 1.1),
        part="handle",
    )
    if heavy:
        model = build.model(
            primary="tan wood" if build.has("mallet") else "ash steel", secondary="brown wood"
        )
        model.add("secondary", tube([(0, -0.95, 0), (0, 0.7, 0)], [0.07, 0.06]), part="handle")
        model.add("primary", cylinder(0.26, 0.85, bevel=0.05).turned("z", 90).moved(y=0.6), part="head")
        model.add(
            "charcoal iron",
            *[torus(0.262, 0.022).turned("z", 90).moved(x, 0.6) for x in (-0.3, 0.3)],
            part="band",
        )
    else:
        model.add(
            "accent",
            tube([(0, -0.97, 0), (0, -0.6, 0), (0, -0.25, 0)], [0.1, 0.085, 0.085]).scaled(0.85, 1, 1.1),
            part="grip",
        )
        _add_claw_head(model)
    model.anchor("grip", (0, -0.6, 0), size=0.17)
    return model


def _add_claw_head(model: Model) -> None:
    model.add("primary", box(0.24, 0.19, 0.2, bevel=0.04).moved(y=0.6), part="head")
    face = [cylinder(0.085, 0.22).moved(0, 0.2), cylinder(0.13, 0.14, bevel=0.03).moved(0, 0.34)]
    model.add("primary", join(face).turned("z", -90).moved(y=0.6), part="head")
    claw = tube(
        [(-0.08, 0.62, 0.05), (-0.26, 0.64, 0.06), (-0.42, 0.55, 0.08), (-0.52, 0.38, 0.1)],
        [0.08, 0.07, 0.05, 0.02],
    )
    model.add("primary", claw, claw.scaled(1, 1, -1), part="claw")


@family("warhammer", words=("warhammer", "war hammer", "battle hammer", "thor hammer",
        "mjolnir", "maul", "mace"), primary="ash steel", secondary="brown leather",
        accent="gold", light="azure light")  # fmt: skip
def make_warhammer(build: Build) -> Model:
    model = build.model()
    model.add("secondary", cylinder(0.06, 1.5).moved(y=-0.3), _wrapped(0.066, -1.0, -0.2), part="handle")
    model.add(
        "accent",
        sphere(0.1).moved(y=-1.08),
        torus(0.07, 0.03).moved(y=-0.15),
        torus(0.075, 0.03).moved(y=0.22),
        part="pommel",
    )
    if build.has("mace"):
        model.add("primary", sphere(0.28).moved(y=0.5), part="head")
        flange = extrude([(0.2, -0.3), (0.42, -0.05), (0.42, 0.08), (0.2, 0.32)], 0.06).moved(y=0.5)
        model.add("primary", ring(flange, 8), cone(0.1, 0.25).moved(y=0.85), part="head")
    else:
        model.add("primary", box(1.0, 0.46, 0.46, bevel=0.07).moved(y=0.5), part="head")
        for x in (-0.42, 0.42):
            model.add("accent", box(0.1, 0.52, 0.52, bevel=0.035).moved(x, 0.5), part="band")
        for angle in (0, 180):
            model.add(
                "light",
                torus(0.12, 0.02).turned("x", 90).moved(z=0.235).turned("y", angle).moved(y=0.5),
                part="light",
            )
            mark = [capsule((0, -0.09, 0.24), (0, 0.09, 0.24), 0.018),
                capsule((-0.06, 0.03, 0.24), (0, 0.09, 0.24), 0.018),
                capsule((0.06, 0.03, 0.24), (0, 0.09, 0.24), 0.018)]  # fmt: skip
            model.add("light", join(mark).turned("y", angle).moved(y=0.5), part="rune")
        model.add("accent", cone(0.12, 0.16, sides=4).moved(y=0.78), part="tip")
    model.anchor("grip", (0, -0.65, 0), size=0.17)
    return model


@family("dagger", words=("dagger", "knife", "hunting knife", "kitchen knife", "kunai", "dirk",
        "chef knife", "combat knife"), primary="ash steel", secondary="brown leather",
        accent="gold", gem="ruby gem")  # fmt: skip
def make_dagger(build: Build) -> Model:
    plain = build.has("knife", "kitchen", "hunting", "chef", "combat")
    model = build.model(secondary="brown wood") if plain else build.model()
    if plain:
        outline = [
            (-0.11, -0.05),
            (0.13, -0.02),
            (0.15, 0.3),
            (0.12, 0.62),
            (0.0, 0.95),
            (-0.09, 1.05),
            (-0.11, 0.5),
        ]
        model.add("primary", extrude(outline, 0.05, taper=0.9), part="blade")
        handle = [(-0.11, -0.75), (0.1, -0.78), (0.07, -0.4), (0.1, -0.05), (-0.1, -0.05)]
        model.add("secondary", extrude(curve([*handle, handle[0]], 40)[:-1], 0.14, taper=0.86), part="handle")
        model.add(
            "silver",
            *[cylinder(0.028, 0.16).turned("x", 90).moved(-0.01, y) for y in (-0.2, -0.42, -0.64)],
            part="rivet",
        )
        model.add("accent", box(0.26, 0.07, 0.15, bevel=0.025).moved(y=-0.03), part="guard")
    else:
        half = [(0.0, 1.1), (-0.11, 0.72), (-0.14, 0.35), (-0.1, 0.0), (0.1, 0.0), (0.14, 0.35), (0.11, 0.72)]
        model.add("primary", extrude(half, 0.1, taper=0.45), part="blade")
        model.add("slate steel", box(0.035, 0.75, 0.085, bevel=0.012).moved(y=0.38), part="blade")
        model.add(
            "secondary", cylinder(0.065, 0.5).moved(y=-0.33), _wrapped(0.066, -0.54, -0.08), part="handle"
        )
        guard = [(0.0, -0.03, 0), (0.2, -0.03, 0), (0.34, 0.06, 0)]
        model.add(
            "accent",
            pair(tube(guard, [0.06, 0.055, 0.06])),
            box(0.22, 0.13, 0.17, bevel=0.04).moved(y=-0.03),
            part="guard",
        )
        model.add("accent", sphere(0.1).moved(y=-0.65), part="pommel")
        model.add(
            "gem",
            sphere(0.055).moved(y=-0.65, z=0.07),
            sphere(0.055).moved(y=-0.65, z=-0.07),
            sphere(0.06).scaled(1, 1, 0.5).moved(y=-0.03, z=0.09),
            part="gem",
        )
    model.anchor("grip", (0, -0.35, 0), size=0.17)
    return model


@family("spear", words=("spear", "lance", "pike", "javelin", "halberd", "trident", "harpoon"),
        primary="ash steel", secondary="brown wood", accent="red leather")  # fmt: skip
def make_spear(build: Build) -> Model:
    model = build.model()
    model.add("secondary", cylinder(0.04, 2.0).moved(y=-0.25), part="handle")
    model.add("accent", _wrapped(0.045, -0.45, -0.1), part="grip")
    model.add(
        "primary",
        cone(0.045, 0.16).turned("z", 180).moved(y=-1.32),
        cylinder(0.062, 0.18, top_radius=0.05).moved(y=0.75),
        part="head",
    )
    if build.has("trident"):
        prong = tube(
            [(0, 0.82, 0), (0.2, 0.88, 0), (0.24, 1.05, 0), (0.24, 1.3, 0)], [0.04, 0.04, 0.038, 0.03]
        )
        tip = extrude([(-0.07, 0), (0.07, 0), (0, 0.24)], 0.06, taper=0.8)
        model.add(
            "primary",
            pair(join([prong, tip.moved(0.24, 1.26)])),
            capsule((0, 0.8, 0), (0, 1.35, 0), 0.04),
            tip.moved(y=1.36),
            part="head",
        )
    else:
        leaf = [
            (0, 1.45),
            (-0.1, 1.15),
            (-0.13, 0.98),
            (-0.045, 0.8),
            (0.045, 0.8),
            (0.13, 0.98),
            (0.1, 1.15),
        ]
        model.add(
            "primary",
            extrude(leaf, 0.09, taper=0.5),
            box(0.03, 0.5, 0.08, bevel=0.01).moved(y=1.05),
            part="blade",
        )
        if build.has("halberd"):
            face, rim = _blade(_crescent(0.42, 0.27), 0.08)
            model.add(
                "primary",
                join([face, rim]).moved(y=0.72),
                cone(0.07, 0.3).turned("z", 90).moved(-0.18, 0.72),
                part="blade",
            )
    tassel = [
        capsule((0, 0.66, 0), (0.1 * np.sin(a), 0.36, 0.1 * np.cos(a)), 0.018) for a in np.arange(10) * 0.63
    ]
    model.add("accent", join(tassel), torus(0.05, 0.025).moved(y=0.66), part="tassel")
    model.anchor("grip", (0, -0.8, 0), size=0.12)
    return model
