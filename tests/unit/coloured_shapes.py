"""Coloured shapes and pictures of them, for the tests of colours from a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from subnet17.procedural.make import make_model
from subnet17.splat.cameras import RenderedViews, fit_for_render, orbit_cameras
from subnet17.splat.cloud import SH_C0, GaussianCloud
from subnet17.splat.from_mesh import mesh_to_splats
from subnet17.splat.rasterize_cpu import render_views

SIZE_PX = 320


@dataclass(frozen=True)
class ColouredShape:
    """Splats on a surface, their places and normals as tensors, and their true colours."""

    cloud: GaussianCloud
    points: torch.Tensor
    normals: torch.Tensor
    rgb: torch.Tensor

    def photograph(
        self, azimuth_deg: float, elevation_deg: float = 12.0, *, ground: float = 1.0, size_px: int = SIZE_PX
    ) -> Image.Image:
        """An RGBA picture; the colours of its edges are blended with a ground of this grey."""
        views = self._render(self.cloud, azimuth_deg, elevation_deg, ground, size_px)
        alpha = np.round(views.alphas[0].clip(0, 1) * 255).astype(np.uint8)
        return Image.fromarray(np.dstack([views.images[0], alpha]), "RGBA")

    def compare(self, rgb: torch.Tensor, azimuth_deg: float, elevation_deg: float = 12.0) -> float:
        """Mean error, 0..1, of a view in these colours over the pixels the shape covers."""
        sh0 = ((rgb.numpy() - 0.5) / SH_C0).astype(np.float32)
        true = self._render(self.cloud, azimuth_deg, elevation_deg, 1.0, SIZE_PX)
        made = self._render(replace(self.cloud, sh0=sh0), azimuth_deg, elevation_deg, 1.0, SIZE_PX)
        gaps = np.abs(true.images[0].astype(float) - made.images[0].astype(float)) / 255
        return float(gaps[true.alphas[0] > 0.5].mean())

    @staticmethod
    def _render(
        cloud: GaussianCloud, azimuth_deg: float, elevation_deg: float, ground: float, size_px: int
    ) -> RenderedViews:
        azimuths: NDArray[np.float64] = np.array([azimuth_deg], dtype=np.float64)
        cameras = orbit_cameras(azimuths, elevation_deg=-elevation_deg, size_px=size_px)
        return render_views(fit_for_render(cloud), cameras, background=ground)


def make_coloured_shape(prompt: str, *, count: int = 40_000) -> ColouredShape:
    """The procedural model of a prompt, as splats."""
    cloud = mesh_to_splats(make_model(prompt, seed=1).mesh, count=count)
    w, x, y, z = cloud.unit_quats.T
    normals = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)
    rgb = torch.from_numpy(cloud.rgb.clip(0, 1))
    return ColouredShape(cloud, torch.from_numpy(cloud.means), torch.from_numpy(normals), rgb)


def ball(count: int = 8000) -> torch.Tensor:
    """(count, 3) points spread evenly over the unit sphere; they are their own normals."""
    number = torch.arange(count)
    y = 1 - (2 * number + 1) / count
    angle = number * (torch.pi * (3 - 5**0.5))
    across = (1 - y * y).sqrt()
    return torch.stack([across * angle.sin(), y, across * angle.cos()], dim=1)


def disc_picture(
    top: tuple[int, int, int], bottom: tuple[int, int, int], *, size_px: int = 128
) -> Image.Image:
    """A disc of two colours on white, transparent around it."""
    row, column = np.mgrid[:size_px, :size_px]
    middle = size_px / 2 - 0.5
    inside = (row - middle) ** 2 + (column - middle) ** 2 < (0.4 * size_px) ** 2
    pixels = np.full((size_px, size_px, 4), 255, np.uint8)
    pixels[..., :3] = np.where((row < middle)[..., None], top, bottom)
    pixels[~inside, :3] = 255
    pixels[..., 3] = inside * 255
    return Image.fromarray(pixels, "RGBA")
