"""Which mirrorings and turns a shape comes out of unchanged.

Covers: the mirror planes across X and across Z and the half turn about Y, through the origin, the middle of
the bounding box or the centre of gravity. The figure is the share of points that land on the shape again, to
within about 3 % of its size. Not covered: other axes, and what the colours say.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

CELLS = 80
"""Along each side of the box of occupied cells; a point may miss by one cell."""
MOST_POINTS = 30_000
SIGNS = {"mirror": (-1.0, 1.0, 1.0), "half turn": (-1.0, 1.0, -1.0), "front to back": (1.0, 1.0, -1.0)}


@dataclass(frozen=True)
class Symmetry:
    """A map of the shape onto itself: `point * sign + offset`.

    Attributes:
        name: One of `SIGNS`. sign: (3,) of -1 and 1. offset: (3,). share: 0..1 of points that fit.
    """

    name: str
    sign: Tensor
    offset: Tensor
    share: float

    def map_points(self, points: Tensor) -> Tensor:
        """(N, 3) partners of points."""
        return points * self.sign + self.offset

    def map_normals(self, normals: Tensor) -> Tensor:
        """(N, 3) normals of the partners."""
        return normals * self.sign


def find_symmetries(points: Tensor) -> list[Symmetry]:
    """The best of each kind, in the order of `SIGNS`.

    Args:
        points: (N, 3) spread over the surface, N >= 1, finite.
    """
    few = points[:: max(1, len(points) // MOST_POINTS)]
    low, high = few.amin(dim=0), few.amax(dim=0)
    middles = torch.stack([torch.zeros_like(low), (low + high) / 2, few.mean(dim=0)])
    signs = points.new_tensor(list(SIGNS.values()))
    offsets = middles[None] * (1 - signs[:, None])
    shares = _shares(few, signs, offsets, low, high)
    best = shares.max(dim=1)
    rows = zip(SIGNS, signs, offsets, best.indices.tolist(), best.values.tolist(), strict=True)
    return [Symmetry(name, sign, offset[which], share) for name, sign, offset, which, share in rows]


def _shares(points: Tensor, signs: Tensor, offsets: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """(kinds, middles) share of points whose partner lies in or beside an occupied cell."""
    cell = (high - low).amax().clamp_min(1e-9) / (CELLS - 4)
    corner = (low + high) / 2 - cell * CELLS / 2
    near = F.max_pool3d(_occupy(points, corner, cell), 3, stride=1, padding=1).flatten()
    partners = points * signs[:, None, None] + offsets[:, :, None]
    index, within = _index(partners, corner, cell)
    return (near[index] * within).mean(dim=2)


def _occupy(points: Tensor, corner: Tensor, cell: Tensor) -> Tensor:
    """(1, 1, CELLS, CELLS, CELLS) 1 where there is a point."""
    grid = points.new_zeros(CELLS**3)
    grid[_index(points, corner, cell)[0]] = 1.0
    return grid.view(1, 1, CELLS, CELLS, CELLS)


def _index(points: Tensor, corner: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    cells = ((points - corner) / cell).floor()
    within = ((cells >= 0) & (cells < CELLS)).all(dim=-1)
    x, y, z = cells.clamp(0, CELLS - 1).long().unbind(dim=-1)
    return (x * CELLS + y) * CELLS + z, within
