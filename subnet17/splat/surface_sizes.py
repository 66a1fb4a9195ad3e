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
SWEEPS = 1
"""Passes over all faces, there and back, that limit the growth of sizes."""
SMOOTHINGS = 2


def measure_sizes(
    vertices: Any, faces: Any, areas: Any, normals: Any, turns: Any, same: Any, extent: Any, even: Any
) -> Any:
    """Wanted discs of all faces.

    Args:
        vertices: (V, 3). faces: (F, 3). areas: (F,). normals: (F, 3) unit.
        turns: (F, 3) from `measure_turns`. same: (V,) from `link_edges`.
        extent: The mesh's longest side.
        even: Standard deviation of discs of equal size.

    Returns:
        (F, 2) wanted standard deviations across and along the bend, (F, 3) the direction across it, 0 where
        nothing bends, and (V, 3) what to add to the vertices to draw them in.
    """
    with ThreadPoolExecutor(2) as pool:
        sums_of_faces = pool.submit(_sum_faces, faces, areas, normals, same)
        tensors, pulls = _sum_bends(vertices, faces, areas, normals, turns, same, even)
        rings, sums = sums_of_faces.result()
        insets = pool.submit(_draw_in, faces, same, pulls, areas, rings, extent)
        narrow, wide, across = _size_vertices(tensors, sums, rings, SAG_RATIO * extent, even)
        for _ in range(SWEEPS):
            for backwards in (False, True):
                _limit_growth(vertices, faces, same, narrow, wide, across, backwards)
        sizes, directions = _size_faces(faces, same, narrow, wide, across)
        return sizes, directions, insets.result()


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_in(faces: Any, same: Any, pulls: Any, areas: Any, rings: Any, extent: Any) -> Any:
    """Steps of the vertices towards the centre of curvature, from the sums of pulls."""
    for _ in range(SMOOTHINGS):
        pulls = _smooth(faces, same, pulls, areas, rings)
    _limit_insets(pulls, rings, same, extent)
    return pulls


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_faces(faces: Any, areas: Any, normals: Any, same: Any) -> Any:
    """Areas, and normals weighted by area, of the faces around each vertex."""
    rings, sums = np.zeros(len(same)), np.zeros((len(same), 3))
    for f in range(len(faces)):
        for k in range(3):
            v = same[faces[f, k]]
            rings[v] += areas[f]
            for axis in range(3):
                sums[v, axis] += areas[f] * normals[f, axis]
    return rings, sums


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_bends(vertices: Any, faces: Any, areas: Any, normals: Any, turns: Any, same: Any, even: Any) -> Any:
    """Sums over the edges around each vertex: turn x length x (direction across)², and the pull of tension.

    A vertex meets the edges that end at it, which carry 2/3 of what crosses its ring, and every edge but an
    open one from two faces. The tensor's components are xx, yy, zz, xy, xz, yz.
    """
    tensors, pulls = np.zeros((len(same), 6)), np.zeros((len(same), 3))
    for f in range(len(faces)):
        nx, ny, nz = normals[f]
        for k in range(3):
            p, q = same[faces[f, k - 2]], same[faces[f, k - 1]]
            ex, ey, ez = _between(vertices, p, q)
            length = np.sqrt(ex * ex + ey * ey + ez * ez)
            if (
                areas[f] == 0
                or length == 0
                or (turns[f, k] >= SHARP_RAD and areas[f] >= SHARP_FACE * even * even)
            ):
                continue
            x, y, z = ey * nz - ez * ny, ez * nx - ex * nz, ex * ny - ey * nx  # out of the face
            weight = 0.75 * min(turns[f, k], STEEPEST_RAD) / length
            for v in (p, q):
                t = tensors[v]
                t[0] += weight * x * x
                t[1] += weight * y * y
                t[2] += weight * z * z
                t[3] += weight * x * y
                t[4] += weight * x * z
                t[5] += weight * y * z
                pulls[v, 0] -= 1.5 * x
                pulls[v, 1] -= 1.5 * y
                pulls[v, 2] -= 1.5 * z
    return tensors, pulls


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
    angle = 0.5 * np.arctan2(2.0 * uv, uu - vv)
    c, s = np.cos(angle), np.sin(angle)
    for axis in range(3):
        across[axis] = c * u[axis] + s * v[axis]
    middle, spread = 0.5 * (uu + vv), np.sqrt(0.25 * (uu - vv) ** 2 + uv * uv)
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


@njit(cache=True, nogil=True, error_model="numpy")
def _limit_growth(
    vertices: Any, faces: Any, same: Any, narrow: Any, wide: Any, across: Any, backwards: Any
) -> None:
    """One pass over the edges; a vertex that is limited by another also takes over its direction."""
    for i in range(len(faces)):
        f = len(faces) - 1 - i if backwards else i
        for k in range(3):
            p, q = same[faces[f, k - 2]], same[faces[f, k - 1]]
            if narrow[p] > narrow[q]:
                p, q = q, p
            ex, ey, ez = _between(vertices, p, q)
            growth = GROWTH * np.sqrt(ex * ex + ey * ey + ez * ez)
            if narrow[p] + growth < narrow[q]:
                narrow[q] = narrow[p] + growth
                across[q] = across[p]
            wide[q] = min(wide[q], wide[p] + growth)
            wide[p] = min(wide[p], wide[q] + growth)


@njit(cache=True, nogil=True, error_model="numpy")
def _size_faces(faces: Any, same: Any, narrow: Any, wide: Any, across: Any) -> Any:
    """The corners' mean sizes, and the direction of the corner that bends most."""
    sizes, directions = np.empty((len(faces), 2)), np.empty((len(faces), 3))
    for f in range(len(faces)):
        a, b, c = same[faces[f, 0]], same[faces[f, 1]], same[faces[f, 2]]
        sizes[f, 0] = (narrow[a] + narrow[b] + narrow[c]) / 3.0
        long = (wide[a] + wide[b] + wide[c]) / 3.0
        sizes[f, 1] = min(max(long, sizes[f, 0]), LONGEST * sizes[f, 0])
        least = a if narrow[a] <= narrow[b] else b
        directions[f] = across[least if narrow[least] <= narrow[c] else c]
    return sizes, directions


@njit(cache=True, nogil=True, error_model="numpy")
def _smooth(faces: Any, same: Any, pulls: Any, areas: Any, rings: Any) -> Any:
    """Pulls over the rings of faces: one crease in a fine tessellation must not leave a groove."""
    smooth = np.zeros_like(pulls)
    for f in range(len(faces)):
        a, b, c = same[faces[f, 0]], same[faces[f, 1]], same[faces[f, 2]]
        if areas[f] == 0:
            continue
        for axis in range(3):
            # A pull is a curvature times its ring's area, which three faces share with each corner.
            mean = pulls[a, axis] / rings[a] + pulls[b, axis] / rings[b] + pulls[c, axis] / rings[c]
            share = areas[f] * mean / 3.0
            smooth[a, axis] += share
            smooth[b, axis] += share
            smooth[c, axis] += share
    return smooth


@njit(cache=True, nogil=True, error_model="numpy")
def _limit_insets(pulls: Any, rings: Any, same: Any, extent: Any) -> None:
    """Turns sums of pulls into steps towards the centre of curvature, in place."""
    for v in range(len(pulls)):
        first = same[v]
        if first < v:
            pulls[v] = pulls[first]
            continue
        length = np.sqrt(_dot(pulls[v], pulls[v]))
        bend = length / rings[v] if rings[v] > 0 else 0.0
        step = 0.0
        if bend > 0:
            step = (
                min(INSET_RATIO * extent * bend / (bend + INSET_BEND / extent), INSET_SHARE / bend) / length
            )
        for axis in range(3):
            pulls[v, axis] *= step
