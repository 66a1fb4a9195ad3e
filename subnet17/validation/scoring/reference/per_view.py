"""From numbers per view to the four measures: filters, means and quirks as in validation service 2.4.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from subnet17.validation.aggregate import geometric_mean, outlier_filter
from subnet17.validation.scoring.scores import Scores

Float64 = NDArray[np.float64]

TEXT_SCALE = 0.35
"""Cosines with a text are divided by it, so alignments above 1 exist: officially they are not cut."""


def combine(per_view: Mapping[str, Float64], *, kind: Literal["text", "image"]) -> Scores:
    """The measures of one asset.

    Args:
        per_view: "iqa", "alignment" (cosines), "ssim" and "lpips" (distances), each (N,) and finite.
        kind: What the alignment is with.
    """
    alignment = _cut_mean(per_view["alignment"])
    return Scores(
        iqa=float(per_view["iqa"].mean()),
        alignment=alignment / TEXT_SCALE if kind == "text" else alignment,
        ssim=_cut_mean(per_view["ssim"]),
        lpips=1.0 - geometric_mean(outlier_filter(np.maximum(per_view["lpips"], 0.0))),
        parts={name: _describe(values) for name, values in per_view.items()},
    )


def _cut_mean(values: Float64) -> float:
    """Geometric mean of what the filter keeps, cut to 0..1 after it, as officially.

    Officially a negative cosine with a picture makes the whole score NaN; here it counts as 0.
    """
    return geometric_mean(np.clip(outlier_filter(values), 0.0, 1.0))


def _describe(values: Float64) -> dict[str, float]:
    return {
        "least": round(float(values.min()), 6),
        "mean": round(float(values.mean()), 6),
        "greatest": round(float(values.max()), 6),
    }
