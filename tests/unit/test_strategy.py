"""Seeds and the decision to submit, to try again, or to skip."""

from __future__ import annotations

from typing import Any

from peers import assignment

from subnet17.mining.strategy import Action, Limits, decide, seed_for
from subnet17.mining.tasks import Score

LIMITS = Limits(min_score=0.7, max_candidates=4, retry_s=0.0)


def score(value: float) -> Score:
    return Score(value, "reference", (), 0.3)


def decision(best: float | None, *, made: int = 1, elapsed_s: float = 40.0, **more: Any) -> Action:
    task = assignment(**{k: more.pop(k) for k in ("threshold", "throttle_s") if k in more})
    facts: dict[str, Any] = {"candidate_s": 5.0, "limits": LIMITS} | more
    verdict = decide(task, None if best is None else score(best), made=made, elapsed_s=elapsed_s, **facts)
    assert verdict.reason
    return verdict.action


def test_free_time_goes_into_another_candidate_even_when_the_first_is_good() -> None:
    assert decision(0.9, elapsed_s=5.0) is Action.ANOTHER


def test_no_candidate_is_started_that_would_end_after_the_free_time() -> None:
    assert decision(0.95, elapsed_s=24.5) is Action.SUBMIT
    assert decision(0.9, elapsed_s=23.5) is Action.ANOTHER


def test_the_number_of_candidates_is_limited() -> None:
    assert decision(0.95, elapsed_s=5.0, made=4) is Action.SUBMIT


def test_a_good_result_is_submitted_when_time_is_up() -> None:
    assert decision(0.8) is Action.SUBMIT


def test_a_score_below_our_own_minimum_is_skipped() -> None:
    assert decision(0.69) is Action.SKIP


def test_a_probable_rejection_is_skipped_though_above_our_minimum() -> None:
    assert decision(0.75, threshold=0.9) is Action.SKIP
    assert decision(0.9, threshold=0.9) is Action.SKIP
    assert decision(0.92, threshold=0.9) is Action.SUBMIT


def test_nothing_made_is_a_skip() -> None:
    assert decision(None) is Action.SKIP


def test_without_free_time_the_first_candidate_decides() -> None:
    assert decision(0.8, throttle_s=0.0, elapsed_s=0.1) is Action.SUBMIT


def test_seeds_differ_by_hotkey_task_and_candidate_and_are_stable() -> None:
    seeds = {seed_for(h, t, i) for h in ("5A", "5B") for t in ("x", "y") for i in range(5)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_for("5A", "x", 0) == seed_for("5A", "x", 0)
