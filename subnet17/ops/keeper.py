"""Looks after one process: starts and checks it, restarts it when it hangs, puts it aside when it loops.

What crashes is restarted by the supervisor; the keeper counts that, and restarts only what the supervisor
can't see. A process that somebody stopped by hand in the supervisor is left alone until it runs again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import httpx
import psutil

from subnet17.errors import ConfigError, PeerError
from subnet17.log import get_logger
from subnet17.ops.crash_loops import CrashLimits
from subnet17.ops.health import Health, Probe, make_probe
from subnet17.ops.preflight import check_ports
from subnet17.ops.processes import GENERATION, VALIDATION, Process, log_files_of
from subnet17.ops.state import Checked, Doing, ProcessState
from subnet17.ops.supervisor import Seen, Supervisor
from subnet17.settings import OperationsTable, Settings

log = get_logger()

SOON_S = 1.0
"""Until the next look while something is amiss or under way; at most the interval of the health checks."""
LEAST_PAUSE_S = 0.05
TURN_S = 0.1
"""Between two looks whether it is its turn to start."""
LEAST_START_S = 300.0
"""A process has at least this long to become healthy; a server as long as its models may take to load."""
SILENT_GRACE_S = 5.0
"""To end for what has not answered several times: one that is only slow still closes its files."""
MAX_NOT_STARTED_PAUSE_S = 15.0
WHY_CHARS = 200
LOG_TAIL_BYTES = 4096


class Keeper:
    """Keeps one process up.

    Args:
        process: What to keep up.
        describe: The same as the settings of now say, and these: each new process reads them anew.
        supervisor: What starts and stops it.
        state: What is remembered of it; changed in place.
        save: Called after each change of `state`.
        client: For the checks.
        waits_for: Gives the names of the processes that start before this one and are still under way.
    """

    def __init__(
        self,
        process: Process,
        *,
        describe: Callable[[], tuple[Process, Settings]],
        supervisor: Supervisor,
        state: ProcessState,
        save: Callable[[], None],
        client: httpx.AsyncClient,
        waits_for: Callable[[], list[str]],
    ) -> None:
        self.process = process
        self.settled = asyncio.Event()
        """Set once it is healthy, or put aside, or not to be started: the next in the order may start."""
        self._describe = describe
        self._settings = describe()[1]
        self._supervisor = supervisor
        self._state = state
        self._save = save
        self._client = client
        self._waits_for = waits_for
        self._limits = CrashLimits.of(self._settings.operations)
        self._pid = 0
        self._probe: Probe | None = None
        self._failures = 0
        self._healthy_since_s: float | None = None
        self._not_ready_since_s: float | None = None
        self._restarts_seen: int | None = None
        self._ours = False
        """Started or adopted by this keeper; what is gone now was taken down by somebody else."""

    def follow(self, operations: OperationsTable) -> None:
        """Checks by changed settings from now on."""
        if operations == self._settings.operations:
            return  # a new probe forgets since when nothing has moved
        self._settings = self._settings.model_copy(update={"operations": operations})
        self._limits = CrashLimits.of(operations)
        if self._probe is not None:
            self._probe = make_probe(self.process, self._settings, self._client)

    async def keep(self) -> None:
        """Until it is cancelled."""
        while names := self._waits_for():
            self._tell("waiting", f"for {', '.join(names)}")
            await asyncio.sleep(TURN_S)
        while True:
            try:
                pause_s = await self._look()
            except (PeerError, ConfigError) as error:  # the supervisor's own trouble: what runs goes on
                log.error("the supervisor fails", process=self.process.name, why=error.message)
                pause_s = self._settings.operations.health_interval_s
            pause_s = max(LEAST_PAUSE_S, pause_s)
            # all keepers look at the same moments, to share a call of PM2: it takes a quarter of a second
            await asyncio.sleep(pause_s - time.monotonic() % pause_s)

    async def _look(self) -> float:
        """One look, and what follows from it; returns seconds until the next."""
        now_s = time.time()
        crashes = self._state.crashes
        seen = (await self._supervisor.look()).get(self.process.name)
        if crashes.aside_until_s is not None:
            if (left_s := crashes.aside_s(now_s)) > 0 and (seen is None or seen.life != "up"):
                return self._stay_aside(left_s)
            crashes.take_back()
        if seen is None or seen.life == "stopped":
            return self._leave_alone() if self._ours else await self._start()
        if why := self._why_replace(seen):
            return await self._replace(why)
        self._ours = True
        self._count_crashes(seen)
        if seen.life == "given_up" or crashes.is_loop(now_s, self._limits):
            return await self._put_aside()
        if seen.life == "between":
            self._tell("restarting", crashes.last_failure)
            return self._soon_s
        return await self._check(seen.pid)

    def _why_replace(self, seen: Seen) -> str:
        if seen.life == "lost":
            return "its supervisor was killed"
        return "" if self._ours or not seen.pid else seen.why_outdated(*self._describe())

    @property
    def _soon_s(self) -> float:
        return min(SOON_S, self._settings.operations.health_interval_s)

    @property
    def _start_limit_s(self) -> float:
        tables = {GENERATION: self._settings.generation, VALIDATION: self._settings.validation}
        table = tables.get(self.process.name)
        return max(LEAST_START_S, table.load_timeout_s) if table else LEAST_START_S

    def _stay_aside(self, left_s: float) -> float:
        self._tell("aside", self._aside_note())
        self.settled.set()
        return min(left_s, self._settings.operations.health_interval_s)

    def _leave_alone(self) -> float:
        if self._state.doing != "down":
            log.warning("somebody stopped it in the supervisor, it is left alone", process=self.process.name)
        self._tell("down", f"stopped in {self._supervisor.kind}, not by the orchestrator")
        self.settled.set()
        return self._settings.operations.health_interval_s

    async def _start(self) -> float:
        self._tell("starting", "")
        self._ours = False
        self.process, self._settings = self._describe()
        try:
            check_ports([self.process])
        except ConfigError as error:
            return await self._note_no_start(error.message)
        log.info("starting", process=self.process.name)
        try:
            await self._supervisor.start(self.process, self._settings)
        except OSError as error:  # no memory, a full disk, a log folder that is not ours
            return await self._note_no_start(f"can't be started: {error}")
        self._ours, self._restarts_seen = True, 0
        return self._soon_s

    async def _note_no_start(self, why: str) -> float:
        self._fail(why)
        if self._state.crashes.is_loop(time.time(), self._limits):
            return await self._put_aside()
        return float(min(MAX_NOT_STARTED_PAUSE_S, 2 ** len(self._state.crashes.failed_s) * self._soon_s))

    async def _replace(self, why: str) -> float:
        log.warning("it is started anew", process=self.process.name, why=why)
        self._tell("restarting", why)
        await self._supervisor.stop(self.process)
        return await self._start()

    def _count_crashes(self, seen: Seen) -> None:
        known = seen.restarts if self._restarts_seen is None else self._restarts_seen
        for _ in range(seen.restarts - known):
            self._state.restarts += 1
            said = last_line(Path(log_files_of(self.process, self._settings)[1]))
            self._fail("; last words: ".join(part for part in (seen.ended or "it ended", said) if part))
        self._restarts_seen = seen.restarts

    def _fail(self, why: str) -> None:
        log.warning("it failed", process=self.process.name, why=why)
        self._state.crashes.note_failure(time.time(), why[:WHY_CHARS], self._limits)
        self._save()

    async def _put_aside(self) -> float:
        crashes = self._state.crashes
        await self._supervisor.stop(self.process)
        pause_s = crashes.put_aside(time.time(), self._limits)
        log.error(
            "put aside, it fails again and again",
            process=self.process.name,
            why=crashes.last_failure,
            tried_again_in_s=round(pause_s),
        )
        self._ours = False
        self._tell("aside", self._aside_note())
        self.settled.set()
        return min(pause_s, self._settings.operations.health_interval_s)

    def _aside_note(self) -> str:
        crashes = self._state.crashes
        until = datetime.fromtimestamp(crashes.aside_until_s or 0.0).astimezone()
        return f"until {until:%H:%M:%S}: {crashes.last_failure}"

    async def _check(self, pid: int) -> float:
        if pid != self._pid:
            self._begin_checks(pid)
        assert self._probe is not None  # noqa: S101 - for the type checker
        health = await self._probe.check()
        if health.outcome == "healthy":
            return self._note_healthy(pid)
        self._healthy_since_s = None
        if not psutil.pid_exists(pid):
            return self._soon_s  # it has just crashed: the supervisor's business
        if self._is_starting(pid):
            self._tell("starting", health.why)
            return self._soon_s
        if not health.calls_for_restart:
            return await self._note_not_ready(health)
        self._failures += 1
        self._tell("failing", health.why)
        if self._failures < self._settings.operations.health_failures:
            return self._soon_s
        return await self._restart_hung(health)

    def _begin_checks(self, pid: int) -> None:
        self._pid, self._failures = pid, 0
        self.process, self._settings = self._describe()
        self._healthy_since_s = self._not_ready_since_s = None
        self._probe = make_probe(self.process, self._settings, self._client)
        self._state.checked = Checked(pid=pid, host=self.process.host, port=self.process.port)

    def _is_starting(self, pid: int) -> bool:
        """Whether it may still be silent: it was never healthy, and its time to start is not over."""
        if pid == self._state.proved_pid:
            return False
        try:
            return time.time() - psutil.Process(pid).create_time() < self._start_limit_s
        except psutil.NoSuchProcess:
            return True

    def _note_healthy(self, pid: int) -> float:
        now_s = time.monotonic()
        if self._healthy_since_s is None:
            self._healthy_since_s = now_s
            log.info("healthy", process=self.process.name, pid=pid)
        if now_s - self._healthy_since_s > self._limits.window_s:
            self._state.crashes.forget()
        self._failures, self._not_ready_since_s = 0, None
        self._state.proved_pid = pid
        self._tell("healthy", "")
        self.settled.set()
        return self._settings.operations.health_interval_s

    async def _note_not_ready(self, health: Health) -> float:
        """It says itself why it can't work: a new process would most often be in the same state."""
        now_s = time.monotonic()
        self._failures = 0
        self._not_ready_since_s = now_s if self._not_ready_since_s is None else self._not_ready_since_s
        self._tell("failing", health.why)
        if now_s - self._not_ready_since_s > self._start_limit_s:
            return await self._restart_hung(health)
        return self._soon_s

    async def _restart_hung(self, health: Health) -> float:
        log.error("it hangs and is restarted", process=self.process.name, why=health.why)
        self._state.restarts += 1
        self._fail(health.why)
        self._tell("restarting", health.why)
        # what answers may still have work to hand in: it gets the whole time to end
        within_s = SILENT_GRACE_S if health.outcome == "silent" else None
        await self._supervisor.stop(self.process, within_s=within_s)
        if self._state.crashes.is_loop(time.time(), self._limits):
            return await self._put_aside()
        return await self._start()

    def _tell(self, doing: Doing, why: str) -> None:
        self._state.doing, self._state.why = doing, why[:WHY_CHARS]
        self._save()


def last_line(path: Path) -> str:
    """The last line of a log that says something; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
