"""What a picture tells about the colours of points on a surface, and how surely.

A point is seen where its normal turns to the camera and nothing lies before it in a depth raster made of the
points themselves, as coarse as their spacing asks for so that it has no holes. At a slant, near something
that hides what is behind it, and beside the object's outline the colour counts less: there a small error of
the camera takes it from the wrong place.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from subnet17.generation.colour.bled_picture import BledPicture
from subnet17.generation.colour.view import View

FAR = 1e9
POINTS_PER_CELL = 5.0
"""Of the raster, over its bounding box and both sides of the surface."""
MOST_CELLS = 1024
BLIND_COSINE, CLEAR_COSINE = 0.1, 0.5
"""A face this steep tells nothing; one that turns more to the camera tells all."""
MOST_SLOPE = 5.0
REACH_CELLS = 2.0
"""Depth may change over this many cells at the surface's slope."""
PARTNER_TOLERANCE = 0.04
"""How far a mirrored point may float before the surface or lie behind it, over the shape's radius."""


class DepthRaster:
    """How near the surface comes to the camera, seen through a view.

    Args:
        view: The camera. points: (N, 3). normals: (N, 3) unit.
    """

    def __init__(self, view: View, points: Tensor, normals: Tensor) -> None:
        self._view = view
        places = view.project(points)
        low, high = places[:, :2].amin(dim=0), places[:, :2].amax(dim=0)
        width, height = (float(side) for side in (high - low))
        fitting = math.sqrt(POINTS_PER_CELL * max(width * height, 1e-6) / len(points))
        self.cell_px = max(fitting, max(width, height) / MOST_CELLS, 1e-6)
        self.spacing_px = self.cell_px / math.sqrt(POINTS_PER_CELL)
        self._low = low - 2 * self.cell_px
        self._size = (int(height / self.cell_px) + 5, int(width / self.cell_px) + 5)
        self._nearest = self._draw(places[view.facing(points, normals) > 0])
        self._front = -F.max_pool2d(-self._nearest, 3, stride=1, padding=1)

    def _draw(self, places: Tensor) -> Tensor:
        """(1, 1, H, W) least depth of the points in each cell, single holes closed."""
        index, _ = self._cells(places)
        flat = places.new_full((self._size[0] * self._size[1],), FAR)
        flat.scatter_reduce_(0, index, places[:, 2], "amin")
        nearer = -F.max_pool2d(-flat.view(1, 1, *self._size), 3, stride=1, padding=1)
        return F.max_pool2d(nearer, 3, stride=1, padding=1)

    def _cells(self, places: Tensor) -> tuple[Tensor, Tensor]:
        cells = ((places[:, :2] - self._low) / self.cell_px).floor().long()
        limit = cells.new_tensor([self._size[1] - 1, self._size[0] - 1])
        within = ((cells >= 0) & (cells <= limit)).all(dim=1)
        cells = torch.minimum(cells.clamp_min(0), limit)
        return cells[:, 1] * self._size[1] + cells[:, 0], within

    def visibility(self, places: Tensor, cosines: Tensor, *, is_partner: bool = False) -> Tensor:
        """(N,) 0..1, how surely points are seen.

        Args:
            places: (N, 3) from `View.project`. cosines: (N,) from `View.facing`.
            is_partner: The points are not the surface's own; they must lie on it.
        """
        index, within = self._cells(places)
        slope = ((1 - cosines.square()).sqrt() / cosines.clamp_min(1e-3)).clamp_max(MOST_SLOPE)
        allowed = self.cell_px * (1 + REACH_CELLS * slope)
        clear = torch.minimum(
            self._clearness(places, self._front, index, allowed),
            self._clearness(places, self._nearest, index, self.cell_px * (0.5 + slope)),
        )
        sure = clear * _ramp(cosines, BLIND_COSINE, CLEAR_COSINE) * within
        if is_partner:
            floating = self._nearest.flatten()[index] - places[:, 2] - allowed
            sure = sure * (floating <= PARTNER_TOLERANCE * self._view.scale_px)
        return sure

    def _clearness(self, places: Tensor, raster: Tensor, index: Tensor, allowed_px: Tensor) -> Tensor:
        """(N,) 1 where a point is no farther behind the raster than allowed, soon 0 beyond that."""
        behind = places[:, 2] - raster.flatten()[index] - allowed_px
        return 1 - (behind / (2 * self.cell_px)).clamp(0.0, 1.0)


def look_up(
    picture: BledPicture,
    view: View,
    raster: DepthRaster,
    points: Tensor,
    normals: Tensor,
    *,
    is_partner: bool = False,
) -> tuple[Tensor, Tensor]:
    """The picture's colours of points.

    Args:
        points: (N, 3). normals: (N, 3) unit, or 0 where not known: such a point is not seen.
        is_partner: See `DepthRaster.visibility`.

    Returns:
        (N, 3) colours in 0..1 and (N,) 0..1, how sure they are.
    """
    places = view.project(points)
    rgb, cover = picture.sample(places[:, :2], spacing_px=raster.spacing_px)
    sure = raster.visibility(places, view.facing(points, normals), is_partner=is_partner)
    return rgb, sure * cover


def _ramp(values: Tensor, low: float, high: float) -> Tensor:
    share = ((values - low) / (high - low)).clamp(0.0, 1.0)
    return share * share * (3 - 2 * share)
