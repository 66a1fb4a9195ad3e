"""On a GPU: the official renderer's pictures, and the CPU rasteriser's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

if not torch.cuda.is_available():
    pytest.skip("needs CUDA", allow_module_level=True)

from subnet17.splat.cameras import RenderableCloud, Views, fit_for_render, official_cameras
from subnet17.splat.gsplat_kernels import why_no_gsplat
from subnet17.splat.ply import read_ply
from subnet17.splat.rasterize_cpu import render_views
from subnet17.splat.rasterize_gpu import render_views_on_gpu
from subnet17.validation.scoring.warmup import make_ball

if why_not := why_no_gsplat():
    pytest.skip(why_not, allow_module_level=True)

CUDA = torch.device("cuda", 0)


def psnr_db(ours: np.ndarray, theirs: np.ndarray) -> float:
    squared = np.square(ours.astype(np.float64) - theirs).mean()
    return float("inf") if squared == 0 else float(10 * np.log10(255**2 / squared))


def draw(scene: RenderableCloud, share: float = 1.0) -> Views:
    return render_views_on_gpu(scene, official_cameras(), CUDA, share=share)


def test_equals_the_official_views(shared_dir: Path) -> None:
    scene = fit_for_render(read_ply((shared_dir / "hamburger.ply").read_bytes()))
    official = np.load(shared_dir / "hamburger_views.npz")["images"]
    ours = draw(scene).images
    for view in range(16):
        assert psnr_db(ours[view], official[view]) >= 80, view
    assert np.abs(ours.astype(int) - official).max() <= 2


@pytest.mark.parametrize("asset", ["ball", "hamburger"])
def test_equals_the_cpu_rasteriser(asset: str, request: pytest.FixtureRequest) -> None:
    if asset == "ball":
        scene = fit_for_render(make_ball(50_000))
    else:
        folder: Path = request.getfixturevalue("shared_dir")
        scene = fit_for_render(read_ply((folder / "hamburger.ply").read_bytes()))
    on_gpu, on_cpu = draw(scene), render_views(scene, official_cameras())
    for view in range(16):
        assert psnr_db(on_gpu.images[view], on_cpu.images[view]) >= 60, view
    assert np.abs(on_gpu.alphas - on_cpu.alphas).max() < 0.02


def test_a_few_cameras_at_once_draw_the_same_bytes() -> None:
    scene = fit_for_render(make_ball(50_000))
    np.testing.assert_array_equal(draw(scene).images, draw(scene, share=0.3).images)


def test_no_splats_are_white() -> None:
    nothing = RenderableCloud(
        *(np.zeros(shape, np.float32) for shape in [(0, 3), (0, 4), (0, 3), (0,), (0, 3)])
    )
    assert (draw(nothing).images == 255).all()


def test_drawing_again_and_again_keeps_nothing() -> None:
    scene = fit_for_render(make_ball(50_000))
    draw(scene)
    before = torch.cuda.memory_allocated(CUDA)
    for _ in range(20):
        draw(scene)
    assert torch.cuda.memory_allocated(CUDA) == before
