"""The validators' 16 cameras and the transform they apply before rendering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from subnet17.splat.cloud import Float32, GaussianCloud

VIEWS = 16
IMAGE_SIZE_PX = 518
RADIUS = 2.5
ELEVATION_DEG = -15.0
FOV_Y_DEG = 49.1
NEAR = 0.01
FAR = 100.0
FIT_EXTENT = 1.5
"""The longest side of the bounding box after `fit_for_render`."""
SAME_CAMERA = 1e-9
"""View matrices that differ by less give the same picture, which is then rendered once."""


@dataclass(frozen=True)
class Cameras:
    """C pinhole cameras sharing one image size. OpenCV axes: x right, y down, z forward.

    Attributes:
        viewmats: (C, 4, 4) float64 world-to-camera.
        focal_px: focal length in pixels, the same for x and y.
        size_px: width and height; the principal point is size_px / 2.
        near: nearest depth drawn; far: farthest.
    """

    viewmats: NDArray[np.float64]
    focal_px: float
    size_px: int
    near: float = NEAR
    far: float = FAR

    def __len__(self) -> int:
        return len(self.viewmats)

    def subset(self, views: list[int]) -> Cameras:
        """The cameras with these indices, in this order."""
        return Cameras(self.viewmats[views], self.focal_px, self.size_px, self.near, self.far)

    @property
    def first_equal(self) -> list[int]:
        """For each camera the index of the first one that sees the same."""
        gaps = np.abs(self.viewmats[:, None] - self.viewmats[None, :]).max(axis=(2, 3), initial=0.0)
        return [int(i) for i in (gaps < SAME_CAMERA).argmax(axis=1)] if len(self) else []


@dataclass(frozen=True)
class RenderableCloud:
    """A cloud with activations applied and fitted to the cameras: what a rasteriser takes.

    Attributes:
        means: (N, 3) float32. quats: (N, 4) float32 wxyz, unit. scales: (N, 3) float32 standard deviations.
        opacities: (N,) float32 in 0..1. rgb: (N, 3) float32.
    """

    means: Float32
    quats: Float32
    scales: Float32
    opacities: Float32
    rgb: Float32


class Views(Protocol):
    """The pictures of C cameras, wherever they lie; `RenderedViews` says more of the arrays."""

    @property
    def images(self) -> NDArray[np.uint8]:
        """(C, H, W, 3) uint8 RGB in this machine's memory."""

    @property
    def alphas(self) -> Float32:
        """(C, H, W) float32 accumulated opacity in 0..1, in this machine's memory."""


@dataclass(frozen=True)
class RenderedViews:
    """What a rasteriser returns for C cameras.

    Attributes:
        images: (C, H, W, 3) uint8 RGB over the background; x * 255 truncated, as the validators do.
        alphas: (C, H, W) float32 accumulated opacity in 0..1.
    """

    images: NDArray[np.uint8]
    alphas: Float32


def orbit_cameras(
    azimuths_deg: NDArray[np.float64], *, elevation_deg: float = ELEVATION_DEG, size_px: int = IMAGE_SIZE_PX
) -> Cameras:
    """Cameras on a circle of radius 2.5 looking at the origin; a negative elevation looks down from above."""
    elevation = np.deg2rad(elevation_deg)
    focal_px = size_px / (2 * np.tan(np.deg2rad(FOV_Y_DEG) / 2))
    viewmats = np.stack([_look_at_origin(np.deg2rad(a), elevation) for a in azimuths_deg])
    return Cameras(viewmats, float(focal_px), size_px)


def official_cameras(size_px: int = IMAGE_SIZE_PX) -> Cameras:
    """The validators' 16 views: azimuth linspace(0, 360, 16), so the first and the last are the same."""
    return orbit_cameras(np.linspace(0.0, 360.0, VIEWS), size_px=size_px)


def fit_for_render(cloud: GaussianCloud) -> RenderableCloud:
    """Applies activations, centres and scales a cloud as the validators do.

    With s = 1.5 / longest bounding-box side: means = (means - m) * s, scales *= s and
    opacities = clip(opacities / s, 0, 1), where m is one scalar, the mean over all coordinates
    (a quirk of the official code, kept because every official score contains it).

    Raises:
        ValueError: the cloud is empty or all its means coincide.
    """
    extent = float((cloud.means.max(axis=0) - cloud.means.min(axis=0)).max()) if len(cloud) else 0.0
    if not extent > 0:
        raise ValueError(f"bounding box of {len(cloud)} splats has extent {extent}, expected > 0")
    s = np.float32(FIT_EXTENT / extent)
    centre = np.float32(cloud.means.mean(dtype=np.float64))
    return RenderableCloud(
        means=(cloud.means - centre) * s,
        quats=cloud.unit_quats,
        scales=cloud.scales * s,
        opacities=np.clip(cloud.opacities / s, 0.0, 1.0).astype(np.float32),
        rgb=cloud.rgb,
    )


def _look_at_origin(azimuth: float, elevation: float) -> NDArray[np.float64]:
    x = RADIUS * np.cos(elevation) * np.sin(azimuth)
    y = -RADIUS * np.sin(elevation)
    z = RADIUS * np.cos(elevation) * np.cos(azimuth)
    eye = np.array([x, y, z])
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    rotation = np.stack([right, down, forward])
    viewmat = np.eye(4)
    viewmat[:3, :3] = rotation
    viewmat[:3, 3] = -rotation @ eye
    return viewmat
