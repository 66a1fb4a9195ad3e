"""Structural similarity of renders, as the validators measure it.

Covers: torchmetrics' StructuralSimilarityIndexMeasure(data_range=1) on images / 255, that is Wang et al. 2004
with an 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population (not sample) variances, borders
reflected, and the mean over channels and all pixels. (Before torchmetrics 1.5 the outermost 5 pixels did not
count; the official scores contain them.) Not covered: other windows and ranges.

The blurs are separable, in float32, on planes that stay in the cache; a view's mean and variance serve both
of its neighbours. All compiled code is in this file: numba's cache doesn't notice changes in another one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numba import njit
from numpy.typing import NDArray

Images = NDArray[np.uint8]

PAD_PX = 5
"""Half of the window without its middle."""
SIGMA_PX = 1.5
C1 = np.float32(0.01**2)
C2 = np.float32(0.03**2)
WHITE = np.float32(1.0)
TO_UNIT = np.float32(1.0 / 255.0)
REORDER = {"reassoc", "contract", "nsz"}
"""What the compiler may do to sums."""


def neighbour_ssims(images: Images) -> NDArray[np.float64]:
    """Similarity of each image with the next, and of the last with the first.

    Args:
        images: (C, H, W, 3) uint8, C >= 1, H and W at least 6.

    Returns:
        (C,) float64; within 1e-6 of torchmetrics.

    Raises:
        ValueError: another shape or dtype.
    """
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or not len(images):
        raise ValueError(f"images of shape {images.shape} and {images.dtype}, expected (C, H, W, 3) uint8")
    if min(images.shape[1:3]) <= PAD_PX:
        raise ValueError(f"images of {images.shape[1:3]} pixels, expected more than {PAD_PX} x {PAD_PX}")
    scores = np.empty(len(images))
    thread_count: int = min(numba.config.NUMBA_NUM_THREADS, len(images))  # type: ignore[attr-defined]
    borders = [int(border) for border in np.linspace(0, len(images), thread_count + 1)]
    with ThreadPoolExecutor(thread_count) as threads:
        list(
            threads.map(
                lambda first, last: _compare_run(images, first, last, window_taps(), scores),
                borders[:-1],
                borders[1:],
            )
        )
    return scores


def window_taps() -> NDArray[np.float32]:
    """(6,) float32 taps of the Gaussian window from its rim to its middle; all 11 sum to 1."""
    taps = np.exp(-0.5 * (np.arange(-PAD_PX, PAD_PX + 1) / SIGMA_PX) ** 2)
    rim_to_middle: NDArray[np.float32] = (taps / taps.sum())[: PAD_PX + 1].astype(np.float32)
    return rim_to_middle


@njit(cache=True, nogil=True)
def _compare_run(images: Any, first: Any, last: Any, taps: Any, scores: Any) -> None:
    """Scores of the images first..last - 1 with their successors, one colour channel after the other."""
    views, height, width = images.shape[:3]
    padded = (height + 2 * PAD_PX, width + 2 * PAD_PX)
    planes, product = np.empty((2, *padded), np.float32), np.empty(padded, np.float32)
    means, squares = np.empty((2, height, width), np.float32), np.empty((2, height, width), np.float32)
    crossed, column_sums = np.empty((height, width), np.float32), np.empty(padded[1], np.float32)
    scores[first:last] = 0.0
    for channel in range(3):
        for view in range(first, last + 1):
            this, before = view % 2, (view + 1) % 2
            _load_plane(images[view % views], channel, planes[this])
            _blur(planes[this], taps, column_sums, means[this])
            _multiply(planes[this], planes[this], product)
            _blur(product, taps, column_sums, squares[this])
            if view > first:
                _multiply(planes[this], planes[before], product)
                _blur(product, taps, column_sums, crossed)
                mean = _mean_similarity(means[this], means[before], squares[this], squares[before], crossed)
                scores[view - 1] += mean / 3.0


@njit(cache=True, nogil=True)
def _load_plane(image: Any, channel: Any, plane: Any) -> None:
    """One channel as float32 with reflected borders, white as 0: a white background's variance is exact."""
    height, width = image.shape[:2]
    for y in range(len(plane)):
        row = image[_reflect(y - PAD_PX, height)]
        for x in range(width):
            plane[y, x + PAD_PX] = np.float32(row[x, channel]) * TO_UNIT - WHITE
        for x in range(PAD_PX):
            plane[y, x] = plane[y, 2 * PAD_PX - x]
            plane[y, width + PAD_PX + x] = plane[y, width + PAD_PX - 2 - x]


@njit(cache=True, nogil=True)
def _reflect(index: Any, size: Any) -> Any:
    """The index inside that a border index mirrors; the outermost pixel is not repeated."""
    index = abs(index)
    return index if index < size else 2 * size - 2 - index


@njit(cache=True, nogil=True)
def _multiply(a: Any, b: Any, product: Any) -> None:
    for y in range(len(product)):
        for x in range(product.shape[1]):
            product[y, x] = a[y, x] * b[y, x]


@njit(cache=True, nogil=True, fastmath=REORDER)
def _blur(plane: Any, taps: Any, column_sums: Any, blurred: Any) -> None:
    """Gaussian window over (H + 10, W + 10) where it fits: (H, W). Columns first, then along the row."""
    t0, t1, t2, t3, t4, t5 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for y in range(len(blurred)):
        for x in range(len(column_sums)):
            column_sums[x] = (
                t0 * (plane[y, x] + plane[y + 10, x])
                + t1 * (plane[y + 1, x] + plane[y + 9, x])
                + t2 * (plane[y + 2, x] + plane[y + 8, x])
                + t3 * (plane[y + 3, x] + plane[y + 7, x])
                + t4 * (plane[y + 4, x] + plane[y + 6, x])
                + t5 * plane[y + 5, x]
            )
        for x in range(blurred.shape[1]):
            blurred[y, x] = (
                t0 * (column_sums[x] + column_sums[x + 10])
                + t1 * (column_sums[x + 1] + column_sums[x + 9])
                + t2 * (column_sums[x + 2] + column_sums[x + 8])
                + t3 * (column_sums[x + 3] + column_sums[x + 7])
                + t4 * (column_sums[x + 4] + column_sums[x + 6])
                + t5 * column_sums[x + 5]
            )


@njit(cache=True, nogil=True, error_model="numpy")
def _mean_similarity(mean_a: Any, mean_b: Any, squares_a: Any, squares_b: Any, crossed: Any) -> Any:
    """Mean of (2 ma mb + C1)(2 cov + C2) / ((ma^2 + mb^2 + C1)(va + vb + C2)); means come less white.

    Compiled to the letter: rounded alike, variances and covariance of equal images are equal, the score is 1.
    """
    total = 0.0
    two = np.float32(2.0)
    row = np.empty(crossed.shape[1], np.float32)
    for y in range(len(crossed)):
        for x in range(len(row)):
            a, b = mean_a[y, x], mean_b[y, x]
            covariance = crossed[y, x] - a * b
            variances = (squares_a[y, x] - a * a) + (squares_b[y, x] - b * b)
            a, b = a + WHITE, b + WHITE
            similar = (two * (a * b) + C1) * (two * covariance + C2)
            row[x] = similar / ((a * a + b * b + C1) * (variances + C2))
        total += _sum(row)
    return total / crossed.size


@njit(cache=True, nogil=True, fastmath=REORDER)
def _sum(row: Any) -> Any:
    total = 0.0
    for x in range(len(row)):
        total += row[x]
    return total
