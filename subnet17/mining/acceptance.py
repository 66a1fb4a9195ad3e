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
like the others. A validator that changes is believed after a few verdicts, and one not tried for long is
slowly taken for a newcomer again (belief.py).

Scores of different local scorers are different quantities: each scorer has its own pairs and pool.

Not covered: an offset that depends on the score. What a validator neither pays nor rejects tells nothing of
its scores; it lowers only what a task brings there (`Acceptance.share`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from subnet17.mining.belief import Array, Evidence, the_grid

MEMORY = 100
"""Tasks remembered of a validator, skips included: eight hours at 48 tasks in 4 h."""
BASE_WEIGHT = 2.0
"""Validators that the base prior counts for beside those met."""
PRIOR_TURNS = 4.0
"""Turns, all accepted, that a validator is credited with before it has shown anything."""
HONEST_REJECTS_ANYWAY = 0.2
"""An honest validator's share of groundless rejections is at most this."""
DOUBT_MEMORY = 10
MIN_REJECTIONS = 3
DOUBT_CHANCE = 0.001
"""A validator is in doubt when an honest one would do what it did with a smaller chance."""
BELIEVED_TO_TAKE_NOTHING = 0.9
"""Share that it rejects anyway: above it nothing is submitted any more, and no further rejection comes."""


@dataclass(frozen=True)
class Outcome:
    """How one task ended.

    Attributes:
        score: Our score of what was submitted and judged; None when the task was skipped, or not judged.
        threshold: The validator's, told with the task.
        fidelity: The validator's score of an accepted result; 0 when it was rejected or skipped.
        scorer: Which scorer gave ours.
        is_unpaid: A result was submitted and neither paid nor rejected: it counts as a turn like a skip.
    """

    score: float | None
    threshold: float
    fidelity: float = 0.0
    scorer: str = ""
    is_unpaid: bool = False

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
        skipped: Tasks since its last verdict.
        rejects_anyway: Share of everything that it is believed to reject now, whatever the score.
        others_submitted: Results submitted to other validators with scores like those that it rejected.
        others_accepted: How many of those were accepted.
    """

    submitted: int
    rejected: int
    skipped: int
    chance: float
    rejects_anyway: float
    others_submitted: int
    others_accepted: int

    @property
    def is_set_aside(self) -> bool:
        """Whether it should be asked no more for a while.

        Never one that is only strict: high scores are paid there. Never without others who accept such
        scores: when all reject them, our own scorer is wrong. Most of the others must, or we must be sure of
        this one already: where most validators reject everything, they speak for each other.
        """
        if self.others_accepted < MIN_REJECTIONS:
            return False
        if self.rejects_anyway > BELIEVED_TO_TAKE_NOTHING:
            return self.rejected > 0 and self.rejected + self.skipped >= MIN_REJECTIONS
        confirmed = 2 * self.others_accepted > self.others_submitted
        unlikely = self.rejected >= MIN_REJECTIONS and self.chance < DOUBT_CHANCE
        return confirmed and unlikely and self.rejects_anyway > 0.5

    @property
    def reason(self) -> str:
        """The evidence, for people."""
        return (
            f"rejected {self.rejected} of the last {self.submitted} results, an honest one would with chance "
            f"{self.chance:.1e}; it is believed to reject {self.rejects_anyway:.2f} of all; "
            f"others took {self.others_accepted} of {self.others_submitted} such"
        )


@dataclass
class _Record:
    """What is known of one validator under one scorer. on_trial: a newcomer until its next verdict."""

    outcomes: deque[Outcome] = field(default_factory=lambda: deque(maxlen=MEMORY))
    evidence: Evidence | None = None
    alone: Array | None = None
    on_trial: bool = False

    @property
    def judged(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.score is not None]

    def weigh(self, prior: Array) -> Array:
        """The posterior of the cells; the prior itself for one on trial."""
        if self.on_trial:
            return prior
        if self.evidence is None:
            self.evidence = _evidence(self.outcomes)
        return self.evidence.weigh(prior)

    def weigh_alone(self) -> Array:
        """The same from the base prior, as if no other validator was known."""
        if self.alone is None:
            self.alone = self.weigh(the_grid().prior)
        return self.alone


class Acceptance:
    """What all validators accept. Feed it the stored outcomes at the start, oldest first."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], _Record] = {}
        self._newest: dict[str, str] = {}
        self._weights: dict[tuple[str, str], Array] = {}
        self._page: dict[str, Any] | None = None

    def observe(self, validator: str, outcome: Outcome) -> None:
        """Takes in how a task ended; of a skip, and of what was not judged, only its price matters."""
        scorer = outcome.scorer or self._newest.get(validator, "")
        self._newest[validator] = scorer
        record = self._records.setdefault((validator, scorer), _Record())
        record.outcomes.append(outcome)
        record.on_trial = record.on_trial and outcome.score is None
        record.evidence = record.alone = None
        self._forget_derived()

    def try_again(self, validator: str) -> None:
        """Takes the validator for a newcomer until its next verdict: for the probe of one set aside."""
        for (name, _), record in self._records.items():
            if name == validator:
                record.on_trial, record.alone = True, None
        self._forget_derived()

    def _forget_derived(self) -> None:
        self._weights.clear()
        self._page = None

    def probability(self, validator: str, score: float, threshold: float, *, scorer: str = "") -> float:
        """P(accept) of a local score, 0..1; rises with the score.

        Args:
            scorer: Which gave it; empty for the one of the validator's last outcome.
        """
        weights = self._posterior((validator, scorer or self._newest.get(validator, "")))
        return float(np.sum(weights * the_grid().accepting(_bounded(score) - _bounded(threshold))))

    def share(self, validator: str) -> float:
        """Accepted results per task, of all tasks however they ended: 1 before the first."""
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
        record = self._records.get(key, _Record())
        judged = record.judged[-DOUBT_MEMORY:]
        rejected = [o for o in judged if not o.is_accepted]
        least = min((_bounded(o.score) - _bounded(o.threshold) for o in rejected), default=math.inf)
        like_these = [
            o
            for (other, scorer), record in self._records.items()
            if other != validator and scorer == key[1]
            for o in record.judged[-DOUBT_MEMORY:]
            if _bounded(o.score) - _bounded(o.threshold) >= least
        ]
        return Doubt(
            submitted=len(judged),
            rejected=len(rejected),
            skipped=_silent(record.outcomes),
            chance=self._honest_chance(key, judged, len(rejected)),
            rejects_anyway=self._rejects_anyway(key),
            others_submitted=len(like_these),
            others_accepted=sum(o.is_accepted for o in like_these),
        )

    def as_json(self) -> dict[str, Any]:
        """For the status page: each validator's estimates and counts. Kept until the next verdict."""
        if self._page is None:
            self._page = {name: self._shown(name, scorer) for name, scorer in self._newest.items()}
        return self._page

    def _shown(self, validator: str, scorer: str) -> dict[str, Any]:
        grid, weights = the_grid(), self._posterior((validator, scorer))
        outcomes = self._outcomes(validator)
        judged = [o for o in outcomes if o.score is not None]
        unpaid = sum(o.is_unpaid for o in outcomes)
        cells = weights.sum(axis=1)
        doubt = self.doubt(validator)
        return {
            "scorer": scorer,
            "offset": round(float(cells @ grid.offset), 4),
            "spread": round(float(cells @ grid.spread), 4),
            "rejects_anyway": round(self._rejects_anyway((validator, scorer)), 3),
            "accepted": sum(o.is_accepted for o in judged),
            "rejected": sum(not o.is_accepted for o in judged),
            "skipped": len(outcomes) - len(judged) - unpaid,
            "unpaid": unpaid,
            "doubt": doubt.reason if doubt.is_set_aside else "",
        }

    def _rejects_anyway(self, key: tuple[str, str]) -> float:
        return float(self._posterior(key).sum(axis=0) @ the_grid().rejects_anyway)

    def _outcomes(self, validator: str) -> list[Outcome]:
        record = self._records.get((validator, self._newest.get(validator, "")))
        return list(record.outcomes) if record else []

    def _posterior(self, key: tuple[str, str]) -> Array:
        """Weights of the grid's cells, shape (offset x spread, rejects_anyway)."""
        if key not in self._weights:
            self._weights[key] = self._records.get(key, _Record()).weigh(self._prior(key))
        return self._weights[key]

    def _prior(self, key: tuple[str, str]) -> Array:
        met = [r for k, r in self._records.items() if k[1] == key[1] and k[0] != key[0]]
        total = BASE_WEIGHT * the_grid().prior
        for record in met:
            total = total + record.weigh_alone()
        return np.asarray(total / (BASE_WEIGHT + len(met)))

    def _honest_chance(self, key: tuple[str, str], judged: list[Outcome], rejected: int) -> float:
        """P(an honest validator rejects at least so many of these): exact, over the grid."""
        grid = the_grid()
        honest = grid.rejects_anyway <= HONEST_REJECTS_ANYWAY
        prior = self._prior(key)[:, honest]
        counts = np.zeros((rejected + 1, *prior.shape))  # P(k rejections so far), the last entry: or more
        counts[0] = 1.0
        for outcome in judged:
            moved = counts * (1.0 - grid.accepting(_margin(outcome))[:, honest])
            moved[-1] = 0.0
            counts = counts - moved
            counts[1:] += moved[:-1]
        return float(np.sum(prior * counts[-1]) / np.sum(prior))


def _evidence(outcomes: Sequence[Outcome]) -> Evidence:
    verdicts = [_log_likelihood(o) for o in outcomes if o.score is not None]
    return Evidence.of(verdicts, silent=_silent(outcomes))


def _silent(outcomes: Sequence[Outcome]) -> int:
    """Tasks since the last verdict."""
    return next((i for i, o in enumerate(reversed(outcomes)) if o.score is not None), len(outcomes))


def _log_likelihood(outcome: Outcome) -> Array:
    if outcome.is_accepted:
        return the_grid().log_accepted(min(1.0, outcome.fidelity) - _bounded(outcome.score))
    return the_grid().log_rejected(_margin(outcome))


def _margin(outcome: Outcome) -> float:
    return _bounded(outcome.score) - _bounded(outcome.threshold)


def _bounded(value: float | None) -> float:
    """A score or a threshold within -10..10: a validator may send any number."""
    return 0.0 if value is None or math.isnan(value) else max(-10.0, min(10.0, value))
