"""Asks for less when memory runs out, and for more again once it has not for a while."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeVar

from subnet17.errors import DeviceLostError, UnavailableError
from subnet17.gpu.faults import kind_of
from subnet17.log import get_logger

R = TypeVar("R")

log = get_logger()

RECOVERY_JOBS = 20
"""Calls of `attempt`, five an asset, that must succeed at a level before the next better one is tried."""
QUIET_S = 60.0
"""And for how long nothing may have gone wrong."""


@dataclass(frozen=True)
class Level:
    """How much of the usual work is asked for, as shares in 0..1.

    Attributes:
        index: 0 is the full work.
        image_share: Of the picture's side in pixels.
        octree_share: Of the field's resolution.
        batch_share: Of points or pictures computed at once: costs time, not quality.
    """

    index: int
    image_share: float
    octree_share: float
    batch_share: float


LEVELS = (
    Level(0, 1.0, 1.0, 1.0),
    Level(1, 1.0, 1.0, 0.5),
    Level(2, 1.0, 0.75, 0.25),
    Level(3, 0.75, 0.5, 0.125),
)
"""First slower, then coarser."""


class Pressure:
    """The level all jobs of this process work at. Safe to use from several threads.

    Args:
        recovery_jobs: Successes in a row before the level rises by one.
        quiet_s: Seconds since the last change before it does.
        clock: Monotonic seconds; replaced in tests.
    """

    def __init__(
        self,
        *,
        recovery_jobs: int = RECOVERY_JOBS,
        quiet_s: float = QUIET_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recovery_jobs = recovery_jobs
        self._quiet_s = quiet_s
        self._clock = clock
        self._lock = threading.Lock()
        self._level = LEVELS[0]
        self._reason = ""
        self._changed_at_s = clock()
        self._successes = 0
        self._lowered = 0

    @property
    def level(self) -> Level:
        """What jobs should ask for now."""
        return self._level

    def lower(self, reason: str) -> Level:
        """Goes one level down if there is one, and starts the way back up anew either way."""
        with self._lock:
            self._set(min(self._level.index + 1, len(LEVELS) - 1), reason)
            self._lowered += 1
            log.warning("working at a lower level", level=self._level.index, reason=reason)
            return self._level

    def note_success(self) -> None:
        """A call of `attempt` was done; enough of them, over a quiet time, raise the level by one."""
        with self._lock:
            self._successes += 1
            quiet = self._clock() - self._changed_at_s >= self._quiet_s
            if self._level.index and quiet and self._successes >= self._recovery_jobs:
                self._set(self._level.index - 1, self._reason if self._level.index > 1 else "")
                log.info("working at a higher level again", level=self._level.index)

    def as_json(self) -> dict[str, object]:
        """For `/status/`."""
        with self._lock:
            return {
                **asdict(self._level),
                "reason": self._reason,
                "since_s": round(self._clock() - self._changed_at_s, 1),
                "lowered": self._lowered,
            }

    def _set(self, index: int, reason: str) -> None:
        self._level = LEVELS[index]
        self._reason = reason
        self._changed_at_s = self._clock()
        self._successes = 0


def attempt(job: Callable[[Level], R], *, pressure: Pressure, free: Callable[[], object]) -> R:
    """Runs `job` at the present level; out of memory, frees and tries once more one level lower.

    Args:
        job: The work; must hold nothing outside itself that it would have to undo.
        pressure: Told of success and of memory running out.
        free: Gives up what can be given up (idle models, cached blocks).

    Raises:
        UnavailableError: out of memory twice; `detail["kind"]` is "memory".
        DeviceLostError: the GPU answers this process no more.
    """
    done, result, told = _run(job, pressure.level)
    if not done:
        # Here the failed try's frames are gone, and with them the tensors they held: before, nothing
        # that `free` does would help.
        gc.collect()
        free()
        done, result, told = _run(job, pressure.lower(told))
    if not done:
        gc.collect()
        free()
        raise UnavailableError(
            f"out of GPU memory, again after freeing and at level {pressure.lower(told).index}: {told}",
            kind="memory",
        )
    pressure.note_success()
    return result  # type: ignore[return-value]


def _run(job: Callable[[Level], R], level: Level) -> tuple[bool, R | None, str]:
    """Whether it was done, its result, and otherwise what the allocator said."""
    try:
        return True, job(level), ""
    except UnavailableError:
        raise  # decided already: weights that do not fit won't at a lower level either
    except Exception as error:
        kind = kind_of(error)
        if kind == "poisoned" and not isinstance(error, DeviceLostError):
            raise DeviceLostError(f"the GPU is lost to this process: {_line(error)}", stage="gpu") from error
        if kind != "oom":
            raise
        told = _line(error)
    return False, None, told


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
