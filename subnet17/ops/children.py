"""Our own supervision, for machines without PM2: the same restart policy, on processes that outlive us.

Each process leads a session of its own and carries a mark in its environment. So a killed orchestrator takes
none along, and the next one finds them by their marks: no list of process ids can be lost or name another.
Not covered: a process that is alive but hung (keeper.py).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from subnet17.last_good import STARTED_VARIABLE
from subnet17.log import get_logger
from subnet17.ops.processes import (
    FIRST_RESTART_DELAY_MS,
    MIN_UPTIME_S,
    Process,
    environment_of,
    fingerprint,
    log_files_of,
)
from subnet17.ops.supervisor import Seen, is_alive
from subnet17.settings import PROJECT_ROOT, Settings

log = get_logger()

MARK = "SUBNET17_CHILD"
"""Environment variable: which installation's which process it is."""
TEND_S = 0.1
RESTART_DELAY_GROWTH = 1.5
MAX_RESTART_DELAY_S = 15.0
"""Both are PM2's, fixed there."""


@dataclass
class _Child:
    """A process that should run, with these settings; its command line and their fingerprint."""

    process: Process
    settings: Settings
    started_with: tuple[tuple[str, ...], str]
    handle: psutil.Process | None = None
    started_s: float = field(default_factory=time.monotonic)
    restarts: int = 0
    ended: str = ""
    failed_starts: int = 0
    delay_s: float = 0.0
    restart_at_s: float = float("inf")
    ending: bool = False

    @property
    def pid(self) -> int:
        return self.handle.pid if self.handle is not None and is_alive(self.handle) else 0


class Children:
    """Starts, restarts and stops processes of its own.

    Args:
        processes: Those that may be started; of these, what runs already is adopted.
    """

    kind = "own"

    def __init__(self, settings: Settings, processes: list[Process]) -> None:
        self._settings = settings
        self._children: dict[str, _Child] = {}
        running = self._find_running()
        for process in processes:
            if (handle := running.get(process.name)) is not None:
                self._children[process.name] = _Child(process, settings, _started_with(handle), handle)

    async def look(self) -> dict[str, Seen]:
        """All that should run, by name."""
        return {name: self._seen(child) for name, child in self._children.items()}

    def _seen(self, child: _Child) -> Seen:
        if pid := child.pid:
            return Seen("up", pid, child.restarts, child.ended, *child.started_with)
        gave_up = child.failed_starts >= self._settings.operations.max_restarts
        return Seen("given_up" if gave_up else "between", 0, child.restarts, child.ended)

    async def start(self, process: Process, settings: Settings) -> None:
        """Starts a process, after what is left of an earlier one has ended."""
        await self.stop(process)
        started_with = process.args, fingerprint(process, settings)
        handle = self._spawn(process, settings)
        self._children[process.name] = _Child(process, settings, started_with, handle)

    async def stop(self, process: Process, *, within_s: float | None = None) -> None:
        """SIGTERM, and SIGKILL for its whole session after the time. SIGTERM is sent once only."""
        child = self._children.get(process.name)
        if child is None:
            return
        if child.handle is not None and child.pid:
            if not child.ending:
                child.ending = True
                child.handle.terminate()
            limit_s = self._settings.operations.kill_timeout_s
            await self._wait_for_end(child, limit_s if within_s is None else min(limit_s, within_s))
        self._children.pop(process.name, None)

    async def _wait_for_end(self, child: _Child, limit_s: float) -> None:
        kill_at_s = time.monotonic() + limit_s
        while pid := child.pid:
            if time.monotonic() > kill_at_s:
                log.warning("killed, it did not end in time", process=child.process.name, pid=pid)
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                kill_at_s = float("inf")
            await asyncio.sleep(TEND_S / 2)

    async def clear(self) -> None:
        """Nothing is left behind."""

    async def tend(self) -> None:
        """Restarts what crashes, until it is cancelled."""
        while True:
            for child in list(self._children.values()):
                if not child.ending and not child.pid:
                    self._tend_dead(child)
            await asyncio.sleep(TEND_S)

    def _tend_dead(self, child: _Child) -> None:
        now_s = time.monotonic()
        if child.handle is not None:
            self._note_death(child, now_s)
        elif now_s >= child.restart_at_s:
            child.restart_at_s = float("inf")
            child.started_s = now_s
            try:
                child.handle = self._spawn(child.process, child.settings)
            except OSError as error:  # no memory, no more processes
                log.error("can't be started", process=child.process.name, why=str(error))
                self._plan_restart(child, now_s)

    def _note_death(self, child: _Child, now_s: float) -> None:
        handle, child.handle = child.handle, None
        self._reap_orphans()
        child.ended = _ending(handle.returncode) if isinstance(handle, psutil.Popen) else ""
        log.warning("it has ended by itself", process=child.process.name, how=child.ended or "unknown")
        if now_s - child.started_s >= MIN_UPTIME_S:
            child.failed_starts, child.delay_s = 0, 0.0
        child.restarts += 1
        child.failed_starts += 1
        self._plan_restart(child, now_s)

    def _reap_orphans(self) -> None:
        """As a container's first process we inherit a dead server's workers, and must note their ends."""
        if os.getpid() != 1:
            return
        ours = {child.handle.pid for child in self._children.values() if child.handle is not None}
        for process in psutil.Process().children():
            with suppress(psutil.Error, ChildProcessError):
                if process.pid not in ours and process.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(process.pid, os.WNOHANG)

    def _plan_restart(self, child: _Child, now_s: float) -> None:
        grown_s = min(MAX_RESTART_DELAY_S, child.delay_s * RESTART_DELAY_GROWTH)
        child.delay_s = grown_s or FIRST_RESTART_DELAY_MS / 1000
        if child.failed_starts < self._settings.operations.max_restarts:
            child.restart_at_s = now_s + child.delay_s

    def _spawn(self, process: Process, settings: Settings) -> psutil.Process:
        settings.log_dir.mkdir(parents=True, exist_ok=True)
        out_file, error_file = log_files_of(process, settings)
        with Path(out_file).open("ab") as out, Path(error_file).open("ab") as err:
            return psutil.Popen(
                [sys.executable, str(PROJECT_ROOT / process.script), *process.args],
                cwd=PROJECT_ROOT,
                env=dict(os.environ) | environment_of(process, settings) | {MARK: self._mark(process.name)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def _mark(self, name: str) -> str:
        return f"{self._settings.data_dir}:{name}"

    def _find_running(self) -> dict[str, psutil.Process]:
        """Processes that an earlier orchestrator of this installation has left running, by name."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                folder, _, name = process.environ().get(MARK, "").rpartition(":")
                # what a process starts itself carries its mark too, but leads no session
                if folder == str(self._settings.data_dir) and os.getsid(process.pid) == process.pid:
                    found[name] = process
        return {name: process for name, process in found.items() if is_alive(process)}


def _started_with(handle: psutil.Process) -> tuple[tuple[str, ...], str]:
    """Its command line and the fingerprint of its settings."""
    with suppress(psutil.Error):
        return tuple(handle.cmdline()[2:]), handle.environ().get(STARTED_VARIABLE, "")
    return (), ""


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return "killed by " + next((s.name for s in signal.Signals if s == -code), f"signal {-code}")
