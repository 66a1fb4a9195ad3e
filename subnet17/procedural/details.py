"""Small things that grow on any object: runes, spikes, flames, flowers, gems, lights, eyes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from subnet17.procedural.model import Model
from subnet17.procedural.paint import Paint, as_tuple
from subnet17.procedural.prompt import Thing
from subnet17.procedural.shapes import Array, join, scatter, turn_y_to
from subnet17.procedural.sheets import leaf
from subnet17.procedural.sweeps import capsule, cone, lathe
from subnet17.procedural.tessellate import vertex_normals

Detail = Callable[[Model, Thing, np.random.Generator], None]

CARVED = frozenset(["trunk", "blade", "wall"])
"""Parts that signs are put on when an object has them; otherwise on its main colour."""

STROKES = (
    ((0, -1, 0, 1), (0, 1, 0.6, 0.5), (0, 0.35, 0.6, -0.15)),
    ((-0.4, -1, -0.4, 1), (0.4, -1, 0.4, 1), (-0.4, 0.4, 0.4, -0.4)),
    ((0, -1, 0, 1), (0, 0.1, 0.55, 0.8), (0, 0.1, -0.55, 0.8)),
    ((-0.5, 1, 0.5, 0), (0.5, 0, -0.5, -1)),
    ((-0.5, -1, 0, 1), (0, 1, 0.5, -1), (-0.3, -0.1, 0.3, -0.1)),
    ((0, -1, 0, 1), (-0.5, 0.4, 0.5, -0.4)),
    ((0, 1, 0.5, 0), (0.5, 0, 0, -1), (0, -1, -0.5, 0), (-0.5, 0, 0, 1)),
)
"""Signs as strokes (x0, y0, x1, y1) in a box of -1..1."""


def _size_of(model: Model) -> float:
    return float(np.ptp(model.bounds(), axis=0).max())


def _spots(model: Model, count: int, rng: np.random.Generator, *, upright: bool, apart: float) -> list[Array]:
    """[(K, 3) places spread over the outer surface, (K, 3) outward normals]; `apart`: share of the size."""
    points, normals = _outside(model, CARVED if upright else frozenset())
    if upright:
        low, high = model.bounds()[:, 1]
        clear_of_ground = points[:, 1] > low + 0.1 * (high - low)
        keep = (np.abs(normals[:, 1]) < 0.45) & clear_of_ground
        points, normals = (points[keep], normals[keep]) if keep.sum() > 50 else (points, normals)
    order = rng.permutation(len(points))[:4000]
    points, normals = points[order], normals[order]
    chosen: list[int] = []
    free = np.ones(len(points), dtype=bool)
    while free.any() and len(chosen) < count:
        chosen.append(int(np.argmax(free)))
        free &= np.linalg.norm(points - points[chosen[-1]], axis=1) > apart * _size_of(model)
    return [points[chosen], normals[chosen]]


def _outside(model: Model, names: frozenset[str]) -> tuple[Array, Array]:
    """Face centres and normals of the main parts that face away from the model's upright axis."""
    shapes = [p.shape for p in model.parts if p.name in names]
    shapes = shapes or [p.shape for p in model.parts if p.role == "primary"] or [p.shape for p in model.parts]
    points = np.concatenate([s.vertices[s.faces].mean(axis=1) for s in shapes])
    normals = np.concatenate([vertex_normals(s)[s.faces[:, 0]] for s in shapes])
    middle = model.bounds().mean(axis=0) * [1, 0, 1]
    outward = np.einsum("ij,ij->i", points - middle - points * [0, 1, 0], normals) > 0
    return (points[outward], normals[outward]) if outward.sum() > 50 else (points, normals)


def _paint(thing: Thing, colour: str, material: str, *finishes: str) -> Paint:
    chosen = thing.colours[0] if thing.colours else as_tuple(colour)
    return Paint(chosen, thing.materials[0] if thing.materials else material, (*thing.finishes, *finishes))


def _add_runes(model: Model, thing: Thing, rng: np.random.Generator) -> None:
    height = 0.085 * _size_of(model)
    points, normals = _spots(model, 30, rng, upright=True, apart=0.095)
    strokes = [
        capsule(point + start, point + end, 0.07 * height)
        for point, normal in zip(points, normals, strict=True)
        for start, end in _sign(normal, 0.5 * height, rng)
    ]
    model.add(_paint(thing, "cyan", "light", "glowing"), join(strokes), part="rune")


def _sign(normal: Array, half: float, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Start and end of the strokes of one sign, upright on a surface with this normal."""
    right = np.cross([0.0, 1.0, 0.0], normal)
    right = right / np.linalg.norm(right) if np.linalg.norm(right) > 0.1 else turn_y_to(normal)[:, 0]
    up = np.cross(normal, right)
    strokes = STROKES[int(rng.integers(len(STROKES)))]
    return [(half * (x0 * right + y0 * up), half * (x1 * right + y1 * up)) for x0, y0, x1, y1 in strokes]


def _add_spikes(model: Model, thing: Thing, rng: np.random.Generator) -> None:
    points, normals = _spots(model, 60, rng, upright=False, apart=0.07)
    sizes = rng.uniform(0.08, 0.12, len(points)) * _size_of(model)
    shape = scatter(cone(0.22, 1.0, sides=10).moved(y=0.45), points, directions=normals, sizes=sizes)
    model.add(_paint(thing, "ivory", "bone"), shape, part="spike")


def _add_flames(model: Model, thing: Thing, rng: np.random.Generator) -> None:
    points, _ = _spots(model, 45, rng, upright=False, apart=0.06)
    tongue = lathe([(0, -0.1), (0.2, 0.1), (0.16, 0.4), (0.07, 0.75), (0, 1.0)], sides=10)
    lean = rng.normal(0, 0.18, (len(points), 3)) * [1, 0, 1] + [0, 1, 0]
    sizes = rng.uniform(0.12, 0.26, len(points)) * _size_of(model)
    shape = scatter(tongue, points, directions=lean, sizes=sizes)
    model.add(_paint(thing, "orange", "flame"), shape, part="flame")


def _add_flowers(model: Model, thing: Thing, rng: np.random.Generator) -> None:
    points, normals = _spots(model, 40, rng, upright=False, apart=0.06)
    sizes = rng.uniform(0.05, 0.08, len(points)) * _size_of(model)
    petal = lathe([(0, -0.1), (0.3, 0.05), (0, 0.15)], sides=8).moved(x=0.36)
    petals = join(petal.turned("y", 72 * i) for i in range(5))
    middle = lathe([(0, -0.1), (0.2, 0.0), (0.14, 0.16), (0, 0.2)], sides=8)
    for shape, paint in (
        (petals, _paint(thing, "pink", "petal")),
        (middle, Paint(as_tuple("yellow"), "petal")),
    ):
        model.add(paint, scatter(shape, points, directions=normals, sizes=sizes), part="flower")


def _add_leaves(model: Model, thing: Thing, rng: np.random.Generator) -> None:
    points, normals = _spots(model, 40, rng, upright=False, apart=0.055)
    sizes = rng.uniform(0.07, 0.1, len(points)) * _size_of(model)
    blade = leaf(1.0, 0.55, bend_deg=50, fold=0.1, rows=6)
    lean = normals + rng.normal(0, 0.35, normals.shape)
    shape = scatter(blade, points, directions=lean, sizes=sizes, spin=rng.uniform(0, 360, len(points)))
    model.add(_paint(thing, "green", "leaves"), shape, part="leaf")


def _add_gems(model: Model, thing: Thing, rng: np.random.Generator) -> None:
    points, normals = _spots(model, 22, rng, upright=False, apart=0.09)
    gem = lathe([(0, -0.5), (0.5, 0.0), (0.3, 0.35), (0, 0.38)], smooth=False, sides=8)
    shape = scatter(gem, points, directions=normals, sizes=0.06 * _size_of(model))
    model.add(_paint(thing, "ruby", "gem"), shape, part="gem")


def _add_lights(model: Model, thing: Thing, rng: np.random.Generator) -> None:
    points, normals = _spots(model, 60, rng, upright=False, apart=0.05)
    bulb = lathe([(0, -0.5), (0.42, -0.2), (0.42, 0.2), (0, 0.5)], sides=10)
    for k, colour in enumerate(("lemon", "red", "lime", "azure")):
        some = slice(k, None, 4)
        if len(points[some]):
            shape = scatter(bulb, points[some], directions=normals[some], sizes=0.026 * _size_of(model))
            model.add(_paint(thing, colour, "light"), shape, part="light")


def _add_eyes(model: Model, thing: Thing, rng: np.random.Generator) -> None:
    """Repaints eyes that are there; gives a pair to what has none."""
    paint = _paint(thing, "azure", "paint")
    if any(p.name == "eye" for p in model.parts):
        model.parts = [replace(p, paint=paint, fade=None) if p.name == "eye" else p for p in model.parts]
        return
    place = model.place("eyes")
    ball = lathe([(0, -0.5), (0.35, -0.35), (0.5, 0), (0.35, 0.35), (0, 0.5)])
    for side in (-1, 1):
        centre = place.position + np.array([side * 0.25 * place.size, 0, 0])
        model.add(paint, ball.scaled(0.24 * place.size).at(centre), part="eye")
        pupil = ball.scaled(0.12 * place.size).at(centre).moved(z=0.08 * place.size)
        model.add("black plastic", pupil, part="pupil")


DETAILS: dict[str, Detail] = {
    "rune": _add_runes, "symbol": _add_runes, "glyph": _add_runes, "engraving": _add_runes,
    "marking": _add_runes, "spike": _add_spikes, "thorn": _add_spikes, "flame": _add_flames,
    "fire": _add_flames, "flower": _add_flowers, "blossom": _add_flowers, "gem": _add_gems,
    "jewel": _add_gems, "gemstone": _add_gems, "light": _add_lights, "led": _add_lights, "eye": _add_eyes,
    "leaf": _add_leaves,
}  # fmt: skip
"""What "with runes" does, by singular noun."""
