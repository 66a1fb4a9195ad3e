"""Tells which worker hangs without a job: it has loaded and is idle, and takes no job though one waits.

Such a worker overruns nothing, so no deadline of a job ends it. What counts is how often it was seen beside a
waiting job, not what a clock says: where the whole machine stood still, nobody could take a job either.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

LOOK_S = 0.5
"""Between two looks."""
TAKE_WITHIN_S = 10.0
"""A healthy worker takes a job within milliseconds; on a busy machine it may be some seconds."""


class Untaken:
    """The jobs that were handed to a pool, and for how many looks each idle worker took none of them."""

    def __init__(self) -> None:
        self._jobs: set[Future[Any]] = set()
        self._seen_waiting: set[Future[Any]] = set()
        self._looks: dict[int, int] = {}
        self._last_was_taken = True

    @contextmanager
    def offered(self, job: Future[Any]) -> Iterator[None]:
        """For as long as somebody wants the result."""
        self._jobs.add(job)
        try:
            yield
        finally:
            self._jobs.discard(job)
            self._last_was_taken = _is_taken(job)

    def look(self, *, idle: list[int], working: int) -> list[int]:
        """To be called every `LOOK_S`; returns the workers that have not taken any job for `TAKE_WITHIN_S`.

        Jobs that were given up earlier count as well, until one is taken: deadlines may be short.

        Args:
            idle: Process ids of the workers that do not load and, by what they told, run no job.
            working: How many told that they do run one. While this is not the number of jobs that run,
                some news are on their way still, and nobody is accused.
        """
        if working != sum(job.running() for job in self._jobs):
            return []
        if any(_is_taken(job) for job in self._seen_waiting):
            self._last_was_taken = True
        waiting = {job for job in self._jobs if not _is_taken(job)}
        if waiting & self._seen_waiting:
            self._looks = {pid: self._looks.get(pid, 0) + 1 for pid in idle}
        elif not waiting and self._last_was_taken:
            self._looks = {}
        self._seen_waiting = waiting
        found = [pid for pid in idle if self._looks.get(pid, 0) * LOOK_S >= TAKE_WITHIN_S]
        for pid in found:
            del self._looks[pid]  # told once: the number may be another process's by the next look
        return found


def _is_taken(job: Future[Any]) -> bool:
    return job.running() or (job.done() and not job.cancelled())
