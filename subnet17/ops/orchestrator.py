"""One controller over all processes: a keeper for each, ordered start and stop, orders of the operator.

Made by `mining_orchestrator.py run` for as long as that lives, and by the other commands for a moment where
no `run` lives. Which supervisor does the work (PM2 or our own) makes no difference here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import httpx

from subnet17 import last_good
from subnet17.errors import ConfigError, PeerError
from subnet17.log import get_logger
from subnet17.ops import pm2
from subnet17.ops.keeper import Keeper
from subnet17.ops.processes import Process, list_processes, stop_order
from subnet17.ops.state import Files, Orders
from subnet17.ops.supervisor import Supervisor
from subnet17.settings import Settings, Sources

log = get_logger()

ORDERS_S = 0.25
"""Between two looks for new orders."""
ORDERS_AGAIN_S = 5.0
"""After orders that could not be carried out."""

Watcher = Callable[[], Awaitable[None]]
"""Runs beside the keepers until it is cancelled."""


class Orchestrator:
    """Keeps the processes of one installation as the operator wants them.

    Args:
        processes: In the order in which they start.
        supervisor: What starts, restarts and stops them.
        files: State and orders; the caller holds the lock.
        local: With a local subnet.
        watchers: What else runs while `run` does, such as the watch over the machine's resources.
    """

    def __init__(
        self,
        settings: Settings,
        processes: list[Process],
        *,
        supervisor: Supervisor,
        files: Files,
        local: bool,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self._settings = settings
        self._processes = processes
        self._supervisor = supervisor
        self._files = files
        self._watchers = watchers
        self._keepers: dict[str, Keeper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._restarting: set[str] = set()
        """Ordered to, and not kept again yet."""
        self.state = files.read_state()
        self.state.supervisor, self.state.pid, self.state.local = supervisor.kind, os.getpid(), local
        if supervisor.kind == "pm2":
            self.state.pm2_home = str(pm2.home())  # later orders may come with another HOME
        names = {p.name for p in processes}
        self.state.processes = {n: s for n, s in self.state.processes.items() if n in names}

    async def run(self, ending: asyncio.Event) -> None:
        """Adopts what runs, starts what does not, and keeps all of it up until `ending` is set.

        Then PM2's apps stay, since PM2 keeps supervising them. Our own children are stopped, the miner first.

        Raises:
            ExceptionGroup: a part of it broke. The processes go on.
        """
        for process in self._processes:  # what an earlier run said of them says nothing of now
            self.state.of(process.name).doing = "waiting"
        self._save()
        async with self._working() as group:
            helpers = [group.create_task(_call(w)) for w in self._watchers]
            try:
                await self._stop_strays()
            except PeerError as error:
                log.error("what is left of another mode can't be stopped", why=error.message)
            helpers.append(group.create_task(self._follow_orders(group)))
            orders = self._files.read_orders()
            self._mark_stopped(orders)
            self._keep(group, [p for p in self._processes if p.name not in orders.stopped])
            await ending.wait()
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self._release(list(self._keepers))
            if self._supervisor.kind == "own":
                await self.stop(self._processes)

    async def obey(self, orders: Orders, timeout_s: float) -> bool:
        """Carries out orders where no `run` lives.

        Returns:
            Whether what was started has settled within the time; what has not stays as it is.
        """
        async with self._working() as group:
            await self._stop_strays()
            await self._follow(group, orders)
            waiting = [asyncio.create_task(k.settled.wait()) for k in self._keepers.values()]
            late = (await asyncio.wait(waiting, timeout=timeout_s))[1] if waiting else set()
            for task in late:
                task.cancel()
            await self._release(list(self._keepers))
        return not late

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[asyncio.TaskGroup]:
        async with httpx.AsyncClient(
            trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        ) as client:
            self._client = client
            async with asyncio.TaskGroup() as group:
                tending = group.create_task(self._supervisor.tend())
                yield group
                tending.cancel()
        self._files.save(self.state)

    def _save(self) -> None:
        self._files.save(self.state)

    async def _stop_strays(self) -> None:
        """The local subnet of an earlier run has no place beside a run on the public network."""
        seen = await self._supervisor.look()
        names = {p.name for p in self._processes}
        strays = [p for p in list_processes(self._settings, local=True) if p.name in seen.keys() - names]
        await self.stop(strays)

    def _keep(self, group: asyncio.TaskGroup, processes: list[Process]) -> None:
        """Makes keepers for these, each waiting for those that start before it."""
        for process in processes:
            keeper = Keeper(
                process,
                describe=partial(self._describe, process.name),
                supervisor=self._supervisor,
                state=self.state.of(process.name),
                save=self._save,
                client=self._client,
                waits_for=partial(self._under_way_before, process),
            )
            self.state.of(process.name).doing = "waiting"
            self._keepers[process.name] = keeper
            self._tasks[process.name] = group.create_task(keeper.keep(), name=process.name)
        self._save()

    def _under_way_before(self, process: Process) -> list[str]:
        """An order may replace an earlier one's keeper meanwhile, so this is asked again and again."""
        earlier = [p.name for p in self._processes[: self._processes.index(process)]]
        starting = {name for name, keeper in self._keepers.items() if not keeper.settled.is_set()}
        return [name for name in earlier if name in starting | self._restarting]

    def _describe(self, name: str) -> tuple[Process, Settings]:
        """A process and the settings that it would start with now: the file may have changed, or be bad."""
        try:
            settings = last_good.load_unless_lost()
        except ConfigError:
            settings = last_good.recall(Sources()) or self._settings
        return {p.name: p for p in list_processes(settings, local=self.state.local)}[name], settings

    async def _release(self, names: list[str]) -> None:
        """Looks after these no more; they go on as they are."""
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for name in names:
            self._keepers.pop(name, None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self, processes: list[Process]) -> None:
        """Stops these one after the other: the miner drains while the servers still answer."""
        await self._release([p.name for p in processes])
        for process in stop_order(processes):
            state = self.state.of(process.name)
            state.doing, state.why = "stopping", ""
            self._save()
            log.info("stopping", process=process.name)
            await self._supervisor.stop(process)
            state.doing, state.why = "down", "stopped"
            self._save()

    def follow(self, settings: Settings) -> None:
        """Checks by changed settings from now on."""
        self._settings = settings
        for keeper in self._keepers.values():
            keeper.follow(settings.operations)

    async def _follow_orders(self, group: asyncio.TaskGroup) -> None:
        while True:
            pause_s = ORDERS_S
            orders = self._files.read_orders()
            if orders.number > self.state.orders_done:
                try:
                    await self._follow(group, orders)
                except (PeerError, ConfigError) as error:  # the supervisor's own trouble; tried again
                    log.error("orders can't be carried out now", why=error.message)
                    pause_s = ORDERS_AGAIN_S
            await asyncio.sleep(pause_s)

    async def _follow(self, group: asyncio.TaskGroup, orders: Orders) -> None:
        done = self.state.orders_done
        wanted = [p for p in self._processes if p.name not in orders.stopped]  # a later stop outdoes a start
        started = [p for p in wanted if orders.starts.get(p.name, 0) > done]
        restarted = [p for p in wanted if orders.restarts.get(p.name, 0) > done]
        log.info(
            "ordered",
            stop=sorted(orders.stopped),
            start=[p.name for p in started],
            restart=[p.name for p in restarted],
        )
        stopped = [p for p in self._processes if p.name in orders.stopped]
        await self._release([p.name for p in stopped])  # also what waits, or is put aside
        running = await self._supervisor.look()
        self._restarting = {p.name for p in restarted}
        await self.stop([p for p in stopped if p.name in running] + restarted)
        self._mark_stopped(orders)
        again = [p for p in self._processes if p in started or p in restarted]
        await self._release([p.name for p in again])
        for process in again:
            self.state.of(process.name).crashes.forget()
        self._keep(group, again)
        self._restarting = set()
        self.state.orders_done = orders.number
        self._save()

    def _mark_stopped(self, orders: Orders) -> None:
        for process in self._processes:
            if process.name in orders.stopped:
                state = self.state.of(process.name)
                state.doing, state.why = "down", "stopped by the operator"


async def _call(watcher: Watcher) -> None:
    """The processes are looked after whatever becomes of the rest."""
    try:
        await watcher()
    except Exception:
        log.exception("a part of the orchestrator broke, the processes are looked after without it")
