"""The simulation's models, and what its report makes of a day."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
from rich.console import Console

from subnet17.localnet.ratings import Rating
from subnet17.localnet.simulate.outcome import Outcome, mean_reward, windows_of
from subnet17.localnet.simulate.policies import OFFICIAL, OURS, take_turns
from subnet17.localnet.simulate.quality import DUD_SHARE, MEAN, WORTHLESS, Quality, write_asset
from subnet17.localnet.simulate.report import broken_promises, least_accepts, policy_table, total_reward
from subnet17.localnet.simulate.rivals import Rivals
from subnet17.mining.choice import Prospect
from subnet17.mining.protocol import TextTask

HOUR_S = 3600.0
QUALITY = Quality(seed=3)
OUTCOME = Outcome(
    temper="good",
    healthy=True,
    stake=10.0,
    counts={"accepted": 47},
    bad_signatures=0,
    bad_nonces=0,
    windows=(47,),
    reward=100.0,
    rating=1500.0,
)


def test_an_asset_is_worth_the_same_whenever_it_is_made_and_whoever_asks() -> None:
    assert Quality(3).value("a chair", 7) == QUALITY.value("a chair", 7)
    assert len({QUALITY.value("a chair", seed) for seed in range(20)}) == 20
    assert Quality(4).value("a chair", 7) != QUALITY.value("a chair", 7)


def test_most_assets_are_good_and_some_are_duds() -> None:
    values = [QUALITY.value("a chair", seed) for seed in range(4000)]
    assert statistics.median(values) == pytest.approx(MEAN - QUALITY.difficulty("a chair"), abs=0.01)
    assert sum(value < 0.7 for value in values) / len(values) == pytest.approx(DUD_SHARE, abs=0.015)


def test_scores_follow_the_asset_and_what_it_shows() -> None:
    asset = write_asset("a chair", 0.8)
    assert QUALITY.local_score("a chair", asset) == pytest.approx(0.8, abs=0.03)
    assert QUALITY.verdict("a chair", asset, validator="5V", bias=-0.2) == pytest.approx(0.6, abs=0.05)
    for other in (write_asset("a car", 0.8), b"", b"\x28\xb5\x2f\xfd[]", b"no asset"):
        assert QUALITY.local_score("a chair", other) == pytest.approx(WORTHLESS, abs=0.03)


def test_better_results_win_more_duels() -> None:
    rivals, rating, good = Rivals(QUALITY, "5V"), Rating(), Rating()
    for number in range(300):
        task = TextTask(id=str(number), prompt="a chair")
        usual = MEAN - QUALITY.difficulty("a chair")
        rating, good = rivals.fight(rating, task, usual), rivals.fight(good, task, usual + 0.04)
    assert rating.mean == pytest.approx(1500, abs=120)
    assert good.mean > rating.mean + 150


def test_windows_and_reward_count_from_the_end_of_the_warm_up() -> None:
    times = [-10.0, *(600.0 * n for n in range(1, 49))]  # one before, then one each ten minutes for 8 h
    assert windows_of(times, 8 * HOUR_S) == (24, 24)
    assert windows_of(times, 3 * HOUR_S) == ()
    reward = mean_reward(times, [1000.0] * len(times), 8 * HOUR_S)
    assert reward == pytest.approx(1000.0 * sum(min(n + (n < 24), 24) for n in range(1, 49)) / 48)
    assert mean_reward([], [], 8 * HOUR_S) == 0.0


def test_the_total_weighs_validators_by_stake_and_the_least_counts_healthy_ones_only() -> None:
    rich = replace(OUTCOME, stake=30.0, reward=200.0, windows=(48, 46))
    sick = replace(OUTCOME, healthy=False, windows=(3,), reward=0.0, stake=0.0)
    assert total_reward([OUTCOME, rich, sick]) == 175.0
    assert least_accepts([OUTCOME, rich, sick]) == 46
    assert least_accepts([replace(OUTCOME, windows=())]) is None


def test_a_broken_promise_is_named_with_its_place_and_count() -> None:
    violated = replace(OUTCOME, temper="slow", counts={"violations": 2})
    forged = replace(OUTCOME, bad_signatures=1)
    assert broken_promises({OURS: [OUTCOME], OFFICIAL: [violated]}) == []
    assert broken_promises({OURS: [violated], OFFICIAL: [forged]}) == [
        "policy ours, validator slow: 2 cooldown violations, allowed 0",
        "policy official, validator good: 1 bad signatures, allowed 0",
    ]


def test_the_table_compares_with_our_own_reward() -> None:
    console = Console(width=150, record=True)
    console.print(policy_table({OURS: [OUTCOME], OFFICIAL: [replace(OUTCOME, reward=80.0)]}))
    official = next(line for line in console.export_text().splitlines() if "official" in line)
    assert official.split("│")[1:-1][-1].strip() == "0.800"


def test_the_official_choice_goes_round_and_asks_the_owner_every_fifth_time() -> None:
    passed = dict.fromkeys("abco", 0)
    chosen = ""
    for turn in range(1, 11):
        ready = [Prospect(name, is_owner=name == "o", passed_over=count) for name, count in passed.items()]
        name = take_turns(ready, turn).hotkey
        passed = {other: 0 if other == name else count + 1 for other, count in passed.items()}
        chosen += name
    assert chosen[4] == chosen[9] == "o"
    assert all(chosen.count(name) >= 2 for name in "abc")
