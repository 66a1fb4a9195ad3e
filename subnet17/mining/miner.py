"""The miner: pulls when a place is about to be free, works, submits, and ends in order.

Covers: the parts and how they hang together, the loops, the start from the journal and the end. What a task
goes through is in puller.py, worker.py and courier.py.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from typing import Any

from subnet17.errors import S17Error
from subnet17.log import about, get_logger
from subnet17.mining.bench import Bench
from subnet17.mining.budget import RetryBudget
from subnet17.mining.chain import ChainView
from subnet17.mining.chain_watch import ChainWatch
from subnet17.mining.choice import Chooser, choose
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.courier import Courier
from subnet17.mining.experience import Experience
from subnet17.mining.feedback import Prices
from subnet17.mining.gate import Gate
from subnet17.mining.hold import Hold
from subnet17.mining.housekeeping import Housekeeping
from subnet17.mining.journal import Journal
from subnet17.mining.market import Market, Standing, standing_of
from subnet17.mining.metrics import Metrics
from subnet17.mining.protocol import SKIP
from subnet17.mining.puller import Puller
from subnet17.mining.servers import Servers
from subnet17.mining.strategy import Limits
from subnet17.mining.tasks import Assignment, Submission
from subnet17.mining.transport import Transport
from subnet17.mining.validators import Roster, RosterRules
from subnet17.mining.versions import ask_versions
from subnet17.mining.worker import Workshop
from subnet17.settings import MinerTable, Settings

log = get_logger()

HEALTH_INTERVAL_S = 5.0
TROUBLE_INTERVAL_S = 1.0
BOOK_INTERVAL_S = 5.0
LAST_SAVE_S = 5.0
STEP_S = 0.05


class Miner:
    """Everything between the chain, the validators and our servers.

    Args:
        transport: Signs and sends; knows our hotkey.
        chain: Where validators are found.
        servers: Generation and validation.
        journal: What earlier runs left, and what this one adds.
        chooser: Whom to ask of those that are ready: the simulation compares rules.
        rng: Settles ties and jitters rests; a seeded one repeats itself.
        stopping: Set when the process should end; may be set already.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: Transport,
        chain: ChainView,
        servers: Servers,
        journal: Journal,
        clock: Clock = SYSTEM_CLOCK,
        chooser: Chooser = choose,
        rng: random.Random | None = None,
        stopping: asyncio.Event | None = None,
    ) -> None:
        self.stopping = stopping or asyncio.Event()
        self.metrics = Metrics()
        self._looked = asyncio.Event()
        self._broken: dict[str, str] = {}
        self.hold = Hold(clock)
        self._settings = settings
        self._transport = transport
        self._chain_view = chain
        self._servers = servers
        self._journal = journal
        self._clock = clock
        self._prices = prices = prices_of(settings, chain)
        self._experience = Experience(prices)
        self.roster = Roster(
            margin_s=settings.network.cooldown_margin_s,
            prices=prices,
            clock=clock,
            rng=rng,
            rules=_rules_of(settings.miner),
            acceptance=self._experience.acceptance,
            chooser=chooser,
        )
        self.chain = ChainWatch(
            chain,
            self.roster,
            settings,
            hotkey=transport.hotkey,
            clock=clock,
            on_listed=self._on_listed,
        )
        self._market = Market(self._look_at_market, journal, clock=clock)
        self._housekeeping = Housekeeping(journal, chain, settings, clock=clock)
        self._gate = Gate(chain, servers, allow_embedded=settings.miner.allow_embedded_on_public_network)
        self._bench = Bench(settings.miner.num_generation_workers, clock=clock)
        self._workshop = Workshop(
            servers,
            self._gate,
            self.metrics,
            journal,
            self._experience,
            hotkey=transport.hotkey,
            limits=_limits_of(settings.miner),
            stopping=self.stopping,
            clock=clock,
            others_waiting=self._others_waiting,
            quality_factor=self._quality_factor,
        )
        budget = RetryBudget(settings.network.retry_share, clock=clock)
        self.courier = Courier(
            transport,
            self.roster,
            self._gate,
            self.metrics,
            journal,
            self._experience,
            prices=prices,
            budget=budget,
            margin_s=settings.network.cooldown_margin_s,
            clock=clock,
        )
        self._puller = Puller(
            transport,
            self.roster,
            self._bench,
            self.courier,
            journal,
            self.metrics,
            network=settings.network,
            budget=budget,
            prices=prices,
            clock=clock,
            hold=self.hold,
            reason_not_pulling=lambda: self.reason_not_pulling,
            on_unregistered=self.chain.on_unregistered,
        )

    def follow(self, settings: Settings) -> None:
        """Takes over changed settings; a task under way goes by them from its next decision on."""
        self._settings = settings
        self._workshop.limits = _limits_of(settings.miner)
        self._servers.follow(settings)
        self._housekeeping.follow(settings)
        self.roster.set_rules(_rules_of(settings.miner))
        self.chain.follow(settings)

    async def run(self) -> None:
        """Mines until `stopping` is set, then finishes what is running within the drain time.

        Raises:
            Exception: a loop broke: a bug, or a damaged journal; the process should end and be restarted.
        """
        miner = self._settings.miner
        self.roster.restore(await self._journal.validators())
        await self._experience.recall(self._journal)
        await self._puller.recall()
        pulling = asyncio.create_task(self._puller.run(), name="pull")
        loops = [
            asyncio.create_task(self.chain.run(), name="chain"),
            asyncio.create_task(self._watch_servers(), name="servers"),
            asyncio.create_task(self._housekeeping.run(), name="journal"),
            asyncio.create_task(self._keep_book(), name="book"),
            asyncio.create_task(self._market.run(), name="market"),
            asyncio.create_task(
                ask_versions(self._transport, self.roster, clock=self._clock), name="versions"
            ),
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
            await self._puller.aclose()
            await _cancel([stop, pulling, *loops])
            await self.courier.aclose()
            if not self._journal.broken.is_set():
                await self._save_book_at_last()

    @property
    def reason_not_pulling(self) -> str:
        """Why no tasks are taken on; empty when they are."""
        if self.stopping.is_set():
            return "stopping"
        return (
            self.chain.reason_not_to_pull
            or self.hold.reason_not_to_pull
            or self._housekeeping.reason_not_to_pull
            or self._gate.reason_not_to_pull()
        )

    @property
    def is_connected(self) -> bool:
        """Whether the chain could be read."""
        return not self.chain.trouble

    def as_json(self) -> dict[str, Any]:
        """The status page."""
        now_s = self._clock.monotonic_s()
        learned = self._experience.acceptance.as_json()
        return {
            "service": "subnet17-miner",
            "hotkey": self._transport.hotkey,
            "netuid": self._settings.network.netuid,
            "chain": self._settings.network.chain,
            "public_network": self._chain_view.is_public,
            **self.chain.as_json(),
            "pulling": not self.reason_not_pulling,
            "reason": self.reason_not_pulling,
            "metrics": self.metrics.as_json(),
            "tasks_in_work": self._bench.occupied,
            "tasks_left_over": self._puller.left,
            "submissions_waiting": self.courier.waiting,
            "journal": self._housekeeping.as_json(),
            "market": self._market.as_json(),
            "holds": self.hold.as_json(),
            "generation_endpoints": [e.as_json() for e in self._servers.generation.endpoints],
            "validation_endpoints": [e.as_json() for e in self._servers.validation.endpoints],
            "validators": [
                s.as_json(now_s) | {"acceptance": learned.get(s.neuron.hotkey)} for s in self.roster
            ],
        }

    async def _drain(self, pulling: asyncio.Task[None]) -> None:
        log.info("stopping", tasks_in_work=self._bench.working, submissions_waiting=self.courier.waiting)
        await _cancel([pulling])
        await self._puller.aclose()
        deadline_s = self._clock.monotonic_s() + self._settings.miner.drain_timeout_s
        while self._clock.monotonic_s() < deadline_s:
            if not self._bench.occupied and not self.courier.is_busy_until(deadline_s):
                break
            await self._clock.sleep(STEP_S)
        log.info("stopped", tasks_left=self._bench.occupied, submissions_left=self.courier.waiting)

    async def _generate_forever(self) -> None:
        await self._looked.wait()  # a task left over would find no server, and drop what it can't score
        while True:
            async with self._bench.take() as job:

                def ends_in(seconds: float, job: Any = job) -> None:
                    self._bench.will_end(job, seconds - self._puller.pull_s)

                try:
                    uid = self.roster.get(job.assignment.validator).neuron.uid
                    with about(task=job.assignment.task_id, validator=uid):
                        made = await self._workshop.work(job.assignment, job.record, ends_in=ends_in)
                    if made is None:  # its validator stays busy: nothing is pulled any more
                        log.info("task kept for the next start", task=job.assignment.task_id)
                    else:
                        self.courier.post(made)
                except S17Error as error:
                    log.error("task put back", task=job.assignment.task_id, reason=error.message)
                    self._put_back(job.assignment)
                except Exception:
                    log.exception("task broke", task=job.assignment.task_id)
                    self._on_bug(job.assignment)

    def _others_waiting(self) -> float:
        now_s = self._clock.monotonic_s()
        ready = sum(not s.busy and s.ready_s <= now_s for s in self.roster.listed)
        return ready / self._settings.miner.num_generation_workers

    async def _on_listed(self, hotkeys: Collection[str]) -> None:
        await self._puller.resume(hotkeys)
        await self._puller.resume_finished(self.chain.serving)

    def _look_at_market(self) -> Standing:
        return standing_of(self.chain.neurons, self.roster.listed, hotkey=self._transport.hotkey)

    def _quality_factor(self) -> float:
        return self._market.quality_factor if self._settings.miner.market_aware else 1.0

    def _on_bug(self, assignment: Assignment) -> None:
        """The task may be the cause: broken twice it is skipped, or its validator would give no other."""
        if self._broken.get(assignment.validator) == assignment.task_id:
            reason = "it broke the miner twice, see the log"
            self.courier.post(Submission(assignment, results=SKIP, reason=reason))
        else:
            self._broken[assignment.validator] = assignment.task_id
            self._put_back(assignment)

    def _put_back(self, assignment: Assignment) -> None:
        """The task stays assigned, and in the journal: its validator hands it out again."""
        state = self.roster.get(assignment.validator)
        self.roster.rest(state, self._prices.cooldown_s)
        state.busy = False

    async def _watch_servers(self) -> None:
        while True:
            await self._servers.check()
            self._looked.set()
            await self._clock.sleep(TROUBLE_INTERVAL_S if self._servers.trouble else HEALTH_INTERVAL_S)

    async def _keep_book(self) -> None:
        while True:
            await self._clock.sleep(BOOK_INTERVAL_S)
            await self._save_book()

    async def _save_book(self) -> None:
        rows = self.roster.take_changed()
        try:
            for hotkey in list(rows):
                await self._journal.save_validator(hotkey, rows[hotkey])
                del rows[hotkey]
        finally:  # a stop may come in between: what is left is saved at last
            self.roster.put_back(rows)

    async def _save_book_at_last(self) -> None:
        """A disk that takes nothing must not keep the process from ending."""
        try:
            async with asyncio.timeout(LAST_SAVE_S):
                await self._save_book()
        except TimeoutError:
            log.warning("the validator book was not saved", reason=self._journal.trouble)

    async def _report(self) -> None:
        while True:
            await self._clock.sleep(self._settings.miner.metrics_interval_s)
            reason, registered = self.reason_not_pulling or None, self.chain.registered
            log.info("metrics", **self.metrics.as_json(), registered=registered, not_pulling=reason)


def prices_of(settings: Settings, chain: ChainView) -> Prices:
    """The network's time constants; only a network on this machine may run faster."""
    return Prices() if chain.is_public else Prices().scaled(settings.network.local_time_scale)


def _rules_of(miner: MinerTable) -> RosterRules:
    return RosterRules(
        blocked=frozenset(miner.blocked_validators),
        allowed=frozenset(miner.allowed_validators),
        eject_after=miner.eject_after_failures,
    )


def _limits_of(miner: MinerTable) -> Limits:
    return Limits(
        miner.self_validation_min_score,
        miner.max_candidates,
        enough_score=miner.early_stop_score,
        retry_s=miner.retry_time_s,
        quality_worth=miner.quality_worth,
    )


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
