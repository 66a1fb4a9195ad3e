"""What is learned of validators, against simulated ones whose truth is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subnet17.mining.acceptance import MEMORY, Acceptance, Doubt, Outcome

THRESHOLD = 0.6
SCORES = [0.55 + 0.01 * i for i in range(31)]
Validator = Callable[[float, random.Random], float]
"""Gives its score of what we score so; below the threshold it rejects."""


def noisy(offset: float, sd: float) -> Validator:
    return lambda score, rng: score + rng.gauss(offset, sd)


def faulty(offset: float, sd: float, share: float) -> Validator:
    return lambda score, rng: 0.0 if rng.random() < share else score + rng.gauss(offset, sd)


KINDS: dict[str, tuple[Validator, Callable[[float], float]]] = {}


def _passing(offset: float, sd: float, share: float = 0.0) -> Callable[[float], float]:
    def truth(score: float) -> float:
        z = (score + offset - THRESHOLD) / sd
        return (1.0 - share) * 0.5 * math.erfc(-z / math.sqrt(2.0))

    return truth


for _name, _facts in {
    "honest": (0.0, 0.01),
    "biased down": (-0.08, 0.01),
    "biased up": (0.05, 0.02),
    "noisy": (0.0, 0.06),
}.items():
    KINDS[_name] = noisy(*_facts), _passing(*_facts)
KINDS["faulty"] = faulty(0.0, 0.02, 0.3), _passing(0.0, 0.02, 0.3)
KINDS["liar"] = (lambda score, rng: 0.0), (lambda score: 0.0)


def show(acceptance: Acceptance, name: str, validator: Validator, count: int, seed: int) -> None:
    """So many results of 0.6 to 0.9 are submitted."""
    rng = random.Random(f"{name}/{seed}")
    for _ in range(count):
        score = rng.uniform(0.6, 0.9)
        theirs = validator(score, rng)
        acceptance.observe(name, Outcome(score, THRESHOLD, theirs if theirs >= THRESHOLD else 0.0))


def error_after(kind: str, count: int, seed: int, *, met: int = 0) -> float:
    """Mean distance of the learned P(accept) from the truth over scores of 0.55 to 0.85."""
    validator, truth = KINDS[kind]
    acceptance = Acceptance()
    for other in range(met):
        show(acceptance, f"other {other}", validator, 30, seed)
    show(acceptance, "v", validator, count, seed)
    distances = [abs(acceptance.probability("v", s, THRESHOLD) - truth(s)) for s in SCORES]
    return sum(distances) / len(distances)


def submit(
    acceptance: Acceptance, name: str, fidelity: float, count: int = 1, *, score: float = 0.75
) -> None:
    for _ in range(count):
        acceptance.observe(name, Outcome(score, THRESHOLD, fidelity))


def skip(acceptance: Acceptance, name: str, count: int) -> None:
    for _ in range(count):
        acceptance.observe(name, Outcome(None, THRESHOLD))


def among_honest(count: int = 4) -> Acceptance:
    """So many honest validators are known well."""
    acceptance = Acceptance()
    for other in range(count):
        show(acceptance, f"other {other}", KINDS["honest"][0], 30, 1)
    return acceptance


@pytest.mark.parametrize(
    ("kind", "count", "bound"),
    [
        ("honest", 5, 0.06),
        ("honest", 20, 0.04),
        ("biased down", 10, 0.06),
        ("biased up", 10, 0.07),
        ("noisy", 20, 0.07),
        ("faulty", 40, 0.13),
        ("liar", 5, 0.09),
        ("liar", 10, 0.05),
    ],
)
def test_the_truth_is_found_within_so_many_results(kind: str, count: int, bound: float) -> None:
    assert max(error_after(kind, count, seed) for seed in range(4)) <= bound


def test_a_newcomer_is_taken_for_one_like_the_others() -> None:
    alone, among_strict = Acceptance(), Acceptance()
    for other in range(6):
        show(among_strict, f"other {other}", KINDS["biased down"][0], 30, 0)
    assert alone.probability("new", 0.65, THRESHOLD) > 0.75
    assert among_strict.probability("new", 0.65, THRESHOLD) < 0.35
    assert among_strict.probability("new", 0.75, THRESHOLD) > 0.9


def test_a_rejection_only_says_below_the_threshold() -> None:
    """Rejections near the line teach strictness; the same high above it teach that nothing is taken."""
    near, high = Acceptance(), Acceptance()
    submit(near, "v", 0.0, 3, score=0.61)
    submit(high, "v", 0.0, 3, score=0.9)
    assert near.probability("v", 0.75, THRESHOLD) > 2 * high.probability("v", 0.75, THRESHOLD)


def test_one_absurd_score_costs_trust_only_until_the_next_sound_ones() -> None:
    acceptance = among_honest(1)
    submit(acceptance, "other 0", 1.0, score=0.62)
    assert acceptance.probability("other 0", 0.65, THRESHOLD) > 0.75
    show(acceptance, "other 0", KINDS["honest"][0], 3, 7)
    assert acceptance.probability("other 0", 0.65, THRESHOLD) > 0.95


def test_one_rejection_of_a_known_honest_validator_moves_little_and_four_are_believed() -> None:
    acceptance = among_honest()
    chances = []
    for _ in range(4):
        submit(acceptance, "other 0", 0.0)
        chances.append(acceptance.probability("other 0", 0.75, THRESHOLD))
    assert chances[0] > 0.85
    assert chances[-1] < 0.2


def test_a_validator_that_was_given_up_is_slowly_taken_for_a_newcomer_again() -> None:
    acceptance = among_honest()
    submit(acceptance, "liar", 0.0, 6)
    given_up = acceptance.probability("liar", 0.75, THRESHOLD)
    skip(acceptance, "liar", 40)
    assert given_up < 0.1
    assert acceptance.probability("liar", 0.75, THRESHOLD) > 0.45


def test_one_on_trial_is_taken_for_a_newcomer_until_its_next_verdict() -> None:
    acceptance = among_honest()
    submit(acceptance, "liar", 0.0, 6)
    acceptance.try_again("liar")
    skip(acceptance, "liar", 1)
    newcomer = acceptance.probability("new", 0.75, THRESHOLD)
    assert acceptance.probability("liar", 0.75, THRESHOLD) == pytest.approx(newcomer, abs=0.02)
    submit(acceptance, "liar", 0.0)
    assert acceptance.probability("liar", 0.75, THRESHOLD) < 0.1
    assert acceptance.doubt("liar").is_set_aside


def test_a_liar_is_set_aside_and_the_evidence_told() -> None:
    acceptance = among_honest()
    submit(acceptance, "liar", 0.0, 4)
    doubt = acceptance.doubt("liar")
    assert doubt.is_set_aside
    assert doubt.reason.startswith("rejected 4 of the last 4 results, an honest one would with chance")
    assert acceptance.as_json()["liar"]["doubt"] == doubt.reason


def test_the_page_is_worked_out_once_for_each_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    acceptance = among_honest()
    real, doubted = Acceptance.doubt, []

    def doubt(acceptance: Acceptance, validator: str) -> Doubt:
        doubted.append(validator)
        return real(acceptance, validator)

    monkeypatch.setattr(Acceptance, "doubt", doubt)
    before = acceptance.as_json()
    assert acceptance.as_json() == before
    assert len(doubted) == len(before)
    submit(acceptance, "liar", 0.0)
    after = acceptance.as_json()
    assert after["liar"]["rejected"] == 1
    acceptance.try_again("liar")
    assert acceptance.as_json()["liar"]["rejects_anyway"] < after["liar"]["rejects_anyway"]
    assert "liar" not in before


@pytest.mark.parametrize("kind", ["honest", "biased down", "biased up", "noisy"])
def test_validators_that_pay_for_high_scores_are_never_set_aside(kind: str) -> None:
    for seed in range(2):
        acceptance = among_honest()
        for index in range(40):
            show(acceptance, "v", KINDS[kind][0], 1, 1000 * seed + index)
            assert not acceptance.doubt("v").is_set_aside


def test_nobody_is_set_aside_when_all_reject_what_our_scorer_praises() -> None:
    acceptance = Acceptance()
    for name in ("a", "b", "c"):
        submit(acceptance, name, 0.0, 10)
    assert not any(acceptance.doubt(name).is_set_aside for name in ("a", "b", "c"))


def test_scores_of_another_scorer_say_nothing() -> None:
    acceptance = Acceptance()
    for _ in range(20):
        acceptance.observe("v", Outcome(0.9, THRESHOLD, 0.0, "embedded"))
    assert acceptance.probability("v", 0.9, THRESHOLD, scorer="embedded") < 0.1
    unknown = Acceptance().probability("v", 0.9, THRESHOLD)
    assert acceptance.probability("v", 0.9, THRESHOLD, scorer="reference") == unknown


def test_a_second_costs_what_the_validator_pays_in_it() -> None:
    prices = {"cooldown_s": 300.0, "penalty_s": 600.0}
    acceptance = Acceptance()
    assert acceptance.second_price("v", **prices) == 1 / 300
    submit(acceptance, "v", 0.8, 12)
    submit(acceptance, "v", 0.0, 2)
    skip(acceptance, "v", 2)
    assert acceptance.share("v") == (12 + 4) / (16 + 4)
    assert acceptance.cycle_s("v", **prices) == 300 + 600 * 2 / 20
    assert acceptance.second_price("v", **prices) == pytest.approx(0.8 / 360)


def test_the_memory_is_bounded_and_the_order_of_learning_alone_counts() -> None:
    one, two = Acceptance(), Acceptance()
    submit(one, "v", 0.0, 5)
    for acceptance in (one, two):
        show(acceptance, "v", KINDS["honest"][0], MEMORY, 0)
    assert one.as_json() == two.as_json()
    assert one.as_json()["v"]["accepted"] + one.as_json()["v"]["rejected"] == MEMORY


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.none() | st.floats(), st.floats(), st.floats()), max_size=6),
    st.floats(),
    st.floats(),
)
def test_whatever_a_validator_says_a_chance_is_a_chance(
    told: list[tuple[float | None, float, float]], score: float, threshold: float
) -> None:
    acceptance = Acceptance()
    for outcome in told:
        acceptance.observe("v", Outcome(*outcome))
    assert 0.0 <= acceptance.probability("v", score, threshold) <= 1.0
    assert 0.0 <= acceptance.doubt("v").chance <= 1.0 + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=6))
def test_a_higher_score_is_never_less_likely_to_be_accepted(told: list[tuple[float, float]]) -> None:
    acceptance = Acceptance()
    for score, theirs in told:
        acceptance.observe("v", Outcome(score, THRESHOLD, theirs if theirs >= THRESHOLD else 0.0))
    chances = [acceptance.probability("v", i / 20, THRESHOLD) for i in range(21)]
    assert chances == sorted(chances)


def test_what_is_neither_paid_nor_rejected_lowers_what_a_task_brings_and_says_nothing_of_the_scores() -> None:
    acceptance = among_honest()
    before = acceptance.probability("other 0", 0.7, THRESHOLD)
    for _ in range(16):
        acceptance.observe("v", Outcome(None, THRESHOLD, is_unpaid=True))
    assert acceptance.share("v") == 4 / 20
    assert acceptance.cycle_s("v", cooldown_s=300.0, penalty_s=600.0) == 300.0
    newcomer = acceptance.probability("new", 0.75, THRESHOLD)
    assert acceptance.probability("v", 0.75, THRESHOLD) == pytest.approx(newcomer, abs=0.01)
    assert acceptance.probability("other 0", 0.7, THRESHOLD) == pytest.approx(before, abs=0.01)
    page = acceptance.as_json()["v"]
    assert (page["unpaid"], page["skipped"], page["accepted"]) == (16, 0, 0)


def test_where_most_validators_lie_each_is_set_aside_after_the_skips_that_belief_forces() -> None:
    acceptance = among_honest()
    for liar in range(12):
        submit(acceptance, f"liar {liar}", 0.0, 3)
    submit(acceptance, "liar", 0.0, 2)
    assert not acceptance.doubt("liar").is_set_aside
    skip(acceptance, "liar", 1)
    doubt = acceptance.doubt("liar")
    assert doubt.is_set_aside
    assert 2 * doubt.others_accepted < doubt.others_submitted
    for honest in range(4):
        submit(acceptance, f"other {honest}", 0.0)
        skip(acceptance, f"other {honest}", 2)
        assert not acceptance.doubt(f"other {honest}").is_set_aside


def test_belief_alone_sets_nobody_aside_when_nobody_accepts() -> None:
    acceptance = Acceptance()
    for liar in range(12):
        submit(acceptance, f"liar {liar}", 0.0, 5)
        skip(acceptance, f"liar {liar}", 5)
    assert not any(acceptance.doubt(f"liar {liar}").is_set_aside for liar in range(12))
