"""Things that others stand on: pedestals, stands, rocks, plates, skateboards, patches of grass."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, ellipsoid, join, pair, scatter
from subnet17.procedural.sweeps import blend, cone, cylinder, lathe


@family("pedestal", words=("pedestal", "stand", "plinth", "display stand", "podium", "wooden stand",
        "column", "pillar"), primary="marble",
        secondary="marble")  # fmt: skip
def make_pedestal(build: Build) -> Model:
    model = build.model()
    high = 1.6 if build.has("column", "tall") else 0.2
    model.add("secondary", box(1.3, 0.12, 1.3, bevel=0.02).moved(y=0.06), part="base")
    model.add(
        "primary",
        lathe(
            [(0.58, 0.12), (0.58, 0.14), (0.52, 0.17), (0.47, high), (0.55, high + 0.08), (0.55, high + 0.12)]
        ),
        part="shaft",
    )
    model.add("secondary", box(1.2, 0.1, 1.2, bevel=0.02).moved(y=high + 0.16), part="top")
    model.anchor("top", (0, high + 0.21, 0), size=1.25)
    return model


@family("rock", words=("rock", "stone", "boulder", "cliff"), primary="grey stone", secondary="green grass")
def make_rock(build: Build) -> Model:
    model = build.model()
    rng = build.rng
    balls = [
        (tuple(rng.uniform(-1, 1, 3) * [0.45, 0.2, 0.4]), float(rng.uniform(0.25, 0.42))) for _ in range(7)
    ]
    shape = blend([*balls, ((0.0, 0.0, 0.0), 0.5)], softness=0.06)
    facets = np.round(shape.vertices * 7) / 7
    model.add("primary", type(shape)(0.6 * shape.vertices + 0.4 * facets, shape.faces), part="body")
    model.anchor("top", (0, model.bounds()[1, 1] - 0.06, 0), size=0.8)
    return model


@family(
    "plate",
    words=("plate", "saucer plate", "platter", "tray"),
    primary="white porcelain",
    secondary="azure porcelain",
)
def make_plate(build: Build) -> Model:
    model = build.model()
    model.add("primary", lathe([(0, 0), (0.5, 0.0), (0.62, 0.03), (1.0, 0.13), (1.0, 0.16), (0.6, 0.07), (0,
        0.05)]), part="body",
              fade=("secondary", lambda p: np.clip((np.hypot(p[:, 0], p[:, 2]) - 0.9) * 60, 0,
                  1)))  # fmt: skip
    model.anchor("top", (0, 0.05, 0), size=1.15)
    return model


@family(
    "skateboard",
    words=("skateboard", "board", "longboard"),
    primary="red plastic",
    secondary="steel",
    accent="cream rubber",
)
def make_skateboard(build: Build) -> Model:
    model = build.model()
    deck = box(1.9, 0.06, 0.55, bevel=0.028)
    v = deck.vertices * [1, 1, 1]
    v[:, 1] += 0.5 * np.maximum(np.abs(v[:, 0]) - 0.62, 0) ** 1.2
    v[:, 2] *= np.sqrt(np.clip(1 - (np.abs(v[:, 0]) / 1.0) ** 6, 0.2, 1))
    model.add("primary", type(deck)(v, deck.faces).moved(y=0.24), part="deck")
    truck = [
        box(0.12, 0.08, 0.3, bevel=0.02).moved(0.55, 0.18),
        cylinder(0.025, 0.52).turned("x", 90).moved(0.55, 0.11),
    ]
    model.add("secondary", pair(join(truck)), part="truck")
    wheels = [cylinder(0.1, 0.11, bevel=0.03).turned("x", 90).moved(0.55, 0.1, z) for z in (-0.24, 0.24)]
    model.add("accent", pair(join(wheels)), part="wheel")
    model.anchor("top", (0, 0.27, 0), size=1.1)
    return model


@family(
    "grass",
    words=("grass", "lawn", "meadow", "grass patch", "ground"),
    primary="green grass",
    secondary="chocolate earth",
)
def make_grass(build: Build) -> Model:
    model = build.model()
    model.add("secondary", ellipsoid(1.0, 0.16, 1.0).moved(y=-0.06), part="ground")
    model.add("primary", ellipsoid(1.0, 0.08, 1.0).moved(y=0.03), part="body")
    rng = build.rng
    r, a = np.sqrt(rng.uniform(0, 0.9, 420)), rng.uniform(0, 2 * np.pi, 420)
    points = np.stack([r * np.cos(a), 0.06 + 0 * r, r * np.sin(a)], axis=1)
    lean = rng.normal(0, 0.3, (420, 3)) * [1, 0, 1] + np.array([0, 1, 0])
    blade = cone(0.025, 0.22, sides=4).moved(y=0.1)
    model.add(
        "primary", scatter(blade, points, directions=lean, sizes=rng.uniform(0.7, 1.3, 420)), part="body"
    )
    model.anchor("top", (0, 0.08, 0), size=1.5)
    return model
