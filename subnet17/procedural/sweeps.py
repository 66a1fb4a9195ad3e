"""Swept, revolved, extruded and blended shapes: the second half of the modelling kit.

The conventions are those of `shapes.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from skimage.measure import marching_cubes

from subnet17.procedural.shapes import Array, Shape, grid, join, segments

Ball = tuple[ArrayLike, float] | tuple[ArrayLike, ArrayLike, float, float]
"""A part of a blended body: (centre, radius), or a bone (start, end, start_radius, end_radius)."""


def curve(points: ArrayLike, count: int) -> Array:
    """(count, K) points of a Catmull-Rom spline through (N, K) points, evenly spaced in the parameter."""
    p = np.asarray(points, dtype=float)
    if len(p) < 3:
        t = np.linspace(0, 1, count)[:, None]
        return np.asarray(p[0] * (1 - t) + p[-1] * t, dtype=float)
    padded = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    at = np.linspace(0, len(p) - 1, count)
    i = np.minimum(at.astype(int), len(p) - 2)
    t = (at - i)[:, None]
    a, b, c, d = (padded[i + k] for k in range(4))
    return np.asarray(
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    )


def lathe(profile: ArrayLike, *, smooth: bool = True, sides: int | None = None) -> Shape:
    """A (radius, height) profile, listed from bottom to top, turned about the Y axis.

    Args:
        profile: (N, 2). For a hollow vessel go up the outside, over the rim and down the inside.
        smooth: Draw a spline through the profile; otherwise keep its corners hard.
        sides: Segments around; None: as many as its size needs. Few sides make towers, gems and bolts.
    """
    p = np.asarray(profile, dtype=float)
    if np.sum((p[:-1, 0] + p[1:, 0]) ** 2 * np.diff(p[:, 1])) < 0:
        p = p[::-1]  # listed from top to bottom: would come out inside out
    around = sides or segments(2 * np.pi * float(p[:, 0].max()), least=16, most=64)
    length = float(np.linalg.norm(np.diff(p, axis=0), axis=1).sum())
    if smooth:
        rows = curve(p, max(len(p) * 3, segments(length, least=8, most=64)))
        rows[:, 0] = np.maximum(rows[:, 0], 0.0)
        return _revolve(rows, around)
    return join(_revolve(_cut(np.stack([a, b]), sides), around) for a, b in itertools.pairwise(p))


def _cut(line: Array, sides: int | None) -> Array:
    """A straight piece of profile in short steps: slivers from axis to rim would be tessellated tenfold."""
    steps = segments(float(np.linalg.norm(line[1] - line[0])), least=1, most=24) if sides is None else 1
    return np.asarray(line[0] + (line[1] - line[0]) * np.linspace(0, 1, steps + 1)[:, None])


def _revolve(rows: Array, around: int) -> Shape:
    angles = np.arange(around) * (2 * np.pi / around)
    r, y = rows[:, :1], np.broadcast_to(rows[:, 1:], (len(rows), around))
    return grid(np.stack([r * np.sin(angles), y, r * np.cos(angles)], axis=-1), close_columns=True)


def cylinder(
    radius: float,
    height: float,
    *,
    top_radius: float | None = None,
    bevel: float = 0.0,
    sides: int | None = None,
) -> Shape:
    """A closed cylinder about Y, or a frustum with `top_radius` (0: a cone), centred; `bevel`: round rims."""
    top, y = radius if top_radius is None else top_radius, height / 2
    if bevel <= 0:
        return lathe([(0, -y), (radius, -y), (top, y), (0, y)], smooth=False, sides=sides)
    b, t = min(bevel, radius, y), min(bevel, top, y)
    arc = np.deg2rad([0.0, 30.0, 60.0, 90.0])
    low = np.stack([radius - b + b * np.sin(arc), -y + b - b * np.cos(arc)], axis=1)
    high = np.stack([top - t + t * np.cos(arc), y - t + t * np.sin(arc)], axis=1)
    around = sides or segments(2 * np.pi * max(radius, top), least=16, most=64)
    wall = _cut(np.stack([low[-1], high[0]]), sides)[1:-1]
    bottom, lid = (_cut(np.array(cap), sides) for cap in ([(0, -y), low[0]], [high[-1], (0, y)]))
    return _revolve(np.concatenate([bottom, low[1:], wall, high[:-1], lid]), around)


def cone(radius: float, height: float, *, sides: int | None = None) -> Shape:
    """A closed cone about Y, centred, with its tip up."""
    return cylinder(radius, height, top_radius=0.0, sides=sides)


def capsule(start: ArrayLike, end: ArrayLike, radius: float, end_radius: float | None = None) -> Shape:
    """A limb: a round-ended, possibly tapering rod between two points."""
    return tube(np.array([start, end], dtype=float), [radius, radius if end_radius is None else end_radius])


def tube(
    points: ArrayLike,
    radii: ArrayLike | float,
    *,
    section: ArrayLike | None = None,
    smooth: bool = True,
    round_ends: bool = True,
) -> Shape:
    """A tube with varying radius along a path: tails, branches, handles, tentacles, horns.

    Args:
        points: (N, 3) path, N >= 2; a spline is drawn through it when `smooth`.
        radii: One radius, or (N,) radii along the path.
        section: (K, 2) outline of unit size to sweep instead of a circle: (sideways, upwards) of the path.
        smooth: Round the path's corners.
        round_ends: Hemispheres at both ends instead of flat caps.
    """
    path = np.asarray(points, dtype=float)
    along = np.broadcast_to(np.asarray(radii, dtype=float), (len(path),))
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    rows = segments(length, least=2 if len(path) == 2 else 4 * len(path), most=96)
    both = np.concatenate([path, along[:, None]], axis=1)
    both = curve(both, rows + 1) if smooth or len(path) == 2 else both
    centres, r = both[:, :3], np.maximum(both[:, 3], 0.0)
    forward, right, up = _frames(centres)
    if round_ends:
        centres, r, forward, right, up = _add_ends(centres, r, forward, right, up)
    around = segments(2 * np.pi * float(r.max()), least=8, most=48)
    angles = np.arange(around) * (2 * np.pi / around)
    outline = (
        np.stack([np.cos(angles), np.sin(angles)], axis=1)
        if section is None
        else np.asarray(section, dtype=float)
    )
    rings = centres[:, None] + r[:, None, None] * (
        outline[None, :, :1] * right[:, None] + outline[None, :, 1:] * up[:, None]
    )
    return loft(rings)


def _frames(path: Array) -> tuple[Array, Array, Array]:
    forward = np.gradient(path, axis=0)
    forward /= np.maximum(np.linalg.norm(forward, axis=1, keepdims=True), 1e-12)
    right = np.empty_like(forward)
    hint = np.array([0.0, 1.0, 0.0]) if abs(forward[0, 1]) < 0.95 else np.array([0.0, 0.0, 1.0])
    side = np.cross(hint, forward[0])
    for i, direction in enumerate(forward):  # parallel transport: no twist where the path bends
        side = side - direction * (side @ direction)
        side = side / max(float(np.linalg.norm(side)), 1e-12)
        right[i] = side
    return forward, right, np.cross(forward, right)


def _add_ends(
    c: Array, r: Array, f: Array, right: Array, up: Array
) -> tuple[Array, Array, Array, Array, Array]:
    arc = np.deg2rad([90.0, 60.0, 30.0])
    shrink, push = np.cos(arc), np.sin(arc)
    head = c[0] - f[0] * (push * r[0])[:, None]
    tail = c[-1] + f[-1] * (push[::-1] * r[-1])[:, None]
    return (
        np.concatenate([head, c, tail]),
        np.concatenate([r[0] * shrink, r, r[-1] * shrink[::-1]]),
        np.concatenate([f[:1].repeat(3, 0), f, f[-1:].repeat(3, 0)]),
        np.concatenate([right[:1].repeat(3, 0), right, right[-1:].repeat(3, 0)]),
        np.concatenate([up[:1].repeat(3, 0), up, up[-1:].repeat(3, 0)]),
    )


def loft(rings: ArrayLike, *, caps: bool = True) -> Shape:
    """A skin over (R, K, 3) rings, each counter-clockwise as seen against the direction of travel."""
    r = np.asarray(rings, dtype=float)
    side = grid(r, close_columns=True)
    return join([side, _cap(r[0], flip=True), _cap(r[-1], flip=False)]) if caps else side


def _cap(rim: Array, *, flip: bool) -> Shape:
    k = len(rim)
    i = np.arange(k)
    faces = np.stack([np.full(k, k), i, (i + 1) % k], axis=1)
    return Shape(np.concatenate([rim, rim.mean(axis=0)[None]]), faces[:, ::-1] if flip else faces)


def body(stations: ArrayLike, *, squareness: float = 0.0, smooth: bool = True, sides: int = 40) -> Shape:
    """A hull along the Z axis: car bodies, boats, fish, fuselages.

    Args:
        stations: (N, 4) rows of (z, centre_y, half_width, half_height), from the back to the front; N >= 2.
            A fifth column gives each station its own squareness.
        squareness: 0 an ellipse, 1 almost a rectangle.
        smooth: Draw splines through the stations.
        sides: Points around one section.
    """
    s = np.asarray(stations, dtype=float)
    if s.shape[1] == 4:
        s = np.concatenate([s, np.full((len(s), 1), squareness)], axis=1)
    if smooth:
        s = curve(s, segments(float(np.ptp(s[:, 0])), least=3 * len(s), most=64))
    angles = np.arange(sides) * (2 * np.pi / sides)
    power = 1.0 - 0.8 * np.clip(s[:, 4:5], 0.0, 1.0)  # superellipse exponent 2 / n
    x = np.maximum(s[:, 2:3], 0) * np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power
    y = s[:, 1:2] + np.maximum(s[:, 3:4], 0) * np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power
    return loft(np.stack([x, y, np.broadcast_to(s[:, :1], x.shape)], axis=-1))


def extrude(outline: ArrayLike, depth: float, *, taper: float = 1.0) -> Shape:
    """A flat (N, 2) outline in the XY plane, counter-clockwise, given thickness along Z, centred in Z.

    Args:
        outline: Simple polygon; holes are made by a slit from the rim ("keyhole").
        depth: Thickness.
        taper: Size of the back and front faces relative to the middle; below 1 makes a blade or a cushion.
    """
    p = np.asarray(outline, dtype=float)
    p = p if _area(p) > 0 else p[::-1]
    middle = p.mean(axis=0)
    small = middle + (p - middle) * taper
    triangles = np.array(_clip_ears(p), dtype=np.int64).reshape(-1, 3)
    front = Shape(np.column_stack([small, np.full(len(p), depth / 2)]), triangles)
    back = Shape(np.column_stack([small, np.full(len(p), -depth / 2)]), triangles[:, ::-1])
    levels = (
        [(small, -depth / 2), (small, depth / 2)]
        if taper == 1.0
        else [(small, -depth / 2), (p, 0.0), (small, depth / 2)]
    )
    rings = np.stack([np.column_stack([q, np.full(len(p), z)]) for q, z in levels])
    walls = []
    for i in range(len(p)):  # one strip per edge keeps the outline's corners hard
        walls.append(grid(rings[:, [i, (i + 1) % len(p)]]))
    return join([front, back, *walls])


def prism(sides: int, radius: float, height: float) -> Shape:
    """A regular prism standing along Y, centred, with hard edges."""
    angles = np.deg2rad(90.0) + np.arange(sides) * (2 * np.pi / sides)
    return extrude(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), height).turned("x", -90)


def _area(p: Array) -> float:
    x, y = p[:, 0], p[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def _clip_ears(p: Array) -> list[tuple[int, int, int]]:
    left, triangles = list(range(len(p))), []
    while len(left) > 3:
        ear = next((k for k in range(len(left)) if _is_ear(p, left, k)), 0)
        triangles.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    return [*triangles, (left[0], left[1], left[2])]


def _is_ear(p: Array, left: list[int], k: int) -> bool:
    a, b, c = p[left[k - 1]], p[left[k]], p[left[(k + 1) % len(left)]]
    if _cross(a, b, c[None])[0] <= 1e-12:
        return False
    others = p[[i for j, i in enumerate(left) if j not in {k, (k - 1) % len(left), (k + 1) % len(left)}]]
    inside = (_cross(a, b, others) > 1e-12) & (_cross(b, c, others) > 1e-12) & (_cross(c, a, others) > 1e-12)
    return not bool(inside.any())


def _cross(a: Array, b: Array, points: Array) -> Array:
    return np.asarray((b[0] - a[0]) * (points[:, 1] - a[1]) - (b[1] - a[1]) * (points[:, 0] - a[0]))


def blend(balls: Sequence[Ball], *, softness: float = 0.05, cells: int = 44) -> Shape:
    """One smooth skin around balls and bones: bodies of animals, people, clouds, rocks.

    Args:
        balls: What to join; see `Ball`.
        softness: Width over which neighbours melt into each other, in the author's units.
        cells: Grid cells along the longest side; a part thinner than two cells gets lost.

    The field is the logarithm of summed exponentials of the distances (a smooth minimum).
    """
    bones = [_as_bone(ball) for ball in balls]
    radius = max(max(b[2], b[3]) for b in bones)
    ends = np.array([p for b in bones for p in b[:2]])
    low = ends.min(axis=0) - radius - 2 * softness
    high = ends.max(axis=0) + radius + 2 * softness
    step = float((high - low).max()) / cells
    axes = [np.arange(lo, hi + step, step) for lo, hi in zip(low, high, strict=True)]
    total = np.zeros([len(a) for a in axes])
    for start, end, start_radius, end_radius in bones:
        _add_bone(total, axes, start, end, (start_radius, end_radius), softness)
    field = np.log(np.maximum(total, 1e-8))
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        field, 0.0, spacing=(step, step, step)
    )
    return Shape(vertices.astype(float) + [a[0] for a in axes], faces[:, ::-1].astype(np.int64))


def _as_bone(ball: Ball) -> tuple[Array, Array, float, float]:
    if len(ball) == 2:
        centre = np.asarray(ball[0], dtype=float)
        return centre, centre, float(ball[1]), float(ball[1])
    return np.asarray(ball[0], dtype=float), np.asarray(ball[1], dtype=float), float(ball[2]), float(ball[3])


def _add_bone(
    total: Array, axes: list[Array], a: Array, b: Array, radii: tuple[float, float], softness: float
) -> None:
    reach = max(radii) + 5 * softness  # exp(-5 * 3) is nothing: cells beyond can be left alone
    near = tuple(
        slice(*np.searchsorted(axis, [min(a[k], b[k]) - reach, max(a[k], b[k]) + reach]))
        for k, axis in enumerate(axes)
    )
    x, y, z = np.ix_(*(axis[part] for axis, part in zip(axes, near, strict=True)))
    d = b - a
    length2 = float(d @ d)
    t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1] + (z - a[2]) * d[2]) / max(length2, 1e-12), 0.0, 1.0)
    gap = np.sqrt((x - a[0] - t * d[0]) ** 2 + (y - a[1] - t * d[1]) ** 2 + (z - a[2] - t * d[2]) ** 2)
    total[near] += np.exp(np.minimum((radii[0] + (radii[1] - radii[0]) * t - gap) * (3.0 / softness), 40.0))
