"""A validator of every bad kind beside four good ones, in virtual time: these lose next to nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from subnet17.localnet.simulate.day import Plan, simulate
from subnet17.localnet.simulate.outcome import Outcome
from subnet17.localnet.simulate.policies import OURS
from subnet17.localnet.simulate.tempers import GOOD, MISBEHAVING, Temper

HOURS = 2.0
KEPT = 0.95


def mine(folder: Path, *more: Temper) -> list[Outcome]:
    """Four good validators, and these."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        return simulate(OURS, Plan([*[GOOD] * 4, *more], seed=4, hours=HOURS), folder)
    finally:
        structlog.reset_defaults()


def accepted(outcomes: list[Outcome]) -> int:
    return sum(outcome.count("accepted") for outcome in outcomes)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> int:
    """What four good validators accept when they are by themselves."""
    count = accepted(mine(tmp_path_factory.mktemp("alone")))
    assert count >= 4 * 23  # of 24 each
    return count


@pytest.mark.parametrize("bad", MISBEHAVING, ids=lambda temper: temper.name)
def test_four_good_validators_keep_their_throughput_beside(bad: Temper, alone: int, tmp_path: Path) -> None:
    outcomes = mine(tmp_path, bad)
    assert accepted(outcomes[:4]) >= KEPT * alone
    assert [outcome.count("violations") for outcome in outcomes] == [0] * 5
    assert [outcome.bad_signatures for outcome in outcomes] == [0] * 5
