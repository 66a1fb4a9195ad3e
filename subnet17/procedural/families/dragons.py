"""Dragons."""

from __future__ import annotations

import itertools

import numpy as np

from subnet17.procedural.anatomy import add_eyes, ears
from subnet17.procedural.mechanics import cloth
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, ellipsoid, grid, join, pair, scatter
from subnet17.procedural.sweeps import Ball, blend, body, capsule, cone, tube

GARGOYLE = {"primary": "grey stone", "secondary": "ash stone", "accent": "slate stone"}


@family("dragon", words=("dragon", "wyvern", "drake", "gargoyle"), primary="emerald scales",
        secondary="sand scales", accent="maroon leather")  # fmt: skip
def make_dragon(build: Build) -> Model:
    model = build.model(**GARGOYLE) if build.has("gargoyle") else build.model()
    head = 1.4 if build.has("cute", "baby", "chibi", "adorable", "kawaii") else 1.0
    _add_body(model)
    _add_tail(model)
    _add_head(model, head)
    _add_wings(model)
    model.anchor("back", (0, 1.15, -0.1), size=0.9)
    model.anchor("neck", (0, 1.35, 0.58), size=0.42)
    return model


def _belly(p: Array) -> Array:
    front = p[:, 2] - 0.3 - 0.35 * np.maximum(p[:, 1] - 1.1, 0)
    return np.asarray(np.clip(np.maximum((0.48 - p[:, 1]) * 8, front * 6) - 4 * np.abs(p[:, 0]), 0, 1))


def _add_body(model: Model) -> None:
    bones: list[Ball] = [
        ((0, 0.72, -0.4), (0, 0.82, 0.25), 0.32, 0.34),
        ((0, 0.85, 0.3), (0, 1.3, 0.55), 0.28, 0.18),
        ((0, 1.3, 0.55), (0, 1.68, 0.62), 0.18, 0.16),
        ((0, 0.72, -0.4), (0, 0.45, -0.95), 0.3, 0.17),
    ]
    for x in (-1, 1):
        bones += [
            ((x * 0.24, 0.62, -0.42), (x * 0.38, 0.34, -0.3), 0.24, 0.17),
            ((x * 0.38, 0.34, -0.3), (x * 0.38, 0.08, -0.42), 0.14, 0.1),
            ((x * 0.38, 0.08, -0.42), (x * 0.38, 0.07, -0.18), 0.1, 0.1),
            ((x * 0.24, 0.72, 0.3), (x * 0.32, 0.38, 0.36), 0.18, 0.12),
            ((x * 0.32, 0.38, 0.36), (x * 0.32, 0.08, 0.4), 0.12, 0.09),
            ((x * 0.32, 0.07, 0.4), (x * 0.32, 0.07, 0.52), 0.09, 0.08),
        ]
    model.add("primary", blend(bones, softness=0.07, cells=60), part="body", fade=("secondary", _belly))
    claw = cone(0.035, 0.13, sides=8).turned("x", 100)
    claws = [
        claw.moved(x + dx, 0.045, z) for x, z in ((0.38, -0.08), (0.32, 0.62)) for dx in (-0.06, 0.0, 0.06)
    ]
    model.add("ivory bone", pair(join(claws)), part="claw")


def _add_tail(model: Model) -> None:
    path = [(0, 0.5, -0.85), (0.05, 0.22, -1.3), (0.3, 0.1, -1.65), (0.65, 0.16, -1.75), (0.9, 0.35, -1.6)]
    model.add("primary", tube(path, [0.2, 0.15, 0.1, 0.065, 0.03]), part="tail")
    tip = cone(0.13, 0.3, sides=4).scaled(1, 1, 0.4).pointed((0.7, 0.6, 0.45)).at((0.97, 0.42, -1.54))
    model.add("accent", tip, part="tail")
    spine = [(0, 1.86, 0.5), (0, 1.62, 0.42), (0, 1.42, 0.34), (0, 1.2, 0.14), (0, 1.14, -0.12),
             (0, 1.06, -0.38), (0, 0.9, -0.62), (0, 0.68, -0.88), (0.03, 0.45, -1.14), (0.15, 0.28,
                 -1.42)]  # fmt: skip
    plate = cone(0.1, 0.26, sides=4).scaled(0.4, 1, 1).moved(y=0.06)
    lean = np.tile([0.0, 1.0, -0.5], (len(spine), 1))
    sizes = np.array([0.8, 0.9, 1, 1.1, 1.1, 1.1, 1, 0.9, 0.8, 0.7])
    model.add("accent", scatter(plate, np.array(spine), directions=lean, sizes=sizes), part="spike")


def _add_head(model: Model, scale: float) -> None:
    head = Model(model.roles)
    bones: list[Ball] = [
        ((0, 0, 0), 0.2),
        ((0, -0.02, 0.1), (0, -0.06, 0.42), 0.17, 0.11),
        ((0.1, 0.09, 0.06), 0.08),
        ((-0.1, 0.09, 0.06), 0.08),
    ]
    head.add("primary", blend(bones, softness=0.05, cells=36), part="head")
    jaw = body([(0.0, -0.14, 0.14, 0.06), (0.3, -0.16, 0.1, 0.045), (0.42, -0.15, 0.05, 0.03)], sides=20)
    head.add("secondary", jaw, part="muzzle")
    head.add("charcoal skin", pair(ellipsoid(0.02, 0.02, 0.02).moved(0.05, 0.0, 0.52)))
    horn = tube([(0.1, 0.12, -0.08), (0.17, 0.3, -0.26), (0.15, 0.4, -0.5)], [0.065, 0.05, 0.012])
    head.add("ivory bone", pair(horn), part="horn")
    head.add("accent", ears((0.18, 0.0, -0.1), (0.12, 0.26, 0.06), 70), part="ear")
    tooth = cone(0.018, 0.07, sides=6).turned("x", 180)
    teeth = join([tooth.moved(0.085, -0.13, 0.4), tooth.moved(0.1, -0.13, 0.3)])
    head.add("white bone", pair(teeth), part="tooth")
    add_eyes(head, (0.125, 0.075, 0.13), 0.066, iris="amber paint", slit=True)
    at = np.array([0, 1.72 + 0.05 * scale, 0.72])
    model.include(head.placed(at, scale=scale))
    model.anchor("head_top", at + np.array([0, 0.15, 0.0]) * scale, size=0.36 * scale)
    model.anchor("eyes", at + np.array([0, 0.075, 0.2]) * scale, size=0.42 * scale)


def _add_wings(model: Model) -> None:
    root, elbow = np.array([0.2, 1.02, 0.05]), np.array([0.75, 1.75, -0.15])
    tips = [np.array(p) for p in ((1.75, 1.9, -0.35), (1.6, 1.3, -0.5), (1.2, 0.95, -0.58), (0.6, 0.8, -0.6))]
    bones = [capsule(root, elbow, 0.065, 0.045), *(capsule(elbow, tip, 0.042, 0.014) for tip in tips)]
    model.add("primary", pair(join(bones)), part="wing")
    rim = [*tips, np.array([0.18, 0.85, -0.35]), root]
    sheets = [_membrane(elbow, a, b) for a, b in itertools.pairwise(rim)]
    model.add("accent", pair(cloth(join(sheets), 0.03)), part="wing")
    model.add("ivory bone", pair(cone(0.04, 0.18).at(elbow).moved(y=0.08)), part="claw")


def _membrane(hinge: Array, a: Array, b: Array) -> Shape:
    """A sail between two fingers, whose free edge hangs inwards."""
    t, s = np.linspace(0, 1, 12)[None, :, None], np.linspace(0, 1, 12)[:, None, None]
    edge = a + (b - a) * t + (hinge - (a + b) / 2) * (0.55 * t * (1 - t))
    return grid(hinge + (edge - hinge) * s)
