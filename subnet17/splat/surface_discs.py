"""Shapes of the discs that cover a mesh: one flat Gaussian per surface point.

A disc has the size and the direction that its face wants (surface_sizes.py), times what the number of points
allows. On faces larger than the disc, sharp and open edges count exactly: the centre keeps a small distance
and the disc is narrowed towards the edge, and what it loses in width it gains in length, as far as the face
goes on. The distance from edge k is weight k times altitude k.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

RADIUS_RATIO = 0.8
"""Standard deviation of a disc over the square root of its area. In the largest gaps of the sampling, the
discs of one side alone reach an alpha of 0.96. With 1.0 it is 0.98, but pictures lose 2 to 3 dB."""
EDGED_RATIO = 1.0
"""The same on faces whose sharp edges are followed exactly: narrowed discs leave more gaps."""
THICKNESS_RATIO = 0.05
EDGE_GAP_RATIO = 0.5
"""Least distance of a centre from a sharp edge, over the plain radius."""
EDGE_REACH = 2.5
"""Standard deviations of a disc that end as far beyond a sharp edge as the least distance before it."""
STRETCH = 4.0
"""Longest a narrowed disc grows along its edge, over the plain radius."""
ROUND = 0.9
"""A disc counts as round, and takes any direction, from this width over length."""
GOLDEN_RAD = math.pi * (3.0 - math.sqrt(5.0))


@njit(cache=True, nogil=True, error_model="numpy")
def shape_discs(  # noqa: PLR0917 - compiled code takes no keywords
    vertices: Any, faces: Any, areas: Any, normals: Any, turns: Any, sizes: Any, directions: Any, insets: Any,
    chosen: Any, weights: Any, share: Any, sharpness: Any, first: Any, means: Any, scales: Any, quats: Any,
) -> None:  # fmt: skip
    """Writes the discs of N points.

    Args:
        vertices: (V, 3). faces: (F, 3). areas: (F,). normals: (F, 3) unit.
        turns: (F, 3) angles at the edges opposite each corner, from `measure_turns`.
        sizes: (F, 2), directions: (F, 3), insets: (V, 3), from `measure_sizes`.
        chosen: (N,) face of each point. weights: (N, 3) barycentric.
        share: The area each point stands for, over the product of its face's sizes.
        sharpness: (SHARP_RAD, SHARP_FACE) of surface_sizes.py; given, because numba's cache wouldn't notice a
            change in another file.
        first: Number of the first point in the whole cloud.
        means: (N, 3) out. scales: (N, 3) out, standard deviations across, along and through the disc.
        quats: (N, 4) out, wxyz, unit.
    """
    outward, altitudes, sharp, across = np.empty((3, 3)), np.empty(3), np.empty(3, np.bool_), np.empty(3)
    scale, radius, previous = 0.0, 0.0, -1
    for i in range(len(chosen)):
        face = chosen[i]
        if face != previous:
            radius = EDGED_RATIO * np.sqrt(share * sizes[face, 0] * sizes[face, 1])
            _measure_edges(vertices, faces[face], areas[face], normals[face], outward, altitudes)
            for k in range(3):
                sharp[k] = turns[face, k] >= sharpness[0] and areas[face] >= sharpness[1] * radius * radius
            scale = np.sqrt(share) * (EDGED_RATIO if sharp.any() else RADIUS_RATIO)
            radius = scale * np.sqrt(sizes[face, 0] * sizes[face, 1])
            previous = face
        for axis in range(3):
            means[i, axis] = 0.0
            for k in range(3):
                vertex = faces[face, k]
                means[i, axis] += weights[i, k] * (vertices[vertex, axis] + insets[vertex, axis])
        narrow, wide, narrowed = _size_disc(weights[i], outward, altitudes, sharp, radius)
        if narrowed < 0 or narrow > scale * sizes[face, 0]:
            narrow, wide, narrowed = scale * sizes[face, 0], scale * sizes[face, 1], -1
        _keep_off_edges(means[i], weights[i], outward, altitudes, sharp, radius)
        if narrowed >= 0:
            across[:] = outward[narrowed]
        elif narrow > ROUND * wide or not _lay_flat(directions[face], normals[face], across):
            across[:] = outward[0]
            _turn(across, normals[face], (first + i) * GOLDEN_RAD)
        if (first + i) % 2:
            across *= -1.0
        scales[i, 0], scales[i, 1], scales[i, 2] = narrow, wide, THICKNESS_RATIO * narrow
        _frame_to_quat(across, normals[face], quats[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _measure_edges(vertices: Any, face: Any, area: Any, normal: Any, outward: Any, altitudes: Any) -> None:
    """In-plane unit vectors out of the edges opposite each corner, and the corners' distances from them."""
    for k in range(3):
        a, b = vertices[face[(k + 1) % 3]], vertices[face[(k + 2) % 3]]
        ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        length = np.sqrt(ex * ex + ey * ey + ez * ez)
        outward[k, 0] = (ey * normal[2] - ez * normal[1]) / length
        outward[k, 1] = (ez * normal[0] - ex * normal[2]) / length
        outward[k, 2] = (ex * normal[1] - ey * normal[0]) / length
        altitudes[k] = 2.0 * area / length


@njit(cache=True, nogil=True, error_model="numpy")
def _size_disc(weights: Any, outward: Any, altitudes: Any, sharp: Any, radius: Any) -> Any:
    """Standard deviations across and along, and the edge it was narrowed towards (-1: none, it is round)."""
    narrow, narrowed = radius, -1
    for k in range(3):
        limit = _reach(weights[k], altitudes[k], radius) if sharp[k] else radius
        if limit < narrow:
            narrow, narrowed = limit, k
    if narrowed < 0:
        return radius, radius, narrowed
    wide = min(radius * radius / narrow, STRETCH * radius)
    ends = _to_nearer_end(weights, outward, altitudes, narrowed)
    wide = min(wide, max(radius, (ends + EDGE_GAP_RATIO * radius) / EDGE_REACH))
    for k in range(3):
        if k != narrowed and sharp[k]:
            cosine = _dot(outward[k], outward[narrowed])
            limit = _reach(weights[k], altitudes[k], radius)
            free = max(limit * limit - (narrow * cosine) ** 2, 0.0)
            wide = max(narrow, min(wide, np.sqrt(free / max(1.0 - cosine * cosine, 1e-12))))
    return narrow, wide, narrowed


@njit(cache=True, nogil=True, error_model="numpy")
def _to_nearer_end(weights: Any, outward: Any, altitudes: Any, k: Any) -> Any:
    """Distance along edge k from a point to the nearer of the edge's ends.

    With u the edges' unit outward normals and h the distances from them, edges k and j meet
    (h_j - h_k u_k . u_j) / |u_k x u_j| further along edge k.
    """
    nearer = np.inf
    for j in range(3):
        if j != k:
            cosine = _dot(outward[k], outward[j])
            sine = np.sqrt(max(1.0 - cosine * cosine, 1e-12))
            nearer = min(nearer, (weights[j] * altitudes[j] - weights[k] * altitudes[k] * cosine) / sine)
    return abs(nearer)


@njit(cache=True, nogil=True, error_model="numpy")
def _reach(weight: Any, altitude: Any, radius: Any) -> Any:
    """Widest deviation towards a sharp edge; in a strip narrower than the disc, to its nearer side."""
    distance, gap = weight * altitude, _gap(altitude, radius)
    if altitude < 2.0 * radius:
        distance = min(distance, altitude - distance)
    return (max(distance, gap) + gap) / EDGE_REACH


@njit(cache=True, nogil=True)
def _gap(altitude: Any, radius: Any) -> Any:
    return min(EDGE_GAP_RATIO * radius, 0.5 * altitude)


@njit(cache=True, nogil=True)
def _keep_off_edges(mean: Any, weights: Any, outward: Any, altitudes: Any, sharp: Any, radius: Any) -> None:
    """Moves a centre that is too close to a sharp edge inwards."""
    for k in range(3):
        if not sharp[k]:
            continue
        distance, gap = weights[k] * altitudes[k], _gap(altitudes[k], radius)
        highest = altitudes[k] - gap if altitudes[k] < 2.0 * radius else np.inf
        inwards = min(max(distance, gap), highest) - distance
        for axis in range(3):
            mean[axis] -= inwards * outward[k, axis]


@njit(cache=True, nogil=True, error_model="numpy")
def _lay_flat(direction: Any, normal: Any, across: Any) -> Any:
    """Writes the unit part of a direction in the plane across a normal; False if there is next to none."""
    along = _dot(direction, normal)
    for axis in range(3):
        across[axis] = direction[axis] - along * normal[axis]
    length = np.sqrt(_dot(across, across))
    if length < 0.1:
        return False
    for axis in range(3):
        across[axis] /= length
    return True


@njit(cache=True, nogil=True)
def _turn(across: Any, normal: Any, angle: Any) -> None:
    """Turns a disc's local x about its normal, in place.

    Turning on from disc to disc keeps a flat, axis-aligned mesh from having nothing but identity rotations,
    which validators refuse; a disc that has a direction may only turn by half a circle.
    """
    x, y, z = across
    c, s = np.cos(angle), np.sin(angle)
    across[0] = c * x + s * (normal[1] * z - normal[2] * y)
    across[1] = c * y + s * (normal[2] * x - normal[0] * z)
    across[2] = c * z + s * (normal[0] * y - normal[1] * x)


@njit(cache=True, nogil=True, error_model="numpy")
def _frame_to_quat(x: Any, z: Any, quat: Any) -> None:
    """wxyz of the rotation with columns x, z cross x, z (Shepperd's method: divides by the largest part)."""
    y0, y1, y2 = z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]
    trace = x[0] + y1 + z[2]
    if trace >= x[0] and trace >= y1 and trace >= z[2]:
        w, i, j, k = 1.0 + trace, y2 - z[1], z[0] - x[2], x[1] - y0
    elif x[0] >= y1 and x[0] >= z[2]:
        w, i, j, k = y2 - z[1], 1.0 + x[0] - y1 - z[2], x[1] + y0, z[0] + x[2]
    elif y1 >= z[2]:
        w, i, j, k = z[0] - x[2], x[1] + y0, 1.0 + y1 - x[0] - z[2], y2 + z[1]
    else:
        w, i, j, k = x[1] - y0, z[0] + x[2], y2 + z[1], 1.0 + z[2] - x[0] - y1
    norm = np.sqrt(w * w + i * i + j * j + k * k)
    quat[0], quat[1], quat[2], quat[3] = w / norm, i / norm, j / norm, k / norm


@njit(cache=True, nogil=True)
def _dot(p: Any, q: Any) -> Any:
    return p[0] * q[0] + p[1] * q[1] + p[2] * q[2]
