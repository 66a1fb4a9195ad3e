"""Admission, deadlines, breaker and worker processes: what both servers rely on."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pebble import ProcessPool

from subnet17.deadline import Deadline
from subnet17.errors import (
    AssetError,
    DeadlineError,
    DeviceLostError,
    InvalidInputError,
    NotOfferedError,
    OverloadedError,
    QueuedTooLongError,
    StageError,
    UnavailableError,
)
from subnet17.serving import jobs as jobs_module
from subnet17.serving import untaken, worker_process
from subnet17.serving.breaker import CircuitBreaker
from subnet17.serving.jobs import Jobs
from subnet17.serving.queue import JobQueue
from subnet17.serving.stages import Stages
from subnet17.serving.worker_process import ensure_loaded, job_deadline, tell
from subnet17.serving.workers import WorkerPool
from subnet17.settings import ServerTable


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def load_nothing() -> None: ...


def load_when_there(flag: Path) -> None:
    if not flag.exists():
        raise RuntimeError("no weights yet")


def load_broken() -> None:
    raise RuntimeError("no weights")


def load_once(flag: Path) -> None:
    """As with two workers for one GPU that is free."""
    try:
        flag.mkdir()
    except FileExistsError:
        raise UnavailableError("all GPUs are held") from None


def echo(value: object) -> object:
    return value


def refuse() -> None:
    raise AssetError("broken", measured=1)


def crash() -> None:
    raise ZeroDivisionError


def fail_to_load() -> None:
    raise UnavailableError("loading failed")


def decline() -> None:
    raise NotOfferedError("no weights for pictures", kind="image")


def die() -> None:
    os._exit(7)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def slow_echo(value: object) -> object:
    time.sleep(0.3)
    return value


def allocate(size_bytes: int) -> int:
    return len(bytearray(size_bytes))


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(load_nothing, memory_bytes=2**30)
    await pool.start()
    yield pool
    await pool.close()


@pytest.fixture
def take_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen workers are found out sooner than is good on a busy machine."""
    monkeypatch.setattr(untaken, "TAKE_WITHIN_S", 3.0)


async def test_worker_returns_what_the_job_returns(pool: WorkerPool) -> None:
    assert await pool.run(echo, {"a": 1}, timeout_s=60) == {"a": 1}


async def test_errors_of_ours_come_back_whole(pool: WorkerPool) -> None:
    with pytest.raises(AssetError) as caught:
        await pool.run(refuse, timeout_s=60)
    assert caught.value.detail == {"measured": 1}


async def test_a_dead_or_crashing_worker_costs_one_job(pool: WorkerPool) -> None:
    for job in (crash, die):
        with pytest.raises(StageError):
            await pool.run(job, timeout_s=60)
        assert await pool.run(echo, 1, timeout_s=60) == 1


async def test_a_hanging_job_is_killed_and_the_worker_replaced(pool: WorkerPool) -> None:
    with pytest.raises(DeadlineError):
        await pool.run(sleep, 60, timeout_s=2)
    assert await pool.run(echo, 1, timeout_s=60) == 1
    assert pool.deaths == 1


async def test_memory_of_a_worker_is_limited(pool: WorkerPool) -> None:
    with pytest.raises(StageError, match="memory"):
        await pool.run(allocate, 2**31, timeout_s=60)
    assert await pool.run(allocate, 2**20, timeout_s=60) == 2**20


async def test_a_failed_load_is_a_reason_and_not_a_crash_loop() -> None:
    pool = WorkerPool(load_broken)
    await pool.start()
    try:
        assert not pool.ready
        assert "no weights" in str(pool.reason)
        with pytest.raises(UnavailableError, match="no weights"):
            await pool.run(echo, 1, timeout_s=1)
    finally:
        await pool.close()


async def test_a_load_that_failed_is_tried_again_until_it_succeeds(tmp_path: Path) -> None:
    flag = tmp_path / "weights"
    pool = WorkerPool(load_when_there, (flag,))
    try:
        starting = asyncio.create_task(pool.keep_starting(pause_s=0.05))
        while "no weights yet" not in str(pool.reason):  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.05)
        flag.touch()
        await asyncio.wait_for(starting, 60)
        assert await pool.run(echo, 1, timeout_s=60) == 1
    finally:
        await pool.close()


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("can't start new thread")]
)
async def test_processes_that_can_not_be_started_are_a_reason_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failures = [error] * 2
    schedule = ProcessPool.schedule

    def schedule_or_fail(*call: Any, **more: Any) -> Any:
        if failures:
            raise failures.pop()
        return schedule(*call, **more)

    monkeypatch.setattr(ProcessPool, "schedule", schedule_or_fail)
    pool = WorkerPool(load_nothing)
    try:
        starting = asyncio.create_task(pool.keep_starting(pause_s=0.05))
        while str(error) not in str(pool.reason) and not starting.done():  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.01)
        await asyncio.wait_for(starting, 20)
        assert pool.ready
    finally:
        await pool.close()


async def test_a_worker_that_could_not_load_leaves_its_jobs_to_the_others(tmp_path: Path) -> None:
    pool = WorkerPool(load_once, (tmp_path / "taken",), workers=2)
    keeping = asyncio.create_task(pool.keep_starting(pause_s=0.05))
    try:
        async with asyncio.timeout(60):
            while sorted(news["state"] for news in pool.news) != ["failed", "ready"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await keeping
        assert pool.ready
        jobs = [pool.run(slow_echo, number, timeout_s=60) for number in range(6)]
        assert await asyncio.gather(*jobs) == list(range(6))
    finally:
        keeping.cancel()
        await pool.close()


async def test_queue_admits_up_to_its_limit_and_says_when_to_come_back() -> None:
    queue = JobQueue(slots=1, limit=2)
    release = asyncio.Event()

    async def hold() -> None:
        async with queue.slot(Deadline.after(60)):
            await release.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(2)]
    await asyncio.sleep(0)
    assert (queue.running, queue.waiting) == (1, 1)
    with pytest.raises(OverloadedError) as caught:
        async with queue.slot(Deadline.after(60)):
            pass
    assert caught.value.detail["retry_after_s"] >= 1
    release.set()
    await asyncio.gather(*tasks)
    assert (queue.admitted, queue.running) == (0, 0)


async def test_a_job_that_waited_past_its_deadline_is_not_started() -> None:
    queue = JobQueue(slots=1, limit=5)
    async with queue.slot(Deadline.after(60)):
        with pytest.raises(DeadlineError):
            async with queue.slot(Deadline.after(0.05)):
                raise AssertionError("started")
    assert queue.admitted == 0
    async with queue.slot(Deadline.after(60)):
        assert queue.running == 1


@pytest.mark.parametrize("header", ["-1", "0", "nan", "inf", "soon"])
def test_a_timeout_header_must_be_a_positive_number(header: str) -> None:
    with pytest.raises(InvalidInputError):
        Deadline.of_request(header, longest_s=10)


def test_a_caller_can_shorten_a_deadline_but_not_lengthen_it() -> None:
    assert Deadline.of_request("1", longest_s=10).remaining_s <= 1
    assert Deadline.of_request("1000", longest_s=10).remaining_s <= 10


def test_breaker_opens_after_failures_probes_once_and_closes() -> None:
    clock = Clock()
    breaker = CircuitBreaker(min_failures=3, open_s=30, clock=clock)
    for _ in range(3):
        breaker.admit()
        breaker.fail()
    assert breaker.state == "open"
    with pytest.raises(UnavailableError):
        breaker.admit()
    clock.now_s = 30
    assert breaker.admit()
    with pytest.raises(UnavailableError):
        breaker.admit()  # one probe at a time
    breaker.succeed(probe=True)
    assert breaker.state == "closed"
    assert not breaker.admit()


def test_breaker_opens_again_when_its_probe_fails() -> None:
    clock = Clock()
    breaker = CircuitBreaker(min_failures=1, open_s=30, clock=clock)
    breaker.fail()
    clock.now_s = 31
    breaker.admit()
    breaker.fail(probe=True)
    assert breaker.state == "open"
    assert breaker.retry_after_s == 30


@pytest.mark.parametrize("end", [CircuitBreaker.succeed, CircuitBreaker.fail, CircuitBreaker.release])
def test_what_began_before_it_opened_and_ends_beside_the_probe_does_not_speak_for_it(
    end: Callable[[CircuitBreaker], None],
) -> None:
    clock = Clock()
    breaker = CircuitBreaker(min_failures=1, open_s=30, clock=clock)
    breaker.admit()
    breaker.fail()
    clock.now_s = 31
    probe = breaker.admit()
    end(breaker)
    clock.now_s = 62
    assert breaker.state == "half_open"
    with pytest.raises(UnavailableError):
        breaker.admit()
    breaker.succeed(probe=probe)
    assert breaker.state == "closed"


def test_a_success_from_before_it_opened_does_not_close_the_breaker() -> None:
    breaker = CircuitBreaker(min_failures=1)
    breaker.admit()
    breaker.admit()
    breaker.fail()
    breaker.succeed()
    assert breaker.state == "open"


def test_breaker_stays_closed_while_most_jobs_succeed() -> None:
    breaker = CircuitBreaker(min_failures=3)
    for _ in range(10):
        for _ in range(2):
            breaker.succeed()
        breaker.fail()
    assert breaker.state == "closed"


async def test_the_callers_faults_do_not_open_the_breaker(pool: WorkerPool) -> None:
    jobs = Jobs(pool, ServerTable(circuit_breaker_failure_threshold=1))
    for _ in range(3):
        with pytest.raises(AssetError):
            await jobs.run(refuse, deadline=Deadline.after(60))
    assert jobs.breaker.state == "closed"
    for _ in range(3):
        with pytest.raises(StageError):
            await jobs.run(crash, deadline=Deadline.after(60))
    assert jobs.breaker.state == "open"
    assert jobs.counts == {"succeeded": 0, "refused": 3, "failed": 3, "shed": 0, "abandoned": 0}


async def test_a_caller_in_a_hurry_does_not_cost_the_others_a_worker(pool: WorkerPool) -> None:
    jobs = Jobs(pool, ServerTable())
    await jobs.run(sleep, 1.5, deadline=Deadline.after(1.0))
    assert (pool.deaths, jobs.counts["succeeded"]) == (0, 1)


async def test_a_job_over_the_servers_own_limit_is_a_fault(pool: WorkerPool) -> None:
    jobs = Jobs(pool, ServerTable(request_timeout_s=2, circuit_breaker_failure_threshold=1))
    with pytest.raises(DeadlineError):
        await jobs.run(sleep, 60, deadline=Deadline.after(2))
    assert (pool.deaths, jobs.breaker.state) == (1, "open")


async def test_work_that_is_not_offered_is_no_fault(pool: WorkerPool) -> None:
    jobs = Jobs(pool, ServerTable(circuit_breaker_failure_threshold=1))
    with pytest.raises(NotOfferedError):
        await jobs.run(decline, deadline=Deadline.after(60))
    assert (jobs.breaker.state, jobs.counts["shed"], jobs.counts["failed"]) == ("closed", 1, 0)


async def test_running_out_of_a_callers_short_limit_is_no_fault(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "FAIR_JOB_S", 2)
    jobs = Jobs(pool, ServerTable(circuit_breaker_failure_threshold=1))
    with pytest.raises(DeadlineError):
        await jobs.run(sleep, 60, deadline=Deadline.of_request("2", longest_s=jobs.longest_s))
    assert (pool.deaths, jobs.breaker.state, jobs.counts["failed"]) == (1, "closed", 1)


async def test_a_short_limit_does_not_excuse_a_job_that_had_the_servers_own(pool: WorkerPool) -> None:
    jobs = Jobs(pool, ServerTable(request_timeout_s=2, circuit_breaker_failure_threshold=1))
    with pytest.raises(DeadlineError):
        await jobs.run(sleep, 60, deadline=Deadline.of_request("1", longest_s=2))
    assert jobs.breaker.state == "open"


async def test_waiting_for_a_worker_that_loads_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "FAIR_JOB_S", 0.5)
    pool = WorkerPool(hang_the_second_time, (tmp_path / "flag",))
    await pool.start()
    jobs = Jobs(pool, ServerTable(circuit_breaker_failure_threshold=1))
    try:
        os.kill(pool.news[0]["pid"], signal.SIGKILL)
        with pytest.raises(QueuedTooLongError, match="no worker was loaded"):
            await jobs.run(echo, 1, deadline=Deadline.after(0.5))
    finally:
        await pool.close()
    assert jobs.breaker.as_json()["failures"] == 0
    assert (jobs.counts["failed"], jobs.counts["shed"]) == (0, 1)


async def test_a_request_is_refused_before_its_body_is_read_when_the_queue_is_full(pool: WorkerPool) -> None:
    jobs = Jobs(pool, ServerTable(max_concurrent_requests=1))
    jobs.check_open()
    running = asyncio.create_task(jobs.run(sleep, 0.3, deadline=Deadline.after(60)))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        jobs.check_open()
    await running
    assert (jobs.counts["shed"], jobs.counts["succeeded"]) == (1, 1)


async def test_requests_whose_time_is_up_in_the_queue_are_counted_as_shed(
    pool: WorkerPool, tmp_path: Path
) -> None:
    jobs = Jobs(pool, ServerTable())
    held = tmp_path / "held"
    running = asyncio.create_task(jobs.run(hold, held, deadline=Deadline.after(60)))
    async with asyncio.timeout(60):
        while not held.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    for _ in range(2):
        with pytest.raises(QueuedTooLongError):
            await jobs.run(echo, 1, deadline=Deadline.after(0.05))
    held.unlink()
    await running
    assert (jobs.counts["shed"], jobs.counts["succeeded"]) == (2, 1)
    assert jobs.registry.get_sample_value("s17_jobs_total", {"outcome": "shed"}) == 2


async def test_a_worker_that_fails_to_load_again_is_counted_once(pool: WorkerPool) -> None:
    jobs = Jobs(pool, ServerTable())
    with pytest.raises(UnavailableError):
        await jobs.run(fail_to_load, deadline=Deadline.after(60))
    assert (jobs.counts["failed"], jobs.counts["shed"]) == (1, 0)


async def test_a_caller_who_hung_up_costs_no_work(pool: WorkerPool) -> None:
    jobs = Jobs(pool, ServerTable())

    async def gone() -> bool:
        return True

    with pytest.raises(InvalidInputError):
        await jobs.run(die, deadline=Deadline.after(60), gone=gone)
    assert jobs.counts["abandoned"] == 1
    assert pool.deaths == 0


def test_a_failing_stage_is_named_and_timed() -> None:
    stages = Stages()
    with pytest.raises(StageError) as caught, stages("texture"):
        raise KeyError("uv")
    assert caught.value.detail["stage"] == "texture"
    assert "texture" in stages.timings_s


def tell_of(models: list[str]) -> None:
    tell({"models": models})


def lose_device() -> None:
    raise DeviceLostError("CUDA error: an illegal memory access was encountered", stage="shape")


def seconds_left() -> float:
    return job_deadline().remaining_s


def hold(held: Path) -> str:
    """Until the test lets go."""
    held.touch()
    while held.exists():
        time.sleep(0.02)
    return "held"


def hang_the_second_time(flag: Path) -> None:
    if flag.exists():
        time.sleep(600)
    flag.touch()


def hang_the_first_time(flag: Path) -> None:
    if not flag.exists():
        flag.touch()
        time.sleep(600)


async def test_what_a_worker_tells_is_shown_until_it_dies(pool: WorkerPool) -> None:
    await pool.run(tell_of, ["shape"], timeout_s=60)
    await pool.run(tell_of, ["shape", "image"], timeout_s=60)
    (news,) = pool.news
    assert (news["state"], news["models"]) == ("ready", ["shape", "image"])
    with pytest.raises(StageError):
        await pool.run(die, timeout_s=60)
    await pool.run(echo, 1, timeout_s=60)
    (news,) = pool.news
    assert "models" not in news


async def test_news_that_nobody_reads_never_block_a_worker(pool: WorkerPool) -> None:
    for _ in range(40):
        await pool.run(tell_of, ["m" * 3000], timeout_s=60)
    await pool.run(tell_of, ["m" * 5000], timeout_s=60)
    assert pool.ready
    assert pool.news[0]["models"] == ["m" * 3000]


def die_while_fetching() -> None:
    """As killed in the moment in which it fetched a job: nobody lets go of the lock for that any more."""
    mutex = next(thing for thing in gc.get_objects() if type(thing).__name__ == "ChannelMutex")
    mutex.reader_mutex.acquire()
    os._exit(3)


async def test_a_worker_that_dies_while_it_fetches_a_job_does_not_stop_the_others_for_long(
    pool: WorkerPool,
) -> None:
    with pytest.raises(StageError):
        await pool.run(die_while_fetching, timeout_s=60)
    assert await pool.run(echo, 1, timeout_s=60) == 1


async def test_a_worker_that_dies_idle_is_replaced_and_costs_nothing(pool: WorkerPool) -> None:
    keeping = asyncio.create_task(pool.keep_ready())
    try:
        for _ in range(2):
            os.kill(pool.news[0]["pid"], signal.SIGKILL)
            assert await pool.run(echo, 1, timeout_s=60) == 1  # seconds longer when it was fetching just then
            assert pool.ready
    finally:
        keeping.cancel()


async def test_a_worker_that_is_frozen_while_idle_is_killed_and_its_job_is_done_by_the_next(
    pool: WorkerPool, take_soon: None
) -> None:
    keeping = asyncio.create_task(pool.keep_ready())
    try:
        frozen = pool.news[0]["pid"]
        os.kill(frozen, signal.SIGSTOP)
        long = "x" * 2**20  # more than lies in a pipe
        assert await pool.run(echo, long, timeout_s=60) == long
        assert frozen not in [news["pid"] for news in pool.news]
        assert pool.deaths >= 1
    finally:
        keeping.cancel()


async def test_a_frozen_worker_is_killed_where_deadlines_are_shorter_than_its_patience(
    pool: WorkerPool, take_soon: None
) -> None:
    keeping = asyncio.create_task(pool.keep_ready())
    try:
        frozen = pool.news[0]["pid"]
        os.kill(frozen, signal.SIGSTOP)
        with pytest.raises(QueuedTooLongError, match="a loaded worker took no job"):
            await pool.run(echo, 1, timeout_s=0.7)
        async with asyncio.timeout(60):
            while pool.deaths == 0:
                with suppress(QueuedTooLongError):
                    await pool.run(echo, 1, timeout_s=0.7)
        assert await pool.run(echo, 1, timeout_s=60) == 1
        assert frozen not in [news["pid"] for news in pool.news]
    finally:
        keeping.cancel()


async def test_a_frozen_worker_does_not_cost_the_one_that_works(tmp_path: Path, take_soon: None) -> None:
    pool = WorkerPool(load_nothing, workers=2)
    keeping = asyncio.create_task(pool.keep_ready())
    try:
        async with asyncio.timeout(60):
            while [news["state"] for news in pool.news] != ["ready"] * 2 or not pool.ready:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        held = tmp_path / "held"
        long = asyncio.create_task(pool.run(hold, held, timeout_s=120))
        async with asyncio.timeout(60):
            while not any(news.get("working") for news in pool.news):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        (frozen,) = (news["pid"] for news in pool.news if not news.get("working"))
        os.kill(frozen, signal.SIGSTOP)
        assert await pool.run(echo, 1, timeout_s=60) == 1
        assert pool.deaths >= 1
        assert frozen not in [news["pid"] for news in pool.news]
        held.unlink()
        assert await long == "held"
    finally:
        keeping.cancel()
        await pool.close()


async def test_a_worker_that_loads_or_works_is_not_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[int, int]] = []

    def look(*, idle: list[int], working: int) -> list[int]:
        looks.append((len(idle), working))
        return []

    async def until_seen(idle: int, working: int) -> set[tuple[int, int]]:
        """What was seen before that."""
        looks.clear()
        async with asyncio.timeout(60):
            while (idle, working) not in looks:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return set(looks[: looks.index((idle, working))])

    monkeypatch.setattr(untaken.Untaken, "look", staticmethod(look))
    loading, held = tmp_path / "loading", tmp_path / "held"
    pool = WorkerPool(hold, (loading,))
    keeping = asyncio.create_task(pool.keep_ready())
    try:
        async with asyncio.timeout(60):
            while not loading.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await until_seen(0, 0)
        loading.unlink()
        assert await until_seen(1, 0) <= {(0, 0)}
        job = asyncio.create_task(pool.run(hold, held, timeout_s=120))
        async with asyncio.timeout(60):
            while not held.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await until_seen(0, 1)
        held.unlink()
        await job
        assert await until_seen(1, 0) <= {(0, 1)}
    finally:
        keeping.cancel()
        await pool.close()


async def test_without_work_too_a_dead_worker_is_replaced(pool: WorkerPool) -> None:
    keeping = asyncio.create_task(pool.keep_ready())
    try:
        first = pool.news[0]["pid"]
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(60):
            while pool.ready:  # noqa: ASYNC110 - nothing to wait on
                await asyncio.sleep(0.02)
            while not pool.ready:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert pool.news[0]["pid"] != first
    finally:
        keeping.cancel()


async def test_a_worker_that_hangs_while_loading_is_replaced(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    pool = WorkerPool(hang_the_first_time, (flag,), load_timeout_s=3)
    try:
        starting = asyncio.create_task(pool.keep_starting(pause_s=1.0))
        while not (flag.exists() and "did not load within 3 s" in str(pool.reason)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        pool._load_timeout_s = 60.0  # the next one does not hang, but may be slow on a busy machine
        await asyncio.wait_for(starting, 120)
        assert await pool.run(echo, 1, timeout_s=60) == 1
    finally:
        await pool.close()


async def test_a_lost_device_makes_the_pool_refuse_at_once(pool: WorkerPool) -> None:
    ended = []
    pool.on_lost = lambda: ended.append(True)
    with pytest.raises(DeviceLostError):
        await pool.run(lose_device, timeout_s=60)
    assert (ended, pool.ready) == ([True], False)
    with pytest.raises(UnavailableError, match="illegal memory access"):
        await pool.run(echo, 1, timeout_s=60)
    await pool.start()
    assert "illegal memory access" in str(pool.reason)


async def test_a_job_knows_when_it_will_be_killed(pool: WorkerPool) -> None:
    assert 40 < await pool.run(seconds_left, timeout_s=50) < 49  # it gives up by itself before it is killed


def test_what_could_not_be_loaded_keeps_nothing_of_the_jobs_that_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = DeviceLostError("Xid 79", stage="load")
    monkeypatch.setattr(worker_process, "_load_error", failed)
    monkeypatch.setattr(worker_process, "_loaded_at_s", time.monotonic())
    for _ in range(2):
        with pytest.raises(DeviceLostError, match="Xid 79") as told:
            ensure_loaded()
        assert told.value.detail == {"stage": "load"}
    assert failed.__traceback__ is None
