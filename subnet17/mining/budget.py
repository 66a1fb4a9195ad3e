"""How many calls may be repeats: when much fails at once, repeats must not make it worse.

A token bucket over all validators: each first call earns a share of a repeat, each repeat spends one. A slow
trickle comes on top, since a finished result is never given up: with the bucket empty it waits, no more.
"""

from __future__ import annotations

from subnet17.mining.clock import SYSTEM_CLOCK, Clock

RESERVE = 10.0
"""Repeats saved up at the most, and given at the start: a short trouble of a few validators is no storm."""
ROUNDING = 1e-9
TRICKLE_S = 60.0
"""One repeat per this time comes without any first call."""


class RetryBudget:
    """Counts calls.

    Args:
        share: Repeats per first call in the long run.
    """

    def __init__(self, share: float, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._share = share
        self._clock = clock
        self._tokens = RESERVE
        self._counted_s = clock.monotonic_s()

    def first(self) -> None:
        """A call was made for the first time."""
        self._earn(self._share)

    def take(self) -> bool:
        """Whether a call may be repeated now; if so, it counts as repeated."""
        self._earn(0.0)
        if self._tokens < 1.0 - ROUNDING:
            return False
        self._tokens -= 1.0
        return True

    @property
    def left(self) -> float:
        """Repeats that may be made now."""
        self._earn(0.0)
        return self._tokens

    @property
    def wait_s(self) -> float:
        """Until the next repeat comes by itself; 0 when there is one."""
        return max(0.0, (1.0 - self.left) * TRICKLE_S)

    def _earn(self, tokens: float) -> None:
        now_s = self._clock.monotonic_s()
        tokens += (now_s - self._counted_s) / TRICKLE_S
        self._tokens, self._counted_s = min(RESERVE, self._tokens + tokens), now_s
