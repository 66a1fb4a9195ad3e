"""How strong a miner is, from its duels: Glicko's arithmetic (Glickman, 1995), one duel at a time.

Covers: the update of one rating by one duel. Does not cover: who meets whom and who wins (the caller says
so), and growing doubt with time: instead the deviation has a floor, so that a rating never stops moving.
"""

from __future__ import annotations

import math

from pydantic import BaseModel

NEWCOMER_MEAN = 1500.0
NEWCOMER_DEVIATION = 350.0
LEAST_DEVIATION = 40.0
Q = math.log(10.0) / 400.0


class Rating(BaseModel):
    """A strength and how sure of it one is, in rating points."""

    mean: float = NEWCOMER_MEAN
    deviation: float = NEWCOMER_DEVIATION


def expected_score(own: Rating, rival: Rating) -> float:
    """The probability that `own` wins, as a duel's arithmetic sees it."""
    return 1.0 / (1.0 + math.exp(-Q * _weight(rival) * (own.mean - rival.mean)))


def after_duel(own: Rating, rival: Rating, *, score: float) -> Rating:
    """The rating after one duel.

    Args:
        score: 1 won, 0 lost, 0.5 drawn.
    """
    weight, expected = _weight(rival), expected_score(own, rival)
    information = Q**2 * weight**2 * expected * (1.0 - expected)
    variance = 1.0 / (1.0 / own.deviation**2 + information)
    mean = own.mean + Q * variance * weight * (score - expected)
    return Rating(mean=mean, deviation=max(LEAST_DEVIATION, math.sqrt(variance)))


def _weight(rival: Rating) -> float:
    """Less for a rival whose own strength is in doubt."""
    return 1.0 / math.sqrt(1.0 + 3.0 * (Q * rival.deviation / math.pi) ** 2)
