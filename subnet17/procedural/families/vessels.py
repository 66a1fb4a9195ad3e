"""Things to keep things in: barrel, chest, bucket, basket, crate, bag."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import (
    Array,
    Shape,
    box,
    ellipsoid,
    grid,
    join,
    pair,
    ring,
    scatter,
    sphere,
    torus,
)
from subnet17.procedural.sweeps import capsule, cylinder, lathe, tube


@family(
    "barrel",
    words=("barrel", "keg", "wooden barrel", "cask", "rum barrel"),
    primary="brown wood",
    secondary="iron",
)
def make_barrel(build: Build) -> Model:
    model = build.model()
    a = np.linspace(0, 2 * np.pi, 160, endpoint=False)[None]
    t = np.linspace(0, 1, 26)[:, None]
    r = (0.44 + 0.13 * np.sin(np.pi * t)) * (1 - 0.022 * (np.abs(np.sin(8 * a)) < 0.12))
    model.add("primary", grid(np.stack([r * np.sin(a), 1.3 * t + 0 * a, r * np.cos(a)], axis=-1),
        close_columns=True), part="stave", fade=("dark chocolate wood",
        lambda p: np.clip(1 - 8 * np.abs(np.sin(8 * np.arctan2(p[:, 0], p[:, 2]))), 0, 1)))  # fmt: skip
    lids = [cylinder(0.42, 0.04).moved(y=y) for y in (0.06, 1.24)]
    model.add("primary", *lids, part="lid")
    for y in (0.08, 0.36, 0.94, 1.22):
        s = 0.44 + 0.13 * np.sin(np.pi * y / 1.3)
        band = lathe(
            [(s - 0.02, -0.06), (s + 0.025, -0.055), (s + 0.025, 0.055), (s - 0.02, 0.06)], smooth=False
        )
        model.add("secondary", band.moved(y=y), ring(sphere(0.022).moved(z=s + 0.025, y=y), 8), part="hoop")
    model.add("tan wood", cylinder(0.07, 0.08).turned("x", 90).moved(y=0.65, z=0.58), part="cork")
    model.anchor("top", (0, 1.26, 0), size=0.8)
    model.anchor("inside", (0, 1.2, 0), size=0.8)
    return model


@family("chest", words=("treasure chest", "chest", "wooden chest", "loot chest", "pirate chest",
    "coffer"), primary="brown wood", secondary="golden metal", accent="golden metal")  # fmt: skip
def make_chest(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(1.4, 0.6, 0.86, bevel=0.02).moved(y=0.32), part="box")
    model.add("dark chocolate wood", *(box(1.402, 0.014, 0.862).moved(y=y) for y in (0.22, 0.42)))
    opened = 0.0 if build.has("closed") else 48.0
    a = np.linspace(0, np.pi, 25)
    lid_profile = np.stack([0.43 * np.cos(a), 0.36 * np.sin(a)], axis=1)

    def hinge(shape: Shape) -> Shape:
        return shape.moved(z=0.43).turned("x", -opened).moved(y=0.63, z=-0.43)

    model.add("primary", hinge(_vault(lid_profile, 1.4)), part="lid")
    for x in (-0.62, 0.0, 0.62):
        width = 0.14 if x else 0.18
        model.add("secondary", hinge(_vault(lid_profile * 1.045, width).moved(x=x)), part="trim")
        model.add("secondary", box(width, 0.64, 0.9, bevel=0.015).moved(x, 0.32, 0), part="trim")
    model.add(
        "secondary",
        hinge(box(1.44, 0.08, 0.9, bevel=0.015)),
        box(1.44, 0.08, 0.9, bevel=0.015).moved(y=0.04),
        part="trim",
    )
    model.add("accent", box(0.24, 0.26, 0.06, bevel=0.03).moved(y=0.5, z=0.46), part="lock")
    model.add(
        "ebony metal",
        cylinder(0.035, 0.02).turned("x", 90).moved(y=0.53, z=0.495),
        box(0.025, 0.09, 0.02).moved(y=0.47, z=0.495),
    )
    model.add(
        "secondary",
        pair(torus(0.12, 0.028).turned("z", 90).turned("x", 0).moved(0.73, 0.36, 0)),
        part="handle",
    )
    if opened:
        _fill(build, model)
    model.anchor("top", (0, 1.0, 0), size=0.9)
    model.anchor("inside", (0, 0.62, 0.05), size=0.8)
    return model


def _vault(profile: Array, width: float) -> Shape:
    """A half cylinder along X with closed ends and a flat floor."""
    ends = [
        np.column_stack([np.full(len(profile), x), profile[:, 1], profile[:, 0]])
        for x in (-width / 2, width / 2)
    ]
    side = grid(np.stack(ends))
    caps = []
    for rim, step in zip(ends, (1, -1), strict=True):
        middle = np.broadcast_to(rim[[0, -1]].mean(axis=0), rim.shape)
        caps.append(grid(np.stack([rim, middle])[:, ::step]))
    return join([side, *caps, box(width, 0.01, 0.84)])


def _fill(build: Build, model: Model) -> None:
    """Coins and gems heaped in an open chest."""
    n = 90
    x, z = build.rng.uniform(-0.6, 0.6, n), build.rng.uniform(-0.36, 0.36, n)
    y = 0.66 + 0.13 * np.cos(x * 2.2) * np.cos(z * 3.5)
    coin = cylinder(0.075, 0.022, sides=14)
    tilt = build.rng.normal(0, 0.5, (n, 3)) * [1, 0, 1] + [0, 1, 0]
    model.add(
        "golden metal",
        ellipsoid(0.66, 0.16, 0.4).moved(y=0.58),
        scatter(coin, np.stack([x, y, z], axis=1), directions=tilt),
        part="coin",
    )
    gem = lathe([(0, -0.06), (0.06, 0.0), (0.04, 0.04), (0, 0.045)], smooth=False, sides=7)
    for k, paint in enumerate(("ruby gem", "emerald gem", "sapphire gem")):
        at = np.stack([x, y + 0.04, z], axis=1)[k * 4 : k * 4 + 4]
        model.add(paint, scatter(gem, at, directions=tilt[:4], sizes=1.3), part="gem")


@family(
    "bucket",
    words=("bucket", "pail", "wooden bucket", "metal bucket"),
    primary="metal",
    secondary="iron",
    accent="tan wood",
)
def make_bucket(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        lathe([(0, 0.03), (0.4, 0.03), (0.55, 0.9), (0.52, 0.9), (0.38, 0.1), (0, 0.1)], smooth=False),
        part="bucket",
    )
    model.add(
        "secondary",
        torus(0.55, 0.035).moved(y=0.9),
        torus(0.4, 0.03).moved(y=0.03),
        torus(0.475, 0.022).moved(y=0.45),
        part="hoop",
    )
    a = np.linspace(-1, 1, 13) * np.pi / 2
    handle = np.stack([0.58 * np.sin(a), 0.84 + 0.56 * np.cos(a), 0.1 * np.cos(a)], axis=1)
    model.add("secondary", tube(handle, 0.024), pair(sphere(0.06).moved(0.57, 0.84, 0)), part="handle")
    model.add("accent", capsule((-0.14, 1.4, 0.1), (0.14, 1.4, 0.1), 0.05), part="grip")
    model.anchor("grip", (0, 1.4, 0.1), size=0.12)
    model.anchor("inside", (0, 0.8, 0), size=0.95)
    model.anchor("top", (0, 0.9, 0), size=0.9)
    return model


@family(
    "basket",
    words=("basket", "wicker basket", "picnic basket", "hamper"),
    primary="tan straw",
    secondary="brown straw",
)
def make_basket(build: Build) -> Model:
    model = build.model()
    a = np.linspace(0, 2 * np.pi, 168, endpoint=False)[None]
    t = np.linspace(0, 1, 46)[:, None]
    weave = (
        0.024
        * np.sin(14 * a)
        * np.sign(np.sin(t * 9.5 * 2 * np.pi))
        * np.abs(np.sin(t * 9.5 * 2 * np.pi)) ** 0.5
    )
    r = 0.48 + 0.16 * t**0.8 + weave
    outer = grid(
        np.stack([r * np.sin(a), 0.62 * t + 0 * a, 0.85 * r * np.cos(a)], axis=-1), close_columns=True
    )
    model.add("primary", outer, part="basket", fade=("secondary", _weft))
    model.add(
        "secondary",
        lathe([(0, 0.06), (0.44, 0.06), (0.58, 0.62)], smooth=False).scaled(1, 1, 0.85),
        cylinder(0.47, 0.03).scaled(1, 1, 0.85).moved(y=0.02),
    )
    rim = torus(0.645, 0.05).scaled(1, 1, 0.85).moved(y=0.63)
    model.add("secondary", rim, part="rim")
    angle = np.linspace(-1, 1, 15) * np.pi / 2
    for side in (-0.035, 0.035):
        arch = np.stack(
            [0.64 * np.sin(angle), 0.6 + 0.72 * np.cos(angle), side + 0.03 * np.sin(angle * 14 + 40 * side)],
            axis=1,
        )
        model.add("secondary", tube(arch, 0.042), part="handle")
    model.anchor("grip", (0, 1.32, 0), size=0.12)
    model.anchor("inside", (0, 0.55, 0), size=0.95)
    model.anchor("top", (0, 0.62, 0), size=0.95)
    return model


def _weft(p: Array) -> Array:
    around = np.arctan2(p[:, 0], p[:, 2])
    return np.asarray(np.clip(np.sin(p[:, 1] / 0.62 * 9.5 * 2 * np.pi) * np.sin(14 * around) * -3, 0, 0.7))


@family(
    "crate",
    words=("crate", "wooden crate", "wooden box", "cargo crate", "loot crate"),
    primary="tan wood",
    secondary="brown wood",
    accent="iron",
)
def make_crate(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(1.0, 1.0, 1.0), part="plank")
    gaps = ring(join(box(0.9, 0.014, 0.01).moved(y=y, z=0.5) for y in (-0.3, -0.1, 0.1, 0.3)), 4)
    model.add("dark chocolate wood", gaps)
    edge = box(0.13, 1.1, 0.13, bevel=0.02)
    frame = ring(edge.moved(0.49, 0, 0.49), 4)
    model.add("secondary", frame, frame.turned("x", 90), frame.turned("z", 90), part="frame")
    brace = box(0.13, 1.24, 0.06, bevel=0.015).turned("z", 45).moved(z=0.505)
    model.add("secondary", ring(brace, 4), part="frame")
    bolt = ring(sphere(0.032).moved(0.49, 0.49, 0.56), 4)
    model.add("accent", bolt, bolt.turned("x", 180), part="nail")
    model.anchor("top", (0, 0.55, 0), size=1.1)
    return model


@family("bag", words=("bag", "handbag", "purse", "suitcase", "briefcase", "shopping bag", "tote bag",
    "luggage", "satchel"), primary="brown leather", secondary="chestnut leather",
    accent="golden metal")  # fmt: skip
def make_bag(build: Build) -> Model:
    model = build.model()
    stiff = build.has("suitcase", "briefcase", "luggage")
    if stiff:
        model.add("primary", box(1.4, 0.95, 0.42, bevel=0.07).moved(y=0.5), part="bag")
        model.add(
            "secondary",
            *(box(0.13, 0.97, 0.44, bevel=0.05).moved(x, 0.5, 0) for x in (-0.42, 0.42)),
            part="strap",
        )
        corners = [
            box(0.22, 0.22, 0.445, bevel=0.07).moved(x, y, 0) for x in (-0.6, 0.6) for y in (0.13, 0.87)
        ]
        model.add("secondary", *corners, part="corner")
        model.add(
            "accent",
            *(box(0.14, 0.12, 0.05, bevel=0.02).moved(x, 0.86, 0.21) for x in (-0.42, 0.42)),
            part="buckle",
        )
        loop = tube([(-0.2, 0.96, 0), (-0.18, 1.12, 0), (0, 1.15, 0), (0.18, 1.12, 0), (0.2, 0.96, 0)], 0.04)
    else:
        body = lathe([(0, 0), (0.5, 0.02), (0.58, 0.14), (0.52, 0.55), (0.4, 0.82), (0, 0.84)]).scaled(
            1.15, 1, 0.55
        )
        model.add("primary", body, part="bag")
        flap = lathe([(0.57, 0.42), (0.56, 0.52), (0.47, 0.76), (0.3, 0.88), (0, 0.9)]).scaled(1.17, 1, 0.58)
        model.add("secondary", flap, part="lid")
        model.add("accent", box(0.15, 0.15, 0.06, bevel=0.03).moved(y=0.46, z=0.335), part="buckle")
        loop = tube(
            [(-0.42, 0.72, 0), (-0.36, 1.12, 0), (0, 1.32, 0), (0.36, 1.12, 0), (0.42, 0.72, 0)], 0.045
        )
    model.add("secondary", loop, part="handle")
    top = float(loop.bounds()[1, 1])
    model.anchor("grip", (0, top - 0.04, 0), size=0.1)
    model.anchor("inside", (0, 0.8, 0), size=0.7)
    return model
