"""Colours for the parts of a surface that nobody has seen, from the parts around them.

The points are gathered in the occupied cells of a grid and of ever coarser ones. From the coarsest on, every
cell without a colour of its own takes the mean of its neighbours a number of times, starting from what the
coarser grid found. Only occupied cells count, so colours flow along the surface and not through the inside.
They flow more easily around the object than up and down, and cells stay flat while they grow: things are
mostly coloured in layers, a hat all around above a face, tyres below a body.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FINEST_LEVEL = 7
"""The finest grid has 2 to the power of this cells along the longest side."""
POINTS_PER_CELL = 12
"""Over the square of the cells along a side: about three in each occupied cell."""
SWEEPS = 8
LEVEL_EASE, CLIMB_EASE = 1.0, 0.5
"""Weights of neighbours at the same height, and of those above and below."""
HALF_SURE = 0.3
"""Sum of weights at which a cell's own colour counts as much as its neighbours'."""
MOST_LEVELS = 2 * FINEST_LEVEL + 2
FIXED_POINT = float(1 << 20)
"""Sums are of integers: those of floats depend on the order, which a GPU leaves to chance."""
BITS = 10
"""Of a cell's number along one axis, in its key. Numbers start at 1: the neighbours of 1 have keys too."""


@dataclass(frozen=True)
class _Level:
    """V occupied cells: sorted (V,) keys, (V, 4) weighted sums of R, G, B and weights, (V,) parents."""

    keys: Tensor
    sums: Tensor
    parents: Tensor


def spread_colours(points: Tensor, rgb: Tensor, weights: Tensor) -> Tensor:
    """Fills in colours where they are not known.

    Args:
        points: (N, 3) finite. rgb: (N, 3) in 0..1. weights: (N,) 0..1, how sure each colour is; at least one
            is > 0.

    Returns:
        (N, 3) colours in 0..1, smooth; near sure points they are those points' colours.
    """
    low = points.amin(dim=0)
    extent = (points.amax(dim=0) - low).amax().clamp_min(1e-9)
    level = min(FINEST_LEVEL, max(1, int(math.log2(max(2.0, math.sqrt(len(points) / POINTS_PER_CELL))))))
    places = (points - low) * ((2**level - 1e-3) / extent)
    levels = _build_levels(places, torch.cat([rgb, torch.ones_like(rgb[:, :1])], dim=1) * weights[:, None])
    colours = _mean(levels[-1].sums.sum(dim=0, keepdim=True))[:, :3].expand(len(levels[-1].keys), 3)
    for this, coarser in zip(reversed(levels), [None, *reversed(levels)], strict=False):
        start = colours if coarser is None else colours[this.parents]
        colours = _smooth(this, start)
    return _interpolate(levels[0].keys, colours, places)


def _build_levels(places: Tensor, values: Tensor) -> list[_Level]:
    """From the finest to one cell; heights are halved only at every other level, until the last ones."""
    keys, owner = torch.unique(_key(places.long() + 1), return_inverse=True)
    sums = _gather(values, owner, len(keys))
    levels = []
    for number in range(MOST_LEVELS):
        halves_height = number % 2 == 1 or 2**number >= 2**FINEST_LEVEL
        divisor = torch.tensor([2, 2 if halves_height else 1, 2], device=keys.device)
        coarse, parents = torch.unique(_key((_cells(keys) - 1) // divisor + 1), return_inverse=True)
        levels.append(_Level(keys, sums, parents))
        if len(keys) == 1:
            break
        keys, sums = coarse, _gather(sums, parents, len(coarse))
    return levels


def _smooth(level: _Level, start: Tensor) -> Tensor:
    """(V, 3) colours: own ones as far as they are sure, for the rest the neighbours' mean."""
    neighbours, eases = _neighbours(level.keys)
    own, weight = _mean(level.sums), level.sums[:, 3:]
    sure = weight / (weight + HALF_SURE)
    colours = sure * own + (1 - sure) * start
    for _ in range(SWEEPS):
        around = (colours[neighbours] * eases[..., None]).sum(dim=1)
        colours = sure * own + (1 - sure) * around
    return colours


def _neighbours(keys: Tensor) -> tuple[Tensor, Tensor]:
    """(V, 27) places of the cells around and including each cell, and their weights; rows sum to 1."""
    steps = torch.arange(-1, 2, device=keys.device)
    offsets = torch.cartesian_prod(steps, steps, steps)
    index, exists = _find(keys, _key(_cells(keys)[:, None] + offsets))
    eases = exists * torch.where(offsets[:, 1] == 0, LEVEL_EASE, CLIMB_EASE)
    return index, eases / eases.sum(dim=1, keepdim=True)


def _interpolate(keys: Tensor, colours: Tensor, places: Tensor) -> Tensor:
    """(N, 3) colours between the centres of the eight cells around each point, as far as they exist."""
    base = (places - 0.5).floor()
    share = places - 0.5 - base
    corners = torch.cartesian_prod(*[torch.arange(2, device=keys.device)] * 3)
    index, exists = _find(keys, _key(base.long()[:, None] + corners + 1))
    weights = torch.where(corners[None] == 1, share[:, None], 1 - share[:, None]).prod(dim=2)
    weights = (weights + 1e-6) * exists
    return (colours[index] * weights[..., None]).sum(dim=1) / weights.sum(dim=1, keepdim=True)


def _mean(sums: Tensor) -> Tensor:
    return sums[:, :3] / sums[:, 3:].clamp_min(1e-6)


def _gather(values: Tensor, owner: Tensor, count: int) -> Tensor:
    """(count, 4) float32 sums of the values of each owner, the same in whatever order they are added."""
    sums = torch.zeros(count, values.shape[1], dtype=torch.int64, device=values.device)
    sums.index_add_(0, owner, (values.double() * FIXED_POINT).round().long())
    return (sums.double() / FIXED_POINT).float()


def _find(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    index = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return index, keys[index] == wanted


def _key(cells: Tensor) -> Tensor:
    x, y, z = cells.unbind(dim=-1)
    return (x << (2 * BITS)) | (y << BITS) | z


def _cells(keys: Tensor) -> Tensor:
    mask = (1 << BITS) - 1
    return torch.stack([keys >> (2 * BITS), (keys >> BITS) & mask, keys & mask], dim=-1)
