"""The validators' formula, and the smooth steps of the embedded scorer."""

from __future__ import annotations

import math

import pytest

from subnet17.validation.scoring.formula import final_score
from subnet17.validation.scoring.ramps import fall, rise


def test_alignment_below_the_floor_scores_nothing() -> None:
    assert final_score(iqa=1, alignment=0.2999, ssim=1, lpips=1) == 0
    assert final_score(iqa=1, alignment=0.3, ssim=1, lpips=1) > 0.8


def test_the_formula_weighs_the_four_measures_as_the_validators_do() -> None:
    quiet = final_score(iqa=0.6, alignment=0.8, ssim=0.83, lpips=0.7)
    assert quiet == pytest.approx(0.75 * 0.6 + 0.2 * 0.8 + 0.025 * 0.5 + 0.025 * 0.7 * 0.5)
    sharp = final_score(iqa=0.6, alignment=0.8, ssim=0.9, lpips=0.9)
    steps = 0.025 / (1 + math.exp(-35 * 0.07)) + 0.025 * 0.9 / (1 + math.exp(-30 * 0.2))
    assert sharp == pytest.approx(0.75 * 0.6 + 0.2 * 0.8 + steps)


@pytest.mark.parametrize("value", [-1e9, -1.0, 0.0, 0.5, 1.0, 1e9])
def test_steps_stay_in_the_unit_interval_and_oppose_each_other(value: float) -> None:
    up = rise(value, low=0.2, high=0.8)
    assert 0 <= up <= 1
    assert up + fall(value, good=0.2, bad=0.8) == pytest.approx(1)


def test_steps_are_low_at_the_low_end_and_high_at_the_high_end() -> None:
    assert rise(0.2, low=0.2, high=0.8) == pytest.approx(0.018, abs=1e-3)
    assert rise(0.8, low=0.2, high=0.8) == pytest.approx(0.982, abs=1e-3)
    assert rise(0.51, low=0.2, high=0.8) > rise(0.5, low=0.2, high=0.8)
