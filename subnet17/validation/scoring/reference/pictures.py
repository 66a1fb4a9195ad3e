"""Rendered views as each network wants them. Every step here is part of the official score: change nothing.

All take (N, H, W, 3) uint8 and give (N, 3, h, w).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
CLIP_STRETCH = 3.0
"""The validators normalise with three times CLIP's mean and deviation, and trained no one for it. A quirk."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
QUALITY_PX = 518
LPIPS_PX = 256


def clip_input(images: Tensor, side_px: int) -> Tensor:
    """For both CLIPs: float16 before anything else, bicubic without antialiasing, stretched mean and std.

    Returns:
        (N, 3, side_px, side_px) float16, rounded after each step as the official code rounds.
    """
    pixels = _planes(images).to(torch.float16)
    resized = functional.interpolate(pixels, (side_px, side_px), mode="bicubic", align_corners=False)
    mean = _channels(CLIP_MEAN, resized) * CLIP_STRETCH
    std = _channels(CLIP_STD, resized) * CLIP_STRETCH
    return (resized - mean.half()) / std.half()


def quality_input(images: Tensor) -> Tensor:
    """For DINOv2: (N, 3, 518, 518) float32, bilinear, ImageNet's mean and deviation."""
    pixels = _planes(images)
    if pixels.shape[-2:] != (QUALITY_PX, QUALITY_PX):  # at its own size the resampling is exact
        side = (QUALITY_PX, QUALITY_PX)
        pixels = functional.interpolate(pixels, side, mode="bilinear", align_corners=False)
    return (pixels - _channels(IMAGENET_MEAN, pixels)) / _channels(IMAGENET_STD, pixels)


def lpips_input(images: Tensor) -> Tensor:
    """For LPIPS: (N, 3, 256, 256) float32 in 0..1, bicubic without antialiasing, overshoot clipped."""
    side = (LPIPS_PX, LPIPS_PX)
    resized = functional.interpolate(_planes(images), side, mode="bicubic", align_corners=False)
    return resized.clamp(0.0, 1.0)


def _planes(images: Tensor) -> Tensor:
    return (images / 255.0).permute(0, 3, 1, 2)


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    """(3, 1, 1) float32 on the device, made there: a copy from the host can't be recorded."""
    planes = [torch.full((1, 1), value, dtype=torch.float32, device=like.device) for value in values]
    return torch.stack(planes)
