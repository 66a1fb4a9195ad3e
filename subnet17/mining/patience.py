"""Blocking calls of foreign libraries that may hang for ever, such as a substrate client's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from subnet17.errors import PeerTimeoutError

STUCK_S = 600.0
"""A call that hangs longer is left behind with its thread, and a new one may be made. Twice as long each
time: so the calls that may hang last for days."""
MAX_STUCK = 8

T = TypeVar("T")


class Patience(Generic[T]):
    """Runs blocking calls in daemon threads: a stuck one neither blocks the loop nor the exit.

    One at a time, unless one is stuck for long; and only so many of those, since none can be ended.
    """

    def __init__(self) -> None:
        self._running: threading.Event | None = None
        self._since_s = 0.0
        self._stuck = 0

    async def call(self, function: Callable[[], T], timeout_s: float) -> T:
        self._check_idle()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        done = threading.Event()  # not is_alive(): a thread outlives its answer by a moment

        def finish(result: T | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            try:
                outcome: tuple[T | None, Exception | None] = (function(), None)
            except Exception as error:
                outcome = (None, error)
            done.set()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(finish, *outcome)

        self._running, self._since_s = done, time.monotonic()
        threading.Thread(target=run, name="patience", daemon=True).start()
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise PeerTimeoutError(f"no answer within {timeout_s:g} s") from None

    def _check_idle(self) -> None:
        if self._running is None or self._running.is_set():
            return
        stuck_s = time.monotonic() - self._since_s
        if stuck_s < STUCK_S * 2**self._stuck:
            raise PeerTimeoutError(f"the last read is still stuck, for {stuck_s:.0f} s")
        if self._stuck >= MAX_STUCK:
            raise PeerTimeoutError(f"{self._stuck + 1} reads are stuck: restart the process")
        self._stuck += 1
