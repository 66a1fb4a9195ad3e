"""Keeps the journal within its room, and says when the disk or the journal forbids to take on tasks."""

from __future__ import annotations

from typing import Any

from subnet17.errors import JournalError
from subnet17.log import get_logger
from subnet17.mining.chain import ChainView
from subnet17.mining.clock import Clock
from subnet17.mining.journal import Journal
from subnet17.settings import Settings

log = get_logger()

LOOK_INTERVAL_S = 10.0
PRUNE_INTERVAL_S = 3600.0
LOCAL_SHARE = 0.02
"""Of the room that a public network asks for: a local one is for trials, also on small machines."""
KEPT_DAYS = 1.0
"""Answered tasks this young are kept also where the disk is full: their validators may ask again."""
ROOM_SHARE = 0.05
"""Of the floor, made beyond it: else the next assets would stop the pulling again."""


class Housekeeping:
    """Watches the journal and its disk."""

    def __init__(self, journal: Journal, chain: ChainView, settings: Settings, *, clock: Clock) -> None:
        self._journal = journal
        self._chain = chain
        self._settings = settings
        self._clock = clock
        self._free_bytes: int | None = None
        self._counts: dict[str, int] = {}

    @property
    def reason_not_to_pull(self) -> str:
        """Why no task should be taken on; empty when one may. Finished results go out all the same."""
        if self._journal.trouble:
            return self._journal.trouble
        floor = self._floor_bytes
        if self._free_bytes is None or self._free_bytes >= floor:
            return ""
        return (
            f"{self._free_bytes / 1e9:.2f} GB are free on the disk of {self._journal.folder}, "
            f"{floor / 1e9:.2f} GB are asked for: make room, or lower [operations] min_free_disk_bytes"
        )

    def follow(self, settings: Settings) -> None:
        """Takes over changed settings: how much is kept, and for how long."""
        self._settings = settings

    async def run(self) -> None:
        """Looks after the journal until cancelled.

        Raises:
            JournalError: it is damaged; a new process sets it aside.
        """
        pruned_s = -PRUNE_INTERVAL_S
        while True:
            if self._journal.broken.is_set():
                raise JournalError(f"the journal in {self._journal.folder} is damaged")
            now_s = self._clock.monotonic_s()
            if now_s >= pruned_s + PRUNE_INTERVAL_S:
                pruned_s = now_s
                await self._prune()
            self._free_bytes = await self._make_room()
            self._counts = await self._journal.counts()
            await self._clock.sleep(LOOK_INTERVAL_S)

    def as_json(self) -> dict[str, Any]:
        """For the status page."""
        return {
            "folder": str(self._journal.folder),
            "tasks": self._counts,
            "free_bytes": self._free_bytes,
            "trouble": self._journal.trouble,
        }

    @property
    def _floor_bytes(self) -> float:
        least = self._settings.operations.min_free_disk_bytes
        return least * (1.0 if self._chain.is_public else LOCAL_SHARE)

    async def _make_room(self) -> int:
        """Below the floor forgets the oldest answered tasks. What is free then, bytes."""
        free, forgotten = await self._journal.free_bytes(), 0
        if free >= self._floor_bytes:
            return free
        enough = self._floor_bytes * (1.0 + ROOM_SHARE)
        while free < enough:
            count = await self._journal.make_room(round(enough - free), keep_days=KEPT_DAYS)
            if not count:
                break
            forgotten += count
            free = await self._journal.free_bytes()
        if forgotten:
            log.warning(
                "disk nearly full, old tasks forgotten", tasks=forgotten, free_gb=round(free / 1e9, 2)
            )
        return free

    async def _prune(self) -> None:
        miner = self._settings.miner
        count = await self._journal.prune(days=miner.journal_days, max_bytes=miner.journal_max_bytes)
        if count:
            log.info("old tasks forgotten", tasks=count)
