"""How alike neighbouring views are in structure: a weight-free stand-in for a perceptual distance.

Covers: edges that keep their place and strength from one view to the next, at three scales.
Does not cover: anything a network has learned to see. Its values are only comparable with themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from subnet17.validation.scoring.quality import LUMA, Float32, halve

SCALES = 3
STABILITY = 0.02
"""Keeps flat areas, where both gradients are nothing but rounding, at a similarity of 1."""
RADIUS_PX = 2.0
"""Edges are blurred by this much before they are compared: the next view is turned by 24 degrees."""


def neighbour_structure(images: Float32) -> NDArray[np.float64]:
    """Similarity in 0..1 of each of (C, H, W, 3) views in 0..1 with the next, the last with the first.

    The gradient magnitude similarity (2ab + c) / (a² + b² + c) of blurred edges, averaged over the pixels
    and over the views' own size, a half and a quarter of it.
    """
    plane = images @ LUMA
    per_scale = []
    for _ in range(SCALES):
        edges = _edge_strength(plane)
        per_scale.append(_similarity(edges, np.roll(edges, -1, axis=0)))
        plane = halve(plane)
    return np.asarray(np.mean(per_scale, axis=0, dtype=np.float64))


def _edge_strength(plane: Float32) -> Float32:
    down, across = np.gradient(plane, axis=(1, 2))
    return np.asarray(
        ndimage.gaussian_filter(np.hypot(down, across), (0, RADIUS_PX, RADIUS_PX), truncate=2.0)
    )


def _similarity(a: Float32, b: Float32) -> Float32:
    """(C,) means over the pixels where either view has an edge: a wide white border is no likeness."""
    likeness = (2 * a * b + STABILITY**2) / (a * a + b * b + STABILITY**2)
    weight = np.maximum(a, b) + 1e-4
    return np.asarray((likeness * weight).sum(axis=(1, 2)) / weight.sum(axis=(1, 2)))
