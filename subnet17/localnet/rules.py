"""The pull protocol's arithmetic: when a miner may pull again and what a result is worth.

Covers: cooldowns, penalties, the validation lock, the double-submission guard and the reward window,
as pure functions of times that the caller passes in. Does not cover: who asked (validator.py) and duels
(ratings.py): the local subnet runs none, so that every miner keeps a newcomer's rating; the simulation does.
Figures: the official validator's defaults of October 2025. All times are unix seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Rules:
    """What one validator enforces. The fields in seconds follow the time scale, the others don't."""

    task_cooldown_s: float = 300.0
    throttle_s: float = 30.0
    cooldown_penalty_s: float = 600.0
    validation_lock_s: float = 30.0
    violation_penalty_s: float = 10.0
    unregistered_cooldown_s: float = 3600.0
    reward_window_s: float = 4 * 3600.0
    violations_threshold: int = 100
    score_threshold: float = 0.6
    average_weight: float = 0.05

    def scaled(self, time_scale: float) -> Rules:
        """The same rules with every duration multiplied by `time_scale` (0..1]."""
        durations = [field.name for field in fields(self) if field.name.endswith("_s")]
        return replace(self, **{name: getattr(self, name) * time_scale for name in durations})


def cooldown_after_task(rules: Rules, *, now_s: float, assigned_at_s: float, penalised: bool) -> int:
    """When a miner whose task has just been settled may pull again.

    The first `throttle_s` of work are free, each later second costs one.

    Args:
        now_s: When the task was settled.
        assigned_at_s: When it was first given out.
        penalised: After a low score or a bad signature.

    Returns:
        `int(max(now + C - T, assigned_at + C))` in unix seconds; C grows by the penalty.
    """
    cooldown_s = rules.task_cooldown_s + (rules.cooldown_penalty_s if penalised else 0.0)
    return int(max(now_s + cooldown_s - rules.throttle_s, assigned_at_s + cooldown_s))


def cooldown_after_violation(rules: Rules, *, cooldown_until_s: int, violations: int) -> int:
    """The cooldown's end after a pull that came too early; `violations` counts that pull."""
    if violations <= rules.violations_threshold:
        return cooldown_until_s
    # Cooldowns are whole seconds: rounded down, a scaled penalty would vanish.
    return cooldown_until_s + math.ceil(rules.violation_penalty_s)


def guard_after_acceptance(rules: Rules, *, now_s: float) -> int:
    """Until when no other result of this miner is rewarded. Never later than its cooldown's end."""
    return int(now_s + rules.task_cooldown_s - rules.throttle_s)


def average_after(rules: Rules, *, average: float, score: float) -> float:
    """The moving average of a miner's accepted scores."""
    return average * (1.0 - rules.average_weight) + rules.average_weight * score


def within_window(rules: Rules, accepted_at_s: list[float], *, now_s: float) -> list[float]:
    """The acceptances that still count for the reward."""
    return [at_s for at_s in accepted_at_s if at_s >= now_s - rules.reward_window_s]
