"""What the reference scorer says of itself in each answer, for processes that have no torch."""

from __future__ import annotations

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
