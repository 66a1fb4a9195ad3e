"""Values of a field at the vertices of a fine grid, near its surface only.

Covers: a whole coarse grid first, then halved cells where the surface may be, level by level. Each level
predicts its new vertices from the level above (trilinear) and evaluates those whose prediction lies in a band
about zero, a little wider than one of its cells; so a plate or rod between two coarse vertices isn't lost.
Vertices are sorted int64 keys: nothing of the size of the whole fine grid is ever made.
Not covered: parts so small, in a field so saturated, that no coarse value near them shows them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from subnet17.errors import StageError

Field = Callable[[Tensor], Tensor]
"""(N, 3) float32 points -> (N,) values, positive inside, zero at the surface."""

BOUNDS = 1.01
"""Half the side of the cube in which Hunyuan3D's fields are defined."""
COARSEST = 64
"""Most cells along an axis of the grid that is evaluated as a whole."""
COARSE_BAND = 1.75
"""Half width of the band on all levels but the last, in cells of the new level: no point of a cell is further
than 0.87 of the old cells from a corner. Evaluations are few there, and what is lost there stays lost."""
FINE_BAND = 1.25
"""The same on the last level, which has most vertices. Ends of edges that cross are within 1.0."""
SLOPE_QUANTILE = 0.9
"""Slopes vary over a surface; a band for the steepest would be wide everywhere else."""
SLOPE_CELLS = 1_000_000
"""Cells that slopes are taken from, about; torch's quantiles refuse more than 16 million."""
SATURATED = 0.8
"""The band ends at this share of the median value of a side: a field that is flat but for a thin skin would
otherwise put all of space in a band that follows its slope."""
SOLID_SHARE = 0.05
"""Share of the coarsest vertices above which the inside's median counts; that of a thin part is small."""
MAX_CELLS = 4_000_000
"""Cells that one level may refine. 1,000 cells along an axis need 1.5 million for a large shape."""
CROWDED_CELLS = 1_500_000
"""Above this, only cells with a change of sign are refined."""
MAX_INSIDE = 0.95
"""Share of the coarsest vertices that may be inside: a cube filled to its border is no shape."""
MAX_UNREADABLE = 0.5
"""Share of the coarsest values that may be NaN or infinite."""


@dataclass(frozen=True)
class SparseGrid:
    """V of the (resolution + 1)^3 vertices of a cube's grid, near a field's surface.

    Attributes:
        resolution: Cells along an axis.
        bounds: The cube is [-bounds, bounds]^3.
        keys: (V,) int64, rising: (x * (resolution + 1) + y) * (resolution + 1) + z.
        values: (V,) float32, finite, positive inside; vertices on the cube's faces are always outside.
        measured: (V,) bool, False where the value is a prediction.
        cells: (C, 8) int64 vertices of the cells that may hold surface, x slowest; empty on the last level.
        evaluated: Points asked of the field so far.
        unreadable: () int64, how many of the answers were NaN or infinite and were replaced by predictions.
    """

    resolution: int
    bounds: float
    keys: Tensor
    values: Tensor
    measured: Tensor
    cells: Tensor
    evaluated: int
    unreadable: Tensor

    @property
    def cell_size(self) -> float:
        """Side of a cell, in the field's units."""
        return 2 * self.bounds / self.resolution

    def steps(self) -> tuple[int, int, int]:
        """What a step along x, y and z adds to a key."""
        side = self.resolution + 1
        return side * side, side, 1

    def indices(self, vertices: Tensor) -> Tensor:
        """(N,) numbers of vertices -> (N, 3) int64 positions in the grid."""
        return split_keys(self.keys[vertices], self.resolution)


def split_keys(keys: Tensor, resolution: int) -> Tensor:
    """(N,) int64 keys -> (N, 3) int64 positions in the grid."""
    side = resolution + 1
    rows = keys // side
    return torch.stack([rows // side, rows % side, keys % side], dim=1)


def plan_levels(resolution: int) -> list[int]:
    """Cells along an axis per level. Each level doubles the one before; the last has `resolution` or, where
    that can't be halved often enough, a little more."""
    halvings = max(0, math.ceil(math.log2(resolution / COARSEST)))
    coarsest = math.ceil(resolution / 2**halvings)
    return [coarsest * 2**level for level in range(halvings + 1)]


def refine(
    field: Field, *, resolution: int, bounds: float = BOUNDS, device: str | torch.device
) -> Iterator[SparseGrid]:
    """Yields the grid level by level, the coarsest (whole) first.

    Args:
        field: Called once per level, with all its new points.
        resolution: Cells along an axis of the last level, at least 8; see `plan_levels`.
        bounds: Half the side of the cube.
        device: Where points are made and values are kept.

    Raises:
        StageError: most of the field can't be read, or its sign changes nearly everywhere.
    """
    levels = plan_levels(resolution)
    grid = _whole_grid(field, levels[0], bounds, torch.device(device))
    limits = _saturation(grid.values)
    yield grid
    for finer in levels[1:]:
        grid = _refine_once(grid, field, limits, last=finer == levels[-1])
        yield grid


def evaluate(field: Field, points: Tensor) -> Tensor:
    """The field's answers as (N,) float32, unreadable ones included.

    Raises:
        StageError: it didn't answer one value per point.
    """
    values = field(points)
    if values.shape != points.shape[:1]:
        raise StageError(f"the field answered {tuple(values.shape)} to {len(points)} points", stage="surface")
    return values.float()


def _whole_grid(field: Field, resolution: int, bounds: float, device: torch.device) -> SparseGrid:
    side = resolution + 1
    keys = torch.arange(side**3, device=device)
    values = evaluate(field, _place(split_keys(keys, resolution), resolution, bounds))
    readable = torch.isfinite(values)
    unreadable = len(values) - int(readable.sum())
    if unreadable > MAX_UNREADABLE * len(values):
        raise StageError(
            f"{unreadable} of the field's {len(values)} values are NaN or infinite",
            stage="surface", unreadable=unreadable, evaluated=len(values),
        )  # fmt: skip
    if bool((values > 0).float().mean() > MAX_INSIDE):
        raise StageError("the field is positive nearly everywhere", stage="surface", evaluated=len(values))
    if unreadable:
        values = _fill(values.view(side, side, side), readable.view(side, side, side)).flatten()
    first = keys.view(side, side, side)[:-1, :-1, :-1].reshape(-1, 1)
    corners = torch.tensor([x * side * side + y * side + z for x, y, z in _offsets(2)], device=device)
    return SparseGrid(
        resolution, bounds, keys, _close(values, keys, resolution), torch.ones_like(readable),
        first + corners, len(keys), torch.tensor(unreadable, device=device),
    )  # fmt: skip


def _fill(values: Tensor, readable: Tensor) -> Tensor:
    """Gives unreadable vertices of a whole grid the mean of readable neighbours, from the rim inwards."""
    known = readable.float()[None, None]
    sums = torch.where(readable, values, 0.0)[None, None]
    while not bool(known.all()):
        shares = torch.nn.functional.avg_pool3d(known, 3, stride=1, padding=1)
        means = torch.nn.functional.avg_pool3d(sums, 3, stride=1, padding=1) / shares.clamp(min=1e-6)
        sums = torch.where(known > 0, sums, torch.where(shares > 1e-3, means, 0.0))
        known = torch.maximum(known, (shares > 1e-3).float())
    return sums[0, 0]


def _saturation(values: Tensor) -> Tensor:
    """(2,) largest half width of the band outside and inside."""
    inside = values > 0
    sizes = torch.nanquantile(
        torch.where(torch.stack([~inside, inside]), values.abs(), torch.nan), 0.5, dim=1
    )
    solid = inside.float().mean() > SOLID_SHARE
    counts = torch.stack([torch.ones_like(solid), solid]) & ~torch.isnan(sizes)
    return torch.where(counts, SATURATED * sizes, torch.inf)


def _refine_once(grid: SparseGrid, field: Field, limits: Tensor, *, last: bool) -> SparseGrid:
    """Halves the cells that may hold surface."""
    finer = 2 * grid.resolution
    cells, band = _choose_cells(grid, limits, FINE_BAND if last else COARSE_BAND)
    predicted = _halve(grid.values[cells]).flatten()
    measured = _spread(grid.measured[cells]).flatten()
    corner = 2 * split_keys(grid.keys[cells[:, 0]], grid.resolution)
    side = finer + 1
    steps = torch.tensor([side * side, side, 1], device=cells.device)
    within = torch.tensor(_offsets(3), device=cells.device)
    every = ((corner * steps).sum(dim=1, keepdim=True) + (within * steps).sum(dim=1)).flatten()
    # A vertex that several cells share is taken from the first of them: the same in every run.
    ordered, order = torch.sort(every, stable=True)
    fresh = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=fresh[1:])
    keys, source = ordered[fresh], order[fresh]
    children = _children(order, fresh, len(cells)) if not last else cells[:0]
    del every, ordered
    halved = replace(
        grid, resolution=finer, keys=keys, values=predicted[source], measured=measured[source], cells=children
    )
    return _measure(halved, field, band)


def _choose_cells(grid: SparseGrid, limits: Tensor, width: float) -> tuple[Tensor, Tensor]:
    """(C, 8) cells with a change of sign or a corner in the band, and the band's (2,) half widths."""
    corners = grid.values[grid.cells]
    inside = corners > 0
    crossing = inside.any(dim=1) & ~inside.all(dim=1)
    band = torch.minimum(limits, 0.5 * width * _slope(corners, crossing))
    chosen = crossing | (corners.abs() < band[inside.long()]).any(dim=1)
    cells = grid.cells[chosen]
    if len(cells) > CROWDED_CELLS:
        cells = grid.cells[crossing]
    if len(cells) > MAX_CELLS:
        raise StageError(
            f"the field's sign changes in {len(cells)} cells at resolution {grid.resolution}: it is noise",
            stage="surface", cells=len(cells), allowed=MAX_CELLS,
        )  # fmt: skip
    return cells, band


def _slope(corners: Tensor, crossing: Tensor) -> Tensor:
    """() how much the field changes over one cell, where it crosses zero if it does so anywhere.

    Args:
        corners: (C, 8) values. crossing: (C,) bool.
    """
    every = 1 + len(corners) // SLOPE_CELLS
    cube, crossing = corners.view(-1, 2, 2, 2)[::every], crossing[::every]
    ends = [cube.select(axis, 1) - cube.select(axis, 0) for axis in (1, 2, 3)]
    slopes = torch.stack([end.mean(dim=(1, 2)) for end in ends]).norm(dim=0)
    at_surface = torch.nanquantile(torch.where(crossing, slopes, torch.nan), SLOPE_QUANTILE)
    anywhere = torch.quantile(slopes, SLOPE_QUANTILE)
    return torch.where(torch.isnan(at_surface), anywhere, at_surface)


def _halve(corners: Tensor) -> Tensor:
    """(C, 8) values at cells' corners -> (C, 27) at the corners of their eighths; old corners stay exact."""
    cube = corners.view(-1, 2, 2, 2)
    for axis in (1, 2, 3):
        low, high = cube.select(axis, 0), cube.select(axis, 1)
        cube = torch.stack([low, 0.5 * (low + high), high], dim=axis)
    return cube.reshape(-1, 27)


def _spread(flags: Tensor) -> Tensor:
    """(C, 8) flags of cells' corners -> (C, 27), False at new vertices."""
    cube = torch.zeros(len(flags), 3, 3, 3, dtype=torch.bool, device=flags.device)
    cube[:, ::2, ::2, ::2] = flags.view(-1, 2, 2, 2)
    return cube.view(-1, 27)


def _children(order: Tensor, fresh: Tensor, cells: int) -> Tensor:
    """(8 * cells, 8) vertices of the eighths, from where sorting put each cell's 27 vertices."""
    numbers = torch.empty_like(order)
    numbers[order] = torch.cumsum(fresh, dim=0) - 1
    cube = numbers.view(cells, 3, 3, 3)
    eighths = [cube[:, x : x + 2, y : y + 2, z : z + 2].reshape(-1, 8) for x, y, z in _offsets(2)]
    return torch.cat(eighths)


def _measure(grid: SparseGrid, field: Field, band: Tensor) -> SparseGrid:
    """Evaluates the vertices that are predicted in the band and not measured yet."""
    wanted = ~grid.measured & (grid.values.abs() < band[(grid.values > 0).long()])
    vertices = wanted.nonzero()[:, 0]
    answers = evaluate(field, _place(grid.indices(vertices), grid.resolution, grid.bounds))
    readable = torch.isfinite(answers)
    values = grid.values.clone()
    values[vertices] = torch.where(readable, answers, grid.values[vertices])
    return replace(
        grid,
        values=_close(values, grid.keys, grid.resolution),
        measured=grid.measured | wanted,
        evaluated=grid.evaluated + len(vertices),
        unreadable=grid.unreadable + (~readable).sum(),
    )


def _close(values: Tensor, keys: Tensor, resolution: int) -> Tensor:
    """Values with the cube's faces outside: a shape that leaves the cube is cut off with a lid, not open."""
    at = split_keys(keys, resolution)
    on_face = ((at == 0) | (at == resolution)).any(dim=1)
    return torch.where(on_face, -values.abs(), values)


def _place(indices: Tensor, resolution: int, bounds: float) -> Tensor:
    """(N, 3) positions in the grid -> (N, 3) float32 points."""
    return indices.float() * (2 * bounds / resolution) - bounds


def _offsets(side: int) -> list[tuple[int, int, int]]:
    steps = range(side)
    return [(x, y, z) for x in steps for y in steps for z in steps]
