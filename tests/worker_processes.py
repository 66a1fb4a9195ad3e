"""Finds and kills the worker processes of a server that runs inside the tests' own process."""

from __future__ import annotations

import asyncio

import psutil
import pytest

AT_WORK_CPU_S = 0.05
"""An idle worker only looks at its settings once a second: this much processor time is a job's."""
WITHIN_S = 60.0


async def kill_at_work() -> None:
    """Waits until a worker computes, then kills all of them: a job that no worker has begun costs nothing."""
    workers = [process for process in psutil.Process().children() if _is_worker(process)]
    before_s = {worker.pid: _cpu_s(worker) for worker in workers}
    try:
        async with asyncio.timeout(WITHIN_S):
            while all(_cpu_s(worker) < before_s[worker.pid] + AT_WORK_CPU_S for worker in workers):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
    except TimeoutError:
        pytest.fail(f"none of {len(workers)} workers began the job")
    for worker in workers:
        worker.kill()


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # one that has just ended
        return False


def _cpu_s(worker: psutil.Process) -> float:
    times = worker.cpu_times()
    return float(times.user + times.system)
