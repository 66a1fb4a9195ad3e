"""Judges measures: which limit is passed, since when, and when to tell of it.

An alert is told once when a limit has been passed for `hold_s`, again every `repeat_s` while that lasts, and
once more when it is over: when the measure has kept 5 % of distance to its limit for `hold_s`, or what was
measured (a GPU) has been gone for a minute. Between limit and that distance nothing changes, so a measure
that swings around its limit is told once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Literal

from subnet17.ops.preflight import LOCAL_MIN_FREE_BYTES
from subnet17.ops.resources import Measure, shown
from subnet17.settings import OperationsTable

CLEAR_SHARE = 0.05
EARLY_DISK = 1.5
"""Told, and cleaned up, before the floor that stops the miner is reached."""
HOTTER_DEG_C = 5.0
GONE_S = 60.0
"""What has not been there for so long is gone."""

Event = Literal["raised", "repeated", "over"]


class Relief(IntEnum):
    """What the miner does while an alert stands; the strongest of all counts."""

    NONE = 0
    LESS_AT_ONCE = 1
    NO_NEW_TASKS = 2


@dataclass(frozen=True)
class Limit:
    """When a measure is told.

    Attributes:
        name: Of the alert.
        measure: Name of the measure.
        least: The value below which it is told; None where there is none.
        most: The value above which it is told.
        relief: What the miner does meanwhile.
        cleans_up: Whether old runs make room then, where the operator allowed it.
    """

    name: str
    measure: str
    least: float | None = None
    most: float | None = None
    relief: Relief = Relief.NONE
    cleans_up: bool = False

    def passed(self, value: float) -> bool:
        """Whether the value is beyond the limit."""
        return (self.least is not None and value < self.least) or (
            self.most is not None and value > self.most
        )

    def cleared(self, value: float) -> bool:
        """Whether the value has the distance to the limit that ends an alert."""
        least = -math.inf if self.least is None else self.least * (1 + CLEAR_SHARE)
        most = math.inf if self.most is None else self.most * (1 - CLEAR_SHARE)
        return least <= value <= most


@dataclass(frozen=True)
class Alert:
    """Something to tell.

    Attributes:
        event: raised, repeated or over.
        name: Of the limit.
        subject: Which disk or GPU; empty where there is one only.
        measure: What was measured.
        value: As it is now; None when what was measured is gone.
        limit: As configured.
        relief: What the miner does meanwhile.
        lasted_s: Since it was raised.
    """

    event: Event
    name: str
    subject: str
    measure: str
    value: float | None
    limit: float
    relief: Relief
    lasted_s: float

    @property
    def message(self) -> str:
        """One line for a person."""
        where = f" on {self.subject}" if self.subject else ""
        over = f", over after {self.lasted_s:.0f} s" if self.event == "over" else ""
        if self.value is None:
            return f"{self.name}{where}{over}: {self.measure} is not measured any more"
        now, limit = shown(self.measure, self.value), shown(self.measure, self.limit)
        return f"{self.name}{where}{over}: {self.measure} is {now}, limit {limit}"

    def as_json(self) -> dict[str, object]:
        """For the webhook and status pages."""
        return asdict(self) | {"relief": self.relief.name.lower(), "message": self.message}


class _Watch:
    """One limit on one subject. `since_s`: when the value came to the side it will be told of."""

    def __init__(self, limit: Limit, subject: str) -> None:
        self.limit, self.subject = limit, subject
        self.raised_s: float | None = None
        self.value: float | None = None
        self.gone_s: float | None = None
        self._told_s = 0.0
        self._since_s: float | None = None

    def look(self, value: float, now_s: float, *, hold_s: float, repeat_s: float) -> Alert | None:
        self.value = value
        turning = self.limit.passed(value) if self.raised_s is None else self.limit.cleared(value)
        if not turning:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        if self._since_s is not None and now_s - self._since_s >= hold_s:
            self._since_s = None
            return self._turn(now_s)
        if self.raised_s is not None and now_s - self._told_s >= repeat_s:
            return self._tell("repeated", now_s)
        return None

    def _turn(self, now_s: float) -> Alert:
        if self.raised_s is None:
            self.raised_s = now_s
            return self._tell("raised", now_s)
        alert = self._tell("over", now_s)
        self.raised_s = None
        return alert

    def _tell(self, event: Event, now_s: float) -> Alert:
        self._told_s = now_s
        return self.describe(event, now_s)

    def describe(self, event: Event, now_s: float) -> Alert:
        limit = self.limit
        allowed = limit.least if limit.least is not None else limit.most
        return Alert(
            event=event,
            name=limit.name,
            subject=self.subject,
            measure=limit.measure,
            value=self.value,
            limit=allowed if allowed is not None else math.nan,
            relief=limit.relief,
            lasted_s=0.0 if self.raised_s is None else now_s - self.raised_s,
        )


class Limits:
    """All limits of the settings and how the measures stand to them.

    Args:
        limits: See `limits_of`.
        hold_s: How long a limit must be passed, and kept again.
        repeat_s: When an alert that stands is told again.
    """

    def __init__(self, limits: Iterable[Limit], *, hold_s: float, repeat_s: float) -> None:
        self._watches: dict[tuple[str, str], _Watch] = {}
        self.change(limits, hold_s=hold_s, repeat_s=repeat_s)

    def change(self, limits: Iterable[Limit], *, hold_s: float, repeat_s: float) -> None:
        """Judges by others from now on. What stands stays until its measure keeps the new limit.

        Args:
            limits, hold_s, repeat_s: See `Limits`.
        """
        self._limits = list(limits)
        self._hold_s, self._repeat_s = hold_s, repeat_s
        by_name = {limit.name: limit for limit in self._limits}
        self._watches = {key: watch for key, watch in self._watches.items() if key[0] in by_name}
        for (name, _), watch in self._watches.items():
            watch.limit = by_name[name]

    def judge(self, measures: Iterable[Measure], now_s: float) -> list[Alert]:
        """What is to be told now. A measure that could not be taken changes nothing.

        Args:
            measures: All that were taken in one look.
            now_s: Monotonic seconds.
        """
        measures = list(measures)
        alerts = self._end_gone({(m.name, m.subject) for m in measures}, now_s)
        for measure in measures:
            for limit in self._limits:
                if limit.measure != measure.name or measure.value is None:
                    continue
                watch = self._watches.setdefault(
                    (limit.name, measure.subject), _Watch(limit, measure.subject)
                )
                alert = watch.look(measure.value, now_s, hold_s=self._hold_s, repeat_s=self._repeat_s)
                alerts += [alert] if alert else []
        return alerts

    def _end_gone(self, measured: set[tuple[str, str]], now_s: float) -> list[Alert]:
        """Ends the watch over what is there no more: its last value says nothing of now."""
        alerts = []
        for key, watch in list(self._watches.items()):
            if (watch.limit.measure, watch.subject) in measured:
                watch.gone_s = None
                continue
            watch.gone_s = now_s if watch.gone_s is None else watch.gone_s
            if now_s - watch.gone_s >= max(self._hold_s, GONE_S):
                del self._watches[key]
                watch.value = None
                alerts += [watch.describe("over", now_s)] if watch.raised_s is not None else []
        return alerts

    def standing(self, now_s: float) -> list[Alert]:
        """The alerts that were raised and are not over, as last told."""
        return [w.describe("repeated", now_s) for w in self._watches.values() if w.raised_s is not None]

    @property
    def relief(self) -> Relief:
        """What the standing alerts ask of the miner."""
        return max((w.limit.relief for w in self._standing()), default=Relief.NONE)

    @property
    def wants_room(self) -> bool:
        """Whether old runs should make room on the disk."""
        return any(w.limit.cleans_up for w in self._standing())

    def _standing(self) -> list[_Watch]:
        return [watch for watch in self._watches.values() if watch.raised_s is not None]


def limits_of(operations: OperationsTable, *, local: bool = False) -> list[Limit]:
    """The limits that the settings name; with a local subnet little disk is needed."""
    o, less, none = operations, Relief.LESS_AT_ONCE, Relief.NO_NEW_TASKS
    floor = float(min(o.min_free_disk_bytes, LOCAL_MIN_FREE_BYTES) if local else o.min_free_disk_bytes)
    hot = o.max_gpu_temperature_deg_c
    limits = [
        Limit("disk is running full", "disk_free_bytes", least=EARLY_DISK * floor, cleans_up=True),
        Limit("disk is full", "disk_free_bytes", least=floor, relief=none),
        Limit("memory is short", "memory_percent", most=o.max_memory_percent, relief=less),
        Limit("processor is busy", "cpu_percent", most=o.max_cpu_percent),
        Limit("GPU memory is short", "vram_percent", most=o.max_vram_percent, relief=less),
        Limit("GPU is hot", "gpu_temperature_deg_c", most=hot, relief=less),
        Limit("GPU is too hot", "gpu_temperature_deg_c", most=hot + HOTTER_DEG_C, relief=none),
        Limit("GPU is lost", "gpus_lost", most=0.5),
        Limit("clock is wrong", "clock_skew_s", most=o.max_clock_skew_s),
        Limit("network is out", "network_reachable", least=0.5),
    ]
    if o.max_gpu_power_w:
        limits.append(Limit("GPU draws too much", "gpu_power_w", most=o.max_gpu_power_w))
    return limits
