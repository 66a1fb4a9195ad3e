"""What is baked, matured, rolled and laid: bread, cheese, sushi, eggs."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import (
    Array,
    box,
    ellipsoid,
    join,
    pair,
    ring,
    scatter,
    sphere,
    torus,
)
from subnet17.procedural.sweeps import Ball, blend, cone, curve, cylinder, extrude, lathe, tube


@family(
    "bread",
    words=("bread", "bread loaf", "baguette", "toast", "croissant", "bun"),
    primary="ginger crust",
    secondary="cream crust",
)
def make_bread(build: Build) -> Model:
    model = build.model()
    if build.has("croissant"):
        a = np.deg2rad(np.linspace(-115, 115, 60))
        bump = 0.06 * np.abs(np.sin(np.linspace(0, 7 * np.pi, 60)))
        path = np.stack([0.6 * np.sin(a), 0.24 + 0 * a, -0.6 * np.cos(a)], axis=1)
        model.add(
            "primary", tube(path, 0.28 * np.cos(a / 1.5) ** 0.8 + bump + 0.03, smooth=False), part="crust"
        )
        return model
    if build.has("toast"):
        outline = [
            (-0.5, -0.55),
            (0.5, -0.55),
            (0.52, 0.1),
            (0.62, 0.3),
            (0.5, 0.5),
            (0.2, 0.57),
            (-0.2, 0.57),
            (-0.5, 0.5),
            (-0.62, 0.3),
            (-0.52, 0.1),
        ]
        model.add("primary", extrude(outline, 0.17), part="crust")
        model.add("secondary", extrude(np.array(outline) * 0.9, 0.185), part="crumb")
        return model
    long = 1.05 if build.has("baguette") else 0.62
    thick = 0.2 if build.has("baguette") else 0.36
    balls: list[Ball] = [
        ((0, 0.8 * thick, -long), (0, 0.85 * thick, long), 0.8 * thick, 0.8 * thick),
        ((0, 0.95 * thick, 0), thick),
    ]
    model.add("primary", blend(balls, softness=0.2, cells=50).scaled(1.15, 1, 1), part="crust")
    for z in np.linspace(-0.85, 0.85, 5) * long:
        top = 1.72 * thick + 0.26 * thick * (1 - (z / long) ** 2)
        cut = curve(
            np.array(
                [
                    (-0.55 * thick, top - 0.28 * thick, z - 0.12),
                    (0, top, z),
                    (0.55 * thick, top - 0.28 * thick, z + 0.12),
                ]
            ),
            9,
        )
        model.add("secondary", tube(cut, 0.05, smooth=False), part="cut")
    model.anchor("grip", (0, thick, -0.5 * long), size=2 * thick)
    return model


@family(
    "cheese",
    words=("cheese", "cheese wedge", "swiss cheese", "wedge of cheese"),
    primary="amber cream",
    secondary="mustard cream",
)
def make_cheese(build: Build) -> Model:
    model = build.model()
    a = np.deg2rad(np.linspace(-30, 30, 11))
    arc = np.stack([1.5 * np.sin(a), 1.5 * np.cos(a)], axis=1)
    outline = np.concatenate([[[0.0, 0.0]], arc[::-1]]) - [0, 0.85]
    model.add("primary", extrude(outline, 0.6).turned("x", 90).turned("y", -150).moved(y=0.3), part="cheese")
    rind = tube(
        np.column_stack([arc - [0, 0.85], 0 * a]),
        0.3,
        section=[(1.0, -0.12), (1.0, 0.12), (-1.0, 0.12), (-1.0, -0.12)],
        round_ends=False,
    )
    model.add("secondary", rind.turned("x", 90).turned("y", -150).moved(y=0.3), part="rind")
    holes = [
        (0.0, 0.3, 0.16),
        (0.32, 0.52, 0.1),
        (-0.25, 0.1, 0.12),
        (0.1, -0.25, 0.09),
        (-0.12, 0.5, 0.07),
        (0.4, 0.15, 0.08),
        (-0.42, 0.48, 0.09),
    ]
    top = [ellipsoid(r, 0.02, r).moved(x, 0.3, z) for x, z, r in holes]
    side = [
        ellipsoid(r, r, 0.02).moved(d, y, 0.0)
        for d, y, r in (
            (0.3, 0.1, 0.11),
            (0.62, -0.08, 0.15),
            (0.95, 0.12, 0.1),
            (1.2, -0.1, 0.12),
            (0.85, -0.17, 0.06),
        )
    ]
    walls = [s.moved(x=0).turned("y", y).moved(z=-0.85) for s in side for y in (-60,)]
    walls += [s.scaled(-1, 1, 1).turned("y", 60).moved(z=-0.85) for s in side]
    model.add("ginger cream", join([*top, *walls]).turned("y", -150).moved(y=0.3), part="hole")
    return model


@family(
    "sushi",
    words=("sushi", "sushi roll", "sushi rolls", "maki", "nigiri"),
    primary="coral flesh",
    secondary="white wool",
    accent="ebony leather",
)
def make_sushi(build: Build) -> Model:
    model = build.model()
    model.add(
        "brown wood",
        box(1.9, 0.07, 1.2, bevel=0.02).moved(y=0.14),
        pair(box(0.1, 0.12, 1.0).moved(x=0.7, y=0.06)),
        part="board",
    )
    for k, x in enumerate((-0.6, 0.0, 0.6)):
        model.add("accent", cylinder(0.25, 0.34).moved(x, 0.35, 0.26), part="seaweed")
        model.add("secondary", cylinder(0.225, 0.36).moved(x, 0.35, 0.26), part="rice")
        model.add(
            "primary" if k != 1 else "lime flesh", cylinder(0.1, 0.375).moved(x, 0.35, 0.26), part="filling"
        )
    for x in (-0.45, 0.4):
        model.add("secondary", ellipsoid(0.36, 0.17, 0.2).moved(x, 0.32, -0.28), part="rice")
        top = tube(
            [(x - 0.38, 0.38, -0.28), (x, 0.5, -0.28), (x + 0.38, 0.38, -0.28)],
            0.2,
            section=[(np.cos(a), 0.35 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 20, endpoint=False)],
        )
        model.add(
            "primary",
            top,
            part="fish",
            fade=("peach flesh", lambda p: np.clip(np.sin(p[:, 0] * 40 + p[:, 2] * 20) * 3 - 1.5, 0, 0.9)),
        )
    model.add("lime leather", sphere(0.13).moved(0.82, 0.25, -0.05), part="wasabi")
    return model


@family(
    "egg",
    words=("egg", "easter egg", "dragon egg"),
    primary="cream ceramic",
    secondary="pink ceramic",
    accent="azure ceramic",
)
def make_egg(build: Build) -> Model:
    dragon = build.has("dragon")
    model = build.model(primary="emerald scales") if dragon else build.model()
    profile = np.array([(0, 0), (0.3, 0.06), (0.5, 0.38), (0.52, 0.62), (0.4, 1.02), (0.2, 1.28), (0, 1.34)])
    easter = build.has("easter", "decorated", "painted", "ornate")
    model.add(
        "primary",
        lathe(profile),
        part="shell",
        fade=("secondary", _bands if easter else lambda p: 0 * p[:, 0]),
    )
    if easter:
        dots = ring(sphere(0.05).scaled(1, 1, 0.5).moved(y=0.66, z=0.515), 14)
        model.add("accent", dots, torus(0.47, 0.03).moved(y=0.86), torus(0.48, 0.03).moved(y=0.42))
    if dragon:
        k = np.arange(150)
        y = 0.05 + 1.24 * k / 150
        a = np.deg2rad(137.508) * k
        rows = lathe(profile).vertices
        r = np.interp(
            y, *np.unique(np.round(np.stack([rows[:, 1], np.hypot(rows[:, 0], rows[:, 2])]), 4), axis=1)
        )
        places = np.stack([r * np.sin(a), y, r * np.cos(a)], axis=1)
        out = places * [1, 0, 1] + np.stack([0 * y, 0.6 * (y - 0.75) + 0.25, 0 * y], axis=1)
        model.add("primary", scatter(cone(0.085, 0.12, sides=5), places, directions=out), part="scale")
    return model


def _bands(p: Array) -> Array:
    zig = 0.05 * np.abs(((np.arctan2(p[:, 0], p[:, 2]) * 14 / np.pi) % 2) - 1)
    return np.asarray(np.clip((np.sin((p[:, 1] + zig) * 24) - 0.2) * 6, 0, 1))
