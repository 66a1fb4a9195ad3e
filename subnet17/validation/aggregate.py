"""From scores per view to one score, as the validators do it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]

NEIGHBOURS = 5
KEPT_PERCENTILE = 90.0


def outlier_filter(scores: Scores) -> Scores:
    """Drops scores that lie apart from the others.

    A score's isolation is its distance to the 5th nearest other one; isolations above their 90th percentile
    (linearly interpolated) are dropped: of 16 different values, two.

    Args:
        scores: (N,) finite values.

    Returns:
        The scores kept, ascending. With 5 or fewer there is no 5th neighbour and all are kept.

    Raises:
        ValueError: not one-dimensional, or a value is not finite.
    """
    ascending = np.sort(np.asarray(scores, dtype=np.float64))
    if ascending.ndim != 1 or not np.isfinite(ascending).all():
        raise ValueError(f"scores of shape {ascending.shape}, expected one dimension of finite values")
    if len(ascending) <= NEIGHBOURS:
        return ascending
    distances = np.sort(np.abs(ascending[:, None] - ascending[None, :]), axis=1)
    isolations = distances[:, NEIGHBOURS]  # column 0 is the distance to itself
    kept: Scores = ascending[isolations <= np.percentile(isolations, KEPT_PERCENTILE)]
    return kept


def geometric_mean(scores: Scores) -> float:
    """The N-th root of the product; 0 if any score is 0.

    Raises:
        ValueError: no scores, or one that is negative or not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not values.size or not np.isfinite(values).all() or values.min() < 0:
        raise ValueError("geometric mean needs at least one score, all finite and >= 0")
    if values.min() == 0:
        return 0.0
    return float(np.exp(np.log(values).mean()))
