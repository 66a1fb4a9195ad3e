"""How a picture looks at a shape: one camera, and the camera's arithmetic for many at once.

Shapes are +Y up with their front towards +Z. Azimuth 0 looks from +Z to -Z with +X to the right, a positive
azimuth has gone towards +X, a positive elevation looks down from above. There is no roll.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PARAMETERS = 6
"""Numbers of a candidate: azimuth_rad, elevation_rad, perspective, log scale, shift right, shift down."""


@dataclass(frozen=True)
class View:
    """The camera of a picture.

    Attributes:
        azimuth_deg: -180..180. elevation_deg: -90..90.
        perspective: `radius` over the distance from the camera to `centre`; 0 is a parallel view.
        centre: The point of the shape that the camera turns about. radius: of the ball about it, > 0.
        scale_px: Pixels per `radius` at the centre's depth.
        centre_px: Where the centre lies in the picture, right and down from the upper left corner.
        iou: Overlap of the outlines, intersection over union, 0..1.
    """

    azimuth_deg: float
    elevation_deg: float
    perspective: float
    centre: tuple[float, float, float]
    radius: float
    scale_px: float
    centre_px: tuple[float, float]
    iou: float

    def project(self, points: Tensor) -> Tensor:
        """Where points lie in the picture.

        Args:
            points: (N, 3) in the shape's units.

        Returns:
            (N, 3): pixels right, pixels down, and depth away from the viewer in pixels (at the centre's
            scale), 0 at the centre.
        """
        flat = project(self._parameters(points), self._unit(points))[0]
        middle = flat.new_tensor(self.centre_px)
        return torch.cat([flat[:, :2] * self.scale_px + middle, -flat[:, 2:] * self.scale_px], dim=1)

    def facing(self, points: Tensor, normals: Tensor) -> Tensor:
        """(N,) cosines between the unit normals and the directions to the camera."""
        across = _axes(self._parameters(points))[0]
        ray = across[2] - self.perspective * self._unit(points)
        cosines: Tensor = (normals * ray).sum(dim=1) / ray.norm(dim=1).clamp_min(1e-6)
        return cosines.clamp(-1.0, 1.0)

    def fold_forward(self, points: Tensor) -> Tensor:
        """(N, 3) points; those in the half away from the camera mirrored into the near one, level."""
        azimuth_rad = math.radians(self.azimuth_deg)
        ahead = points.new_tensor([math.sin(azimuth_rad), 0.0, math.cos(azimuth_rad)])
        behind = ((points - points.new_tensor(self.centre)) @ ahead).clamp_max(0.0)
        return points - 2 * behind[:, None] * ahead

    def _unit(self, points: Tensor) -> Tensor:
        return (points - points.new_tensor(self.centre)) / self.radius

    def _parameters(self, like: Tensor) -> Tensor:
        angles = math.radians(self.azimuth_deg), math.radians(self.elevation_deg)
        return like.new_tensor([[*angles, self.perspective, 0.0, 0.0, 0.0]])


def project(candidates: Tensor, points: Tensor) -> Tensor:
    """Projects points with many cameras.

    Args:
        candidates: (B, 6), see `PARAMETERS`.
        points: (M, 3) inside the unit ball.

    Returns:
        (B, M, 3): right and down in the picture's unit, and towards the viewer.
    """
    axes = _axes(candidates)[:, None]
    # Not a product of matrices: that may be rounded to TF32, which is off by half a pixel.
    turned = points[:, :1] * axes[..., 0] + points[:, 1:2] * axes[..., 1] + points[:, 2:] * axes[..., 2]
    towards = turned[..., 2:]
    growth = candidates[:, 3].exp()[:, None, None] / (1 - candidates[:, 2, None, None] * towards)
    flat = turned[..., :2] * turned.new_tensor([1.0, -1.0]) * growth + candidates[:, None, 4:6]
    return torch.cat([flat, towards], dim=2)


def _axes(candidates: Tensor) -> Tensor:
    """(B, 3, 3) rows right, up and towards the viewer."""
    (sin_a, cos_a), (sin_e, cos_e) = _sin_cos(candidates[:, 0]), _sin_cos(candidates[:, 1])
    zero = torch.zeros_like(sin_a)
    rows = [cos_a, zero, -sin_a, -sin_e * sin_a, cos_e, -sin_e * cos_a, cos_e * sin_a, sin_e, cos_e * cos_a]
    return torch.stack(rows, dim=1).view(-1, 3, 3)


def _sin_cos(angles_rad: Tensor) -> tuple[Tensor, Tensor]:
    return angles_rad.sin(), angles_rad.cos()
