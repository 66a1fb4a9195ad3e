"""Seeds and the decision to submit, to try again, or to skip."""

from __future__ import annotations

import dataclasses
import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
from peers import assignment

from subnet17.mining.acceptance import Acceptance, Outcome
from subnet17.mining.draws import Draw, Draws
from subnet17.mining.feedback import Prices
from subnet17.mining.strategy import Action, Limits, Outlook, decide, outlook_of, seed_for
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


def outlook(p: float = 0.9, *, r: float = 1 / 300, **more: Any) -> Outlook:
    """A validator that accepts everything with one chance; the next candidate is as good as the last."""
    facts: dict[str, Any] = {"next_score": Draw(0.8, 0.05)} | more
    return Outlook(chance=lambda _: p, second_price=r, penalty_s=600.0, **facts)


def steep(line: float = 0.75, **more: Any) -> Outlook:
    """A validator that surely accepts from a score on."""
    return dataclasses.replace(outlook(**more), chance=lambda score: 1.0 if score >= line else 0.0)


def test_a_score_that_is_high_enough_ends_the_work() -> None:
    assert decision(0.96, elapsed_s=5.0) is Action.SUBMIT
    loose = dataclasses.replace(LIMITS, enough_score=1.0)
    assert (
        decision(0.96, elapsed_s=5.0, limits=loose, outlook=outlook(next_score=Draw(0.9, 0.1)))
        is Action.ANOTHER
    )


def test_a_score_that_is_high_enough_but_would_be_rejected_does_not() -> None:
    assert decision(0.96, elapsed_s=5.0, outlook=steep(0.98, next_score=Draw(0.96, 0.05))) is Action.ANOTHER


def test_a_hopeless_candidate_is_not_made_even_in_free_time() -> None:
    assert decision(0.6, elapsed_s=5.0, outlook=outlook(0.01)) is Action.SKIP


def test_others_that_wait_for_the_slot_end_the_search_for_quality() -> None:
    assert decision(0.8, elapsed_s=5.0, outlook=outlook(others_waiting=0.0)) is Action.ANOTHER
    assert decision(0.8, elapsed_s=5.0, outlook=outlook(others_waiting=1.0)) is Action.SUBMIT


def test_others_that_wait_do_not_end_the_search_for_anything_fit() -> None:
    assert decision(0.6, elapsed_s=5.0, outlook=outlook(others_waiting=3.0)) is Action.ANOTHER


def test_a_candidate_that_may_be_late_is_not_started_for_quality() -> None:
    late: Any = {"outlook": outlook(), "candidate_s": 5.0}
    assert decision(0.8, elapsed_s=20.0, candidate_late_s=8.0, **late) is Action.ANOTHER
    assert decision(0.8, elapsed_s=20.0, candidate_late_s=10.0, **late) is Action.SUBMIT


RETRYING = dataclasses.replace(LIMITS, retry_s=60.0, max_candidates=9)


def test_paid_seconds_go_into_a_task_with_nothing_fit() -> None:
    assert decision(0.6, elapsed_s=40.0, limits=RETRYING, outlook=outlook()) is Action.ANOTHER
    assert decision(0.74, elapsed_s=40.0, limits=RETRYING, outlook=steep()) is Action.ANOTHER


def test_paid_seconds_never_go_into_quality() -> None:
    better = outlook(next_score=Draw(0.95, 0.05))
    assert decision(0.75, elapsed_s=40.0, limits=RETRYING, outlook=better) is Action.SUBMIT


def test_paid_retries_end_at_their_limit() -> None:
    """29 s are free; with 60 s of retries all candidates must be made 89 s after the assignment."""
    assert decision(0.6, elapsed_s=84.0, limits=RETRYING, outlook=outlook()) is Action.ANOTHER
    assert decision(0.6, elapsed_s=84.1, limits=RETRYING, outlook=outlook()) is Action.SKIP
    assert decision(0.6, elapsed_s=40.0, made=9, limits=RETRYING, outlook=outlook()) is Action.SKIP


def test_a_retry_that_costs_more_than_it_may_bring_is_not_made() -> None:
    """One draw in four is fit: 0.25 accepted results. 59 paid seconds cost 0.2, one other waiting as much."""
    rare = steep(next_score=Draw(0.75 - 0.674 * 0.05, 0.05))
    facts: dict[str, Any] = {"elapsed_s": 29.0, "candidate_s": 59.0, "limits": RETRYING}
    assert decision(0.7, outlook=rare, **facts) is Action.ANOTHER
    assert decision(0.7, outlook=dataclasses.replace(rare, others_waiting=1.0), **facts) is Action.SKIP


def test_no_candidate_is_started_when_none_may_be() -> None:
    assert decision(0.8, elapsed_s=1.0, candidate_s=math.inf) is Action.SUBMIT
    assert decision(0.6, elapsed_s=1.0, candidate_s=math.inf, limits=RETRYING) is Action.SKIP
    assert decision(None, elapsed_s=1.0, candidate_s=math.inf) is Action.SKIP


def rate(line: float, chances: list[float]) -> float:
    """Accepted results per second: tasks come with these P(accept), those above a line are submitted."""
    submitted = [p for p in chances if p > line]
    return sum(submitted) / (300.0 * len(chances) + 600.0 * sum(1.0 - p for p in submitted))


@pytest.mark.parametrize("power", [0.2, 0.5, 1.0, 2.0, 5.0])
def test_no_other_line_brings_more_per_second_than_the_one_derived(power: float) -> None:
    """Easy and hard validators: the line belongs to the rate that it brings, and no line brings more."""
    chances = [((i + 0.5) / 500) ** power for i in range(500)]
    best = max(rate(line / 1000, chances) for line in range(1000))
    line = outlook(r=best).line
    assert rate(line, chances) == pytest.approx(best, rel=1e-6)
    assert rate(line, chances) >= rate(2 / 3, chances)


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_a_miner_that_learns_the_price_of_a_second_earns_nearly_the_best_rate(power: float) -> None:
    rng = random.Random(4)
    acceptance = Acceptance()
    accepted, time_s = 0, 0.0
    for _ in range(1500):
        p = rng.random() ** power
        line = outlook(r=acceptance.second_price("v", cooldown_s=300.0, penalty_s=600.0)).line
        paid = p > line and rng.random() < p
        time_s += 300.0 + 600.0 * (p > line and not paid)
        accepted += paid
        acceptance.observe("v", Outcome(0.7 if p > line else None, 0.6, 0.7 if paid else 0.0))
    chances = [((i + 0.5) / 500) ** power for i in range(500)]
    best = max(rate(line / 100, chances) for line in range(100))
    assert accepted / time_s >= 0.95 * best


def test_an_outlook_knows_the_validator_and_the_scores_seen() -> None:
    acceptance, draws = Acceptance(), Draws()
    strict = assignment(validator="5S")
    for _ in range(20):
        acceptance.observe("5S", Outcome(0.8, 0.6, 0.7, "reference"))
        draws.observe([0.69, 0.71])
    facts: Any = {"acceptance": acceptance, "draws": draws, "prices": Prices(), "scorer": "reference"}
    seen = outlook_of(strict, [0.66, 0.67], others_waiting=0.5, **facts)
    assert seen.chance(0.65) < 0.1
    assert seen.chance(0.75) > 0.9
    assert (seen.second_price, seen.penalty_s, seen.others_waiting) == (1 / 300, 600.0, 0.5)
    assert 0.66 < seen.next_score.mean < 0.7


TABLE = Path(__file__).parents[2] / "docs" / "strategy.md"


def worked_rows() -> list[str]:
    """The tables of docs/strategy.md, from the code."""
    rows = []
    for p in (1.0, 0.8, 0.6, 0.4, 0.2):
        r = rate(-1.0, [p])
        rows.append(f"| {p:.1f} | {14_400 * r:.1f} | {300 * r:.3f} | {outlook(r=r).line:.3f} |")
    for p in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        busy, poor = (outlook(p, r=r).worth(0.8, 0.6, LIMITS) for r in (1 / 300, 1 / 900))
        rows.append(f"| {p:.1f} | {busy:.2f} | {poor:.2f} |")
    for scores, elapsed_s, waiting in (
        ((0.78,), 10.0, 0.0),
        ((0.78,), 10.0, 1.0),
        ((0.62,), 10.0, 1.0),
        ((0.78, 0.81), 20.0, 0.0),
        ((0.62, 0.66), 24.0, 0.0),
        ((0.62, 0.66, 0.71), 35.0, 0.0),
        ((0.40, 0.42), 24.0, 1.0),
        ((0.96,), 10.0, 0.0),
    ):
        task, best = assignment(), score(max(scores))
        newcomer = outlook_of(
            task, scores, acceptance=Acceptance(), draws=Draws(), prices=Prices(), others_waiting=waiting
        )
        verdict = decide(
            task,
            best,
            made=len(scores),
            elapsed_s=elapsed_s,
            candidate_s=8.0,
            limits=Limits(0.7, 4),
            outlook=newcomer,
            candidate_late_s=9.0,
        )
        more = re.search(r"bring ([\d.]+) and cost ([\d.]+)", verdict.reason)
        gain, cost = more.groups() if more else ("", "")
        told = ", ".join(f"{value:.2f}" for value in scores)
        chance = newcomer.chance(best.value)
        rows.append(
            f"| {told} | {elapsed_s:.0f} s | {waiting:.0f} | {chance:.2f} "
            f"| {gain or '-'} | {cost or '-'} | {verdict.action} |"
        )
    return rows


def test_the_worked_tables_of_the_documentation_are_what_the_code_does() -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert [row for row in worked_rows() if row not in text] == []


def test_seeds_differ_by_hotkey_task_and_candidate_and_are_stable() -> None:
    seeds = {seed_for(h, t, i) for h in ("5A", "5B") for t in ("x", "y") for i in range(5)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_for("5A", "x", 0) == seed_for("5A", "x", 0)
