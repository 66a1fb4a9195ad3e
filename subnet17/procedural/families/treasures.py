"""Treasures: gems, crystals, coins, rings, gifts."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.noise import Noise
from subnet17.procedural.shapes import (
    Array,
    Shape,
    box,
    pair,
    ring,
    sphere,
    star,
    torus,
)
from subnet17.procedural.sweeps import blend, cylinder, extrude, lathe, tube


@family(
    "gem",
    words=("gem", "diamond", "ruby", "emerald", "sapphire", "gemstone", "jewel", "brilliant"),
    primary="ruby gem",
)
def make_gem(build: Build) -> Model:
    colours = {
        "diamond": "diamond",
        "emerald": "emerald gem",
        "sapphire": "sapphire gem",
        "brilliant": "diamond",
    }
    model = build.model(primary=colours.get(build.word, "ruby gem"))
    a, half = np.arange(8) * np.pi / 4, np.pi / 8
    girdle = np.stack([np.sin(a), 0 * a, np.cos(a)], axis=1)
    table = 0.56 * np.stack([np.sin(a + half), 0 * a, np.cos(a + half)], axis=1) + [0, 0.36, 0]
    keel = np.array([0.0, -0.95, 0.0])
    faces = []
    for k in range(8):
        n = (k + 1) % 8
        faces += [
            (girdle[k], girdle[n], table[k]),
            (girdle[n], table[n], table[k]),
            (keel, girdle[n], girdle[k]),
        ]
        faces.append((table[k], table[n], np.array([0.0, 0.36, 0.0])))
    corners = np.array(faces).reshape(-1, 3)
    model.add("primary", Shape(corners, np.arange(len(corners)).reshape(-1, 3)), part="gem")
    return model.placed((0, 0.95, 0))


@family(
    "crystal",
    words=("crystal", "crystal cluster", "magic crystal", "quartz cluster", "geode"),
    primary="violet crystal",
    secondary="slate stone",
)
def make_crystal(build: Build) -> Model:
    model = build.model()
    model.add(
        "secondary",
        blend(
            [
                ((0, 0.05, 0), 0.45),
                ((0.35, 0.02, 0.1), 0.25),
                ((-0.3, 0.02, -0.15), 0.3),
                ((0, 0, 0.38), 0.22),
            ],
            softness=0.08,
            cells=30,
        ).scaled(1, 0.6, 1),
        part="base",
    )
    for k in range(12):
        tall = build.vary(1.5 if k == 0 else 0.95 if k < 5 else 0.62, 0.15)
        r = 0.2 if k == 0 else 0.135 if k < 5 else 0.1
        spike = lathe(
            [(0.6 * r, 0), (r, 0.62 * tall), (0.95 * r, 0.78 * tall), (0, tall)], smooth=False, sides=6
        )
        lean, turn = (4.0, 0.0) if k == 0 else (24.0 + 26.0 * (k >= 5), 137.5 * k)
        model.add(
            "primary",
            spike.turned("y", 20 * k).turned("x", lean).turned("y", turn).moved(y=0.1),
            part="crystal",
        )
    model.anchor("grip", (0, 0.1, 0), size=0.6)
    return model


@family("crystal ball", words=("crystal ball", "magic ball", "orb", "magic orb", "snow globe"),
    primary="azure glass", secondary="golden metal", accent="brown wood", light="lavender light")  # fmt: skip
def make_crystal_ball(build: Build) -> Model:
    model = build.model()
    snow = build.has("snow")
    model.add("primary", sphere(0.6).moved(y=0.95), part="ball", fade=("lavender crystal", _mist))
    if snow:
        model.add("snow", lathe([(0.2, 0.5), (0.55, 0.72), (0.595, 0.86), (0.607, 0.95)]), part="snow")
    model.add(
        "secondary",
        torus(0.42, 0.07).moved(y=0.5),
        ring(
            tube(
                [(0, 0.02, 0.6), (0, 0.2, 0.46), (0, 0.42, 0.38), (0, 0.62, 0.55)], [0.07, 0.06, 0.07, 0.03]
            ),
            5,
        ),
        part="stand",
    )
    model.add(
        "accent", lathe([(0, 0), (0.62, 0), (0.6, 0.09), (0.4, 0.14), (0, 0.14)], smooth=False), part="base"
    )
    model.anchor("grip", (0, 0.1, 0), size=0.8)
    return model


def _mist(p: Array) -> Array:
    return np.asarray(np.clip((Noise(4).cloudy(p, 2.6) - 0.45) * 6, 0, 0.9))


@family(
    "coin", words=("coin", "coins", "gold coin", "medal", "medallion"), primary="gold", secondary="amber gold"
)
def make_coin(build: Build) -> Model:
    model = build.model()
    if build.has("coins"):
        for k in range(46):
            r, a = 0.8 * np.sqrt(k / 46), 2.4 * k
            y = 0.5 * (1 - (k / 46)) + 0.05
            coin = (
                cylinder(0.24, 0.06, bevel=0.02)
                .turned("x", build.rng.normal(0, 14))
                .turned("z", build.rng.normal(0, 14))
            )
            model.add("primary", coin.moved(r * np.sin(a), y, r * np.cos(a)), part="coin")
        model.add("secondary", lathe([(0.8, 0), (0.5, 0.2), (0, 0.46)]), part="coin")
        model.anchor("top", (0, 0.5, 0), size=1.0)
        return model
    coin = cylinder(0.7, 0.13, bevel=0.03).turned("x", 90)
    model.add("primary", coin, torus(0.64, 0.06).turned("x", 90).scaled(1, 1, 1.5), part="coin")
    emblem = extrude(star(5, 0.4, 0.17), 0.2)
    model.add("secondary", emblem, part="emblem")
    dots = ring(sphere(0.03).moved(y=0.54, z=0.07), 24, axis="z")
    model.add("secondary", dots, dots.scaled(1, 1, -1))
    if build.has("medal", "medallion"):
        model.add(
            "red fabric",
            *(box(0.24, 1.0, 0.03).turned("z", t).moved(-0.012 * t, 1.1) for t in (-18, 18)),
            part="ribbon",
        )
    return model


@family(
    "ring",
    words=("ring", "diamond ring", "wedding ring", "engagement ring", "finger ring"),
    primary="gold",
    secondary="diamond",
)
def make_ring(build: Build) -> Model:
    model = build.model()
    model.add("primary", torus(0.55, 0.09).turned("x", 90).scaled(1, 1, 1.25), part="band")
    if not build.has("wedding"):
        gem = lathe([(0, -0.26), (0.3, 0.06), (0.19, 0.19), (0, 0.19)], smooth=False, sides=8)
        model.add("secondary", gem.moved(y=0.88), part="gem")
        model.add("secondary", pair(sphere(0.07).moved(0.3, 0.57)), part="gem")
        claw = tube([(0, 0.58, 0.06), (0, 0.72, 0.2), (0, 0.95, 0.28), (0, 1.0, 0.24)], 0.032)
        model.add("primary", ring(claw, 4), torus(0.17, 0.035).moved(y=0.74), part="setting")
    return model


@family(
    "gift",
    words=("gift", "present", "gift box", "christmas present", "parcel", "cardboard box", "box"),
    primary="red paper",
    secondary="golden fabric",
)
def make_gift(build: Build) -> Model:
    plain = build.has("cardboard", "parcel") or build.word == "box"
    model = build.model(primary="tan cardboard", secondary="cream straw") if plain else build.model()
    model.add("primary", box(1.1, 0.85, 1.1, bevel=0.02).moved(y=0.43), part="box")
    model.add("primary", box(1.18, 0.22, 1.18, bevel=0.025).moved(y=0.87), part="lid")
    wide = 0.05 if plain else 0.18
    for turn in (0, 90):
        model.add(
            "secondary",
            box(wide, 0.87, 1.13, bevel=0.008).turned("y", turn).moved(y=0.43),
            box(wide, 0.235, 1.2, bevel=0.008).turned("y", turn).moved(y=0.875),
            part="ribbon",
        )
    loop = (
        torus(0.2, 0.07 if not plain else 0.03)
        .turned("x", 90)
        .scaled(1.25, 0.8, 1)
        .moved(0.24, 0.14)
        .turned("z", 12)
        .moved(y=0.98)
    )
    model.add(
        "secondary",
        pair(loop),
        pair(loop).turned("y", 90).scaled(0.85),
        sphere(0.1).moved(y=1.03),
        part="bow",
    )
    model.anchor("top", (0, 0.98, 0), size=1.1)
    model.anchor("inside", (0, 0.9, 0), size=1.0)
    return model
