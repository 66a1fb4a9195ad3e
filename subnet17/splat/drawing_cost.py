"""How much a scene asks a rasteriser to draw, before anything is drawn.

Covers: every splat in every view with its real depth, so a splat that is tiny but right before a camera
counts as large as it appears. Not covered: splats hidden behind opaque ones, which are counted all the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from subnet17.splat.cameras import Cameras, RenderableCloud

TILE_PX = 16
EPS_2D = 0.3
"""Added to both 2D variances (px²), as the rasterisers do."""
REACH_MAX_SIGMAS = 3.33
ALPHA_MIN = 1.0 / 255.0


def count_tiles(scene: RenderableCloud, cameras: Cameras) -> int:
    """About how many (splat, 16 px tile) pairs the costliest view has.

    A splat counts as a circle as wide as its longest axis: flat ones seen from the side are counted too high.

    Args:
        scene: N splats, all values finite.
        cameras: C cameras with one image size.
    """
    sigmas = scene.scales.max(axis=1, initial=0.0)
    camera = (cameras.focal_px, float(cameras.size_px), cameras.near, cameras.far)
    counts = _count_tiles(scene.means, sigmas, scene.opacities, cameras.viewmats, camera)
    return int(counts.max(initial=0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _count_tiles(means: Any, sigmas: Any, opacities: Any, viewmats: Any, camera: Any) -> Any:
    focal, size, near, far = camera
    counts = np.zeros(len(viewmats), np.float64)
    for i in range(len(means)):
        if opacities[i] < ALPHA_MIN:
            continue
        reach_sigmas = min(REACH_MAX_SIGMAS, np.sqrt(2.0 * np.log(opacities[i] * 255.0)))
        for view in range(len(viewmats)):
            row = viewmats[view]
            z = row[2, 0] * means[i, 0] + row[2, 1] * means[i, 1] + row[2, 2] * means[i, 2] + row[2, 3]
            if z < near or z > far:
                continue
            x = row[0, 0] * means[i, 0] + row[0, 1] * means[i, 1] + row[0, 2] * means[i, 2] + row[0, 3]
            y = row[1, 0] * means[i, 0] + row[1, 1] * means[i, 1] + row[1, 2] * means[i, 2] + row[1, 3]
            sigma_px = sigmas[i] * focal / z
            reach = reach_sigmas * np.sqrt(sigma_px * sigma_px + EPS_2D)
            counts[view] += _across(x / z * focal, reach, size) * _across(y / z * focal, reach, size)
    return counts


@njit(cache=True, nogil=True, error_model="numpy")
def _across(offset: Any, reach: Any, size: Any) -> Any:
    """Tiles along one axis of an image that a splat `offset` px from its middle reaches."""
    low, high = max(offset - reach, -size / 2), min(offset + reach, size / 2)
    return (high - low) / TILE_PX + 1.0 if high > low else 0.0
