"""Validators that take results in an odd way, or not at all, in virtual time: no rule broken, little lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from subnet17.localnet.simulate.day import Plan, simulate
from subnet17.localnet.simulate.outcome import Outcome
from subnet17.localnet.simulate.policies import OURS
from subnet17.localnet.simulate.tempers import CATALOGUE, GOOD, UNREWARDING

HOURS = 4.0


def mine(folder: Path, name: str, *, good: int = 1, bad: int = 1, slots: int = 2) -> list[Outcome]:
    """The good validators first."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    plan = Plan([*[GOOD] * good, *[CATALOGUE[name]] * bad], seed=4, hours=HOURS, slots=slots)
    try:
        return simulate(OURS, plan, folder)
    finally:
        structlog.reset_defaults()


def test_a_verdict_lost_after_a_long_judgement_breaks_no_cooldown(tmp_path: Path) -> None:
    good, slow = mine(tmp_path, "slow judge")
    assert slow.count("violations") == good.count("violations") == 0
    assert good.windows[0] >= 47
    assert slow.count("accepted") >= 30


@pytest.mark.parametrize(("name", "kept"), [("refuses some", 40), ("breaks on some", 8)])
def test_results_that_a_validator_never_takes_cost_their_own_turns_only(
    tmp_path: Path, name: str, kept: int
) -> None:
    good, picky = mine(tmp_path, name)
    assert picky.count("accepted") >= kept
    assert picky.count("skipped") >= 1
    assert picky.count("violations") == 0
    assert good.windows[0] >= 47


@pytest.mark.parametrize("name", ["always faults", "never pays", "one task"])
def test_validators_that_never_pay_get_few_tasks_and_leave_the_others_their_throughput(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "alone").mkdir()
    alone = mine(tmp_path / "alone", name, good=6, bad=0, slots=1)
    (tmp_path / "beside").mkdir()
    beside = mine(tmp_path / "beside", name, good=6, bad=6, slots=1)
    paid = sum(outcome.count("accepted") for outcome in alone)
    assert sum(outcome.count("accepted") for outcome in beside[:6]) >= 0.9 * paid
    assert max(outcome.count("assigned") for outcome in beside[6:]) <= 10


def test_every_unrewarding_temper_is_tried() -> None:
    tried = {"slow judge", "refuses some", "breaks on some", "always faults", "never pays", "one task"}
    assert {temper.name for temper in UNREWARDING} == tried
