"""Nonces that every validator's clock takes, strictly increasing, also over restarts and steps of our clock.

An axon keeps the last nonce of each (hotkey, uuid) and takes only greater ones. The first of a uuid must be
younger than 4 s plus the call's timeout by the axon's own clock; the future is allowed. Hence:
    - a uuid of its own for each validator and process, so that one validator's clock does not touch another;
    - ours plus the difference where a validator's clock is ahead of ours: otherwise it would refuse every
      call. One that is behind sees nonces from its future, which it takes;
    - never less than what was used: within a run by counting, over a restart by a floor on disk. The floor is
      written ahead in strides, so that the disk is asked rarely.

Not covered: an axon of a later kind that would refuse nonces from the future.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from subnet17.mining.clock import SYSTEM_CLOCK, Clock

STRIDE_NS = 10 * 10**9
"""Reserved at once. After a restart nonces may run ahead of the clock by so much."""
TOLERATED_AHEAD_S = 1.0
"""Far less than the 4 s an axon allows; smaller differences are Date's whole seconds."""
MAX_AHEAD_S = 366 * 86_400.0
"""A clock further ahead is broken; following it would leave the range of nanoseconds."""
QUICK_REPLY_S = 2.0

Reserve = Callable[[int], Awaitable[None]]


@dataclass
class _Line:
    """What one validator sees."""

    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    ahead_ns: int = 0
    last: int = 0


class Nonces:
    """Gives out nonces.

    Args:
        floor: The last one that an earlier run may have used.
        reserve: Makes sure, on disk, that all up to a number count as used after a restart.
    """

    def __init__(
        self, clock: Clock = SYSTEM_CLOCK, *, floor: int = 0, reserve: Reserve | None = None
    ) -> None:
        self._clock = clock
        self._last = self._reserved = floor
        self._reserve = reserve
        self._reserving = asyncio.Lock()
        self._lines: dict[str, _Line] = {}

    def uuid_for(self, validator: str) -> str:
        """What names our line of nonces to a validator."""
        return self._line(validator).uuid

    async def next(self, validator: str) -> int:
        """The next one for a validator: nanoseconds, on its clock where that is ahead of ours.

        Raises:
            Exception: what `reserve` raises.
        """
        self._last = base = max(self._last + 1, self._clock.wall_ns())
        await self._hold(base)
        line = self._line(validator)
        line.last = max(line.last + 1, base + line.ahead_ns)
        return line.last

    async def _hold(self, base: int) -> None:
        """Nothing is used before it is reserved on disk."""
        if self._reserve is None:
            return
        async with self._reserving:
            if base > self._reserved:
                await self._reserve(base + STRIDE_NS)
                self._reserved = base + STRIDE_NS

    def note_skew(self, validator: str, skew_s: float | None, *, elapsed_s: float = 0.0) -> None:
        """A reply told the validator's clock minus ours; slow replies tell it badly and don't count."""
        if skew_s is None or elapsed_s > QUICK_REPLY_S:
            return
        follow = TOLERATED_AHEAD_S < skew_s <= MAX_AHEAD_S
        self._line(validator).ahead_ns = int(skew_s * 1e9) if follow else 0

    def recall(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes the clocks that an earlier run learned, from the validator book: no call is refused."""
        for hotkey, row in rows.items():
            skew_s = row.get("skew_s")
            self.note_skew(hotkey, skew_s if isinstance(skew_s, float) else None)

    def _line(self, validator: str) -> _Line:
        return self._lines.setdefault(validator, _Line())
