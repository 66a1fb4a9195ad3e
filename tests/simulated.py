"""Peers of the miner without a wire, for virtual time: validators that keep the rules, servers, a chain."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from peers import MINER, SPZ

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.localnet.virtual_time import START_S, VIRTUAL_CLOCK
from subnet17.mining.chain import ChainFacts, Neuron
from subnet17.mining.protocol import Feedback, PullTask, SubmitResults, TextTask
from subnet17.mining.tasks import Assignment, Candidate, Score, Submission
from subnet17.mining.transport import Reply

HOUR_S = 3600.0
COOLDOWN_S, THROTTLE_S, PENALTY_S, LOCK_S = 300.0, 30.0, 600.0, 30.0


class SimulatedValidator:
    """The rules of pull and submit, on a clock of its own.

    Attributes:
        settled: (task id, results) of what was accepted or skipped, in order.
        stranger_until_s: Before it, on its clock, our hotkey is not known.
        pulls: How often it was asked for a task.
    """

    def __init__(self, skew_s: float = 0.0, fault: str = "") -> None:
        self.skew_s = skew_s
        self.fault = fault
        self.task: TextTask | None = None
        self.ready_s = 0.0
        self.assigned_s = 0.0
        self.locked_s = 0.0
        self.guard_s = 0.0
        self.accepted_s: list[float] = []
        self.settled: list[tuple[str, str]] = []
        self.stranger_until_s = 0.0
        self.pulls = 0
        self.rejected = self.skipped = self.violations = self.given = self.double = 0

    def now_s(self) -> float:
        return VIRTUAL_CLOCK.wall_s() + self.skew_s

    async def pull(self) -> PullTask:
        await asyncio.sleep(0.1)
        self.pulls += 1
        if self.now_s() < self.stranger_until_s:
            return PullTask(cooldown_until=int(self.now_s() + HOUR_S))
        if self.now_s() < self.ready_s:
            self.violations += 1
            return PullTask(cooldown_until=int(self.ready_s), cooldown_violations=self.violations)
        if self.task is None:
            self.given += 1
            self.task = TextTask(id=f"{id(self)}-{self.given}", prompt="a chair")
            self.assigned_s = self.now_s()
        return PullTask(task=self.task, throttle_period=int(THROTTLE_S))

    async def submit(self, parcel: Submission) -> SubmitResults:  # noqa: PLR0911 - one for each rule
        answer = SubmitResults(feedback=Feedback(), cooldown_until=int(self.ready_s))
        if self.task is None:
            raise PeerError("no task is assigned", status=403, sent=True)
        if parcel.assignment.task_id != self.task.id:
            return answer
        if parcel.is_skip:
            self.skipped += 1
            self.settled.append((self.task.id, parcel.results))
            return self._settle(answer, 0.0)
        if self.now_s() < self.locked_s:
            return answer
        self.locked_s = self.now_s() + LOCK_S
        await asyncio.sleep(1.0)
        if self.now_s() < self.guard_s:
            self.double += 1
            return answer
        if parcel.score is None or parcel.score < 0.6:
            self.rejected += 1
            return self._settle(answer, PENALTY_S)
        if self.task is None:
            return answer
        self.settled.append((self.task.id, parcel.results))
        self.accepted_s.append(self.now_s() - self.skew_s - START_S)
        self.guard_s = self.now_s() + COOLDOWN_S - THROTTLE_S
        answer.feedback = Feedback(task_fidelity_score=parcel.score)
        return self._settle(answer, 0.0)

    def _settle(self, answer: SubmitResults, penalty_s: float) -> SubmitResults:
        span_s = COOLDOWN_S + penalty_s
        self.ready_s = int(max(self.now_s() + span_s - THROTTLE_S, self.assigned_s + span_s))
        self.task, answer.cooldown_until = None, int(self.ready_s)
        return answer

    def accepts_per_4_hours(self, *, hours: int = 4) -> list[int]:
        """For each window of 4 hours."""
        windows = [(start, start + 4 * HOUR_S) for start in range(0, hours * 3600, 4 * 3600)]
        return [sum(a <= at_s < b for at_s in self.accepted_s) for a, b in windows]


class SimulatedTransport:
    """Carries calls to simulated validators, with their faults."""

    hotkey = MINER.ss58_address

    def __init__(self, validators: dict[str, SimulatedValidator]) -> None:
        self._validators = validators
        self._calls = 0

    async def pull(self, to: Neuron) -> Reply[PullTask]:
        validator = self._validators[to.hotkey]
        await self._misbehave(validator, 12.0)
        answer = await validator.pull()
        if validator.fault == "long task ids" and answer.task is not None:
            answer.task = TextTask(id="x" * 300, prompt="a chair")
        return self._reply(answer, validator)

    async def submit(self, to: Neuron, parcel: Submission) -> Reply[SubmitResults]:
        validator = self._validators[to.hotkey]
        await self._misbehave(validator, 300.0)
        answer = await validator.submit(parcel)
        self._calls += 1
        if validator.fault == "loses replies" and self._calls % 2:
            await asyncio.sleep(300.0)
            raise PeerTimeoutError("no answer", sent=True)
        return self._reply(answer, validator)

    async def get_version(self, _: Neuron) -> Reply[Any]:
        raise PeerError("HTTP 404", status=404, sent=True)

    async def _misbehave(self, validator: SimulatedValidator, limit_s: float) -> None:
        if validator.fault == "hangs":
            await asyncio.sleep(limit_s)
            raise PeerTimeoutError("no answer", sent=True)
        if validator.fault == "500":
            raise PeerError("HTTP 500", status=500, sent=True)
        if validator.fault == "garbage":
            raise PeerReplyError("no JSON", sent=True)
        if validator.fault == "dead":
            raise PeerError("refused", sent=False)

    def _reply(self, answer: Any, validator: SimulatedValidator) -> Reply[Any]:
        # A Date header has whole seconds and may be a second old.
        return Reply(answer, int(validator.now_s()) - VIRTUAL_CLOCK.wall_s(), 0.1)


class SimulatedServers:
    """Makes and scores a candidate in a fixed time; scores go round.

    Attributes:
        made: (task id, index) of all candidates.
    """

    trouble = ""

    def __init__(self, generation_s: float, scores: list[float]) -> None:
        self._generation_s = generation_s
        self._scores = scores
        self._made = 0
        self.made: list[tuple[str, int]] = []
        self.candidate_s = self.candidate_late_s = generation_s + 0.3
        self.scorer = "reference"
        self.generation = self.validation = SimpleNamespace(endpoints=[])

    async def check(self) -> None:
        """Always well."""

    async def generate(self, task: Assignment, *, index: int, seed: int) -> Candidate:
        await asyncio.sleep(self._generation_s)
        self.made.append((task.task_id, index))
        data = SPZ + f"{task.task_id}/{index}".encode()
        return Candidate(index, seed, data, "flux-hunyuan", self._generation_s)

    async def score(self, _: Assignment, candidate: Candidate) -> Score:
        await asyncio.sleep(0.3)
        self._made += 1
        return Score(self._scores[self._made % len(self._scores)], "reference", (), 0.3)


def simulated_chain(neurons: tuple[Neuron, ...]) -> Any:
    """A public chain that never changes."""

    async def read() -> tuple[Neuron, ...]:
        return neurons

    return SimpleNamespace(
        refresh_s=600.0, is_public=True, read=read, is_registered=lambda _: True, facts=ChainFacts()
    )
