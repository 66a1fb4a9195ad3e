"""Services of this installation that are alive and known to no supervisor that can be asked.

Such are those of another user's PM2, of a PM2 whose home nobody remembers, or left by one that was killed.
They are told and never touched. Not covered: what was started by hand, or by systemd.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from subnet17.last_good import STARTED_VARIABLE
from subnet17.ops.children import MARK
from subnet17.ops.processes import Process, list_processes
from subnet17.ops.state import Files
from subnet17.ops.supervisor import Seen, is_alive
from subnet17.settings import PROJECT_ROOT, Settings
from subnet17.settings_sources import PREFIX

DATA_DIR_VARIABLE = f"{PREFIX}OPERATIONS__DATA_DIR"
GONE_S = 3.0
"""What was stopped a moment ago may still be listed for so long."""
POLL_S = 0.1


@dataclass(frozen=True)
class Stray:
    """One of them.

    Attributes:
        name: As PM2 shows it.
        user: Whose process it is.
        pm2_home: Of the PM2 that started it, as it says or else as was kept; empty where neither is known.
    """

    name: str
    pid: int
    user: str
    pm2_home: str

    @property
    def why(self) -> str:
        """For a person."""
        under = f", started under PM2_HOME={self.pm2_home}" if self.pm2_home else ""
        return f"it runs as pid {self.pid} of user {self.user}{under}, and can't be ordered from here"


def find_strays(
    settings: Settings, seen: Mapping[str, Seen], *, before_s: float = float("inf")
) -> list[Stray]:
    """Those that are alive.

    Args:
        seen: What the supervisors that can be asked know; what runs of that, or is about to, is no stray.
        before_s: Unix time at which they were asked: what was started later is not looked for.
    """
    known = {name for name, one in seen.items() if one.life not in {"stopped", "given_up"}}
    wanted = {p.name: p for p in list_processes(settings, local=True) if p.name not in known}
    return list(_look(settings, wanted, before_s)) if wanted else []


def wait_for_strays(settings: Settings) -> list[Stray]:
    """Those that are alive after all were stopped, and stay so."""
    deadline_s = time.monotonic() + GONE_S
    while (left := find_strays(settings, {})) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    return left


def tell_of(strays: Collection[Stray]) -> str:
    """Which there are, and what to do about them."""
    named = "; ".join(f"{stray.name}: {stray.why}" for stray in strays)
    return f"{named}. Stop them as that user with that PM2_HOME (./stop_mining.sh), or by kill"


def _look(settings: Settings, wanted: Mapping[str, Process], before_s: float) -> Iterable[Stray]:
    scripts = {str(PROJECT_ROOT / process.script): name for name, process in wanted.items()}
    kept = ""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            name = next((scripts[part] for part in process.cmdline()[1:2] if part in scripts), "")
            if not name or process.create_time() > before_s or not is_alive(process):
                continue
            environ = _environ_of(process)
            if environ is not None and not _is_ours(environ, settings):
                continue
            kept = kept or Files(settings).read_state().pm2_home
            home = kept if environ is None else environ.get("PM2_HOME", "")
            yield Stray(name, process.pid, process.username(), home)


def _environ_of(process: psutil.Process) -> dict[str, str] | None:
    """None where it is another user's."""
    try:
        return process.environ()
    except (psutil.AccessDenied, OSError):
        return None


def _is_ours(environ: Mapping[str, str], settings: Settings) -> bool:
    """Whether a supervisor of this installation started it: another one has a data folder of its own."""
    if MARK in environ:
        return environ[MARK].rpartition(":")[0] == str(settings.data_dir)
    same = environ.get(DATA_DIR_VARIABLE, "") == os.environ.get(DATA_DIR_VARIABLE, "")
    return same and STARTED_VARIABLE in environ
