"""Several endpoints as one: the first to finish is asked, failing ones rest and come back with a probe.

Two things are measured of each. The whole time of a request, mean and deviation, tells how long a candidate
takes. That time divided by the requests that shared the endpoint, ours in flight and the new one, is its
pace: a new request should be done after `(in flight + 1) * pace`, whether it works on one at a time or on
several.

A measurement ages: an endpoint that was slow once (loading, somebody else's work) is asked again some time.

One that hangs costs its whole time limit at each try. Where another can stand in, it rests for as long as it
cost, twice as long each time, and its probes end much sooner.

Does not cover: what is sent (servers.py), requests that others send to the same endpoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from subnet17.errors import InvalidInputError, PeerTimeoutError, S17Error, UnavailableError
from subnet17.mining.clock import SYSTEM_CLOCK, Clock

SMOOTHING = 0.3
LATE_DEVIATIONS = 2.0
"""Mean deviations above the mean within which nearly all requests end: 95 % of a normal distribution."""
FIRST_REST_S = 1.0
MAX_REST_S = 60.0
MAX_HANGING_REST_S = 600.0
PROBE_TIMES = 3.0
"""A probe may take so many times what a request takes, and twice as long after each further failure."""
AGE_S = 300.0
"""Unused for so long, an endpoint is believed to be twice as fast as it was, and its past counts half."""


@dataclass
class Endpoint:
    """One server of a pool.

    Attributes:
        speed_s: Smoothed time of a successful request; 0 before the first.
        deviation_s: Smoothed distance of such a time from `speed_s`.
        pace_s: Smoothed time of a request per request in flight; 0 before the first.
        used_s: Monotonic time of the last success.
        healthy: By its last health check.
        identity: What it says it is: the back end's or the scorer's name.
        failures: In a row; requests that failed side by side count as one.
        failed_s: Monotonic time of the last failure.
        rest_until_s: Monotonic time before which it is not used, after failures.
    """

    url: str
    healthy: bool = False
    identity: str = ""
    reason: str = "not asked yet"
    in_flight: int = 0
    speed_s: float = 0.0
    deviation_s: float = 0.0
    pace_s: float = 0.0
    used_s: float = 0.0
    failures: int = 0
    failed_s: float = -math.inf
    rest_until_s: float = 0.0

    @property
    def is_on_probe(self) -> bool:
        """Back from a rest and not proved yet, with its one request under way."""
        return self.failures > 0 and self.in_flight > 0

    def finish_s(self, now_s: float, *, untried_s: float) -> float:
        """When a request sent now should be done, in seconds from now."""
        if not self.pace_s:
            return (self.in_flight + 1) * untried_s
        idle_s = 0.0 if self.in_flight else max(0.0, now_s - self.used_s)
        return float((self.in_flight + 1) * self.pace_s * 0.5 ** (idle_s / AGE_S))

    def succeeded(self, elapsed_s: float, *, sharing: int, now_s: float) -> None:
        """Takes in a request that worked. `sharing`: requests that it began among, itself included."""
        idle_s = max(0.0, now_s - elapsed_s - self.used_s)
        self.failures = 0
        self.used_s = now_s
        if not self.speed_s:
            self.speed_s, self.deviation_s, self.pace_s = elapsed_s, elapsed_s / 4, elapsed_s / sharing
            return
        weight = 1.0 - (1.0 - SMOOTHING) * 0.5 ** (idle_s / AGE_S)
        self.deviation_s += SMOOTHING * (abs(elapsed_s - self.speed_s) - self.deviation_s)
        self.speed_s += weight * (elapsed_s - self.speed_s)
        self.pace_s += weight * (elapsed_s / sharing - self.pace_s)

    def failed(self, error: S17Error, *, began_s: float, now_s: float, has_stand_in: bool) -> None:
        """Sends it to a rest: as long as it asks for, else doubling from failure to failure.

        Args:
            began_s: Monotonic time when the request was sent.
            has_stand_in: Another endpoint does its work meanwhile.
        """
        if began_s >= self.failed_s:
            self.failures += 1
        self.failed_s = now_s
        doubled = 2.0 ** min(self.failures - 1, 10)
        rest_s = min(MAX_REST_S, FIRST_REST_S * doubled)
        if isinstance(error, PeerTimeoutError) and has_stand_in:
            rest_s = max(rest_s, min(MAX_HANGING_REST_S, (now_s - began_s) * doubled))
        told_s = error.detail.get("retry_after_s")
        self.rest_until_s = max(self.rest_until_s, now_s + (float(told_s) if told_s else rest_s))

    def as_json(self) -> dict[str, Any]:
        """For the status page."""
        shown = ("url", "healthy", "identity", "reason", "in_flight", "failures")
        measured = ("speed_s", "deviation_s", "pace_s")
        return {name: getattr(self, name) for name in shown} | {
            name: round(getattr(self, name), 3) for name in measured
        }


@dataclass
class Pool:
    """Endpoints that can stand in for each other."""

    endpoints: list[Endpoint]
    clock: Clock = field(default=SYSTEM_CLOCK)

    @property
    def usable(self) -> list[Endpoint]:
        """Those that may be asked now; ones on probe only where there are no others."""
        now_s = self.clock.monotonic_s()
        rested = [e for e in self.endpoints if e.healthy and e.rest_until_s <= now_s]
        return [e for e in rested if not e.is_on_probe] or rested

    @property
    def speed_s(self) -> float:
        """Time of a request to the endpoint that would be asked now; 0 when none was measured."""
        return self._typical().speed_s

    @property
    def late_s(self) -> float:
        """The time that nearly no request exceeds; 0 when none was measured."""
        typical = self._typical()
        return typical.speed_s + LATE_DEVIATIONS * typical.deviation_s

    @contextmanager
    def lease(self) -> Iterator[Endpoint]:
        """The endpoint that should finish first.

        Raises:
            UnavailableError: none is usable.
        """
        usable = self.usable
        if not usable:
            reasons = "; ".join(f"{e.url}: {e.reason or 'resting after failures'}" for e in self.endpoints)
            raise UnavailableError(f"no endpoint is usable: {reasons}"[:300])
        chosen = self._first_to_finish(usable)
        chosen.in_flight += 1
        sharing = chosen.in_flight
        started_s = self.clock.monotonic_s()
        try:
            yield chosen
        except InvalidInputError:
            chosen.failures = 0  # it did its work: the task is at fault
            raise
        except S17Error as error:
            now_s = self.clock.monotonic_s()
            chosen.failed(error, began_s=started_s, now_s=now_s, has_stand_in=self._has_stand_in(chosen))
            raise
        else:
            now_s = self.clock.monotonic_s()
            chosen.succeeded(now_s - started_s, sharing=sharing, now_s=now_s)
        finally:
            chosen.in_flight -= 1

    def limit_s(self, endpoint: Endpoint, most_s: float) -> float:
        """How long a request to a leased endpoint may take: less than `most_s` for a probe."""
        if not endpoint.failures or not self._has_stand_in(endpoint):
            return most_s
        usual_s = endpoint.speed_s or max(e.speed_s for e in self.endpoints)
        patience = PROBE_TIMES * 2.0 ** min(endpoint.failures - 1, 10)
        return min(most_s, patience * usual_s) if usual_s else most_s

    def _has_stand_in(self, endpoint: Endpoint) -> bool:
        return any(e.healthy and not e.failures for e in self.endpoints if e is not endpoint)

    def _first_to_finish(self, endpoints: list[Endpoint]) -> Endpoint:
        now_s = self.clock.monotonic_s()
        fastest_s = min((e.pace_s for e in endpoints if e.pace_s), default=1.0)
        untried_s = fastest_s / 2  # hopeful: an endpoint that is never tried is never measured
        return min(endpoints, key=lambda e: e.finish_s(now_s, untried_s=untried_s))

    def _typical(self) -> Endpoint:
        measured = [e for e in self.usable if e.speed_s] or [e for e in self.endpoints if e.speed_s]
        return self._first_to_finish(measured or self.endpoints)
