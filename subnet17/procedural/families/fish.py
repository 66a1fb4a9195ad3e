"""Fish."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.anatomy import add_eyes
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, pair
from subnet17.procedural.sweeps import body, extrude, tube


@family("fish", words=("fish", "goldfish", "clownfish", "koi", "tropical fish"), primary="orange scales",
        secondary="white scales", accent="scarlet scales")  # fmt: skip
def make_fish(build: Build) -> Model:
    model = build.model()
    hull = body([(-0.95, 0.03, 0.03, 0.06), (-0.6, 0.0, 0.1, 0.16), (0.0, 0.0, 0.27, 0.4),
                 (0.45, 0.0, 0.25, 0.36), (0.75, -0.02, 0.14, 0.2), (0.9, -0.03, 0.04, 0.06)])  # fmt: skip
    model.add("primary", hull, part="body", fade=("secondary", _bands))
    _add_fins(model)
    add_eyes(model, (0.2, 0.09, 0.58), 0.075, iris="white paint")
    mouth = tube([(-0.1, -0.1, 0.8), (0, -0.07, 0.88), (0.1, -0.1, 0.8)], 0.014)
    model.add("charcoal skin", mouth, part="mouth")
    model.anchor("head_top", (0, 0.33, 0.45), size=0.4)
    model.anchor("eyes", (0, 0.09, 0.82), size=0.45)
    return model


def _bands(p: Array) -> Array:
    return np.asarray(np.clip(np.sin(p[:, 2] * 9 + 1.2) * 6 - 2.5, 0, 1))


def _add_fins(model: Model) -> None:
    tail = _fin(
        [(0, 0.1), (0.2, 0.18), (0.55, 0.45), (0.42, 0.0), (0.55, -0.45), (0.2, -0.18), (0, -0.1)], 0.05
    )
    model.add("accent", tail.turned("y", 90).moved(z=-0.85), part="tail")
    top = _fin([(-0.35, 0), (0.3, 0), (0.05, 0.3), (-0.38, 0.34)], 0.06).turned("y", -90).moved(y=0.34)
    low = _fin([(-0.15, 0), (0.1, 0), (-0.1, -0.2), (-0.25, -0.2)], 0.06).turned("y", -90).moved(y=-0.34)
    model.add("accent", top, low, part="fin")
    side = _fin([(0, 0), (0.34, -0.28), (0.4, -0.05), (0.12, 0.12)], 0.04)
    model.add("accent", pair(side.turned("y", 35).moved(0.22, -0.08, 0.25)), part="fin")


def _fin(outline: list[tuple[float, float]], thickness: float) -> Shape:
    return extrude(outline, thickness, taper=0.85)
