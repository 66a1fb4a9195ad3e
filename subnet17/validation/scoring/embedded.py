"""The embedded scorer: the validators' formula over measures that need no weights. Deterministic.

Covers: SSIM exactly as the validators compute it; quality, alignment and structure by our own measures.
Does not cover: what learned networks know of pictures. Its score is a filter against broken, noisy and
mistaken assets, not a forecast of a validator's score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subnet17.splat.cameras import Views
from subnet17.validation.aggregate import geometric_mean, outlier_filter
from subnet17.validation.scoring.alignment import Aligner, Alignment
from subnet17.validation.scoring.quality import combine_quality, halve, judge_quality, measure_quality
from subnet17.validation.scoring.scores import Scores
from subnet17.validation.scoring.structure import neighbour_structure
from subnet17.validation.ssim import neighbour_ssims

Float32 = NDArray[np.float32]


class EmbeddedScorer:
    """Scores rendered views against a prompt; the attributes say by what."""

    measures: dict[str, str] = {  # noqa: RUF012 - a table, never changed
        "score": "the validators' final formula over the four fields below",
        "iqa": "geometric quality without a network: framing, holes, outline, loose pieces, speckle",
        "alignment_score": (
            "colours named in the prompt, and likeness of shape and colours to what the embedded generator "
            "draws for the same prompt rather than for others"
        ),
        "ssim": "SSIM of neighbouring views, computed as the validators do",
        "lpips": "gradient similarity of neighbouring views at three scales, in place of a network",
    }
    not_measured: list[str] = [  # noqa: RUF012
        "No learned semantics: a subject the embedded generator can't draw is judged by its colours only.",
        "No aesthetics: whether the asset is beautiful, realistic or detailed is not judged.",
        "No network ran: the score is not a forecast of what a validator will give.",
    ]

    def __init__(self) -> None:
        self._aligner = Aligner()

    def score_text(self, views: Views, prompt: str) -> Scores:
        """Judges 16 official views against a text."""
        images, alphas = _prepare(views)
        return _combine(views, images, alphas, self._aligner.align_text(images, alphas, prompt))

    def score_image(self, views: Views, image: NDArray[np.uint8]) -> Scores:
        """Judges 16 official views against an (H, W, 3) uint8 picture."""
        images, alphas = _prepare(views)
        return _combine(views, images, alphas, self._aligner.align_image(images, alphas, image))


def _prepare(views: Views) -> tuple[Float32, Float32]:
    """The views at half size: RGB in 0..1, and alphas."""
    return halve(views.images) / np.float32(255), halve(views.alphas)


def _combine(views: Views, images: Float32, alphas: Float32, alignment: Alignment) -> Scores:
    measured = measure_quality(images, alphas)
    verdicts = judge_quality(measured)
    return Scores(
        iqa=combine_quality(verdicts),
        alignment=alignment.score,
        ssim=_of_neighbours(neighbour_ssims(views.images)),
        lpips=_of_neighbours(neighbour_structure(images)),
        notes=alignment.notes,
        parts={"measured": measured, "quality": verdicts, "alignment": alignment.parts},
    )


def _of_neighbours(similarities: NDArray[np.float64]) -> float:
    """One number of the pairs of views, as the validators make it."""
    return geometric_mean(outlier_filter(np.clip(similarities, 0.0, 1.0)))
