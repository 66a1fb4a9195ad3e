"""Time that passes only while everybody waits: hours of mining in seconds, the same at every run.

Covers: an event loop whose waits end at once, and a `Clock` that reads it. Executors run inline, so that
code with a thread of its own (the miner's journal) stays in step. Does not cover: real sockets, processes
and other threads; a wait that only they could end is an error, not a hang.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, Unpack

from subnet17.mining.clock import Clock

START_S = 1_700_000_000.0
"""Unix seconds at which virtual time begins."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to the next timer whenever nothing is left to run."""

    def __init__(self) -> None:
        super().__init__(_NoWait(self))
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Runs the function now, in this thread. Others get their turn before the result is seen."""
        future: asyncio.Future[T] = self.create_future()
        settle: Callable[[], None]
        try:
            settle = partial(future.set_result, func(*args))
        except Exception as error:
            settle = partial(future.set_exception, error)
        self.call_soon(lambda: None if future.cancelled() else settle())
        return future


class _NoWait(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:  # asyncio's word for: no callback is ready and no timer is set
            raise RuntimeError("virtual time stands still: everybody waits for something that has no timer")
        self._loop.now_s += max(0.0, timeout)
        return super().select(0)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def loop_time_s() -> float:
    """Seconds since the running loop began."""
    return asyncio.get_running_loop().time()


VIRTUAL_CLOCK = Clock(
    wall_s=lambda: START_S + loop_time_s(),
    wall_ns=lambda: int((START_S + loop_time_s()) * 1e9),
    monotonic_s=loop_time_s,
)
"""The time of the running loop."""
