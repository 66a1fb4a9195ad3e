"""The places where tasks are worked on, and who gets the next one.

A place is reserved before a task is pulled: the price clock runs from the assignment, so nothing is pulled
that would have to wait. One exception, one task at a time: when a running task is about to end, the next one
is asked for early, by the time that a pull takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from subnet17.mining.clock import Clock
from subnet17.mining.records import Record
from subnet17.mining.tasks import Assignment

FIRST_WORK_S = 30.0
"""Believed of a task before the first has ended: the free time."""
SMOOTHING = 0.2


@dataclass(eq=False)
class Job:
    """A task in its place.

    Attributes:
        record: What the journal knows of it, if it was begun before.
    """

    assignment: Assignment
    record: Record | None = None
    _came_s: float = 0.0
    _gave_up_its_place: bool = False
    _warning: asyncio.Task[None] | None = field(default=None, repr=False)


class Bench:
    """So many places for tasks.

    Attributes:
        work_s: How long a task holds its place, smoothed.
    """

    def __init__(self, places: int, *, clock: Clock) -> None:
        self.working = 0
        self.work_s = FIRST_WORK_S
        self._clock = clock
        self._places = asyncio.Semaphore(places)
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()
        self._someone_ends = False

    @property
    def occupied(self) -> int:
        """Tasks worked on or waiting."""
        return self.working + self._jobs.qsize()

    async def reserve(self) -> None:
        """Waits for a place; follow with `put` or `give_back`."""
        await self._places.acquire()

    def give_back(self) -> None:
        """The reserved place is not needed."""
        self._places.release()

    def put(self, job: Job) -> None:
        """Puts a task in the reserved place."""
        job._came_s = self._clock.monotonic_s()
        self._jobs.put_nowait(job)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Job]:
        """The next task, for as long as it is worked on."""
        job = await self._jobs.get()
        self.working += 1
        try:
            yield job
        finally:
            self.working -= 1
            if job._warning is not None:
                job._warning.cancel()
            if job._gave_up_its_place:
                self._someone_ends = False
            else:
                self._free(job)

    def will_end(self, job: Job, in_s: float) -> None:
        """A running task will probably end in so many seconds: its place may be reserved already then."""
        if job._warning is None:
            job._warning = asyncio.create_task(self._give_up_later(job, in_s), name="early pull")

    async def _give_up_later(self, job: Job, in_s: float) -> None:
        await self._clock.sleep(max(0.0, in_s))
        if not self._someone_ends:
            self._someone_ends = job._gave_up_its_place = True
            self._free(job)

    def _free(self, job: Job) -> None:
        held_s = self._clock.monotonic_s() - job._came_s
        self.work_s += SMOOTHING * (held_s - self.work_s)
        self._places.release()
