"""Toys: balls, teddy bear, snowman, kite, rocking horse, spinning top."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.anatomy import add_eyes, round_ears
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, pair, scatter, sphere, torus
from subnet17.procedural.sheets import lens
from subnet17.procedural.sweeps import Ball, blend, body, capsule, cone, curve, cylinder, lathe, tube


@family("ball", words=("ball", "beach ball", "soccer ball", "football", "basketball", "tennis ball",
    "baseball", "bowling ball", "volleyball"), primary="red plastic", secondary="white plastic",
    accent="azure plastic")  # fmt: skip
def make_ball(build: Build) -> Model:
    if build.has("soccer", "football"):
        model = build.model(primary="white leather", secondary="black leather")
        model.add("primary", sphere(1.0), part="ball", fade=("secondary", _pentagons))
    elif build.has("basketball", "tennis", "baseball", "volleyball"):
        skin, seam = {
            "basketball": ("orange leather", "black rubber"),
            "tennis": ("lime wool", "white rubber"),
        }.get(build.word.split()[0], ("white leather", "red rubber"))
        model = build.model(primary=skin, secondary=seam)
        model.add(
            "primary",
            sphere(1.0),
            part="ball",
            fade=("secondary", _seams if build.has("basketball") else _curved_seam),
        )
    elif build.has("bowling"):
        model = build.model(primary="indigo plastic")
        model.add("primary", sphere(1.0), part="ball")
        holes = np.array([[0.12, 0.55, 0.82], [-0.12, 0.55, 0.82], [0.0, 0.32, 0.94]])
        model.add("ebony rubber", scatter(cylinder(0.085, 0.04), holes, directions=holes), part="hole")
    else:
        model = build.model()
        model.add(
            "primary", sphere(1.0).turned("z", 18).turned("x", 12), part="ball", fade=("secondary", _panels)
        )
        cap = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
        model.add(
            "accent",
            scatter(cylinder(0.16, 0.05, bevel=0.02), cap, directions=cap).turned("z", 18).turned("x", 12),
            part="cap",
        )
    return model


def _panels(p: Array) -> Array:
    back = Shape(p, np.zeros((0, 3), dtype=np.int64)).turned("x", -12).turned("z", -18).vertices
    return np.asarray(np.clip(np.sin(3 * np.arctan2(back[:, 0], back[:, 2])) * 9, 0, 1))


def _seams(p: Array) -> Array:
    x, y, z = p.T
    arc = np.abs(np.hypot(np.abs(x) - 1.15, z) - 0.62)
    return np.asarray(np.clip(1.6 - np.minimum(np.minimum(np.abs(y), np.abs(x)), arc) * 45, 0, 1))


def _curved_seam(p: Array) -> Array:
    x, y, z = p.T
    return np.asarray(np.clip(1.5 - np.abs(x * z - 0.55 * y * np.abs(y)) * 22, 0, 1))


def _pentagons(p: Array) -> Array:
    """Dark patches around the twelve corners of an icosahedron."""
    g = (1 + np.sqrt(5)) / 2
    corners = np.array([(0, a, b * g) for a in (-1, 1) for b in (-1, 1)])
    corners = np.concatenate([corners, np.roll(corners, 1, axis=1), np.roll(corners, 2, axis=1)])
    nearest = (p @ (corners / np.hypot(1, g)).T).max(axis=1)
    return np.asarray(np.clip((nearest - 0.925) * 60, 0, 1))


@family("teddy bear", words=("teddy bear", "teddy", "stuffed bear", "plush bear", "plush toy",
    "stuffed animal"), primary="tan wool", secondary="cream wool", accent="red fabric")  # fmt: skip
def make_teddy(build: Build) -> Model:
    model = build.model()
    bones: list[Ball] = [((0, 0.4, 0), (0, 0.6, 0), 0.42, 0.36)]
    for x in (-1, 1):
        bones += [
            ((x * 0.32, 0.76, 0.03), (x * 0.62, 0.46, 0.2), 0.15, 0.14),
            ((x * 0.24, 0.2, 0.15), (x * 0.38, 0.16, 0.58), 0.19, 0.17),
        ]
    model.add("primary", blend(bones, softness=0.05, cells=46), part="body")
    model.add("secondary", ellipsoid(0.27, 0.31, 0.14).moved(y=0.5, z=0.31), part="belly")
    model.add(
        "secondary", pair(ellipsoid(0.13, 0.14, 0.05).turned("y", 12).moved(0.4, 0.17, 0.73)), part="foot"
    )
    model.add("primary", ellipsoid(0.43, 0.39, 0.38).moved(y=1.16, z=0.05), part="head")
    model.add("primary", round_ears((0.34, 1.47, 0.02), 0.16, thickness=0.55), part="ear")
    model.add("secondary", round_ears((0.34, 1.46, 0.08), 0.1, thickness=0.4))
    model.add("secondary", ellipsoid(0.18, 0.14, 0.15).moved(y=1.06, z=0.38), part="muzzle")
    model.add("ebony plastic", ellipsoid(0.065, 0.045, 0.05).moved(y=1.13, z=0.51), part="nose")
    model.add("ebony plastic", pair(sphere(0.05).moved(0.15, 1.22, 0.38)), part="eye")
    model.add("white light", pair(sphere(0.014).moved(0.16, 1.24, 0.425)))
    model.add(
        "ebony plastic",
        tube([(-0.07, 1.0, 0.5), (0, 0.98, 0.525), (0.07, 1.0, 0.5)], 0.012),
        capsule((0, 1.09, 0.53), (0, 0.98, 0.525), 0.01),
    )
    bow = ellipsoid(0.15, 0.1, 0.06).turned("z", 18).moved(0.15, 0.86, 0.38)
    model.add("accent", pair(bow), sphere(0.065).moved(y=0.86, z=0.4), part="bow")
    model.anchor("head_top", (0, 1.5, 0.05), size=0.6)
    model.anchor("eyes", (0, 1.22, 0.42), size=0.6)
    model.anchor("neck", (0, 0.86, 0.05), size=0.55)
    model.anchor("hand_right", (-0.64, 0.44, 0.26), size=0.13)
    model.anchor("back", (0, 0.6, -0.36), size=0.6)
    return model


@family(
    "snowman", words=("snowman", "snow man"), primary="snow", secondary="red wool", accent="orange leather"
)
def make_snowman(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        ellipsoid(0.56, 0.5, 0.56).moved(y=0.45),
        sphere(0.41).moved(y=1.14),
        sphere(0.31).moved(y=1.7),
        part="body",
    )
    coal = [sphere(0.05).moved(y=y, z=z) for y, z in ((1.3, 0.37), (1.12, 0.41), (0.95, 0.37), (0.62, 0.52))]
    model.add("ebony rubber", *coal, part="button")
    model.add("ebony rubber", pair(sphere(0.045).moved(0.11, 1.78, 0.275)), part="eye")
    mouth = [
        sphere(0.025).moved(0.14 * np.sin(t), 1.68 - 0.1 * np.cos(t), 0.29 - 0.04 * abs(t))
        for t in np.linspace(-1.1, 1.1, 6)
    ]
    model.add("ebony rubber", *mouth, part="mouth")
    model.add("accent", cone(0.065, 0.42).turned("x", 90).moved(y=1.7, z=0.46), part="nose")
    for side in (-1, 1):
        arm = [(0.34 * side, 1.2, 0), (0.66 * side, 1.38, 0.06), (0.98 * side, 1.62, 0.08)]
        model.add(
            "brown bark",
            tube(arm, [0.04, 0.034, 0.024]),
            capsule((0.82 * side, 1.5, 0.07), (1.02 * side, 1.46, 0.14), 0.02),
            capsule((0.84 * side, 1.52, 0.07), (0.84 * side, 1.74, 0.02), 0.02),
            part="arm",
        )
    if not build.has("bare"):
        model.add(
            "secondary",
            torus(0.29, 0.09).moved(y=1.47),
            box(0.17, 0.44, 0.07, bevel=0.03).turned("z", 10).turned("x", -8).moved(0.16, 1.24, 0.4),
            part="scarf",
        )
        model.add(
            "charcoal fabric",
            cylinder(0.4, 0.05, bevel=0.02).moved(y=1.95),
            cylinder(0.26, 0.36, bevel=0.02).moved(y=2.14),
            part="hat",
        )
        model.add("secondary", cylinder(0.268, 0.08).moved(y=2.02), part="band")
    model.anchor("head_top", (0, 1.96, 0), size=0.55)
    model.anchor("eyes", (0, 1.78, 0.3), size=0.5)
    model.anchor("neck", (0, 1.47, 0), size=0.6)
    model.anchor("hand_right", (-0.98, 1.62, 0.08), size=0.06)
    return model


@family(
    "kite",
    words=("kite", "paper kite"),
    primary="red fabric",
    secondary="yellow fabric",
    accent="azure fabric",
)
def make_kite(build: Build) -> Model:
    model = build.model()
    corners = [(0, 1.0), (0.62, 0.3), (0, -0.9), (-0.62, 0.3)]
    edges = [np.linspace(corners[k], corners[(k + 1) % 4], 14, endpoint=False) for k in range(4)]
    sail = lens(np.concatenate(edges), 0.06, smooth=False)
    model.add(
        "primary",
        sail,
        part="sail",
        fade=("secondary", lambda p: np.clip(p[:, 0] * (p[:, 1] - 0.3) * 900, 0, 1)),
    )
    model.add(
        "brown wood",
        capsule((0, 1.0, -0.04), (0, -0.9, -0.04), 0.022),
        capsule((-0.62, 0.3, -0.04), (0.62, 0.3, -0.04), 0.022),
        part="frame",
    )
    t = np.linspace(0, 1, 30)
    tail = np.stack([0.22 * np.sin(8 * t) * t, -0.9 - 1.0 * t, 0.12 * np.sin(5 * t)], axis=1)
    model.add("white fabric", tube(tail, 0.014), part="string")
    for k, role in zip((7, 14, 21, 28), ("accent", "secondary", "accent", "secondary"), strict=True):
        model.add(
            role,
            pair(cone(0.1, 0.18).turned("z", 90).moved(x=0.09)).turned("y", 40 * k).at(tail[k]),
            part="bow",
        )
    return model


@family(
    "rocking horse",
    words=("rocking horse", "toy horse", "hobby horse"),
    primary="tan wood",
    secondary="red wood",
    accent="brown wool",
)
def make_rocking_horse(build: Build) -> Model:
    model = build.model()
    hull = body(
        [
            (-0.55, 0.92, 0.1, 0.14),
            (-0.4, 0.94, 0.22, 0.25),
            (0, 0.9, 0.21, 0.22),
            (0.4, 0.93, 0.22, 0.25),
            (0.55, 0.95, 0.1, 0.14),
        ]
    )
    neck: list[Ball] = [
        ((0, 1.0, 0.45), (0, 1.45, 0.68), 0.2, 0.14),
        ((0, 1.5, 0.7), (0, 1.32, 1.02), 0.15, 0.1),
    ]
    model.add("primary", hull, blend(neck, softness=0.05, cells=36), part="body")
    model.add("primary", pair(cone(0.05, 0.18).moved(0.08, 1.69, 0.66)), part="ear")
    for z, foot in ((0.36, 0.62), (-0.36, -0.62)):
        model.add("primary", pair(capsule((0.15, 0.85, z), (0.25, 0.22, foot), 0.095, 0.06)), part="leg")
    a = np.linspace(-0.62, 0.62, 21)
    rocker = np.stack([0.27 + 0 * a, 2.0 - 1.9 * np.cos(a), 1.9 * np.sin(a)], axis=1)
    model.add(
        "secondary",
        pair(tube(rocker, 0.06)),
        *(capsule((-0.27, 0.16, z), (0.27, 0.16, z), 0.04) for z in (-0.6, 0.6)),
        part="rocker",
    )
    model.add("secondary", ellipsoid(0.24, 0.1, 0.24).moved(y=1.13), part="saddle")
    mane = [
        sphere(0.085).at(p)
        for p in curve(np.array([(0, 1.66, 0.72), (0, 1.55, 0.52), (0, 1.3, 0.4), (0, 1.12, 0.32)]), 9)
    ]
    model.add(
        "accent",
        *mane,
        tube([(0, 1.0, -0.55), (0, 0.95, -0.8), (0, 0.55, -0.88)], [0.07, 0.1, 0.02]),
        part="mane",
    )
    add_eyes(model, (0.12, 1.5, 0.82), 0.045, iris="brown paint")
    model.add(
        "secondary",
        capsule((-0.3, 1.38, 0.62), (0.3, 1.38, 0.62), 0.035),
        torus(0.125, 0.022).turned("x", 55).moved(y=1.38, z=0.9),
        part="handle",
    )
    model.anchor("head_top", (0, 1.66, 0.68), size=0.3)
    model.anchor("top", (0, 1.18, 0), size=0.5)
    return model


@family(
    "spinning top",
    words=("spinning top", "toy top", "humming top"),
    primary="red wood",
    secondary="yellow wood",
    accent="azure wood",
)
def make_spinning_top(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        lathe(
            [
                (0, 0),
                (0.05, 0.03),
                (0.08, 0.14),
                (0.5, 0.52),
                (0.62, 0.72),
                (0.5, 0.86),
                (0.14, 0.98),
                (0, 1.0),
            ]
        ),
        part="body",
        fade=("secondary", lambda p: np.sin(p[:, 1] * 24) * 8),
    )
    model.add(
        "accent",
        cylinder(0.07, 0.5, bevel=0.03).moved(y=1.15),
        sphere(0.11).moved(y=1.42),
        torus(0.61, 0.03).moved(y=0.72),
        part="handle",
    )
    return model
