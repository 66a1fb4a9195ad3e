"""A small asset made of nothing but numbers, to compile kernels with before the first request."""

from __future__ import annotations

import numpy as np

from subnet17.splat.cloud import GaussianCloud


def make_ball(count: int = 8000) -> GaussianCloud:
    """A red ball of `count` opaque discs on a Fibonacci lattice, 1.5 units across."""
    steps = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 2 * steps / count), np.pi * (1 + 5**0.5) * steps
    normals = np.stack(
        [np.cos(around) * np.sin(polar), np.cos(polar), np.sin(around) * np.sin(polar)], axis=1
    )
    # The half-way quaternion turns +Z into the normal.
    quats = np.stack([1 + normals[:, 2], -normals[:, 1], normals[:, 0], np.zeros(count)], axis=1)
    return GaussianCloud.from_activated(
        means=(0.75 * normals).astype(np.float32),
        scales=np.broadcast_to([0.02, 0.02, 0.001], (count, 3)).astype(np.float32),
        quats=quats.astype(np.float32),
        opacities=np.full(count, 0.99, np.float32),
        rgb=np.broadcast_to([0.8, 0.1, 0.1], (count, 3)).astype(np.float32),
    )
