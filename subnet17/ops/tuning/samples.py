"""Measured assets, what they are worth, and whether one lot of them is better than another.

    worth = quality factor * score  -  (generation time / target - 1, where over it)  -  (1 if not fit)

0.1 of score, ten percent over the time target, or one asset of ten not fit to be submitted weigh the same.
The quality factor is the market's (history.py). This orders what was measured; it is no forecast of rewards.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

MARGIN = 0.02
"""A smaller difference in worth is none."""
ERRORS = 2.0
"""So many standard errors must a difference have."""


@dataclass(frozen=True)
class Terms:
    """By what samples are judged.

    Attributes:
        target_s: Generation time that costs nothing.
        quality_factor: What score counts for; 1 in a market where we stand as everybody starts.
    """

    target_s: float
    quality_factor: float = 1.0


@dataclass(frozen=True)
class Piece:
    """One asset, or the try to make one.

    Attributes:
        name: Of prompt and seed, or of a task: pieces of one name can be compared.
        generation_s: From request to reply; None where nothing was generated.
        score: 0 where nothing came of it.
        fit: Whether it was accepted, or would be submitted.
    """

    name: str
    generation_s: float | None
    score: float
    fit: bool

    def worth(self, terms: Terms) -> float:
        """See the module."""
        over = max(0.0, (self.generation_s or 0.0) / terms.target_s - 1)
        return terms.quality_factor * self.score - over - (not self.fit)


@dataclass(frozen=True)
class Figure:
    """A mean of measured values with its spread."""

    mean: float
    spread: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} ± {self.spread:.2g}"

    def as_json(self) -> dict[str, float | int]:
        """For `--json` and files."""
        return {"mean": round(self.mean, 4), "spread": round(self.spread, 4), "count": self.count}


def figure_of(values: Sequence[float]) -> Figure | None:
    """Mean and standard deviation; None without values."""
    if not values:
        return None
    return Figure(statistics.fmean(values), statistics.pstdev(values), len(values))


@dataclass(frozen=True)
class Sample:
    """Pieces that were made under the same settings.

    Attributes:
        pieces: In the order in which they were made.
        others: Jobs of others that ran meanwhile: times may be too long by them.
    """

    pieces: tuple[Piece, ...]
    others: int = 0

    @property
    def generation_s(self) -> Figure | None:
        """Seconds per asset that was generated."""
        return figure_of([p.generation_s for p in self.pieces if p.generation_s is not None])

    @property
    def score(self) -> Figure | None:
        """Of all pieces: those that failed count with 0."""
        return figure_of([p.score for p in self.pieces])

    @property
    def fit_share(self) -> float:
        """Of the pieces."""
        return sum(p.fit for p in self.pieces) / len(self.pieces) if self.pieces else 0.0

    def worth(self, terms: Terms) -> Figure | None:
        """Of a piece."""
        return figure_of([p.worth(terms) for p in self.pieces])

    def as_json(self, terms: Terms) -> dict[str, object]:
        """For `--json` and files."""
        figures = {"generation_s": self.generation_s, "score": self.score, "worth": self.worth(terms)}
        return {
            **{name: figure.as_json() if figure else None for name, figure in figures.items()},
            "fit_share": round(self.fit_share, 4),
            "jobs_of_others_meanwhile": self.others,
            "pieces": [asdict(piece) for piece in self.pieces],
        }


@dataclass(frozen=True)
class Difference:
    """In worth, of one sample over another; `error` is the standard error of the mean."""

    mean: float
    error: float

    @property
    def is_better(self) -> bool:
        """Beyond margin and noise."""
        return self.mean > max(MARGIN, ERRORS * self.error)

    @property
    def is_worse(self) -> bool:
        """Beyond margin and noise."""
        return -self.mean > max(MARGIN, ERRORS * self.error)


def compare(new: Sample, old: Sample, terms: Terms) -> Difference:
    """The difference in worth; piece by piece where both hold the same ones, which leaves out their own.

    Fewer than two pieces on a side tell nothing: the error is infinite.
    """
    if min(len(new.pieces), len(old.pieces)) < 2:
        return Difference(0.0, math.inf)
    ours, theirs = ([p.worth(terms) for p in s.pieces] for s in (new, old))
    mean = statistics.fmean(ours) - statistics.fmean(theirs)
    if [p.name for p in new.pieces] == [p.name for p in old.pieces]:
        gains = [a - b for a, b in zip(ours, theirs, strict=True)]
        return Difference(mean, statistics.stdev(gains) / math.sqrt(len(gains)))
    variances = [statistics.variance(values) / len(values) for values in (ours, theirs)]
    return Difference(mean, math.sqrt(sum(variances)))
