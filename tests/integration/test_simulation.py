"""Hours of mining in virtual time: the promises hold, the rewards compare, and a seed repeats itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from subnet17.localnet.simulate.cli import main, run_all
from subnet17.localnet.simulate.day import Plan, simulate
from subnet17.localnet.simulate.outcome import Outcome
from subnet17.localnet.simulate.policies import OFFICIAL, OURS, SKIPPER, Policy
from subnet17.localnet.simulate.report import broken_promises, least_accepts, total_reward
from subnet17.localnet.simulate.tempers import GOOD, MIXED

SHORT = Plan([MIXED[0], MIXED[2], MIXED[4]], seed=5, hours=0.5)


def mine(policy: Policy, plan: Plan, folder: Path) -> list[Outcome]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        return simulate(policy, plan, folder)
    finally:
        structlog.reset_defaults()


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[Policy, list[Outcome]]:
    """Four hours of two policies with validators of mixed temper."""
    plan = Plan(MIXED[:4] + MIXED[6:], seed=1, hours=4.0)
    return {policy: mine(policy, plan, tmp_path_factory.mktemp(policy.name)) for policy in (OURS, OFFICIAL)}


def test_no_cooldown_is_broken_and_no_signature_is_bad(days: dict[Policy, list[Outcome]]) -> None:
    assert broken_promises(days) == []


def test_every_healthy_validator_accepts_at_least_47_of_48(days: dict[Policy, list[Outcome]]) -> None:
    least = least_accepts(days[OURS])
    assert least is not None
    assert least >= 47


def test_it_earns_more_than_the_official_rules(days: dict[Policy, list[Outcome]]) -> None:
    assert total_reward(days[OURS]) > total_reward(days[OFFICIAL]) > 0


def test_the_official_rules_submit_everything_and_pay_for_it(days: dict[Policy, list[Outcome]]) -> None:
    assert sum(outcome.count("skipped") for outcome in days[OFFICIAL]) == 0
    assert sum(outcome.count("rejected") for outcome in days[OFFICIAL] if outcome.healthy) > 0


def test_skipping_low_scores_avoids_rejections_at_the_price_of_cycles(tmp_path: Path) -> None:
    outcomes = mine(SKIPPER, Plan([GOOD] * 3, seed=3, hours=1.5), tmp_path)
    assert sum(outcome.count("rejected") for outcome in outcomes) == 0
    assert sum(outcome.count("skipped") for outcome in outcomes) > 0


def test_a_validator_that_rejects_everything_is_set_aside(days: dict[Policy, list[Outcome]]) -> None:
    liar = next(outcome for outcome in days[OURS] if outcome.temper == "lying scorer")
    assert 3 <= liar.count("rejected") <= 10
    assert liar.count("assigned") < 20


def test_a_seed_repeats_itself_in_other_processes_and_another_seed_does_not(tmp_path: Path) -> None:
    (there,) = run_all([OURS], SHORT)  # another hash seed, another working order of everything unordered
    (tmp_path / "a").mkdir()
    assert mine(OURS, SHORT, tmp_path / "a") == there
    (tmp_path / "b").mkdir()
    assert mine(OURS, Plan(SHORT.tempers, seed=6, hours=SHORT.hours), tmp_path / "b") != there


def test_the_command_prints_the_table_and_ends_well(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--hours", "0.2", "--validators", "2", "--tempers", GOOD.name, "--policies", "ours"]
    assert main(arguments) == 0
    out, err = capfd.readouterr()
    assert "good *" in out
    assert "error" not in err


@pytest.mark.parametrize(
    "arguments", [["--hours", "0"], ["--validators", "0"], ["--tempers", "kind"], ["--seed", "x"]]
)
def test_a_mistake_in_the_command_line_is_named(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert arguments[0] in capfd.readouterr().err
