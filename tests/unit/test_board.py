"""Settings on their way into worker processes: idle, at work, born later; never half a message."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from subnet17.log import log_style
from subnet17.serving.board import HEADER, SIZE_BYTES, Board
from subnet17.serving.worker_process import FOLLOW_S, add_follower, tell
from subnet17.serving.workers import WorkerPool
from subnet17.settings import GenerationTable, OperationsTable, Settings

steps: list[int] = []
"""Worker side: what it was told."""


def load_follower() -> None:
    add_follower(note)


def note(settings: Settings) -> None:
    steps.append(settings.generation.num_inference_steps)
    tell({"steps": steps[-1], "log_level": log_style().level})


def last_steps(pause_s: float = 0.0, begun: Path | None = None) -> list[int]:
    """At the job's begin, which it tells by a file, and at its end."""
    before = steps[-1]
    if begun is not None:
        begun.touch()
    time.sleep(pause_s)
    return [before, steps[-1]]


def settings_with(steps: int, level: Any = "info") -> Settings:
    table = GenerationTable(num_inference_steps=steps)
    return Settings(generation=table, operations=OperationsTable(log_level=level))


def test_a_message_is_read_once_by_each_reader() -> None:
    board = Board()
    assert board.read() is None
    board.post("one")
    board.post({"two": 2})
    assert board.read() == (2, {"two": 2})
    assert board.read(after=1) == (2, {"two": 2})
    assert board.read(after=2) is None


@pytest.mark.parametrize("position", [0, 8, 12, HEADER.size, HEADER.size + 20])
def test_a_message_half_written_is_not_read(position: int) -> None:
    board = Board()
    board.post("a message of some length")
    memory = memoryview(board._memory).cast("B")
    memory[position] ^= 0xFF
    assert board.read() is None
    memory[position] ^= 0xFF
    assert board.read() == (1, "a message of some length")


def test_a_message_too_long_is_refused_and_the_last_one_stays() -> None:
    board = Board()
    board.post("short")
    with pytest.raises(ValueError, match="at most"):
        board.post("x" * SIZE_BYTES)
    assert board.read() == (1, "short")


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(load_follower)
    await pool.start()
    yield pool
    await pool.close()


async def until_told(pool: WorkerPool, steps: int) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            for news in pool.news:
                if news.get("steps") == steps:
                    return news
            await asyncio.sleep(0.02)


async def test_workers_follow_idle_between_jobs_and_from_their_birth(
    pool: WorkerPool, tmp_path: Path
) -> None:
    pool.follow(settings_with(11, "warning"))
    idle = await until_told(pool, 11)
    assert idle["log_level"] == "warning"

    begun = tmp_path / "begun"
    busy = asyncio.create_task(pool.run(last_steps, 2.5 * FOLLOW_S, begun, timeout_s=60))
    async with asyncio.timeout(30):
        while not begun.exists():  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.02)
    pool.follow(settings_with(12))
    assert await busy == [11, 11]  # a job keeps the settings that it began with
    assert await pool.run(last_steps, timeout_s=30) == [12, 12]

    os.kill(idle["pid"], signal.SIGKILL)
    assert await pool.run(last_steps, timeout_s=60) == [12, 12]  # the next one is born first
    assert [news["pid"] for news in pool.news] != [idle["pid"]]
