"""Discs from meshes: a closed skin, true colours, little that sticks out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from subnet17.errors import InvalidInputError
from subnet17.splat.cameras import Cameras, RenderedViews, fit_for_render, official_cameras
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.from_mesh import mesh_to_splats
from subnet17.splat.mesh_colours import sample_texture
from subnet17.splat.rasterize_cpu import render_views

VIEWS = [1, 6, 11]


def plate_and_block() -> trimesh.Trimesh:
    block = trimesh.creation.box(extents=(0.5, 0.6, 0.5))
    block.apply_translation((0, 0.31, 0))
    return trimesh.util.concatenate([trimesh.creation.box(extents=(1.5, 0.02, 1.2)), block])


def ball_and_ring() -> trimesh.Trimesh:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.4)
    ball.apply_translation((-0.5, 0, 0))
    ring = trimesh.creation.torus(0.3, 0.08)
    ring.apply_translation((0.5, 0.2, 0.1))
    return trimesh.util.concatenate([ball, ring])


SHAPES = {
    "sphere": lambda: trimesh.creation.icosphere(subdivisions=4),
    "plate_and_block": plate_and_block,
    "torus": lambda: trimesh.creation.torus(0.6, 0.15),
    "cone": lambda: trimesh.creation.cone(0.4, 1.2, sections=48),
    "ball_and_ring": ball_and_ring,
    "rod": lambda: trimesh.creation.cylinder(0.03, 1.5, sections=24),
}


Silhouette = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Pixels wholly inside and wholly outside the mesh's outline."""


def render_with_silhouettes(
    mesh: trimesh.Trimesh, count: int, views: list[int]
) -> tuple[RenderedViews, list[Silhouette]]:
    cloud = mesh_to_splats(mesh, count=count, fit_extent=None)
    scale = 1.5 / np.ptp(cloud.means, axis=0).max()
    placed = (mesh.vertices - cloud.means.mean(dtype=np.float64)) * scale
    # As if the mesh had been fitted: opacities as stored, whatever its size.
    scene = dataclasses.replace(fit_for_render(cloud), opacities=cloud.opacities)
    cameras = official_cameras().subset(views)
    silhouettes = [draw_silhouette(placed, mesh.faces, cameras, view) for view in range(len(views))]
    return render_views(scene, cameras), silhouettes


def draw_silhouette(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], cameras: Cameras, view: int, fine: int = 4
) -> Silhouette:
    viewmat = cameras.viewmats[view]
    seen = vertices @ viewmat[:3, :3].T + viewmat[:3, 3]
    pixels = (seen[:, :2] / seen[:, 2:] * cameras.focal_px + cameras.size_px / 2) * fine
    image = Image.new("1", (cameras.size_px * fine, cameras.size_px * fine))
    draw = ImageDraw.Draw(image)
    for face in pixels[faces].reshape(-1, 6).tolist():
        draw.polygon(face, fill=1)
    cells = np.asarray(image).reshape(cameras.size_px, fine, cameras.size_px, fine)
    return cells.all(axis=(1, 3)), ~cells.any(axis=(1, 3))


def eroded(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    shrunk: NDArray[np.bool_] = ndimage.binary_erosion(mask, iterations=pixels, border_value=1)
    return shrunk


@pytest.mark.parametrize("count", [7000, 20_000, 100_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_skin_is_closed_and_keeps_to_the_silhouette(shape: str, count: int) -> None:
    views, silhouettes = render_with_silhouettes(SHAPES[shape](), count, VIEWS)
    for alpha, (inside, outside) in zip(views.alphas, silhouettes, strict=True):
        assert eroded(inside, 2).sum() > 100
        assert alpha[eroded(inside, 2)].min() >= (0.98 if count >= 20_000 else 0.94)
        assert alpha[eroded(inside, 2)].mean() >= 0.99
        assert alpha[eroded(outside, 3)].sum() < 0.01 * alpha.sum()


def test_fewest_splats_leave_no_hole_in_any_official_view() -> None:
    views, silhouettes = render_with_silhouettes(plate_and_block(), 7000, list(range(16)))
    for alpha, (inside, _) in zip(views.alphas, silhouettes, strict=True):
        assert alpha[eroded(inside, 2)].min() >= 0.94
        assert alpha[eroded(inside, 2)].mean() >= 0.99


def test_one_open_sheet_is_opaque_by_itself() -> None:
    sheet = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    views, silhouettes = render_with_silhouettes(sheet, 7000, [0, 8])  # from the front and from behind
    for alpha, (inside, _) in zip(views.alphas, silhouettes, strict=True):
        assert alpha[eroded(inside, 2)].min() >= 0.95
        assert alpha[eroded(inside, 2)].mean() >= 0.99


@pytest.mark.parametrize("count", [7000, 30_000])
@pytest.mark.parametrize("subdivisions", [3, 4, 5])
def test_shuffled_faces_that_are_not_quite_joined_stay_closed(subdivisions: int, count: int) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions)
    random = np.random.default_rng(1)
    corners = mesh.triangles[random.permutation(len(mesh.faces))].reshape(-1, 3)
    corners = corners + random.normal(scale=1e-4, size=corners.shape)
    soup = trimesh.Trimesh(corners, np.arange(len(corners)).reshape(-1, 3), process=False)
    views, silhouettes = render_with_silhouettes(soup, count, [3])
    assert views.alphas[0][eroded(silhouettes[0][0], 2)].min() >= 0.94


def test_result_stays_opaque_after_the_validators_transform() -> None:
    small = trimesh.creation.icosphere(subdivisions=3, radius=0.01)
    cloud = mesh_to_splats(small, count=7000)
    assert np.ptp(cloud.means, axis=0).max() == pytest.approx(1.5, rel=1e-5)
    assert fit_for_render(cloud).opacities.min() == pytest.approx(0.98, abs=1e-3)


def test_each_side_shows_its_own_colour() -> None:
    box = trimesh.creation.box(extents=(1, 1, 1))
    box.visual.face_colors = np.where(box.face_normals[:, 2:] > 0.5, [255, 0, 0, 255], [0, 0, 255, 255])
    cameras = official_cameras()
    views = render_views(fit_for_render(mesh_to_splats(box, count=20_000)), cameras.subset([0, 8]))
    front, behind = views.images[:, 300, 259].astype(int)
    assert np.abs(front - [255, 0, 0]).max() <= 8
    assert np.abs(behind - [0, 0, 255]).max() <= 8


def test_vertex_colours_blend_over_a_face() -> None:
    triangle = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    triangle.visual.vertex_colors = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]]
    cloud = mesh_to_splats(triangle, count=7000, fit_extent=None)
    x, y = cloud.means[:, 0], cloud.means[:, 1]
    assert np.abs(cloud.rgb - np.stack([1 - x - y, x, y], axis=1)).max() < 0.02


def checker(cells: int = 4) -> Image.Image:
    dark = (np.add.outer(np.arange(cells), np.arange(cells)) % 2).astype(np.uint8)
    return Image.fromarray(np.kron(255 * dark, np.ones((16, 16), np.uint8))).convert("RGB")


def test_texture_lands_where_its_coordinates_say() -> None:
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    sheet = trimesh.Trimesh(np.column_stack([uv, np.zeros(4)]), [[0, 1, 2], [0, 2, 3]], process=False)
    sheet.visual = trimesh.visual.TextureVisuals(uv=uv, image=checker())
    cloud = mesh_to_splats(sheet, count=20_000, fit_extent=None)
    x, y = 4 * cloud.means[:, 0], 4 * (1 - cloud.means[:, 1])  # v points up, rows down
    inner = (np.abs(x % 1 - 0.5) < 0.4) & (np.abs(y % 1 - 0.5) < 0.4)
    expected = (np.floor(x) + np.floor(y)) % 2
    assert inner.sum() > 10_000
    assert np.abs(cloud.rgb[inner] - expected[inner, None]).max() < 0.01


def test_texture_lookup_is_bilinear_and_repeats() -> None:
    image = Image.fromarray(np.array([[[0, 0, 0], [200, 100, 50]]], np.uint8))
    uv = np.array([[0.25, 0.5], [0.5, 0.5], [0.75, 0.5], [1.75, -3.5], [np.nan, np.inf]], np.float32)
    colours = sample_texture(image, uv)[:, 0] * 255
    assert colours == pytest.approx([0, 100, 200, 200, 100], abs=0.01)


def test_plain_mesh_is_mid_grey() -> None:
    mesh = trimesh.creation.icosphere()
    assert mesh_to_splats(mesh, count=7000).rgb == pytest.approx(0.5, abs=1e-6)


def test_base_colour_of_a_material_without_texture_is_used() -> None:
    mesh = trimesh.creation.box()
    material = trimesh.visual.material.PBRMaterial(baseColorFactor=[255, 128, 0, 255])
    mesh.visual = trimesh.visual.TextureVisuals(material=material)
    assert mesh_to_splats(mesh, count=7000).rgb[0] == pytest.approx([1, 128 / 255, 0], abs=1e-5)


def thin_axes(cloud: GaussianCloud) -> NDArray[np.float64]:
    """Third column of each rotation."""
    w, x, y, z = cloud.unit_quats.T.astype(np.float64)
    return np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_discs_are_thin_along_the_surface_normal(shape: str) -> None:
    mesh = SHAPES[shape]()
    cloud = mesh_to_splats(mesh, count=7000, fit_extent=None)
    assert (cloud.log_scales.argmin(axis=1) == 2).mean() > 0.99
    assert np.linalg.norm(cloud.quats, axis=1) == pytest.approx(1, abs=1e-5)
    tree_axes = thin_axes(cloud)
    distances = np.abs(np.einsum("fk,nk->nf", mesh.face_normals, tree_axes[:200]))
    assert distances.max(axis=1).min() > 0.9999


def test_sphere_normals_point_along_the_radius() -> None:
    cloud = mesh_to_splats(trimesh.creation.icosphere(subdivisions=5), count=7000)
    radial = cloud.means / np.linalg.norm(cloud.means, axis=1, keepdims=True)
    assert np.abs((thin_axes(cloud) * radial).sum(axis=1)).min() > np.cos(np.deg2rad(3))


def test_axis_aligned_sheet_has_rotations_other_than_identity() -> None:
    strip = trimesh.Trimesh([[0, 0, 0], [0.001, 0, 0], [0.001, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    quats = mesh_to_splats(strip, count=7000).quats
    assert (np.abs(quats - [1, 0, 0, 0]).max(axis=1) > 0.1).mean() > 0.4


def test_same_seed_same_bytes_other_seed_other_points() -> None:
    mesh = plate_and_block()
    first, again, other = (mesh_to_splats(mesh, count=7000, seed=seed) for seed in (3, 3, 4))
    for field in dataclasses.fields(first):
        assert getattr(first, field.name).tobytes() == getattr(again, field.name).tobytes()
    assert not np.array_equal(first.means, other.means)


@pytest.mark.parametrize("count", [7000, 7001, 33_333])
def test_count_is_exact_and_points_are_spread_by_area(count: int) -> None:
    boxes = [trimesh.creation.box(extents=(size, size, size)) for size in (1.0, 0.5)]
    boxes[1].apply_translation((2, 0, 0))
    cloud = mesh_to_splats(trimesh.util.concatenate(boxes), count=count, fit_extent=None)
    assert len(cloud) == count
    assert (cloud.means[:, 0] > 1).mean() == pytest.approx(0.2, abs=0.001)


def test_broken_faces_and_stray_vertices_change_nothing() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=3)
    last = len(mesh.vertices)
    vertices = np.vstack([mesh.vertices, [[np.nan] * 3, [1e25, 0, 0]]])
    faces = np.vstack([mesh.faces, [[0, 0, 1], [0, 1, last], [5, 5, 5]]])
    dirty = trimesh.Trimesh(vertices, faces, process=False, validate=False)
    clean_cloud, dirty_cloud = mesh_to_splats(mesh, count=7000), mesh_to_splats(dirty, count=7000)
    for field in dataclasses.fields(clean_cloud):
        assert np.isfinite(getattr(dirty_cloud, field.name)).all()
    assert dirty_cloud.means == pytest.approx(clean_cloud.means, abs=1e-6)


@pytest.mark.parametrize("fit_extent", [0.0, -1.0, float("nan"), float("inf")])
def test_extent_must_be_positive(fit_extent: float) -> None:
    with pytest.raises(InvalidInputError, match="extent"):
        mesh_to_splats(trimesh.creation.box(), fit_extent=fit_extent)


def test_too_few_splats_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="7000"):
        mesh_to_splats(trimesh.creation.box(), count=6999)


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.Trimesh(),
        trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]], process=False),
        trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 7]], process=False, validate=False),
        trimesh.Trimesh(np.eye(3) * 1e31, [[0, 1, 2]], process=False, validate=False),
        trimesh.Trimesh(np.full((3, 3), np.nan), [[0, 1, 2]], process=False, validate=False),
    ],
    ids=["empty", "collinear", "index", "huge", "nan"],
)
def test_mesh_without_a_usable_surface_is_refused(mesh: trimesh.Trimesh) -> None:
    with pytest.raises(InvalidInputError):
        mesh_to_splats(mesh, count=7000)
