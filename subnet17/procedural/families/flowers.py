"""Single flowers on a stem, and bunches of them."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, ellipsoid, join, ring, scatter, sphere
from subnet17.procedural.sheets import leaf
from subnet17.procedural.sweeps import cone, cylinder, lathe, tube

STEM = [(0, 0, 0), (0.03, 0.45, 0.0), (-0.01, 0.95, 0.02), (0, 1.4, 0.06)]


def _stalk(model: Model, *, leaves: int = 3, width: float = 0.24) -> None:
    """A green stem from the ground to y = 1.4, with leaves."""
    model.add("secondary", tube(STEM, [0.045, 0.04, 0.038, 0.04]), part="stem")
    blades = [
        leaf(0.55, width, bend_deg=70).turned("x", 38).turned("y", 130 * k + 40).moved(y=0.28 + 0.28 * k)
        for k in range(leaves)
    ]
    model.add("secondary", *blades, part="leaf")
    model.anchor("grip", (0.02, 0.4, 0), size=0.09)
    model.anchor("head_top", (0, 1.5, 0.06), size=0.5)
    model.anchor("eyes", (0, 1.45, 0.2), size=0.5)


def _facing(head: Shape, tilt_deg: float) -> Shape:
    """A flower head that opened along +Y, tilted forward on top of the stem."""
    return head.turned("x", tilt_deg).moved(y=1.42, z=0.07)


@family("flower", words=("flower", "daisy", "wildflower", "camomile", "blossom"),
    primary="pink petal", secondary="green leaves", accent="yellow petal")  # fmt: skip
def make_flower(build: Build) -> Model:
    daisy = build.has("daisy", "camomile")
    model = build.model(primary="white petal" if daisy else "pink petal")
    _stalk(model)
    count, width = (16, 0.15) if daisy else (7, 0.36)
    petal = leaf(0.5, width, bend_deg=35, fold=0.08, widest=0.6).turned("x", 62).moved(z=0.08)
    model.add("primary", _facing(ring(petal, count), 38), part="petal")
    model.add(
        "primary",
        _facing(ring(petal.scaled(0.9).turned("y", 180 / count).moved(y=0.03), count), 38),
        part="petal",
    )
    model.add("accent", _facing(ellipsoid(0.17, 0.1, 0.17).moved(y=0.03), 38), part="centre")
    model.add("secondary", _facing(cone(0.13, 0.16).turned("x", 180).moved(y=-0.05), 38))
    return model


@family(
    "sunflower",
    words=("sunflower",),
    primary="yellow petal",
    secondary="green leaves",
    accent="chocolate rubber",
)
def make_sunflower(build: Build) -> Model:
    model = build.model()
    _stalk(model, width=0.34)
    petal = leaf(0.4, 0.15, bend_deg=30, fold=0.1, widest=0.4).turned("x", 72).moved(z=0.26)
    model.add("primary", _facing(ring(petal, 19), 52), part="petal")
    model.add(
        "primary",
        _facing(ring(petal.scaled(0.92).turned("y", 9.5).moved(y=0.03), 19), 52),
        part="petal",
        fade=("amber petal", lambda p: 0.5 + 0 * p[:, 0]),
    )
    model.add("accent", _facing(ellipsoid(0.32, 0.1, 0.32), 52), part="centre")
    k = np.arange(150)
    r, a = 0.3 * np.sqrt(k / 150), np.deg2rad(137.508) * k
    seeds = np.stack([r * np.sin(a), 0.1 * np.sqrt(1 - (r / 0.32) ** 2), r * np.cos(a)], axis=1)
    bead = lathe([(0, -0.6), (1.0, 0), (0, 0.6)], smooth=False, sides=6).scaled(0.014)
    model.add("chestnut rubber", _facing(scatter(bead, seeds), 52))
    model.add(
        "secondary",
        _facing(ring(leaf(0.24, 0.14, bend_deg=20).turned("x", 75).moved(y=-0.05, z=0.16), 11), 52),
    )
    model.add("secondary", _facing(ellipsoid(0.26, 0.07, 0.26).moved(y=-0.06), 52))
    return model


@family(
    "rose", words=("rose", "red rose", "enchanted rose"), primary="crimson petal", secondary="green leaves"
)
def make_rose(build: Build) -> Model:
    model = build.model(primary="crimson petal")
    _stalk(model)
    petals = []
    for k in range(17):
        share = k / 16
        size = 0.2 + 0.2 * share
        petal = leaf(size * 1.12, size * 1.25, bend_deg=10 + 75 * share, fold=0.42, widest=0.62)
        petals.append(
            petal.turned("x", -14 + 52 * share)
            .moved(y=0.03 - 0.03 * share, z=0.02 + 0.07 * share)
            .turned("y", 137.5 * k)
        )
    model.add(
        "primary",
        _facing(join(petals).scaled(1.2), 12),
        part="petal",
    )
    model.add("primary", _facing(ellipsoid(0.13, 0.2, 0.13).moved(y=0.2), 12), part="petal")
    model.add("secondary", _facing(ring(leaf(0.3, 0.11, bend_deg=60).turned("x", 60), 5), 12))
    model.add("secondary", _facing(ellipsoid(0.1, 0.09, 0.1), 12))
    thorns = np.array([[0.04, 0.3, 0.03], [0.0, 0.55, -0.04], [-0.03, 0.8, 0.03], [0.03, 1.05, 0.02]])
    model.add(
        "secondary",
        scatter(cone(0.02, 0.09, sides=6), thorns, directions=thorns * [6, 0.2, 6] + [0, 0.1, 0]),
        part="thorn",
    )
    return model


@family("tulip", words=("tulip", "crocus"), primary="red petal", secondary="green leaves")
def make_tulip(build: Build) -> Model:
    model = build.model(primary=build.pick(("red petal", "yellow petal", "violet petal")))
    model.add("secondary", tube(STEM, [0.05, 0.045, 0.042, 0.045]), part="stem")
    blade = leaf(1.05, 0.26, bend_deg=40, fold=0.5, widest=0.4).turned("x", 8)
    model.add(
        "secondary",
        blade,
        blade.turned("y", 150).scaled(0.9),
        blade.turned("y", 260).scaled(0.75),
        part="leaf",
    )
    petal = leaf(0.62, 0.42, bend_deg=-28, fold=0.4, widest=0.45).turned("x", 24).moved(z=0.03)
    cup = [ring(petal, 3), ring(petal.scaled(0.97).turned("y", 60), 3)]
    model.add("primary", *(_facing(c, 5) for c in cup), part="petal")
    model.add("primary", _facing(ellipsoid(0.19, 0.26, 0.19).moved(y=0.22), 5), part="petal")
    model.anchor("grip", (0.02, 0.4, 0), size=0.1)
    return model


@family(
    "bouquet",
    words=("bouquet", "bunch of flowers"),
    primary="pink petal",
    secondary="violet petal",
    accent="white paper",
)
def make_bouquet(build: Build) -> Model:
    model = build.model()
    k = np.arange(19)
    r, a = 0.5 * np.sqrt((k + 0.3) / 19), np.deg2rad(137.5) * k
    places = np.stack([1.1 * r * np.sin(a), 1.16 - 1.1 * r**2, 1.1 * r * np.cos(a)], axis=1)
    away = np.stack([places[:, 0], 0.6 + 0 * r, places[:, 2]], axis=1)
    petal = leaf(0.17, 0.13, bend_deg=30, widest=0.6).turned("x", 55)
    bloom = join([ring(petal, 6), ring(petal.scaled(0.75).turned("y", 30).moved(y=0.03), 6)])
    for i, role in enumerate(("primary", "secondary", "yellow petal")):
        model.add(role, scatter(bloom, places[i::3], directions=away[i::3]), part="flower")
    model.add("lemon petal", scatter(sphere(0.05), places + 0.035 * away), part="centre")
    greens = leaf(0.5, 0.2, bend_deg=35).turned("x", 48)
    model.add("green leaves", ring(greens.moved(y=0.62, z=0.2), 9), part="leaf")
    model.add(
        "accent",
        lathe([(0.13, 0), (0.1, 0.28), (0.3, 0.62), (0.48, 0.84), (0.45, 0.84), (0.25, 0.6)], smooth=False),
        part="wrap",
    )
    model.add("primary", cylinder(0.125, 0.1).moved(y=0.28), part="ribbon")
    model.add(
        "green leaves",
        *(
            tube([(0.4 * x, 0.4, 0.4 * z), (x, -0.22, z)], 0.025)
            for x, z in ((0.06, 0), (-0.05, 0.05), (-0.02, -0.06), (0.03, 0.07))
        ),
    )
    model.anchor("grip", (0, 0.2, 0), size=0.22)
    return model
