"""How long each process was healthy, by day, as the orchestrator saw it.

While `mining_orchestrator.py run` lives, its state is looked at every few seconds and the time since the
last look is counted as healthy or not: what is starting, failing, restarting or put aside is not. What the
operator stopped, and time in which no orchestrator ran, is not counted at all: nobody knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import BaseModel, Field, ValidationError

from subnet17.log import get_logger
from subnet17.ops.state import Files, State
from subnet17.settings import Settings

log = get_logger()

LOOK_S = 5.0
MAX_GAP_S = 30.0
"""Between two looks that belong together; a longer gap (a machine that slept) is not counted."""
SAVE_S = 60.0
KEPT_DAYS = 30
NAME = "uptime.json"


class Day(BaseModel):
    """Seconds of one process on one day."""

    watched_s: float = 0.0
    healthy_s: float = 0.0


class Uptime(BaseModel):
    """By day (UTC, 2026-01-31), then by process."""

    days: dict[str, dict[str, Day]] = Field(default_factory=dict)

    def note(self, state: State, *, now_s: float, since_s: float) -> None:
        """Counts the time since the last look."""
        if not 0 < now_s - since_s <= MAX_GAP_S:
            return
        today = self.days.setdefault(_day_of(now_s), {})
        for name, process in state.processes.items():
            if process.doing in {"down", "stopping"}:
                continue
            day = today.setdefault(name, Day())
            day.watched_s += now_s - since_s
            day.healthy_s += (now_s - since_s) * (process.doing == "healthy")
        for old in sorted(self.days)[:-KEPT_DAYS]:
            del self.days[old]

    def shares(self, *, days: int, now_s: float) -> dict[str, Day]:
        """The sums of the last days, by process."""
        wanted = {_day_of(now_s - number * 86_400) for number in range(days)}
        sums: dict[str, Day] = {}
        for date, processes in self.days.items():
            for name, day in processes.items() if date in wanted else ():
                total = sums.setdefault(name, Day())
                total.watched_s += day.watched_s
                total.healthy_s += day.healthy_s
        return sums


def read_uptime(settings: Settings) -> Uptime:
    """What was counted so far; nothing where nobody counted, or the file can't be read, which is logged."""
    path = Files(settings).folder / NAME
    try:
        return Uptime.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Uptime()
    except (OSError, ValidationError) as error:
        log.warning("uptime can't be read, it is counted anew", file=str(path), why=str(error)[:200])
        return Uptime()


class UptimeWatch:
    """Counts while the orchestrator runs; one of its watchers.

    Args:
        settings: Say where state and count lie.
        clock: Unix seconds; replaced in tests.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._files = Files(settings)
        self._clock = clock
        self._uptime = read_uptime(settings)
        self._looked_s = self._saved_s = clock()

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                self.look()
        finally:
            self._save()

    def look(self) -> None:
        """One look."""
        now_s = self._clock()
        self._uptime.note(self._files.read_state(), now_s=now_s, since_s=self._looked_s)
        self._looked_s = now_s
        if now_s - self._saved_s >= SAVE_S:
            self._save()

    def _save(self) -> None:
        self._saved_s = self._clock()
        path = self._files.folder / NAME
        new = path.with_suffix(".new")
        try:  # not forced to the disk: a minute's count is not worth it
            new.write_text(self._uptime.model_dump_json(), encoding="utf-8")
            new.replace(path)
        except OSError as error:
            log.warning("uptime can't be saved", why=str(error))


def _day_of(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d")
