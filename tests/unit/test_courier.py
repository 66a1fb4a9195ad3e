"""Deliveries whose fate is unknown, refused or ignored."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from peers import HeldClock, neuron, submission

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.mining.courier import Courier
from subnet17.mining.feedback import Prices
from subnet17.mining.gate import Gate
from subnet17.mining.metrics import Metrics
from subnet17.mining.protocol import Feedback, SubmitResults
from subnet17.mining.tasks import Submission
from subnet17.mining.transport import Reply
from subnet17.mining.validators import Roster, ValidatorState


class ScriptedTransport:
    """Answers submits from a list: an exception, or (fidelity, seconds of cooldown)."""

    def __init__(self, clock: HeldClock, answers: list[Any]) -> None:
        self.clock = clock
        self.answers = answers
        self.sent: list[tuple[float, Submission]] = []
        self.in_flight = 0

    async def submit(self, _: object, parcel: Submission) -> Reply[SubmitResults]:
        self.sent.append((self.clock.now_s, parcel))
        self.in_flight += 1
        assert self.in_flight == 1
        await asyncio.sleep(0)
        self.in_flight -= 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        fidelity, cooldown_s = answer
        synapse = SubmitResults(
            feedback=Feedback(task_fidelity_score=fidelity), cooldown_until=int(self.clock.now_s) + cooldown_s
        )
        return Reply(synapse, 0.0, 0.1)


class Scene:
    """A courier with one validator that is busy with our task."""

    def __init__(self, *answers: Any, public: bool = False) -> None:
        self.clock = HeldClock()
        self.transport = ScriptedTransport(self.clock, list(answers))
        self.roster = Roster(margin_s=2.0, prices=Prices(), clock=self.clock)
        self.roster.update((neuron(),))
        self.state: ValidatorState = self.roster.get(neuron().hotkey)
        self.state.busy = True
        self.metrics = Metrics()
        chain: Any = SimpleNamespace(is_public=public)
        gate = Gate(chain, SimpleNamespace(), allow_embedded=False)  # type: ignore[arg-type]
        self.courier = Courier(
            self.transport,  # type: ignore[arg-type]
            self.roster,
            gate,
            self.metrics,
            prices=Prices(),
            clock=self.clock,
        )

    async def deliver(self, parcel: Submission | None = None) -> list[float]:
        """Posts, waits until all is settled, and returns the pauses between the submits."""
        worker = asyncio.create_task(self.courier.run())
        self.courier.post(parcel or submission())
        for _ in range(200):
            await asyncio.sleep(0)
        worker.cancel()
        await self.courier.aclose()
        times = [at_s for at_s, _ in self.transport.sent]
        return [later - sooner for sooner, later in pairwise(times)]


async def test_an_accepted_result_starts_the_cooldown_and_frees_the_validator() -> None:
    scene = Scene((0.8, 280))
    assert await scene.deliver() == []
    assert not scene.state.busy
    assert scene.state.ready_s == pytest.approx(scene.clock.now_s + 282, abs=1)
    assert scene.metrics.as_json()["accepted"] == 1


@pytest.mark.parametrize(
    "error", [PeerTimeoutError("t"), PeerReplyError("r", sent=True), PeerError("5", status=500)]
)
async def test_an_ambiguous_submit_is_repeated_with_the_same_bytes_after_31_seconds(error: PeerError) -> None:
    scene = Scene(error, (0.8, 280))
    (pause_s,) = await scene.deliver()
    assert pause_s >= 31.0
    assert scene.transport.sent[0][1] is scene.transport.sent[1][1]
    assert not scene.state.busy


async def test_repeats_grow_rarer_up_to_ten_minutes_and_never_end() -> None:
    scene = Scene(*[PeerTimeoutError("t")] * 9, (0.8, 280))
    pauses_s = await scene.deliver()
    assert len(pauses_s) == 9
    assert pauses_s == sorted(pauses_s)
    assert max(pauses_s) == 600.0
    assert scene.metrics.as_json()["accepted"] == 1


async def test_what_never_left_is_repeated_sooner() -> None:
    scene = Scene(PeerError("refused", sent=False), (0.8, 280))
    assert await scene.deliver() == [5.0]


async def test_an_ignored_result_is_kept_and_sent_again_after_the_lock() -> None:
    scene = Scene((0.0, -100), (0.8, 280))
    (pause_s,) = await scene.deliver()
    assert pause_s >= 31.0
    assert scene.metrics.as_json()["accepted"] == 1


async def test_a_result_ignored_again_and_again_is_kept_for_the_next_pull() -> None:
    scene = Scene(*[(0.0, -100)] * 3)
    assert len(await scene.deliver()) == 2
    assert not scene.state.busy
    assert scene.courier.kept(neuron().hotkey, "task-1") is not None


async def test_a_closed_task_is_dropped_but_its_result_is_kept_for_a_restarted_validator() -> None:
    scene = Scene(PeerError("forbidden", status=403))
    assert await scene.deliver() == []
    assert not scene.state.busy
    assert scene.courier.kept(neuron().hotkey, "task-1") is not None
    assert scene.courier.kept(neuron().hotkey, "task-2") is None


async def test_a_closed_task_after_an_ambiguous_submit_was_probably_paid_so_no_pull_in_its_cooldown() -> None:
    scene = Scene(PeerTimeoutError("t"), PeerError("forbidden", status=403))
    await scene.deliver()
    assert scene.state.ready_s == scene.transport.sent[0][0] + 300


async def test_a_rejected_result_is_not_kept() -> None:
    scene = Scene((0.0, 900))
    await scene.deliver()
    assert scene.courier.kept(neuron().hotkey, "task-1") is None
    assert scene.metrics.as_json()["rejected"] == 1


@pytest.mark.parametrize("marks", [{"backend": "procedural"}, {"scorer": "embedded"}])
async def test_embedded_work_never_leaves_for_a_public_network(marks: dict[str, str]) -> None:
    scene = Scene((0.8, 280), public=True)
    await scene.deliver(submission(**marks))
    assert scene.transport.sent == []
    assert not scene.state.busy


async def test_a_bug_in_one_delivery_does_not_stop_the_next() -> None:
    scene = Scene(ZeroDivisionError(), (0.8, 280))
    assert len(await scene.deliver()) == 1
    assert scene.metrics.as_json()["accepted"] == 1


async def test_the_feedback_line_names_what_was_judged_and_what_it_brought_in_short_figures() -> None:
    scene = Scene((0.8123456, 280))
    with structlog.testing.capture_logs() as lines:
        await scene.deliver(submission(score=0.7654321))
    (line,) = [line for line in lines if line["event"] == "feedback"]
    told = {name: line[name] for name in ("validator", "task", "verdict", "skip", "reward", "cooldown_s")}
    assert told == {
        "validator": 0,
        "task": "task-1",
        "verdict": "accepted",
        "skip": False,
        "reward": 0.0,
        "cooldown_s": 280,
    }
    assert (line["fidelity"], line["local_score"]) == (0.8123, 0.7654)


async def test_a_result_is_open_while_it_is_sent_and_until_its_repeat_is_due() -> None:
    scene = Scene()
    now_s = scene.clock.now_s
    assert not scene.courier.is_busy_until(now_s + 1e6)
    answer, replied = asyncio.Event(), asyncio.Event()

    async def refuse(*_: object) -> Reply[SubmitResults]:
        await answer.wait()
        replied.set()
        raise PeerError("refused", sent=False)

    async def sleep(_: float) -> None:
        await asyncio.Event().wait()

    scene.transport.submit = refuse  # type: ignore[method-assign, assignment]
    scene.clock.sleep = sleep
    worker = asyncio.create_task(scene.courier.run())
    scene.courier.post(submission())
    await asyncio.sleep(0)
    assert scene.courier.is_busy_until(now_s)
    answer.set()
    await replied.wait()
    await asyncio.sleep(0)
    assert scene.courier.waiting == 1
    assert not scene.courier.is_busy_until(now_s + 4.9)
    assert scene.courier.is_busy_until(now_s + 5.1)
    worker.cancel()
    with structlog.testing.capture_logs() as lines:
        await scene.courier.aclose()
    assert [(line["event"], line["task"]) for line in lines] == [("result left behind", "task-1")]
