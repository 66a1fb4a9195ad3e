"""The arithmetic of cooldowns, penalties and rewards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subnet17.localnet.rules import (
    Rules,
    average_after,
    cooldown_after_task,
    cooldown_after_violation,
    guard_after_acceptance,
    within_window,
)

RULES = Rules()
NOW_S = st.floats(1.7e9, 1.8e9)
WORK_S = st.floats(0, 5000)
SCALE = st.floats(0.01, 1)
DAY_START_S = 1_700_000_000.0


@given(now_s=NOW_S, work_s=st.floats(0, 30))
def test_the_throttle_period_is_free(now_s: float, work_s: float) -> None:
    until_s = cooldown_after_task(RULES, now_s=now_s, assigned_at_s=now_s - work_s, penalised=False)
    assert until_s == int(now_s - work_s + 300)


@given(now_s=NOW_S, work_s=st.floats(31, 5000))
def test_each_later_second_costs_one(now_s: float, work_s: float) -> None:
    until_s = cooldown_after_task(RULES, now_s=now_s, assigned_at_s=now_s - work_s, penalised=False)
    assert until_s == int(now_s + 270)


@given(now_s=NOW_S, work_s=WORK_S)
def test_a_penalty_adds_600_seconds(now_s: float, work_s: float) -> None:
    times = {"now_s": now_s, "assigned_at_s": now_s - work_s}
    plain_s = cooldown_after_task(RULES, **times, penalised=False)
    assert cooldown_after_task(RULES, **times, penalised=True) == plain_s + 600


@given(now_s=NOW_S, work_s=WORK_S, scale=SCALE, penalised=st.booleans())
def test_the_guard_never_outlasts_the_cooldown(
    now_s: float, work_s: float, scale: float, penalised: bool
) -> None:
    rules = RULES.scaled(scale)
    until_s = cooldown_after_task(rules, now_s=now_s, assigned_at_s=now_s - work_s, penalised=penalised)
    assert guard_after_acceptance(rules, now_s=now_s) <= until_s


@pytest.mark.parametrize(("violations", "added_s"), [(1, 0), (100, 0), (101, 10), (500, 10)])
def test_violations_cost_ten_seconds_each_beyond_a_hundred(violations: int, added_s: int) -> None:
    assert cooldown_after_violation(RULES, cooldown_until_s=1000, violations=violations) == 1000 + added_s


@given(scale=SCALE)
def test_scaling_multiplies_durations_and_nothing_else(scale: float) -> None:
    scaled = RULES.scaled(scale)
    assert scaled.task_cooldown_s == 300 * scale
    assert scaled.reward_window_s == 14400 * scale
    assert (scaled.violations_threshold, scaled.score_threshold) == (100, 0.6)


@given(scale=SCALE)
def test_a_scaled_violation_still_costs_something(scale: float) -> None:
    assert cooldown_after_violation(RULES.scaled(scale), cooldown_until_s=1000, violations=101) > 1000


@pytest.mark.parametrize(("work_s", "accepts"), [(5, 48), (30, 48), (90, 40), (210, 30)])
def test_accepts_in_four_hours_by_working_time(work_s: int, accepts: int) -> None:
    now_s, done = DAY_START_S, 0
    while now_s < DAY_START_S + RULES.reward_window_s:
        assigned_at_s, now_s = now_s, now_s + work_s
        now_s = cooldown_after_task(RULES, now_s=now_s, assigned_at_s=assigned_at_s, penalised=False)
        done += 1
    assert done == accepts == 14400 // (max(work_s, 30) + 270)


@given(st.lists(st.floats(0, 20_000)))
def test_only_the_last_four_hours_count(ages_s: list[float]) -> None:
    accepted_at_s = [DAY_START_S - age_s for age_s in ages_s]
    kept = within_window(RULES, accepted_at_s, now_s=DAY_START_S)
    assert kept == [at_s for at_s in accepted_at_s if DAY_START_S - at_s <= 14400]


@given(average=st.floats(0, 1), score=st.floats(0.6, 1))
def test_the_average_moves_a_twentieth_of_the_way(average: float, score: float) -> None:
    moved = average_after(RULES, average=average, score=score)
    assert moved - average == pytest.approx((score - average) / 20)
