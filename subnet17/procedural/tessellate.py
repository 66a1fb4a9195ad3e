"""Smooth normals, and cutting long edges so that colour on vertices can show texture."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.shapes import Array, Faces, Shape


def vertex_normals(shape: Shape) -> Array:
    """(V, 3) unit normals, area-weighted over the faces that share each vertex."""
    a, b, c = (shape.vertices[shape.faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    flat = shape.faces.ravel()
    weights = np.repeat(cross, 3, axis=0)
    total = np.stack(
        [np.bincount(flat, weights[:, k], minlength=len(shape.vertices)) for k in range(3)], axis=1
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-14, total / np.maximum(length, 1e-14), [0.0, 1.0, 0.0])


def drop_slivers(shape: Shape) -> Shape:
    """The shape without faces of no area (poles of spheres, tips of cones)."""
    a, b, c = (shape.vertices[shape.faces[:, k]] for k in range(3))
    doubled_area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return Shape(shape.vertices, shape.faces[doubled_area > 1e-10])


def cut_long_edges(vertices: Array, faces: Faces, longest: float, *, most_faces: int) -> tuple[Array, Faces]:
    """Halves edges longer than `longest` until none is left or the face budget is spent.

    Args:
        vertices: (V, K) positions in the first three columns; the other columns are interpolated with them.
        faces: (F, 3).
        longest: Wanted length of an edge.
        most_faces: No further pass starts at or beyond this many faces.

    Both neighbours of an edge see the same length, so no cracks open.
    """
    done: list[Faces] = []
    todo, count = faces, 0
    while len(todo):
        ends = np.stack([todo, np.roll(todo, -1, axis=1)], axis=2)
        gaps = vertices[ends[..., 0], :3] - vertices[ends[..., 1], :3]
        long = np.einsum("fek,fek->fe", gaps, gaps) > longest**2
        any_long = long.any(axis=1)
        done.append(todo[~any_long])
        count += len(done[-1])
        todo, ends, long = todo[any_long], ends[any_long], long[any_long]
        if count + len(todo) >= most_faces or not len(todo):
            done.append(todo)
            break
        vertices, middles = _add_middles(vertices, ends, long)
        todo = _split(todo, middles, long)
    return vertices, np.concatenate(done)


def _add_middles(vertices: Array, ends: Faces, long: np.ndarray) -> tuple[Array, Faces]:
    pairs = np.sort(ends[long], axis=1)
    keys, index = np.unique(pairs[:, 0] * len(vertices) + pairs[:, 1], return_inverse=True)
    a, b = keys // len(vertices), keys % len(vertices)
    middles = np.full(long.shape, -1, dtype=np.int64)
    middles[long] = len(vertices) + index.ravel()
    return np.concatenate([vertices, (vertices[a] + vertices[b]) / 2]), middles


def _split(faces: Faces, middles: Faces, long: np.ndarray) -> Faces:
    """Two, three or four faces for one, two or three halved edges."""
    cut = long.sum(axis=1)
    # Turn each face so that a lone halved edge comes first, and a lone whole edge last.
    first = np.where(cut == 2, (np.argmin(long, axis=1) + 1) % 3, np.argmax(long, axis=1))
    turn = (first[:, None] + np.arange(3)) % 3
    v = np.take_along_axis(faces, turn, axis=1)
    m = np.take_along_axis(middles, turn, axis=1)
    one, two, three = (cut == k for k in (1, 2, 3))
    parts = [
        (one, v[:, 0], m[:, 0], v[:, 2]),
        (one, m[:, 0], v[:, 1], v[:, 2]),
        (two, v[:, 0], m[:, 0], v[:, 2]),
        (two, m[:, 0], v[:, 1], m[:, 1]),
        (two, m[:, 0], m[:, 1], v[:, 2]),
        (three, v[:, 0], m[:, 0], m[:, 2]),
        (three, m[:, 0], v[:, 1], m[:, 1]),
        (three, m[:, 2], m[:, 1], v[:, 2]),
        (three, m[:, 0], m[:, 1], m[:, 2]),
    ]
    return np.concatenate([np.stack([a[at], b[at], c[at]], axis=1) for at, a, b, c in parts])
