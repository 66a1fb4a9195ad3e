"""When a process that keeps failing is put aside, and when it is tried again.

Covers: failures counted in a window, pauses that double each time, forgotten after a good stretch. All times
are Unix seconds: the record outlives the orchestrator. Pure; what is done about it is the keeper's work.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

from subnet17.settings import OperationsTable

MAX_PAUSE_S = 6 * 3600.0
"""Longest time that a process stays aside."""
MAX_DOUBLINGS = 20
"""Beyond it a pause is far above the longest anyway, and a power of two would overflow."""


@dataclass(frozen=True)
class CrashLimits:
    """What counts as a crash loop.

    Attributes:
        failures: So many within `window_s` are one.
        window_s: Older failures don't count.
        pause_s: How long the process stays aside the first time.
    """

    failures: int
    window_s: float
    pause_s: float

    @classmethod
    def of(cls, operations: OperationsTable) -> CrashLimits:
        """As the settings say."""
        return cls(
            operations.crash_loop_failures, operations.crash_loop_window_s, operations.crash_loop_pause_s
        )


class CrashRecord(BaseModel):
    """The failures of one process.

    Attributes:
        failed_s: When it failed within the window; the oldest first.
        last_failure: Why it failed last.
        times_aside: How often it was put aside since it last ran well.
        aside_until_s: When it is tried again; None while it is not put aside.
    """

    failed_s: list[float] = Field(default_factory=list)
    last_failure: str = ""
    times_aside: int = 0
    aside_until_s: float | None = None

    def note_failure(self, now_s: float, why: str, limits: CrashLimits) -> None:
        """It crashed, did not start, or had to be restarted because it hung."""
        self.failed_s = [at_s for at_s in self.failed_s if 0 <= now_s - at_s < limits.window_s] + [now_s]
        self.failed_s = self.failed_s[-limits.failures :]
        self.last_failure = why

    def is_loop(self, now_s: float, limits: CrashLimits) -> bool:
        """Whether it fails so often that trying again at once only costs."""
        return sum(0 <= now_s - at_s < limits.window_s for at_s in self.failed_s) >= limits.failures

    def put_aside(self, now_s: float, limits: CrashLimits) -> float:
        """Starts a pause, twice as long as the last; returns its length in seconds."""
        pause_s = min(MAX_PAUSE_S, limits.pause_s * 2.0 ** min(self.times_aside, MAX_DOUBLINGS))
        self.times_aside += 1
        self.aside_until_s = now_s + pause_s
        self.failed_s = []
        return pause_s

    def aside_s(self, now_s: float) -> float:
        """Seconds left of its pause; 0 when it may run. A clock that was set back lengthens no pause."""
        left_s = max(0.0, (self.aside_until_s or 0.0) - now_s)
        return left_s if left_s <= MAX_PAUSE_S else 0.0

    def take_back(self) -> None:
        """Its pause is over: it is tried again."""
        self.aside_until_s = None

    def forget(self) -> None:
        """It ran well for long, or the operator started it: the next pause is the shortest again."""
        self.failed_s, self.times_aside, self.aside_until_s = [], 0, None
