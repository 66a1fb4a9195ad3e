"""What the embedded alignment sees: shapes, colours, turns, pictures, and what it doesn't know."""

from __future__ import annotations

import numpy as np
import pytest

from subnet17.procedural.make import make_model
from subnet17.procedural.prompt import understand
from subnet17.splat.cameras import RenderedViews, fit_for_render, official_cameras
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.from_mesh import mesh_to_splats
from subnet17.splat.rasterize_cpu import render_views
from subnet17.validation.scoring.alignment import NEUTRAL, REFERENCE_SEEDS, Aligner, Alignment
from subnet17.validation.scoring.likeness import compare
from subnet17.validation.scoring.quality import halve
from subnet17.validation.scoring.silhouettes import Silhouettes, reduce_views, to_lab
from subnet17.validation.scoring.sketch import draw_prompt
from subnet17.validation.scoring.warmup import make_ball

SEED = 5


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner()


def views_of(cloud: GaussianCloud) -> RenderedViews:
    return render_views(fit_for_render(cloud), official_cameras())


def views_of_prompt(prompt: str) -> RenderedViews:
    assert SEED not in REFERENCE_SEEDS
    return views_of(mesh_to_splats(make_model(prompt, seed=SEED).mesh, count=20_000))


@pytest.fixture(scope="module")
def chair() -> RenderedViews:
    return views_of_prompt("a wooden chair")


@pytest.fixture(scope="module")
def red_ball() -> RenderedViews:
    return views_of(make_ball())


def align(aligner: Aligner, views: RenderedViews, prompt: str) -> Alignment:
    return aligner.align_text(halve(views.images) / np.float32(255), halve(views.alphas), prompt)


def align_picture(aligner: Aligner, views: RenderedViews, picture: np.ndarray) -> float:
    images, alphas = halve(views.images) / np.float32(255), halve(views.alphas)
    return aligner.align_image(images, alphas, picture).score


def test_an_asset_fits_its_own_prompt_better_than_others(aligner: Aligner, chair: RenderedViews) -> None:
    own = align(aligner, chair, "a wooden chair").score
    assert own > 0.75
    assert align(aligner, chair, "a cat wearing a wizard hat").score < own - 0.3


def test_a_colour_that_was_asked_for_and_is_missing_costs(aligner: Aligner, chair: RenderedViews) -> None:
    assert align(aligner, chair, "a blue chair").score < align(aligner, chair, "a wooden chair").score - 0.1


def test_a_turned_object_is_recognised(chair: RenderedViews) -> None:
    seen = reduce_views(halve(chair.images) / np.float32(255), halve(chair.alphas))
    turned = Silhouettes(np.roll(seen.alphas, 4, axis=0), np.roll(seen.lab, 4, axis=0))
    likeness = compare(seen, [turned])[0]
    assert likeness.shape == pytest.approx(1, abs=1e-4)
    assert likeness.colour == pytest.approx(1, abs=1e-4)


def test_an_accessory_is_part_of_the_comparison(aligner: Aligner) -> None:
    plain = views_of_prompt("a cat")
    assert align(aligner, plain, "a cat wearing a wizard hat").score < align(aligner, plain, "a cat").score


def test_an_unknown_subject_is_neutral_and_said_to_be(aligner: Aligner, red_ball: RenderedViews) -> None:
    assert understand("a blorptangle").family is None
    verdict = align(aligner, red_ball, "a blorptangle")
    assert verdict.score == NEUTRAL
    assert "blorptangle" in verdict.notes[0]


def test_an_unknown_subject_is_judged_by_its_colours(aligner: Aligner, red_ball: RenderedViews) -> None:
    red = align(aligner, red_ball, "a red blorptangle").score
    blue = align(aligner, red_ball, "a blue blorptangle").score
    assert blue < NEUTRAL < red


def test_a_picture_of_the_asset_fits_better_than_one_of_another(
    aligner: Aligner, chair: RenderedViews, red_ball: RenderedViews
) -> None:
    own, other = chair.images[3], red_ball.images[0]
    assert align_picture(aligner, chair, own) > 0.8
    assert align_picture(aligner, chair, other) < align_picture(aligner, chair, own) - 0.3


def test_a_picture_may_show_the_object_elsewhere_and_smaller(aligner: Aligner, chair: RenderedViews) -> None:
    canvas = np.full((700, 900, 3), 255, np.uint8)
    canvas[50 : 50 + 259, 500 : 500 + 259] = chair.images[3][::2, ::2]
    assert align_picture(aligner, chair, canvas) > 0.8


def test_a_picture_of_one_plain_colour_is_no_error(aligner: Aligner, chair: RenderedViews) -> None:
    assert 0 <= align_picture(aligner, chair, np.full((1, 3, 3), 255, np.uint8)) <= 1


def test_sketches_are_the_same_every_time() -> None:
    first, second = (draw_prompt("a red chair", seed=1) for _ in range(2))
    assert np.array_equal(first.alphas, second.alphas) and np.array_equal(first.lab, second.lab)


def test_lab_of_known_colours() -> None:
    colours = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.2], [32.3, 79.19, -107.86]]
    assert to_lab(colours) == pytest.approx(np.array(expected), abs=0.1)
