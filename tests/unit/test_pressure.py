"""Asking for less when memory runs out, and for more again later."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import pairwise

import pytest

from subnet17.errors import DeviceLostError, InvalidInputError, StageError, UnavailableError
from subnet17.gpu.pressure import LEVELS, Level, Pressure, attempt

OOM = "CUDA out of memory. Tried to allocate 2.00 GiB"


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pressure(clock: Clock) -> Pressure:
    return Pressure(recovery_jobs=3, quiet_s=60.0, clock=clock)


def failing(times: int, error: Callable[[], Exception], levels: list[int]) -> Callable[[Level], str]:
    def job(level: Level) -> str:
        levels.append(level.index)
        if len(levels) <= times:
            raise error()
        return "done"

    return job


def test_levels_ask_for_less_and_less() -> None:
    for index, (better, worse) in enumerate(pairwise(LEVELS)):
        assert (better.index, worse.index) == (index, index + 1)
        assert worse.batch_share < better.batch_share
        assert worse.image_share <= better.image_share
        assert worse.octree_share <= better.octree_share
    assert LEVELS[0] == Level(0, 1.0, 1.0, 1.0)


def test_lowering_ends_at_the_last_level(pressure: Pressure) -> None:
    assert [pressure.lower("full").index for _ in range(5)] == [1, 2, 3, 3, 3]


def test_recovers_one_level_at_a_time_after_successes_and_quiet(pressure: Pressure, clock: Clock) -> None:
    pressure.lower("full")
    pressure.lower("full")
    for _ in range(10):
        pressure.note_success()
    assert pressure.level.index == 2, "not quiet for long enough"
    clock.now_s += 61
    pressure.note_success()
    assert pressure.level.index == 1
    for _ in range(10):
        pressure.note_success()
    assert pressure.level.index == 1, "each level needs its own quiet time"
    clock.now_s += 61
    pressure.note_success()
    assert pressure.level.index == 0
    assert pressure.as_json()["reason"] == ""


def test_quiet_alone_is_not_enough(pressure: Pressure, clock: Clock) -> None:
    pressure.lower("full")
    clock.now_s += 1000
    pressure.note_success()
    pressure.note_success()
    assert pressure.level.index == 1
    pressure.note_success()
    assert pressure.level.index == 0


def test_lowering_at_the_last_level_restarts_the_way_up(pressure: Pressure, clock: Clock) -> None:
    for _ in range(3):
        pressure.lower("full")
    clock.now_s += 59
    pressure.lower("full")
    clock.now_s += 59
    for _ in range(5):
        pressure.note_success()
    assert pressure.level.index == 3


def test_status_tells_level_and_reason(pressure: Pressure, clock: Clock) -> None:
    pressure.lower("91% in use")
    clock.now_s += 5
    told = pressure.as_json()
    assert (told["index"], told["reason"], told["since_s"], told["lowered"]) == (1, "91% in use", 5.0, 1)


def test_success_frees_nothing(pressure: Pressure) -> None:
    freed: list[int] = []
    assert attempt(failing(0, RuntimeError, []), pressure=pressure, free=lambda: freed.append(1)) == "done"
    assert not freed
    assert pressure.level.index == 0


def test_out_of_memory_frees_and_tries_once_more_one_level_lower(pressure: Pressure) -> None:
    levels: list[int] = []
    freed: list[int] = []
    job = failing(1, lambda: RuntimeError(OOM), levels)
    assert attempt(job, pressure=pressure, free=lambda: freed.append(1)) == "done"
    assert levels == [0, 1]
    assert freed == [1]
    assert pressure.level.index == 1


def test_out_of_memory_twice_is_a_503_about_memory(pressure: Pressure) -> None:
    levels: list[int] = []
    with pytest.raises(UnavailableError) as caught:
        attempt(failing(2, lambda: RuntimeError(OOM), levels), pressure=pressure, free=lambda: None)
    assert levels == [0, 1]
    assert (caught.value.status, caught.value.detail["kind"]) == (503, "memory")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "its frames would keep the tensors of the failed try"
    assert pressure.level.index == 2, "the next job starts lower"


def test_what_the_failed_try_held_is_gone_before_freeing(pressure: Pressure) -> None:
    class Tensor:
        pass

    held: list[weakref.ref[Tensor]] = []

    def job(_: Level) -> str:
        if held:
            return "done"
        tensor = Tensor()
        held.append(weakref.ref(tensor))
        try:
            raise RuntimeError(OOM)
        except RuntimeError as error:
            kept = error  # frame, error, traceback, frame: only the collector ends this
            assert kept
            raise StageError("decode failed", stage="decode") from error

    alive: list[bool] = []
    attempt(job, pressure=pressure, free=lambda: alive.append(held[0]() is not None))
    assert alive == [False]


def test_lost_device_is_named_and_not_tried_again(pressure: Pressure) -> None:
    levels: list[int] = []
    job = failing(1, lambda: RuntimeError("CUDA error: an illegal memory access was encountered"), levels)
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        attempt(job, pressure=pressure, free=lambda: pytest.fail("frees on a lost device"))
    assert levels == [0]
    assert pressure.level.index == 0


@pytest.mark.parametrize(
    "error",
    [
        ValueError("mat1 and mat2 shapes cannot be multiplied"),
        InvalidInputError("picture shows nothing"),
        UnavailableError("no room for model image", kind="memory"),
        DeviceLostError("lost", stage="gpu"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_pass_as_they_are(pressure: Pressure, error: Exception) -> None:
    levels: list[int] = []
    with pytest.raises(type(error)) as caught:
        attempt(failing(1, lambda: error, levels), pressure=pressure, free=lambda: None)
    assert caught.value is error
    assert levels == [0]
    assert pressure.level.index == 0


def test_cancellation_is_not_swallowed(pressure: Pressure) -> None:
    def job(_: Level) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(job, pressure=pressure, free=lambda: None)
