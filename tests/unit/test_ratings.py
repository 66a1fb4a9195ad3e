"""Ratings from duels."""

from __future__ import annotations

import random

import pytest

from subnet17.localnet.ratings import LEAST_DEVIATION, Rating, after_duel, expected_score


def test_the_update_is_glickmans_worked_example_taken_one_duel_at_a_time() -> None:
    # His example: 1500/200 beats 1400/30, loses to 1550/100 and to 1700/300 in one period: 1464 and 151.4.
    rating = Rating(mean=1500, deviation=200)
    for rival, score in ((Rating(mean=1400, deviation=30), 1.0), (Rating(mean=1550, deviation=100), 0.0)):
        rating = after_duel(rating, rival, score=score)
    rating = after_duel(rating, Rating(mean=1700, deviation=300), score=0.0)
    assert rating.mean == pytest.approx(1464, abs=8)  # one by one, the later duels see the newer rating
    assert rating.deviation == pytest.approx(151.4, abs=1)


def test_equals_expect_half_and_the_doubtful_count_less() -> None:
    strong = Rating(mean=1900, deviation=50)
    assert expected_score(Rating(), Rating()) == 0.5
    sure, unsure = Rating(mean=1500, deviation=30), Rating(mean=1500, deviation=350)
    assert 0.5 < expected_score(strong, unsure) < expected_score(strong, sure) < 1.0


@pytest.mark.parametrize("share", [0.3, 0.5, 0.75])
def test_a_rating_settles_where_it_expects_what_happens(share: float) -> None:
    field, rating, rng = Rating(mean=1500, deviation=80), Rating(), random.Random(1)
    expected = []
    for turn in range(4000):
        rating = after_duel(rating, field, score=float(rng.random() < share))
        if turn >= 1000:
            expected.append(expected_score(rating, field))
    assert sum(expected) / len(expected) == pytest.approx(share, abs=0.02)
    assert rating.deviation == LEAST_DEVIATION
