"""Cats, sitting."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.anatomy import add_eyes, ears, whiskers
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, ellipsoid, pair
from subnet17.procedural.sweeps import Ball, blend, capsule, tube

COATS = (
    ("ginger fur", "cream fur", "auburn fur"),
    ("ash fur", "white fur", "charcoal fur"),
    ("tan fur", "cream fur", "brown fur"),
)
"""(primary, secondary, accent) of common cats."""


@family("cat", words=("cat", "kitten", "kitty", "house cat", "tabby cat"), primary="ginger fur",
        secondary="cream fur", accent="auburn fur")  # fmt: skip
def make_cat(build: Build) -> Model:
    primary, secondary, accent = build.pick(COATS)
    model = build.model(primary=primary, secondary=secondary, accent=accent)
    big_head = 1.22 if build.has("cute", "kitten", "baby", "adorable", "chibi", "kawaii") else 1.0
    _add_body(model)
    _add_head(model, big_head)
    model.anchor("neck", (0, 1.08, 0.12), size=0.5)
    model.anchor("back", (0, 0.75, -0.28), size=0.6)
    model.anchor("torso", (0, 0.7, 0.05), size=0.7)
    model.anchor("hand_right", (-0.2, 0.2, 0.45), size=0.12)
    return model


def _stripes(points: Array) -> Array:
    band = np.sin(points[:, 1] * 30 + 5 * np.abs(points[:, 0]) + 2 * np.sin(points[:, 2] * 6))
    back = np.clip(0.9 - 2.2 * (points[:, 2] - 0.02), 0, 1)
    return np.asarray(np.clip(band * 3 - 0.6, 0, 1) * back * 0.85)


def _add_body(model: Model) -> None:
    bones: list[Ball] = [
        ((0, 0.42, -0.12), (0, 0.95, 0.1), 0.37, 0.25), ((0, 0.36, -0.12), 0.4), ((0, 0.72, 0.13), 0.26),
    ]  # fmt: skip
    for x in (-1, 1):
        bones += [
            ((x * 0.15, 0.72, 0.22), (x * 0.15, 0.1, 0.34), 0.125, 0.095),
            ((x * 0.15, 0.075, 0.41), 0.1),
            ((x * 0.28, 0.28, 0.0), 0.22),
            ((x * 0.31, 0.075, 0.08), (x * 0.31, 0.075, 0.36), 0.1, 0.09),
        ]
    model.add("primary", blend(bones, softness=0.06, cells=54), part="body", fade=("accent", _stripes))
    model.add("secondary", ellipsoid(0.19, 0.3, 0.14).turned("x", -8).moved(y=0.8, z=0.27), part="belly")
    model.add("secondary", pair(ellipsoid(0.105, 0.075, 0.13).moved(0.15, 0.075, 0.42)), part="foot")
    model.add("secondary", pair(ellipsoid(0.1, 0.07, 0.12).moved(0.31, 0.07, 0.4)), part="foot")
    tail = [(0, 0.14, -0.45), (0.35, 0.1, -0.5), (0.62, 0.1, -0.2), (0.6, 0.14, 0.2), (0.5, 0.3, 0.36)]
    model.add("primary", tube(tail, [0.1, 0.1, 0.095, 0.09, 0.08]), part="tail", fade=("accent", _tip))


def _tip(points: Array) -> Array:
    return np.asarray(np.clip((points[:, 2] - 0.12) * 8, 0, 1))


def _brow(points: Array) -> Array:
    lines = np.clip(np.sin(points[:, 0] * 48 + np.pi / 2) * 3 - 0.8, 0, 1)
    return np.asarray(lines * np.clip((points[:, 1] - 0.14) * 12, 0, 1) * 0.85)


def _add_head(model: Model, scale: float) -> None:
    head = Model(model.roles)
    skull = blend(
        [((0, 0, 0), 0.33), ((0.14, -0.08, 0.06), 0.22), ((-0.14, -0.08, 0.06), 0.22)],
        softness=0.06,
        cells=34,
    )
    head.add("primary", skull, part="head", fade=("accent", _brow))
    head.add("primary", ears((0.2, 0.18, 0.0), (0.26, 0.36, 0.16), 20), part="ear")
    head.add("pink skin", ears((0.2, 0.19, 0.045), (0.17, 0.25, 0.1), 20))
    head.add("secondary", pair(ellipsoid(0.105, 0.08, 0.09).moved(0.075, -0.12, 0.27)), part="muzzle")
    head.add("secondary", ellipsoid(0.08, 0.06, 0.07).moved(y=-0.19, z=0.25))
    head.add("rose skin", ellipsoid(0.042, 0.03, 0.03).moved(y=-0.055, z=0.355))
    head.add("white plastic", whiskers((0.1, -0.12, 0.3), 0.3, 0.006))
    head.add("black plastic", capsule((0, -0.09, 0.352), (0, -0.14, 0.352), 0.008))
    add_eyes(head, (0.135, 0.045, 0.235), 0.088, iris="lime paint", slit=True)
    placed = head.placed((0, 1.16 + 0.22 * scale, 0.2), scale=scale)
    model.include(placed)
    centre = np.array([0, 1.16 + 0.22 * scale, 0.2])
    model.anchor("head_top", centre + np.array([0, 0.25, -0.02]) * scale, size=0.5 * scale)
    model.anchor("eyes", centre + np.array([0, 0.045, 0.31]) * scale, size=0.52 * scale)
