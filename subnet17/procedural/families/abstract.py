"""What is made when the subject isn't known: a totem, crystals, a vessel or a knot, by seed."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, ellipsoid, join, ring, sphere, torus
from subnet17.procedural.sweeps import cylinder, lathe, prism, tube


@family("abstract", words=("abstract object", "abstract sculpture"), primary="teal ceramic",
        secondary="golden metal", accent="orange paint")  # fmt: skip
def make_abstract(build: Build) -> Model:
    model = build.model()
    build.pick((_totem, _crystals, _vessel, _knot))(build, model)
    return model


def _plinth(model: Model) -> None:
    model.add("secondary", cylinder(0.55, 0.12, bevel=0.03).moved(y=0.06))
    model.add("secondary", cylinder(0.42, 0.08, bevel=0.02).moved(y=0.16))


def _totem(build: Build, model: Model) -> None:
    _plinth(model)
    solids = [sphere(0.32), box(0.55, 0.5, 0.55, bevel=0.06), prism(6, 0.34, 0.45), torus(0.26, 0.11), lathe(
        [(0.1, -0.3), (0.4, 0.0), (0.1, 0.3)], smooth=False, sides=8)]  # fmt: skip
    y = 0.2
    for i, k in enumerate(build.rng.permutation(len(solids))[:4]):
        shape = solids[int(k)].scaled(1.0 - 0.12 * i)
        low, high = shape.bounds()[:, 1]
        model.add(("primary", "accent", "primary", "secondary")[i], shape.moved(y=y - low))
        y += high - low - 0.03


def _crystals(build: Build, model: Model) -> None:
    _plinth(model)
    shapes: list[Shape] = []
    for i in range(9):
        height = build.vary(1.4 if i == 0 else 0.7, 0.25)
        gem = lathe([(0, 0), (0.13, 0.05), (0.15, height * 0.75), (0, height)], smooth=False, sides=6)
        lean = 0.0 if i == 0 else float(build.rng.uniform(14, 38))
        shapes.append(gem.turned("x", lean).turned("y", 45.0 * i).moved(y=0.15))
    model.add("primary", join(shapes[::2]))
    model.add("accent", join(shapes[1::2]))


def _vessel(build: Build, model: Model) -> None:
    belly, neck = build.vary(0.5, 0.2), build.vary(0.22, 0.2)
    profile = [
        (0, 0),
        (0.3, 0.0),
        (belly, 0.5),
        (neck, 1.05),
        (0.36, 1.3),
        (0.3, 1.3),
        (neck - 0.05, 1.05),
        (0, 0.9),
    ]
    model.add("primary", lathe(profile))
    model.add("secondary", torus(0.34, 0.04).moved(y=1.29), torus(belly, 0.03).moved(y=0.5))
    model.add("accent", ring(sphere(0.07).moved(x=belly, y=0.5), 10))


def _knot(build: Build, model: Model) -> None:
    _plinth(model)
    t = np.linspace(0, 2 * np.pi, 90)
    p, q = build.pick(((2, 3), (3, 2), (2, 5)))
    r = 0.42 + 0.18 * np.cos(q * t)
    path = np.stack([r * np.cos(p * t), 0.85 + r * np.sin(p * t), 0.22 * np.sin(q * t)], axis=1)
    model.add("primary", tube(path, 0.1, smooth=False, round_ends=False))
    model.add("accent", ellipsoid(0.12, 0.12, 0.12).moved(y=0.85))
