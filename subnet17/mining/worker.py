"""Turns an assignment into a submission: candidates, scores, and the decision between them.

Each candidate and each score is in the journal before the next step, so that a task taken up after a crash
goes on with what there is.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from subnet17.errors import (
    ConfigError,
    DeadlineError,
    InvalidInputError,
    PeerReplyError,
    PeerTimeoutError,
    S17Error,
    StageError,
)
from subnet17.log import get_logger
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.experience import Experience
from subnet17.mining.gate import Gate
from subnet17.mining.journal import Journal
from subnet17.mining.metrics import Metrics
from subnet17.mining.protocol import SKIP
from subnet17.mining.records import Record
from subnet17.mining.resume import recall_candidate
from subnet17.mining.servers import Servers
from subnet17.mining.strategy import SUBMIT_MARGIN_S, Action, Decision, Limits, Outlook, decide, seed_for
from subnet17.mining.tasks import Assignment, Candidate, Score, Submission

log = get_logger()

WORK_ERRORS = (StageError, DeadlineError, PeerTimeoutError, PeerReplyError)
"""The servers were there and tried: another prompt may well work."""
MAX_WORK_FAILURES = 3
"""Of these, before a task counts as impossible: it must not hold its place for ever."""
MAX_FAILURES = 10
"""Of any kind, on servers that call themselves healthy: outages are waited out before the next try."""
OUTAGE_POLL_S = 1.0
BEST_SCORE = 1.0

Scored = tuple[Candidate, Score]


@dataclass
class _Work:
    """What there is of a task.

    Attributes:
        pending: Candidates without a score, from before a restart.
        next_index: Of the next candidate to make; no index is used twice.
        made: Candidates tried, failures included.
        scores: Of all scored candidates.
        ends_in: Told how many seconds are left when the last candidate begins.
    """

    assignment: Assignment
    ends_in: Callable[[float], None]
    pending: list[Candidate] = field(default_factory=list)
    next_index: int = 0
    made: int = 0
    scores: list[float] = field(default_factory=list)
    best: Scored | None = None

    def add(self, candidate: Candidate, score: Score) -> None:
        """Takes in a scored candidate."""
        self.scores.append(score.value)
        if self.best is None or score.value > self.best[1].value:
            self.best = candidate, score


class _Failures:
    """Of the tries at one thing."""

    def __init__(self) -> None:
        self._all = self._of_work = 0

    def are_enough_with(self, error: S17Error) -> bool:
        """Counts one; whether it is useless to go on."""
        self._all += 1
        self._of_work += isinstance(error, WORK_ERRORS)
        return self._of_work >= MAX_WORK_FAILURES or self._all >= MAX_FAILURES

    def is_no_stumble(self, error: S17Error) -> bool:
        """Whether it is not the first, or took a whole time limit."""
        return self._all > 0 or isinstance(error, PeerTimeoutError)


class Workshop:
    """Makes submissions.

    Args:
        hotkey: Ours; part of every seed.
        stopping: Set when the process should end: no further candidates then.
        others_waiting: Ready validators without a place, for each of our places.
        quality_factor: What the worth of quality is multiplied by now.
    """

    def __init__(
        self,
        servers: Servers,
        gate: Gate,
        metrics: Metrics,
        journal: Journal,
        experience: Experience,
        *,
        hotkey: str,
        limits: Limits,
        stopping: asyncio.Event,
        clock: Clock = SYSTEM_CLOCK,
        others_waiting: Callable[[], float] = lambda: 0.0,
        quality_factor: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._servers = servers
        self._gate = gate
        self._metrics = metrics
        self._journal = journal
        self._experience = experience
        self._hotkey = hotkey
        self.limits = limits
        self._stopping = stopping
        self._clock = clock
        self._others_waiting = others_waiting
        self._quality_factor = quality_factor

    async def work(
        self,
        assignment: Assignment,
        record: Record | None = None,
        *,
        ends_in: Callable[[float], None] = lambda _: None,
    ) -> Submission | None:
        """Makes candidates until the strategy submits or skips.

        Args:
            record: What the journal knows of the task, if it was begun before.
            ends_in: Called with the seconds that are left, when the last candidate begins.

        Returns:
            What to hand in; None when the process is stopping and the task is worth more work: it is in the
            journal for the next start.

        Raises:
            ConfigError: what was made must not be submitted on this network.
            S17Error: the servers are out and the process is stopping.
        """
        work = await self._begin(assignment, record, ends_in)
        if not work.made and not work.pending and self._is_hopeless(work):
            return _skip(work, "whatever were made of it, this validator would hardly accept it")
        while True:
            if work.made and not work.pending:
                decision = self._decide(work)
                if decision.action is not Action.ANOTHER:
                    self._experience.made(work.scores)
                if decision.action is Action.SUBMIT and work.best is not None:
                    return _submission(work, work.best, decision.reason)
                if decision.action is Action.SKIP:
                    return _skip(work, decision.reason)
                if self._stopping.is_set():
                    return None
            try:
                await self._try(work)
            except InvalidInputError as error:
                return _skip(work, f"the servers refuse this task: {error.message}")
            work.made += 1

    async def _begin(
        self, assignment: Assignment, record: Record | None, ends_in: Callable[[float], None]
    ) -> _Work:
        work = _Work(assignment, ends_in)
        for draft in record.drafts if record else ():
            work.next_index = max(work.next_index, draft.index + 1)
            candidate = await recall_candidate(self._journal, draft)
            if candidate is None:
                continue
            if draft.score is None:
                work.pending.append(candidate)
            elif not self._gate.reason_not_to_submit(backend=draft.backend, scorer=draft.score.scorer):
                work.made += 1
                work.add(candidate, draft.score)
        return work

    def _decide(self, work: _Work) -> Decision:
        """What to do now. When the process is stopping, another candidate means: at the next start."""
        decision = self._weigh(work, may_go_on=True)
        if self._stopping.is_set() and decision.action is Action.ANOTHER:
            at_once = self._weigh(work, may_go_on=False)
            decision = at_once if at_once.action is Action.SUBMIT else decision
        task, action = work.assignment.task_id, decision.action.value
        log.info("decided", task=task, action=action, reason=decision.reason)
        return decision

    def _weigh(self, work: _Work, *, may_go_on: bool) -> Decision:
        return decide(
            work.assignment,
            work.best[1] if work.best else None,
            made=work.made,
            elapsed_s=self._elapsed_s(work),
            candidate_s=self._servers.candidate_s if may_go_on else math.inf,
            candidate_late_s=self._servers.candidate_late_s if may_go_on else math.inf,
            limits=self._limits_now,
            outlook=self._outlook(work),
        )

    def _is_hopeless(self, work: _Work) -> bool:
        """Whether nothing that could be made would be submitted."""
        return self._outlook(work).worth(BEST_SCORE, work.assignment.threshold, self.limits) <= 0.0

    def _outlook(self, work: _Work) -> Outlook:
        return self._experience.outlook(
            work.assignment,
            work.scores,
            scorer=work.best[1].scorer if work.best else self._servers.scorer,
            others_waiting=self._others_waiting(),
        )

    @property
    def _limits_now(self) -> Limits:
        quality_worth = self.limits.quality_worth * self._quality_factor()
        return dataclasses.replace(self.limits, quality_worth=quality_worth)

    async def _try(self, work: _Work) -> None:
        """One more scored candidate; none when the work failed and there is no point in waiting.

        Raises:
            InvalidInputError, ConfigError: there is no candidate yet, and there won't be one.
            S17Error: the servers are out and the process is stopping.
        """
        failures = _Failures()
        while True:
            try:
                return await self._make(work)
            except S17Error as error:
                have_one = work.best is not None
                if isinstance(error, InvalidInputError | ConfigError) and not have_one:
                    raise
                log.warning("candidate failed", task=work.assignment.task_id, reason=error.message)
                if failures.are_enough_with(error) or have_one:
                    return None
                if self._stopping.is_set():
                    raise
            await self._wait_for_servers()

    async def _make(self, work: _Work) -> None:
        candidate = work.pending.pop(0) if work.pending else await self._generate(work)
        score = await self._score(work, candidate)
        self._metrics.scored(score.value)
        await self._journal.scored(work.assignment, candidate, score)
        log.info(
            "candidate scored",
            task=work.assignment.task_id,
            seed=candidate.seed,
            score=round(score.value, 4),
            refusals=",".join(score.reasons) or None,
            generation_s=round(candidate.generation_s, 2),
            validation_s=round(score.validation_s, 2),
        )
        if reason := self._gate.reason_not_to_submit(backend=candidate.backend, scorer=score.scorer):
            raise ConfigError(reason)
        work.add(candidate, score)

    async def _generate(self, work: _Work) -> Candidate:
        if self._is_last(work):
            work.ends_in(self._servers.candidate_s)
        index = work.next_index
        seed = seed_for(self._hotkey, work.assignment.task_id, index)
        try:
            candidate = await self._servers.generate(work.assignment, index=index, seed=seed)
        except S17Error as error:
            work.next_index += isinstance(error, WORK_ERRORS)  # this seed does not work
            if not isinstance(error, InvalidInputError):
                self._metrics.generation_failed()
            raise
        self._metrics.generated(candidate.generation_s)
        await self._journal.generated(work.assignment, candidate)
        work.next_index += 1
        return candidate

    def _is_last(self, work: _Work) -> bool:
        """Whether no further candidate will fit after the one that begins now."""
        free_s = work.assignment.throttle_s - SUBMIT_MARGIN_S - self._elapsed_s(work)
        left_s = free_s - self._servers.candidate_s
        return work.made + 1 >= self.limits.max_candidates or left_s < self._servers.candidate_late_s

    def _elapsed_s(self, work: _Work) -> float:
        return self._clock.monotonic_s() - work.assignment.assigned_s

    async def _score(self, work: _Work, candidate: Candidate) -> Score:
        """Waits out an outage of the validation server, unless there is a scored candidate to submit.

        Then one more try is made, at once, as the server may only have stumbled.

        Raises:
            StageError: it can't be scored.
            S17Error: the task is refused, or there is no point in waiting.
        """
        failures = _Failures()
        while True:
            try:
                return await self._servers.score(work.assignment, candidate)
            except InvalidInputError:
                raise
            except S17Error as error:
                log.warning("scoring failed", task=work.assignment.task_id, reason=error.message)
                self._metrics.scoring_failed()
                if self._stopping.is_set() or (work.best is not None and failures.is_no_stumble(error)):
                    raise
                if failures.are_enough_with(error):
                    raise StageError(f"it can't be scored: {error.message}", stage="validation") from None
            if work.best is not None:
                await self._clock.sleep(OUTAGE_POLL_S)
            else:
                await self._wait_for_servers()

    async def _wait_for_servers(self) -> None:
        while True:
            await self._clock.sleep(OUTAGE_POLL_S)
            if not self._servers.trouble or self._stopping.is_set():
                return


def _submission(work: _Work, best: Scored, reason: str) -> Submission:
    candidate, score = best
    return Submission(
        work.assignment,
        results=base64.b64encode(candidate.data).decode("ascii"),
        reason=reason,
        candidates=work.made,
        seed=candidate.seed,
        backend=candidate.backend,
        score=score.value,
        scorer=score.scorer,
        index=candidate.index,
    )


def _skip(work: _Work, reason: str) -> Submission:
    return Submission(work.assignment, results=SKIP, reason=reason, candidates=work.made)
