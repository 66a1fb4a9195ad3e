"""Things worn on the head: the "mount" is the middle of the brim, of size 1 for a head's diameter."""

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
from subnet17.procedural.sweeps import capsule, cone, cylinder, extrude, lathe, tube


def _hat(build: Build) -> Model:
    model = build.model()
    model.anchor("mount", (0, 0, 0), size=1.0)
    return model


@family("wizard hat", words=("wizard hat", "witch hat", "magic hat", "pointed hat", "pointy hat"),
        worn="head_top", primary="indigo fabric", secondary="golden fabric", accent="lemon gold")  # fmt: skip
def make_wizard_hat(build: Build) -> Model:
    model = _hat(build)
    brim = lathe([(0.3, 0.0), (0.6, -0.02), (0.98, -0.07), (1.0, -0.04), (0.6, 0.03), (0.5, 0.05)])
    crown = tube(
        [(0, -0.08, 0), (0, 0.35, 0), (0, 0.85, -0.04), (0.02, 1.3, -0.16), (0.1, 1.62, -0.42)],
        [0.58, 0.46, 0.29, 0.16, 0.035],
        round_ends=False,
    )
    model.add("primary", brim, crown, part="hat")
    model.add("secondary", torus(0.535, 0.055).scaled(1, 1.5, 1).moved(y=0.08), part="band")
    model.add("accent", box(0.22, 0.2, 0.06, bevel=0.02).moved(y=0.09, z=0.57), part="buckle")
    model.add("accent", _stars(), part="star")
    return model


def _stars() -> Shape:
    places = [(20, 0.4, 0.45), (95, 0.55, 0.4), (165, 0.36, 0.46), (235, 0.6, 0.385), (300, 0.42, 0.44),
              (350, 0.85, 0.29), (130, 0.88, 0.29), (245, 0.98, 0.26)]  # fmt: skip
    flat = extrude(star(5, 0.095, 0.042), 0.05)
    return join(flat.turned("x", -16).moved(y=y, z=r + 0.01).turned("y", a) for a, y, r in places)


@family("top hat", words=("top hat", "tophat", "hat", "bowler hat", "fedora"), worn="head_top",
        primary="black fabric", secondary="red fabric")  # fmt: skip
def make_top_hat(build: Build) -> Model:
    model = _hat(build)
    high = 0.5 if build.has("bowler", "fedora") else 0.95
    top = 0.42 if build.has("bowler", "fedora") else 0.54
    profile = [
        (0.3, 0.0),
        (0.82, 0.02),
        (0.84, 0.06),
        (0.54, 0.06),
        (0.5, 0.14),
        (top, high - 0.04),
        (top - 0.06, high),
        (0, high),
    ]
    model.add("primary", lathe(profile, smooth=build.has("bowler", "fedora")), part="hat")
    model.add("secondary", cylinder(0.535, 0.16, top_radius=0.53).moved(y=0.15), part="band")
    return model


@family(
    "cowboy hat",
    words=("cowboy hat", "stetson"),
    worn="head_top",
    primary="tan leather",
    secondary="brown leather",
)
def make_cowboy_hat(build: Build) -> Model:
    model = _hat(build)
    brim = ellipsoid(1.0, 0.06, 0.8)
    lift = brim.vertices * [1, 1, 1]
    lift[:, 1] += 0.35 * np.abs(lift[:, 0]) ** 2.2
    crown = ellipsoid(0.52, 0.55, 0.56).moved(y=0.15)
    dent = crown.vertices * [1, 1, 1]
    dent[:, 1] = np.maximum(dent[:, 1], -0.04)
    dent[:, 1] -= 0.22 * np.exp(-((dent[:, 0] / 0.16) ** 2)) * (dent[:, 1] > 0.35)
    model.add("primary", Shape(lift, brim.faces), Shape(dent, crown.faces), part="hat")
    model.add("secondary", torus(0.52, 0.045).moved(y=0.14), part="band")
    return model


@family("party hat", words=("party hat", "birthday hat", "cone hat"), worn="head_top", primary="azure paper",
        secondary="pink wool", accent="yellow paper")  # fmt: skip
def make_party_hat(build: Build) -> Model:
    model = _hat(build)
    model.add("primary", cone(0.45, 1.1).moved(y=0.53), part="hat", fade=("accent", _bands))
    model.add("secondary", sphere(0.14).moved(y=1.1), part="pompom")
    model.add("secondary", torus(0.44, 0.05))
    return model


def _bands(points: Array) -> Array:
    return np.asarray(
        np.clip(np.sin(points[:, 1] * 22 + 2 * np.arctan2(points[:, 0], points[:, 2])) * 4, 0, 1)
    )


@family("santa hat", words=("santa hat", "christmas hat", "beanie", "nightcap"), worn="head_top",
        primary="red wool", secondary="white wool")  # fmt: skip
def make_santa_hat(build: Build) -> Model:
    model = _hat(build)
    path = [(0, -0.05, 0), (0, 0.35, 0), (0.1, 0.7, -0.05), (0.4, 0.85, -0.1), (0.72, 0.6, -0.1)]
    model.add("primary", tube(path, [0.54, 0.47, 0.3, 0.17, 0.08], round_ends=False), part="hat")
    model.add("secondary", torus(0.52, 0.11), sphere(0.15).moved(0.76, 0.5, -0.1), part="band")
    return model


@family("crown", words=("crown", "tiara", "king crown", "royal crown"), worn="head_top", primary="gold",
        secondary="ruby gem", accent="sapphire gem")  # fmt: skip
def make_crown(build: Build) -> Model:
    model = _hat(build)
    wall = lathe(
        [(0.5, -0.05), (0.56, 0.0), (0.55, 0.1), (0.6, 0.3), (0.56, 0.3), (0.5, 0.1), (0.48, -0.05)],
        smooth=False,
    )
    point = cone(0.13, 0.36, sides=4).scaled(1, 1, 0.4).moved(y=0.45, z=0.59)
    model.add("primary", wall, ring(point, 8), torus(0.54, 0.045), torus(0.59, 0.03).moved(y=0.28))
    model.add("primary", ring(sphere(0.06).moved(y=0.65, z=0.6), 8))
    gem = ellipsoid(0.06, 0.08, 0.05).moved(y=0.15, z=0.57)
    model.add("secondary", ring(gem, 4), part="gem")
    model.add("accent", ring(gem.turned("y", 45), 4), part="gem")
    return model


@family("helmet", words=("helmet", "knight helmet", "viking helmet"), worn="head_top", primary="steel",
        secondary="brass", accent="ivory bone")  # fmt: skip
def make_helmet(build: Build) -> Model:
    model = _hat(build)
    dome = lathe([(0.63, -0.45), (0.64, -0.1), (0.56, 0.22), (0.34, 0.44), (0, 0.5)])
    model.add("primary", dome, part="helmet")
    model.add(
        "secondary",
        torus(0.63, 0.06).moved(y=-0.08),
        box(0.12, 0.5, 0.1, bevel=0.03).moved(y=-0.3, z=0.64),
        part="band",
    )
    model.add(
        "secondary",
        tube([(0, -0.05, 0.64), (0, 0.33, 0.45), (0, 0.52, 0), (0, 0.33, -0.45), (0, -0.05, -0.64)], 0.055),
    )
    if build.has("viking", "horned"):
        horn = tube(
            [(0.55, 0.05, 0), (0.85, 0.15, 0), (1.0, 0.45, 0), (0.95, 0.75, 0)], [0.15, 0.13, 0.08, 0.02]
        )
        model.add("accent", pair(horn), part="horn")
    return model


@family(
    "horn",
    words=("horn", "devil horn", "antler"),
    worn="head_top",
    primary="ivory bone",
    secondary="brown bone",
)
def make_horns(build: Build) -> Model:
    model = _hat(build)
    curl = [(0.22, -0.12, 0), (0.42, 0.15, 0.02), (0.5, 0.45, 0.05), (0.42, 0.75, 0.12)]
    model.add("primary", pair(tube(curl, [0.13, 0.11, 0.075, 0.015])), part="horn", fade=("secondary", _base))
    return model


def _base(points: Array) -> Array:
    return np.asarray(np.clip(0.6 - points[:, 1] * 2, 0, 1))


@family("antenna", words=("antenna", "aerial"), worn="head_top", primary="steel", light="red light")
def make_antenna(build: Build) -> Model:
    model = _hat(build)
    model.add("primary", pair(capsule((0.15, -0.1, 0), (0.3, 0.6, 0), 0.035)), part="antenna")
    model.add("light", pair(sphere(0.1).moved(0.3, 0.62)), part="antenna")
    return model
