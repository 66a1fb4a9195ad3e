"""Views reduced to what can be compared with a sketch: small silhouettes and colours, from 15 sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from subnet17.splat.cameras import VIEWS
from subnet17.validation.scoring.quality import Float32

SIDES = VIEWS - 1
"""The 16th view repeats the first."""
SIZE_PX = 37
_BLOCK_PX = 7
"""259 px, the size of halved views, is 7 x 37."""
_SOFTNESS_PX = 0.8
"""Silhouettes are blurred by this much: an ear two pixels aside is still an ear."""


@dataclass(frozen=True)
class Silhouettes:
    """An object from V sides.

    Attributes:
        alphas: (V, 37, 37) float32 coverage in 0..1, slightly blurred, its centre of mass in the middle.
        lab: (V, 37, 37, 3) float32 CIELAB (D65), 0 where there is nothing.
    """

    alphas: Float32
    lab: Float32


def reduce_views(images: Float32, alphas: Float32) -> Silhouettes:
    """From (16, 259, 259, 3) views over white in 0..1 and their (16, 259, 259) alphas."""
    small_alphas = _average_blocks(alphas[:SIDES])
    over_white = _average_blocks(images[:SIDES])
    return make_silhouettes(over_white - (1 - small_alphas[..., None]), small_alphas)


def _average_blocks(planes: Float32) -> Float32:
    rows = np.add.reduceat(planes, np.arange(0, SIZE_PX * _BLOCK_PX, _BLOCK_PX), axis=1)
    blocks = np.add.reduceat(rows, np.arange(0, SIZE_PX * _BLOCK_PX, _BLOCK_PX), axis=2)
    return np.asarray(blocks / np.float32(_BLOCK_PX**2))


def make_silhouettes(premultiplied: Float32, alphas: Float32) -> Silhouettes:
    """From (V, 37, 37, 3) sRGB multiplied by coverage, and (V, 37, 37) coverage."""
    rgb: Float32 = np.clip(premultiplied / np.maximum(alphas, np.float32(0.05))[..., None], 0, 1)
    lab = to_lab(rgb) * (alphas > 0.05)[..., None]
    shifts = [_shift_to_centre(alpha) for alpha in alphas]
    centred = np.stack([np.roll(alpha, s, (0, 1)) for alpha, s in zip(alphas, shifts, strict=True)])
    coloured = np.stack([np.roll(plane, s, (0, 1)) for plane, s in zip(lab, shifts, strict=True)])
    return Silhouettes(ndimage.gaussian_filter(centred, (0, _SOFTNESS_PX, _SOFTNESS_PX)), coloured)


def _shift_to_centre(alpha: Float32) -> tuple[int, int]:
    if alpha.sum() <= 0:
        return 0, 0
    y, x = ndimage.center_of_mass(alpha)
    return round((SIZE_PX - 1) / 2 - y), round((SIZE_PX - 1) / 2 - x)


def to_lab(rgb: Float32) -> Float32:
    """(..., 3) sRGB in 0..1 to CIELAB under D65 (CIE 15; sRGB matrix of IEC 61966-2-1)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ (matrix.T / [0.9505, 1.0, 1.089])
    x, y, z = np.moveaxis(np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)
