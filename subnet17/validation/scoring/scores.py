"""What a scorer is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from subnet17.splat.cameras import Views
from subnet17.validation.scoring.formula import final_score


@dataclass(frozen=True)
class Scores:
    """The four measures, each in 0..1, higher is better; `lpips` is a similarity.

    Attributes:
        notes: What a reader must know of these numbers (a subject that is not known, ...).
        parts: The numbers the measures were made of.
    """

    iqa: float
    alignment: float
    ssim: float
    lpips: float
    notes: list[str] = field(default_factory=list)
    parts: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The validators' final formula."""
        return final_score(iqa=self.iqa, alignment=self.alignment, ssim=self.ssim, lpips=self.lpips)

    def as_json(self) -> dict[str, float]:
        """The five numbers under the validators' names."""
        return {
            "score": self.score,
            "iqa": self.iqa,
            "alignment_score": self.alignment,
            "ssim": self.ssim,
            "lpips": self.lpips,
        }


class Scorer(Protocol):
    """Judges the 16 official views of an asset. Holds whatever it had to load."""

    measures: dict[str, str]
    """Per field of the answer: what is really computed."""
    not_measured: list[str]
    """What the answer says nothing about, in sentences."""

    def score_text(self, views: Views, prompt: str) -> Scores:
        """Judges against a text."""
        ...

    def score_image(self, views: Views, image: NDArray[np.uint8]) -> Scores:
        """Judges against an (H, W, 3) uint8 picture."""
        ...
