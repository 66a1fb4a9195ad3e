"""Points of a field's surface: where it is, which way it faces, how much there is of it, what it costs."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")

from analytic_fields import (  # noqa: E402
    CELL,
    RESOLUTION,
    TILT,
    Counted,
    ball,
    outward,
    pair,
    plate,
    saturated,
    shell,
    torus,
)

from subnet17.errors import StageError  # noqa: E402
from subnet17.splat.from_field import find_surface  # noqa: E402
from subnet17.splat.sparse_grid import plan_levels, refine, split_keys  # noqa: E402

SMOOTH = {
    "ball": ball(),
    "torus": torus(),
    "shell": shell(0.7, 2.5 * CELL),
    "pair": pair(1.5 * CELL),
}
THIN = {
    "tilted": plate(2 * CELL),
    "straight": plate(2 * CELL, tilted=False),
    "thinner": plate(1.2 * CELL),
    "straight thinner": plate(1.2 * CELL, tilted=False),
}
COARSE_POINTS = 49**3


def find(field, resolution=RESOLUTION, **options):
    return find_surface(field, resolution=resolution, device="cpu", **options)


def angles_deg(surface, shape):
    cosines = (outward(shape.distance, surface.points) * surface.normals).sum(dim=1)
    return torch.rad2deg(torch.acos(cosines.clamp(-1, 1)))


@pytest.mark.parametrize("steepness", [0, 20, 60])
@pytest.mark.parametrize("name", SMOOTH)
def test_points_lie_on_a_smooth_surface_and_face_outwards(name, steepness):
    shape = SMOOTH[name]
    surface = find(saturated(shape, steepness) if steepness else shape.distance)
    errors = shape.distance(surface.points).abs() / CELL
    assert errors.mean() <= 0.01
    assert errors.max() <= 0.1
    assert angles_deg(surface, shape).max() <= 5
    assert angles_deg(surface, shape).mean() <= 1
    assert surface.normals.norm(dim=1).sub(1).abs().max() < 1e-5
    assert float(surface.areas.sum()) == pytest.approx(shape.area, rel=0.02)


@pytest.mark.parametrize("steepness", [0, 20])
@pytest.mark.parametrize("name", THIN)
def test_a_plate_thinner_than_a_coarse_cell_keeps_both_sides_whole(name, steepness):
    shape = THIN[name]
    surface = find(saturated(shape, steepness) if steepness else shape.distance)
    errors = shape.distance(surface.points).abs() / CELL
    assert errors.mean() <= 0.1
    assert errors.max() <= 0.5
    assert angles_deg(surface, shape).median() <= 3
    assert float(surface.areas.sum()) == pytest.approx(shape.area, rel=0.06)  # a cell wide rim is rounded
    facing = surface.normals @ (torch.eye(3) if "straight" in name else TILT)[:, 1]
    for side in (facing > 0.9, facing < -0.9):
        assert surface.areas[side].sum() > 0.42 * shape.area


def test_a_ring_of_three_cells_across_is_not_torn():
    shape = torus(0.6, 1.5 * CELL)
    points = find(shape.distance).points
    around = torch.atan2(points[:, 0], points[:, 2]).sort().values
    assert around.diff().max() < 2 * CELL / 0.6


def test_points_are_those_of_a_whole_grid():
    shape = torus()
    surface = find(shape.distance)
    corners = torch.linspace(-1.01, 1.01, RESOLUTION + 1)
    grid = torch.stack(torch.meshgrid(corners, corners, corners, indexing="ij"), dim=-1).view(-1, 3)
    inside = (shape.distance(grid) > 0).view([RESOLUTION + 1] * 3)
    assert len(surface) == sum(int((inside.diff(dim=axis)).sum()) for axis in range(3))


@pytest.mark.parametrize("resolution", [96, 192])
@pytest.mark.parametrize("shape", [ball(), torus(), plate(0.03)], ids=["ball", "torus", "plate"])
def test_only_the_neighbourhood_of_the_surface_is_evaluated(shape, resolution):
    field = Counted(saturated(shape))
    surface = find(field, resolution=resolution)
    asked = torch.cat(field.asked)
    assert len(field.asked) == len(plan_levels(resolution)) + 1
    assert surface.evaluated == len(asked) <= COARSE_POINTS + 3.3 * len(surface)
    cell = 2.02 / resolution
    last = torch.cat(field.asked[-2:])
    assert shape.distance(last).abs().max() < 3 * cell


def test_nothing_is_evaluated_twice():
    field = Counted(ball().distance)
    find(field, resolution=192)
    vertices = torch.cat(field.asked[:-1])
    assert len(torch.unique((vertices / 2.02 * 192).round(), dim=0)) == len(vertices)


def test_a_field_that_is_sure_everywhere_does_not_fill_space():
    surface = find(saturated(ball(), 500.0), resolution=192)
    assert surface.evaluated <= COARSE_POINTS + 5 * len(surface)
    assert (ball().distance(surface.points).abs() * 192 / 2.02).max() <= 0.5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_unreadable_patches_are_bridged_and_told(value):
    shape = ball()
    centres = torch.tensor([[0.7, 0.0, 0.0], [0.0, 0.5, 0.49], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])

    def patchy(points):
        broken = (torch.cdist(points, centres) < 0.06).any(dim=1)
        return torch.where(broken, value, shape.distance(points))

    surface = find(patchy)
    assert surface.unreadable > 100
    for part in (surface.points, surface.normals, surface.areas):
        assert torch.isfinite(part).all()
    assert (shape.distance(surface.points).abs() / CELL).max() <= 0.5
    assert float(surface.areas.sum()) == pytest.approx(shape.area, rel=0.02)


@pytest.mark.parametrize(
    "field",
    [
        lambda points: torch.full((len(points),), -1.0),
        lambda points: torch.full((len(points),), 1.0),
        lambda points: torch.zeros(len(points)),
        lambda points: torch.full((len(points),), torch.nan),
        lambda points: ball(0.001, (0.0101, 0.0101, 0.0101)).distance(points),
        lambda points: ball().distance(points)[:, None],
    ],
    ids=["outside", "inside", "zero", "nan", "too small", "shape"],
)
def test_a_field_without_a_surface_is_told(field):
    with pytest.raises(StageError) as error:
        find(field)
    assert error.value.detail["stage"] == "surface"


def test_noise_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr("subnet17.splat.sparse_grid.MAX_CELLS", 50_000)
    noise = torch.Generator().manual_seed(0)
    with pytest.raises(StageError, match="noise"):
        find(lambda points: torch.randn(len(points), generator=noise))


@pytest.mark.parametrize("noise", [0.01, 0.3, 3.0])
def test_noise_on_the_field_gives_usable_points(noise):
    random = torch.Generator().manual_seed(0)
    surface = find(
        lambda points: saturated(torus())(points) + noise * torch.randn(len(points), generator=random)
    )
    assert surface.normals.norm(dim=1).sub(1).abs().max() < 1e-5
    assert torch.isfinite(surface.points).all()
    assert surface.areas.max() <= 1.001 * CELL**2
    if noise == 0.01:
        assert angles_deg(surface, torus()).mean() < 4


def test_what_leaves_the_cube_is_closed_at_its_border():
    surface = find(ball(0.6, (0.8, 0.0, 0.0)).distance)
    lid = surface.normals[:, 0] > 0.99
    assert surface.points[lid, 0].max() > 1.01 - 1.01 * CELL
    # The flux of a constant field through a closed surface is zero.
    assert (surface.areas[:, None] * surface.normals).sum(dim=0).abs().max() < 0.01 * surface.areas.sum()


def test_same_field_same_bytes():
    first, again = find(saturated(torus())), find(saturated(torus()))
    for name in ("points", "normals", "areas"):
        assert getattr(first, name).numpy().tobytes() == getattr(again, name).numpy().tobytes()


@pytest.mark.parametrize("resolution", [8, 48, 64, 65, 100, 256, 380, 384, 512, 1024])
def test_levels_double_up_to_at_least_the_resolution(resolution):
    levels = plan_levels(resolution)
    assert levels[0] <= 64
    assert resolution <= levels[-1] < resolution + 2 ** (len(levels) - 1)
    assert all(finer == 2 * coarser for coarser, finer in itertools.pairwise(levels))


def test_fine_grids_need_no_whole_space():
    surface = find(ball(0.1).distance, resolution=1024)
    assert surface.cell_size == pytest.approx(2.02 / 1024)
    assert (ball(0.1).distance(surface.points).abs() / surface.cell_size).max() <= 0.1


def test_vertices_are_sorted_finite_and_closed_off():
    for grid in refine(torus().distance, resolution=RESOLUTION, device="cpu"):
        assert (grid.keys.diff() > 0).all()
        assert torch.isfinite(grid.values).all()
        at = split_keys(grid.keys, grid.resolution)
        border = ((at == 0) | (at == grid.resolution)).any(dim=1)
        assert (grid.values[border] <= 0).all()
