"""Deliveries whose fate is unknown, refused or ignored."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest
import structlog
from peers import SPZ, HeldClock, assignment, neuron, submission

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.mining.book import ValidatorState
from subnet17.mining.budget import RetryBudget
from subnet17.mining.courier import Courier
from subnet17.mining.experience import Experience
from subnet17.mining.feedback import Prices
from subnet17.mining.gate import Gate
from subnet17.mining.journal import Journal
from subnet17.mining.metrics import Metrics
from subnet17.mining.protocol import Feedback, SubmitResults
from subnet17.mining.records import CLOSED, GIVEN_UP, Answer, Record, TaskState
from subnet17.mining.resume import perhaps_paid_at_s, recall_submission
from subnet17.mining.tasks import Candidate, Score, Submission
from subnet17.mining.transport import Reply
from subnet17.mining.validators import Roster


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

    def __init__(self, folder: Path, *answers: Any, public: bool = False) -> None:
        self.clock = HeldClock()
        self.journal = Journal.open(folder, clock=self.clock)
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
            self.journal,
            Experience(Prices()),
            prices=Prices(),
            budget=RetryBudget(0.01, clock=self.clock),
            margin_s=2.0,
            clock=self.clock,
        )

    async def begin(self, parcel: Submission) -> None:
        """Journals a task up to its scored candidate."""
        task = parcel.assignment
        made = Candidate(0, 7, base64.b64decode(parcel.results) or SPZ, parcel.backend, 1.0)
        await self.journal.pulled(task)
        await self.journal.generated(task, made)
        await self.journal.scored(task, made, Score(0.8, "reference", (), 0.1))

    async def deliver(self, parcel: Submission | None = None, **post: Any) -> list[float]:
        """Posts, waits until all is settled, and returns the pauses between the submits."""
        parcel = parcel or submission(index=0)
        await self.begin(parcel)
        await self.send(parcel, **post)
        times = [at_s for at_s, _ in self.transport.sent]
        return [later - sooner for sooner, later in pairwise(times)]

    async def send(self, parcel: Submission, **post: Any) -> None:
        """Posts a task of the journal and waits until all is settled."""
        worker = asyncio.create_task(self.courier.run())
        self.courier.post(parcel, **post)
        while self.state.busy:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0)
        worker.cancel()
        await self.courier.aclose()

    async def record(self) -> Record:
        """What the journal knows of the task."""
        found = await self.journal.find(neuron().hotkey, "task-1")
        assert found is not None
        return found

    async def kept(self) -> Submission | None:
        """What a validator gets that hands the task out again."""
        return await recall_submission(self.journal, await self.record(), assignment())


OpenScene = Callable[..., Scene]


@pytest.fixture
def open_scene(tmp_path: Path) -> OpenScene:
    return partial(Scene, tmp_path)


async def test_an_accepted_result_starts_the_cooldown_and_frees_the_validator(open_scene: OpenScene) -> None:
    scene = open_scene((0.8, 280))
    assert await scene.deliver() == []
    assert not scene.state.busy
    assert scene.state.ready_s == pytest.approx(scene.clock.now_s + 282, abs=1)
    assert scene.metrics.as_json()["accepted"] == 1


@pytest.mark.parametrize(
    "error", [PeerTimeoutError("t"), PeerReplyError("r", sent=True), PeerError("5", status=500)]
)
async def test_an_ambiguous_submit_is_repeated_with_the_same_bytes_after_31_seconds(
    open_scene: OpenScene, error: PeerError
) -> None:
    scene = open_scene(error, (0.8, 280))
    (pause_s,) = await scene.deliver()
    assert pause_s >= 31.0
    assert scene.transport.sent[0][1] is scene.transport.sent[1][1]
    assert not scene.state.busy


async def test_repeats_grow_rarer_up_to_ten_minutes_then_the_next_pull_has_to_tell(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(*[PeerTimeoutError("t")] * 20)
    pauses_s = await scene.deliver()
    assert pauses_s == [31.0, 62.0, 124.0, 248.0, 496.0, 600.0, 600.0]
    record = await scene.record()
    assert (record.state, record.answer) == (TaskState.ANSWERED, Answer(GIVEN_UP))
    assert (await scene.kept()) == submission(index=0)
    last_s = scene.transport.sent[-1][0]
    assert scene.state.ready_s == last_s + 302  # it may have been paid: the cooldown then, and the margin


async def test_what_never_left_is_repeated_sooner(open_scene: OpenScene) -> None:
    scene = open_scene(PeerError("refused", sent=False), (0.8, 280))
    assert await scene.deliver() == [5.0]


async def test_an_ignored_result_is_kept_and_sent_again_after_the_lock(open_scene: OpenScene) -> None:
    scene = open_scene((0.0, -100), (0.8, 280))
    (pause_s,) = await scene.deliver()
    assert pause_s >= 31.0
    assert scene.metrics.as_json()["accepted"] == 1


async def test_a_result_ignored_again_and_again_is_kept_for_the_next_pull(open_scene: OpenScene) -> None:
    scene = open_scene(*[(0.0, -100)] * 3)
    assert len(await scene.deliver()) == 2
    assert (await scene.record()).state is TaskState.SENDING
    assert (await scene.kept()) == submission(index=0)


async def test_a_closed_task_is_dropped_but_its_result_is_kept_for_a_restarted_validator(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(PeerError("forbidden", status=403))
    assert await scene.deliver() == []
    assert (await scene.record()).answer == Answer(CLOSED)
    assert (await scene.kept()) == submission(index=0)


async def test_a_closed_task_after_an_ambiguous_submit_was_probably_paid_so_no_pull_in_its_cooldown(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(PeerTimeoutError("t"), PeerError("forbidden", status=403))
    await scene.deliver()
    asked_s = scene.transport.sent[1][0]
    assert scene.state.ready_s == asked_s + 272  # settled by then at the latest, the free time is over


async def test_a_closed_task_whose_result_was_doubtful_may_have_been_rejected_so_no_pull_in_the_penalty(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(PeerTimeoutError("t"), PeerError("forbidden", status=403))
    await scene.deliver(submission(index=0, score=assignment().threshold + 0.001))
    assert scene.state.ready_s == scene.transport.sent[1][0] + 872


async def test_a_closed_task_was_settled_by_now_however_long_it_was_judged(open_scene: OpenScene) -> None:
    errors = [PeerTimeoutError("t"), PeerError("refused", sent=False), PeerError("closed", status=403)]
    scene = open_scene(*errors)
    pauses_s = await scene.deliver(submission(index=0, assignment=assignment(throttle_s=100.0)))
    assert sum(pauses_s) < 100.0
    assert scene.state.ready_s == scene.transport.sent[0][0] + 302  # it was assigned before it was sent


async def test_what_is_given_up_just_after_it_was_sent_may_still_be_judged_as_long_as_others_were(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(*[PeerTimeoutError("t")] * 20)
    scene.roster.note_reply(scene.state, skew_s=0.0, elapsed_s=90.0, judged=True)
    await scene.deliver()
    assert scene.state.ready_s == scene.transport.sent[-1][0] + 90 + 272


async def test_a_rejected_result_is_not_kept(open_scene: OpenScene) -> None:
    scene = open_scene((0.0, 900))
    await scene.deliver()
    assert await scene.kept() is None
    assert scene.metrics.as_json()["rejected"] == 1


@pytest.mark.parametrize("marks", [{"backend": "procedural"}, {"scorer": "embedded"}])
async def test_embedded_work_never_leaves_for_a_public_network(
    open_scene: OpenScene, marks: dict[str, str]
) -> None:
    scene = open_scene((0.8, 280), public=True)
    await scene.deliver(submission(index=0, **marks))
    assert scene.transport.sent == []
    assert not scene.state.busy


async def test_a_bug_in_one_delivery_does_not_stop_the_next(open_scene: OpenScene) -> None:
    scene = open_scene(ZeroDivisionError(), (0.8, 280))
    assert len(await scene.deliver()) == 1
    assert scene.metrics.as_json()["accepted"] == 1


async def test_the_feedback_line_names_what_was_judged_and_what_it_brought_in_short_figures(
    open_scene: OpenScene,
) -> None:
    scene = open_scene((0.8123456, 280))
    with structlog.testing.capture_logs() as lines:
        await scene.deliver(submission(index=0, score=0.7654321))
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


async def test_a_result_is_open_while_it_is_sent_and_until_its_repeat_is_due(open_scene: OpenScene) -> None:
    scene = open_scene()
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
    await scene.begin(submission(index=0))
    scene.courier.post(submission(index=0))
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
    assert [(line["event"], line["task"]) for line in lines] == [("result kept for the next start", "task-1")]


async def test_every_attempt_is_in_the_journal_before_it_leaves(open_scene: OpenScene) -> None:
    scene = open_scene(PeerTimeoutError("t"), (0.8, 280))
    seen: list[tuple[TaskState, int, float | None]] = []
    send = scene.transport.submit

    async def submit(*given: Any) -> Reply[SubmitResults]:
        record = await scene.record()
        seen.append((record.state, record.attempts, record.sent_at_s))
        return await send(*given)

    scene.transport.submit = submit  # type: ignore[method-assign]
    await scene.deliver()
    first_s, second_s = (at_s for at_s, _ in scene.transport.sent)
    assert seen == [(TaskState.SENDING, 1, first_s), (TaskState.SENDING, 2, second_s)]


async def test_a_verdict_is_in_the_journal_with_the_cooldown(open_scene: OpenScene) -> None:
    scene = open_scene((0.8, 280))
    await scene.deliver()
    now_s = int(scene.clock.now_s)
    assert (await scene.record()).answer == Answer("accepted", 0.8, 0.0, now_s + 280)
    (row,) = (await scene.journal.validators()).values()
    assert row["cooldown_until_s"] == now_s + 280
    assert row["counts"]["accepted"] == 1


@pytest.mark.parametrize(("ago_s", "wait_s"), [(0.0, 31.0), (20.0, 11.0), (86_400.0, 0.0), (-500.0, 31.0)])
async def test_an_attempt_of_an_earlier_process_is_respected_as_if_it_had_arrived(
    open_scene: OpenScene, ago_s: float, wait_s: float
) -> None:
    scene = open_scene(PeerError("forbidden", status=403))
    began_s = scene.clock.now_s
    await scene.deliver(attempts=1, sent_at_s=began_s - ago_s)
    assert scene.transport.sent[0][0] - began_s == wait_s
    assert scene.state.ready_s >= began_s + 302 - max(ago_s, 0.0)


async def test_a_storm_of_repeats_is_thinned_out(open_scene: OpenScene) -> None:
    scene = open_scene(*[PeerError("refused", sent=False)] * 7, (0.8, 280))
    while scene.courier._budget.take():
        pass
    pauses_s = await scene.deliver()
    assert pauses_s[0] == pytest.approx(60.0, abs=1.0)
    assert scene.metrics.as_json()["accepted"] == 1


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_a_result_that_is_refused_for_good_gives_way_to_a_skip_at_once(
    open_scene: OpenScene, status: int
) -> None:
    scene = open_scene(PeerError("no", status=status), (0.0, 280))
    with structlog.testing.capture_logs() as lines:
        assert await scene.deliver() == [0.0]
    assert [parcel.is_skip for _, parcel in scene.transport.sent] == [False, True]
    assert any("refused for good" in line["event"] and line["log_level"] == "error" for line in lines)
    record = await scene.record()
    assert (record.chosen, record.answer) == (None, Answer("skip_or_duplicate", 0.0, 0.0, ANY))
    assert scene.metrics.as_json()["skipped"] == 1


async def test_a_skip_that_is_refused_is_repeated_like_any_other(open_scene: OpenScene) -> None:
    scene = open_scene(*[PeerError("no", status=400)] * 2, (0.0, 280))
    await scene.deliver()
    assert [parcel.is_skip for _, parcel in scene.transport.sent] == [False, True, True]


async def test_a_result_without_a_verdict_in_two_rounds_gives_way_to_a_skip_and_not_before(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(*[PeerError("broken", status=500)] * 16)
    await scene.deliver()
    parcel = await scene.kept()
    assert parcel == submission(index=0)
    scene.state.busy = True
    await scene.send(parcel)
    assert len(scene.transport.sent) == 16
    with structlog.testing.capture_logs() as lines:
        parcel = await scene.kept()
    assert parcel is not None
    assert parcel.is_skip
    assert [line["log_level"] for line in lines] == ["error"]
    scene.transport.answers = [(0.0, 280)]
    scene.state.busy = True
    await scene.send(parcel)
    assert (await scene.record()).answer == Answer("skip_or_duplicate", 0.0, 0.0, ANY)


async def test_a_result_that_was_paid_after_many_attempts_is_kept_for_a_validator_that_forgets(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(*[PeerError("broken", status=500)] * 15, (0.8, 280))
    await scene.deliver()
    scene.state.busy = True
    await scene.send(submission(index=0))
    record = await scene.record()
    assert (record.attempts, record.answer and record.answer.verdict) == (16, "accepted")
    assert (await scene.kept()) == submission(index=0)


async def test_a_result_sent_once_that_brings_a_normal_cooldown_and_no_reward_was_not_paid(
    open_scene: OpenScene,
) -> None:
    scene = open_scene((0.0, 280))
    await scene.deliver()
    assert (await scene.record()).answer == Answer("unpaid", 0.0, 0.0, ANY)
    assert (scene.state.unpaid_row, scene.metrics.as_json()["unpaid"]) == (1, 1)
    assert scene.courier._experience.acceptance.share(neuron().hotkey) == 4 / 5


async def test_a_result_that_an_earlier_attempt_may_have_brought_is_no_unpaid_one(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(PeerTimeoutError("t"), (0.0, 280))
    await scene.deliver()
    assert (await scene.record()).answer == Answer("skip_or_duplicate", 0.0, 0.0, ANY)
    assert scene.state.unpaid_row == 0


async def test_results_that_are_refused_for_good_count_as_unpaid_ones(open_scene: OpenScene) -> None:
    scene = open_scene(PeerError("no", status=413), (0.0, 280))
    await scene.deliver()
    assert scene.state.unpaid_row == 1


async def test_what_was_not_paid_and_is_asked_for_again_is_sent_as_for_the_first_time(
    open_scene: OpenScene,
) -> None:
    scene = open_scene((0.8, 280), (0.0, 280), (0.0, 280), (0.0, 280))
    await scene.deliver()
    for verdict in ("skip_or_duplicate", "unpaid", "unpaid"):  # it had paid once
        scene.state.busy = True
        await scene.send(submission(index=0), sent_at_s=perhaps_paid_at_s(await scene.record()))
        assert (await scene.record()).answer == Answer(verdict, 0.0, 0.0, ANY)
    assert scene.state.unpaid_row == 2
