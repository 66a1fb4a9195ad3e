"""SSIM of neighbouring views and the validators' way of making one number of many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from subnet17.validation.scoring.quality import Float32

SIGMA_PX = 1.5
RADIUS_PX = 5
C1, C2 = 0.01**2, 0.03**2


def neighbour_ssims(images: NDArray[np.uint8]) -> list[float]:
    """SSIM (11 x 11 Gaussian of sigma 1.5, data range 1) of each view with the next, the last with the first.

    Args:
        images: (C, H, W, 3) uint8.
    """
    planes = np.moveaxis(images, 3, 1).astype(np.float32) / 255
    means = [_blur(plane) for plane in planes]
    powers = [_blur(plane * plane) for plane in planes]
    pairs = [(i, (i + 1) % len(planes)) for i in range(len(planes))]
    return [_ssim(planes[i], planes[j], means[i], means[j], powers[i], powers[j]) for i, j in pairs]


def _ssim(a: Float32, b: Float32, ma: Float32, mb: Float32, aa: Float32, bb: Float32) -> float:
    product = ma * mb
    squares = ma * ma + mb * mb
    covariance = _blur(a * b) - product
    variances = aa + bb - squares
    ratio = (2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    return float(ratio.mean(dtype=np.float64))


def _blur(planes: Float32) -> Float32:
    blurred = ndimage.gaussian_filter(
        planes, (0, SIGMA_PX, SIGMA_PX), mode="mirror", truncate=RADIUS_PX / SIGMA_PX
    )
    return np.asarray(blurred)


def filtered_geometric_mean(values: list[float]) -> float:
    """Drops outliers as the validators do, then takes the geometric mean.

    A value's distance is that to its 5th nearest neighbour; those above the 90th percentile are dropped.
    """
    v = np.sort(np.asarray(values, np.float64))
    distances = np.sort(np.abs(v[:, None] - v[None]), axis=1)[:, min(5, len(v) - 1)]
    kept = np.clip(v[distances <= np.percentile(distances, 90)], 1e-9, None)
    return float(np.exp(np.log(kept).mean()))
