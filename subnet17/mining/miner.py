"""The miner: pulls when a worker is free, works, submits, and ends in order.

One slot per generation worker covers a task from the pull to the finished submission: the price clock runs
from the assignment, so nothing is pulled that would have to wait.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from subnet17.errors import PeerError, S17Error
from subnet17.log import get_logger
from subnet17.mining.chain import ChainView, select_validators
from subnet17.mining.choice import Chooser, choose
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.courier import Courier
from subnet17.mining.feedback import Prices
from subnet17.mining.gate import Gate
from subnet17.mining.metrics import Metrics
from subnet17.mining.protocol import PullTask
from subnet17.mining.servers import Servers
from subnet17.mining.strategy import Limits
from subnet17.mining.tasks import Assignment
from subnet17.mining.transport import Reply, Transport
from subnet17.mining.validators import Roster, ValidatorState
from subnet17.mining.worker import Workshop
from subnet17.settings import Settings

log = get_logger()

HEALTH_INTERVAL_S = 5.0
TROUBLE_INTERVAL_S = 1.0
CHAIN_RETRY_S = 30.0
MAX_TASK_ID_CHARS = 256
STEP_S = 0.05
NOT_YET = "the chain was not read yet"


class Miner:
    """Everything between the chain, the validators and our servers.

    Args:
        transport: Signs and sends; knows our hotkey.
        chain: Where validators are found.
        servers: Generation and validation.
        chooser: Whom to ask of those that are ready: the simulation compares rules.
        rng: Settles ties and jitters rests; a seeded one repeats itself.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: Transport,
        chain: ChainView,
        servers: Servers,
        clock: Clock = SYSTEM_CLOCK,
        chooser: Chooser = choose,
        rng: random.Random | None = None,
    ) -> None:
        self.stopping = asyncio.Event()
        self.metrics = Metrics()
        self._settings = settings
        self._transport = transport
        self._chain = chain
        self._servers = servers
        self._clock = clock
        self._prices = prices_of(settings, chain)
        self.roster = Roster(
            margin_s=settings.network.cooldown_margin_s,
            prices=self._prices,
            clock=clock,
            rng=rng,
            chooser=chooser,
        )
        self._gate = Gate(chain, servers, allow_embedded=settings.miner.allow_embedded_on_public_network)
        self._workshop = Workshop(
            servers,
            self._gate,
            self.metrics,
            hotkey=transport.hotkey,
            limits=Limits(settings.miner.self_validation_min_score, settings.miner.max_candidates),
            stopping=self.stopping,
            clock=clock,
        )
        self.courier = Courier(
            transport, self.roster, self._gate, self.metrics, prices=self._prices, clock=clock
        )
        self._slots = asyncio.Semaphore(settings.miner.num_generation_workers)
        self._work: asyncio.Queue[Assignment] = asyncio.Queue(settings.miner.num_generation_workers)
        self._working = 0
        self._pulls: set[asyncio.Task[None]] = set()
        self._registered: bool | None = None
        self._chain_trouble = NOT_YET
        self._told = NOT_YET

    async def run(self) -> None:
        """Mines until `stopping` is set, then finishes what is running within the drain time.

        Raises:
            Exception: a loop broke: a bug, the process should end and be restarted.
        """
        miner = self._settings.miner
        pulling = asyncio.create_task(self._pull_forever(), name="pull")
        loops = [
            asyncio.create_task(self._watch_chain(), name="chain"),
            asyncio.create_task(self._watch_servers(), name="servers"),
            asyncio.create_task(self._report(), name="metrics"),
            *(asyncio.create_task(self._generate_forever()) for _ in range(miner.num_generation_workers)),
            *(asyncio.create_task(self.courier.run()) for _ in range(miner.num_submission_workers)),
        ]
        stop = asyncio.create_task(self.stopping.wait())
        try:
            done, _ = await asyncio.wait([stop, pulling, *loops], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stop}:
                task.result()
            await self._drain(pulling)
        finally:
            await _cancel([stop, pulling, *self._pulls, *loops])
            await self.courier.aclose()

    @property
    def reason_not_pulling(self) -> str:
        """Why no tasks are taken on; empty when they are."""
        if self.stopping.is_set():
            return "stopping"
        if self._chain_trouble:
            return self._chain_trouble
        if self._registered is False or self.roster.stopped_s:
            return self._registration_hint()
        if not self.roster.listed:
            least = self._settings.miner.min_validator_stake
            return f"no serving validator with a stake of {least:g} or more is listed"
        return self._gate.reason_not_to_pull()

    @property
    def is_connected(self) -> bool:
        """Whether the chain could be read."""
        return not self._chain_trouble

    def as_json(self) -> dict[str, Any]:
        """The status page."""
        now_s = self._clock.monotonic_s()
        return {
            "service": "subnet17-miner",
            "hotkey": self._transport.hotkey,
            "netuid": self._settings.network.netuid,
            "chain": self._settings.network.chain,
            "public_network": self._chain.is_public,
            "registered": self._registered,
            "pulling": not self.reason_not_pulling,
            "reason": self.reason_not_pulling,
            "metrics": self.metrics.as_json(),
            "tasks_in_work": self._working + self._work.qsize(),
            "submissions_waiting": self.courier.waiting,
            "generation_endpoints": [e.as_json() for e in self._servers.generation.endpoints],
            "validation_endpoints": [e.as_json() for e in self._servers.validation.endpoints],
            "validators": [s.as_json(now_s) for s in self.roster],
        }

    async def _drain(self, pulling: asyncio.Task[None]) -> None:
        log.info("stopping", tasks_in_work=self._working, submissions_waiting=self.courier.waiting)
        await _cancel([pulling, *self._pulls])
        deadline_s = self._clock.monotonic_s() + self._settings.miner.drain_timeout_s
        while self._clock.monotonic_s() < deadline_s:
            if not self._working and self._work.empty() and not self.courier.is_busy_until(deadline_s):
                break
            await self._clock.sleep(STEP_S)
        log.info("stopped", tasks_left=self._working, submissions_left=self.courier.waiting)

    async def _pull_forever(self) -> None:
        while True:
            await self._slots.acquire()
            state = await self._next_validator()
            state.busy = True
            task = asyncio.create_task(self._pull(state), name=f"pull {state.neuron.uid}")
            self._pulls.add(task)
            task.add_done_callback(self._pulls.discard)

    async def _next_validator(self) -> ValidatorState:
        while True:
            reason = self.reason_not_pulling
            self._tell(reason)
            if not reason and (state := self.roster.next_ready()) is not None:
                return state
            await self._clock.sleep(TROUBLE_INTERVAL_S / 4 if reason else self.roster.wait_s())

    def _tell(self, reason: str) -> None:
        if reason == self._told:
            return
        self._told = reason
        if reason:
            log.warning("not pulling", reason=reason)
        else:
            log.info("pulling")

    async def _pull(self, state: ValidatorState) -> None:
        assignment = None
        try:
            assignment = await self._ask(state)
        except PeerError as error:
            self.metrics.pull_failed()
            rest_s = self.roster.fail(state, error)
            log.warning("pull failed", validator=state.neuron.uid, reason=error.message, rest_s=round(rest_s))
        except Exception:
            log.exception("pull broke", validator=state.neuron.uid)
            self.roster.fail(state, PeerError("a bug of ours, see the log"))
        finally:
            if assignment is None:
                self._slots.release()
                state.busy = False
        if assignment is None:
            return
        kept = self.courier.kept(assignment.validator, assignment.task_id)
        if kept is None:
            self._work.put_nowait(assignment)
        else:
            log.info("task is known, sending its result again", task=assignment.task_id)
            self._slots.release()
            self.courier.post(kept)

    async def _ask(self, state: ValidatorState) -> Assignment | None:
        asked_s = self._clock.monotonic_s()
        state.count("pulls")
        reply = await self._transport.pull(state.neuron)
        self.roster.note_reply(state, skew_s=reply.skew_s, elapsed_s=reply.elapsed_s)
        answer = reply.synapse
        if answer.cooldown_violations > state.violations:
            log.warning("cooldown violation", validator=state.neuron.uid, count=answer.cooldown_violations)
        state.violations = answer.cooldown_violations
        if answer.task is None:
            self._on_no_task(state, reply)
            return None
        if len(answer.task.id) > MAX_TASK_ID_CHARS:
            raise PeerError(f"a task id of {len(answer.task.id)} characters")
        state.count("tasks")
        log.info(
            "task",
            validator=state.neuron.uid,
            task=answer.task.id,
            kind=answer.task.type,
            prompt=answer.task.prompt[:80] if answer.task.type == "text" else None,
            threshold=round(answer.validation_threshold, 4),
            throttle_s=answer.throttle_period,
        )
        return Assignment(
            task_id=answer.task.id,
            kind=answer.task.type,
            prompt=answer.task.prompt,
            validator=state.neuron.hotkey,
            threshold=answer.validation_threshold,
            throttle_s=min(max(0.0, answer.throttle_period), self._prices.cooldown_s),
            assigned_s=asked_s,
        )

    def _on_no_task(self, state: ValidatorState, reply: Reply[PullTask]) -> None:
        until_s = reply.synapse.cooldown_until
        left_s = until_s - self.roster.validator_now_s(state)
        self.roster.cool_down(state, until_s, at_least_s=self._settings.network.pull_interval_s)
        if abs(left_s - self._prices.unregistered_s) > self._prices.unregistered_s * 0.05:
            log.debug("no task", validator=state.neuron.uid, cooldown_s=round(left_s))
        elif self._registered:  # the chain knows better than one validator, which may lag or lie
            log.warning("a validator does not know our hotkey yet", validator=state.neuron.uid)
        else:
            self.roster.stop_all(left_s)
            log.error("not registered", validator=state.neuron.uid, fix=self._registration_hint())

    def _registration_hint(self) -> str:
        miner, network = self._settings.miner, self._settings.network
        return (
            f"hotkey {self._transport.hotkey} is not registered on netuid {network.netuid}: "
            f"btcli subnet register --netuid {network.netuid} "
            f"--wallet.name {miner.wallet_name} --wallet.hotkey {miner.hotkey_name}"
        )

    async def _generate_forever(self) -> None:
        while True:
            assignment = await self._work.get()
            self._working += 1
            try:
                self.courier.post(await self._workshop.work(assignment))
            except S17Error as error:
                log.error("task put back", task=assignment.task_id, reason=error.message)
                self._put_back(assignment)
            except Exception:
                log.exception("task broke", task=assignment.task_id)
                self._put_back(assignment)
            finally:
                self._working -= 1
                self._slots.release()

    def _put_back(self, assignment: Assignment) -> None:
        """The task stays assigned: its validator hands it out again at the next pull."""
        state = self.roster.get(assignment.validator)
        self.roster.rest(state, self._prices.cooldown_s)
        state.busy = False

    async def _watch_chain(self) -> None:
        while True:
            wait_s = self._chain.refresh_s
            try:
                neurons = await self._chain.read()
            except PeerError as error:
                self._chain_trouble = error.message
                wait_s = min(wait_s, CHAIN_RETRY_S)
            else:
                own, least = self._transport.hotkey, self._settings.miner.min_validator_stake
                self.roster.update(select_validators(neurons, own_hotkey=own, min_stake=least))
                self._registered = self._chain.is_registered(own)
                self._chain_trouble = ""
                if self._registered:
                    self.roster.resume_all()
            await self._clock.sleep(wait_s)

    async def _watch_servers(self) -> None:
        while True:
            await self._servers.check()
            await self._clock.sleep(TROUBLE_INTERVAL_S if self._servers.trouble else HEALTH_INTERVAL_S)

    async def _report(self) -> None:
        while True:
            await self._clock.sleep(self._settings.miner.metrics_interval_s)
            log.info("metrics", **self.metrics.as_json())


def prices_of(settings: Settings, chain: ChainView) -> Prices:
    """The network's time constants; only a network on this machine may run faster."""
    return Prices() if chain.is_public else Prices().scaled(settings.network.local_time_scale)


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
