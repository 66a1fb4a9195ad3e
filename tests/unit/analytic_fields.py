"""Signed distances whose surfaces are known, positive inside, as fields for the tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

RESOLUTION = 96
"""The coarsest level has 48 cells along an axis, so one level is refined."""
CELL = 2.02 / RESOLUTION
TILT = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))[0]

Distance = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Shape:
    """A signed distance and its surface's area."""

    distance: Distance
    area: float


def ball(radius: float = 0.7, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Shape:
    return Shape(lambda points: radius - (points - torch.tensor(centre)).norm(dim=1), 4 * math.pi * radius**2)


def torus(large: float = 0.6, small: float = 0.25) -> Shape:
    def distance(points: Tensor) -> Tensor:
        ring = points[:, [0, 2]].norm(dim=1) - large
        return small - torch.stack([ring, points[:, 1]], dim=1).norm(dim=1)

    return Shape(distance, 4 * math.pi**2 * large * small)


def plate(thickness: float, *, tilted: bool = True) -> Shape:
    half = torch.tensor([0.7, thickness / 2, 0.6])

    def distance(points: Tensor) -> Tensor:
        beyond = ((points @ TILT if tilted else points) + 0.003).abs() - half
        return -(beyond.clamp(min=0).norm(dim=1) + beyond.amax(dim=1).clamp(max=0))

    x, y, z = half.tolist()
    return Shape(distance, 8 * (x * y + y * z + z * x))


def shell(radius: float, thickness: float) -> Shape:
    """Two nested balls, the inner one hollow."""
    outer, inner = ball(radius), ball(radius - thickness)
    return Shape(
        lambda points: torch.minimum(outer.distance(points), -inner.distance(points)), outer.area + inner.area
    )


def pair(gap: float) -> Shape:
    """Two balls side by side."""
    left, right = ball(0.45, (-0.45 - gap / 2, 0, 0)), ball(0.45, (0.45 + gap / 2, 0.0, 0.0))
    return Shape(
        lambda points: torch.maximum(left.distance(points), right.distance(points)), left.area + right.area
    )


def saturated(shape: Shape, steepness: float = 20.0) -> Distance:
    """What a network answers: sure of itself away from the surface."""
    return lambda points: torch.tanh(steepness * shape.distance(points))


def outward(distance: Distance, points: Tensor) -> Tensor:
    """(N, 3) unit normals of a distance's level sets, by autograd."""
    points = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(distance(points).sum(), points)
    return -torch.nn.functional.normalize(gradient, dim=1)


class Counted:
    """A field that keeps what it was asked."""

    def __init__(self, field: Distance) -> None:
        self.field = field
        self.asked: list[Tensor] = []

    def __call__(self, points: Tensor) -> Tensor:
        self.asked.append(points)
        return self.field(points)
