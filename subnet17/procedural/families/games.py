"""Chess pieces and dice."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.anatomy import add_eyes
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, ellipsoid, join, pair, ring, scatter, sphere
from subnet17.procedural.sweeps import Ball, blend, cone, cylinder, lathe, tube

BASE = [(0, 0), (0.46, 0.0), (0.48, 0.1), (0.44, 0.17), (0.36, 0.2), (0.37, 0.26), (0.28, 0.33)]


HEADS = { "pawn": [(0.2, 0.5), (0.15, 0.82), (0.27, 0.88), (0.27, 0.92), (0.14, 0.96), (0.25, 1.1),
    (0.22, 1.24), (0, 1.33)], "bishop": [(0.2, 0.6), (0.15, 1.05), (0.28, 1.12), (0.28, 1.16), (0.15,
    1.2), (0.23, 1.38), (0.14, 1.6), (0.04, 1.7), (0.05, 1.78), (0, 1.82)], "rook": [(0.24, 0.5),
    (0.22, 0.92), (0.32, 1.0), (0.34, 1.08), (0.34, 1.12), (0, 1.12)], "queen": [(0.2, 0.6), (0.16,
    1.2), (0.3, 1.28), (0.28, 1.33), (0.2, 1.4), (0.32, 1.72), (0.26, 1.76), (0.1, 1.84), (0, 1.86)],
    "king": [(0.2, 0.6), (0.17, 1.25), (0.32, 1.33), (0.3, 1.38), (0.22, 1.46), (0.32, 1.8), (0.12,
    1.9), (0, 1.92)], }  # fmt: skip


"""Profiles above `BASE` of the chess pieces that are turned."""


@family("chess piece", words=("chess piece", "chess pawn", "chess knight", "chess bishop",
    "chess rook", "chess queen", "chess king", "pawn", "chessman"), primary="ivory wood",
    secondary="green wool")  # fmt: skip
def make_chess_piece(build: Build) -> Model:
    model = build.model()
    kind = next((k for k in (*HEADS, "knight") if build.has(k)), "")
    kind = kind or build.pick((*HEADS, "knight"))
    model.add("secondary", cylinder(0.45, 0.03).moved(y=-0.01))
    if kind == "knight":
        model.add("primary", lathe([*BASE, (0.3, 0.42), (0, 0.44)]), _horse_head(), part="piece")
        add_eyes(model, (0.13, 1.3, 0.2), 0.05, iris="ebony paint")
        return model
    model.add("primary", lathe([*BASE, *HEADS[kind]]), part="piece")
    if kind == "rook":
        model.add("primary", ring(box(0.2, 0.18, 0.12, bevel=0.02).moved(y=1.18, z=0.28), 6), part="piece")
    if kind == "king":
        model.add(
            "primary",
            box(0.08, 0.32, 0.08, bevel=0.02).moved(y=2.05),
            box(0.24, 0.08, 0.08, bevel=0.02).moved(y=2.08),
            part="cross",
        )
    if kind == "queen":
        model.add(
            "primary", ring(sphere(0.06).moved(y=1.76, z=0.3), 9), sphere(0.09).moved(y=1.9), part="piece"
        )
    return model


def _horse_head() -> Shape:
    bones: list[Ball] = [
        ((0, 0.45, -0.02), (0, 0.85, -0.16), 0.28, 0.24), ((0, 0.85, -0.16), (0, 1.25, -0.02), 0.24, 0.2),
        ((0, 1.28, 0.05), (0, 1.02, 0.46), 0.19, 0.12), ((0, 1.0, 0.46), 0.13), ((0, 1.1, 0.16), 0.17),
    ]  # fmt: skip
    ears = pair(cone(0.06, 0.22).moved(0.08, 1.52, -0.02))
    mane = tube(
        [(0, 1.5, -0.08), (0, 1.3, -0.26), (0, 0.95, -0.42), (0, 0.6, -0.34)], [0.05, 0.09, 0.09, 0.05]
    )
    return join([blend(bones, softness=0.06, cells=46).scaled(0.8, 1, 1), ears, mane])


PIPS = {1: [(0, 0)], 2: [(-1, -1), (1, 1)], 3: [(-1, -1), (0, 0), (1, 1)], 4: [(-1, -1), (1, 1), (-1,
    1), (1, -1)], 5: [(-1, -1), (1, 1), (-1, 1), (1, -1), (0, 0)], 6: [(x, y) for x in (-1,
    1) for y in (-1, 0, 1)]}  # fmt: skip


@family("dice", words=("dice", "die", "gaming dice"), primary="white plastic", dark="black plastic")
def make_dice(build: Build) -> Model:
    model = build.model()
    places = (
        (-0.62, 22.0, ((1, "z", 0.0), (3, "y", 90.0), (2, "x", -90.0))),
        (0.62, -28.0, ((5, "z", 0.0), (4, "y", 90.0), (6, "x", -90.0))),
    )
    for x, turn, seen in places:
        cube = box(1.0, 1.0, 1.0, bevel=0.16)
        model.add("primary", cube.turned("y", turn).moved(x=x, y=0.5), part="die")
        for number, axis, degrees in seen:
            for count, flip in ((number, 0.0), (7 - number, 180.0)):
                flat = np.array([(0.25 * a, 0.25 * b, 0.5) for a, b in PIPS[count]])
                pips = scatter(ellipsoid(0.085, 0.085, 0.03), flat).turned("x" if axis == "x" else "y", flip)
                model.add("dark", pips.turned(axis, degrees).turned("y", turn).moved(x=x, y=0.5), part="spot")
    return model
