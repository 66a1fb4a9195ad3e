"""Edges of a sparse grid that a surface crosses, and the surface's normals there.

Normals come from where the surface crosses neighbouring edges, not from the field's values: a logit that
saturates within a cell bends its slopes, but not its zeros. In each of the two grid planes through an edge,
the surface leaves the edge as a line, through the square on either side; the two lines span the tangent
plane. A thin part's other side is never mixed in. Not covered: creases sharper than a cell come out rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from subnet17.splat.sparse_grid import SparseGrid

BALANCE = 4.0
"""Largest weight of the shorter of a line's two halves over the longer. The weights that suit a curve, the
inverse lengths, would leave a very short half, mostly noise, to decide."""

FOLDED = 1e-6
"""Square cells that two lines must span to say anything."""


@dataclass(frozen=True)
class Links:
    """Neighbours of V vertices. Number V stands for "there is none" and has a row of its own.

    Attributes:
        ahead: (V + 1, 3) int64, the next vertex along x, y and z. behind: (V + 1, 3) the previous.
        inside: (V + 1,) bool, the sign.
    """

    ahead: Tensor
    behind: Tensor
    inside: Tensor


@dataclass(frozen=True)
class Crossings:
    """E edges whose ends differ in sign.

    Attributes:
        starts: (E,) int64 vertex of the lower end. ends: (E,) of the upper. axes: (E,) int64, 0 to 2.
    """

    starts: Tensor
    ends: Tensor
    axes: Tensor


def link_vertices(grid: SparseGrid) -> Links:
    """Finds each vertex's neighbours on the grid."""
    count, device = len(grid.keys), grid.keys.device
    numbers = torch.arange(count, device=device)
    # On the far faces key + step belongs to another row.
    inner = grid.indices(numbers) < grid.resolution
    ahead = torch.full((count + 1, 3), count, device=device)
    behind = torch.full((count + 1, 3), count, device=device)
    for axis, step in enumerate(grid.steps()):
        wanted = grid.keys + step
        found = torch.searchsorted(grid.keys, wanted).clamp(max=count - 1)
        linked = inner[:, axis] & (grid.keys[found] == wanted)
        ahead[:-1, axis] = torch.where(linked, found, count)
        behind[ahead[:-1, axis], axis] = numbers
    behind[count] = count  # where many wrote
    inside = torch.cat([grid.values > 0, torch.zeros(1, dtype=torch.bool, device=device)])
    return Links(ahead, behind, inside)


def find_crossings(links: Links) -> Crossings:
    """All edges that the surface crosses, by start and axis."""
    none = len(links.inside) - 1
    differs = links.inside[:, None] != links.inside[links.ahead]
    starts, axes = (differs & (links.ahead != none)).nonzero(as_tuple=True)
    return Crossings(starts, links.ahead[starts, axes], axes)


def edge_normals(links: Links, crossings: Crossings, shares: Tensor) -> Tensor:
    """Unit normals, outward, at the points where the surface crosses edges.

    Args:
        shares: (E,) float32, where on each edge the point is, 0 at its start.

    Returns:
        (E, 3) float32.
    """
    axes = crossings.axes
    places = shares.new_full(links.ahead.shape, torch.nan)
    places[crossings.starts, axes] = shares
    turned = [(axes + turn) % 3 for turn in (1, 2)]
    one, other = (_tangent(links, crossings, shares, places, across) for across in turned)
    parts = [one[:, 1] * other[:, 1], -one[:, 0] * other[:, 1], -other[:, 0] * one[:, 1]]
    # In noise the lines can fold back on themselves; the edge's own direction is all that is known then.
    folded = torch.stack(parts).abs().amax(dim=0) < FOLDED
    parts[0] = torch.where(folded, 1.0, parts[0])
    normals = torch.empty_like(shares[:, None].expand(-1, 3))
    for axis, part in zip([axes, *turned], parts, strict=True):
        normals.scatter_(1, axis[:, None], part[:, None])
    outwards = torch.where(links.inside[crossings.starts], 1.0, -1.0)
    return torch.nn.functional.normalize(normals * outwards[:, None], dim=1)


def _tangent(links: Links, crossings: Crossings, shares: Tensor, places: Tensor, across: Tensor) -> Tensor:
    """(E, 2) the surface's line in the plane of the edges and an axis across: its parts along and across.

    The part across is never negative; a line that can't be told runs straight across.
    """
    forth = _line(links, crossings, shares, places, across, links.ahead)
    back = -_line(links, crossings, shares, places, across, links.behind)
    lengths = torch.stack([forth.norm(dim=1), back.norm(dim=1)])
    both = (lengths > 0).all(dim=0)
    weight = torch.where(both, (lengths[1] / lengths[0]).clamp(1 / BALANCE, BALANCE), 1.0)[:, None]
    line = forth * weight + back / weight
    straight = torch.tensor([0.0, 1.0], device=line.device)
    return torch.where((lengths > 0).any(dim=0)[:, None], line, straight)


def _line(
    links: Links, crossings: Crossings, shares: Tensor, places: Tensor, across: Tensor, neighbours: Tensor
) -> Tensor:
    """(E, 2) from an edge's crossing to the next one in the square on one side; 0 where it can't be told.

    Args:
        neighbours: links.ahead or links.behind: which side.
    """
    starts, ends, forth = crossings.starts, crossings.ends, neighbours is links.ahead
    next_starts, next_ends = neighbours[starts, across], neighbours[ends, across]
    inside, next_inside = links.inside[starts], links.inside[next_starts]
    opposite = next_inside != links.inside[next_ends]
    at_start = next_inside != inside
    # Edges across are kept by their lower end, which on the back side is the neighbour's.
    low_start = places[starts, across] if forth else 1 - places[next_starts, across]
    low_end = places[ends, across] if forth else 1 - places[next_ends, across]
    along = (
        torch.where(opposite, places[next_starts, crossings.axes], torch.where(at_start, 0.0, 1.0)) - shares
    )
    away = torch.where(opposite, 1.0, torch.where(at_start, low_start, low_end))
    line = torch.stack([along, away if forth else -away], dim=1)
    none = len(links.inside) - 1
    # With all four edges crossed, two lines pass through the square, and which ends belong together is open.
    open_ = (opposite & at_start) | (next_starts == none) | (next_ends == none)
    return torch.where(open_[:, None] | torch.isnan(line), 0.0, line)
