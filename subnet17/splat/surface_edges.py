"""How sharply a triangle mesh turns at its edges.

Compiled functions that call each other stay in one file: numba's cache doesn't notice a change in another.

Covers: any triangle soup. Vertices at the same place count as one, so texture seams and faces that share no
vertices are still neighbours; winding doesn't matter; of the faces at a doubled or non-manifold edge the
straightest continuation counts. Not covered: gaps wider than a millionth of the model, which are open edges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

PLACES = float(2**20)
"""Cells along the longest side within which vertices count as one."""
MAX_CHAIN = 64
"""Entries looked at for one edge: bounds the work on an edge that thousands of faces share."""
EMPTY = np.int32(-1)
HASH = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True, error_model="numpy")
def link_edges(vertices: Any, faces: Any, areas: Any) -> Any:
    """A hash table of all edges: chains of `3 * face + corner`, the edge lying opposite that corner.

    Args:
        vertices: (V, 3) float64. faces: (F, 3) int64. areas: (F,); faces of area 0 are left out.

    Returns:
        (V,) int32 first vertex at the same place, and the chains' heads and links, int32.
    """
    same = _merge_places(vertices)
    size = 1
    while size < 2 * len(faces):
        size *= 2
    heads = np.full(size, EMPTY)
    links = np.full(3 * len(faces), EMPTY)
    for f in range(len(faces)):
        if areas[f] == 0:
            continue
        for corner in range(3):
            low, high = _ends(faces, same, f, corner)
            bucket = _bucket(low, high, size)
            edge = 3 * f + corner
            links[edge] = heads[bucket]
            heads[bucket] = edge
    return same, heads, links


@njit(cache=True, nogil=True)
def _bucket(p: Any, q: Any, size: Any) -> Any:
    """Neighbours in the mesh are mostly neighbours in memory: a table in that order costs fewer misses."""
    low, high = np.int64(min(p, q)), np.int64(max(p, q))
    return (2 * (low + high) + np.int64((np.uint64(low) * HASH) >> np.uint64(63))) & (size - 1)


@njit(cache=True, nogil=True)
def _ends(faces: Any, same: Any, face: Any, corner: Any) -> Any:
    """The two vertices of the edge opposite a corner, the lower one first."""
    p = same[faces[face, corner - 2]]  # -2 and -1 are the next two corners, counted from the end
    q = same[faces[face, corner - 1]]
    return min(p, q), max(p, q)


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
def measure_turns(
    vertices: Any, faces: Any, areas: Any, edges: Any, first: Any, last: Any, turns: Any
) -> None:
    """Angles in radians by which the surface turns at the edges of faces.

    An edge of exactly two faces is measured once, with the lower face, and written for both: calls for all
    parts of range(F), in any order and on any threads, fill everything.

    Args:
        vertices: (V, 3) float64. faces: (F, 3) int64. areas: (F,). edges: What `link_edges` returned.
        first, last: The faces of this part.
        turns: (F, 3) out; column k is the edge opposite corner k. 0 where the surface is flat, up to pi where
            it folds back; pi also at an open edge; 0 at faces of area 0.
    """
    same, heads, links = edges  # unpacked here: in the inner functions each call would count references
    for face in range(first, last):
        for corner in range(3):
            if areas[face] == 0:
                turns[face, corner] = 0.0
                continue
            others, other = _meet(faces, same, heads, links, face, corner)
            if others != 1:
                turns[face, corner] = _turn_at_edge(vertices, faces, same, heads, links, face, corner)
            elif other > 3 * face:
                turn = _turn_between(vertices, faces, face, corner, other // 3, other % 3)
                turns[face, corner] = turns[other // 3, other % 3] = turn


@njit(cache=True, nogil=True, error_model="numpy")
def _meet(faces: Any, same: Any, heads: Any, links: Any, face: Any, corner: Any) -> Any:
    """How many other faces have this edge, and the last found of theirs."""
    low, high = _ends(faces, same, face, corner)
    edge = heads[_bucket(low, high, len(heads))]
    others, found = 0, np.int64(-1)
    for _ in range(MAX_CHAIN):
        if edge == EMPTY:
            break
        other = edge // np.int32(3)
        if other != face and _ends(faces, same, other, edge - 3 * other) == (low, high):
            others += 1
            found = np.int64(edge)
        edge = links[edge]
    return others, found


@njit(cache=True, nogil=True, error_model="numpy")
def _turn_at_edge(
    vertices: Any, faces: Any, same: Any, heads: Any, links: Any, face: Any, corner: Any
) -> Any:
    """To the straightest continuation, at an edge of any number of faces."""
    low, high = _ends(faces, same, face, corner)
    least = np.pi
    edge = heads[_bucket(low, high, len(heads))]
    for _ in range(MAX_CHAIN):
        if edge == EMPTY:
            break
        other = edge // np.int32(3)
        other_corner = edge - 3 * other
        if other != face and _ends(faces, same, other, other_corner) == (low, high):
            least = min(least, _turn_between(vertices, faces, face, corner, other, other_corner))
        edge = links[edge]
    return least


@njit(cache=True, nogil=True, error_model="numpy")
def _turn_between(vertices: Any, faces: Any, face: Any, corner: Any, other: Any, other_corner: Any) -> Any:
    ox, oy, oz = _away_from_edge(vertices, faces, face, corner)
    x, y, z = _away_from_edge(vertices, faces, other, other_corner)
    return np.arccos(min(max(-(ox * x + oy * y + oz * z), -1.0), 1.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _away_from_edge(vertices: Any, faces: Any, face: Any, corner: Any) -> Any:
    """Unit vector in the face's plane, from the edge opposite a corner towards that corner."""
    c = vertices[faces[face, corner]]
    a, b = vertices[faces[face, corner - 2]], vertices[faces[face, corner - 1]]
    ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    x, y, z = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    along = (x * ex + y * ey + z * ez) / (ex * ex + ey * ey + ez * ez)
    x, y, z = x - along * ex, y - along * ey, z - along * ez
    length = np.sqrt(x * x + y * y + z * z)
    if length > 0:
        x, y, z = x / length, y / length, z / length
    return x, y, z
