"""A field's surface as points, straight from the field: no mesh, no grid of the whole space.

Covers: one point per grid edge that the surface crosses, both sides of thin plates included, with its outward
normal and the area it stands for. Next: colours (generation/colour/), then discs (surface_cloud.py).
Not covered: creases sharper than a cell, which come out rounded.
"""

from __future__ import annotations

from collections import deque

import structlog
import torch
from torch import Tensor

from subnet17.errors import StageError
from subnet17.splat.grid_edges import Crossings, edge_normals, find_crossings, link_vertices
from subnet17.splat.sparse_grid import BOUNDS, Field, SparseGrid, evaluate, refine
from subnet17.splat.surface import Surface
from subnet17.splat.surface_cloud import surface_to_cloud

__all__ = ["Field", "Surface", "find_surface", "surface_to_cloud"]

log = structlog.get_logger(__name__)


@torch.no_grad()
def find_surface(
    field: Field, *, resolution: int, bounds: float = BOUNDS, device: str | torch.device
) -> Surface:
    """Finds where a field is zero.

    A surface with normal n crosses |nx| + |ny| + |nz| grid edges per area of a cell's face; so a point on an
    edge stands for cell_size^2 / (|nx| + |ny| + |nz|).

    Args:
        field: Positive inside. Asked once per level and once more at the crossings.
        resolution: Cells along an axis, at least 8; see `sparse_grid.plan_levels`.
        bounds: The field is asked in [-bounds, bounds]^3 only; what touches its border is closed there.
        device: Where to work.

    Returns:
        At least one point; the same field gives the same points, in the same order.

    Raises:
        StageError: stage "surface": there is none, or the field can't be read.
    """
    grid = deque(refine(field, resolution=resolution, bounds=bounds, device=device), maxlen=1).pop()
    links = link_vertices(grid)
    crossings = find_crossings(links)
    if not len(crossings.starts):
        raise StageError(
            "the field has no surface: its sign changes nowhere", stage="surface", evaluated=grid.evaluated
        )
    origins = grid.indices(crossings.starts).float() * grid.cell_size - bounds
    shares, unreadable = _locate(field, grid, crossings, origins)
    normals = edge_normals(links, crossings, shares)
    if unreadable:
        log.warning("unreadable_field_values", count=unreadable, evaluated=grid.evaluated + len(shares))
    return Surface(
        points=_along(origins, crossings.axes, shares * grid.cell_size),
        normals=normals,
        areas=grid.cell_size**2 / normals.abs().sum(dim=1),
        cell_size=grid.cell_size,
        evaluated=grid.evaluated + len(shares),
        unreadable=unreadable,
    )


def _locate(field: Field, grid: SparseGrid, crossings: Crossings, origins: Tensor) -> tuple[Tensor, int]:
    """(E,) places of the zeros on their edges, 0 at the start, and how many answers couldn't be read at all.

    The field is asked where a line through an edge's ends is zero; a second line, from there to the end of
    the other sign, gives the place.
    """
    low, high = grid.values[crossings.starts], grid.values[crossings.ends]
    first = low / (low - high)
    probes = evaluate(field, _along(origins, crossings.axes, first * grid.cell_size))
    readable = torch.isfinite(probes)
    upper = (probes > 0) == (low > 0)
    after = first + (1 - first) * probes / (probes - high)
    before = first * low / (low - probes)
    shares = torch.where(readable, torch.where(upper, after, before), first).clamp(0.0, 1.0)
    return shares, int(grid.unreadable + (~readable).sum())


def _along(origins: Tensor, axes: Tensor, distances: Tensor) -> Tensor:
    """(E, 3) points at distances along one axis each."""
    return origins.scatter_add(1, axes[:, None], distances[:, None])
