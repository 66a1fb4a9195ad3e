"""The way of a job through a server: deadline, queue, breaker, worker, counters."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from subnet17.deadline import Deadline
from subnet17.errors import (
    CallerGoneError,
    DeadlineError,
    InvalidInputError,
    NotOfferedError,
    OverloadedError,
    QueuedTooLongError,
    S17Error,
    UnavailableError,
)
from subnet17.serving.breaker import CircuitBreaker
from subnet17.serving.queue import JobQueue
from subnet17.serving.relay import RelayPool
from subnet17.serving.workers import WorkerPool
from subnet17.settings import ServerTable, Settings

R = TypeVar("R")

FAIR_JOB_S = 10.0
"""A started job has at least this long, or the server's own limit: else each request of a caller in a hurry
could have a worker killed and its models loaded anew."""


class Jobs:
    """Runs jobs for one server, and counts them.

    Args:
        pool: The worker processes.
        settings: The server's table.
    """

    def __init__(self, pool: WorkerPool | RelayPool, settings: ServerTable) -> None:
        self.pool = pool
        self.longest_s = settings.request_timeout_s
        self.queue = JobQueue(slots=pool.workers, limit=settings.max_concurrent_requests)
        self.breaker = CircuitBreaker(min_failures=settings.circuit_breaker_failure_threshold)
        self.counts = {"succeeded": 0, "refused": 0, "failed": 0, "shed": 0, "abandoned": 0}
        self.registry = CollectorRegistry()
        self._total = Counter("s17_jobs", "Jobs by outcome", ["outcome"], registry=self.registry)
        self._seconds = Histogram("s17_job_seconds", "Time in a worker", registry=self.registry)
        for name, read in (
            ("s17_queue_running", lambda: self.queue.running),
            ("s17_queue_waiting", lambda: self.queue.waiting),
            ("s17_worker_deaths", lambda: self.pool.deaths),
            ("s17_ready", lambda: int(pool.ready)),
            ("s17_breaker_open", lambda: int(self.breaker.state != "closed")),
        ):
            Gauge(name, name.removeprefix("s17_").replace("_", " "), registry=self.registry).set_function(
                read
            )

    def follow(self, table: ServerTable, settings: Settings) -> None:
        """Takes over changed settings, for jobs that come from now on.

        Args:
            table: The server's.
            settings: All of them, for the workers.
        """
        self.pool.follow(settings)
        self.longest_s = table.request_timeout_s
        self.queue.set_limit(table.max_concurrent_requests)
        self.breaker.set_min_failures(table.circuit_breaker_failure_threshold)

    @property
    def retry_after_s(self) -> int:
        """When a caller who was sent away should come back."""
        return self.breaker.retry_after_s if self.breaker.state != "closed" else self.queue.retry_after_s

    def check_open(self) -> None:
        """Refuses a request before its body is read.

        Raises:
            UnavailableError: no worker is loaded.
            OverloadedError: the queue is full.
        """
        try:
            self.pool.check_ready()
            self.queue.check_room()
        except (OverloadedError, UnavailableError):
            self._count("shed")
            raise

    async def run(
        self,
        job: Callable[..., R],
        *args: Any,
        deadline: Deadline,
        gone: Callable[[], Awaitable[bool]] | None = None,
    ) -> R:
        """Runs `job(*args)` in a worker process before `deadline`.

        Args:
            job: Module-level function.
            deadline: After it the caller no longer wants the answer.
            gone: Whether the caller has hung up; asked once, when the job's turn has come.

        Raises:
            S17Error: what the job raised, or why it was not run.
        """
        admitted = False
        try:
            self.pool.check_ready()
            async with self.queue.slot(deadline):
                if gone is not None and await gone():
                    raise CallerGoneError("the caller hung up before the job's turn")
                is_probe = self.breaker.admit()
                admitted = True
                return await self._run_admitted(job, args, deadline, probe=is_probe)
        except CallerGoneError:
            self._count("abandoned")
            raise
        except (OverloadedError, QueuedTooLongError, UnavailableError):
            if not admitted:
                self._count("shed")
            raise

    async def _run_admitted(
        self, job: Callable[..., R], args: tuple[Any, ...], deadline: Deadline, *, probe: bool
    ) -> R:
        allowed_s = max(deadline.remaining_s, min(FAIR_JOB_S, self.longest_s))
        started_s = time.monotonic()
        try:
            result = await self.pool.run(job, *args, timeout_s=allowed_s)
        except InvalidInputError:
            self.breaker.succeed(probe=probe)
            self._count("refused")
            raise
        except (QueuedTooLongError, NotOfferedError):
            self.breaker.release(probe=probe)
            self._count("shed")
            raise
        except S17Error as error:
            if isinstance(error, DeadlineError) and deadline.by_caller and allowed_s < self.longest_s:
                self.breaker.release(probe=probe)  # it might have been done within the server's own limit
            else:
                self.breaker.fail(probe=probe)
            self._count("failed")
            raise
        except BaseException:
            self.breaker.release(probe=probe)
            raise
        self.breaker.succeed(probe=probe)
        self._count("succeeded")
        self._seconds.observe(time.monotonic() - started_s)
        return result

    def _count(self, outcome: str) -> None:
        self.counts[outcome] += 1
        self._total.labels(outcome).inc()

    def as_json(self) -> dict[str, object]:
        """For `/status/`."""
        return {
            "queue": self.queue.as_json(),
            "breaker": self.breaker.as_json(),
            "jobs": dict(self.counts),
            "workers": {"count": self.pool.workers, "deaths": self.pool.deaths, "news": self.pool.news},
        }
