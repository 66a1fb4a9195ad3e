"""Brings submissions to their validators until a verdict is read.

Before every attempt the journal knows of it. A submit whose fate is unknown is repeated with the same bytes,
freshly signed, one in flight. A submission worker begins first attempts one after the other. One that takes
long goes on by itself, as repeats do, so that slow validators can't hold up the others. Repeats come out of a
budget, grow rarer and end after `ROUND_ATTEMPTS`; from then on the validator's next pull tells whether the
task is still open, and the kept bytes are sent again if it is. A result that can never be taken gives way to
a skip, or its validator would give no other task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.log import about, get_logger
from subnet17.mining.book import ValidatorState
from subnet17.mining.budget import RetryBudget
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.experience import Experience
from subnet17.mining.feedback import Prices, read_verdict
from subnet17.mining.gate import Gate
from subnet17.mining.journal import Journal
from subnet17.mining.metrics import Metrics
from subnet17.mining.protocol import SubmitResults
from subnet17.mining.records import CLOSED, GIVEN_UP, ROUND_ATTEMPTS, Answer
from subnet17.mining.tasks import Submission
from subnet17.mining.transport import Reply, Transport
from subnet17.mining.validators import Roster

log = get_logger()

FORBIDDEN = 403
UNSENT_WAIT_S = 5.0
PATIENCE_S = 5.0
"""Of a submission worker with one first attempt: most are answered by then."""
MAX_WAIT_S = 600.0
REFUSALS = frozenset({400, 413, 415, 422})
"""HTTP statuses of what will never be taken, however often it is sent."""
SURELY_ACCEPTED = 0.9
"""Below it, a result whose verdict was lost may have been rejected: the penalty is waited out, too."""
ASK_AGAIN_AFTER = 3
"""Ignored this often, the validator is asked for its task again: it may have forgotten this one."""


@dataclass
class _Parcel:
    """due_s: monotonic time of the next attempt; in the past while one is queued or under way."""

    submission: Submission
    due_s: float = 0.0
    attempts: int = 0
    ignored: int = 0
    sent_s: float = 0.0
    maybe_arrived_s: float | None = None


class Courier:
    """Delivers submissions; what is known of them is in the journal.

    Args:
        margin_s: Waited beyond a cooldown that had to be guessed.
    """

    def __init__(
        self,
        transport: Transport,
        roster: Roster,
        gate: Gate,
        metrics: Metrics,
        journal: Journal,
        experience: Experience,
        *,
        prices: Prices,
        budget: RetryBudget,
        margin_s: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._transport = transport
        self._roster = roster
        self._gate = gate
        self._metrics = metrics
        self._journal = journal
        self._experience = experience
        self._prices = prices
        self._budget = budget
        self._margin_s = margin_s
        self._clock = clock
        self._queue: asyncio.Queue[_Parcel] = asyncio.Queue()
        self._open: dict[str, _Parcel] = {}
        self._deliveries: set[asyncio.Task[None]] = set()

    def post(self, submission: Submission, *, attempts: int = 0, sent_at_s: float | None = None) -> None:
        """Takes over a submission whose validator is busy with it.

        Args:
            attempts: Made before, in another process.
            sent_at_s: Unix seconds of the last of them: it may have arrived, so the next one keeps away.
        """
        parcel = _Parcel(submission, attempts=attempts)
        self._open[submission.assignment.validator] = parcel
        if sent_at_s is None:
            self._budget.first()
            self._queue.put_nowait(parcel)
            return
        passed_s = max(0.0, self._clock.wall_s() - sent_at_s)
        parcel.maybe_arrived_s = self._clock.monotonic_s() - passed_s
        self._repeat(parcel, max(0.0, self._prices.resend_s - passed_s))

    @property
    def waiting(self) -> int:
        """Submissions without a verdict."""
        return len(self._open)

    def is_busy_until(self, time_s: float) -> bool:
        """Whether a submission is under way or due before a monotonic time."""
        return any(parcel.due_s < time_s for parcel in self._open.values())

    async def run(self) -> None:
        """One submission worker."""
        while True:
            parcel = await self._queue.get()
            await asyncio.wait([self._start(self._attempt(parcel))], timeout=PATIENCE_S)

    async def aclose(self) -> None:
        """Stops; says which results wait for the next start."""
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        for parcel in self._open.values():
            assignment = parcel.submission.assignment
            uid = self._roster.get(assignment.validator).neuron.uid
            log.warning("result kept for the next start", validator=uid, task=assignment.task_id)

    async def _attempt(self, parcel: _Parcel) -> None:
        assignment = parcel.submission.assignment
        try:
            uid = self._roster.get(assignment.validator).neuron.uid
            with about(task=assignment.task_id, validator=uid):
                await self._deliver(parcel)
        except Exception:
            log.exception("delivery failed", task=assignment.task_id)
            self._repeat(parcel, self._prices.resend_s)

    async def _deliver(self, parcel: _Parcel) -> None:
        submission = parcel.submission
        state = self._roster.get(submission.assignment.validator)
        if reason := self._gate.reason_to_withhold(submission):
            log.error("result withheld", task=submission.assignment.task_id, reason=reason)
            self._release(state, self._prices.cooldown_s)
            return
        await self._journal.sending(submission)
        parcel.attempts += 1
        parcel.sent_s = self._clock.monotonic_s()
        try:
            reply = await self._transport.submit(state.neuron, submission)
        except PeerError as error:
            await self._on_error(parcel, state, error)
        else:
            await self._on_reply(parcel, state, reply)

    async def _on_reply(self, parcel: _Parcel, state: ValidatorState, reply: Reply[SubmitResults]) -> None:
        answer, submission = reply.synapse, parcel.submission
        self._roster.note_reply(state, skew_s=reply.skew_s, elapsed_s=reply.elapsed_s, judged=True)
        now_s = self._roster.validator_now_s(state)
        is_first_result = not submission.is_skip and parcel.maybe_arrived_s is None
        verdict = read_verdict(
            answer, validator_now_s=now_s, prices=self._prices, is_first_result=is_first_result
        )
        feedback = answer.feedback
        reward = feedback.current_miner_reward if feedback else None
        fidelity = feedback.task_fidelity_score if feedback else None
        self._metrics.judged(verdict, skip=submission.is_skip, reward=reward)
        log.info(
            "feedback",
            verdict=verdict.value,
            skip=submission.is_skip,
            validator=state.neuron.uid,
            task=submission.assignment.task_id,
            fidelity=None if fidelity is None else round(fidelity, 4),
            local_score=None if submission.score is None else round(submission.score, 4),
            reward=None if reward is None else round(reward, 2),
            cooldown_s=round(answer.cooldown_until - now_s),
        )
        if not verdict.is_final:
            self._on_ignored(parcel, state)
            return
        self._experience.judged(submission, verdict, fidelity)
        event = "skipped" if submission.is_skip else verdict.value
        self._roster.note_verdict(state, event, feedback=feedback, local_score=submission.score)
        self._roster.cool_down(state, answer.cooldown_until)
        await self._close(parcel, state, Answer(verdict.value, fidelity, reward, answer.cooldown_until))

    def _on_ignored(self, parcel: _Parcel, state: ValidatorState) -> None:
        parcel.ignored += 1
        if parcel.ignored < ASK_AGAIN_AFTER:
            self._repeat(parcel, self._prices.resend_s)
        else:  # the next pull tells whether the task is still ours; the journal has the result for it
            self._release(state, self._prices.resend_s)

    async def _on_error(self, parcel: _Parcel, state: ValidatorState, error: PeerError) -> None:
        task, uid = parcel.submission.assignment.task_id, state.neuron.uid
        self._metrics.submit_failed()
        state.count("errors")
        state.note_call(answered=False)
        state.last_error = error.message
        status = error.detail.get("status")
        if status in REFUSALS and not parcel.submission.is_skip:
            self._skip_instead(parcel, state, error)
            return
        if status == FORBIDDEN:
            log.warning("task is closed", validator=uid, task=task, reason=error.message)
            await self._give_up(parcel, state, CLOSED)
            return
        if _may_have_arrived(error):
            parcel.maybe_arrived_s = parcel.sent_s
        if parcel.attempts >= ROUND_ATTEMPTS:
            log.warning("no verdict, the result is kept", validator=uid, task=task, attempts=parcel.attempts)
            await self._give_up(parcel, state, GIVEN_UP)
            return
        wait_s = self._wait_s(parcel, sent=bool(error.detail.get("sent", True)))
        again_s = round(wait_s, 1)
        log.warning("submit failed", validator=uid, task=task, reason=error.message, again_s=again_s)
        self._repeat(parcel, wait_s)

    def _skip_instead(self, parcel: _Parcel, state: ValidatorState, error: PeerError) -> None:
        self._roster.note_unpaid(state)
        assignment = parcel.submission.assignment
        log.error("result refused for good, the task is skipped", reason=error.message)
        self.post(parcel.submission.as_skip(f"its result was refused for good: {error.message}"))
        self._open[assignment.validator].maybe_arrived_s = parcel.maybe_arrived_s

    async def _give_up(self, parcel: _Parcel, state: ValidatorState, verdict: str) -> None:
        """Ends without a verdict. The bytes are kept for a validator that hands the task out once more."""
        self._metrics.dropped()
        self._roster.rest(state, max(self._prices.resend_s, self._paid_cooldown_s(parcel, state, verdict)))
        await self._close(parcel, state, Answer(verdict))

    async def _close(self, parcel: _Parcel, state: ValidatorState, answer: Answer) -> None:
        row = self._roster.row_of(state)
        await self._journal.answered(parcel.submission, answer, validator=row)
        self._release(state, 0.0)

    def _paid_cooldown_s(self, parcel: _Parcel, state: ValidatorState, verdict: str) -> float:
        """What is left of the cooldown if an earlier attempt was settled without our knowing.

        The validator counts from when it settled, and it judges as long as it likes. A task that is closed
        was settled by now; one given up may still be judged. It was assigned before anything was sent.
        """
        if parcel.maybe_arrived_s is None:
            return 0.0
        now_s, cooldown_s = self._clock.monotonic_s(), self._prices.cooldown_s
        settled_s = now_s
        if verdict != CLOSED:
            settled_s = max(settled_s, parcel.maybe_arrived_s + state.slowest_submit_s)
        free_s = parcel.submission.assignment.throttle_s
        ends_s = max(settled_s + cooldown_s - free_s, parcel.maybe_arrived_s + cooldown_s)
        if self._experience.accept_chance(parcel.submission) < SURELY_ACCEPTED:
            ends_s += self._prices.penalty_s
        return ends_s + self._margin_s - now_s

    def _wait_s(self, parcel: _Parcel, *, sent: bool) -> float:
        """Doubles from attempt to attempt; what never left needs no respect for the validation lock."""
        scale = self._prices.resend_s / Prices.resend_s
        base_s = self._prices.resend_s if sent else UNSENT_WAIT_S * scale
        return min(MAX_WAIT_S * scale, base_s * 2.0 ** min(parcel.attempts - 1, 16))

    def _repeat(self, parcel: _Parcel, wait_s: float) -> None:
        async def later() -> None:
            await self._clock.sleep(wait_s)
            while not self._budget.take():
                await self._clock.sleep(self._budget.wait_s)
            await self._attempt(parcel)

        parcel.due_s = self._clock.monotonic_s() + wait_s
        self._start(later())

    def _start(self, delivery: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(delivery, name="delivery")
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        return task

    def _release(self, state: ValidatorState, at_least_s: float) -> None:
        self._roster.rest(state, at_least_s)
        self._open.pop(state.neuron.hotkey, None)
        state.busy = False


def _may_have_arrived(error: PeerError) -> bool:
    if isinstance(error, PeerTimeoutError | PeerReplyError):
        return True
    return bool(error.detail.get("sent", True)) and error.detail.get("status", 0) >= 500
