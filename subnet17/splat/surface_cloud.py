"""Points of a surface as a closed skin of flat Gaussian discs, made on the points' device.

Covers: discs picked at equal steps of area along one space-filling curve over the surface, turned about their
normals; more and smaller ones where the surface bends.
Not covered: sharp edges are not followed exactly, as they are for meshes (surface_discs.py).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from subnet17.errors import InvalidInputError, StageError
from subnet17.splat.cameras import FIT_EXTENT
from subnet17.splat.cloud import SH_C0, GaussianCloud
from subnet17.splat.from_mesh import MIN_SPLATS, OPACITY
from subnet17.splat.surface import Surface
from subnet17.splat.surface_discs import GOLDEN_RAD, THICKNESS_RATIO

RADIUS_RATIO = 0.85
"""Standard deviation of a disc over the square root of its area. A little more than on meshes, whose points
are spread more evenly."""
BEND = 0.3
"""Turn of the normal, in radians, within a standard deviation from which discs are made smaller."""
SMALLEST = 0.5
"""Least size of a disc over that of an even share of the area."""
BEND_STEPS = (1, 2, 3, 5)
"""Places along the curve to the points that the normal is compared with."""
BEND_REACH = 4.0
"""Cells within which these count as neighbours."""
CURVE_BITS = 10
"""Of each coordinate in a point's place on the curve."""
AREA_STEPS = 2**20
"""Areas are summed as whole numbers, this many to the mean: sums of floats vary between runs on a GPU."""


@torch.no_grad()
def surface_to_cloud(
    surface: Surface, rgb: Tensor, *, count: int, fit_extent: float | None = FIT_EXTENT
) -> GaussianCloud:
    """Covers a surface with opaque discs that are visible from both sides.

    Args:
        surface: N points.
        rgb: (N, 3) float32 colours in 0..1, on the surface's device.
        count: Splats, at least 7000. With fewer points than splats, points are split in their tangent planes.
        fit_extent: Longest side of the result's bounding box, centred on the origin; why, see
            `from_mesh.mesh_to_splats`. None keeps the surface's coordinates.

    Returns:
        `count` splats; each one's local z is the surface's normal and its smallest scale. The same surface
        and count give the same bytes.

    Raises:
        InvalidInputError: count below 7000, or colours for another number of points.
        StageError: stage "splats": all points coincide.
    """
    if count < MIN_SPLATS:
        raise InvalidInputError(f"{count} splats asked, at least {MIN_SPLATS} needed", count=count)
    if rgb.shape != surface.points.shape:
        raise InvalidInputError(f"colours of shape {tuple(rgb.shape)} for {len(surface)} points")
    order = torch.argsort(_curve_places(surface.points, surface.normals), stable=True)
    even = RADIUS_RATIO * (surface.areas.double().sum() / count).sqrt().float()
    sizes = _size(surface.points[order], surface.normals[order], surface.cell_size, even)
    weights = surface.areas[order] / sizes**2
    picked, turn, of = _pick(weights, count)
    chosen = order[picked]
    quats = _stand(surface.normals[chosen])
    quats = _spin(
        quats, torch.arange(count, dtype=torch.float64, device=quats.device) * GOLDEN_RAD % (2 * math.pi)
    )
    means = surface.points[chosen] + _split(quats, turn, of, surface.areas[chosen])
    radii = RADIUS_RATIO * (weights.double().sum() / count).sqrt().float() * sizes[picked]
    if fit_extent is not None:
        means, factor = _fit(means, fit_extent)
        radii = radii * factor
    return _download(means, radii, quats, rgb[chosen])


def _curve_places(points: Tensor, normals: Tensor) -> Tensor:
    """(N,) int64 places along a Morton curve, one after the other per main direction of the normal.

    Both sides of a thin plate lie in the same cells of the curve, and picks would alternate between them.
    """
    low = points.amin(dim=0)
    extent = (points.amax(dim=0) - low).amax().clamp(min=1e-12)
    cells = ((points - low) / extent * (2**CURVE_BITS - 1)).long()
    main = normals.abs().argmax(dim=1, keepdim=True)
    chart = 2 * main[:, 0] + (normals.gather(1, main)[:, 0] > 0)
    places = torch.zeros_like(chart)
    for bit in range(CURVE_BITS):
        for axis in range(3):
            places |= (cells[:, axis] >> bit & 1) << (3 * bit + axis)
    return chart << 3 * CURVE_BITS | places


def _size(points: Tensor, normals: Tensor, cell_size: float, radius: Tensor) -> Tensor:
    """(N,) how large a disc should be over the even `radius`: smaller where the surface turns within it.

    Args:
        points: (N, 3) in the curve's order, in which most neighbours follow closely. normals: (N, 3).
    """
    bends = points.new_zeros(len(points))
    for ahead in BEND_STEPS:
        distances = (points[ahead:] - points[:-ahead]).norm(dim=1)
        bend = (normals[ahead:] - normals[:-ahead]).norm(dim=1) / distances.clamp(min=1.5 * cell_size)
        bend = torch.where(distances < BEND_REACH * cell_size, bend, 0.0)
        bends[ahead:] = torch.maximum(bends[ahead:], bend)
        bends[:-ahead] = torch.maximum(bends[:-ahead], bend)
    return (BEND / (bends * radius).clamp(min=BEND)).clamp(min=SMALLEST)


def _pick(areas: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points at equal steps of the area summed along the curve.

    Args:
        areas: (N,) in the curve's order, weighted.

    Returns:
        (count,) int64 points, how often each was picked before, and how often it is picked in all.
    """
    whole = (areas / areas.mean() * AREA_STEPS).long().clamp(min=1)
    sums = whole.cumsum(dim=0)
    steps = (2 * torch.arange(count, device=areas.device) + 1) * sums[-1] // (2 * count)
    picked = torch.searchsorted(sums, steps, right=True)
    first = torch.searchsorted(picked, picked)
    last = torch.searchsorted(picked, picked, right=True)
    return picked, torch.arange(count, device=areas.device) - first, last - first


def _stand(normals: Tensor) -> Tensor:
    """(N, 4) wxyz of the shortest rotations of +z to normals, by way of -z for those that point down."""
    down = normals[:, 2] < 0
    x, y, z = torch.where(down[:, None], -normals, normals).unbind(dim=1)
    w = ((1 + z) / 2).sqrt()
    zero = torch.zeros_like(w)
    up = torch.stack([w, -y / (2 * w), x / (2 * w), zero], dim=1)
    # Half a turn about x first: (w, i, j, 0) * (0, 1, 0, 0).
    flipped = torch.stack([-up[:, 1], w, zero, -up[:, 2]], dim=1)
    return torch.where(down[:, None], flipped, up)


def _spin(quats: Tensor, angles: Tensor) -> Tensor:
    """Rotations wxyz after turns about their own z: without, a level sheet has identity rotations only."""
    c, s = (angles / 2).cos().float(), (angles / 2).sin().float()
    w, i, j, k = quats.unbind(dim=1)
    return torch.stack([w * c - k * s, i * c + j * s, j * c - i * s, k * c + w * s], dim=1)


def _split(quats: Tensor, turn: Tensor, of: Tensor, areas: Tensor) -> Tensor:
    """(N, 3) offsets that spread the `of` picks of one point over a disc of its area; 0 for a single one."""
    radii = torch.where(of > 1, ((turn + 0.5) / of * areas / math.pi).sqrt(), 0.0)
    w, i, j, k = quats.unbind(dim=1)
    # The discs' own x axes already differ by the golden angle from pick to pick.
    x = torch.stack([1 - 2 * (j * j + k * k), 2 * (i * j + w * k), 2 * (i * k - w * j)], dim=1)
    return radii[:, None] * x


def _fit(means: Tensor, extent: float) -> tuple[Tensor, Tensor]:
    """Centres and scales points to a longest side; also the factor."""
    low, high = means.amin(dim=0), means.amax(dim=0)
    longest = (high - low).amax()
    if not longest > 0:
        raise StageError(f"all {len(means)} points of the surface coincide", stage="splats")
    return (means - (low + high) / 2) * (extent / longest), extent / longest


def _download(means: Tensor, radii: Tensor, quats: Tensor, rgb: Tensor) -> GaussianCloud:
    """Brings discs to the CPU, in one transfer."""
    sizes = torch.stack([radii, radii, THICKNESS_RATIO * radii], dim=1).log()
    rows = torch.cat([means, sizes, quats, (rgb - 0.5) / SH_C0], dim=1).cpu().numpy()
    return GaussianCloud(
        means=rows[:, :3],
        log_scales=rows[:, 3:6],
        quats=rows[:, 6:10],
        logit_opacities=torch.full((len(rows),), math.log(OPACITY / (1 - OPACITY))).numpy(),
        sh0=rows[:, 10:],
    )
