"""Hours of mining in virtual time: the real miner against simulated validators that keep the rules."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import structlog
from peers import key, memory_folder, neuron
from simulated import (
    COOLDOWN_S,
    HOUR_S,
    SimulatedServers,
    SimulatedTransport,
    SimulatedValidator,
    simulated_chain,
)

from subnet17.localnet.virtual_time import START_S, VIRTUAL_CLOCK, run_virtually
from subnet17.mining.journal import Journal
from subnet17.mining.miner import Miner
from subnet17.mining.protocol import TextTask
from subnet17.mining.puller import Puller
from subnet17.mining.tasks import Assignment, Candidate
from subnet17.settings import MinerTable, OperationsTable, Settings


def mine(
    validators: list[SimulatedValidator],
    *,
    hours: float = 4,
    generation_s: float = 5.0,
    scores: tuple[float, ...] = (0.8,),
    begin: Callable[[Miner], None] = lambda _: None,
    end: Callable[[Miner], None] = lambda _: None,
    left: Assignment | None = None,
    **miner: Any,
) -> Miner:
    """So many hours, then the miner is stopped. `begin` comes before the first, `end` after the last.

    Args:
        left: Pulled by an earlier run.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    names = [f"Validator{i}" for i in range(len(validators))]
    neurons = tuple(neuron(name=name, uid=i) for i, name in enumerate(names))
    by_hotkey = {n.hotkey: v for n, v in zip(neurons, validators, strict=True)}

    chain = simulated_chain(neurons)
    made: list[Miner] = []

    async def main() -> None:
        transport: Any = SimulatedTransport(by_hotkey)
        servers: Any = SimulatedServers(generation_s, list(scores))
        settings = Settings(miner=MinerTable(**miner), operations=OperationsTable(min_free_disk_bytes=0))
        with memory_folder() as folder:
            journal = Journal.open(folder, clock=VIRTUAL_CLOCK)
            if left is not None:
                await journal.pulled(left)
            made.append(
                Miner(
                    settings,
                    transport=transport,
                    chain=chain,
                    servers=servers,
                    journal=journal,
                    clock=VIRTUAL_CLOCK,
                    rng=random.Random(1),
                )
            )
            begin(made[0])
            running = asyncio.create_task(made[0].run())
            await asyncio.sleep(hours * HOUR_S)
            end(made[0])
            made[0].stopping.set()
            async with asyncio.timeout(HOUR_S):
                await running
            await journal.aclose()

    run_virtually(main())
    structlog.reset_defaults()
    return made[0]


def test_eight_validators_get_nearly_every_cycle_and_see_no_violation() -> None:
    validators = [SimulatedValidator(skew_s=s) for s in (0, 0.4, -0.6, 30, -30, 3600, -86_400, 1.9)]
    mine(validators, hours=8, num_generation_workers=4)
    assert [v.violations for v in validators] == [0] * 8
    assert min(min(v.accepts_per_4_hours(hours=8)) for v in validators) >= 47
    assert sum(v.rejected for v in validators) == 0


def test_work_beyond_the_free_time_costs_a_second_per_second_and_no_more() -> None:
    validators = [SimulatedValidator() for _ in range(2)]
    mine(validators, generation_s=60.0)
    best = 4 * HOUR_S / (60.0 + 270.0)
    assert min(min(v.accepts_per_4_hours()) for v in validators) >= int(best * 0.97)


@pytest.mark.parametrize("fault", ["hangs", "500", "garbage", "dead"])
def test_one_bad_validator_of_five_leaves_the_others_their_throughput(fault: str) -> None:
    good = [SimulatedValidator() for _ in range(4)]
    mine([*good, SimulatedValidator(fault=fault)])
    assert min(len(v.accepted_s) for v in good) >= 0.95 * 48


def test_slow_validators_do_not_hold_up_results_for_others_even_with_one_submission_worker() -> None:
    good = SimulatedValidator()
    slow = [SimulatedValidator(fault="loses replies") for _ in range(3)]
    mine([good, *slow], hours=2, num_generation_workers=4, num_submission_workers=1)
    assert len(good.accepted_s) >= 23
    assert [v.violations + v.double for v in slow] == [0] * 3


def test_lost_replies_cost_no_result_and_pay_none_twice() -> None:
    validator = SimulatedValidator(fault="loses replies")
    mine([validator, SimulatedValidator()])
    assert len(validator.accepted_s) >= 15
    assert len(validator.accepted_s) in {validator.given, validator.given - 1}
    assert validator.violations == 0


def test_scores_near_the_threshold_are_skipped_rather_than_risked() -> None:
    validator = SimulatedValidator()
    mine([validator], scores=(0.55,), self_validation_min_score=0.0)
    assert (validator.accepted_s, validator.rejected) == ([], 0)
    assert validator.skipped >= 46


def test_free_time_turns_a_generator_that_fails_half_the_time_into_one_that_passes() -> None:
    validator = SimulatedValidator()
    mine([validator], scores=(0.4, 0.8))
    assert validator.skipped == validator.rejected == 0
    assert min(validator.accepts_per_4_hours()) >= 47


def test_a_validator_that_sends_only_absurd_task_ids_is_ejected() -> None:
    odd = SimulatedValidator(fault="long task ids")
    mine([SimulatedValidator(), odd])
    assert odd.pulls <= 12


def test_a_validator_that_lags_behind_the_chain_is_asked_again_soon_and_not_all_the_time() -> None:
    late, good = SimulatedValidator(), SimulatedValidator()
    late.stranger_until_s = START_S + 1.2 * HOUR_S
    mine([late, good], hours=2)
    assert len(late.accepted_s) >= 6
    assert late.pulls - late.given <= 11
    assert len(good.accepted_s) >= 23


def test_a_blocked_validator_is_not_served_after_a_restart_either() -> None:
    blocked, good = SimulatedValidator(), SimulatedValidator()
    task = Assignment(
        "old",
        "text",
        "a chair",
        key("Validator0").ss58_address,
        0.6,
        30.0,
        assigned_s=0.0,
        assigned_at_s=START_S,
    )
    blocked.task, blocked.assigned_s = TextTask(id=task.task_id, prompt=task.prompt), START_S
    mine([blocked, good], hours=0.5, left=task, blocked_validators=[task.validator])
    assert (blocked.pulls, blocked.settled) == (0, [])
    assert good.accepted_s


@pytest.mark.parametrize("breaks", [1, 2])
def test_a_task_that_breaks_the_miner_is_tried_once_more_and_then_skipped(
    monkeypatch: pytest.MonkeyPatch, breaks: int
) -> None:
    generate = SimulatedServers.generate
    tries: list[str] = []

    async def generate_or_break(servers: SimulatedServers, task: Assignment, **how: Any) -> Candidate:
        tries.append(task.task_id)
        if tries.count(task.task_id) <= breaks:
            raise ZeroDivisionError
        return await generate(servers, task, **how)

    monkeypatch.setattr(SimulatedServers, "generate", generate_or_break)
    validator = SimulatedValidator()
    mine([validator])
    two_cooldowns_each = int(4 * HOUR_S / (2 * COOLDOWN_S)) - 2
    settled = validator.skipped if breaks == 2 else len(validator.accepted_s)
    assert settled == len(validator.settled) >= two_cooldowns_each
    assert validator.violations == 0


def test_a_disk_that_takes_nothing_any_more_does_not_keep_the_miner_from_stopping() -> None:
    refused: list[object] = []

    def refuse(hotkey: str, *_: object, **__: object) -> None:
        refused.append(hotkey)
        raise sqlite3.OperationalError("database or disk is full")

    def end(miner: Miner) -> None:
        monkeypatch.setattr(miner._journal._tables, "put_validator", refuse)
        for state in miner.roster:
            miner.roster.rest(state, 0.0)

    with pytest.MonkeyPatch.context() as monkeypatch:
        mine([SimulatedValidator()], hours=0.0995, end=end)  # not when the book is saved anyway
    assert refused


def test_a_stop_while_the_validator_book_is_saved_leaves_nothing_of_it_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rested: list[str] = []
    save = Journal.save_validator
    kept: dict[str, float] = {}

    async def save_slowly(journal: Journal, hotkey: str, row: Mapping[str, Any]) -> None:
        if rested and not kept:
            await asyncio.sleep(1.0)
        await save(journal, hotkey, row)
        kept[hotkey] = row["ready_at_s"]

    async def stop_in_between(miner: Miner) -> None:
        await asyncio.sleep(6.0)
        miner.stopping.set()

    def begin(miner: Miner) -> None:
        for number in range(4):
            state = miner.roster.locate(neuron(name=f"Validator{number}", uid=number))
            rested.append(state.neuron.hotkey)
            miner.roster.rest(state, 2 * HOUR_S)
        tasks.append(asyncio.create_task(stop_in_between(miner)))

    tasks: list[asyncio.Task[None]] = []
    monkeypatch.setattr(Journal, "save_validator", save_slowly)
    mine([SimulatedValidator() for _ in range(4)], hours=0.01, begin=begin)
    assert sorted(kept) == sorted(rested)


def test_a_miner_held_to_one_task_waits_without_spinning(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    real = Puller._has_leave

    def look(puller: Puller) -> bool:
        looks.append(VIRTUAL_CLOCK.monotonic_s())
        return real(puller)

    def hold(miner: Miner) -> None:
        miner.hold.ask("test", tasks_at_once=1, reason="", for_s=HOUR_S)

    monkeypatch.setattr(Puller, "_has_leave", look)
    mine([SimulatedValidator(), SimulatedValidator()], hours=0.1, generation_s=60.0, begin=hold)
    assert len(looks) < 5 * 0.1 * HOUR_S
