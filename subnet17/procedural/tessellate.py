"""Smooth normals, and cutting long edges so that colour on vertices can show texture."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.shapes import Array, Faces, Shape


def vertex_normals(shape: Shape) -> Array:
    """(V, 3) unit normals, area-weighted over the faces that share each vertex."""
    flat = shape.faces.ravel()
    weights = np.repeat(_face_normals(shape), 3, axis=1)
    total = np.stack([np.bincount(flat, w, minlength=len(shape.vertices)) for w in weights], axis=1)
    length = np.sqrt(np.einsum("vk,vk->v", total, total))[:, None]
    return np.where(length > 1e-14, total / np.maximum(length, 1e-14), [0.0, 1.0, 0.0])


def drop_slivers(shape: Shape) -> Shape:
    """The shape without faces of no area (poles of spheres, tips of cones)."""
    x, y, z = _face_normals(shape)
    doubled_area = np.sqrt(x * x + y * y + z * z)
    return Shape(shape.vertices, shape.faces[doubled_area > 1e-10])


def _face_normals(shape: Shape) -> Array:
    """(3, F) normals whose length is twice the face's area; written out, since `np.cross` is slow."""
    a, b, c = (shape.vertices[shape.faces[:, k]].T for k in range(3))
    (ux, uy, uz), (vx, vy, vz) = b - a, c - a
    return np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])


def cut_long_edges(vertices: Array, faces: Faces, longest: float, *, most_faces: int) -> tuple[Array, Faces]:
    """Halves edges longer than `longest`, or only the longest ones that the face budget pays for.

    Args:
        vertices: (V, K) positions in the first three columns; the other columns are interpolated with them.
        faces: (F, 3).
        longest: Wanted length of an edge.
        most_faces: The result has no more faces than this, unless there are more already.

    Both neighbours of an edge see the same length and the limit never falls, so no cracks open.
    """
    done: list[Faces] = []
    todo, count = faces, 0
    while len(todo):
        ends = np.stack([todo, np.roll(todo, -1, axis=1)], axis=2)
        gaps = vertices[ends[..., 0], :3] - vertices[ends[..., 1], :3]
        squared = np.einsum("fek,fek->fe", gaps, gaps)
        longest = _affordable(squared, longest, most_faces - count - len(todo))
        long = squared > longest**2
        any_long = long.any(axis=1)
        done.append(todo[~any_long])
        count += len(done[-1])
        todo, ends, long = todo[any_long], ends[any_long], long[any_long]
        if not len(todo):
            break
        vertices, middles = _add_middles(vertices, ends, long)
        todo = _split(todo, middles, long)
    return vertices, np.concatenate(done)


def _affordable(squared: Array, longest: float, spare: int) -> float:
    """`longest`, or the length beyond which cutting edges adds no more than `spare` faces (one per edge)."""
    lengths = squared[squared > longest**2]
    if len(lengths) <= spare:
        return longest
    if spare <= 0:
        return float("inf")
    return float(np.sqrt(np.partition(lengths, len(lengths) - spare - 1)[len(lengths) - spare - 1]))


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
