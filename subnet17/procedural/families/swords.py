"""Swords."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, ellipsoid, grid, join, pair, ring, sphere, torus
from subnet17.procedural.sweeps import capsule, curve, extrude, lathe, tube


@family("sword", words=("sword", "longsword", "broadsword", "greatsword", "claymore", "blade", "katana",
        "saber", "sabre",
                        "scimitar", "rapier"), primary="silver", secondary="gold", accent="sapphire gem",
        handle="chestnut leather")  # fmt: skip
def make_sword(build: Build) -> Model:
    model = build.model()
    curved = 0.28 if build.has("katana") else 0.55 if build.has("saber", "sabre", "scimitar") else 0.0
    fancy = not curved and build.has(
        "fantasy", "magic", "magical", "detailed", "ornate", "epic", "legendary", "intricate", "fancy"
    )
    width = 0.17 if fancy else 0.1 if curved or build.has("rapier") else 0.13
    _add_blade(model, width, curved, fancy=fancy)
    _add_hilt(model, fancy=fancy, disc=build.has("katana"))
    if fancy:
        _add_ornaments(model)
    model.anchor("grip", (0, -0.22, 0), size=0.075)
    return model


def _edge(width: float, curved: float, *, fancy: bool) -> Array:
    """(N, 2) right edge of the blade from guard to tip."""
    if fancy:
        rows = [(0.8, 0.0), (1.0, 0.12), (0.72, 0.3), (0.85, 0.7), (0.95, 1.2), (0.75, 1.55), (0.0, 2.0)]
    else:
        rows = [
            (1.0, 0.0),
            (0.95, 0.6),
            (0.9, 1.2),
            (0.8, 1.6),
            (0.45 if not curved else 0.6, 1.78),
            (0.0, 1.92),
        ]
    return curve(np.array(rows) * [width, 1.0], 40)


def _add_blade(model: Model, width: float, curved: float, *, fancy: bool) -> None:
    edge = _edge(width, curved, fancy=fancy)
    blade = _diamond(edge, 0.05)
    fuller = _diamond(edge[:30] * [0.3, 1.0], 0.062)

    def bend(shape: Shape) -> Shape:
        v = shape.vertices.copy()
        v[:, 0] += 0.28 * curved * v[:, 1] ** 2
        return Shape(v, shape.faces)

    model.add("primary", bend(blade), part="blade")
    model.add("slate metal", bend(fuller), part="blade")


def _diamond(edge: Array, thickness: float) -> Shape:
    """A blade of diamond section with hard ridges."""
    x, y = edge[:, 0], edge[:, 1]
    z = thickness * np.minimum(1.0, 0.25 + 3 * x / max(float(x.max()), 1e-9))
    lines = [
        np.stack([sx * x, y, sz * z * (sx == 0)], axis=1) for sx, sz in ((1, 0), (0, 1), (-1, 0), (0, -1))
    ]
    sides = []
    for a, b in zip(lines, lines[1:] + lines[:1], strict=True):
        sides.append(grid(np.stack([a, b], axis=1)))
    return join(sides)


def _add_hilt(model: Model, *, fancy: bool, disc: bool) -> None:
    grip = lathe([(0, -0.46), (0.05, -0.45), (0.06, -0.25), (0.052, 0.0), (0, 0.0)])
    model.add("handle", grip, part="handle")
    wraps = [torus(0.058, 0.013).turned("x", 12).moved(y=-0.06 - 0.065 * i) for i in range(6)]
    model.add("secondary" if fancy else "handle", join(wraps), part="handle")
    if disc:
        model.add("secondary", lathe([(0, -0.03), (0.17, -0.025), (0.17, 0.02), (0, 0.03)]), part="guard")
    elif fancy:
        wing = tube(
            [(0.02, 0, 0), (0.2, 0.02, 0), (0.38, 0.1, 0), (0.46, 0.26, 0), (0.4, 0.38, 0)],
            [0.075, 0.06, 0.055, 0.04, 0.01],
        )
        spur = tube([(0.1, -0.02, 0), (0.25, -0.08, 0), (0.32, -0.2, 0)], [0.05, 0.04, 0.008])
        model.add("secondary", pair(join([wing, spur])), ellipsoid(0.13, 0.1, 0.085), part="guard")
    else:
        model.add(
            "secondary",
            capsule((-0.32, 0, 0), (0.32, 0, 0), 0.045),
            pair(sphere(0.06).moved(x=0.33)),
            part="guard",
        )
    model.add(
        "secondary",
        lathe([(0, -0.62), (0.06, -0.6), (0.085, -0.53), (0.06, -0.46), (0, -0.45)]),
        part="pommel",
    )


def _add_ornaments(model: Model) -> None:
    model.add("accent", ellipsoid(0.065, 0.08, 0.1), part="gem")
    model.add("accent", ellipsoid(0.045, 0.045, 0.095).moved(y=-0.535), part="gem")
    model.add("accent", pair(sphere(0.032).moved(0.385, 0.36)), part="gem")
    model.add("secondary", torus(0.085, 0.016).turned("x", 90).scaled(1, 1.15, 3.6), part="guard")
    signs = []
    for i in range(6):
        y = 0.38 + 0.2 * i
        for z in (0.066, -0.066):
            signs += [
                capsule((-0.022, y - 0.045, z), (0.022, y + 0.0, z), 0.008),
                capsule((0.022, y, z), (-0.022, y + 0.045, z), 0.008),
            ]
    model.add("cyan light", join(signs), part="rune")
    model.add(
        "secondary",
        ring(extrude([(-0.03, 0), (0.03, 0), (0.0, 0.26)], 0.15, taper=0.4), 1).moved(y=0.04),
        part="guard",
    )
