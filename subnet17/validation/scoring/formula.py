"""The validators' final formula: four measures become one score. Shared by every scorer."""

from __future__ import annotations

import math

ALIGNMENT_FLOOR = 0.3
"""Below this an asset shows something else than was asked for, and scores nothing."""


def final_score(*, iqa: float, alignment: float, ssim: float, lpips: float) -> float:
    """Combines the four measures (each in 0..1) as validation service 2.4.0 does.

    0 if alignment < 0.3, else 0.75 iqa + 0.2 alignment + 0.025 sigmoid(35 (ssim - 0.83))
    + 0.025 lpips sigmoid(30 (lpips - 0.7)). `lpips` counts similarity: 1 minus the distance.
    """
    if alignment < ALIGNMENT_FLOOR:
        return 0.0
    smoothness = 0.025 * _sigmoid(35 * (ssim - 0.83))
    likeness = 0.025 * lpips * _sigmoid(30 * (lpips - 0.7))
    return 0.75 * iqa + 0.2 * alignment + smoothness + likeness


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
