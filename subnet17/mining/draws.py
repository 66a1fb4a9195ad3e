"""What one more candidate of a task may score, learned from the candidates made before.

The model. The candidates of a task scatter normally around the task's mean, all tasks alike; the means of
tasks scatter normally around a mean of their own. Given the scores already seen of a task, the next one is
normal too: near the task's own scores the more of them there are.

Not covered: drift of the generator within the memory, tasks that are harder for a reason one could see.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean

MEMORY = 200
"""Tasks remembered."""
PRIOR_MEAN = 0.75
PRIOR_TASK_SD = 0.1
PRIOR_CANDIDATE_SD = 0.05
"""Assumed until tasks were seen: scores of a generator that mostly clears 0.6, seeds that differ by less than
prompts do."""
PRIOR_WEIGHT = 5.0
"""Tasks that the assumption counts for."""
LEAST_SD = 0.001
BINS = 24


@dataclass(frozen=True)
class Draw:
    """The distribution of a score, normal."""

    mean: float
    sd: float

    @property
    def values(self) -> list[float]:
        """`BINS` values of equal probability that stand for it."""
        return [self.mean + self.sd * z for z in _quantiles()]


class Draws:
    """What candidates score."""

    def __init__(self) -> None:
        self._tasks: deque[tuple[float, ...]] = deque(maxlen=MEMORY)
        self._fit: _Fit | None = None

    def observe(self, scores: Sequence[float]) -> None:
        """Takes in all candidates' scores of a finished task."""
        if scores:
            self._tasks.append(tuple(scores))
            self._fit = None

    def next(self, seen: Sequence[float]) -> Draw:
        """What the next candidate of a task scores, given those seen of it."""
        fit = self._fit = self._fit or _fit(self._tasks)
        precision = 1.0 / fit.task_sd**2 + len(seen) / fit.candidate_sd**2
        mean = (fit.mean / fit.task_sd**2 + sum(seen) / fit.candidate_sd**2) / precision
        return Draw(mean, math.sqrt(fit.candidate_sd**2 + 1.0 / precision))


@dataclass(frozen=True)
class _Fit:
    mean: float
    task_sd: float
    candidate_sd: float


def _fit(tasks: Sequence[tuple[float, ...]]) -> _Fit:
    """Moments, each with the prior as so many tasks more."""
    means = [fmean(scores) for scores in tasks]
    freedom = sum(len(scores) - 1 for scores in tasks)
    within = sum((s - m) ** 2 for scores, m in zip(tasks, means, strict=True) for s in scores)
    candidate_var = (within + PRIOR_WEIGHT * PRIOR_CANDIDATE_SD**2) / (freedom + PRIOR_WEIGHT)
    mean = (sum(means) + PRIOR_WEIGHT * PRIOR_MEAN) / (len(means) + PRIOR_WEIGHT)
    # The means of a few candidates scatter more than the tasks do: by the candidates' share.
    noise = sum(candidate_var / len(scores) for scores in tasks)
    between = max(0.0, sum((m - mean) ** 2 for m in means) - noise)
    task_var = (between + PRIOR_WEIGHT * PRIOR_TASK_SD**2) / (len(means) + PRIOR_WEIGHT)
    return _Fit(mean, max(LEAST_SD, math.sqrt(task_var)), max(LEAST_SD, math.sqrt(candidate_var)))


@cache
def _quantiles() -> tuple[float, ...]:
    return tuple(NormalDist().inv_cdf((i + 0.5) / BINS) for i in range(BINS))
