"""What the next candidate is expected to score."""

from __future__ import annotations

import random
from statistics import fmean, pstdev

import pytest

from subnet17.mining.draws import PRIOR_MEAN, Draw, Draws


def taught(tasks: int, *, mean: float = 0.6, task_sd: float = 0.08, candidate_sd: float = 0.02) -> Draws:
    rng = random.Random(3)
    draws = Draws()
    for _ in range(tasks):
        middle = rng.gauss(mean, task_sd)
        draws.observe([rng.gauss(middle, candidate_sd) for _ in range(rng.randint(1, 4))])
    return draws


def test_the_generators_scores_are_learned() -> None:
    first = taught(150).next([])
    assert first.mean == pytest.approx(0.6, abs=0.03)
    assert first.sd == pytest.approx((0.08**2 + 0.02**2) ** 0.5, abs=0.02)


def test_a_task_that_began_badly_goes_on_near_there() -> None:
    draws = taught(150)
    one, three = draws.next([0.4]), draws.next([0.4, 0.41, 0.39])
    assert one.mean < 0.45
    assert three.mean == pytest.approx(0.4, abs=0.01)
    assert three.sd < one.sd < draws.next([]).sd


def test_before_anything_was_seen_the_assumption_holds() -> None:
    assert Draws().next([]).mean == PRIOR_MEAN
    nothing = Draws()
    nothing.observe([])
    assert nothing.next([]) == Draws().next([])


def test_equal_scores_leave_a_little_doubt() -> None:
    draws = Draws()
    for _ in range(300):
        draws.observe([0.7, 0.7, 0.7])
    assert 0.0 < draws.next([0.7]).sd < 0.02


def test_the_values_stand_for_the_distribution() -> None:
    values = Draw(0.7, 0.1).values
    assert fmean(values) == pytest.approx(0.7)
    assert pstdev(values) == pytest.approx(0.1, rel=0.05)
