"""What the embedded quality measure sees in clean and in spoiled assets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from subnet17.splat.cameras import fit_for_render, official_cameras
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.rasterize_cpu import render_views
from subnet17.validation.scoring.quality import combine_quality, halve, judge_quality, measure_quality
from subnet17.validation.scoring.structure import neighbour_structure
from subnet17.validation.scoring.warmup import make_ball

BALL = replace(make_ball(40_000), log_scales=np.full((40_000, 3), np.log([0.009, 0.009, 0.001]), np.float32))
"""Of finer discs than the one kernels are compiled with, as assets have them."""


def measure(cloud: GaussianCloud) -> dict[str, float]:
    views = render_views(fit_for_render(cloud), official_cameras())
    return measure_quality(halve(views.images) / np.float32(255), halve(views.alphas))


def quality(cloud: GaussianCloud) -> float:
    return combine_quality(judge_quality(measure(cloud)))


@pytest.fixture(scope="module")
def clean() -> dict[str, float]:
    return measure(BALL)


def normal(shape: tuple[int, ...], sigma: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, sigma, shape).astype(np.float32)


def test_a_clean_ball_is_judged_clean(clean: dict[str, float]) -> None:
    assert combine_quality(judge_quality(clean)) > 0.85
    assert clean["coverage"] == pytest.approx(0.35, abs=0.05)
    assert clean["cut_off"] == 0 and clean["crumbs"] == 0


def test_colour_noise_is_seen_and_lowers_quality(clean: dict[str, float]) -> None:
    spoiled = replace(BALL, sh0=BALL.sh0 + normal(BALL.sh0.shape, 0.5))
    assert measure(spoiled)["chroma_noise"] > 2 * clean["chroma_noise"]
    assert quality(spoiled) < quality(BALL) - 0.2


def test_a_frayed_outline_is_seen_and_lowers_quality(clean: dict[str, float]) -> None:
    spoiled = replace(BALL, means=BALL.means + normal(BALL.means.shape, 0.05))
    measured = measure(spoiled)
    assert measured["haze"] > 1.5 * clean["haze"]
    assert measured["fray"] > clean["fray"]
    assert quality(spoiled) < quality(BALL)


def test_holes_are_seen_and_lower_quality(clean: dict[str, float]) -> None:
    spoiled = replace(BALL, logit_opacities=np.full(len(BALL), -1.5, np.float32))
    assert measure(spoiled)["holes"] > clean["holes"] + 0.05
    assert quality(spoiled) < quality(BALL) - 0.05


def test_loose_crumbs_are_seen_and_lower_quality(clean: dict[str, float]) -> None:
    far = np.random.default_rng(2).uniform(-1.4, 1.4, BALL.means.shape).astype(np.float32)
    loose = np.arange(len(BALL)) % 40 == 0
    spoiled = replace(BALL, means=np.where(loose[:, None], far, BALL.means))
    assert measure(spoiled)["crumbs"] > clean["crumbs"] + 0.01
    assert quality(spoiled) < quality(BALL)


def test_a_paper_thin_object_is_told_from_a_body(clean: dict[str, float]) -> None:
    flat = replace(BALL, means=BALL.means * np.array([1, 1, 0.01], np.float32))
    assert measure(flat)["thinness"] < 0.5 < clean["thinness"]


def test_an_invisible_asset_has_no_quality() -> None:
    nothing = measure_quality(np.ones((16, 28, 28, 3), np.float32), np.zeros((16, 28, 28), np.float32))
    assert combine_quality(judge_quality(nothing)) < 0.01


def test_halving_averages_two_by_two_and_drops_an_odd_last_one() -> None:
    image = np.array([[[0, 4, 9], [8, 4, 9], [1, 1, 1]]], np.uint8)
    assert halve(image).tolist() == [[[4.0]]]


def test_structure_is_one_for_equal_views_and_falls_for_different_ones() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.random((2, 64, 64, 3), dtype=np.float32)
    similarities = neighbour_structure(np.stack([one, one, other]))
    assert similarities[0] == pytest.approx(1, abs=1e-6)
    assert similarities[1] < 0.99
    assert similarities.shape == (3,)
