"""Smooth steps that turn measured quantities into 0..1."""

from __future__ import annotations

import math


def rise(value: float, *, low: float, high: float) -> float:
    """About 0.02 at `low`, 0.98 at `high`, strictly rising everywhere: no two assets tie by clipping."""
    steepness = 8.0 / (high - low)
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, steepness * (value - (low + high) / 2)))))


def fall(value: float, *, good: float, bad: float) -> float:
    """About 0.98 at `good` and below, 0.02 at `bad`, strictly falling."""
    return 1 - rise(value, low=good, high=bad)
