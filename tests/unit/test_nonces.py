"""Nonces increase whatever the clocks do, here with a memory in place of the disk."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some
from peers import HeldClock

from subnet17.mining.nonces import MAX_AHEAD_S, STRIDE_NS, Nonces


class Disk:
    """What is left of a process that is killed."""

    def __init__(self) -> None:
        self.floor, self.writes = 0, 0

    async def reserve(self, up_to: int) -> None:
        await asyncio.sleep(0)
        self.floor, self.writes = up_to, self.writes + 1


@given(some.lists(some.tuples(some.integers(-7200, 7200), some.booleans())))
def test_nonces_increase_over_restarts_and_clock_steps(steps: list[tuple[int, bool]]) -> None:
    async def collect() -> list[int]:
        clock, disk = HeldClock(), Disk()
        nonces = Nonces(clock, reserve=disk.reserve)
        got = []
        for step_s, restart in steps:
            clock.now_s += step_s
            if restart:
                nonces = Nonces(clock, floor=disk.floor, reserve=disk.reserve)
            got.append(await nonces.next("5A"))
            assert got[-1] <= disk.floor
        return got

    got = asyncio.run(collect())
    assert all(earlier < later for earlier, later in pairwise(got))


async def test_within_a_run_a_line_never_goes_back_when_the_skew_does() -> None:
    nonces = Nonces(HeldClock())
    got = []
    for skew_s in (0.0, 3600.0, 10.0, -3600.0, 7200.0):
        nonces.note_skew("5A", skew_s)
        got.append(await nonces.next("5A"))
    assert got == sorted(set(got))


async def test_the_disk_is_asked_once_for_many_calls_also_for_calls_at_once() -> None:
    disk = Disk()
    nonces = Nonces(HeldClock(), reserve=disk.reserve)
    got = await asyncio.gather(*(nonces.next("5A") for _ in range(100)))
    assert len(set(got)) == 100
    assert disk.writes == 1
    assert max(got) <= disk.floor <= min(got) + 2 * STRIDE_NS


async def test_a_clock_that_is_ahead_is_followed_for_its_validator_only() -> None:
    clock = HeldClock()
    nonces = Nonces(clock)
    nonces.note_skew("5Ahead", 3600.0, elapsed_s=0.1)
    assert await nonces.next("5Ahead") / 1e9 == pytest.approx(clock.now_s + 3600.0, abs=0.1)
    assert await nonces.next("5Other") / 1e9 == pytest.approx(clock.now_s, abs=0.1)
    assert nonces.uuid_for("5Ahead") != nonces.uuid_for("5Other")


@pytest.mark.parametrize("skew_s", [-3600.0, 0.9, MAX_AHEAD_S * 2, None])
async def test_a_clock_behind_or_nearly_right_or_absurd_changes_nothing(skew_s: float | None) -> None:
    clock = HeldClock()
    nonces = Nonces(clock)
    nonces.note_skew("5A", skew_s)
    assert await nonces.next("5A") / 1e9 == pytest.approx(clock.now_s, abs=0.1)


async def test_a_slow_reply_tells_no_clock() -> None:
    clock = HeldClock()
    nonces = Nonces(clock)
    nonces.note_skew("5A", 3600.0, elapsed_s=0.1)
    nonces.note_skew("5A", 3300.0, elapsed_s=300.0)  # Date was stamped when the request arrived
    assert await nonces.next("5A") / 1e9 == pytest.approx(clock.now_s + 3600.0, abs=0.1)


async def test_clocks_of_an_earlier_run_are_followed_from_the_first_call_on() -> None:
    clock = HeldClock()
    nonces = Nonces(clock)
    nonces.recall({"5Ahead": {"skew_s": 3600.0}, "5Odd": {"skew_s": "much"}, "5New": {}})
    assert await nonces.next("5Ahead") / 1e9 == pytest.approx(clock.now_s + 3600.0, abs=0.1)
    for hotkey in ("5Odd", "5New"):
        assert await nonces.next(hotkey) / 1e9 == pytest.approx(clock.now_s, abs=0.1)
