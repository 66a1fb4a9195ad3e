"""A coloured triangle mesh as a closed skin of flat Gaussian discs.

Covers: one disc per surface point (surface_samples.py), lying in its face, wide enough that the discs of one
side alone hide what is behind them. Where the surface bends or ends, discs are smaller, closer, narrowed
across and drawn in (surface_sizes.py, surface_discs.py), so that little sticks out.
Not covered: lines where parts intersect; features finer than a disc come out rounded; translucency.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import trimesh
from numba import njit
from numpy.typing import NDArray

from subnet17.errors import InvalidInputError
from subnet17.splat.cameras import FIT_EXTENT
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.mesh_colours import colour_samples
from subnet17.splat.surface_discs import shape_discs
from subnet17.splat.surface_edges import link_edges, measure_turns, weld_faces
from subnet17.splat.surface_samples import (
    MAX_FACES,
    SurfaceSamples,
    find_bounds,
    measure_faces,
    order_faces,
    sample_surface,
)
from subnet17.splat.surface_sizes import SHARP_FACE, SHARP_RAD, measure_sizes

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MIN_SPLATS = 7000
"""Validators score fewer as 0."""
OPACITY = 0.98
"""Not higher: the validators' renderer skips the splat that would leave a transmittance of 1e-4 or less, so a
pixel can end with 1e-4 / (1 - opacity) of light still passing: 0.5 % at 0.98, but 2.5 % at 0.996."""


def mesh_to_splats(
    mesh: trimesh.Trimesh, *, count: int = 100_000, seed: int = 0, fit_extent: float | None = FIT_EXTENT
) -> GaussianCloud:
    """Covers a mesh with opaque, surface-aligned discs that are visible from both sides.

    Validators scale an asset by s = 1.5 / (longest side of the splat centres' bounding box) and then divide
    its opacities by s: an asset of extent 1 has s = 1.5 and turns translucent however opaque it was stored.
    So the cloud is centred and scaled to `fit_extent`; from 1.5 up s <= 1 and the skin stays closed.

    Args:
        mesh: V vertices, F triangles, colours in `visual`. Degenerate and non-finite faces are ignored.
        count: Splats, at least 7000. Small discs need many: their radius is sqrt(surface area / count).
        seed: Shifts the points along the surface. The same mesh, count and seed give the same bytes.
        fit_extent: Longest side of the result's bounding box, centred on the origin. None keeps the mesh's
            coordinates; then check that its longest side is at least 1.5.

    Returns:
        `count` splats; each one's local z is its face's normal and its smallest scale.

    Raises:
        InvalidInputError: no face with an area, an index out of range, coordinates float32 can't hold, a
            count below 7000 or an extent that is not positive.
    """
    if count < MIN_SPLATS:
        raise InvalidInputError(f"{count} splats asked, at least {MIN_SPLATS} needed", count=count)
    if fit_extent is not None and not 0 < fit_extent < math.inf:
        raise InvalidInputError(f"extent {fit_extent} asked, expected > 0", fit_extent=fit_extent)
    vertices, faces, kept = _clean(mesh)
    surface = _measure(vertices, faces, count)
    spans = surface.sizes[:, 0] * surface.sizes[:, 1]
    samples = sample_surface(vertices, faces, surface.areas, spans, count=count, seed=seed)
    with ThreadPoolExecutor(1) as pool:
        colours = pool.submit(colour_samples, mesh, kept[samples.faces], samples.weights)
        means, scales, quats = _place_discs(surface, samples)
        rgb = colours.result()
    if fit_extent is not None:
        means, scales = _fit(means, scales, fit_extent)
    opacities = np.full(count, OPACITY, np.float32)
    return GaussianCloud.from_activated(
        means=means.astype(np.float32),
        scales=scales.astype(np.float32),
        quats=quats,
        opacities=opacities,
        rgb=rgb,
    )


def _clean(mesh: trimesh.Trimesh) -> tuple[Float64, Int64, Int64]:
    """The vertices in use, one per place, the usable faces along a curve, and which of the mesh these are."""
    vertices = np.ascontiguousarray(mesh.vertices, dtype=np.float64)
    faces = np.ascontiguousarray(mesh.faces, dtype=np.int64)
    if not 0 < len(faces) <= MAX_FACES or vertices.ndim != 2 or faces.ndim != 2 or faces.shape[1] != 3:
        raise InvalidInputError(f"mesh of {len(faces)} faces, expected 1 to {MAX_FACES} triangles")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InvalidInputError(f"a face names a vertex outside 0..{len(vertices) - 1}")
    kept = _find_solid(measure_faces(vertices, faces)[0])
    vertices, faces = _renumber(vertices, faces, kept)
    if not np.abs(vertices).max() < 1e30:
        raise InvalidInputError("the mesh's coordinates are beyond 1e30")
    faces = weld_faces(vertices, faces)
    areas, normals = measure_faces(vertices, faces)
    order = order_faces(vertices, faces, normals)
    order = order[_find_solid(areas[order])]
    vertices, faces = _renumber(vertices, faces, order)
    return vertices, faces, kept[order]


def _find_solid(areas: Float64) -> Int64:
    """Indices of the faces that have an area."""
    solid = np.flatnonzero(areas > 0)
    if not len(solid):
        raise InvalidInputError(f"none of the mesh's {len(areas)} faces has an area")
    return solid


@njit(cache=True, nogil=True)
def _renumber(vertices: Any, faces: Any, order: Any) -> Any:
    """Faces in an order, and vertices as these use them: neighbours lie together in memory, in half of it."""
    numbers = np.full(len(vertices), np.int32(-1))
    used, renumbered = np.empty(len(vertices), np.int64), np.empty((len(order), 3), np.int32)
    count = 0
    for i in range(len(order)):
        for k in range(3):
            v = faces[order[i], k]
            if numbers[v] < 0:
                numbers[v], used[count] = count, v
                count += 1
            renumbered[i, k] = numbers[v]
    return vertices[used[:count]], renumbered


def _fit(means: Float64, scales: Float64, extent: float) -> tuple[Float64, Float64]:
    """Scales both in place by the bounding box of the discs' centres, the one that validators measure."""
    low, high = find_bounds(means)
    factor = extent / float((high - low).max())
    means -= (low + high) / 2
    means *= factor
    scales *= factor
    return means, scales


@dataclass(frozen=True)
class _Surface:
    """What is known of each vertex and face; see the functions that measure it."""

    vertices: Float64
    faces: Int64
    areas: Float64
    normals: Float64
    turns: Float64
    sizes: Float64
    directions: Float64
    insets: Float64


def _measure(vertices: Float64, faces: Int64, count: int) -> _Surface:
    with ThreadPoolExecutor(1) as pool:
        linked = pool.submit(link_edges, faces)
        areas, normals = measure_faces(vertices, faces)
        mates, firsts, edges = linked.result()
    turns = np.empty((len(faces), 3))

    def measure(first: int, last: int) -> None:
        measure_turns(faces, normals, mates, firsts[first:last], turns.reshape(-1))

    _share_out(len(firsts), measure)
    low, high = find_bounds(vertices)
    extent = float((high - low).max())
    even = math.sqrt(float(areas.sum()) / count)
    sizes, directions, insets = measure_sizes(vertices, faces, areas, normals, turns, edges, extent, even)
    return _Surface(vertices, faces, areas, normals, turns, sizes, directions, insets)


def _place_discs(surface: _Surface, samples: SurfaceSamples) -> tuple[Float64, Float64, NDArray[np.float32]]:
    """(N, 3) means, (N, 3) scales and (N, 4) quats."""
    count = len(samples.faces)
    means, scales = np.empty((count, 3)), np.empty((count, 3))
    quats = np.empty((count, 4), np.float32)

    def place(first: int, last: int) -> None:
        part = slice(first, last)
        shape_discs(
            surface.vertices, surface.faces, surface.areas, surface.normals, surface.turns, surface.sizes,
            surface.directions, surface.insets, samples.faces[part], samples.weights[part], samples.share,
            (SHARP_RAD, SHARP_FACE), first, means[part], scales[part], quats[part],
        )  # fmt: skip

    _share_out(count, place)
    return means, scales, quats


def _share_out(count: int, work: Callable[[int, int], None]) -> None:
    """Calls work(first, last) for parts of range(count), on all cores."""
    threads: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    borders = [int(border) for border in np.linspace(0, count, 4 * threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, borders[:-1], borders[1:]))
