"""Repeats keep to their share."""

from __future__ import annotations

import pytest
from peers import HeldClock

from subnet17.mining.budget import RESERVE, TRICKLE_S, RetryBudget


def test_in_the_long_run_repeats_are_a_share_of_first_calls() -> None:
    budget = RetryBudget(0.2, clock=HeldClock())
    repeated = 0
    for _ in range(1000):
        budget.first()
        repeated += budget.take()  # everything fails
    assert repeated == pytest.approx(200 + RESERVE, abs=1)


def test_a_short_trouble_is_repeated_at_once() -> None:
    budget = RetryBudget(0.2, clock=HeldClock())
    assert [budget.take() for _ in range(int(RESERVE) + 1)] == [True] * int(RESERVE) + [False]


def test_an_empty_budget_tells_how_long_to_wait_and_then_lets_one_through() -> None:
    clock = HeldClock()
    budget = RetryBudget(0.2, clock=clock)
    while budget.take():
        pass
    wait_s = budget.wait_s
    assert 0 < wait_s <= TRICKLE_S
    clock.now_s += wait_s * 0.99
    assert not budget.take()
    clock.now_s += wait_s * 0.02
    assert budget.take()
    assert not budget.take()


def test_quiet_hours_save_up_no_storm() -> None:
    clock = HeldClock()
    budget = RetryBudget(1.0, clock=clock)
    clock.now_s += 86_400
    for _ in range(1000):
        budget.first()
    assert budget.left == RESERVE
