"""Automatic profiles on a simulated machine: they settle, don't oscillate, and go back from what is worse."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import structlog
from peers import memory_folder

from subnet17.errors import OverloadedError, PeerError
from subnet17.ops.tuning.samples import Sample, Terms
from subnet17.ops.tuning.space import PROFILES
from subnet17.ops.tuning.switcher import MIN_STAY_S, SwitchState, decide
from subnet17.ops.tuning.trial import alone
from subnet17.ops.tuning.watch import STATE, Watch
from tests.simulated_machine import START_S, SimulatedMachine, live_through

DAY_H = 24.0
TERMS = Terms(target_s=5.0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Hundreds of rounds are no test of the disk, nor of the log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with memory_folder() as path:
        yield path
    structlog.reset_defaults()


@pytest.mark.parametrize("start", PROFILES)
@pytest.mark.parametrize("seed", range(3))
def test_a_steady_machine_is_switched_to_its_best_profile_once(start: str, seed: int, folder: Path) -> None:
    machine = SimulatedMachine(seed=seed, profile=start)
    live_through(machine, folder, hours=7 * DAY_H)
    assert machine.profile == "quality"
    assert len(machine.switches) == (0 if start == "quality" else 1)


@pytest.mark.parametrize("seed", range(3))
def test_profiles_follow_a_machine_that_slows_down_and_recovers(seed: int, folder: Path) -> None:
    def slowness(hours: float) -> float:
        return 2.2 if 24 <= hours < 72 else 1.0

    machine = SimulatedMachine(seed=seed, slowness=slowness)
    live_through(machine, folder, hours=24)
    assert machine.profile == "quality"
    live_through(machine, folder, hours=48)
    assert machine.profile == "speed"
    live_through(machine, folder, hours=72)
    assert machine.profile == "quality"
    assert len(machine.switches) <= 5
    assert [round(hour) for hour, _ in machine.switches if 30 < hour < 72 or hour > 80] == []


@pytest.mark.parametrize("seed", range(3))
def test_profiles_follow_the_market(seed: int, folder: Path) -> None:
    """More quality is worth a second over the target only where our duel rating is low."""
    machine = SimulatedMachine(
        seed=seed,
        seconds={"speed": 2.0, "balanced": 4.0, "quality": 5.6},
        scores={"speed": 0.65, "balanced": 0.8, "quality": 0.9},
        rating=lambda hours: 1500.0 if hours < 48 else 800.0,
    )
    live_through(machine, folder, hours=48)
    assert machine.profile == "balanced"
    live_through(machine, folder, hours=24)
    assert machine.profile == "quality"
    assert len(machine.switches) == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_profile_that_only_looks_better_is_taken_back_and_tried_ever_more_seldom(
    seed: int, folder: Path
) -> None:
    machine = SimulatedMachine(seed=seed, real_loss={"quality": 0.35})
    decisions = live_through(machine, folder, hours=14 * DAY_H)
    reverts = [d for d in decisions if d.kind == "revert"]
    assert {d.profile for d in reverts} == {"balanced"}
    assert "real tasks are worth" in reverts[0].why
    tried = [hour for hour, profile in machine.switches if profile == "quality"]
    pauses = [later - sooner for sooner, later in pairwise(tried)]
    assert len(reverts) >= 3
    assert all(later >= sooner for sooner, later in pairwise(pauses))
    assert pauses[-1] > 8 * pauses[0]
    assert len(machine.switches) <= 16
    stood_h = [
        stood
        for stood, (_, profile) in zip(spans(machine), machine.switches, strict=True)
        if profile == "quality"
    ]
    assert sum(stood_h) < 0.1 * machine.hours


def spans(machine: SimulatedMachine) -> list[float]:
    """Hours for which each switch stood."""
    hours = [hour for hour, _ in machine.switches]
    return [later - sooner for sooner, later in pairwise([*hours, machine.hours])]


def test_a_machine_that_alternates_from_round_to_round_moves_nothing(folder: Path) -> None:
    machine = SimulatedMachine(slowness=lambda hours: 1.0 if int(hours * 2) % 2 else 2.5, profile="quality")
    live_through(machine, folder, hours=7 * DAY_H)
    assert machine.switches == []


def jumping(hours: float) -> float:
    """Fast or slow for half an hour each, by chance."""
    return random.Random(int(hours * 2)).choice((1.0, 2.5))


@pytest.mark.parametrize("task_s", [120.0, math.inf])
def test_a_machine_that_jumps_at_random_is_switched_five_times_a_day_at_most(
    task_s: float, folder: Path
) -> None:
    machine = SimulatedMachine(slowness=jumping, task_s=task_s)
    live_through(machine, folder, hours=14 * DAY_H)
    hours = [hour for hour, _ in machine.switches]
    assert len(hours) > 5, "a machine that hardly moves it would prove nothing"
    assert max(sum(0 <= hour - first < DAY_H for hour in hours) for first in hours) <= 5


def test_a_busy_machine_is_left_as_it_is(folder: Path) -> None:
    machine = SimulatedMachine(profile="speed", busy=lambda hours: hours < 48)
    live_through(machine, folder, hours=48)
    assert machine.switches == []
    live_through(machine, folder, hours=6)
    assert machine.profile == "quality"


def test_a_profile_that_the_operator_chose_gets_its_time(folder: Path) -> None:
    machine = SimulatedMachine()
    live_through(machine, folder, hours=DAY_H)
    machine.profile = "speed"
    chosen_h = machine.hours
    live_through(machine, folder, hours=DAY_H)
    hour, profile = machine.switches[-1]
    assert profile == "quality"
    assert hour - chosen_h >= MIN_STAY_S / 3600


async def test_a_switch_that_fails_is_not_remembered(folder: Path) -> None:
    class Stubborn(SimulatedMachine):
        async def switch(self, profile: str) -> None:
            raise PeerError("the generation server did not take it over")

    machine = Stubborn(profile="speed")
    watch = Watch(machine, folder, clock=lambda: machine.now_s)
    errors = 0
    for _ in range(8):
        try:
            await watch.round()
        except PeerError:
            errors += 1
        machine.now_s += 1800
    assert errors >= 3
    assert watch.state.profile == "speed"
    assert watch.state.switched_s == []


async def test_a_damaged_memory_is_begun_anew(folder: Path) -> None:
    (folder / STATE).write_text('{"profile": 7, "since')
    machine = SimulatedMachine()
    decision = await Watch(machine, folder, clock=lambda: machine.now_s).round()
    assert decision.kind == "stay"


async def test_two_optimizers_don_t_change_settings_at_once(folder: Path) -> None:
    machine = SimulatedMachine()
    with alone(folder), pytest.raises(Exception, match="another optimizer"):
        await Watch(machine, folder).round()


async def test_a_switch_without_tasks_stands_after_its_time() -> None:
    samples = (await SimulatedMachine().look(START_S)).samples
    state = SwitchState(profile="balanced", since_s=START_S - 1e6)
    trials = []
    for hours in (0, 1, 30):
        decide(
            state,
            now_s=START_S + hours * 3600,
            profile=state.profile,
            samples=samples,
            real=Sample(()),
            terms=TERMS,
        )
        trials.append(state.trial is not None)
    assert trials == [False, True, False]
    assert state.profile == "quality"


async def test_the_same_seed_gives_the_same_days(folder: Path) -> None:
    first, second = (SimulatedMachine(seed=9, real_loss={"quality": 0.35}) for _ in range(2))
    looks = [await machine.look(0) for machine in (first, second)]
    assert looks[0] == looks[1]
    with pytest.raises(OverloadedError):
        await SimulatedMachine(busy=lambda hours: True).look(0)
