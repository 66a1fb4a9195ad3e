"""Gets tasks: those left from earlier runs, and new ones from validators when a place is free.

Covers: the pull, what its answer means, the journal's first entry, and where a task goes from there: to the
bench to be worked on, or straight to the courier when it is finished. Does not cover: whom to ask
(validators.py), the work (worker.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any

from subnet17.errors import PeerError, PeerReplyError
from subnet17.log import about, get_logger
from subnet17.mining.bench import Bench, Job
from subnet17.mining.book import ValidatorState
from subnet17.mining.budget import RetryBudget
from subnet17.mining.chain import Neuron
from subnet17.mining.clock import Clock
from subnet17.mining.courier import Courier
from subnet17.mining.feedback import Prices
from subnet17.mining.hold import Hold
from subnet17.mining.journal import Journal
from subnet17.mining.metrics import Metrics
from subnet17.mining.protocol import PullTask
from subnet17.mining.records import Record, TaskState
from subnet17.mining.resume import assignment_of, perhaps_paid_at_s, pulled_again, recall_submission
from subnet17.mining.tasks import Assignment
from subnet17.mining.transport import Reply, Transport
from subnet17.mining.validators import Roster
from subnet17.settings import NetworkTable

log = get_logger()

TROUBLE_INTERVAL_S = 0.25
MAX_TASK_ID_CHARS = 256
NOT_YET = "not started"
SMOOTHING = 0.2


class Puller:
    """See the module.

    Args:
        hold: How many tasks others let us work on at once.
        reason_not_pulling: Why no task may be pulled now; empty when one may.
        on_unregistered: Called when a validator does not know our hotkey, with the seconds it asks for.

    Attributes:
        pull_s: What a pull takes, smoothed; 0 before the first.
    """

    def __init__(
        self,
        transport: Transport,
        roster: Roster,
        bench: Bench,
        courier: Courier,
        journal: Journal,
        metrics: Metrics,
        *,
        network: NetworkTable,
        budget: RetryBudget,
        prices: Prices,
        clock: Clock,
        hold: Hold,
        reason_not_pulling: Callable[[], str],
        on_unregistered: Callable[[ValidatorState, float], None],
    ) -> None:
        self._transport = transport
        self._roster = roster
        self._bench = bench
        self._courier = courier
        self._journal = journal
        self._metrics = metrics
        self._network = network
        self._budget = budget
        self._prices = prices
        self._clock = clock
        self._hold = hold
        self._reason_not_pulling = reason_not_pulling
        self._on_unregistered = on_unregistered
        self._left: dict[str, Record] = {}
        self._backlog: deque[Job] = deque()
        self._pulls: set[asyncio.Task[None]] = set()
        self._told = NOT_YET
        self.pull_s = 0.0

    @property
    def left(self) -> int:
        """Tasks of earlier runs that wait: for a place, or for their validator to be listed."""
        return len(self._left) + len(self._backlog)

    async def recall(self) -> None:
        """Finds what earlier runs left unfinished. Their validators are not pulled meanwhile."""
        for record in await self._journal.unfinished():
            self._left[record.assignment.validator] = record
        for state in self._roster:  # a reload may list one before the chain is read again
            state.busy = state.neuron.hotkey in self._left
        if self._left:
            log.info("tasks left from an earlier run", tasks=len(self._left))

    async def resume(self, listed: Collection[str]) -> None:
        """Takes up what was left of these validators: the chain names them, so their address is right."""
        ready = [hotkey for hotkey in self._left if hotkey in listed]
        records = [self._left.pop(hotkey) for hotkey in ready]
        for record in records:
            self._roster.get(record.assignment.validator).busy = True
        for record in records:
            uid = self._roster.get(record.assignment.validator).neuron.uid
            log.info(
                "task taken up",
                task=record.assignment.task_id,
                validator=uid,
                from_state=record.state.value,
            )
            job = await self._take_up(record, assignment_of(record, self._clock), attempts=record.attempts)
            if job is not None:
                self._backlog.append(job)

    async def resume_finished(self, serving: Iterable[Neuron]) -> None:
        """Takes up what has a result, of neurons no longer asked for tasks, too, but of no blocked one."""
        ready = [neuron for neuron in serving if self._has_result_for(neuron.hotkey)]
        await self.resume([n.hotkey for n in ready if not self._roster.locate(n).blocked])

    def _has_result_for(self, hotkey: str) -> bool:
        return hotkey in self._left and self._left[hotkey].state in {TaskState.SCORED, TaskState.SENDING}

    async def run(self) -> None:
        """Fills free places until cancelled."""
        while True:
            await self._bench.reserve()
            state = await self._next_validator()
            if state is None:
                self._bench.put(self._backlog.popleft())
                continue
            state.busy = True
            with about(validator=state.neuron.uid):  # the task carries it along
                task = asyncio.create_task(self._pull(state), name=f"pull {state.neuron.uid}")
            self._pulls.add(task)
            task.add_done_callback(self._pulls.discard)

    async def aclose(self) -> None:
        """Breaks off pulls under way: a task that was assigned comes again with the next one."""
        for task in self._pulls:
            task.cancel()
        await asyncio.gather(*self._pulls, return_exceptions=True)

    async def _next_validator(self) -> ValidatorState | None:
        """Whom to pull from; None when there is a task in the backlog."""
        while not self._backlog:
            reason = self._reason_not_pulling()
            self._tell(reason)
            may = not reason and self._has_leave()
            if may and (state := self._roster.next_ready(work_s=self._bench.work_s)) is not None:
                return state
            await self._clock.sleep(self._roster.wait_s() if may else TROUBLE_INTERVAL_S)
        return None

    def _has_leave(self) -> bool:
        allowed = self._hold.tasks_at_once
        return allowed is None or self._bench.occupied + len(self._pulls) < allowed

    def _tell(self, reason: str) -> None:
        if reason == self._told:
            return
        self._told = reason
        if reason:
            log.warning("not pulling", reason=reason)
        else:
            log.info("pulling")

    async def _pull(self, state: ValidatorState) -> None:
        """One pull for a reserved place: the place is used or given back, the validator busy or free."""
        job, holds = None, False
        try:
            assignment = await self._ask(state)
            if assignment is not None:
                holds = True
                job = await self._enter(assignment, state)
        except PeerError as error:
            self._metrics.pull_failed()
            rest_s = self._roster.fail(state, error)
            log.warning("pull failed", validator=state.neuron.uid, reason=error.message, rest_s=round(rest_s))
        except Exception:
            holds = False  # it is assigned: the next pull returns it
            log.exception("pull broke", validator=state.neuron.uid)
            self._roster.fail(state, PeerError("a bug of ours, see the log"))
        finally:
            if not holds:
                state.busy = False
            if job is None:
                self._bench.give_back()
            else:
                self._bench.put(job)
        if not holds:
            await self._journal.save_validator(state.neuron.hotkey, self._roster.row_of(state))

    async def _enter(self, assignment: Assignment, state: ValidatorState) -> Job | None:
        """Journals a task; one that is known goes on from its state. None when it is finished already."""
        record = await self._journal.find(assignment.validator, assignment.task_id)
        if record is None:
            await self._journal.pulled(assignment, validator=self._roster.row_of(state))
            return Job(assignment)
        log.info(
            "task is known",
            task=assignment.task_id,
            validator=state.neuron.uid,
            from_state=record.state.value,
        )
        return await self._take_up(record, pulled_again(record, assignment, self._clock))

    async def _take_up(self, record: Record, assignment: Assignment, *, attempts: int = 0) -> Job | None:
        submission = await recall_submission(self._journal, record, assignment)
        if submission is not None:
            if record.state is TaskState.ANSWERED:
                await self._journal.reopened(assignment)
            self._courier.post(submission, attempts=attempts, sent_at_s=perhaps_paid_at_s(record))
            return None
        if record.state is TaskState.ANSWERED:
            await self._journal.pulled(assignment)
            record = await self._journal.find(assignment.validator, assignment.task_id) or record
        return Job(assignment, record)

    async def _ask(self, state: ValidatorState) -> Assignment | None:
        asked_s, asked_at_s = self._clock.monotonic_s(), self._clock.wall_s()
        self._budget.first()
        state.count("pulls")
        reply = await self._transport.pull(state.neuron)
        answer = reply.synapse
        if answer.task is not None and len(answer.task.id) > MAX_TASK_ID_CHARS:
            # Before it counts as an answer: one that sends nothing else must be ejected some time.
            raise PeerReplyError(f"a task id of {len(answer.task.id)} characters", sent=True)
        self._roster.note_reply(state, skew_s=reply.skew_s, elapsed_s=reply.elapsed_s)
        self.pull_s += SMOOTHING * (reply.elapsed_s - self.pull_s) if self.pull_s else reply.elapsed_s
        if answer.cooldown_violations > state.violations:
            log.warning("cooldown violation", validator=state.neuron.uid, count=answer.cooldown_violations)
        state.violations = answer.cooldown_violations
        if answer.task is None:
            self._on_no_task(state, reply)
            return None
        state.count("tasks")
        self._tell_task(state, answer)
        return Assignment(
            task_id=answer.task.id,
            kind=answer.task.type,
            prompt=answer.task.prompt,
            validator=state.neuron.hotkey,
            threshold=answer.validation_threshold,
            throttle_s=min(max(0.0, answer.throttle_period), self._prices.cooldown_s),
            assigned_s=asked_s,
            assigned_at_s=asked_at_s,
        )

    def _tell_task(self, state: ValidatorState, answer: PullTask) -> None:
        task: Any = answer.task
        log.info(
            "task",
            validator=state.neuron.uid,
            task=task.id,
            kind=task.type,
            prompt=task.prompt[:80] if task.type == "text" else None,
            threshold=round(answer.validation_threshold, 4),
            throttle_s=answer.throttle_period,
            chosen_because=state.chosen_because,
        )

    def _on_no_task(self, state: ValidatorState, reply: Reply[PullTask]) -> None:
        until_s = reply.synapse.cooldown_until
        left_s = until_s - self._roster.validator_now_s(state)
        odd_s = abs(left_s - self._prices.unregistered_s)
        # A stranger's violations are not counted: a cooldown that long with some is a real one.
        if odd_s <= self._prices.unregistered_s * 0.05 and not reply.synapse.cooldown_violations:
            self._on_unregistered(state, left_s)
            return
        self._roster.cool_down(state, until_s, at_least_s=self._network.pull_interval_s)
        log.debug("no task", validator=state.neuron.uid, cooldown_s=round(left_s))
