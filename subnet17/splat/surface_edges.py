"""How sharply a triangle mesh turns at its edges.

Compiled functions that call each other stay in one file: numba's cache doesn't notice a change in another.

Covers: any triangle soup. Vertices at the same place are made one, so texture seams and faces that share no
vertices are still neighbours; winding doesn't matter; of the faces at a doubled or non-manifold edge the
straightest continuation counts. Not covered: gaps wider than a millionth of the model, which are open edges.

Edge `3 * face + corner` of a face is the one opposite that corner.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

PLACES = float(2**20)
"""Cells along the longest side within which vertices count as one."""
MAX_STEPS = 64
"""Edges looked at to find one's neighbours: bounds the work where thousands of faces share an edge."""
EMPTY = np.int32(-1)
HASH = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True, error_model="numpy")
def weld_faces(vertices: Any, faces: Any) -> Any:
    """Faces (F, 3) with each vertex (V, 3) replaced by the first one at the same place."""
    same = _merge_places(vertices)
    welded = np.empty(faces.shape, np.int32)
    for f in range(len(faces)):
        for corner in range(3):
            welded[f, corner] = same[faces[f, corner]]
    return welded


@njit(cache=True, nogil=True, error_model="numpy")
def _merge_places(vertices: Any) -> Any:
    """(V,) int32: for each vertex the first one in the same cell of a fine grid."""
    low, extent = np.zeros(3), 0.0
    for axis in range(3):
        low[axis] = vertices[:, axis].min()
        extent = max(extent, vertices[:, axis].max() - low[axis])
    size = 1
    while size < 2 * len(vertices):
        size *= 2
    keys = np.zeros(size, np.uint64)
    owners = np.full(size, EMPTY)
    same = np.empty(len(vertices), np.int32)
    for i in range(len(vertices)):
        key = np.uint64(0)
        for axis in range(3):
            cell = np.uint64((vertices[i, axis] - low[axis]) / extent * PLACES + 0.5)
            key = (key << np.uint64(21)) | cell
        slot = np.int64((key * HASH) >> np.uint64(33)) & (size - 1)
        while owners[slot] != EMPTY and keys[slot] != key:
            slot = (slot + 1) & (size - 1)
        if owners[slot] == EMPTY:
            owners[slot], keys[slot] = i, key
        same[i] = owners[slot]
    return same


@njit(cache=True, nogil=True, error_model="numpy")
def link_edges(faces: Any) -> Any:
    """Joins the edges of all faces that have the same two ends.

    Args:
        faces: (F, 3) int32, three different vertices each.

    Returns:
        (3F,) int32 mates: the next edge with the same ends, around a ring. An open edge is its own mate, and
        the edges of two faces are each other's. (E,) int32 first edge of each ring, in the order of the
        faces. (E, 2) int32 ends of each ring, the lower one first.
    """
    size = 1
    while size < 2 * len(faces):
        size *= 2
    heads = np.full(size, EMPTY)  # chains of rings, in a hash table
    links, firsts = np.empty(3 * len(faces), np.int32), np.empty(3 * len(faces), np.int32)
    ends, mates = np.empty((3 * len(faces), 2), np.int32), np.empty(3 * len(faces), np.int32)
    count = 0
    for f in range(len(faces)):
        for corner in range(3):
            p, q = faces[f, corner - 2], faces[f, corner - 1]  # the next two corners, counted from the end
            low, high = min(p, q), max(p, q)
            bucket = _bucket(low, high, size)
            edge, ring = 3 * f + corner, _find(low, high, heads[bucket], links, ends)
            if ring == EMPTY:
                ends[count, 0], ends[count, 1] = low, high
                mates[edge], firsts[count] = edge, edge
                links[count], heads[bucket] = heads[bucket], count
                count += 1
            else:
                mates[edge], mates[firsts[ring]] = mates[firsts[ring]], edge
    return mates, firsts[:count], ends[:count]


@njit(cache=True, nogil=True)
def _bucket(low: Any, high: Any, size: Any) -> Any:
    """Neighbours in the mesh are mostly neighbours in memory: a table in that order costs fewer misses."""
    return (2 * (np.int64(low) + high) + np.int64((np.uint64(low) * HASH) >> np.uint64(63))) & (size - 1)


@njit(cache=True, nogil=True)
def _find(low: Any, high: Any, ring: Any, links: Any, ends: Any) -> Any:
    """The ring of a chain that has these ends, or EMPTY."""
    for _ in range(MAX_STEPS):
        if ring == EMPTY or (ends[ring, 0] == low and ends[ring, 1] == high):
            return ring
        ring = links[ring]
    return EMPTY


@njit(cache=True, nogil=True, error_model="numpy")
def measure_turns(faces: Any, normals: Any, mates: Any, firsts: Any, turns: Any) -> None:
    """Angles in radians by which the surface turns at the edges of some rings.

    Args:
        faces: (F, 3) int32. normals: (F, 3) unit. mates: (3F,) from `link_edges`.
        firsts: (E,) from there, or a part of it.
        turns: (3F,) out. 0 where the surface is flat, up to pi where it folds back; pi also at an open edge.
    """
    for edge in firsts:
        other = mates[edge]
        if other != edge and mates[other] == edge:
            turns[edge] = turns[other] = _turn_between(faces, normals, edge, other)
            continue
        turns[edge] = _least_turn(faces, normals, mates, edge)
        while other != edge:
            turns[other] = _least_turn(faces, normals, mates, other)
            other = mates[other]


@njit(cache=True, nogil=True)
def _least_turn(faces: Any, normals: Any, mates: Any, edge: Any) -> Any:
    """To the straightest continuation, at an edge of any number of faces."""
    least, other = np.pi, mates[edge]
    for _ in range(MAX_STEPS):
        if other == edge:
            break
        least = min(least, _turn_between(faces, normals, edge, other))
        other = mates[other]
    return least


@njit(cache=True, nogil=True)
def _turn_between(faces: Any, normals: Any, edge: Any, other: Any) -> Any:
    n, m = normals[edge // 3], normals[other // 3]
    cosine = n[0] * m[0] + n[1] * m[1] + n[2] * m[2]
    if _ascends(faces, edge) == _ascends(faces, other):  # one of the two faces is wound the other way
        cosine = -cosine
    return np.arccos(min(max(cosine, -1.0), 1.0))


@njit(cache=True, nogil=True)
def _ascends(faces: Any, edge: Any) -> Any:
    """Whether a face runs along its edge from the lower vertex to the higher one."""
    face, corner = edge // 3, edge % 3
    return faces[face, corner - 2] < faces[face, corner - 1]
