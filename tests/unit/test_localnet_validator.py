"""One validator with a clock and a scorer that the test holds in its hands."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from pathlib import Path
from typing import Any

import bittensor as bt
import pytest

from subnet17.errors import PeerTimeoutError
from subnet17.localnet.ledger import Kind, Ledger, Page, read_record, restore_page
from subnet17.localnet.rules import Rules
from subnet17.localnet.tasks import TaskDeck
from subnet17.localnet.validator import Validator
from subnet17.mining.protocol import SKIP, Feedback, PullTask, SubmitResults, Task, TextTask, sign_submit

MINER = bt.Keypair.create_from_uri("//Miner")
OTHER = bt.Keypair.create_from_uri("//Other")
VALIDATOR_HOTKEY = bt.Keypair.create_from_uri("//Validator0").ss58_address
BYTES = b"an asset"
ASSET = base64.b64encode(BYTES).decode()
PROMPTS = ["a mug", "a car", "a tree"]


class Bench:
    """A validator, the time, and the scores it is going to hear."""

    def __init__(self, path: Path, *, at_s: float = 1_700_000_000.25) -> None:
        self.path = path
        self.now_s = at_s
        self.outcome: float | Exception = 0.8
        self.gates: list[asyncio.Event] = []
        self.scored: list[tuple[str, str]] = []
        page = restore_page(read_record(path), uid=0, hotkey=VALIDATOR_HOTKEY)
        self.validator = Validator(
            page,
            registered={VALIDATOR_HOTKEY, MINER.ss58_address, OTHER.ss58_address},
            rules=Rules(),
            deck=TaskDeck(PROMPTS, [], image_share=0, rng=random.Random(7)),
            scorer=self,
            ledger=Ledger(path, [page], time_scale=1.0),
            clock=lambda: self.now_s,
        )

    async def score(self, task: Task, data: str) -> float:
        self.scored.append((task.prompt, data))
        outcome = self.outcome
        if self.gates:
            await self.gates.pop(0).wait()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def pull(self, key: Any = MINER) -> PullTask:
        return self.validator.pull(PullTask(), miner=key.ss58_address)

    def task(self, key: Any = MINER) -> Task:
        task = self.pull(key).task
        assert task is not None
        return task

    async def submit(
        self, task: Task, results: str = ASSET, *, key: Any = MINER, names_by_id: bool = True, **changed: Any
    ) -> SubmitResults:
        signature = sign_submit(key, submit_time_ns=7, prompt=task.prompt, validator_hotkey=VALIDATOR_HOTKEY)
        named = {"task_id": task.id} if names_by_id else {"task": task}
        fields = {"results": results, "submit_time": 7, "signature": signature, **named, **changed}
        return await self.validator.submit(SubmitResults(**fields), miner=key.ss58_address)

    def count(self, kind: Kind) -> int:
        record = read_record(self.path)
        assert record is not None
        return record.count(kind)

    def page(self) -> Page:
        record = read_record(self.path)
        assert record is not None
        return record.validators[0]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "ledger.json")


def _verdict(reply: SubmitResults) -> Feedback:
    assert reply.feedback is not None
    return reply.feedback


def test_a_pull_tells_threshold_and_throttle_and_repeats_the_task(bench: Bench) -> None:
    first = bench.pull()
    bench.now_s += 40_000
    again = bench.pull()
    assert first.task == again.task
    assert (first.validation_threshold, first.throttle_period) == (0.6, 30)
    assert bench.count("assigned") == 1


async def test_the_assignment_keeps_its_first_time(bench: Bench) -> None:
    task = bench.task()
    bench.now_s += 10
    bench.task()
    bench.now_s += 10
    reply = await bench.submit(task)
    assert reply.cooldown_until == int(bench.now_s - 20 + 300)


async def test_an_accepted_result_is_answered_with_its_score_and_reward(bench: Bench) -> None:
    task = bench.task()
    reply = await bench.submit(task)
    verdict = _verdict(reply)
    assert verdict.task_fidelity_score == 0.8
    assert verdict.average_fidelity_score == pytest.approx(0.99)
    assert verdict.generations_within_the_window == 1
    assert verdict.current_miner_reward == verdict.current_duel_rating == 1500
    assert (reply.results, reply.signature) == ("", "")
    entry = bench.page().entries["accepted"][0]
    assert (entry.task_id, entry.title, entry.score) == (task.id, task.prompt, 0.8)
    assert entry.results_sha256 == hashlib.sha256(BYTES).hexdigest()
    assert entry.cooldown_until_s == reply.cooldown_until


async def test_a_late_result_is_paid(bench: Bench) -> None:
    task = bench.task()
    bench.now_s += 50_000
    reply = await bench.submit(task)
    assert _verdict(reply).task_fidelity_score == 0.8
    assert reply.cooldown_until == int(bench.now_s + 270)


async def test_a_score_below_the_threshold_costs_a_penalty(bench: Bench) -> None:
    bench.outcome = 0.5999
    reply = await bench.submit(bench.task())
    assert _verdict(reply).task_fidelity_score == 0
    assert reply.cooldown_until == int(bench.now_s + 900)
    assert bench.page().entries["rejected"][0].score == 0.5999


async def test_a_score_at_the_threshold_is_accepted(bench: Bench) -> None:
    bench.outcome = 0.6
    assert _verdict(await bench.submit(bench.task())).task_fidelity_score == 0.6


async def test_results_that_are_not_base64_are_rejected_unseen(bench: Bench) -> None:
    reply = await bench.submit(bench.task(), "no base64!")
    assert reply.cooldown_until == int(bench.now_s + 900)
    assert bench.count("rejected") == 1
    assert bench.scored == []


@pytest.mark.parametrize("announced", [{"compression": 0}, {"data_format": "glb"}, {"data_ver": 1}])
async def test_results_announced_as_something_else_are_rejected_unseen(
    bench: Bench, announced: dict[str, Any]
) -> None:
    reply = await bench.submit(bench.task(), **announced)
    assert reply.cooldown_until == int(bench.now_s + 900)
    assert bench.count("rejected") == 1
    assert bench.scored == []


@pytest.mark.parametrize("signature", ["", "%%%", base64.b64encode(b"x" * 64).decode(), "AAAA"])
async def test_a_bad_signature_costs_what_a_low_score_costs(bench: Bench, signature: str) -> None:
    reply = await bench.submit(bench.task(), signature=signature)
    assert reply.cooldown_until == int(bench.now_s + 900)
    assert bench.count("bad_signatures") == 1
    assert bench.scored == []


async def test_a_signature_with_other_characters_between_is_bad(bench: Bench) -> None:
    task = bench.task()
    signed = sign_submit(MINER, submit_time_ns=7, prompt=task.prompt, validator_hotkey=VALIDATOR_HOTKEY)
    await bench.submit(task, signature=f"{signed[:8]}!{signed[8:]}")
    assert bench.count("bad_signatures") == 1


async def test_a_signature_for_another_time_is_bad(bench: Bench) -> None:
    await bench.submit(bench.task(), submit_time=8)
    assert bench.count("bad_signatures") == 1


async def test_a_skip_costs_a_normal_cooldown(bench: Bench) -> None:
    task = bench.task()
    reply = await bench.submit(task, SKIP)
    assert _verdict(reply).task_fidelity_score == 0
    assert not _verdict(reply).validation_failed
    assert reply.cooldown_until == int(bench.now_s + 300)
    bench.now_s += 300
    assert bench.task().id != task.id


async def test_a_fault_of_the_validator_costs_a_normal_cooldown(bench: Bench) -> None:
    bench.outcome = PeerTimeoutError("no answer")
    reply = await bench.submit(bench.task())
    assert _verdict(reply).validation_failed
    assert reply.cooldown_until == int(bench.now_s + 300)
    assert bench.page().entries["failed"][0].reason == "no answer"


async def test_pulls_during_the_cooldown_are_violations_and_then_cost_time(bench: Bench) -> None:
    until_s = (await bench.submit(bench.task())).cooldown_until
    for violation in range(1, 101):
        reply = bench.pull()
        assert reply.task is None
        assert (reply.cooldown_violations, reply.cooldown_until) == (violation, until_s)
    assert bench.pull().cooldown_until == until_s + 10
    assert bench.pull().cooldown_until == until_s + 20
    assert bench.count("violations") == 102


async def test_a_pull_at_the_cooldowns_end_gets_a_new_task(bench: Bench) -> None:
    task = bench.task()
    bench.now_s = float((await bench.submit(task)).cooldown_until) - 0.01
    assert bench.pull().task is None
    bench.now_s += 0.01
    assert bench.task().id != task.id


async def test_a_signed_submit_takes_one_violation_back(bench: Bench) -> None:
    bench.now_s = float((await bench.submit(bench.task())).cooldown_until) - 1
    bench.pull()
    bench.pull()
    bench.now_s += 1
    await bench.submit(bench.task())
    assert bench.page().miners[MINER.ss58_address].violations == 1


async def test_a_second_submit_during_the_lock_is_ignored(bench: Bench) -> None:
    task = bench.task()
    gate = asyncio.Event()
    bench.gates = [gate]
    first = asyncio.create_task(bench.submit(task))
    await asyncio.sleep(0)
    bench.now_s += 29
    ignored = await bench.submit(task)
    assert _verdict(ignored).task_fidelity_score == 0
    assert ignored.cooldown_until < bench.now_s
    gate.set()
    assert _verdict(await first).task_fidelity_score == 0.8
    assert [bench.count(kind) for kind in ("accepted", "ignored")] == [1, 1]


@pytest.mark.parametrize("second_outcome", [0.9, 0.1, PeerTimeoutError("no answer")])
async def test_a_result_sent_again_after_the_lock_counts_once(
    bench: Bench, second_outcome: float | Exception
) -> None:
    task = bench.task()
    gates = [asyncio.Event(), asyncio.Event()]
    bench.gates = list(gates)
    first = asyncio.create_task(bench.submit(task))
    await asyncio.sleep(0)
    bench.now_s += 31
    bench.outcome = second_outcome
    second = asyncio.create_task(bench.submit(task))
    await asyncio.sleep(0)
    for gate in gates:
        gate.set()
    accepted, duplicate = await first, await second
    assert _verdict(accepted).task_fidelity_score == 0.8
    assert _verdict(duplicate).task_fidelity_score == 0
    assert duplicate.cooldown_until == accepted.cooldown_until
    assert _verdict(duplicate).generations_within_the_window == 1
    assert [bench.count(kind) for kind in ("accepted", "duplicate", "rejected", "failed")] == [1, 1, 0, 0]


async def test_a_result_resent_after_acceptance_is_refused_and_not_paid_again(bench: Bench) -> None:
    task = bench.task()
    assert bench.validator.refuse(MINER.ss58_address) is None
    await bench.submit(task)
    assert bench.validator.refuse(MINER.ss58_address) == "no task is assigned to this hotkey"
    bench.now_s += 300
    bench.task()
    late = await bench.submit(task)
    assert _verdict(late).task_fidelity_score == 0
    assert late.cooldown_until <= bench.now_s
    assert [bench.count(kind) for kind in ("accepted", "refused", "ignored")] == [1, 1, 1]


async def test_a_clock_that_steps_back_does_not_open_the_guard(bench: Bench) -> None:
    accepted_at_s = bench.now_s
    bench.now_s = float((await bench.submit(bench.task())).cooldown_until)
    task = bench.task()
    bench.now_s = accepted_at_s + 260
    assert _verdict(await bench.submit(task)).task_fidelity_score == 0
    assert [bench.count(kind) for kind in ("accepted", "duplicate")] == [1, 1]


async def test_a_submit_for_another_task_is_ignored_and_the_task_stays(bench: Bench) -> None:
    task = bench.task()
    reply = await bench.submit(TextTask(id="another", prompt=task.prompt))
    assert _verdict(reply).task_fidelity_score == 0
    assert reply.cooldown_until < bench.now_s
    assert bench.task() == task


async def test_the_deprecated_task_field_names_the_task_too(bench: Bench) -> None:
    reply = await bench.submit(bench.task(), names_by_id=False)
    assert _verdict(reply).task_fidelity_score == 0.8


def test_an_unregistered_hotkey_gets_no_task_and_may_not_submit(bench: Bench) -> None:
    stranger = bt.Keypair.create_from_uri("//Stranger")
    reply = bench.pull(stranger)
    assert reply.task is None
    assert reply.cooldown_until == int(bench.now_s + 3600)
    assert bench.validator.refuse(stranger.ss58_address) == "this hotkey is not registered"
    assert stranger.ss58_address not in bench.page().miners


async def test_miners_do_not_share_a_standing(bench: Bench) -> None:
    task = bench.task()
    await bench.submit(task)
    assert bench.pull().task is None
    assert bench.task(OTHER) is not None
    assert _verdict(await bench.submit(bench.task(OTHER), key=OTHER)).generations_within_the_window == 1


async def test_a_restarted_validator_still_knows_everything(bench: Bench) -> None:
    task = bench.task()
    assigned_at_s = bench.now_s
    second = Bench(bench.path, at_s=assigned_at_s + 100)
    assert second.task() == task
    reply = await second.submit(task)
    third = Bench(bench.path, at_s=second.now_s + 5)
    refused = third.pull()
    assert (refused.task, refused.cooldown_until) == (None, reply.cooldown_until)
    assert third.validator.refuse(MINER.ss58_address) is not None
    assert [third.count(kind) for kind in ("assigned", "accepted", "violations")] == [1, 1, 1]


async def test_flat_out_mining_is_paid_48_times_in_four_hours(bench: Bench) -> None:
    bench.now_s = float(int(bench.now_s))
    for _ in range(60):
        task = bench.task()
        bench.now_s += 30
        reply = await bench.submit(task)
        bench.now_s = float(reply.cooldown_until)
    accepted_at_s = [entry.at_s for entry in bench.page().entries["accepted"]]
    for start_s in accepted_at_s[:12]:
        assert sum(start_s <= at_s < start_s + 4 * 3600 for at_s in accepted_at_s) == 48
    # One more in the feedback: both ends of the window count.
    assert _verdict(reply).generations_within_the_window == 49
    assert bench.count("violations") == 0
