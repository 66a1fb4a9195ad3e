"""What looks like a mistake in the official transform and cameras, and is in every official score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from subnet17.splat.cameras import fit_for_render, official_cameras
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.rasterize_cpu import render_views
from subnet17.validation.scoring.warmup import make_ball

BALL = make_ball(7000)


def moved(by: list[float]) -> GaussianCloud:
    return replace(BALL, means=BALL.means + np.array(by, np.float32))


def test_one_scalar_is_subtracted_from_all_three_coordinates() -> None:
    """So an asset beside the origin stays beside the middle of the picture."""
    centres = [fit_for_render(moved(by)).means.mean(axis=0) for by in ([0, 0, 0], [3, 0, 0])]
    assert centres[0] == pytest.approx([0, 0, 0], abs=1e-3)
    assert centres[1] == pytest.approx([2, -1, -1], abs=1e-2)


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_opacities_are_divided_by_the_scale_and_cut(size: float) -> None:
    """So the same asset is more opaque the larger it was saved."""
    saved = replace(
        BALL,
        means=BALL.means * np.float32(size),
        logit_opacities=np.full(len(BALL), np.log(0.4 / 0.6), np.float32),
    )
    extent = float((saved.means.max(axis=0) - saved.means.min(axis=0)).max())
    scale = 1.5 / extent
    scene = fit_for_render(saved)
    assert scene.opacities == pytest.approx(np.full(len(BALL), min(1.0, 0.4 / scale)), abs=1e-5)
    assert np.ptp(scene.means, axis=0).max() == pytest.approx(1.5, abs=1e-5)


def test_the_last_view_is_the_first() -> None:
    cameras = official_cameras(64)
    assert cameras.first_equal == [*range(15), 0]
    pictures = render_views(fit_for_render(BALL), cameras).images
    np.testing.assert_array_equal(pictures[0], pictures[15])


def test_a_negative_elevation_looks_down() -> None:
    viewmats = official_cameras().viewmats
    eyes = -np.einsum("cji,cj->ci", viewmats[:, :3, :3], viewmats[:, :3, 3])
    assert eyes[:, 1] == pytest.approx(np.full(16, 0.647), abs=1e-3)
    assert np.linalg.norm(eyes, axis=1) == pytest.approx(np.full(16, 2.5))
