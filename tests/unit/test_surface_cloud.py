"""Discs on points of a surface: a closed skin that keeps to the outline, with the points' colours."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from analytic_fields import CELL, TILT, ball, plate, shell, torus  # noqa: E402
from skimage.measure import marching_cubes  # noqa: E402
from test_from_mesh import draw_silhouette, eroded, thin_axes  # noqa: E402

from subnet17.errors import InvalidInputError, StageError  # noqa: E402
from subnet17.splat.cameras import fit_for_render, official_cameras  # noqa: E402
from subnet17.splat.from_field import Surface, find_surface, surface_to_cloud  # noqa: E402
from subnet17.splat.rasterize_cpu import render_views  # noqa: E402

SHAPES = {"ball": ball(), "torus": torus(), "plate": plate(2 * CELL), "ring": torus(0.6, 2 * CELL)}
VIEWS = [1, 6, 11]


def find(shape, resolution=96):
    return find_surface(shape.distance, resolution=resolution, device="cpu")


def grey(surface):
    return torch.full((len(surface), 3), 0.5)


def dense_mesh(shape, cells=180):
    corners = torch.linspace(-1.01, 1.01, cells + 1)
    grid = torch.stack(torch.meshgrid(corners, corners, corners, indexing="ij"), dim=-1).view(-1, 3)
    values = shape.distance(grid).view([cells + 1] * 3).numpy()
    vertices, faces, _, _ = marching_cubes(values, 0.0)
    return vertices * (2.02 / cells) - 1.01, faces


def render(cloud, views):
    # As if the surface had been fitted: opacities as stored, whatever its size.
    scene = dataclasses.replace(fit_for_render(cloud), opacities=cloud.opacities)
    return render_views(scene, official_cameras().subset(views))


def silhouettes(shape, cloud, views):
    vertices, faces = dense_mesh(shape)
    scale = 1.5 / np.ptp(cloud.means, axis=0).max()
    placed = (vertices - cloud.means.mean(dtype=np.float64)) * scale
    cameras = official_cameras().subset(views)
    return [draw_silhouette(placed, faces, cameras, view) for view in range(len(views))]


@pytest.mark.parametrize("count", [7000, 20_000])
@pytest.mark.parametrize("name", SHAPES)
def test_skin_is_closed_and_keeps_to_the_silhouette(name, count):
    surface = find(SHAPES[name])
    cloud = surface_to_cloud(surface, grey(surface), count=count, fit_extent=None)
    views = render(cloud, VIEWS)
    for alpha, (inside, outside) in zip(views.alphas, silhouettes(SHAPES[name], cloud, VIEWS), strict=True):
        assert eroded(inside, 2).sum() > 100
        assert alpha[eroded(inside, 2)].min() >= 0.95
        assert alpha[eroded(inside, 2)].mean() >= 0.99
        assert (
            alpha[eroded(outside, 3)].sum()
            < (0.01 if count > 7000 or name != "plate" else 0.03) * alpha.sum()
        )


@pytest.mark.parametrize("count", [7000, 20_000, 60_000])
def test_the_near_side_alone_hides_what_is_behind(count):
    surface = find(ball())
    front = surface.points[:, 2] > 0
    half = dataclasses.replace(
        surface, points=surface.points[front], normals=surface.normals[front], areas=surface.areas[front]
    )
    cloud = surface_to_cloud(half, grey(half), count=count // 2 + 3500, fit_extent=None)
    alpha = render(cloud, [0]).alphas[0]
    middle = np.hypot(*(np.indices(alpha.shape) - 259)) < 90
    assert alpha[middle].min() >= (0.93 if len(half) > len(cloud) else 0.9)
    assert alpha[middle].mean() >= 0.985


def test_two_sides_of_a_thin_shell_keep_their_colours():
    surface = find(shell(0.7, 2 * CELL))
    outer = surface.points.norm(dim=1) > 0.7 - CELL
    rgb = torch.where(outer[:, None], torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]))
    views = render(surface_to_cloud(surface, rgb, count=20_000), [0])
    seen = views.images[0][views.alphas[0] > 0.99].astype(int)
    assert np.quantile(seen[:, 2], 0.99) < 12


@pytest.mark.parametrize("name", SHAPES)
def test_discs_lie_in_the_surface(name):
    surface = find(SHAPES[name])
    cloud = surface_to_cloud(surface, grey(surface), count=7000, fit_extent=None)
    assert (cloud.log_scales.argmin(axis=1) == 2).all()
    assert np.linalg.norm(cloud.quats, axis=1) == pytest.approx(1, abs=1e-5)
    distances = torch.cdist(torch.from_numpy(cloud.means[::50].copy()), surface.points)
    near = distances.argmin(dim=1)
    cosines = (surface.normals[near].numpy() * thin_axes(cloud)[::50]).sum(axis=1)
    assert np.quantile(cosines, 0.02) > (0.99 if name in ("ball", "torus") else 0.95)


def test_rotations_vary_even_on_a_level_sheet():
    grid = torch.stack(torch.meshgrid(torch.arange(60.0), torch.arange(60.0), indexing="ij"), dim=-1)
    points = torch.nn.functional.pad(grid.view(-1, 2), (0, 1))
    up = torch.tensor([0.0, 0.0, 1.0]).expand_as(points)
    for normals in (up, -up):
        sheet = Surface(points, normals, torch.ones(len(points)), 1.0, 0, 0)
        cloud = surface_to_cloud(sheet, grey(sheet), count=7000)
        assert len(np.unique(cloud.quats.round(3), axis=0)) > 1000
        assert np.abs(thin_axes(cloud) - normals[0].numpy()).max() < 1e-5


@pytest.mark.parametrize("count", [7000, 7001, 33_333])
def test_count_is_exact_and_discs_are_spread_by_area(count):
    surface = find(torus())
    cloud = surface_to_cloud(surface, grey(surface), count=count, fit_extent=None)
    assert len(cloud) == count
    outer = torch.hypot(surface.points[:, 0], surface.points[:, 2]) > 0.6
    share = float(surface.areas[outer].sum() / surface.areas.sum())
    assert (np.hypot(cloud.means[:, 0], cloud.means[:, 2]) > 0.6).mean() == pytest.approx(share, abs=0.005)
    assert np.exp(2 * cloud.log_scales[:, 0]).sum() == pytest.approx(
        0.85**2 * float(surface.areas.sum()), rel=0.01
    )


def test_few_points_are_split_without_leaving_the_surface():
    surface = find(ball(0.2))
    assert len(surface) < 3000
    cloud = surface_to_cloud(surface, grey(surface), count=7000, fit_extent=None)
    assert len(np.unique(cloud.means, axis=0)) > 6900
    assert np.abs(np.linalg.norm(cloud.means, axis=1) - 0.2).max() < 0.1 * CELL


def test_discs_take_their_points_colours():
    surface = find(ball())
    cloud = surface_to_cloud(surface, surface.points.add(1).div(2), count=7000, fit_extent=None)
    assert cloud.rgb == pytest.approx((cloud.means + 1) / 2, abs=1e-5)


def test_result_is_centred_and_opaque_after_the_validators_transform():
    surface = find(ball(0.3, (0.2, -0.4, 0.1)))
    cloud = surface_to_cloud(surface, grey(surface), count=7000)
    assert np.ptp(cloud.means, axis=0).max() == pytest.approx(1.5, rel=1e-5)
    assert (cloud.means.max(axis=0) + cloud.means.min(axis=0)) == pytest.approx(0, abs=1e-5)
    assert fit_for_render(cloud).opacities.min() == pytest.approx(0.98, abs=1e-3)


def test_same_surface_same_bytes():
    surface = find(torus())
    first, again = (surface_to_cloud(surface, grey(surface), count=7000) for _ in range(2))
    for field in dataclasses.fields(first):
        assert getattr(first, field.name).tobytes() == getattr(again, field.name).tobytes()


def test_unusable_requests_are_refused():
    surface = find(ball())
    with pytest.raises(InvalidInputError, match="7000"):
        surface_to_cloud(surface, grey(surface), count=6999)
    with pytest.raises(InvalidInputError, match="colours"):
        surface_to_cloud(surface, torch.zeros(5, 3), count=7000)
    dot = Surface(torch.zeros(1, 3), torch.tensor([[0.0, 1.0, 0.0]]), torch.zeros(1), 1.0, 0, 0)
    with pytest.raises(StageError, match="coincide"):
        surface_to_cloud(dot, torch.zeros(1, 3), count=7000)


def test_discs_are_smaller_and_closer_where_the_surface_bends():
    surface = find(plate(8 * CELL), resolution=192)
    cloud = surface_to_cloud(surface, grey(surface), count=7000, fit_extent=None)
    sizes = np.exp(cloud.log_scales[:, 0])
    assert sizes.min() < 0.6 * np.median(sizes)
    at_rim = np.abs(cloud.means @ TILT.numpy()[:, 0] + 0.003) > 0.7 - CELL
    assert np.median(sizes[at_rim]) < 0.8 * np.median(sizes[~at_rim])
