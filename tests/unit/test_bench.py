"""Places on the bench: a task is asked for when a place is free, or just before."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from peers import HeldClock, assignment

from subnet17.mining.bench import Bench, Job


def job() -> Job:
    return Job(assignment())


async def may_reserve(bench: Bench) -> bool:
    """Whether a place is to be had at once, while nothing but the loop's own steps goes on."""
    asking = asyncio.create_task(bench.reserve())
    for _ in range(20):
        await asyncio.sleep(0)
    if asking.done():
        await asking
        return True
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    return False


async def test_no_more_places_than_there_are() -> None:
    bench = Bench(2, clock=HeldClock())
    assert [await may_reserve(bench) for _ in range(3)] == [True, True, False]
    bench.give_back()
    assert await may_reserve(bench)


async def test_a_place_is_free_again_when_its_task_ends_also_badly() -> None:
    bench = Bench(1, clock=HeldClock())
    await bench.reserve()
    bench.put(job())
    assert bench.occupied == 1
    try:
        async with bench.take():
            assert not await may_reserve(bench)
            raise ValueError
    except ValueError:
        pass
    assert bench.occupied == 0
    assert await may_reserve(bench)


async def test_the_place_of_a_task_that_is_about_to_end_can_be_reserved_once() -> None:
    clock = HeldClock()
    bench = Bench(2, clock=clock)
    for _ in range(2):
        await bench.reserve()
        bench.put(job())
    async with bench.take() as first, bench.take() as second:
        bench.will_end(first, 3.0)
        bench.will_end(second, 3.0)
        assert await may_reserve(bench)
        assert clock.slept == [3.0, 3.0]
        assert not await may_reserve(bench)  # never two tasks that wait
        bench.put(job())
    # Both ended: one of the two places was given away before, so one is free beside the one that was put.
    assert await may_reserve(bench)
    assert not await may_reserve(bench)


async def test_a_task_that_ends_before_its_time_gives_its_place_once() -> None:
    clock = HeldClock()
    never = asyncio.Event()
    clock.sleep = lambda _: never.wait()  # type: ignore[assignment, return-value]
    bench = Bench(1, clock=clock)
    await bench.reserve()
    bench.put(job())
    async with bench.take() as running:
        bench.will_end(running, 3.0)
    assert await may_reserve(bench)
    assert not await may_reserve(bench)


async def test_the_time_that_tasks_hold_their_places_is_measured_early_ends_included() -> None:
    clock = HeldClock()
    bench = Bench(1, clock=clock)
    for _ in range(30):
        await bench.reserve()
        bench.put(job())
        async with bench.take():
            clock.now_s += 7.0
    assert abs(bench.work_s - 7.0) < 0.1
    await bench.reserve()
    bench.put(job())
    async with bench.take() as last:
        bench.will_end(last, 1.0)
        await bench.reserve()
        clock.now_s += 500.0  # its place was somebody else's by then
    assert bench.work_s < 7.0
