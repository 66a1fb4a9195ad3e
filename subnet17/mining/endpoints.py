"""Several generation endpoints as one: the least loaded first, the failing ones last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from subnet17.errors import InvalidInputError, S17Error, UnavailableError
from subnet17.mining.clock import SYSTEM_CLOCK, Clock

SMOOTHING = 0.3
FIRST_REST_S = 1.0
MAX_REST_S = 60.0


@dataclass
class Endpoint:
    """One server of a pool.

    Attributes:
        speed_s: Smoothed time of a successful request; 0 before the first.
        healthy: By its last health check.
        identity: What it says it is: the back end's or the scorer's name.
        rest_until_s: Monotonic time before which it is not used, after failures.
    """

    url: str
    healthy: bool = False
    identity: str = ""
    reason: str = "not asked yet"
    in_flight: int = 0
    speed_s: float = 0.0
    failures: int = 0
    rest_until_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For the status page."""
        shown = ("url", "healthy", "identity", "reason", "in_flight", "failures")
        return {name: getattr(self, name) for name in shown} | {"speed_s": round(self.speed_s, 3)}


@dataclass
class Pool:
    """Endpoints that can stand in for each other."""

    endpoints: list[Endpoint]
    clock: Clock = field(default=SYSTEM_CLOCK)

    @property
    def usable(self) -> list[Endpoint]:
        """Those that may be asked now."""
        now_s = self.clock.monotonic_s()
        return [e for e in self.endpoints if e.healthy and e.rest_until_s <= now_s]

    @property
    def speed_s(self) -> float:
        """Smoothed time of a request over the endpoints that were measured; 0 when none was."""
        measured = [e.speed_s for e in self.endpoints if e.speed_s]
        return sum(measured) / len(measured) if measured else 0.0

    @contextmanager
    def lease(self) -> Iterator[Endpoint]:
        """The endpoint that should finish first: fewest requests, weighted by its measured time.

        Raises:
            UnavailableError: none is usable.
        """
        usable = self.usable
        if not usable:
            reasons = "; ".join(f"{e.url}: {e.reason or 'resting after failures'}" for e in self.endpoints)
            raise UnavailableError(f"no endpoint is usable: {reasons}"[:300])
        fastest_s = min((e.speed_s for e in usable if e.speed_s), default=1.0)
        untried_s = fastest_s / 2  # hopeful: an endpoint that is never tried is never measured
        chosen = min(usable, key=lambda e: (e.in_flight + 1) * (e.speed_s or untried_s))
        chosen.in_flight += 1
        started_s = self.clock.monotonic_s()
        try:
            yield chosen
        except InvalidInputError:
            chosen.failures = 0  # it did its work: the task is at fault
            raise
        except S17Error as error:
            self._note_failure(chosen, error)
            raise
        else:
            elapsed_s = self.clock.monotonic_s() - started_s
            chosen.failures = 0
            chosen.speed_s += SMOOTHING * (elapsed_s - chosen.speed_s) if chosen.speed_s else elapsed_s
        finally:
            chosen.in_flight -= 1

    def _note_failure(self, endpoint: Endpoint, error: S17Error) -> None:
        endpoint.failures += 1
        rest_s = min(MAX_REST_S, FIRST_REST_S * 2.0 ** min(endpoint.failures - 1, 10))
        told_s = error.detail.get("retry_after_s")
        endpoint.rest_until_s = self.clock.monotonic_s() + (float(told_s) if told_s else rest_s)
