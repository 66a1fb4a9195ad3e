"""Who starts, stops and restarts processes: PM2, or our own children (children.py). One interface for both.

The supervisor alone restarts what crashes. What it can't see (alive, but hung) is the keeper's business.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import psutil

from subnet17.errors import ConfigError
from subnet17.ops import pm2
from subnet17.ops.processes import Process, fingerprint
from subnet17.settings import Settings

R = TypeVar("R")

LOOK_AGAIN_S = 0.8
"""Looks within this time share one call of PM2, which costs a fifth of a second of computing."""

Life = Literal["up", "between", "given_up", "stopped", "lost"]


@dataclass(frozen=True)
class Seen:
    """A process as its supervisor sees it.

    Attributes:
        life: between: it crashed and is about to be restarted; given_up: it has failed too often in a row;
            stopped: by somebody else; lost: the supervisor that started it was killed, alone or with it.
        pid: 0 while there is none.
        restarts: How often the supervisor has restarted it, or is about to, since it was started.
        ended: How it ended last, where that is known.
        args: Its command line.
        settings: Fingerprint of the settings that it was started with.
    """

    life: Life
    pid: int = 0
    restarts: int = 0
    ended: str = ""
    args: tuple[str, ...] = ()
    settings: str = ""

    def why_outdated(self, process: Process, settings: Settings) -> str:
        """Why it is not what would be started now; empty when it is.

        Args:
            process: As it would be started now, under these settings.
        """
        if self.args != process.args:
            return "it runs in another mode"
        return "" if self.settings == fingerprint(process, settings) else "its settings have changed"


class Supervisor(Protocol):
    """Starts, restarts after a crash, and stops processes."""

    kind: str

    async def look(self) -> dict[str, Seen]:
        """All processes of ours that it knows, by name."""

    async def start(self, process: Process, settings: Settings) -> None:
        """Starts a process with these settings, in place of what is left of an earlier one of that name."""

    async def stop(self, process: Process, *, within_s: float | None = None) -> None:
        """Asks it to end, kills it after a time; returns once it is gone. Stops don't wait for each other.

        Args:
            within_s: How long it may take where that is shorter than the kill timeout; None: that.
        """

    async def clear(self) -> None:
        """Leaves nothing behind after all were stopped."""

    async def tend(self) -> None:
        """Restarts what crashes, until it is cancelled."""


class Pm2Supervisor:
    """PM2 as the supervisor.

    Args:
        processes: Those that may be started.
        local: With a local subnet.
    """

    kind = "pm2"

    def __init__(self, settings: Settings, processes: list[Process], *, local: bool) -> None:
        self._kill_timeout_s = settings.operations.kill_timeout_s
        self._names = {p.name for p in processes}
        self._local = local
        self._calls = threading.Lock()
        self._apps: dict[str, pm2.Pm2App] = {}
        self._looked_s = self._listed_s = self._changed_s = float("-inf")
        self._turns: dict[str, threading.Lock] = {p.name: threading.Lock() for p in processes}
        """One start or stop of an app at a time: a second signal would end a draining miner at once."""
        self._last: dict[str, psutil.Process] = {}
        self._daemon = 0
        self._killed: set[str] = set()
        """Apps whose PM2 is gone."""

    async def look(self) -> dict[str, Seen]:
        """All apps of this checkout, by name.

        Raises:
            PeerError: PM2 fails.
            ConfigError: another checkout's app has one of our names.
        """
        apps = await self._call(self._list_apps)
        seen = {name: self._seen(app) for name, app in apps.items() if name in self._names}
        self._killed -= seen.keys()
        for name, process in self._last.items():
            if name in seen:
                continue
            if is_alive(process):
                seen[name] = Seen("lost", process.pid)
            elif name in self._killed:
                seen[name] = Seen("lost")
        return seen

    def _list_apps(self) -> dict[str, pm2.Pm2App]:
        if self._looked_s <= self._changed_s or time.monotonic() - self._listed_s > LOOK_AGAIN_S:
            self._looked_s = time.monotonic()
            self._apps = pm2.list_apps()
            daemon, self._daemon = self._daemon, pm2.daemon_pid()
            # another one knows nothing of the last one's apps
            if daemon not in {0, self._daemon}:
                self._killed |= self._last.keys()
            self._listed_s = time.monotonic()
        return self._apps

    def _seen(self, app: pm2.Pm2App) -> Seen:
        if not app.ours:
            raise ConfigError(
                f"PM2 already runs an app {app.name} from {app.cwd}: stop it there, or use another PM2_HOME",
                name=app.name,
            )
        if app.online and app.pid:
            self._remember(app)
        life: Life = {"errored": "given_up", "stopped": "stopped"}.get(  # type: ignore[assignment]
            app.status, "up" if app.online and app.pid else "between"
        )
        pid = app.pid if life == "up" else 0
        return Seen(life, pid, app.restarts, args=app.args, settings=app.settings)

    def _remember(self, app: pm2.Pm2App) -> None:
        known = self._last.get(app.name)
        if known is None or known.pid != app.pid:
            try:
                self._last[app.name] = psutil.Process(app.pid)
            except psutil.NoSuchProcess:
                self._last.pop(app.name, None)

    async def start(self, process: Process, settings: Settings) -> None:
        """Starts the app; one that is listed already is taken off first. PM2 reads the settings itself."""

        def start() -> None:
            settings.log_dir.mkdir(parents=True, exist_ok=True)
            with self._turns[process.name]:
                if process.name in self._list_apps():
                    pm2.delete_app(process.name, self._kill_timeout_s)
                pm2.start_app(process.name, local=self._local)

        await self._change(start)

    async def stop(self, process: Process, *, within_s: float | None = None) -> None:
        """Stops the app; it stays on PM2's list as stopped."""
        app = (await self._call(self._list_apps)).get(process.name)
        limit_s = min(self._kill_timeout_s, self._kill_timeout_s if within_s is None else within_s)

        def stop() -> None:
            if app is None:
                if (left := self._last.get(process.name)) is not None and is_alive(left):
                    end_process(left, limit_s)
            elif limit_s < self._kill_timeout_s:
                with killed_after(app.pid, limit_s):  # PM2 itself knows one limit only
                    pm2.stop_app(process.name, self._kill_timeout_s)
            else:
                pm2.stop_app(process.name, self._kill_timeout_s)

        def stop_in_turn() -> None:
            with self._turns[process.name]:
                stop()

        try:
            await asyncio.to_thread(
                stop_in_turn
            )  # without the lock: others are looked at, and stopped, meanwhile
        finally:
            self._changed_s = time.monotonic()
        self._last.pop(process.name, None)

    async def clear(self) -> None:
        """Takes our stopped apps off the list, and ends PM2's own process when it has no other."""

        def clear() -> None:
            for name, app in pm2.list_apps().items():
                if name in self._names and app.ours and not app.online:
                    pm2.delete_app(name, self._kill_timeout_s)
            if not pm2.list_apps():
                pm2.end_daemon()

        await self._change(clear)

    async def tend(self) -> None:
        """PM2 does it."""
        await asyncio.Event().wait()

    async def _change(self, action: Callable[[], None]) -> None:
        try:
            await self._call(action)
        finally:
            self._changed_s = time.monotonic()

    async def _call(self, action: Callable[[], R]) -> R:
        def call() -> R:
            with self._calls:
                return action()

        return await asyncio.to_thread(call)


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs, and is not just waiting for its parent to note its end."""
    if isinstance(process, psutil.Popen):
        return process.poll() is None  # notes it
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def killed_after(pid: int, limit_s: float) -> Iterator[None]:
    """While the block runs: SIGKILL for a process and all that it has started, once the time is over."""
    try:
        doomed = psutil.Process(pid) if pid else None
    except psutil.NoSuchProcess:
        doomed = None

    def kill() -> None:
        if doomed is None:
            return
        with suppress(psutil.Error):
            for process in [*doomed.children(recursive=True), doomed]:
                with suppress(psutil.Error):
                    process.kill()

    timer = threading.Timer(limit_s, kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def end_process(process: psutil.Process, kill_timeout_s: float) -> None:
    """SIGTERM, then SIGKILL."""
    try:
        process.terminate()
        process.wait(kill_timeout_s)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()
    except psutil.NoSuchProcess:
        return
