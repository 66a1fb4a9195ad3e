"""A moment by which an answer is worth something."""

from __future__ import annotations

import time
from dataclasses import dataclass

from subnet17.errors import DeadlineError, InvalidInputError

TIMEOUT_HEADER = "X-Timeout-S"
"""Seconds the caller will wait, sent with a request. A job that begins in time may get longer:
`serving.jobs.FAIR_JOB_S`."""


@dataclass(frozen=True)
class Deadline:
    """A point on the monotonic clock.

    Attributes:
        at_s: Monotonic seconds.
        by_caller: It is earlier than the server's own limit, since the caller asked for that.
    """

    at_s: float
    by_caller: bool = False

    @classmethod
    def after(cls, timeout_s: float) -> Deadline:
        """`timeout_s` seconds from now."""
        return cls(time.monotonic() + timeout_s)

    @classmethod
    def of_request(cls, header: str | None, *, longest_s: float) -> Deadline:
        """What the caller's header asks for, never longer than the server's own limit.

        Raises:
            InvalidInputError: the header is not a positive number.
        """
        if header is None:
            return cls.after(longest_s)
        try:
            asked_s = float(header)
        except ValueError:
            asked_s = 0.0
        if not 0 < asked_s < float("inf"):
            raise InvalidInputError(
                f"{TIMEOUT_HEADER} is {header[:40]!r}, expected a positive number of seconds",
                header=TIMEOUT_HEADER,
            )
        return cls(time.monotonic() + min(asked_s, longest_s), by_caller=asked_s < longest_s)

    @property
    def remaining_s(self) -> float:
        """Seconds left; negative once it has passed."""
        return self.at_s - time.monotonic()

    def check(self, stage: str, kind: type[DeadlineError] = DeadlineError) -> float:
        """Seconds left, or an error of this kind naming the stage that was not reached."""
        if (remaining_s := self.remaining_s) > 0:
            return remaining_s
        raise kind(f"deadline passed {-remaining_s:.2f} s before {stage}", stage=stage)
