"""Bounded admission: a few jobs run, a few wait, the rest is refused at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from subnet17.deadline import Deadline
from subnet17.errors import OverloadedError, QueuedTooLongError

TYPICAL_JOB_S = 1.0
"""Assumed length of a job until the first one was measured."""
SMOOTHING = 0.2
"""Weight of the newest job in the moving average of job lengths."""


class JobQueue:
    """Admits up to `limit` jobs, of which `slots` run at once, first come first served.

    Args:
        slots: Jobs that run at the same time.
        limit: Jobs admitted at the same time, running ones included.
    """

    def __init__(self, *, slots: int, limit: int) -> None:
        self.slots = slots
        self.set_limit(limit)
        self.admitted = 0
        self.running = 0
        self._average_s = TYPICAL_JOB_S
        self._free = asyncio.Semaphore(slots)

    def set_limit(self, limit: int) -> None:
        """Admits up to `limit` from now on; who is in stays in."""
        self.limit = max(limit, self.slots)

    @property
    def waiting(self) -> int:
        """Jobs admitted that do not run yet."""
        return self.admitted - self.running

    @property
    def retry_after_s(self) -> int:
        """Whole seconds after which a slot is likely to be free."""
        return max(1, math.ceil(self._average_s * self.admitted / self.slots))

    def check_room(self) -> None:
        """Raises `OverloadedError` when `limit` jobs are admitted already."""
        if self.admitted >= self.limit:
            raise OverloadedError(
                f"{self.admitted} jobs are admitted, at most {self.limit} are allowed",
                admitted=self.admitted,
                limit=self.limit,
                retry_after_s=self.retry_after_s,
            )

    @asynccontextmanager
    async def slot(self, deadline: Deadline) -> AsyncIterator[None]:
        """Waits for a slot and holds it.

        Raises:
            OverloadedError: `limit` jobs are admitted already.
            QueuedTooLongError: no slot came free in time; the job was not started.
        """
        self.check_room()
        self.admitted += 1
        try:
            await self._wait(deadline)
            self.running += 1
            started_s = time.monotonic()
            try:
                yield
            finally:
                self.running -= 1
                self._average_s += SMOOTHING * (time.monotonic() - started_s - self._average_s)
                self._free.release()
        finally:
            self.admitted -= 1

    async def _wait(self, deadline: Deadline) -> None:
        try:
            # not wait_for: it swallows a cancellation that arrives together with the slot, and the slot leaks
            async with asyncio.timeout(deadline.check("a free worker", QueuedTooLongError)):
                await self._free.acquire()
        except TimeoutError:
            raise QueuedTooLongError("no worker came free before the deadline", stage="queue") from None

    def as_json(self) -> dict[str, float | int]:
        """For `/status/`."""
        return {
            "running": self.running,
            "waiting": self.waiting,
            "slots": self.slots,
            "limit": self.limit,
            "average_job_s": round(self._average_s, 3),
        }
