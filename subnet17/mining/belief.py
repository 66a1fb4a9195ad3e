"""What may be true of a validator's scores: a grid of cells with a prior, and what verdicts say of each.

A cell is (offset, spread, rejects_anyway): the validator's score is ours plus the offset plus noise,
Student's t with four degrees of freedom times the spread; besides, it rejects the share rejects_anyway of
everything.

A validator may change: with a small chance at each task it becomes another, drawn from the prior. Where the
change happened is not known; a few lengths of the run since then stand for all, weighted by how well each
explains both sides of it.

Does not cover: which verdicts belong together, and what follows from them (acceptance.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

OFFSET_SCALE = 0.02
"""Base prior of the offset, Student's t around 0. An assumption: the same networks on other hardware and
kernels differ in the second decimal; four degrees leave room for a validator that differs much more."""
SPREAD_MEDIAN = 0.015
SPREAD_LOG_SD = 0.8
"""Base prior of the spread, log-normal. Its median is the logistic scale 0.01 that the miner began with, as a
standard deviation (times pi / sqrt 3) and rounded; two of its log-sd reach from 0.003 to 0.075."""
REJECTS_ANYWAY = (0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.98)
REJECTS_ANYWAY_PRIOR = (0.5, 0.3, 0.1, 0.04, 0.02, 0.01, 0.01, 0.02)
"""Base prior of the share rejected whatever it is worth: mean 6 %. An assumption: most validators are honest
with a rare fault, one in fifty takes nothing."""
CHANGE_CHANCE = 0.02
"""Per task: a validator stays as it is for about 50 tasks, four hours. An assumption; often enough to believe
three rejections more than a hundred acceptances before them, and to try again what was given up."""
RUNS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64)
"""Verdicts since the last change, besides all of them."""
MAX_OFFSET = 0.5
OFFSETS = 49
SPREAD_RANGE = (0.003, 0.3)
SPREADS = 12


@dataclass(frozen=True)
class Grid:
    """The cells.

    Attributes:
        offset, spread: Parameters of the rows, shape (n,), in units of score.
        rejects_anyway: Parameter of the columns, shape (m,).
        prior: Base prior of the cells, shape (n, m), sums to 1.
    """

    offset: Array
    spread: Array
    rejects_anyway: Array
    prior: Array

    def accepting(self, margin: float) -> Array:
        """P(accept) in each cell, shape (n, m), of a score that is our threshold plus the margin."""
        passing = _t4_cdf((margin + self.offset) / self.spread)
        return np.asarray(passing[:, None] * (1.0 - self.rejects_anyway))

    def log_accepted(self, difference: float) -> Array:
        """Log-likelihood, shape (n, m), of an acceptance with the validator's score minus ours."""
        density = _t4_pdf((difference - self.offset) / self.spread) / self.spread
        return np.asarray(np.log(density)[:, None] + np.log1p(-self.rejects_anyway))

    def log_rejected(self, margin: float) -> Array:
        """Log-likelihood, shape (n, m), of a rejection of a score with that margin."""
        return np.log(1.0 - self.accepting(margin))


@dataclass(frozen=True)
class Evidence:
    """What a validator's verdicts say of each cell.

    Attributes:
        whole: Log-likelihood of all verdicts, shape (n, m).
        recent: Of the last 1, 2, 3... verdicts (`RUNS`), as far as there are more.
        silent: Tasks since the last verdict.
    """

    whole: Array
    recent: tuple[Array, ...] = ()
    silent: int = 0

    @classmethod
    def of(cls, verdicts: Sequence[Array], *, silent: int) -> Evidence:
        """Of single log-likelihoods, oldest first."""
        total, recent = np.zeros_like(the_grid().prior), []
        for count, verdict in enumerate(reversed(verdicts), start=1):
            total = total + verdict
            if count in RUNS and count < len(verdicts):
                recent.append(total)
        return cls(total, tuple(recent), silent)

    def weigh(self, prior: Array) -> Array:
        """The posterior of the cells, shape (n, m), sums to 1."""
        log_prior = np.log(prior)
        runs = [log_prior + self.whole]
        for recent in self.recent:
            before = _log_sum(log_prior + self.whole - recent)
            runs.append(log_prior + recent + before + np.log(CHANGE_CHANCE))
        most = max(float(run.max()) for run in runs)
        weights = sum((np.exp(run - most) for run in runs), np.zeros_like(prior))
        same = (1.0 - CHANGE_CHANCE) ** self.silent
        return np.asarray(same * weights / weights.sum() + (1.0 - same) * prior)


@cache
def the_grid() -> Grid:
    """The one grid."""
    steps = np.linspace(-1.0, 1.0, OFFSETS)
    offsets = MAX_OFFSET * np.sign(steps) * steps**2  # fine around 0, where most validators are
    spreads = np.geomspace(*SPREAD_RANGE, SPREADS)
    offset, spread = (a.ravel() for a in np.meshgrid(offsets, spreads, indexing="ij"))
    density = _t4_pdf(offsets / OFFSET_SCALE) * np.gradient(offsets)
    bell = np.exp(-0.5 * (np.log(spreads / SPREAD_MEDIAN) / SPREAD_LOG_SD) ** 2)
    prior = np.outer(density, bell).ravel()[:, None] * np.array(REJECTS_ANYWAY_PRIOR)
    return Grid(offset, spread, np.array(REJECTS_ANYWAY), prior / prior.sum())


def _t4_pdf(x: Array) -> Array:
    """Student's t density with four degrees of freedom."""
    return np.asarray(0.375 * (1.0 + x * x / 4.0) ** -2.5)


def _t4_cdf(x: Array) -> Array:
    """Its distribution function, which four degrees give in closed form."""
    root = x / np.sqrt(4.0 + x * x)
    return np.asarray(0.5 + 0.75 * root - 0.25 * root**3)


def _log_sum(log_weights: Array) -> float:
    most = float(log_weights.max())
    return most + float(np.log(np.exp(log_weights - most).sum()))
