"""Time that passes only while everybody waits."""

from __future__ import annotations

import asyncio
import threading

import pytest

from subnet17.localnet.virtual_time import START_S, VIRTUAL_CLOCK, run_virtually


def test_waits_end_in_order_and_the_clock_shows_them() -> None:
    ended: list[tuple[str, float, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await VIRTUAL_CLOCK.sleep(seconds)
        ended.append((name, VIRTUAL_CLOCK.monotonic_s(), VIRTUAL_CLOCK.wall_s()))

    async def main() -> None:
        await asyncio.gather(wait("day", 86_400.0), wait("minute", 60.0))

    run_virtually(main())
    assert ended == [("minute", 60.0, START_S + 60.0), ("day", 86_400.0, START_S + 86_400.0)]


def test_a_time_limit_ends_a_wait_for_ever() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(12.0):
                await asyncio.Event().wait()
        return VIRTUAL_CLOCK.monotonic_s()

    assert run_virtually(main()) == 12.0


def test_a_wait_that_nothing_ends_is_an_error_rather_than_a_hang() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="stands still"):
        run_virtually(main())


def test_executors_run_inline_and_let_others_go_first() -> None:
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    def work(number: int) -> int:
        order.append("work")
        return number + threading.get_ident()

    async def main() -> int:
        beside = asyncio.create_task(other())
        result = await asyncio.get_running_loop().run_in_executor(None, work, 1)
        order.append("result")
        await beside
        return result

    assert run_virtually(main()) == 1 + threading.get_ident()
    assert order == ["work", "other", "result"]


def test_an_executor_hands_errors_on() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        run_virtually(main())
