"""Splats of a scene as one camera sees them: 2D Gaussians in pixels, nearest first.

Follows gsplat 1.5.3's classic mode: the EWA projection with x/z and y/z clamped to 1.3 times the half-fov
tangent in the Jacobian, and 0.3 px² added to the 2D covariance's diagonal.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subnet17.splat.cameras import RenderableCloud

EPS_2D = 0.3
"""Added to both 2D variances (px²): no splat is thinner than about half a pixel."""
FRUSTUM_MARGIN = 1.3
REACH_MAX_PX = 1e9
"""Splats farther away or larger than this are not drawn: float32 can't place them."""
ALPHA_MIN = 1.0 / 255.0
"""Contributions below this are not drawn."""
LOG2_E = 1.4426950408889634
BOUND_MARGIN = 1.002
"""Bounding ellipses are drawn this much wider, so rounding can't cut off a pixel that counts."""

SPLAT_2D = np.dtype(
    [(name, np.float32) for name in ("x", "y", "a", "b", "c", "log2_opacity", "red", "green", "blue")]
    + [(name, np.float32) for name in ("half_x", "half_y", "rho", "rho_rest")]
)
"""A projected splat. Its centre is x, y in pixels. At an offset (dx, dy) from there, its alpha is
2 ** (log2_opacity - (a dx² + b dx dy + c dy²)). Where that can reach 1/255 is the ellipse
u² - 2 rho u v + v² <= rho_rest² with u = dx / half_x, v = dy / half_y and rho² + rho_rest² = 1."""


def project_splats(
    scene: RenderableCloud,
    viewmat: NDArray[np.float64],
    focal_px: float,
    size_px: int,
    *,
    near: float,
    far: float,
) -> NDArray[np.void]:
    """Projects a scene into one square view and sorts what is visible by depth.

    Splats are left out when they lie outside near..far, are nowhere as opaque as 1/255, do not reach the
    image, or are not finite.

    Args:
        scene: N splats.
        viewmat: (4, 4) world-to-camera, OpenCV axes.
        focal_px: Focal length.
        size_px: Width and height; the principal point is the middle.
        near: Nearest depth drawn.
        far: Farthest depth drawn.

    Returns:
        (M,) of `SPLAT_2D`, M <= N, nearest first and in the scene's order where depths are equal. Pixel
        centres lie at +0.5.
    """
    projected, keys = _project_all(
        scene.means,
        scene.quats,
        scene.scales,
        scene.opacities,
        scene.rgb,
        np.ascontiguousarray(viewmat, dtype=np.float64),
        (focal_px, float(size_px), near, far),
    )
    order = (np.sort(keys) & np.uint64(0xFFFFFFFF)).astype(np.int64)
    nearest_first: NDArray[np.void] = projected.take(order, axis=0)  # three times as fast as projected[order]
    return nearest_first


@njit(cache=True, nogil=True, error_model="numpy")
def _project_all(
    means: Any, quats: Any, scales: Any, opacities: Any, rgb: Any, viewmat: Any, camera: Any
) -> Any:
    """Fills the visible splats' rows, and for each the key `depth bits << 32 | row`.

    Depths are positive, so their float32 bits sort as they do; the row makes keys unique, hence the order
    deterministic and stable.
    """
    n = len(means)
    projected = np.empty(n, SPLAT_2D)
    keys = np.empty(n, np.uint64)
    depth = np.empty(1, np.float32)
    depth_bits = depth.view(np.uint32)
    visible = 0
    for i in range(n):
        depth[0] = _project_one(
            projected[visible], means[i], quats[i], scales[i], opacities[i], viewmat, camera
        )
        if depth[0] > 0 and math.isfinite(rgb[i, 0] + rgb[i, 1] + rgb[i, 2]):
            out = projected[visible]
            out.red, out.green, out.blue = rgb[i, 0], rgb[i, 1], rgb[i, 2]
            keys[visible] = (np.uint64(depth_bits[0]) << np.uint64(32)) | np.uint64(visible)
            visible += 1
    return projected[:visible], keys[:visible]


@njit(cache=True, nogil=True, error_model="numpy")
def _project_one(out: Any, mean: Any, quat: Any, scale: Any, opacity: Any, viewmat: Any, camera: Any) -> Any:
    """Writes one projected splat; returns its depth, or 0 when it is not to be drawn."""
    focal, size, near, far = camera
    x, y, z = _to_camera(viewmat, mean)
    if not (near <= z <= far and opacity >= ALPHA_MIN):
        return 0.0
    var_x, cov, var_y = _covariance_2d(_axes(quat, scale), viewmat, x, y, z, focal, size)
    det = var_x * var_y - cov * cov
    if not (det > 0 and math.isfinite(det)):
        return 0.0
    px, py = focal * x / z + 0.5 * size, focal * y / z + 0.5 * size
    reach = math.sqrt(2.0 * math.log(opacity / ALPHA_MIN)) * BOUND_MARGIN
    half_x, half_y = reach * math.sqrt(var_x) + 1e-3, reach * math.sqrt(var_y) + 1e-3
    if not (abs(px) < REACH_MAX_PX and abs(py) < REACH_MAX_PX and max(half_x, half_y) < REACH_MAX_PX):
        return 0.0
    if not (px + half_x > 0 and px - half_x < size and py + half_y > 0 and py - half_y < size):
        return 0.0
    out.x, out.y = px, py
    out.a, out.b, out.c = 0.5 * LOG2_E * var_y / det, -LOG2_E * cov / det, 0.5 * LOG2_E * var_x / det
    out.log2_opacity = math.log2(opacity)
    out.half_x, out.half_y = half_x, half_y
    out.rho, out.rho_rest = cov / math.sqrt(var_x * var_y), math.sqrt(det / (var_x * var_y))
    return z


@njit(cache=True, nogil=True, error_model="numpy")
def _to_camera(viewmat: Any, p: Any) -> Any:
    x = viewmat[0, 0] * p[0] + viewmat[0, 1] * p[1] + viewmat[0, 2] * p[2] + viewmat[0, 3]
    y = viewmat[1, 0] * p[0] + viewmat[1, 1] * p[1] + viewmat[1, 2] * p[2] + viewmat[1, 3]
    z = viewmat[2, 0] * p[0] + viewmat[2, 1] * p[1] + viewmat[2, 2] * p[2] + viewmat[2, 3]
    return x, y, z


@njit(cache=True, nogil=True, error_model="numpy")
def _axes(quat: Any, scale: Any) -> Any:
    """The splat's three scaled axes in world space, each a tuple (x, y, z)."""
    w, x, y, z = float(quat[0]), float(quat[1]), float(quat[2]), float(quat[3])
    s, t, u = float(scale[0]), float(scale[1]), float(scale[2])
    return (
        (s * (1 - 2 * (y * y + z * z)), s * 2 * (x * y + w * z), s * 2 * (x * z - w * y)),
        (t * 2 * (x * y - w * z), t * (1 - 2 * (x * x + z * z)), t * 2 * (y * z + w * x)),
        (u * 2 * (x * z + w * y), u * 2 * (y * z - w * x), u * (1 - 2 * (x * x + y * y))),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _covariance_2d(axes: Any, viewmat: Any, x: Any, y: Any, z: Any, focal: Any, size: Any) -> Any:
    """The 2D covariance (var_x, cov, var_y) in px², blurred by EPS_2D, as a sum over the projected axes."""
    limit = FRUSTUM_MARGIN * 0.5 * size / focal
    slope_x = min(limit, max(-limit, x / z))
    slope_y = min(limit, max(-limit, y / z))
    var_x, cov, var_y = EPS_2D, 0.0, EPS_2D
    for a, b, c in axes:
        depth = viewmat[2, 0] * a + viewmat[2, 1] * b + viewmat[2, 2] * c
        dx = focal / z * (viewmat[0, 0] * a + viewmat[0, 1] * b + viewmat[0, 2] * c - slope_x * depth)
        dy = focal / z * (viewmat[1, 0] * a + viewmat[1, 1] * b + viewmat[1, 2] * c - slope_y * depth)
        var_x += dx * dx
        cov += dx * dy
        var_y += dy * dy
    return var_x, cov, var_y
