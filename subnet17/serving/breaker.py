"""A circuit breaker over the last calls: refuses work while the back end keeps failing.

Counts server faults only: not waiting for a worker, running out of less time than the server gives, or
asking for what is not offered. Closed: all pass. Open: all are refused for `open_s`. Half-open: one probe
passes; its success closes the breaker, its failure opens it again. Own code because the libraries looked
at count consecutive failures or lack a single-probe half-open state.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from subnet17.errors import UnavailableError

WINDOW = 20
FAILURE_SHARE = 0.5
OPEN_S = 30.0

State = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """Opens when, of the last 20 calls and at least `min_failures` failures, half or more failed.

    Args:
        min_failures: Failures needed before it may open.
        open_s: How long it stays open before it lets a probe through.
        clock: Monotonic seconds; replaced in tests.
    """

    def __init__(
        self, *, min_failures: int = 5, open_s: float = OPEN_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failed: deque[bool] = deque()
        self.set_min_failures(min_failures)
        self._open_s = open_s
        self._clock = clock
        self._opened_at_s: float | None = None
        self._probing = False

    def set_min_failures(self, min_failures: int) -> None:
        """Counts on with another threshold; an open breaker stays open until its probe."""
        self._min_failures = min_failures
        self._failed = deque(self._failed, maxlen=max(WINDOW, min_failures))

    @property
    def state(self) -> State:
        """Where it stands now."""
        if self._opened_at_s is None:
            return "closed"
        return "half_open" if self._clock() - self._opened_at_s >= self._open_s else "open"

    @property
    def retry_after_s(self) -> int:
        """Whole seconds until a probe is let through; at least 1."""
        if self._opened_at_s is None:
            return 1
        return max(1, round(self._open_s - (self._clock() - self._opened_at_s)))

    def admit(self) -> bool:
        """Lets a call pass, to be followed by exactly one of `succeed`, `fail` or `release`.

        Returns:
            Whether it is the probe, as these are to be told: calls that began before it may end beside it.

        Raises:
            UnavailableError: open, or half-open with its probe under way.
        """
        state = self.state
        if state == "closed":
            return False
        if state == "half_open" and not self._probing:
            self._probing = True
            return True
        raise UnavailableError(
            f"circuit breaker is {state}: {sum(self._failed)} of the last {len(self._failed)} jobs failed",
            reason="breaker",
            state=state,
            retry_after_s=self.retry_after_s,
        )

    def succeed(self, *, probe: bool = False) -> None:
        """The call did its work, or failed through the caller's fault."""
        if self._opened_at_s is not None and not probe:
            return  # admitted before it opened: says nothing of how things are now
        if probe:
            self._failed.clear()
            self._probing = False
            self._opened_at_s = None
        self._failed.append(False)

    def fail(self, *, probe: bool = False) -> None:
        """The call failed through ours."""
        self._failed.append(True)
        failures = sum(self._failed)
        tripped = failures >= self._min_failures and failures >= FAILURE_SHARE * len(self._failed)
        if probe or tripped:
            self._opened_at_s = self._clock()
        self._probing = self._probing and not probe

    def release(self, *, probe: bool = False) -> None:
        """The call ended without saying anything about the back end (cancelled, never started, cut short)."""
        self._probing = self._probing and not probe

    def as_json(self) -> dict[str, object]:
        """For `/status/`."""
        return {"state": self.state, "failures": sum(self._failed), "window": len(self._failed)}
