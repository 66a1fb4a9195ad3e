"""Turns an assignment into a submission: candidates, scores, and the decision between them."""

from __future__ import annotations

import asyncio
import base64

from subnet17.errors import ConfigError, InvalidInputError, S17Error, StageError
from subnet17.log import get_logger
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.gate import Gate
from subnet17.mining.metrics import Metrics
from subnet17.mining.protocol import SKIP
from subnet17.mining.servers import Servers
from subnet17.mining.strategy import Action, Limits, decide, seed_for
from subnet17.mining.tasks import Assignment, Candidate, Score, Submission

log = get_logger()

MAX_STAGE_FAILURES = 3
"""Failures of the work itself, with healthy servers, before a task counts as impossible."""
OUTAGE_POLL_S = 1.0

Scored = tuple[Candidate, Score]


class Workshop:
    """Makes submissions.

    Args:
        hotkey: Ours; part of every seed.
        stopping: Set when the process should end: no further candidates then.
    """

    def __init__(
        self,
        servers: Servers,
        gate: Gate,
        metrics: Metrics,
        *,
        hotkey: str,
        limits: Limits,
        stopping: asyncio.Event,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._servers = servers
        self._gate = gate
        self._metrics = metrics
        self._hotkey = hotkey
        self._limits = limits
        self._stopping = stopping
        self._clock = clock

    async def work(self, assignment: Assignment) -> Submission:
        """Makes candidates until the strategy submits or skips.

        Raises:
            ConfigError: what was made must not be submitted on this network.
            S17Error: the servers are out and the process is stopping.
        """
        best: Scored | None = None
        made = 0
        while True:
            try:
                scored = await self._try(assignment, made, have_one=best is not None)
            except InvalidInputError as error:
                return self._skip(assignment, made, f"the servers refuse this task: {error.message}")
            made += 1
            if scored is not None and (best is None or scored[1].value > best[1].value):
                best = scored
            decision = decide(
                assignment,
                best[1] if best else None,
                made=made,
                elapsed_s=self._clock.monotonic_s() - assignment.assigned_s,
                candidate_s=self._servers.candidate_s if not self._stopping.is_set() else float("inf"),
                limits=self._limits,
            )
            log.info("decided", task=assignment.task_id, action=decision.action.value, reason=decision.reason)
            if decision.action is Action.SUBMIT and best is not None:
                return self._submission(assignment, best, made, decision.reason)
            if decision.action is Action.SKIP:
                return self._skip(assignment, made, decision.reason)

    async def _try(self, assignment: Assignment, index: int, *, have_one: bool) -> Scored | None:
        """One candidate with its score; None when the work failed and there is no point in waiting.

        Raises:
            InvalidInputError, ConfigError: there is no candidate yet, and there won't be one.
            S17Error: the servers are out and the process is stopping.
        """
        stage_failures = 0
        while True:
            try:
                number = index + stage_failures * self._limits.max_candidates
                return await self._make(assignment, number, have_one=have_one)
            except S17Error as error:
                if isinstance(error, InvalidInputError | ConfigError) and not have_one:
                    raise
                self._metrics.generation_failed()
                log.warning("candidate failed", task=assignment.task_id, reason=error.message)
                stage_failures += isinstance(error, StageError)
                if have_one or stage_failures >= MAX_STAGE_FAILURES:
                    return None
                if self._stopping.is_set():
                    raise
            await self._wait_for_servers()

    async def _make(self, assignment: Assignment, index: int, *, have_one: bool) -> Scored:
        seed = seed_for(self._hotkey, assignment.task_id, index)
        candidate = await self._servers.generate(assignment, index=index, seed=seed)
        self._metrics.generated(candidate.generation_s)
        score = await self._score(assignment, candidate, have_one=have_one)
        self._metrics.scored(score.value)
        log.info(
            "candidate scored",
            task=assignment.task_id,
            seed=seed,
            score=round(score.value, 4),
            refusals=",".join(score.reasons) or None,
            generation_s=round(candidate.generation_s, 2),
            validation_s=round(score.validation_s, 2),
        )
        if reason := self._gate.reason_not_to_submit(backend=candidate.backend, scorer=score.scorer):
            raise ConfigError(reason)
        return candidate, score

    async def _score(self, assignment: Assignment, candidate: Candidate, *, have_one: bool) -> Score:
        """Waits out an outage of the validation server, unless there is a scored candidate to submit."""
        failures = 0
        while True:
            try:
                return await self._servers.score(assignment, candidate)
            except InvalidInputError:
                raise
            except S17Error as error:
                log.warning("scoring failed", task=assignment.task_id, reason=error.message)
                failures += isinstance(error, StageError)
                if have_one or failures >= MAX_STAGE_FAILURES or self._stopping.is_set():
                    raise
            await self._wait_for_servers()

    async def _wait_for_servers(self) -> None:
        while True:
            await self._clock.sleep(OUTAGE_POLL_S)
            if not self._servers.trouble or self._stopping.is_set():
                return

    def _submission(self, assignment: Assignment, best: Scored, made: int, reason: str) -> Submission:
        candidate, score = best
        return Submission(
            assignment,
            results=base64.b64encode(candidate.data).decode("ascii"),
            reason=reason,
            candidates=made,
            seed=candidate.seed,
            backend=candidate.backend,
            score=score.value,
            scorer=score.scorer,
        )

    def _skip(self, assignment: Assignment, made: int, reason: str) -> Submission:
        return Submission(assignment, results=SKIP, reason=reason, candidates=made)
