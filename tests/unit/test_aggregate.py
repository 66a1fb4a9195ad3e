"""The outlier filter and the geometric mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from subnet17.validation.aggregate import geometric_mean, outlier_filter

values = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=40)


def slow_filter(scores: list[float]) -> list[float]:
    ordered = sorted(scores)
    isolations = [
        sorted(abs(a - b) for j, b in enumerate(ordered) if j != i)[4] for i, a in enumerate(ordered)
    ]
    place = 0.9 * (len(ordered) - 1)
    low = sorted(isolations)[int(place)]
    high = sorted(isolations)[min(int(place) + 1, len(ordered) - 1)]
    limit = low + (high - low) * (place - int(place))
    return [score for score, isolation in zip(ordered, isolations, strict=True) if isolation <= limit]


def test_two_of_sixteen_are_dropped() -> None:
    scores = np.append(np.linspace(0.8, 0.85, 14), [0.2, 1.0])
    kept = outlier_filter(np.random.default_rng(0).permutation(scores))
    assert kept.tolist() == sorted(scores[:14])


def test_equal_scores_are_all_kept() -> None:
    assert outlier_filter(np.full(16, 0.7)).tolist() == [0.7] * 16


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_for_a_fifth_neighbour_are_all_kept(count: int) -> None:
    scores = np.arange(count) ** 3.0
    assert outlier_filter(scores).tolist() == scores.tolist()


@given(st.lists(st.integers(0, 1000), min_size=6, max_size=40))
def test_filter_equals_the_definition(thousandths: list[int]) -> None:
    scores = [value / 1024 for value in thousandths]  # exact in binary: ties stay ties
    assert outlier_filter(np.array(scores)).tolist() == slow_filter(scores)


@given(values)
def test_geometric_mean_lies_between_least_and_greatest(scores: list[float]) -> None:
    mean = geometric_mean(np.array(scores))
    assert min(scores) * (1 - 1e-9) <= mean <= max(scores) * (1 + 1e-9)


def test_geometric_mean_of_known_values() -> None:
    assert geometric_mean(np.array([0.25, 1.0])) == pytest.approx(0.5)
    assert geometric_mean(np.array([0.0, 1.0])) == 0.0


@pytest.mark.parametrize("scores", [[], [-0.1, 0.5], [np.nan], [np.inf]])
def test_geometric_mean_refuses_what_has_none(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="geometric mean"):
        geometric_mean(np.array(scores))


@pytest.mark.parametrize("scores", [np.zeros((2, 8)), np.array([0.5, np.nan])])
def test_filter_refuses_other_shapes_and_values(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        outlier_filter(scores)
