"""A picture whose object's colours go on beyond its outline, so that no background gets into a sample.

The outline's own pixels are a blend with the background, in pictures that were cut out by a network as well
as in rendered ones. So only what lies some pixels inside counts, and its colours are spread outwards over the
whole picture, coarse to fine. Parts too thin to have an inside count with what they have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

MOST_PX = 1024
"""Longer side of the picture that is read; no cloud shows more."""
INSIDE_SHARE = 0.004
"""Pixels between the outline and what counts as inside, over the picture's longer side."""
COVERED = 0.9
"""Alpha of a pixel that is the object's alone. Where none reaches it, a lower alpha counts."""
LOWER = (0.5, 0.1)
GRAIN_SHARE = 0.02
"""What varies within this share of the longer side is the material's grain ..."""
GRAIN_QUANTILE = 0.55
"""... as far as it is no stronger than in so many of the object's pixels: eyes and letters are not grain."""
SLACK_SHARE = 0.015
"""A sample may miss the outline by this share of the longer side."""


@dataclass(frozen=True)
class BledPicture:
    """Colours everywhere, and where they are the object's.

    Attributes:
        rgb: (1, 3, H, W) float32 in 0..1. alpha: (H, W) float32 in 0..1. cover: (1, 1, H, W) float32, 1 on
            the object and just beside it, 0 away from it.
        inside: (1, 1, H, W) float32, 1 where a colour is the picture's own.
    """

    rgb: Tensor
    alpha: Tensor
    cover: Tensor
    inside: Tensor

    @property
    def mean(self) -> Tensor:
        """(3,) mean colour of the object."""
        return (self.rgb * self.inside).sum(dim=(0, 2, 3)) / self.inside.sum()

    def grain(self) -> BledPicture:
        """The same picture with its materials' grain, darker and lighter, around 0."""
        reach_px = max(1, round(GRAIN_SHARE * max(self.alpha.shape)))
        fine = (self.rgb - _blur(_blur(self.rgb, reach_px), reach_px)).mean(dim=1, keepdim=True)
        strength = fine.abs()[self.inside > 0].sort().values
        limit = strength[int(GRAIN_QUANTILE * (len(strength) - 1))]
        return replace(self, rgb=torch.maximum(torch.minimum(fine, limit), -limit).expand_as(self.rgb))

    def sample(self, places_px: Tensor, *, spacing_px: float = 1.0) -> tuple[Tensor, Tensor]:
        """Colours at places, bilinear.

        Args:
            places_px: (N, 2) right and down. spacing_px: Distance between samples; the picture is averaged
                over it, so that a fine pattern doesn't turn into noise.

        Returns:
            (N, 3) colours and (N,) 0..1, how much of each is the object's.
        """
        height, width = self.alpha.shape
        rgb = self.rgb
        if spacing_px > 1.5:
            size = [max(1, round(height / spacing_px)), max(1, round(width / spacing_px))]
            rgb = F.interpolate(rgb, size=size, mode="bilinear", antialias=True, align_corners=False)
        grid = (places_px * (2 / places_px.new_tensor([width, height])) - 1)[None, None]
        colours, cover = (
            F.grid_sample(image, grid, padding_mode="border", align_corners=False)[0, :, 0]
            for image in (rgb, self.cover)
        )
        within = (grid[0, 0].abs() <= 1).all(dim=1)
        return colours.T, cover[0].clamp(0.0, 1.0) * within


def bleed_picture(image: Image.Image, device: torch.device) -> BledPicture | None:
    """Reads a picture, alpha being its object's mask; None where it shows nothing."""
    small = image.convert("RGBA")
    if max(small.size) > MOST_PX:
        small.thumbnail((MOST_PX, MOST_PX), Image.Resampling.BOX)
    pixels = torch.from_numpy(np.array(small)).to(device).float() / 255
    rgb, alpha = pixels[..., :3].permute(2, 0, 1)[None], pixels[..., 3]
    mask = _object_mask(alpha)
    if mask is None:
        return None
    longest_px = max(alpha.shape)
    inside = _inside(mask, max(1, round(INSIDE_SHARE * longest_px)))
    cover = F.avg_pool2d(_grow(mask, max(1, round(SLACK_SHARE * longest_px))), 3, stride=1, padding=1)
    return BledPicture(_spread(rgb, inside), alpha, cover, inside)


def _object_mask(alpha: Tensor) -> Tensor | None:
    for limit in (COVERED, *LOWER):
        mask = (alpha >= limit).float()[None, None]
        if bool(mask.any()):
            return mask
    return None


def _inside(mask: Tensor, depth_px: int) -> Tensor:
    """(1, 1, H, W) 0 or 1: pixels so deep in the mask; less deep ones where there are none nearby."""
    chosen = torch.zeros_like(mask)
    for depth in sorted({depth_px, 1, 0}, reverse=True):
        inside = 1 - _grow(1 - mask, depth)
        chosen = torch.maximum(chosen, inside * (1 - _grow(chosen, 2 * depth_px + 1)))
    return chosen


def _grow(mask: Tensor, by_px: int) -> Tensor:
    """Also the mask's neighbours up to so many pixels away; beyond the border there is nothing."""
    wide = F.max_pool2d(mask, (1, 2 * by_px + 1), stride=1, padding=(0, by_px))
    return F.max_pool2d(wide, (2 * by_px + 1, 1), stride=1, padding=(by_px, 0))


def _blur(image: Tensor, by_px: int) -> Tensor:
    padded = F.pad(image, [by_px] * 4, mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(padded, (1, 2 * by_px + 1), stride=1), (2 * by_px + 1, 1), stride=1)


def _spread(rgb: Tensor, known: Tensor) -> Tensor:
    """Fills what is not known with the mean of what is known around it, the nearest first."""
    height, width = known.shape[2:]
    if height == width == 1:
        return rgb
    size = [max(1, (height + 1) // 2), max(1, (width + 1) // 2)]
    weight = F.interpolate(known, size=size, mode="bilinear", antialias=True, align_corners=False)
    total = F.interpolate(rgb * known, size=size, mode="bilinear", antialias=True, align_corners=False)
    found = weight > 1e-4
    coarse = _spread(torch.where(found, total / weight.clamp_min(1e-4), 0.0), found.float())
    wide = F.interpolate(coarse, size=[height, width], mode="bilinear", align_corners=False)
    return torch.where(known > 0, rgb, wide)
