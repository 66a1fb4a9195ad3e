"""The validators' refusals, at their limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from subnet17.errors import AssetError, TooLargeError
from subnet17.splat.cameras import fit_for_render, official_cameras
from subnet17.splat.project import project_splats
from subnet17.validation.checks import (
    MAX_TILES_PER_VIEW,
    check_alignment,
    check_cloud,
    check_scene,
    estimate_tiles,
    refusal_of,
)
from subnet17.validation.preview import join_grid
from subnet17.validation.scoring.warmup import make_ball

BALL = make_ball(10_000)


def codes(**fields: np.ndarray) -> list[str]:
    return [refusal.code for refusal in check_cloud(replace(BALL, **fields))]


def test_a_sound_cloud_is_not_refused() -> None:
    assert check_cloud(BALL) == []
    assert check_scene(fit_for_render(BALL)) == []


@pytest.mark.parametrize(("count", "refused"), [(6999, True), (7000, False)])
def test_seven_thousand_splats_are_enough(count: int, refused: bool) -> None:
    assert bool(check_cloud(make_ball(count))) == refused


@pytest.mark.parametrize(("invisible", "refused"), [(8000, False), (8001, True)])
def test_four_in_five_splats_may_be_invisible(invisible: int, refused: bool) -> None:
    logits = np.where(np.arange(len(BALL)) < invisible, -20, 4).astype(np.float32)
    assert codes(logit_opacities=logits) == (["transparent"] if refused else [])


def test_one_turned_splat_is_enough() -> None:
    quats = np.tile(np.array([2, 0, 0, 0], np.float32), (len(BALL), 1))
    assert codes(quats=quats) == ["identity_rotations"]
    quats[5] = [0.7, 0.7, 0, 0]
    assert codes(quats=quats) == []


@pytest.mark.parametrize(
    ("quat", "refused"),
    [
        ([1, 9e-9, -9e-9, 0], True),
        ([1, 2e-8, 0, 0], False),
        ([0.9999, 0, 0, 0], True),
        ([-1, 0, 0, 0], False),
    ],
    ids=["a hair", "a hair more", "length", "turned by 360"],
)
def test_rotations_a_hair_from_the_identity_count_as_it(quat: list[float], refused: bool) -> None:
    quats = np.tile(np.array(quat, np.float32), (len(BALL), 1))
    assert codes(quats=quats) == (["identity_rotations"] if refused else [])


@pytest.mark.parametrize(
    ("point", "refused"),
    [([1, 1, 1], True), ([1.000009, 0.999991, 1], True), ([1.00002, 1, 1], False), ([1, 1, 0], False)],
)
@pytest.mark.parametrize("splat", [0, 1, 2, 3])
def test_none_of_the_first_three_splats_may_lie_at_ones(
    point: list[float], refused: bool, splat: int
) -> None:
    means = BALL.means.copy()
    means[splat] = point
    found = check_cloud(replace(BALL, means=means))
    if refused and splat < 3:
        assert [(refusal.code, refusal.measured) for refusal in found] == [("point_of_ones", [splat])]
        assert f"splat {splat} lies at (1, 1, 1)" in found[0].message
    else:
        assert found == []


def test_small_scales_refuse_nothing() -> None:
    assert BALL.scales.max() < 0.05
    assert codes(log_scales=np.full((len(BALL), 3), -30, np.float32)) == []


def test_all_broken_rules_are_told_at_once() -> None:
    cloud = make_ball(10)
    broken = replace(cloud, means=cloud.means * 0, logit_opacities=np.full(10, -20, np.float32))
    assert [r.code for r in check_cloud(broken)] == ["too_few_splats", "transparent", "no_extent"]


def test_more_and_larger_splats_cost_more_tiles() -> None:
    scene = fit_for_render(BALL)
    larger = replace(scene, scales=scene.scales * 4)
    assert estimate_tiles(scene) < estimate_tiles(larger) < MAX_TILES_PER_VIEW
    full_screen = replace(scene, scales=np.full_like(scene.scales, 1e30))
    assert estimate_tiles(full_screen) == pytest.approx(len(BALL) * 33.375**2, rel=0.01)


def test_small_splats_right_before_a_camera_cost_what_they_look_like() -> None:
    """A view of them would take minutes: each fills the picture, and none is opaque enough to end it."""
    eye = -official_cameras().viewmats[5, :3, :3].T @ official_cameras().viewmats[5, :3, 3]
    scene = fit_for_render(make_ball(40_000))
    near = (0.98 * eye + 0.01 * scene.means).astype(np.float32)
    faint = np.full(len(near), 0.01, np.float32)
    assert estimate_tiles(replace(scene, opacities=faint)) < 1_000_000
    assert estimate_tiles(replace(scene, means=near, opacities=faint)) > MAX_TILES_PER_VIEW
    assert [refusal.code for refusal in check_scene(replace(scene, means=near, opacities=faint))] == [
        "too_costly"
    ]


def test_what_no_camera_sees_costs_nothing() -> None:
    scene = fit_for_render(BALL)
    assert estimate_tiles(replace(scene, means=scene.means + np.float32(500))) == 0
    assert estimate_tiles(replace(scene, opacities=np.zeros(len(BALL), np.float32))) == 0


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_estimated_tiles_are_those_of_the_projected_splats_or_a_little_more(scale: float) -> None:
    scene, cameras = fit_for_render(BALL), official_cameras()
    scene = replace(scene, scales=scene.scales * np.float32(scale))
    splats = project_splats(
        scene, cameras.viewmats[3], cameras.focal_px, cameras.size_px, near=cameras.near, far=cameras.far
    )
    drawn = ((2 * splats["half_x"] / 16 + 1) * (2 * splats["half_y"] / 16 + 1)).sum()
    assert drawn <= estimate_tiles(scene) <= 3 * drawn


def test_alignment_below_the_formulas_floor_is_a_reason() -> None:
    assert [r.code for r in check_alignment(0.29)] == ["not_aligned"]
    assert check_alignment(0.3) == []


def test_an_unreadable_asset_becomes_a_refusal_with_its_facts() -> None:
    assert refusal_of(AssetError("broken", measured=1)).as_json() == {
        "code": "unreadable",
        "message": "broken",
        "measured": {"measured": 1},
        "allowed": None,
    }
    assert refusal_of(AssetError("mesh", kind="mesh")).code == "mesh"
    assert refusal_of(TooLargeError("big")).code == "too_large"


def test_the_grid_reads_left_to_right_with_a_black_gap() -> None:
    images = np.stack([np.full((3, 3, 3), value, np.uint8) for value in (10, 20, 30, 40)])
    grid = join_grid(images)
    assert grid.shape == (11, 11, 3)
    assert [int(grid[y, x, 0]) for y, x in ((0, 0), (0, 8), (8, 0), (8, 8), (5, 5))] == [10, 20, 30, 40, 0]
