"""The validators' own rasteriser, gsplat 1.5.3 on CUDA, called as they call it: all cameras in one call.

Covers: classic mode with gsplat's defaults (0.3 px² of blur, tiles of 16 px), RGB over a grey background,
x * 255 truncated. The pictures stay on the device.
Not covered: anything without CUDA (`rasterize_cpu`), gradients, view-dependent colour.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subnet17.splat.cameras import Cameras, RenderableCloud
from subnet17.splat.gsplat_kernels import load_gsplat
from subnet17.splat.torch_views import TorchViews

MAX_TILES_AT_ONCE = 150_000_000
"""(splat, tile) pairs of one call: gsplat sorts 24 bytes for each, 3.6 GB, and counts them in 32 bits.

An asset of the usual kind has 3 million in 16 views; only ones near the limit of what is drawn are split.
"""


@dataclass(frozen=True)
class _Pinholes:
    """The distinct ones of some cameras on a device: (D, 4, 4) and (D, 3, 3) float32; (C,) int64 sources."""

    viewmats: Tensor
    intrinsics: Tensor
    sources: Tensor


def render_views_on_gpu(
    scene: RenderableCloud,
    cameras: Cameras,
    device: torch.device,
    *,
    background: float = 1.0,
    tiles_per_view: int = 0,
    share: float = 1.0,
) -> TorchViews:
    """Renders a scene from all cameras. Cameras that are equal are rendered once.

    Args:
        scene: N splats, activations applied, finite; N may be 0.
        cameras: C cameras with one image size.
        device: A CUDA device.
        background: Grey in 0..1 behind the splats.
        tiles_per_view: About how many (splat, tile) pairs a view has; see `checks.estimate_tiles`.
        share: Of the cameras rendered at once where memory is short, in 0..1. Costs time, not quality.

    Returns:
        (C, size, size, 3) uint8 images and (C, size, size) float32 alphas, on the device.

    Raises:
        UnavailableError: gsplat's kernels are not there.
    """
    rasterize = load_gsplat().rasterization
    pinholes = _upload_cameras(cameras, device)
    distinct = len(pinholes.viewmats)
    at_once = _cameras_at_once(distinct, tiles_per_view, share)
    with torch.no_grad(), _current(device):
        splats = _upload_scene(scene, device)
        parts = [
            _render(rasterize, splats, pinholes, slice(first, first + at_once), cameras, background)
            for first in range(0, distinct, at_once)
        ]
        images, alphas = (torch.cat(part) if len(part) > 1 else part[0] for part in zip(*parts, strict=True))
        return TorchViews(images[pinholes.sources], alphas[pinholes.sources])


def _current(device: torch.device) -> AbstractContextManager[object]:
    # gsplat launches on the current device's stream; tests with a stand-in for it have none
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _cameras_at_once(cameras: int, tiles_per_view: int, share: float) -> int:
    within_tiles = MAX_TILES_AT_ONCE // max(1, tiles_per_view)
    return max(1, min(cameras, within_tiles, round(cameras * share)))


def _render(
    rasterize: Any,
    splats: dict[str, Tensor],
    pinholes: _Pinholes,
    which: slice,
    cameras: Cameras,
    background: float,
) -> tuple[Tensor, Tensor]:
    """(D, H, W, 3) uint8 and (D, H, W) float32 of the cameras `which`."""
    viewmats = pinholes.viewmats[which]
    if not len(splats["means"]):  # gsplat divides by the number of splats, which kills the process
        size = (len(viewmats), cameras.size_px, cameras.size_px)
        grey = torch.full((*size, 3), int(background * 255.0), dtype=torch.uint8, device=viewmats.device)
        return grey, torch.zeros(size, device=viewmats.device)
    colours, alphas, _ = rasterize(
        **splats,
        viewmats=viewmats,
        Ks=pinholes.intrinsics[which],
        width=cameras.size_px,
        height=cameras.size_px,
        near_plane=cameras.near,
        far_plane=cameras.far,
        backgrounds=torch.full((len(viewmats), 3), background, device=viewmats.device),
        packed=False,  # nearly all splats are seen by all cameras: packing would save no memory, and waits
        rasterize_mode="classic",
    )
    # to a byte: truncated, as the validators do
    return colours.clamp_(0.0, 1.0).mul_(255.0).to(torch.uint8), alphas.squeeze(-1)


def _upload_scene(scene: RenderableCloud, device: torch.device) -> dict[str, Tensor]:
    """The scene under gsplat's names, as (N, ...) float32 on the device."""
    fields = {
        "means": scene.means,
        "quats": scene.quats,
        "scales": scene.scales,
        "opacities": scene.opacities,
        "colors": scene.rgb,
    }
    return {
        name: torch.from_numpy(np.ascontiguousarray(field, np.float32)).to(device)
        for name, field in fields.items()
    }


def _upload_cameras(cameras: Cameras, device: torch.device) -> _Pinholes:
    return _cached_upload(cameras.viewmats.tobytes(), len(cameras), cameras.focal_px, cameras.size_px, device)


@lru_cache(maxsize=8)
def _cached_upload(
    viewmats: bytes, count: int, focal_px: float, size_px: int, device: torch.device
) -> _Pinholes:
    cameras = Cameras(np.frombuffer(viewmats).reshape(count, 4, 4), focal_px, size_px)
    sources = cameras.first_equal
    distinct = sorted(set(sources))
    matrix = [[focal_px, 0.0, size_px / 2], [0.0, focal_px, size_px / 2], [0.0, 0.0, 1.0]]
    return _Pinholes(
        viewmats=torch.from_numpy(cameras.viewmats[distinct].astype(np.float32)).to(device),
        intrinsics=torch.tensor([matrix] * len(distinct), dtype=torch.float32, device=device),
        sources=torch.tensor([distinct.index(source) for source in sources], device=device),
    )
