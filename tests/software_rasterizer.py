"""Stands in for the compiled package custom_rasterizer: the same two functions, in numpy, slow.

Pixel (row, column) samples clip space at column = (x / w + 1) / 2 * (width - 1), row likewise from y, the
least z wins; faces count from 1 and 0 is empty.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def rasterize(pos: Tensor, tri: Tensor, resolution: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(H, W) int32 faces and (H, W, 3) float32 barycentric weights of (1, V, 4) clip positions."""
    height, width = resolution
    points = pos[0].numpy().astype(np.float64)
    points = points[:, :3] / points[:, 3:]
    screen = (points[:, :2] + 1) / 2 * (width - 1, height - 1)
    nearest = np.full((height, width), np.inf)
    found, weights = np.zeros((height, width), np.int32), np.zeros((height, width, 3), np.float32)
    for number, corners in enumerate(tri.numpy(), start=1):
        a, b, c = screen[corners]
        area = _cross(b - a, c - a)
        low = np.maximum(np.ceil(np.min((a, b, c), axis=0)).astype(int), 0)
        high = np.minimum(np.floor(np.max((a, b, c), axis=0)).astype(int), (width - 1, height - 1))
        if abs(area) < 1e-12 or (low > high).any():
            continue
        rows, columns = np.mgrid[low[1] : high[1] + 1, low[0] : high[0] + 1]
        at = np.stack((columns, rows), axis=-1).astype(np.float64)
        parts = (
            np.stack((_cross(c - b, at - b), _cross(a - c, at - c), _cross(b - a, at - a)), axis=-1) / area
        )
        depth = parts @ points[corners, 2]
        window = (slice(low[1], high[1] + 1), slice(low[0], high[0] + 1))
        wins = (parts >= 0).all(axis=-1) & (depth < nearest[window])
        nearest[window][wins], found[window][wins], weights[window][wins] = depth[wins], number, parts[wins]
    return torch.from_numpy(found), torch.from_numpy(weights)


def interpolate(values: Tensor, faces: Tensor, weights: Tensor, tri: Tensor) -> Tensor:
    """(1, H, W, K) of (1, V, K) values at the corners; empty pixels are 0."""
    numbers = faces.long()
    corners = values[0][tri.long()[(numbers - 1).clamp(min=0)]]  # H, W, 3, K
    return ((corners * weights[..., None]).sum(dim=-2) * (numbers > 0)[..., None])[None]


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]  # type: ignore[no-any-return]
