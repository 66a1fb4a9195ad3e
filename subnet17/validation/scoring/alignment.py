"""How well an asset fits its prompt."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

NEUTRAL = 0.65
"""Given where nothing can be said: neither a reward nor a punishment."""


@dataclass(frozen=True)
class Alignment:
    """A verdict in 0..1 with what it rests on."""

    score: float
    notes: list[str] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)


class Aligner:
    """Judges views against prompts."""

    def align_text(self, images: Float32, alphas: Float32, prompt: str) -> Alignment:
        """Judges (16, H, W, 3) views in 0..1 and their alphas against a text."""
        return Alignment(NEUTRAL, ["the prompt is not compared with the asset yet"])

    def align_image(self, images: Float32, alphas: Float32, image: NDArray[np.uint8]) -> Alignment:
        """Judges them against an (H, W, 3) uint8 picture."""
        return Alignment(NEUTRAL, ["the picture is not compared with the asset yet"])
