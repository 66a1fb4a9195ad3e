"""Solid shapes as plain triangle arrays: the first half of the modelling kit (`sweeps.py` is the other).

Conventions, for every shape of the kit:
    +Y is up and the front of an object faces +Z; +X is to the right of somebody looking at its front.
    A shape is centred on the origin unless its docstring says otherwise; place it with `moved`,
    `turned` and `scaled`, which return a new shape and chain: `box(1, 2, 1).turned("x", 90).moved(y=1)`.
    Author an object about one to two units large; the tessellation of round shapes is made for that.
    Vertices that are shared are shaded smoothly, vertices that are doubled make a hard edge.
    Shapes may overlap freely and need not be closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Faces = NDArray[np.int64]

AXES = {"x": 0, "y": 1, "z": 2}
FACET = 0.035
"""Wanted length of one segment of a round shape, in the author's units."""


class Shape(NamedTuple):
    """A triangle mesh: vertices (V, 3) float64, faces (F, 3) int64, counter-clockwise from outside."""

    vertices: Array
    faces: Faces

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Shape:
        """The shape shifted."""
        return Shape(self.vertices + np.array([x, y, z]), self.faces)

    def at(self, position: ArrayLike) -> Shape:
        """The shape shifted by a (3,) vector."""
        return Shape(self.vertices + np.asarray(position, dtype=float), self.faces)

    def scaled(self, x: float, y: float | None = None, z: float | None = None) -> Shape:
        """The shape scaled about the origin: all axes alike, or each its own; negative values mirror."""
        factors = np.array([x, x if y is None else y, x if z is None else z], dtype=float)
        faces = self.faces if factors.prod() > 0 else self.faces[:, ::-1]
        return Shape(self.vertices * factors, faces)

    def turned(self, axis: str, degrees: float) -> Shape:
        """The shape rotated about "x", "y" or "z" through the origin, right-handed."""
        return Shape(self.vertices @ rotation(axis, degrees).T, self.faces)

    def mirrored(self) -> Shape:
        """The shape with left and right (x) swapped."""
        return self.scaled(-1, 1, 1)

    def pointed(self, direction: ArrayLike) -> Shape:
        """The shape turned so that its +Y axis points along `direction`, (3,)."""
        return Shape(self.vertices @ turn_y_to(np.asarray(direction, dtype=float)).T, self.faces)

    def bounds(self) -> Array:
        """(2, 3) lowest and highest corner."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])


def rotation(axis: str, degrees: float) -> Array:
    """(3, 3) right-handed rotation about one axis."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    a, b = [(1, 2), (2, 0), (0, 1)][AXES[axis]]
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = c
    matrix[a, b], matrix[b, a] = -s, s
    return matrix


def turn_y_to(direction: Array) -> Array:
    """(3, 3) rotation that takes +Y to `direction`; x stays horizontal."""
    up = direction / np.linalg.norm(direction)
    hint = np.array([0.0, 0.0, 1.0]) if abs(up[2]) < 0.9 else np.array([0.0, -np.sign(up[2]), 0.0])
    right = np.cross(up, hint)
    right /= np.linalg.norm(right)
    return np.stack([right, up, np.cross(right, up)], axis=1)


def join(shapes: Iterable[Shape]) -> Shape:
    """Several shapes as one."""
    listed = list(shapes)
    offsets = np.cumsum([0] + [len(s.vertices) for s in listed[:-1]])
    return Shape(
        np.concatenate([s.vertices for s in listed]),
        np.concatenate([s.faces + offset for s, offset in zip(listed, offsets, strict=True)]),
    )


def pair(shape: Shape) -> Shape:
    """The shape and its mirror image across x = 0: two eyes, two ears, two arms."""
    return join([shape, shape.mirrored()])


def ring(shape: Shape, count: int, *, axis: str = "y") -> Shape:
    """`count` copies turned evenly about an axis: spokes, battlements, petals."""
    return join(shape.turned(axis, 360 * i / count) for i in range(count))


def scatter(
    shape: Shape,
    points: Array,
    *,
    directions: Array | None = None,
    sizes: Array | float = 1.0,
    spin: Array | None = None,
) -> Shape:
    """One small shape copied to many places at once: leaves, spikes, rivets, sprinkles.

    Args:
        shape: The shape to copy.
        points: (N, 3) where its origin goes.
        directions: (N, 3) where its +Y axis points; None: up.
        sizes: (N,) or one scale factor.
        spin: (N,) turn about its own +Y axis, degrees.
    """
    n = len(points)
    local = np.broadcast_to(shape.vertices, (n, *shape.vertices.shape))
    if spin is not None:
        c, s = np.cos(np.deg2rad(spin))[:, None], np.sin(np.deg2rad(spin))[:, None]
        x, y, z = local[..., 0], local[..., 1], local[..., 2]
        local = np.stack([c * x + s * z, y, c * z - s * x], axis=2)
    local = local * np.broadcast_to(np.asarray(sizes, dtype=float), (n,))[:, None, None]
    if directions is not None:
        local = np.einsum("nij,nvj->nvi", np.stack([turn_y_to(d) for d in directions]), local)
    vertices = local + points[:, None]
    faces = shape.faces[None] + (np.arange(n) * len(shape.vertices))[:, None, None]
    return Shape(vertices.reshape(-1, 3), faces.reshape(-1, 3))


def segments(length: float, *, least: int, most: int) -> int:
    """How many segments a curve of this length is cut into."""
    return int(np.clip(np.ceil(length / FACET), least, most))


def grid(points: Array, *, close_rows: bool = False, close_columns: bool = False) -> Shape:
    """A surface through (R, C, 3) points; closing joins the last row or column to the first.

    The outside is where columns run counter-clockwise when rows run up.
    """
    rows, columns = points.shape[:2]
    r = np.arange(rows if close_rows else rows - 1)[:, None]
    c = np.arange(columns if close_columns else columns - 1)[None]
    r1, c1 = (r + 1) % rows, (c + 1) % columns
    a, b, d, e = r * columns + c, r * columns + c1, r1 * columns + c1, r1 * columns + c
    quads = np.stack(np.broadcast_arrays(a, b, d, e), axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return Shape(np.ascontiguousarray(points.reshape(-1, 3), dtype=float), faces.astype(np.int64))


def box(width: float, height: float, depth: float, *, bevel: float = 0.0) -> Shape:
    """A box with rounded edges of radius `bevel` (0: sharp)."""
    half = np.array([width, height, depth]) / 2
    radius = float(min(bevel, half.min() * 0.999))
    sides = [_box_side(half, radius, axis, sign) for axis in range(3) for sign in (1, -1)]
    return weld(join(sides)) if radius > 0 else join(sides)


def _box_side(half: Array, radius: float, axis: int, sign: int) -> Shape:
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    u, v = _bevel_steps(half[a], radius), _bevel_steps(half[b], radius)
    points = np.empty((len(v), len(u), 3))
    points[..., a], points[..., b], points[..., axis] = u[None] * sign, v[:, None], half[axis] * sign
    if radius > 0:
        inner = np.clip(points, -(half - radius), half - radius)
        offset = points - inner
        points = inner + radius * offset / np.linalg.norm(offset, axis=2, keepdims=True)
    return grid(points)


def _bevel_steps(half: float, radius: float) -> Array:
    flat = np.linspace(-(half - radius), half - radius, 2 + int(half / 0.15))
    if radius <= 0:
        return flat
    steps = [15.0, 30.0, 45.0] if radius > 0.6 * FACET else [45.0]  # a tiny bevel is a chamfer
    edge = (half - radius) + radius * np.tan(np.deg2rad(steps))
    return np.concatenate([-edge[::-1], flat, edge])


def weld(shape: Shape) -> Shape:
    """The shape with coinciding vertices shared, so that it is shaded smoothly."""
    keys = np.round(shape.vertices, 6)
    order = np.lexsort(keys.T)
    fresh = np.r_[True, np.any(np.diff(keys[order], axis=0) != 0, axis=1)]
    index = np.empty(len(keys), dtype=np.int64)
    index[order] = np.cumsum(fresh) - 1
    return Shape(shape.vertices[order[fresh]], index[shape.faces])


def ellipsoid(x_radius: float, y_radius: float, z_radius: float) -> Shape:
    """An ellipsoid with its poles on the Y axis."""
    across = segments(2 * np.pi * max(x_radius, z_radius), least=12, most=64)
    down = segments(np.pi * max(x_radius, y_radius, z_radius), least=8, most=40)
    polar, around = np.linspace(np.pi, 0, down + 1)[:, None], _angles(across)[None]
    points = np.stack(
        np.broadcast_arrays(np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)),
        axis=-1,
    )
    return grid(points * [x_radius, y_radius, z_radius], close_columns=True)


def sphere(radius: float) -> Shape:
    """A ball."""
    return ellipsoid(radius, radius, radius)


def torus(radius: float, thickness: float) -> Shape:
    """A ring about the Y axis; `radius` to the middle of a tube of radius `thickness`."""
    across = segments(2 * np.pi * radius, least=16, most=72)
    round_tube = segments(2 * np.pi * thickness, least=8, most=28)
    a, t = _angles(across)[None], -_angles(round_tube)[:, None]
    r = radius + thickness * np.cos(t)
    points = np.stack(np.broadcast_arrays(r * np.sin(a), -thickness * np.sin(t), r * np.cos(a)), axis=-1)
    return grid(points, close_rows=True, close_columns=True)


def wedge(width: float, height: float, depth: float) -> Shape:
    """A ramp: full height at the back (-Z), nothing at the front (+Z)."""
    x, y, z = width / 2, height / 2, depth / 2
    left = [(-x, -y, -z), (-x, -y, z), (-x, y, -z)]
    right = [(x, -y, -z), (x, -y, z), (x, y, -z)]
    quads = [
        (left[1], right[1], right[2], left[2]),
        (left[0], left[2], right[2], right[0]),
        (left[0], right[0], right[1], left[1]),
    ]
    sides = [plate(np.array(q)) for q in quads]
    ends = [Shape(np.array(left), np.array([[0, 1, 2]])), Shape(np.array(right), np.array([[0, 2, 1]]))]
    return join([*sides, *ends])


def plate(corners: ArrayLike) -> Shape:
    """A flat four-sided sheet through (4, 3) corners, counter-clockwise as seen from its front."""
    a, b, c, d = np.asarray(corners, dtype=float)
    return grid(np.stack([np.stack([a, b]), np.stack([d, c])]))


def _angles(count: int) -> Array:
    return np.asarray(np.arange(count) * (2 * np.pi / count), dtype=float)


def polygon(sides: int, radius: float, *, start_deg: float = 90.0) -> Array:
    """(sides, 2) corners of a regular polygon, counter-clockwise, the first at `start_deg`."""
    angles = _angles(sides) + np.deg2rad(start_deg)
    return np.asarray(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), dtype=float)


def star(points: int, radius: float, inner_radius: float) -> Array:
    """(2 points, 2) outline of a star with one tip up, counter-clockwise."""
    corners = polygon(2 * points, 1.0)
    return corners * np.where(np.arange(2 * points) % 2 == 0, radius, inner_radius)[:, None]


def mean_point(points: Sequence[ArrayLike]) -> Array:
    """(3,) the middle of some points."""
    return np.asarray(np.mean([np.asarray(p, dtype=float) for p in points], axis=0))
