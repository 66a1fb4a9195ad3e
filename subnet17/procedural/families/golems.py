"""Golems: giants of boulders with glowing eyes."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, ellipsoid, pair, sphere
from subnet17.procedural.sweeps import prism

BOULDERS = (
    ("body", (0.0, 1.3, 0.0), (0.62, 0.5, 0.44)), ("body", (0.0, 0.85, 0.02), (0.42, 0.3, 0.34)),
    ("head", (0.0, 1.82, 0.16), (0.27, 0.24, 0.26)),
)  # fmt: skip
LIMBS = (
    ("shoulder", (0.68, 1.55, 0.0), (0.32, 0.28, 0.3)), ("arm", (0.84, 1.18, 0.04), (0.19, 0.24, 0.2)),
    ("arm", (0.9, 0.78, 0.12), (0.26, 0.28, 0.26)), ("hand", (0.9, 0.42, 0.2), (0.24, 0.2, 0.24)),
    ("leg", (0.28, 0.56, 0.0), (0.2, 0.22, 0.2)), ("leg", (0.3, 0.28, 0.02), (0.25, 0.24, 0.25)),
    ("foot", (0.3, 0.1, 0.12), (0.27, 0.14, 0.34)),
)  # fmt: skip
"""(part, centre, half sizes) of the boulders; those of `LIMBS` are on both sides."""


@family("golem", words=("golem", "stone giant", "rock monster", "earth elemental"), primary="grey stone",
        secondary="slate stone", accent="cyan light")  # fmt: skip
def make_golem(build: Build) -> Model:
    model = build.model()
    for part, centre, size in BOULDERS:
        model.add("primary", _boulder(build.rng, size).at(centre), part=part)
    for k, (part, centre, size) in enumerate(LIMBS):
        rock = _boulder(build.rng, size).at(centre)
        model.add("secondary" if k % 2 else "primary", pair(rock), part=part)
    model.add("accent", pair(sphere(0.05).moved(0.1, 1.86, 0.4)), part="eye")
    brow = _boulder(build.rng, (0.3, 0.07, 0.12)).moved(y=1.97, z=0.34)
    model.add("secondary", brow, part="eyebrow")
    core = prism(6, 0.13, 0.1).turned("x", 90).moved(y=1.35, z=0.43)
    model.add("accent", core, part="gem")
    model.anchor("head_top", (0, 2.03, 0.14), size=0.5)
    model.anchor("eyes", (0, 1.86, 0.42), size=0.5)
    model.anchor("neck", (0, 1.65, 0.1), size=0.6)
    model.anchor("hand_right", (-0.9, 0.4, 0.36), size=0.12)
    model.anchor("hand_left", (0.9, 0.4, 0.36), size=0.12)
    return model


def _boulder(rng: np.random.Generator, size: tuple[float, float, float]) -> Shape:
    """A rough stone with these half sizes: a ball cut by planes that lean by chance."""
    ball = ellipsoid(1, 1, 1)
    out = rng.normal(0, 1, (18, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    depth = rng.uniform(0.78, 0.95, 18)
    beyond = (ball.vertices @ out.T) / depth
    flat = ball.vertices / np.maximum(beyond.max(axis=1), 1.0)[:, None]
    return Shape(flat * np.array(size) / 0.93, ball.faces)
