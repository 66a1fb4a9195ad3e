"""Brings submissions to their validators until a verdict is read.

A submit whose fate is unknown is repeated with the same bytes, freshly signed, one in flight: first attempts
run in the submission workers, repeats on their own, so that a hanging validator can't hold up the others.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.log import get_logger
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.feedback import Prices, Verdict, read_verdict
from subnet17.mining.gate import Gate
from subnet17.mining.metrics import Metrics
from subnet17.mining.protocol import SubmitResults
from subnet17.mining.tasks import Submission
from subnet17.mining.transport import Reply, Transport
from subnet17.mining.validators import Roster, ValidatorState

log = get_logger()

FORBIDDEN = 403
UNSENT_WAIT_S = 5.0
MAX_WAIT_S = 600.0
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
    """Delivers submissions, and keeps the last one of each validator for when it asks again."""

    def __init__(
        self,
        transport: Transport,
        roster: Roster,
        gate: Gate,
        metrics: Metrics,
        *,
        prices: Prices,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._transport = transport
        self._roster = roster
        self._gate = gate
        self._metrics = metrics
        self._prices = prices
        self._clock = clock
        self._queue: asyncio.Queue[_Parcel] = asyncio.Queue()
        self._kept: dict[str, Submission] = {}
        self._open: dict[str, _Parcel] = {}
        self._repeats: set[asyncio.Task[None]] = set()

    def post(self, submission: Submission) -> None:
        """Takes a submission over. It is kept until its validator is done with it."""
        parcel = _Parcel(submission)
        self._kept[submission.assignment.validator] = submission
        self._open[submission.assignment.validator] = parcel
        self._queue.put_nowait(parcel)

    def kept(self, validator: str, task_id: str) -> Submission | None:
        """The finished submission of a task that its validator hands out once more, if we have it."""
        submission = self._kept.get(validator)
        return submission if submission and submission.assignment.task_id == task_id else None

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
            await self._attempt(await self._queue.get())

    async def aclose(self) -> None:
        """Gives up on what is open; says which results that leaves behind."""
        for task in self._repeats:
            task.cancel()
        await asyncio.gather(*self._repeats, return_exceptions=True)
        for parcel in self._open.values():
            assignment = parcel.submission.assignment
            uid = self._roster.get(assignment.validator).neuron.uid
            log.warning("result left behind", validator=uid, task=assignment.task_id)

    async def _attempt(self, parcel: _Parcel) -> None:
        try:
            await self._deliver(parcel)
        except Exception:
            log.exception("delivery failed", task=parcel.submission.assignment.task_id)
            self._repeat(parcel, self._prices.resend_s)

    async def _deliver(self, parcel: _Parcel) -> None:
        submission = parcel.submission
        state = self._roster.get(submission.assignment.validator)
        if reason := self._gate.reason_to_withhold(submission):
            log.error("result withheld", task=submission.assignment.task_id, reason=reason)
            self._release(state, self._prices.cooldown_s)
            return
        parcel.attempts += 1
        parcel.sent_s = self._clock.monotonic_s()
        try:
            reply = await self._transport.submit(state.neuron, submission)
        except PeerError as error:
            self._on_error(parcel, state, error)
        else:
            self._on_reply(parcel, state, reply)

    def _on_reply(self, parcel: _Parcel, state: ValidatorState, reply: Reply[SubmitResults]) -> None:
        answer, submission = reply.synapse, parcel.submission
        self._roster.note_reply(state, skew_s=reply.skew_s, elapsed_s=reply.elapsed_s)
        now_s = self._roster.validator_now_s(state)
        verdict = read_verdict(answer, validator_now_s=now_s, prices=self._prices)
        feedback = answer.feedback
        reward = feedback.current_miner_reward if feedback else None
        self._metrics.judged(verdict, skip=submission.is_skip, reward=reward)
        state.last_reward = reward if reward is not None else state.last_reward
        state.count("skipped" if submission.is_skip and verdict.is_final else verdict.value)
        log.info(
            "feedback",
            verdict=verdict.value,
            skip=submission.is_skip,
            validator=state.neuron.uid,
            task=submission.assignment.task_id,
            fidelity=round(feedback.task_fidelity_score, 4) if feedback else None,
            local_score=None if submission.score is None else round(submission.score, 4),
            reward=None if reward is None else round(reward, 2),
            cooldown_s=round(answer.cooldown_until - now_s),
        )
        if not verdict.is_final:
            self._on_ignored(parcel, state)
            return
        if verdict is Verdict.REJECTED:
            self._kept.pop(state.neuron.hotkey, None)
        self._roster.cool_down(state, answer.cooldown_until)
        self._release(state, 0.0)

    def _on_ignored(self, parcel: _Parcel, state: ValidatorState) -> None:
        parcel.ignored += 1
        if parcel.ignored < ASK_AGAIN_AFTER:
            self._repeat(parcel, self._prices.resend_s)
        else:  # the next pull tells whether the task is still ours; the result is kept for it
            self._release(state, self._prices.resend_s)

    def _on_error(self, parcel: _Parcel, state: ValidatorState, error: PeerError) -> None:
        task = parcel.submission.assignment.task_id
        self._metrics.submit_failed()
        state.count("errors")
        state.last_error = error.message
        if error.detail.get("status") == FORBIDDEN:
            # Kept all the same: a validator that restarted hands out the same task once more.
            log.warning("task is closed", validator=state.neuron.uid, task=task, reason=error.message)
            self._metrics.dropped()
            self._release(state, max(self._prices.resend_s, self._paid_cooldown_s(parcel)))
            return
        if _may_have_arrived(error):
            parcel.maybe_arrived_s = parcel.sent_s
        wait_s = self._wait_s(parcel, sent=bool(error.detail.get("sent", True)))
        uid, again_s = state.neuron.uid, round(wait_s, 1)
        log.warning("submit failed", validator=uid, task=task, reason=error.message, again_s=again_s)
        self._repeat(parcel, wait_s)

    def _paid_cooldown_s(self, parcel: _Parcel) -> float:
        """What is left of the cooldown if an earlier attempt was accepted without our knowing."""
        if parcel.maybe_arrived_s is None:
            return 0.0
        return parcel.maybe_arrived_s + self._prices.cooldown_s - self._clock.monotonic_s()

    def _wait_s(self, parcel: _Parcel, *, sent: bool) -> float:
        """Doubles from attempt to attempt; what never left needs no respect for the validation lock."""
        scale = self._prices.resend_s / Prices.resend_s
        base_s = self._prices.resend_s if sent else UNSENT_WAIT_S * scale
        return min(MAX_WAIT_S * scale, base_s * 2.0 ** min(parcel.attempts - 1, 16))

    def _repeat(self, parcel: _Parcel, wait_s: float) -> None:
        async def later() -> None:
            await self._clock.sleep(wait_s)
            await self._attempt(parcel)

        parcel.due_s = self._clock.monotonic_s() + wait_s
        task = asyncio.create_task(later(), name="repeat")
        self._repeats.add(task)
        task.add_done_callback(self._repeats.discard)

    def _release(self, state: ValidatorState, at_least_s: float) -> None:
        self._roster.rest(state, at_least_s)
        self._open.pop(state.neuron.hotkey, None)
        state.busy = False


def _may_have_arrived(error: PeerError) -> bool:
    if isinstance(error, PeerTimeoutError | PeerReplyError):
        return True
    return bool(error.detail.get("sent", True)) and error.detail.get("status", 0) >= 500
