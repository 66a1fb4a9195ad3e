"""A plain rasteriser in float64, one pixel at a time, to judge the fast ones by.

Written from the formula alone and shares no code with them: matrices instead of unrolled sums, no tiles, no
bounding boxes. Too slow for anything but small pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subnet17.splat.cameras import Cameras, RenderableCloud

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class _Flat:
    """M visible splats of one view, nearest first: (M, 2) centres, (M, 2, 2) inverse covariances, ..."""

    centres: Float64
    conics: Float64
    opacities: Float64
    rgb: Float64


def render_plainly(
    scene: RenderableCloud, cameras: Cameras, view: int, *, background: float = 1.0
) -> tuple[Float64, Float64]:
    """Renders one view.

    Returns:
        (H, W, 3) colours in 0..1 and (H, W) alphas, neither rounded nor truncated.
    """
    size = cameras.size_px
    flat = _flatten(scene, cameras, cameras.viewmats[view])
    image = np.empty((size, size, 3))
    alpha = np.empty((size, size))
    for row in range(size):
        for column in range(size):
            colour, transmittance = _shade(flat, np.array([column + 0.5, row + 0.5]))
            image[row, column] = np.clip(colour + transmittance * background, 0.0, 1.0)
            alpha[row, column] = 1.0 - transmittance
    return image, alpha


def _shade(flat: _Flat, pixel: Float64) -> tuple[Float64, float]:
    d = flat.centres - pixel
    sigma = 0.5 * np.einsum("ni,nij,nj->n", d, flat.conics, d)
    alpha = np.minimum(0.999, flat.opacities * np.exp(-sigma))
    alpha[alpha < 1 / 255] = 0.0
    after = np.cumprod(1.0 - alpha)
    finished = np.flatnonzero(after <= 1e-4)
    drawn = int(finished[0]) if len(finished) else len(after)
    before = np.concatenate([[1.0], after])[:drawn]
    colour = (before * alpha[:drawn]) @ flat.rgb[:drawn]
    return colour, float(after[drawn - 1]) if drawn else 1.0


def _flatten(scene: RenderableCloud, cameras: Cameras, viewmat: Float64) -> _Flat:
    rotation, translation = viewmat[:3, :3], viewmat[:3, 3]
    centres, conics, depths, kept = [], [], [], []
    for i in range(len(scene.means)):
        p = rotation @ scene.means[i].astype(np.float64) + translation
        if not cameras.near <= p[2] <= cameras.far:
            continue
        axes = (
            rotation
            @ _rotation_of(scene.quats[i].astype(np.float64))
            @ np.diag(scene.scales[i].astype(np.float64))
        )
        J = _jacobian(p, cameras)
        covariance = J @ axes @ axes.T @ J.T + 0.3 * np.eye(2)
        centres.append(cameras.focal_px * p[:2] / p[2] + cameras.size_px / 2)
        conics.append(np.linalg.inv(covariance))
        depths.append(p[2])
        kept.append(i)
    order = np.argsort(depths, kind="stable")
    kept_in_order = np.array(kept, dtype=np.int64)[order]
    return _Flat(
        centres=np.array(centres).reshape(-1, 2)[order],
        conics=np.array(conics).reshape(-1, 2, 2)[order],
        opacities=scene.opacities[kept_in_order].astype(np.float64),
        rgb=scene.rgb[kept_in_order].astype(np.float64),
    )


def _jacobian(p: Float64, cameras: Cameras) -> Float64:
    """Of the projection at `p`, with the direction clamped to 1.3 times the half field of view."""
    limit = 1.3 * cameras.size_px / (2 * cameras.focal_px)
    f, z = cameras.focal_px, p[2]
    x, y = z * np.clip(p[:2] / z, -limit, limit)
    return np.array([[f / z, 0.0, -f * x / z**2], [0.0, f / z, -f * y / z**2]])


def _rotation_of(quat: Float64) -> Float64:
    """Rotation matrix of a wxyz quaternion, as I + 2 w K + 2 K² with K the cross-product matrix of xyz."""
    w, x, y, z = quat
    K = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation: Float64 = np.eye(3) + 2 * w * K + 2 * K @ K
    return rotation
