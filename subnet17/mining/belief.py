"""What may be true of a validator's scores, as a fixed grid of cells with a prior, and what a verdict says of
each.

A cell is (offset, spread, rejects_anyway): the validator's score is ours plus the offset plus noise,
Student's t with four degrees of freedom times the spread; besides, it rejects the share rejects_anyway of
everything.

Does not cover: which verdicts belong together, and what follows from them (acceptance.py).
"""

from __future__ import annotations

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
