"""The time a miner lives by, in one place so that tests and simulations can bring their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Attributes:
    wall_s: Unix seconds. Only for what is compared with a validator's clock: it may step.
    wall_ns: Unix nanoseconds, for nonces and submit times.
    monotonic_s: Never steps. For every wait and every duration.
    sleep: Waits that many seconds.
    """

    wall_s: Callable[[], float] = time.time
    wall_ns: Callable[[], int] = time.time_ns
    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


SYSTEM_CLOCK = Clock()
