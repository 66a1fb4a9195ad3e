"""Jobs of three steps: prepared on the CPU, computed at the device, finished on the CPU.

The workers in front read what strangers send, under a memory limit that a process with a GPU can't have; a
crash there costs no models. While the worker at the back computes, the next job is prepared and the last one
is finished.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from subnet17.deadline import Deadline
from subnet17.errors import QueuedTooLongError
from subnet17.serving.handoff import Folders, Parcel, pack, unpack
from subnet17.serving.workers import WorkerPool
from subnet17.settings import Settings

R = TypeVar("R")

Step = Callable[..., Any]


@dataclass(frozen=True)
class Relay:
    """A job's steps. One that returns bytes has finished the job, and the others are left out.

    Attributes:
        prepare: Takes the job's arguments. compute, finish: Take what the step before gave.
    """

    prepare: Step
    compute: Step
    finish: Step

    def __call__(self, *args: Any) -> bytes:
        """All steps in one process."""
        value = self.prepare(*args)
        for step in (self.compute, self.finish):
            if isinstance(value, bytes):
                return value
            value = step(value)
        assert isinstance(value, bytes)  # noqa: S101 - what a last step is
        return value


class RelayPool:
    """Two pools as one: to `Jobs` it is a `WorkerPool`.

    Args:
        front: Prepares and finishes.
        back: Computes.
    """

    def __init__(self, front: WorkerPool, back: WorkerPool) -> None:
        self.front = front
        self.back = back
        self.workers = front.workers + back.workers
        self._free = {pool: asyncio.Semaphore(pool.workers) for pool in (front, back)}
        self._numbers = itertools.count()
        self._folders: Folders | None = None

    @property
    def _pools(self) -> tuple[WorkerPool, WorkerPool]:
        return self.back, self.front

    @property
    def deaths(self) -> int:
        """Workers that died or were killed."""
        return sum(pool.deaths for pool in self._pools)

    @property
    def lost(self) -> bool:
        """Whether the device needs a new server process."""
        return any(pool.lost for pool in self._pools)

    @property
    def on_lost(self) -> Callable[[], None]:
        """Called when the device is lost."""
        return self.back.on_lost

    @on_lost.setter
    def on_lost(self, call: Callable[[], None]) -> None:
        for pool in self._pools:
            pool.on_lost = call

    @property
    def reason(self) -> str | None:
        """Why no job can be taken now; None when one can."""
        return next((pool.reason for pool in self._pools if pool.reason), None)

    @property
    def ready(self) -> bool:
        """Whether a worker of each kind can take a job."""
        return self.reason is None

    @property
    def news(self) -> list[dict[str, Any]]:
        """What the workers at the back told, then those in front."""
        return [news for pool in self._pools for news in pool.news]

    def follow(self, settings: Settings) -> None:
        """See `WorkerPool.follow`."""
        for pool in self._pools:
            pool.follow(settings)

    def check_ready(self) -> None:
        """See `WorkerPool.check_ready`."""
        for pool in self._pools:
            pool.check_ready()

    async def keep_ready(self) -> None:
        """Loads both, until it is cancelled."""
        async with asyncio.TaskGroup() as both:
            for pool in self._pools:
                both.create_task(pool.keep_ready())

    async def run(self, job: Callable[..., R], *args: Any, timeout_s: float) -> R:
        """Runs a job within `timeout_s`: a `Relay` in steps, another one in front.

        Raises:
            QueuedTooLongError: no worker came free in time.
            S17Error: as `WorkerPool.run`.
        """
        deadline = Deadline.after(timeout_s)
        if isinstance(job, Relay):
            return await self._relay(job, args, deadline)  # type: ignore[return-value] # a Relay's are bytes
        async with self._free_worker(self.front, deadline) as left_s:
            return await self.front.run(job, *args, timeout_s=left_s)

    async def _relay(self, job: Relay, args: tuple[Any, ...], deadline: Deadline) -> bytes:
        self._folders = self._folders or Folders()
        number = next(self._numbers)
        first, second = ([path / f"{number}-{step}" for path in self._folders.paths] for step in (1, 2))
        try:
            value = await self._step(self.front, deadline, _prepare, job.prepare, args, first)
            if isinstance(value, Parcel):
                value = await self._step(self.back, deadline, _go_on, job.compute, value, second)
            if isinstance(value, Parcel):
                value = await self._step(self.front, deadline, _go_on, job.finish, value, [])
        finally:  # what no worker has fetched, since it died or its time was up
            for path in (*first, *second):
                path.unlink(missing_ok=True)
        assert isinstance(value, bytes)  # noqa: S101 - what a last step gives
        return value

    async def _step(self, pool: WorkerPool, deadline: Deadline, *call: Any) -> bytes | Parcel:
        # A job that waited inside the pool would have its time counted from its start there.
        async with self._free_worker(pool, deadline) as left_s:
            result: bytes | Parcel = await pool.run(*call, timeout_s=left_s)
        return result

    @asynccontextmanager
    async def _free_worker(self, pool: WorkerPool, deadline: Deadline) -> AsyncIterator[float]:
        """Waits for a worker of `pool` and holds it; yields the seconds that are left then."""
        free = self._free[pool]
        try:
            async with asyncio.timeout(deadline.check("a free worker", QueuedTooLongError)):
                await free.acquire()
        except TimeoutError:
            raise QueuedTooLongError("no worker came free before the deadline", stage="queue") from None
        try:
            yield deadline.check("a free worker began", QueuedTooLongError)
        finally:
            free.release()

    async def close(self) -> None:
        """Ends all workers, killing what still runs."""
        await asyncio.gather(*(pool.close() for pool in self._pools))
        if self._folders:
            self._folders.remove()


def _prepare(step: Step, args: tuple[Any, ...], paths: list[Path]) -> bytes | Parcel:
    return _packed(step(*args), paths)


def _go_on(step: Step, parcel: Parcel, paths: list[Path]) -> bytes | Parcel:
    return _packed(step(unpack(parcel)), paths)


def _packed(value: Any, paths: list[Path]) -> bytes | Parcel:
    return value if isinstance(value, bytes) else pack(value, paths)
