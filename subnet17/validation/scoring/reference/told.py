"""What the reference scorer says of itself, for processes that have no torch."""

from __future__ import annotations

from typing import Literal

from subnet17.errors import NotOfferedError

Kind = Literal["text", "image"]
"""What an asset is scored against."""

MEASURES: dict[str, str] = {
    "score": "the validators' final formula over the four fields below",
    "iqa": "DINOv2-small with the network's quality head, mean over the views",
    "alignment_score": (
        "text: cosines of CLIP convnext_large_d / 0.35; picture: cosines of LLM2CLIP; outliers dropped, "
        "geometric mean"
    ),
    "ssim": "SSIM of neighbouring views, outliers dropped, geometric mean",
    "lpips": "1 - LPIPS (AlexNet) of neighbouring views, outliers dropped, geometric mean",
}
NOT_MEASURED: list[str] = [
    "Validators' cards and library versions differ: expect differences in the third decimal."
]

YES = "yes"
"""Told of a kind that can be scored; of another one: why not."""
SWITCHED_OFF = "switched off by validation.image_tasks"


def not_offered(kind: Kind, why: str) -> NotOfferedError:
    """The refusal of a task that can't be scored here, whatever the asset."""
    against = "texts" if kind == "text" else "pictures"
    return NotOfferedError(
        f"assets can't be scored against {against} here: {why}. Once that is put right, restart this server",
        kind=kind,
    )
