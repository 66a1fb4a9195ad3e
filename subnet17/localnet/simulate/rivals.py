"""The miners met in duels: a field of equals that make one candidate and hand it in.

Each accepted result fights one duel, against an asset that a rival made for the same task. A judge with
some noise prefers the better one. A rival's rating is the field's: as the field neither learns nor tires,
a rating says how often its owner wins against it.
"""

from __future__ import annotations

import random

from subnet17.localnet.ratings import Rating, after_duel
from subnet17.localnet.simulate.quality import LUCK_SPREAD, MEAN, Quality
from subnet17.mining.protocol import Task

JUDGE_NOISE = 0.02
FIELD = Rating(mean=1500.0, deviation=80.0)


class Rivals:
    """The field as one validator pairs it with us."""

    def __init__(self, quality: Quality, validator: str) -> None:
        self._quality = quality
        self._validator = validator

    def fight(self, rating: Rating, task: Task, score: float) -> Rating:
        """The rating after the duel of an accepted result with this score."""
        draw = random.Random(f"{self._quality.seed}/rival/{self._validator}/{task.id}")
        rival = MEAN - self._quality.difficulty(task.prompt) + draw.gauss(0.0, LUCK_SPREAD)
        won = score + draw.gauss(0.0, JUDGE_NOISE) > rival
        return after_duel(rating, FIELD, score=float(won))
