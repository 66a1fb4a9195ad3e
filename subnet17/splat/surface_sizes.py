"""Sizes of the discs that each face of a mesh wants, and how far they are drawn in from bends.

Compiled functions that call each other stay in one file: numba's cache doesn't notice a change in another.

Covers: bends, creases and borders of any tessellation, also one much finer than a disc. The curvature tensor
of a vertex sums over the edges of its faces turn times length, in the direction across the edge, over the
area (after Cohen-Steiner and Morvan, 2003). From there sizes grow only as fast as the distance does, so that
a disc beside a bend ends where the bend begins.
The renderer widens every splat by about half a pixel, and at an outline many discs lie behind each other, so
a skin looks more than a pixel thicker than its mesh. Where the surface bends its discs are therefore drawn in
towards the centre of curvature: both sides of a thin sheet the same way, and flat sides not at all.
Not covered: sharp edges of faces much larger than a disc, which surface_discs.py follows exactly; colours;
lines where parts merely intersect.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit

SAG_RATIO = 0.002
"""How far a disc may leave a bent surface at two standard deviations, over the mesh's longest side."""
GROWTH = 0.5
"""Growth of a disc's deviation per distance from a bend: two deviations then reach to the bend."""
LARGEST_RATIO = 2.0
SMALLEST_RATIO = 0.25
"""Limits of a wanted deviation, over that of discs of equal size."""
LONGEST = 4.0
"""Most that a disc's length may be over its width."""
SHARP_RAD = math.radians(30.0)
SHARP_FACE = 10.0
"""Sharp edges are followed exactly on faces of at least this many disc variances: fewer discs, all of them
narrowed, don't close a face, and a model whose faces are not quite joined has nothing but open edges."""
STEEPEST_RAD = math.pi / 2
"""A larger turn counts as this one, an open edge too."""
INSET_RATIO = 0.0035
"""Most that discs are drawn in, over the mesh's longest side: 1.2 px in the validators' pictures."""
INSET_BEND = 2.0
"""Curvature times longest side at which they are drawn in by half of it, ..."""
INSET_SHARE = 0.7
"""... and most of a radius of curvature: twigs keep their thickness."""
SWEEPS = 4
"""Passes over all edges, every second one backwards, that limit the growth of sizes."""
SMOOTHINGS = 2


def measure_sizes(
    vertices: Any, faces: Any, areas: Any, normals: Any, turns: Any, edges: Any, extent: Any, even: Any
) -> Any:
    """Wanted discs of all faces.

    Args:
        vertices: (V, 3), all in use. faces: (F, 3). areas: (F,), > 0. normals: (F, 3) unit.
        turns: (F, 3) from `measure_turns`. edges: (E, 2) ends from `link_edges`.
        extent: The mesh's longest side.
        even: Standard deviation of discs of equal size.

    Returns:
        (F, 2) wanted standard deviations across and along the bend, (F, 3) the direction across it, 0 where
        nothing bends, and (V, 3) what to add to the vertices to draw them in.
    """
    with ThreadPoolExecutor(2) as pool:
        rings, sums = _sum_faces(len(vertices), faces, areas, normals)
        insets = pool.submit(_draw_in, vertices, faces, areas, normals, turns, rings, extent, even)
        tensors = _sum_bends(vertices, faces, areas, normals, turns, even)
        narrow, wide, across = _size_vertices(tensors, sums, rings, SAG_RATIO * extent, even)
        lengths = _measure_lengths(vertices, edges)
        widened = pool.submit(_limit_growth, edges, lengths, wide)
        sources = _limit_growth(edges, lengths, narrow)
        widened.result()
        sizes, directions = _size_faces(faces, narrow, wide, across, sources)
        return sizes, directions, insets.result()


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_in(
    vertices: Any, faces: Any, areas: Any, normals: Any, turns: Any, rings: Any, extent: Any, even: Any
) -> Any:
    """(V, 3) steps of the vertices towards the centre of curvature."""
    pulls = _sum_pulls(vertices, faces, areas, normals, turns, even)
    for _ in range(SMOOTHINGS):
        pulls = _smooth(faces, pulls, areas, rings)
    _limit_insets(pulls, rings, extent)
    return pulls


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_faces(count: Any, faces: Any, areas: Any, normals: Any) -> Any:
    """Areas, and normals weighted by area, of the faces around each vertex."""
    rings, sums = np.zeros(count), np.zeros((count, 3))
    for f in range(len(faces)):
        for v in faces[f]:
            rings[v] += areas[f]
            for axis in range(3):
                sums[v, axis] += areas[f] * normals[f, axis]
    return rings, sums


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_bends(vertices: Any, faces: Any, areas: Any, normals: Any, turns: Any, even: Any) -> Any:
    """(V, 6) sums over the edges around each vertex: turn x length x (direction across)².

    A vertex meets the edges that end at it, which carry 2/3 of what crosses its ring, and every edge but an
    open one from two faces. The tensor's components are xx, yy, zz, xy, xz, yz.
    """
    tensors = np.zeros((len(vertices), 6))
    for f in range(len(faces)):
        for k in range(3):
            if _is_sharp(areas[f], turns[f, k], even):
                continue
            p, q = faces[f, k - 2], faces[f, k - 1]
            x, y, z = _out_of_face(vertices, normals[f], p, q)
            length = max(np.sqrt(x * x + y * y + z * z), 1e-300)
            weight = 0.75 * min(turns[f, k], STEEPEST_RAD) / length
            for v in (p, q):
                t = tensors[v]
                t[0] += weight * x * x
                t[1] += weight * y * y
                t[2] += weight * z * z
                t[3] += weight * x * y
                t[4] += weight * x * z
                t[5] += weight * y * z
    return tensors


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_pulls(vertices: Any, faces: Any, areas: Any, normals: Any, turns: Any, even: Any) -> Any:
    """(V, 3) pulls of tension: sums over the same edges of length x direction into the face."""
    pulls = np.zeros((len(vertices), 3))
    for f in range(len(faces)):
        for k in range(3):
            if _is_sharp(areas[f], turns[f, k], even):
                continue
            p, q = faces[f, k - 2], faces[f, k - 1]
            x, y, z = _out_of_face(vertices, normals[f], p, q)
            for v in (p, q):
                pulls[v, 0] -= 1.5 * x
                pulls[v, 1] -= 1.5 * y
                pulls[v, 2] -= 1.5 * z
    return pulls


@njit(cache=True, nogil=True)
def _is_sharp(area: Any, turn: Any, even: Any) -> Any:
    """Whether surface_discs.py follows the edge exactly."""
    return turn >= SHARP_RAD and area >= SHARP_FACE * even * even


@njit(cache=True, nogil=True)
def _out_of_face(vertices: Any, normal: Any, p: Any, q: Any) -> Any:
    """The edge from p to q, turned in the face's plane to point outwards."""
    ex, ey, ez = _between(vertices, p, q)
    return ey * normal[2] - ez * normal[1], ez * normal[0] - ex * normal[2], ex * normal[1] - ey * normal[0]


@njit(cache=True, nogil=True)
def _between(vertices: Any, p: Any, q: Any) -> Any:
    return vertices[q, 0] - vertices[p, 0], vertices[q, 1] - vertices[p, 1], vertices[q, 2] - vertices[p, 2]


@njit(cache=True, nogil=True, error_model="numpy")
def _size_vertices(tensors: Any, sums: Any, rings: Any, sag: Any, even: Any) -> Any:
    """Wanted deviations across and along the bend at each vertex, and the direction across."""
    count = len(rings)
    largest, smallest = LARGEST_RATIO * even, SMALLEST_RATIO * even
    narrow, wide, across = np.full(count, largest), np.full(count, largest), np.zeros((count, 3))
    for v in range(count):
        if tensors[v, 0] + tensors[v, 1] + tensors[v, 2] > 0:
            most, least = _principal(tensors[v], sums[v], across[v])
            # At two deviations r, a surface of curvature k has left its tangent plane by k (2 r)² / 2.
            narrow[v] = min(max(np.sqrt(sag * rings[v] / (2.0 * max(most, 1e-300))), smallest), largest)
            wide[v] = min(max(np.sqrt(sag * rings[v] / (2.0 * max(least, 1e-300))), smallest), largest)
    return narrow, wide, across


@njit(cache=True, nogil=True, error_model="numpy")
def _principal(t: Any, normal: Any, across: Any) -> Any:
    """Eigenvalues of a tensor in the plane across a normal, the larger first; `across` gets its direction."""
    norm = max(np.sqrt(_dot(normal, normal)), 1e-300)
    nx, ny, nz = normal[0] / norm, normal[1] / norm, normal[2] / norm
    sign = 1.0 if nz >= 0 else -1.0  # a basis of the plane after Duff et al., 2017
    a = -1.0 / (sign + nz)
    b = nx * ny * a
    u, v = (1.0 + sign * nx * nx * a, sign * b, -sign * nx), (b, sign + ny * ny * a, -ny)
    tu, tv = _times(t, u), _times(t, v)
    uu, uv, vv = _dot(u, tu), _dot(u, tv), _dot(v, tv)
    middle, half = 0.5 * (uu + vv), 0.5 * (uu - vv)
    spread = np.sqrt(half * half + uv * uv)
    # (half, uv) is at twice the direction's angle from u; adding the positive length to it halves the angle.
    c, s = (spread + half, uv) if half >= 0 else (abs(uv), np.copysign(spread - half, uv))
    norm = max(np.sqrt(c * c + s * s), 1e-300)
    for axis in range(3):
        across[axis] = (c * u[axis] + s * v[axis]) / norm
    return middle + spread, middle - spread


@njit(cache=True, nogil=True)
def _times(t: Any, p: Any) -> Any:
    return (
        t[0] * p[0] + t[3] * p[1] + t[4] * p[2],
        t[3] * p[0] + t[1] * p[1] + t[5] * p[2],
        t[4] * p[0] + t[5] * p[1] + t[2] * p[2],
    )


@njit(cache=True, nogil=True)
def _dot(p: Any, q: Any) -> Any:
    return p[0] * q[0] + p[1] * q[1] + p[2] * q[2]


@njit(cache=True, nogil=True)
def _measure_lengths(vertices: Any, edges: Any) -> Any:
    lengths = np.empty(len(edges))
    for e in range(len(edges)):
        x, y, z = _between(vertices, edges[e, 0], edges[e, 1])
        lengths[e] = np.sqrt(x * x + y * y + z * z)
    return lengths


@njit(cache=True, nogil=True)
def _limit_growth(edges: Any, lengths: Any, sizes: Any) -> Any:
    """Lets sizes (V,) grow by at most `GROWTH` per length, in place.

    Returns:
        (V,) int32 the vertex that limits each one; itself where none does.
    """
    sources = np.arange(len(sizes)).astype(np.int32)
    for sweep in range(SWEEPS):
        for i in range(len(edges)):
            e = len(edges) - 1 - i if sweep % 2 else i
            p, q = edges[e, 0], edges[e, 1]
            if sizes[p] > sizes[q]:
                p, q = q, p
            limit = sizes[p] + GROWTH * lengths[e]
            if limit < sizes[q]:
                sizes[q], sources[q] = limit, sources[p]
    return sources


@njit(cache=True, nogil=True, error_model="numpy")
def _size_faces(faces: Any, narrow: Any, wide: Any, across: Any, sources: Any) -> Any:
    """The corners' mean sizes, and the direction where the corner of the tightest bend has it from."""
    sizes, directions = np.empty((len(faces), 2)), np.empty((len(faces), 3))
    for f in range(len(faces)):
        a, b, c = faces[f]
        sizes[f, 0] = (narrow[a] + narrow[b] + narrow[c]) / 3.0
        long = (wide[a] + wide[b] + wide[c]) / 3.0
        sizes[f, 1] = min(max(long, sizes[f, 0]), LONGEST * sizes[f, 0])
        least = a if narrow[a] <= narrow[b] else b
        directions[f] = across[sources[least if narrow[least] <= narrow[c] else c]]
    return sizes, directions


@njit(cache=True, nogil=True, error_model="numpy")
def _smooth(faces: Any, pulls: Any, areas: Any, rings: Any) -> Any:
    """Pulls over the rings of faces: one crease in a fine tessellation must not leave a groove."""
    bends, smooth = np.empty_like(pulls), np.zeros_like(pulls)
    for v in range(len(pulls)):
        for axis in range(3):
            # A pull is a curvature times its ring's area, which three faces share with each corner.
            bends[v, axis] = pulls[v, axis] / (3.0 * rings[v])
    for f in range(len(faces)):
        a, b, c = faces[f]
        for axis in range(3):
            share = areas[f] * (bends[a, axis] + bends[b, axis] + bends[c, axis])
            smooth[a, axis] += share
            smooth[b, axis] += share
            smooth[c, axis] += share
    return smooth


@njit(cache=True, nogil=True, error_model="numpy")
def _limit_insets(pulls: Any, rings: Any, extent: Any) -> None:
    """Turns sums of pulls into steps towards the centre of curvature, in place."""
    for v in range(len(pulls)):
        length = np.sqrt(_dot(pulls[v], pulls[v]))
        bend = length / rings[v]
        step = 0.0
        if bend > 0:
            step = (
                min(INSET_RATIO * extent * bend / (bend + INSET_BEND / extent), INSET_SHARE / bend) / length
            )
        for axis in range(3):
            pulls[v, axis] *= step
