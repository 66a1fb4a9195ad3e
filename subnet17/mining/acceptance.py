"""P(a validator accepts a local score), learned for each validator from its own verdicts.

The model. A validator's score is ours plus its offset plus noise of its spread; besides, it rejects a share
of everything whatever it is worth (faults, lies). So

    P(accept | score) = (1 - rejects_anyway) * F4((score + offset - threshold) / spread)

with F4 Student's t of four degrees, so that a few odd scores move nothing. An accepted result tells the
validator's score, which is an observation of offset and spread; a rejected one tells only that it was below
the threshold, a censored observation. Both enter one likelihood, hence no bias from seeing accepted scores
only.

The inference is exact on a fixed grid of (offset, spread, rejects_anyway): no random numbers, no optimiser,
the same data give the same figures. The prior of a validator is the average of `BASE_WEIGHT` parts of the
base prior and one part of what each other validator turned out to be, so that a newcomer is taken for one
like the others. Only the last `MEMORY` tasks of a validator count: one that changes is believed within a day.

Scores of different local scorers are different quantities: each scorer has its own pairs and pool.

Not covered: an offset that depends on the score; validators that accept and do not pay.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MEMORY = 200
"""Tasks remembered of a validator, skips included: at 48 tasks in 4 h these are 17 h."""
OFFSET_SCALE = 0.02
"""Base prior of the offset, Student's t around 0. An assumption: the same networks on other hardware and
kernels differ in the second decimal; four degrees leave room for a validator that differs much more."""
SPREAD_MEDIAN = 0.015
SPREAD_LOG_SD = 0.8
"""Base prior of the spread, log-normal. Its median is the logistic scale 0.01 that the miner began with, as a
standard deviation (times pi / sqrt 3) and rounded; two of its log-sd reach from 0.003 to 0.075."""
REJECTS_ANYWAY_BASE = (0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.98)
REJECTS_ANYWAY_PRIOR = (0.5, 0.3, 0.1, 0.04, 0.02, 0.01, 0.01, 0.02)
"""Base prior of the share rejected whatever it is worth: mean 6 %. An assumption: most validators are honest
with a rare fault, one in fifty takes nothing."""
BASE_WEIGHT = 2.0
"""Validators that the base prior counts for beside those met."""
PRIOR_TURNS = 4.0
"""Turns, all accepted, that a validator is credited with before it has shown anything."""
HONEST_REJECTS_ANYWAY = 0.2
"""An honest validator's share of groundless rejections is at most this."""
DOUBT_MEMORY = 30
MIN_REJECTIONS = 5
DOUBT_CHANCE = 0.01
"""A validator is in doubt when an honest one would do what it did with a smaller chance."""


@dataclass(frozen=True)
class Outcome:
    """How one task ended.

    Attributes:
        score: Our score of what was submitted; None when the task was skipped.
        threshold: The validator's, told with the task.
        fidelity: The validator's score of an accepted result; 0 when it was rejected or skipped.
        scorer: Which scorer gave ours.
    """

    score: float | None
    threshold: float
    fidelity: float = 0.0
    scorer: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether it was paid."""
        return self.score is not None and self.fidelity > 0


@dataclass(frozen=True)
class Doubt:
    """Whether a validator rejects what it should accept, with the evidence.

    Attributes:
        submitted: Of the last results submitted to it, at most `DOUBT_MEMORY`.
        rejected: How many of them it rejected.
        chance: That an honest validator, of the offset and spread that the others show, rejects as many.
        others_submitted: Results submitted to other validators with scores like those that it rejected.
        others_accepted: How many of those were accepted.
    """

    submitted: int
    rejected: int
    chance: float
    others_submitted: int
    others_accepted: int

    @property
    def is_set_aside(self) -> bool:
        """Whether it should be asked no more for a while.

        Never without others who accept such scores: when all reject them, our own scorer is wrong.
        """
        confirmed = (
            self.others_accepted >= MIN_REJECTIONS and 2 * self.others_accepted > self.others_submitted
        )
        return self.rejected >= MIN_REJECTIONS and self.chance < DOUBT_CHANCE and confirmed

    @property
    def reason(self) -> str:
        """The evidence, for people."""
        return (
            f"rejected {self.rejected} of the last {self.submitted} results; an honest one would with a chance "
            f"of {self.chance:.1e}; others accepted {self.others_accepted} of {self.others_submitted} such"
        )


@dataclass
class _Record:
    """What is known of one validator under one scorer."""

    outcomes: deque[Outcome] = field(default_factory=lambda: deque(maxlen=MEMORY))
    log_likelihood: Array | None = None

    @property
    def judged(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.score is not None]


class Acceptance:
    """What all validators accept. Feed it the stored outcomes at the start, oldest first."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], _Record] = {}
        self._newest: dict[str, str] = {}
        self._weights: dict[tuple[str, str], Array] = {}

    def observe(self, validator: str, outcome: Outcome) -> None:
        """Takes in how a task ended; of a skip only its price matters."""
        scorer = outcome.scorer or self._newest.get(validator, "")
        self._newest[validator] = scorer
        record = self._records.setdefault((validator, scorer), _Record())
        record.outcomes.append(outcome)
        record.log_likelihood = None
        self._weights.clear()

    def probability(self, validator: str, score: float, threshold: float, *, scorer: str = "") -> float:
        """P(accept) of a local score, 0..1; rises with the score.

        Args:
            scorer: Which gave it; empty for the one of the validator's last outcome.
        """
        grid = _grid()
        weights = self._posterior((validator, scorer or self._newest.get(validator, "")))
        passing = weights @ (1.0 - grid.rejects_anyway)
        margin = _bounded(score) - _bounded(threshold)
        return float(np.sum(passing * _t4_cdf((margin + grid.offset) / grid.spread)))

    def share(self, validator: str) -> float:
        """Accepted results per task, skips and rejections counted: 1 before the first."""
        outcomes = self._outcomes(validator)
        accepted = sum(o.is_accepted for o in outcomes)
        return (accepted + PRIOR_TURNS) / (len(outcomes) + PRIOR_TURNS)

    def cycle_s(self, validator: str, *, cooldown_s: float, penalty_s: float) -> float:
        """Seconds from one assignment to the next on average, rejections' penalties included."""
        outcomes = self._outcomes(validator)
        rejected = sum(o.score is not None and not o.is_accepted for o in outcomes)
        return cooldown_s + penalty_s * rejected / (len(outcomes) + PRIOR_TURNS)

    def second_price(self, validator: str, *, cooldown_s: float, penalty_s: float) -> float:
        """Accepted results that a second of this validator's time brings: what a second of waiting costs."""
        return self.share(validator) / self.cycle_s(validator, cooldown_s=cooldown_s, penalty_s=penalty_s)

    def doubt(self, validator: str) -> Doubt:
        """Whether the validator keeps rejecting what it should accept."""
        key = (validator, self._newest.get(validator, ""))
        judged = self._records.get(key, _Record()).judged[-DOUBT_MEMORY:]
        rejected = [o for o in judged if not o.is_accepted]
        least = min((_bounded(o.score) - _bounded(o.threshold) for o in rejected), default=math.inf)
        like_these = [
            o
            for (other, scorer), record in self._records.items()
            if other != validator and scorer == key[1]
            for o in record.judged[-DOUBT_MEMORY:]
            if _bounded(o.score) - _bounded(o.threshold) >= least
        ]
        chance = self._honest_chance(key, judged, len(rejected))
        return Doubt(
            len(judged), len(rejected), chance, len(like_these), sum(o.is_accepted for o in like_these)
        )

    def as_json(self) -> dict[str, Any]:
        """For the status page: each validator's estimates and counts."""
        return {validator: self._shown(validator, scorer) for validator, scorer in self._newest.items()}

    def _shown(self, validator: str, scorer: str) -> dict[str, Any]:
        grid, weights = _grid(), self._posterior((validator, scorer))
        outcomes = self._outcomes(validator)
        judged = [o for o in outcomes if o.score is not None]
        cells = weights.sum(axis=1)
        doubt = self.doubt(validator)
        return {
            "scorer": scorer,
            "offset": round(float(cells @ grid.offset), 4),
            "spread": round(float(cells @ grid.spread), 4),
            "rejects_anyway": round(float(weights.sum(axis=0) @ grid.rejects_anyway), 3),
            "accepted": sum(o.is_accepted for o in judged),
            "rejected": sum(not o.is_accepted for o in judged),
            "skipped": len(outcomes) - len(judged),
            "doubt": doubt.reason if doubt.is_set_aside else "",
        }

    def _outcomes(self, validator: str) -> list[Outcome]:
        record = self._records.get((validator, self._newest.get(validator, "")))
        return list(record.outcomes) if record else []

    def _posterior(self, key: tuple[str, str]) -> Array:
        """Weights of the grid's cells, shape (offset x spread, rejects_anyway)."""
        if key not in self._weights:
            self._weights[key] = _normalised(np.log(self._prior(key)) + self._likelihood(key))
        return self._weights[key]

    def _prior(self, key: tuple[str, str]) -> Array:
        others = [k for k in self._records if k[1] == key[1] and k[0] != key[0]]
        base = _grid().prior
        met = sum((_normalised(np.log(base) + self._likelihood(k)) for k in others), np.zeros_like(base))
        return np.asarray((BASE_WEIGHT * base + met) / (BASE_WEIGHT + len(others)))

    def _likelihood(self, key: tuple[str, str]) -> Array:
        record = self._records.get(key)
        if record is None:
            return np.zeros_like(_grid().prior)
        if record.log_likelihood is None:
            record.log_likelihood = _log_likelihood(record.judged)
        return record.log_likelihood

    def _honest_chance(self, key: tuple[str, str], judged: list[Outcome], rejected: int) -> float:
        """P(an honest validator rejects at least so many of these): exact, over the grid."""
        grid = _grid()
        honest = grid.rejects_anyway <= HONEST_REJECTS_ANYWAY
        prior = self._prior(key)[:, honest]
        none_yet = np.zeros((rejected + 1, *prior.shape))
        none_yet[0] = 1.0
        counts = none_yet  # counts[k]: P(k rejections so far), the last entry: or more
        for outcome in judged:
            passing = _t4_cdf((_margin(outcome) + grid.offset) / grid.spread)
            rejects = 1.0 - passing[:, None] * (1.0 - grid.rejects_anyway[honest])
            moved = counts * rejects
            stays = counts - moved
            stays[-1] = counts[-1]
            stays[1:] += moved[:-1]
            counts = stays
        return float(np.sum(prior * counts[-1]) / np.sum(prior))


@dataclass(frozen=True)
class _Grid:
    """offset, spread: the cells' parameters, shape (n,). rejects_anyway: (m,). prior: (n, m), sums to 1."""

    offset: Array
    spread: Array
    rejects_anyway: Array
    prior: Array


@cache
def _grid() -> _Grid:
    steps = np.linspace(-1.0, 1.0, 49)
    offsets = 0.5 * np.sign(steps) * np.abs(steps) ** 2  # fine around 0, where most validators are
    spreads = np.geomspace(0.003, 0.3, 12)
    offset, spread = (a.ravel() for a in np.meshgrid(offsets, spreads, indexing="ij"))
    density = _t4_pdf(offsets / OFFSET_SCALE) * np.gradient(offsets)
    bell = np.exp(-0.5 * (np.log(spreads / SPREAD_MEDIAN) / SPREAD_LOG_SD) ** 2)
    prior = np.outer(density, bell).ravel()[:, None] * np.array(REJECTS_ANYWAY_PRIOR)
    return _Grid(offset, spread, np.array(REJECTS_ANYWAY_BASE), prior / prior.sum())


def _log_likelihood(judged: list[Outcome]) -> Array:
    grid = _grid()
    total = np.zeros_like(grid.prior)
    for outcome in judged:
        if outcome.is_accepted:
            difference = min(1.0, outcome.fidelity) - _bounded(outcome.score)
            density = _t4_pdf((difference - grid.offset) / grid.spread) / grid.spread
            total += np.log(density)[:, None] + np.log1p(-grid.rejects_anyway)
        else:
            fails = _t4_cdf(-(_margin(outcome) + grid.offset) / grid.spread)[:, None]
            total += np.log(grid.rejects_anyway + (1.0 - grid.rejects_anyway) * fails)
    return total


def _margin(outcome: Outcome) -> float:
    return _bounded(outcome.score) - _bounded(outcome.threshold)


def _bounded(value: float | None) -> float:
    """A score or a threshold within -10..10: a validator may send any number."""
    return 0.0 if value is None or math.isnan(value) else max(-10.0, min(10.0, value))


def _normalised(log_weights: Array) -> Array:
    weights = np.exp(log_weights - log_weights.max())
    return np.asarray(weights / weights.sum())


def _t4_pdf(x: Array) -> Array:
    """Student's t density with four degrees of freedom."""
    return np.asarray(0.375 * (1.0 + x * x / 4.0) ** -2.5)


def _t4_cdf(x: Array) -> Array:
    """Its distribution function, which four degrees give in closed form."""
    root = x / np.sqrt(4.0 + x * x)
    return np.asarray(0.5 + 0.75 * root - 0.25 * root**3)
