"""Which faces of a mesh can be seen from outside.

Covers: parallel views from both ends of axes spread evenly over all directions, each with a depth picture of
the whole mesh; a face counts as seen where its centre or a corner is as near as the picture, or nearly. Its
neighbours are kept with it. Not covered: slits narrower than a pixel of the pictures, and what only shows
from between the directions deep inside a cavity.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import trimesh
from numba import njit
from numpy.typing import NDArray

from subnet17.splat.cloud import Float32

AXES = 16
"""Each is looked along from both ends."""
SIZE_PX = 256
TOLERANCE_PX = 1.5
"""A face may lie this many pixels behind the nearest one and still count as seen: at a slant, a pixel's
depth is not the face's."""
RINGS = 2
"""Neighbours kept around what is seen."""


def drop_hidden_faces(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """A mesh of the visible faces, with all vertices and the colours of the vertices."""
    kept = np.asarray(mesh.faces)[visible_faces(mesh)]
    return trimesh.Trimesh(mesh.vertices, kept, vertex_colors=mesh.visual.vertex_colors, process=False)


def visible_faces(mesh: trimesh.Trimesh, *, axes: int = AXES, size_px: int = SIZE_PX) -> NDArray[np.bool_]:
    """Finds the faces that can be seen from outside, and those next to them.

    Args:
        mesh: F triangles with valid indices. Faces that are not finite are never seen.
        axes: Directions looked along, both ways.
        size_px: Pixels of the depth pictures, over the diagonal of the bounding box.

    Returns:
        (F,) bool; all True where nothing can be seen.
    """
    faces = np.ascontiguousarray(mesh.faces, dtype=np.int32)
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    named = np.zeros(len(vertices), np.bool_)
    named[faces.ravel()] = True
    used = vertices[named & np.isfinite(vertices).all(axis=1)]
    span = float(np.linalg.norm(np.ptp(used, axis=0))) if len(used) else 0.0
    if not 0 < span < np.inf:
        return np.ones(len(faces), np.bool_)
    middle = (used.min(axis=0) + used.max(axis=0)) / 2
    points = ((vertices - middle) * ((size_px - 2) / span)).astype(np.float32)
    seen = np.zeros(len(vertices), np.bool_)

    def look(axis: NDArray[np.float64]) -> None:
        _look_along(points, _frame(axis), faces, size_px, np.float32(TOLERANCE_PX), seen)

    threads: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(look, _spread_axes(axes)))
    kept: NDArray[np.bool_] = _grow(faces, seen, RINGS)
    return kept if kept.any() else np.ones(len(faces), np.bool_)


def _spread_axes(count: int) -> NDArray[np.float64]:
    """(count, 3) unit vectors over the upper half sphere, on a golden spiral."""
    number = np.arange(count)
    y = (number + 0.5) / count
    azimuth = number * np.pi * (3.0 - np.sqrt(5.0))
    across = np.sqrt(1 - y * y)
    return np.stack([across * np.sin(azimuth), y, across * np.cos(azimuth)], axis=1)


def _frame(axis: NDArray[np.float64]) -> Float32:
    """(3, 3) rows right, up and the axis."""
    right = np.cross(axis, [0.0, 1.0, 0.0] if abs(axis[1]) < 0.9 else [1.0, 0.0, 0.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(axis, right), axis]).astype(np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _project(points: Any, frame: Any, size: Any) -> Any:
    """(V, 3) x and y in pixels and the depth along the axis, in the same unit.

    Compiled: in numpy's product of matrices, threads of its own wait for each other on all cores.
    """
    places = np.empty_like(points)
    half = np.float32(size) / np.float32(2)
    for v in range(len(points)):
        for row in range(3):
            place = frame[row, 0] * points[v, 0] + frame[row, 1] * points[v, 1] + frame[row, 2] * points[v, 2]
            places[v, row] = place + half if row < 2 else place
    return places


@njit(cache=True, nogil=True, error_model="numpy")
def _look_along(points: Any, frame: Any, faces: Any, size: Any, tolerance: Any, seen: Any) -> None:
    """Marks the vertices of the faces that are in front from either end of an axis."""
    places = _project(points, frame, size)
    near, far = np.full((size, size), np.float32(np.inf)), np.full((size, size), np.float32(-np.inf))
    for f in range(len(faces)):
        _draw(places[faces[f, 0]], places[faces[f, 1]], places[faces[f, 2]], size, near, far)
    third = np.float32(1 / 3)
    for f in range(len(faces)):
        i, j, k = faces[f]
        if seen[i] and seen[j] and seen[k]:
            continue
        x = third * (places[i, 0] + places[j, 0] + places[k, 0])
        y = third * (places[i, 1] + places[j, 1] + places[k, 1])
        z = third * (places[i, 2] + places[j, 2] + places[k, 2])
        if not (0 <= x < size and 0 <= y < size):
            continue
        column, row = int(x), int(y)
        if z <= near[row, column] + tolerance or z >= far[row, column] - tolerance:
            seen[i] = seen[j] = seen[k] = True


@njit(cache=True, nogil=True, error_model="numpy")
def _draw(a: Any, b: Any, c: Any, size: Any, near: Any, far: Any) -> None:
    """Puts a triangle's depths at the pixel centres inside it into both pictures."""
    half = np.float32(0.5)
    left, right = int(min(a[0], b[0], c[0]) + half), int(max(a[0], b[0], c[0]) + half)
    top, bottom = int(min(a[1], b[1], c[1]) + half), int(max(a[1], b[1], c[1]) + half)
    if left >= right or top >= bottom or left < 0 or top < 0 or right > size or bottom > size:
        return  # between the pixel centres, or not finite
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], c[0] - a[0], c[1] - a[1]
    area = ux * vy - uy * vx
    if not abs(area) > 0:
        return
    uz, vz = (b[2] - a[2]) / area, (c[2] - a[2]) / area
    sign = np.float32(1.0) if area > 0 else np.float32(-1.0)
    area = abs(area)
    for row in range(top, bottom):
        py = np.float32(row) + half - a[1]
        for column in range(left, right):
            px = np.float32(column) + half - a[0]
            v, w = px * vy - py * vx, ux * py - uy * px
            if sign * v >= 0 and sign * w >= 0 and sign * (v + w) <= area:
                z = a[2] + v * uz + w * vz
                near[row, column] = min(near[row, column], z)
                far[row, column] = max(far[row, column], z)


@njit(cache=True, nogil=True)
def _grow(faces: Any, seen: Any, rings: Any) -> Any:
    """(F,) bool: faces that reach a seen vertex over at most so many rings of faces."""
    kept = np.zeros(len(faces), np.bool_)
    for ring in range(rings):
        for f in range(len(faces)):
            kept[f] = seen[faces[f, 0]] or seen[faces[f, 1]] or seen[faces[f, 2]]
        if ring + 1 < rings:
            for f in range(len(faces)):
                if kept[f]:
                    seen[faces[f, 0]] = seen[faces[f, 1]] = seen[faces[f, 2]] = True
    return kept
