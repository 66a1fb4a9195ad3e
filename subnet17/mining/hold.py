"""What others ask of the miner for a while: fewer tasks at once, or none. Each request ends by itself.

Several may ask, each under a name of its own; the strictest counts. A request is renewed by asking again, so
a miner that was held back by a program that has died goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from subnet17.mining.clock import SYSTEM_CLOCK, Clock

MOST_HOLDERS = 16
"""Names that may ask at once: a caller that makes up new ones can't fill the memory."""


@dataclass(frozen=True)
class _Request:
    tasks_at_once: int
    reason: str
    until_s: float


class Hold:
    """The requests in force."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._requests: dict[str, _Request] = {}

    def ask(self, by: str, *, tasks_at_once: int, reason: str, for_s: float) -> bool:
        """Takes or renews a request.

        Args:
            by: Who asks.
            tasks_at_once: How many tasks may be worked on at once; 0: none is pulled.
            reason: Shown to the operator.
            for_s: How long it holds.

        Returns:
            Whether it was taken: False when too many others ask.
        """
        self._forget_old()
        if by not in self._requests and len(self._requests) >= MOST_HOLDERS:
            return False
        self._requests[by] = _Request(tasks_at_once, reason, self._clock.monotonic_s() + for_s)
        return True

    def lift(self, by: str) -> bool:
        """Ends a request; False when there was none of this name."""
        self._forget_old()
        return self._requests.pop(by, None) is not None

    @property
    def tasks_at_once(self) -> int | None:
        """How many tasks may be worked on at once; None: as many as the settings say."""
        self._forget_old()
        return min((request.tasks_at_once for request in self._requests.values()), default=None)

    @property
    def reason_not_to_pull(self) -> str:
        """Why no task may be pulled; empty when one may."""
        self._forget_old()
        held = (f"held by {by}: {r.reason}" for by, r in self._requests.items() if r.tasks_at_once == 0)
        return next(held, "")

    def as_json(self) -> list[dict[str, Any]]:
        """For the status page."""
        self._forget_old()
        now_s = self._clock.monotonic_s()
        return [
            {
                "by": by,
                "tasks_at_once": r.tasks_at_once,
                "reason": r.reason,
                "left_s": round(r.until_s - now_s),
            }
            for by, r in self._requests.items()
        ]

    def _forget_old(self) -> None:
        now_s = self._clock.monotonic_s()
        self._requests = {by: r for by, r in self._requests.items() if r.until_s > now_s}
