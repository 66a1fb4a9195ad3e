"""Splats against a plain picture of the mesh itself: sharp outlines in the right place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import trimesh
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from subnet17.procedural.shapes import box
from subnet17.splat.cameras import Cameras, fit_for_render, official_cameras
from subnet17.splat.from_mesh import mesh_to_splats
from subnet17.splat.rasterize_cpu import render_views

Float64 = NDArray[np.float64]
FINE = 3
"""Samples per pixel and axis."""


def rounded_block() -> trimesh.Trimesh:
    """Bevels of 3 px, in faces much smaller than a disc."""
    shape = box(1.0, 0.7, 0.6, bevel=0.009)
    return trimesh.Trimesh(shape.vertices, shape.faces).subdivide_to_size(0.03)


def grille() -> trimesh.Trimesh:
    """Rods 8 px thick, 16 px apart."""
    rods = [trimesh.creation.cylinder(0.012, 1.0, sections=16) for _ in range(12)]
    for i, rod in enumerate(rods):
        rod.apply_translation((0.07 * i - 0.385, 0, 0))
    return trimesh.util.concatenate(rods).subdivide_to_size(0.02)


def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=5, radius=0.5)


# Discs of one size that lie on the surface itself reach 20.8, 13.7 and 23.9 dB.
@pytest.mark.parametrize(("make", "least_db"), [(rounded_block, 32), (grille, 15.5), (ball, 30)])
def test_splats_look_like_the_mesh(make: Callable[[], trimesh.Trimesh], least_db: float) -> None:
    mesh = make()
    mesh.apply_scale(1.5 / mesh.extents.max())
    colours = np.clip(0.4 + mesh.vertex_normals @ np.array([[3, 2, 1], [2, 3, 1], [1, 1, 2]]) / 10, 0, 1)
    mesh.visual.vertex_colors = np.round(255 * colours).astype(np.uint8)
    cloud = mesh_to_splats(mesh, count=60_000, fit_extent=None)
    cameras = official_cameras().subset([1, 6])
    images = render_views(fit_for_render(cloud), cameras).images / 255
    scale = 1.5 / np.ptp(cloud.means, axis=0).max()
    vertices = (np.asarray(mesh.vertices) - cloud.means.mean(dtype=np.float64)) * scale
    errors = []
    for view, image in enumerate(images):
        expected, covered = draw_mesh(vertices, np.asarray(mesh.faces), colours, cameras, view)
        errors.append(((image - expected)[ndimage.binary_dilation(covered, iterations=4)] ** 2).mean())
    assert -10 * np.log10(np.mean(errors)) >= least_db


def draw_mesh(
    vertices: Float64, faces: NDArray[np.int64], colours: Float64, cameras: Cameras, view: int
) -> tuple[Float64, NDArray[np.bool_]]:
    """A smooth picture of a mesh over white, and the pixels it touches."""
    viewmat, size = cameras.viewmats[view], cameras.size_px
    seen = vertices @ viewmat[:3, :3].T + viewmat[:3, 3]
    seen[:, :2] = (seen[:, :2] / seen[:, 2:] * cameras.focal_px + size / 2) * FINE
    picture, depths = np.ones((size * FINE, size * FINE, 3)), np.full((size * FINE, size * FINE), np.inf)
    draw_faces(seen, faces, colours, picture, depths)
    cells = np.isfinite(depths).reshape(size, FINE, size, FINE)
    return picture.reshape(size, FINE, size, FINE, 3).mean(axis=(1, 3)), cells.any(axis=(1, 3))


@njit(cache=True)
def draw_faces(seen: Any, faces: Any, colours: Any, picture: Any, depths: Any) -> None:
    """Draws the nearest face at each sample; on faces this small, perspective doesn't bend the shading."""
    for i, j, k in faces:
        a, b, c = seen[i], seen[j], seen[k]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area == 0:
            continue
        for row in range(int(min(a[1], b[1], c[1]) + 0.5), int(max(a[1], b[1], c[1]) + 0.5)):
            for column in range(int(min(a[0], b[0], c[0]) + 0.5), int(max(a[0], b[0], c[0]) + 0.5)):
                x, y = column + 0.5 - a[0], row + 0.5 - a[1]
                v = (x * (c[1] - a[1]) - y * (c[0] - a[0])) / area
                w = (y * (b[0] - a[0]) - x * (b[1] - a[1])) / area
                depth = a[2] + v * (b[2] - a[2]) + w * (c[2] - a[2])
                if v >= 0 and w >= 0 and v + w <= 1 and depth < depths[row, column]:
                    depths[row, column] = depth
                    picture[row, column] = (1 - v - w) * colours[i] + v * colours[j] + w * colours[k]
