"""A surface as points."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Surface:
    """N points of a surface, all on one device.

    Attributes:
        points: (N, 3) float32, in the field's units.
        normals: (N, 3) float32, unit, outward.
        areas: (N,) float32, positive; their sum is the surface's area.
        cell_size: Side of the grid's cells, about the distance between points.
        evaluated: Points asked of the field.
        unreadable: How many of its answers were NaN or infinite and were replaced by interpolated ones.
    """

    points: Tensor
    normals: Tensor
    areas: Tensor
    cell_size: float
    evaluated: int
    unreadable: int

    def __len__(self) -> int:
        return len(self.points)
