"""Jobs of three steps through two real pools: order, overlap, crashes, deadlines, leftovers."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subnet17.deadline import Deadline
from subnet17.errors import (
    DeadlineError,
    DeviceLostError,
    InvalidInputError,
    QueuedTooLongError,
    StageError,
)
from subnet17.serving import jobs as jobs_module
from subnet17.serving import untaken
from subnet17.serving.handoff import SHARED_MEMORY
from subnet17.serving.jobs import Jobs
from subnet17.serving.relay import Relay, RelayPool
from subnet17.serving.workers import WorkerPool
from subnet17.settings import ServerTable


@dataclass
class Work:
    what: str
    numbers: np.ndarray
    pids: list[int]


def load() -> None:
    """Nothing to load."""


def do(what: str, step: str) -> None:
    asked, _, action = what.partition(": ")
    if asked != step:
        return
    if action == "crash":
        os._exit(3)
    if action == "lost":
        raise DeviceLostError("the GPU is gone", stage="gpu")
    if action == "refuse":
        raise InvalidInputError("no such thing")
    if action.startswith("sleep"):
        time.sleep(float(action.removeprefix("sleep ")))
    if action.startswith("hold "):  # until the test lets go
        held = Path(action.removeprefix("hold "))
        held.touch()
        while held.exists():
            time.sleep(0.02)


def prepare(what: str) -> Work | bytes:
    do(what, "prepare")
    return b"done early" if what == "early" else Work(what, np.arange(1000.0), [os.getpid()])


def compute(work: Work) -> Work | bytes:
    do(work.what, "compute")
    assert work.numbers.sum() == 499500
    pids = [*work.pids, os.getpid()]
    return b"no need to finish" if work.what == "short" else Work(work.what, work.numbers * 2, pids)


def finish(work: Work) -> bytes:
    do(work.what, "finish")
    return f"{work.numbers.sum():.0f} {' '.join(map(str, [*work.pids, os.getpid()]))}".encode()


def log_time(path: str, name: str, step: Callable[..., Any], *args: Any) -> Any:
    with Path(path).open("a") as log:
        log.write(f"{name} begins {time.monotonic()}\n")
    result = step(*args)
    with Path(path).open("a") as log:
        log.write(f"{name} ends {time.monotonic()}\n")
    return result


async def until(holds: Callable[[], bool]) -> None:
    """Other processes set no event."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def logged(path: str) -> list[str]:
    """Names of steps, each with begins or ends, in their order."""
    lines = Path(path).read_text().splitlines() if Path(path).exists() else []
    return [line.rpartition(" ")[0] for line in lines]


JOB = Relay(prepare, compute, finish)


@asynccontextmanager
async def running() -> AsyncIterator[RelayPool]:
    pool = RelayPool(WorkerPool(load, workers=2), WorkerPool(load))
    keeping = asyncio.create_task(pool.keep_ready())
    try:
        async with asyncio.timeout(60):
            while not pool.ready:  # noqa: ASYNC110 - a process's start sets no event
                await asyncio.sleep(0.05)
        yield pool
    finally:
        keeping.cancel()
        await pool.close()


def leftovers(pool: RelayPool) -> list[Path]:
    """Files of its jobs that wait to be fetched; other servers of this machine have their own."""
    assert pool._folders is not None
    return [file for path in pool._folders.paths for file in path.glob("*-*")]


async def test_steps_run_in_front_at_the_back_and_in_front() -> None:
    async with running() as pool:
        assert pool.workers == 3 and len(pool.news) >= 2
        total, first, second, third = (await pool.run(JOB, "all", timeout_s=60)).split()
        assert total == b"999000"
        back = {news["pid"] for news in pool.back.news}
        assert {int(second)} == back and int(first) not in back and int(third) not in back
        assert JOB("all").split()[0] == total, "in one process they give the same"
        assert await pool.run(JOB, "early", timeout_s=60) == JOB("early") == b"done early"
        assert await pool.run(JOB, "short", timeout_s=60) == JOB("short") == b"no need to finish"
        assert not leftovers(pool)


async def test_the_next_job_is_prepared_while_one_computes(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    steps = {
        step.__name__: partial(log_time, log, step.__name__, step) for step in (prepare, compute, finish)
    }
    held = tmp_path / "held"
    async with running() as pool:
        first = asyncio.create_task(pool.run(Relay(**steps), f"compute: hold {held}", timeout_s=120))  # type: ignore[arg-type]
        await until(held.exists)
        second = asyncio.create_task(pool.run(Relay(**steps), "all", timeout_s=120))  # type: ignore[arg-type]
        await until(lambda: logged(log).count("prepare ends") == 2)
        held.unlink()
        await asyncio.gather(first, second)
    order = logged(log)
    first_computed = order.index("compute ends")
    assert order[:first_computed].count("prepare ends") == 2
    assert order[:first_computed].count("compute begins") == 1, "one job at the device at a time"


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("prepare: crash", StageError),
        ("compute: crash", StageError),
        ("finish: crash", StageError),
        ("prepare: refuse", InvalidInputError),
        ("compute: refuse", InvalidInputError),
        ("prepare: sleep 30", DeadlineError),
        ("compute: sleep 30", DeadlineError),
        ("finish: sleep 30", DeadlineError),
    ],
)
async def test_a_failing_step_fails_its_job_only(what: str, error: type[Exception]) -> None:
    async with running() as pool:
        at_back = {news["pid"] for news in pool.back.news}
        with pytest.raises(error):
            await pool.run(JOB, what, timeout_s=4)
        if not what.startswith("compute"):
            assert {news["pid"] for news in pool.back.news} == at_back, "the device's worker keeps its models"
        assert (await pool.run(JOB, "all", timeout_s=60)).startswith(b"999000")
        assert not leftovers(pool)


async def test_a_job_that_waits_too_long_for_the_device_is_not_started(tmp_path: Path) -> None:
    log, held = str(tmp_path / "log"), tmp_path / "held"
    late = Relay(prepare, partial(log_time, log, "compute", compute), finish)
    async with running() as pool:
        long = asyncio.create_task(pool.run(JOB, f"compute: hold {held}", timeout_s=120))
        await until(held.exists)
        with pytest.raises(QueuedTooLongError, match="no worker came free"):
            await pool.run(late, "all", timeout_s=3)
        assert not leftovers(pool), "what was prepared for it is gone"
        held.unlink()
        assert (await long).startswith(b"999000")
        assert not logged(log)
        assert pool.deaths == 0


async def test_waiting_for_the_device_is_no_fault_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jobs_module, "FAIR_JOB_S", 0.5)
    async with running() as pool:
        jobs = Jobs(pool, ServerTable(circuit_breaker_failure_threshold=1))
        held = tmp_path / "held"
        long = asyncio.create_task(jobs.run(JOB, f"compute: hold {held}", deadline=Deadline.after(120)))
        await until(held.exists)
        with pytest.raises(QueuedTooLongError):
            await jobs.run(JOB, "all", deadline=Deadline.after(3))
        held.unlink()
        assert (await long).startswith(b"999000")
    assert jobs.breaker.as_json()["failures"] == 0
    assert (jobs.counts["shed"], jobs.counts["failed"]) == (1, 0)


@pytest.mark.parametrize("kind", ["front", "back"])
async def test_workers_that_are_frozen_while_idle_are_killed_and_the_job_is_done(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untaken, "TAKE_WITHIN_S", 3.0)
    async with running() as pool:
        frozen = {news["pid"] for news in getattr(pool, kind).news}
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        assert (await pool.run(JOB, "all", timeout_s=60)).startswith(b"999000")
        assert not frozen & {news["pid"] for news in pool.news}
        assert pool.deaths >= len(frozen)


async def test_a_device_lost_at_the_back_ends_the_server() -> None:
    async with running() as pool:
        told: list[str] = []
        pool.on_lost = lambda: told.append("lost")
        with pytest.raises(DeviceLostError):
            await pool.run(JOB, "compute: lost", timeout_s=60)
        assert told == ["lost"] and pool.lost and not pool.ready
        assert pool.reason == "the GPU is gone"


async def test_nothing_is_left_in_shared_memory_after_closing() -> None:
    async with running() as pool:
        await pool.run(JOB, "all", timeout_s=60)
        assert pool._folders is not None
        (folder, *_) = pool._folders.paths
        assert folder.is_relative_to(SHARED_MEMORY) and folder.is_dir()
    assert not folder.exists()
