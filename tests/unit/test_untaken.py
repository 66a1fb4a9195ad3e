"""Which worker hangs without a job, by what was seen of it; no processes, no clock."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from subnet17.serving.untaken import LOOK_S, TAKE_WITHIN_S, Untaken

PATIENCE = int(TAKE_WITHIN_S / LOOK_S) + 1
"""Looks: at the first one a job is new."""


def begun() -> Future[Any]:
    job: Future[Any] = Future()
    job.set_running_or_notify_cancel()
    return job


def looks(untaken: Untaken, times: int, *, idle: list[int], working: int = 0) -> list[int]:
    """Whom the last look accuses."""
    found: list[int] = []
    for _ in range(times):
        found = untaken.look(idle=idle, working=working)
    return found


def test_a_worker_that_takes_no_job_for_long_is_found_and_not_before() -> None:
    untaken = Untaken()
    with untaken.offered(Future()):
        assert looks(untaken, PATIENCE - 1, idle=[7]) == []
        assert looks(untaken, 1, idle=[7]) == [7]
        assert looks(untaken, 1, idle=[7]) == [], "once"
    assert looks(untaken, 1, idle=[]) == []


def test_while_no_worker_is_idle_nobody_is_accused() -> None:
    untaken = Untaken()
    with untaken.offered(Future()):
        assert looks(untaken, 9 * PATIENCE, idle=[]) == []


def test_without_a_job_nobody_is_accused() -> None:
    assert looks(Untaken(), 9 * PATIENCE, idle=[7]) == []


def test_a_job_that_is_taken_late_clears_whom_it_waited_for() -> None:
    untaken = Untaken()
    for _ in range(5):
        job: Future[Any] = Future()
        with untaken.offered(job):
            assert looks(untaken, PATIENCE - 1, idle=[7]) == []
            job.set_running_or_notify_cancel()
            assert looks(untaken, 1, idle=[], working=1) == []
            job.set_result(None)
        assert looks(untaken, 1, idle=[7]) == []


def test_jobs_that_were_given_up_count_together() -> None:
    untaken = Untaken()
    for _ in range(PATIENCE - 1):
        job: Future[Any] = Future()
        with untaken.offered(job):
            found = looks(untaken, 2, idle=[7])
            job.cancel()
        looks(untaken, 20, idle=[7])
    assert found == [7]


def test_a_worker_that_works_is_not_accused_beside_one_that_hangs() -> None:
    untaken = Untaken()
    with untaken.offered(begun()), untaken.offered(Future()):
        assert looks(untaken, PATIENCE, idle=[8], working=1) == [8]


@pytest.mark.parametrize("working", [0, 2])
def test_while_news_are_on_their_way_nobody_is_accused(working: int) -> None:
    untaken = Untaken()
    with untaken.offered(begun()), untaken.offered(Future()):
        assert looks(untaken, 9 * PATIENCE, idle=[7, 8], working=working) == []
