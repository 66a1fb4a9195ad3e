"""Watches the machine: measures, judges, tells, and relieves it. One object for the orchestrator to run.

The miner is asked to hold back over HTTP, old runs are deleted where the operator allowed it; processes are
neither started nor stopped here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ValidationError

from subnet17.log import get_logger
from subnet17.ops.announce import Announcer
from subnet17.ops.limits import Alert, Limits, Relief, limits_of
from subnet17.ops.miner_hold import MinerHold
from subnet17.ops.old_runs import clean_up
from subnet17.ops.resources import Machine, Measure
from subnet17.settings import Settings

log = get_logger()

CLEAN_UP_INTERVAL_S = 3600.0
URGENT_INTERVAL_S = 60.0
HOLD_LOOKS = 4
"""A hold outlasts so many looks: the miner goes on when the monitor has not come back by then."""
LOOK_S = 30.0
"""One look may take so long when the network does not answer."""
MAX_HOLD_S = 86_400.0
FLUSH_S = 5.0


class MachineLook(BaseModel):
    """The last look at the machine, for those who ask how it stands.

    Attributes:
        alerts: Those that stand, in words.
        relief: What they ask of the miner: none, less_at_once or no_new_tasks.
        next_within_s: The next look comes within this time, while somebody watches.
    """

    at_unix_s: float
    measures: list[Measure]
    alerts: list[str]
    relief: str
    next_within_s: float


def read_last_look(settings: Settings) -> MachineLook | None:
    """The last look; None where nobody watches now."""
    try:
        look = MachineLook.model_validate_json(_look_path(settings).read_bytes())
    except (OSError, ValidationError):
        return None
    return look if 0 <= time.time() - look.at_unix_s <= look.next_within_s else None


def _look_path(settings: Settings) -> Path:
    return settings.data_dir / "orchestrator" / "machine.json"


class Reader(Protocol):
    """Takes all measures."""

    def follow(self, settings: Settings) -> None: ...

    async def read(self) -> list[Measure]: ...


class Monitor:
    """See the module. `sample()` is one look; `run()` looks until it is cancelled.

    Args:
        settings: Limits, intervals, whom to tell.
        local: The miner runs on a local subnet: less disk is needed, nobody outside is asked.
        machine: Takes the measures; replaced in tests.
        announcer: Tells; replaced in tests.
        clock: Monotonic seconds; replaced in tests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        local: bool = False,
        machine: Reader | None = None,
        announcer: Announcer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._local = local
        self._clock = clock
        self._machine = machine or Machine(settings, local=local)
        self._announcer = announcer or Announcer()
        self._limits = Limits((), hold_s=0.0, repeat_s=0.0)
        self._miner = MinerHold(settings, hold_for_s=MAX_HOLD_S)
        self._cleaned_s = float("-inf")
        self._path = _look_path(settings)
        self.follow(settings)

    def follow(self, settings: Settings) -> None:
        """Goes by changed settings from the next look on."""
        self._operations = operations = settings.operations
        self._machine.follow(settings)
        self._announcer.change(webhook_url=operations.alert_webhook_url, command=operations.alert_command)
        self._limits.change(
            limits_of(operations, local=self._local),
            hold_s=operations.alert_hold_s,
            repeat_s=operations.alert_repeat_s,
        )
        self._miner.hold_for_s = min(HOLD_LOOKS * operations.resources_interval_s + LOOK_S, MAX_HOLD_S)

    async def run(self) -> None:
        """Looks every `resources_interval_s` until it is cancelled. A look that fails is logged."""
        telling = asyncio.create_task(self._announcer.run(), name="announcer")
        try:
            while True:
                try:
                    await self.sample()
                except Exception:
                    log.exception("a look at the machine failed")
                await asyncio.sleep(self._operations.resources_interval_s)
        finally:
            await self._announcer.flush(FLUSH_S)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await self._miner.aclose()

    async def sample(self) -> list[Alert]:
        """One look: measures, tells what has changed, relieves. Gives back what was told."""
        measures = await self._machine.read()
        now_s = self._clock()
        alerts = self._limits.judge(measures, now_s)
        for alert in alerts:
            self._announcer.tell(alert)
        self._keep(measures, now_s)
        await self._miner.ask(self._limits.relief, self._reason(now_s))
        await self._clean_up(now_s)
        return alerts

    def _keep(self, measures: list[Measure], now_s: float) -> None:
        look = MachineLook(
            at_unix_s=time.time(),
            measures=measures,
            alerts=[alert.message for alert in self._limits.standing(now_s)],
            relief=self._limits.relief.name.lower(),
            next_within_s=self._operations.resources_interval_s + LOOK_S,
        )
        text = look.model_dump_json()
        new = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(text, encoding="utf-8")
            new.replace(self._path)
        except OSError:
            with (
                suppress(OSError),
                self._path.open("r+", encoding="utf-8") as file,
            ):  # a full disk has its place yet
                file.write(text)
                file.truncate()

    def _reason(self, now_s: float) -> str:
        standing = [alert for alert in self._limits.standing(now_s) if alert.relief is not Relief.NONE]
        return "; ".join(alert.message for alert in standing)

    async def _clean_up(self, now_s: float) -> None:
        urgent = self._limits.wants_room
        if now_s - self._cleaned_s >= (URGENT_INTERVAL_S if urgent else CLEAN_UP_INTERVAL_S):
            self._cleaned_s = now_s
            await asyncio.to_thread(clean_up, self._operations, urgent=urgent)
