"""A day of mining in virtual time: the real miner against simulated validators that keep the rules."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from peers import MINER, SPZ, memory_folder, neuron

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.localnet.virtual_time import START_S, VIRTUAL_CLOCK, run_virtually
from subnet17.mining.chain import Neuron
from subnet17.mining.journal import Journal
from subnet17.mining.miner import Miner
from subnet17.mining.protocol import Feedback, PullTask, SubmitResults, TextTask
from subnet17.mining.tasks import Assignment, Candidate, Score, Submission
from subnet17.mining.transport import Reply
from subnet17.settings import MinerTable, OperationsTable, Settings

HOUR_S = 3600.0
COOLDOWN_S, THROTTLE_S, PENALTY_S, LOCK_S = 300.0, 30.0, 600.0, 30.0


class SimulatedValidator:
    """The rules of pull and submit, on a clock of its own."""

    def __init__(self, skew_s: float = 0.0, fault: str = "") -> None:
        self.skew_s = skew_s
        self.fault = fault
        self.task: TextTask | None = None
        self.ready_s = 0.0
        self.assigned_s = 0.0
        self.locked_s = 0.0
        self.guard_s = 0.0
        self.accepted_s: list[float] = []
        self.rejected = self.skipped = self.violations = self.given = self.double = 0

    def now_s(self) -> float:
        return VIRTUAL_CLOCK.wall_s() + self.skew_s

    async def pull(self) -> PullTask:
        await asyncio.sleep(0.1)
        if self.now_s() < self.ready_s:
            self.violations += 1
            return PullTask(cooldown_until=int(self.ready_s), cooldown_violations=self.violations)
        if self.task is None:
            self.given += 1
            self.task = TextTask(id=f"{id(self)}-{self.given}", prompt="a chair")
            self.assigned_s = self.now_s()
        return PullTask(task=self.task, throttle_period=int(THROTTLE_S))

    async def submit(self, parcel: Submission) -> SubmitResults:
        answer = SubmitResults(feedback=Feedback(), cooldown_until=int(self.ready_s))
        if self.task is None:
            raise PeerError("no task is assigned", status=403, sent=True)
        if parcel.is_skip:
            self.skipped += 1
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
        return self._reply(await validator.pull(), validator)

    async def submit(self, to: Neuron, parcel: Submission) -> Reply[SubmitResults]:
        validator = self._validators[to.hotkey]
        await self._misbehave(validator, 300.0)
        answer = await validator.submit(parcel)
        self._calls += 1
        if validator.fault == "loses replies" and self._calls % 2:
            await asyncio.sleep(300.0)
            raise PeerTimeoutError("no answer", sent=True)
        return self._reply(answer, validator)

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
    """Makes and scores a candidate in a fixed time; scores go round."""

    trouble = ""

    def __init__(self, generation_s: float, scores: list[float]) -> None:
        self._generation_s = generation_s
        self._scores = scores
        self._made = 0
        self.candidate_s = self.candidate_late_s = generation_s + 0.3
        self.generation = self.validation = SimpleNamespace(endpoints=[])

    async def check(self) -> None:
        """Always well."""

    async def generate(self, _: Assignment, *, index: int, seed: int) -> Candidate:
        await asyncio.sleep(self._generation_s)
        return Candidate(index, seed, SPZ, "flux-hunyuan", self._generation_s)

    async def score(self, _: Assignment, candidate: Candidate) -> Score:
        await asyncio.sleep(0.3)
        self._made += 1
        return Score(self._scores[self._made % len(self._scores)], "reference", (), 0.3)


def mine(
    validators: list[SimulatedValidator],
    *,
    hours: int = 4,
    generation_s: float = 5.0,
    scores: tuple[float, ...] = (0.8,),
    **miner: Any,
) -> Miner:
    """So many hours, then the miner is stopped."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    names = [f"Validator{i}" for i in range(len(validators))]
    neurons = tuple(neuron(name=name, uid=i) for i, name in enumerate(names))
    by_hotkey = {n.hotkey: v for n, v in zip(neurons, validators, strict=True)}

    async def read() -> tuple[Neuron, ...]:
        return neurons

    chain: Any = SimpleNamespace(refresh_s=600.0, is_public=True, read=read, is_registered=lambda _: True)
    made: list[Miner] = []

    async def main() -> None:
        transport: Any = SimulatedTransport(by_hotkey)
        servers: Any = SimulatedServers(generation_s, list(scores))
        settings = Settings(miner=MinerTable(**miner), operations=OperationsTable(min_free_disk_bytes=0))
        with memory_folder() as folder:
            journal = Journal.open(folder, clock=VIRTUAL_CLOCK)
            made.append(
                Miner(
                    settings,
                    transport=transport,
                    chain=chain,
                    servers=servers,
                    journal=journal,
                    clock=VIRTUAL_CLOCK,
                )
            )
            running = asyncio.create_task(made[0].run())
            await asyncio.sleep(hours * HOUR_S)
            made[0].stopping.set()
            await running
            await journal.aclose()

    run_virtually(main())
    structlog.reset_defaults()
    return made[0]


def test_eight_validators_get_nearly_every_cycle_and_see_no_violation() -> None:
    validators = [SimulatedValidator(skew_s=s) for s in (0, 0.4, -0.6, 30, -30, 3600, -86_400, 1.9)]
    mine(validators, hours=24, num_generation_workers=4)
    assert [v.violations for v in validators] == [0] * 8
    assert min(min(v.accepts_per_4_hours(hours=24)) for v in validators) >= 47
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


def test_a_task_that_breaks_the_miner_is_asked_for_again_after_a_cooldown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def generate(*_: object, **__: object) -> Candidate:
        raise ZeroDivisionError

    monkeypatch.setattr(SimulatedServers, "generate", generate)
    validator = SimulatedValidator()
    (state,) = mine([validator]).roster
    assert 40 <= state.counts["pulls"] <= 4 * HOUR_S / COOLDOWN_S + 1
    assert validator.given == 1
