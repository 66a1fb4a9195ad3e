"""Animals of the sea: octopus, crab, turtle, jellyfish, starfish, seahorse; `swimmers.py` has the others."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.anatomy import add_eyes
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, ellipsoid, join, pair, ring, scatter, sphere, torus
from subnet17.procedural.sheets import lens
from subnet17.procedural.sweeps import Ball, blend, capsule, curve, lathe, tube


@family("octopus", words=("octopus", "kraken", "squid", "giant squid"), primary="orange skin",
        secondary="peach skin", accent="auburn skin")  # fmt: skip
def make_octopus(build: Build) -> Model:
    model = build.model()
    tall = 1.35 if build.has("squid") else 1.0
    head = blend(
        [((0, 0.42, 0), (0, 0.62, 0), 0.27, 0.3), ((0, 0.68 + 0.34 * tall, -0.1), 0.4)],
        softness=0.12,
        cells=40,
    )
    model.add("primary", head.scaled(1, tall, 1), part="head", fade=("accent", _freckles))
    for i in range(8):
        arm = curve(_arm(i, lifted=i == 7), 24)
        radii = np.interp(np.linspace(0, 1, 24), [0, 0.3, 0.7, 1], [0.19, 0.14, 0.085, 0.025])
        model.add("primary", tube(arm, radii), part="arm", fade=("accent", _freckles))
        model.add("secondary", _suckers(arm, radii), part="sucker")
    add_eyes(model, (0.18, 0.66 * tall, 0.22), 0.1, iris="lemon paint")
    smile = [(-0.08, 0.47, 0.28), (0, 0.44, 0.3), (0.08, 0.47, 0.28)]
    model.add("chocolate paint", tube(np.array(smile) * [1, tall, 1], 0.014))
    model.anchor("head_top", (0, (1.0 + 0.34 * tall) * tall, -0.1), size=0.62)
    model.anchor("eyes", (0, 0.66 * tall, 0.37), size=0.62)
    model.anchor("neck", (0, 0.42, 0), size=0.6)
    model.anchor("hand_right", _arm(7, lifted=True)[-1], size=0.09)
    return model


def _freckles(points: Array) -> Array:
    wave = np.sin(points * [17, 15, 19] + np.array([0.3, 1.1, 2.0])).sum(axis=1)
    return np.asarray(np.clip(wave * 2.5 - 3.2, 0, 0.75) * (points[:, 1] > 0.1))


def _arm(i: int, *, lifted: bool) -> Array:
    """(6, 3) path of one tentacle, its tip curled up; a lifted one holds something."""
    if lifted:
        return np.array([[-0.15, 0.38, 0.1], [-0.45, 0.2, 0.3], [-0.75, 0.24, 0.45], [-0.95, 0.5,
            0.5], [-0.92, 0.78, 0.52], [-0.8, 0.88, 0.56]])  # fmt: skip
    angle = np.deg2rad(22.5 + 45 * i) + np.array([0, 0.0, 0.08, 0.28, 0.5, 0.52]) * (1 if i % 2 else -1)
    r = np.array([0.14, 0.5, 0.82, 1.05, 1.12, 0.96])
    y = np.array([0.36, 0.16, 0.1, 0.09, 0.24, 0.36]) + (0.05 if i % 2 else 0)
    return np.stack([r * np.sin(angle), y, r * np.cos(angle)], axis=1)


def _suckers(path: Array, radii: Array) -> Shape:
    """Two rows of discs along the outer underside of a tentacle."""
    along = np.gradient(path, axis=0)
    side = np.cross(along, [0.0, 1.0, 0.0])
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    down = np.cross(along, side)
    down /= np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-9)
    disc, rows = lathe([(0, -0.2), (0.4, -0.1), (0.45, 0.1), (0, 0.2)], smooth=False, sides=8), []
    for sign in (-0.4, 0.4):
        normal = 0.92 * down + sign * side
        rows.append(scatter(disc, (path + 0.93 * radii[:, None] * normal)[4:], directions=normal[4:],
            sizes=radii[4:]))  # fmt: skip
    return join(rows)


@family("crab", words=("crab", "hermit crab", "lobster"), primary="red plastic", secondary="peach skin",
        accent="maroon plastic")  # fmt: skip
def make_crab(build: Build) -> Model:
    model = build.model()
    shell = lathe([(0, 0.12), (0.45, 0.16), (0.62, 0.32), (0.56, 0.46), (0.32, 0.58), (0, 0.62)]).scaled(
        1.15, 1, 0.82
    )
    model.add("primary", shell, part="shell", fade=("secondary", lambda p: 3.2 - p[:, 1] * 11))
    bumps = np.array([[0.0, 0.6, -0.05], [0.25, 0.57, 0.05], [-0.25, 0.57, 0.05], [0.42, 0.49,
        -0.12], [-0.42, 0.49, -0.12], [0.15, 0.56, -0.25], [-0.15, 0.56, -0.25]])  # fmt: skip
    model.add("accent", scatter(sphere(0.055), bumps), part="shell")
    for k, angle in enumerate((62, 88, 114, 140)):
        leg = tube(
            [(0.45, 0.3, 0), (0.85, 0.48, 0), (1.08, 0.26, 0.02), (1.2, 0.0, 0.03)],
            [0.075, 0.075, 0.06, 0.015],
        )
        model.add("primary", pair(leg.scaled(1, 1 + 0.06 * k, 1).turned("y", angle - 90)), part="leg")
    arm = tube([(0.45, 0.32, 0.28), (0.82, 0.38, 0.42), (0.86, 0.5, 0.66)], [0.09, 0.1, 0.1])
    model.add(
        "primary",
        pair(join([arm, _claw().scaled(1.35).turned("x", -48).turned("y", -18).moved(0.85, 0.48, 0.6)])),
        part="claw",
    )
    model.add("primary", pair(capsule((0.16, 0.5, 0.36), (0.19, 0.72, 0.44), 0.05)), part="eyestalk")
    add_eyes(model, (0.19, 0.77, 0.45), 0.095, iris="white paint")
    model.add("maroon paint", tube([(-0.14, 0.3, 0.51), (0, 0.27, 0.53), (0.14, 0.3, 0.51)], 0.014))
    model.anchor("head_top", (0, 0.62, 0), size=0.6)
    model.anchor("eyes", (0, 0.77, 0.54), size=0.6)
    model.anchor("hand_right", (-0.8, 1.05, 0.95), size=0.1)
    return model


def _claw() -> Shape:
    """A pincer along +Z: a palm, a fixed finger and a movable one above it."""
    palm = ellipsoid(0.13, 0.17, 0.2).moved(z=0.12)
    low = tube([(0, -0.08, 0.22), (0, -0.1, 0.4), (0, -0.02, 0.54)], [0.095, 0.075, 0.015])
    high = tube([(0, 0.1, 0.2), (0, 0.19, 0.38), (0, 0.09, 0.55)], [0.1, 0.085, 0.015])
    return join([palm, low, high])


@family("turtle", words=("turtle", "sea turtle", "tortoise"), primary="green hide", secondary="olive leather",
        accent="cream leather")  # fmt: skip
def make_turtle(build: Build) -> Model:
    model = build.model()
    model.add(
        "accent",
        lathe([(0, 0.12), (0.5, 0.14), (0.68, 0.24), (0.6, 0.3)]).scaled(0.95, 1, 1.12),
        part="belly",
    )
    dome = lathe([(0.74, 0.22), (0.72, 0.32), (0.62, 0.54), (0.36, 0.73), (0, 0.8)]).scaled(0.95, 1, 1.12)
    model.add("secondary", dome, part="shell", fade=("khaki leather", _seams))
    model.add("secondary", torus(0.72, 0.055).scaled(0.95, 1, 1.12).moved(y=0.25), part="shell")
    if build.has("tortoise", "old", "land"):
        legs = [pair(capsule((0.42, 0.25, z), (0.56, 0.05, z * 1.12), 0.15, 0.14)) for z in (0.5, -0.5)]
    else:
        front = lens(
            [(0, 0.13), (0.4, 0.2), (0.85, -0.12), (0.95, -0.42), (0.65, -0.22), (0.3, -0.14), (0, -0.13)],
            0.13,
        )
        back = lens([(0, 0.11), (0.3, 0.05), (0.46, -0.2), (0.25, -0.2), (0, -0.1)], 0.11)
        legs = [
            pair(front.turned("x", 80).turned("z", -10).moved(0.45, 0.24, 0.55)),
            pair(back.turned("x", 80).turned("z", -12).moved(0.42, 0.2, -0.6)),
        ]
    model.add("primary", *legs, part="leg", fade=("accent", _patches))
    neck: list[Ball] = [
        ((0, 0.28, 0.6), (0, 0.42, 0.98), 0.15, 0.13),
        ((0, 0.5, 1.1), 0.19),
        ((0, 0.45, 1.22), 0.13),
    ]
    model.add("primary", blend(neck, softness=0.06, cells=32), part="head", fade=("accent", _patches))
    model.add("primary", capsule((0, 0.2, -0.7), (0, 0.14, -0.95), 0.07, 0.01), part="tail")
    add_eyes(model, (0.13, 0.56, 1.19), 0.062, iris="amber paint")
    model.add("dark olive paint", tube([(-0.12, 0.42, 1.24), (0, 0.4, 1.345), (0.12, 0.42, 1.24)], 0.01))
    model.anchor("head_top", (0, 0.66, 1.08), size=0.32)
    model.anchor("eyes", (0, 0.56, 1.24), size=0.34)
    model.anchor("neck", (0, 0.36, 0.85), size=0.3)
    model.anchor("back", (0, 0.78, 0), size=0.8)
    model.anchor("top", (0, 0.79, 0), size=0.8)
    return model


def _seams(points: Array) -> Array:
    """Dark lines between the plates of a shell: the places about as near to two plates' middles."""
    angles = np.deg2rad(np.r_[np.arange(6) * 60, np.arange(12) * 30 + 15])
    r = np.r_[np.full(6, 0.42), np.full(12, 0.74)]
    middles = np.concatenate([[[0.0, 0.0]], np.stack([r * np.sin(angles), r * np.cos(angles)], axis=1)])
    flat = points[:, [0, 2]] / [0.95, 1.12]
    gaps = np.sort(np.linalg.norm(flat[:, None] - middles[None], axis=2), axis=1)
    return np.asarray(np.clip(1.6 - (gaps[:, 1] - gaps[:, 0]) * 20, 0, 1))


def _patches(points: Array) -> Array:
    wave = np.sin(points * [21, 17, 19]).sum(axis=1)
    return np.asarray(np.clip(wave * 2 - 2.0, 0, 0.55))


@family("jellyfish", words=("jellyfish", "medusa"), primary="pink petal", secondary="lavender petal",
        accent="fuchsia light")  # fmt: skip
def make_jellyfish(build: Build) -> Model:
    model = build.model()
    bell = lathe(
        [(0, 0.28), (0.3, 0.22), (0.52, 0.08), (0.6, 0.0), (0.6, 0.18), (0.5, 0.46), (0.28, 0.63), (0, 0.68)]
    )
    wavy = bell.vertices.copy()
    around = np.arctan2(wavy[:, 0], wavy[:, 2])
    wavy[:, 1] -= 0.035 * np.cos(12 * around) * np.clip(1 - wavy[:, 1] * 4, 0, 1)
    model.add("primary", Shape(wavy, bell.faces), part="bell", fade=("secondary", _bell_lines))
    t = np.linspace(0, 1, 14)
    for i in range(12):
        angle, r = 2 * np.pi * i / 12, 0.5 * (1 - 0.25 * t)
        sway = 0.1 * np.sin(7 * t + 1.9 * i)
        thread = np.stack([r * np.sin(angle) + sway, 0.02 - build.vary(1.15, 0.2) * t,
            r * np.cos(angle) + sway * 0.7], axis=1)  # fmt: skip
        model.add("primary", tube(thread, np.linspace(0.03, 0.008, 14)), part="tentacle")
    for i in range(4):
        ribbon = np.stack(
            [0.1 * np.sin(6 * t + i) * t, 0.2 - 0.95 * t, 0.14 + 0.12 * np.sin(8 * t + 2 * i) * t], axis=1
        )
        model.add("secondary", tube(ribbon, 0.1 * (1 - 0.8 * t)).turned("y", 90 * i), part="arm")
    model.add("accent", ring(ellipsoid(0.12, 0.07, 0.12).moved(y=0.55, z=0.22), 4))
    model.anchor("head_top", (0, 0.66, 0), size=0.8)
    model.anchor("eyes", (0, 0.25, 0.58), size=0.7)
    return model


def _bell_lines(points: Array) -> Array:
    around = np.arctan2(points[:, 0], points[:, 2])
    return np.asarray(np.clip(np.cos(16 * around) * 2 - 0.7, 0, 0.8) * np.clip(1.2 - points[:, 1], 0, 1))


@family("starfish", words=("starfish", "sea star"), primary="orange leather", secondary="cream leather")
def make_starfish(build: Build) -> Model:
    model = build.model()
    tips = [(np.sin(a), np.cos(a)) for a in np.arange(5) * 2 * np.pi / 5]
    bones: list[Ball] = [((0, 0, 0), (0.85 * x, 0.92 * y, 0), 0.24, 0.09) for x, y in tips]
    star = blend(bones, softness=0.08, cells=54).scaled(1, 1, 0.75)
    model.add("primary", star, part="body")
    dots = [
        (0.85 * x * f, 0.92 * y * f, 0.75 * (0.24 - 0.15 * f))
        for x, y in tips
        for f in np.linspace(0.0, 0.9, 8)
    ]
    beads = scatter(sphere(0.045), np.array(dots))
    model.add("secondary", join([beads, beads.scaled(1, 1, -1)]), part="spot")
    model.anchor("eyes", (0, 0.06, 0.2), size=0.5)
    return model


@family("seahorse", words=("seahorse", "sea horse"), primary="yellow leather", secondary="orange leather")
def make_seahorse(build: Build) -> Model:
    model = build.model()
    spine = [(0, 1.32, 0.02), (0, 1.12, -0.1), (0, 0.82, 0.0), (0, 0.5, 0.1), (0, 0.18, -0.05), (0,
        -0.15, -0.2), (0, -0.45, -0.12), (0, -0.58, 0.12), (0, -0.42, 0.28), (0, -0.28, 0.16), (0,
        -0.36, 0.05)]  # fmt: skip
    radii = [0.15, 0.14, 0.21, 0.25, 0.19, 0.12, 0.095, 0.08, 0.06, 0.045, 0.03]
    model.add("primary", tube(spine, radii), part="body", fade=("secondary", _rings))
    head: list[Ball] = [
        ((0, 1.36, 0.05), 0.18),
        ((0, 1.34, 0.15), (0, 1.2, 0.5), 0.09, 0.06),
        ((0, 1.2, 0.5), 0.075),
    ]
    model.add("primary", blend(head, softness=0.05, cells=36), part="head")
    crest = [(0, 1.52 - 0.02 * k, 0.06 - 0.09 * k) for k in range(3)]
    model.add(
        "secondary", *(capsule(p, (0, p[1] + 0.14, p[2] - 0.08), 0.045, 0.01) for p in crest), part="crest"
    )
    fin = lens([(0, -0.22), (0.3, -0.2), (0.36, 0.05), (0.26, 0.26), (0, 0.22)], 0.05)
    model.add("secondary", fin.turned("y", 90).moved(y=0.55, z=-0.1), part="fin")
    model.add("secondary", pair(fin.scaled(0.6).turned("y", 35).moved(0.12, 1.15, -0.08)), part="fin")
    add_eyes(model, (0.125, 1.42, 0.14), 0.065, iris="white paint")
    model.anchor("head_top", (0, 1.52, 0.02), size=0.32)
    model.anchor("eyes", (0, 1.42, 0.2), size=0.34)
    model.anchor("neck", (0, 1.12, -0.1), size=0.3)
    return model


def _rings(points: Array) -> Array:
    return np.asarray(np.clip(np.sin(points[:, 1] * 42) * 2 - 0.6, 0, 0.6))
