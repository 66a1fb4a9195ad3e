"""Spider, ant, snail, caterpillar."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.anatomy import add_eyes
from subnet17.procedural.families.insects import bent_legs, feelers
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, ellipsoid, join, pair, sphere
from subnet17.procedural.sweeps import capsule, cone, curve, tube


@family("spider", words=("spider", "tarantula", "black widow"), primary="charcoal fur", secondary="brown fur",
        accent="red paint")  # fmt: skip
def make_spider(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        ellipsoid(0.42, 0.38, 0.52).turned("x", 12).moved(y=0.56, z=-0.62),
        part="body",
        fade=("secondary", _chevrons),
    )
    model.add("secondary", ellipsoid(0.3, 0.23, 0.36).moved(y=0.46, z=0.08), part="head")
    for z, foot in ((0.22, 0.95), (0.12, 0.38), (0.0, -0.3), (-0.1, -0.98)):
        x = 1.02 if abs(foot) > 0.5 else 1.2
        path = [
            (0.18, 0.44, z),
            (0.42 * x, 0.9, 0.25 * z + 0.32 * foot),
            (0.72 * x, 0.72, 0.66 * foot),
            (x, 0.0, foot),
        ]
        leg = curve(np.array(path), 26)
        radii = np.interp(np.linspace(0, 1, 26), [0, 0.35, 1], [0.085, 0.075, 0.025])
        model.add("primary", pair(tube(leg, radii)), part="leg", fade=("secondary", _bands))
    model.add("secondary", pair(capsule((0.09, 0.4, 0.38), (0.1, 0.2, 0.46), 0.07, 0.02)), part="fang")
    for x, y, z, r in (
        (0.07, 0.54, 0.4, 0.062),
        (0.18, 0.56, 0.33, 0.05),
        (0.06, 0.64, 0.31, 0.045),
        (0.15, 0.65, 0.2, 0.04),
    ):
        model.add("black plastic", pair(sphere(r).moved(x, y, z)), part="eye")
        model.add("white light", pair(sphere(0.25 * r).moved(x, y + 0.5 * r, z + 0.8 * r)))
    if build.has("widow"):
        model.add(
            "accent",
            cone(0.12, 0.16).moved(0, 0.93, -0.7),
            cone(0.12, 0.16).turned("x", 180).moved(0, 0.9, -0.5),
        )
    model.anchor("head_top", (0, 0.66, 0.12), size=0.44)
    model.anchor("eyes", (0, 0.56, 0.42), size=0.46)
    model.anchor("back", (0, 0.9, -0.62), size=0.5)
    return model


def _chevrons(p: Array) -> Array:
    wave = np.sin(p[:, 2] * 22 + 14 * np.abs(p[:, 0]))
    return np.asarray(np.clip(wave * 3 - 0.8, 0, 1) * np.clip(1.3 - 5 * np.abs(p[:, 0]), 0, 1))


def _bands(p: Array) -> Array:
    return np.asarray(np.clip(np.sin(np.linalg.norm(p[:, [0, 2]], axis=1) * 22) * 3 - 1.6, 0, 0.9))


@family("ant", words=("ant", "fire ant"), primary="maroon plastic", secondary="black plastic")
def make_ant(build: Build) -> Model:
    model = build.model()
    model.add("primary", ellipsoid(0.3, 0.28, 0.42).moved(y=0.45, z=-0.55), part="body")
    model.add("primary", ellipsoid(0.16, 0.15, 0.26).moved(y=0.42, z=0.08), part="body")
    model.add("primary", ellipsoid(0.25, 0.21, 0.24).moved(y=0.52, z=0.5), part="head")
    model.add(
        "secondary",
        bent_legs([(0.2, 0.6), (0.08, 0.05), (-0.05, -0.65)], 0.75, 0.66, (0.1, 0.4), 0.045),
        part="leg",
    )
    model.add("secondary", feelers((0.09, 0.68, 0.62), (0.28, 0.78, 0.98), 0.025), part="antenna")
    jaw = tube([(0.12, 0.42, 0.66), (0.16, 0.38, 0.82), (0.03, 0.37, 0.88)], [0.05, 0.04, 0.012])
    model.add("secondary", pair(jaw), part="jaw")
    add_eyes(model, (0.17, 0.6, 0.62), 0.075, iris="white paint")
    model.anchor("head_top", (0, 0.72, 0.5), size=0.42)
    model.anchor("eyes", (0, 0.6, 0.7), size=0.44)
    return model


@family(
    "snail", words=("snail", "slug"), primary="chestnut ceramic", secondary="tan skin", accent="cream ceramic"
)
def make_snail(build: Build) -> Model:
    model = build.model()
    foot = [
        (0, 0.06, -1.1),
        (0, 0.12, -0.5),
        (0, 0.16, 0.2),
        (0, 0.2, 0.62),
        (0, 0.46, 0.86),
        (0, 0.68, 0.94),
    ]
    model.add("secondary", tube(foot, [0.03, 0.17, 0.23, 0.22, 0.19, 0.19]), part="body")
    model.add("secondary", ellipsoid(0.34, 0.09, 0.95).moved(y=0.08, z=-0.12), part="body")
    if not build.has("slug"):
        model.add("primary", _spiral(), part="shell", fade=("accent", _whorls))
    model.add("secondary", pair(capsule((0.1, 0.8, 0.98), (0.2, 1.14, 1.08), 0.045)), part="eyestalk")
    model.add("secondary", pair(capsule((0.08, 0.6, 1.08), (0.13, 0.55, 1.26), 0.035)), part="feeler")
    add_eyes(model, (0.2, 1.2, 1.11), 0.09, iris="white paint")
    model.add("brown paint", tube([(-0.1, 0.66, 1.105), (0, 0.62, 1.13), (0.1, 0.66, 1.105)], 0.014))
    model.anchor("head_top", (0, 0.86, 0.92), size=0.36)
    model.anchor("eyes", (0, 1.2, 1.2), size=0.5)
    model.anchor("neck", (0, 0.45, 0.84), size=0.42)
    model.anchor("back", (0, 1.3, -0.2), size=0.6)
    return model


def _spiral() -> Shape:
    """A snail's shell in the YZ plane, a little conical on both sides."""
    t = np.linspace(0, 1, 60)
    angle, r = 2 * np.pi * 2.4 * t - 2.1, 0.46 * 0.16**t
    size = 0.34 * 0.2**t
    path = np.stack([0 * t, 0.72 + r * np.cos(angle), -0.22 - r * np.sin(angle)], axis=1)
    half = tube(path + np.stack([0.2 * t, 0 * t, 0 * t], axis=1), size, smooth=False)
    return join([half, half.mirrored()])


def _whorls(p: Array) -> Array:
    y, z = p[:, 1] - 0.72, p[:, 2] + 0.22
    angle, r = np.arctan2(-z, y), np.hypot(y, z) + 1e-6
    return np.asarray(
        np.clip(np.sin(2 * (angle - np.log(r / 0.46) / np.log(0.16) * 2 * np.pi * 2.4)) * 2 - 0.9, 0, 0.9)
    )


@family("caterpillar", words=("caterpillar", "worm", "inchworm"), primary="lime wool",
    secondary="yellow wool", accent="red plastic")  # fmt: skip
def make_caterpillar(build: Build) -> Model:
    model = build.model()
    at = np.linspace(0, 1, 7)
    centres = np.stack(
        [0.12 * np.sin(at * 7), 0.27 + 0.3 * np.sin(at * np.pi * 1.1) ** 2, 0.75 - 1.9 * at], axis=1
    )
    for k, (centre, r) in enumerate(zip(centres, np.linspace(0.28, 0.2, 7), strict=True)):
        model.add("primary" if k % 2 == 0 else "secondary", sphere(float(r)).at(centre), part="body")
        model.add(
            "accent", pair(capsule((0.13, 0.02, 0), (0.17, -r - 0.02, 0), 0.05)).at(centre), part="foot"
        )
    model.add("primary", sphere(0.34).moved(0.02, 0.72, 0.98), part="head")
    add_eyes(model, (0.16, 0.8, 1.2), 0.11, iris="white paint")
    model.add("accent", feelers((0.1, 0.98, 1.0), (0.24, 1.32, 1.08), 0.028), part="antenna")
    model.add("maroon paint", tube([(-0.1, 0.6, 1.29), (0, 0.56, 1.31), (0.1, 0.6, 1.29)], 0.016))
    model.anchor("head_top", (0, 1.03, 0.96), size=0.58)
    model.anchor("eyes", (0, 0.8, 1.3), size=0.58)
    return model
