"""The GPU renderer around gsplat, with the CPU rasteriser in its place: what goes in, what comes back."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from subnet17.errors import UnavailableError
from subnet17.splat import gsplat_kernels, rasterize_gpu
from subnet17.splat.cameras import (
    Cameras,
    RenderableCloud,
    fit_for_render,
    official_cameras,
    orbit_cameras,
)
from subnet17.splat.rasterize_cpu import render_views
from subnet17.splat.rasterize_gpu import render_views_on_gpu
from subnet17.splat.torch_views import TorchViews, tensor_of
from subnet17.validation.scoring.warmup import make_ball

CPU = torch.device("cpu")
SIZE_PX = 64
SCENE = fit_for_render(make_ball(7000))


class StandIn:
    """Takes what gsplat's `rasterization` takes and draws it with the CPU rasteriser."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def rasterization(
        self,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        colors: Tensor,
        *,
        viewmats: Tensor,
        Ks: Tensor,
        width: int,
        height: int,
        near_plane: float,
        far_plane: float,
        backgrounds: Tensor,
        packed: bool,
        rasterize_mode: str,
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        assert rasterize_mode == "classic" and not packed
        assert {t.dtype for t in (means, quats, scales, opacities, colors, viewmats, Ks)} == {torch.float32}
        assert Ks.shape == (len(viewmats), 3, 3) and backgrounds.shape == (len(viewmats), 3)
        assert (Ks[:, 0, 2] == width / 2).all() and (Ks[:, 1, 2] == height / 2).all()
        assert len(means), "gsplat divides by the number of splats"
        self.calls.append(len(viewmats))
        scene = RenderableCloud(*(t.numpy() for t in (means, quats, scales, opacities, colors)))
        cameras = Cameras(
            viewmats.numpy().astype(np.float64), float(Ks[0, 0, 0]), width, near_plane, far_plane
        )
        drawn = render_views(scene, cameras, background=float(backgrounds[0, 0]))
        # a little over a step, so that truncation gives the same byte again
        colours = (torch.from_numpy(drawn.images).float() + 0.25) / 255
        return colours, torch.from_numpy(drawn.alphas)[..., None], {}


@pytest.fixture
def gsplat(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(rasterize_gpu, "load_gsplat", lambda: stand_in)
    return stand_in


def assert_equals_cpu(views: TorchViews, scene: RenderableCloud, cameras: Cameras) -> None:
    drawn = render_views(scene, cameras)
    # float32 view matrices move a few edge pixels by one step
    assert np.abs(views.images.astype(int) - drawn.images).max() <= 1
    np.testing.assert_allclose(views.alphas, drawn.alphas, atol=2e-3)


def test_draws_the_distinct_official_views_in_one_call(gsplat: StandIn) -> None:
    views = render_views_on_gpu(SCENE, official_cameras(SIZE_PX), CPU)
    assert gsplat.calls == [15]
    assert views.tensor.shape == (16, SIZE_PX, SIZE_PX, 3) and views.tensor.dtype == torch.uint8
    np.testing.assert_array_equal(views.images[0], views.images[15])
    assert_equals_cpu(views, SCENE, official_cameras(SIZE_PX))


@pytest.mark.parametrize(
    ("limits", "calls"),
    [
        ({"share": 0.5}, [8, 7]),
        ({"share": 0.01}, [1] * 15),
        ({"tiles_per_view": 150_000_000 // 6}, [6, 6, 3]),
        ({"tiles_per_view": 10**12}, [1] * 15),
    ],
)
def test_fewer_cameras_at_once_draw_the_same(
    gsplat: StandIn, limits: dict[str, Any], calls: list[int]
) -> None:
    views = render_views_on_gpu(SCENE, official_cameras(SIZE_PX), CPU, **limits)
    assert gsplat.calls == calls
    assert_equals_cpu(views, SCENE, official_cameras(SIZE_PX))


def test_other_cameras_and_another_background_are_not_mixed_up(gsplat: StandIn) -> None:
    for size_px in (32, 64):
        cameras = orbit_cameras(np.array([30.0, 200.0]), elevation_deg=-40, size_px=size_px)
        views = render_views_on_gpu(SCENE, cameras, CPU)
        assert views.images.shape == (2, size_px, size_px, 3)
        assert_equals_cpu(views, SCENE, cameras)
    dark = render_views_on_gpu(SCENE, official_cameras(32), CPU, background=0.0)
    assert (dark.images[:, 0, 0] == 0).all()


def test_no_splats_are_background(gsplat: StandIn) -> None:
    nothing = RenderableCloud(
        *(np.zeros(shape, np.float32) for shape in [(0, 3), (0, 4), (0, 3), (0,), (0, 3)])
    )
    views = render_views_on_gpu(nothing, official_cameras(32), CPU, background=0.5)
    assert gsplat.calls == []
    assert views.images.shape == (16, 32, 32, 3)
    assert (views.images == 127).all() and not views.alphas.any()


def test_pictures_are_copied_to_the_host_once_and_only_when_asked_for(gsplat: StandIn) -> None:
    views = render_views_on_gpu(SCENE, official_cameras(32), CPU)
    assert tensor_of(views, CPU) is views.tensor
    assert "images" not in vars(views)
    assert views.images is views.images
    np.testing.assert_array_equal(
        tensor_of(render_views(SCENE, official_cameras(32)), CPU).numpy().shape, [16, 32, 32, 3]
    )


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine without a CUDA compiler and without anything compiled."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.delenv("CUDA_PATH", raising=False)
    monkeypatch.setattr(gsplat_kernels, "DEFAULT_CUDA_HOME", tmp_path / "cuda")
    return monkeypatch


def test_says_what_is_missing_before_anything_is_imported(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "site" / "gsplat"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    bare.setattr(sys, "path", [str(package.parent), *sys.path])
    assert "no CUDA compiler" in gsplat_kernels.why_no_gsplat()
    compiled = tmp_path / "py311_cu130" / "gsplat_cuda" / "gsplat_cuda.so"
    compiled.parent.mkdir(parents=True)
    compiled.touch()
    assert gsplat_kernels.why_no_gsplat() == ""
    compiled.unlink()
    nvcc = tmp_path / "cuda" / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.touch()
    assert gsplat_kernels.why_no_gsplat() == ""


def fake_package(version: str, kernels: object) -> SimpleNamespace:
    return SimpleNamespace(__version__=version, __name__="gsplat", kernels=kernels)


@pytest.mark.parametrize(
    ("version", "kernels", "told"),
    [("1.4.0", object(), "1.4.0"), ("1.5.3", None, "no CUDA kernels"), ("1.5.3+pt26cu124", object(), None)],
)
def test_takes_only_the_validators_version_with_kernels(
    bare: pytest.MonkeyPatch, version: str, kernels: object, told: str | None
) -> None:
    modules = {
        "gsplat": fake_package(version, kernels),
        "gsplat.cuda._backend": SimpleNamespace(_C=kernels),
    }
    bare.setattr(
        gsplat_kernels,
        "importlib",
        SimpleNamespace(import_module=modules.get, util=__import__("importlib.util").util),
    )
    bare.delitem(sys.modules, "gsplat", raising=False)
    if told is None:
        assert gsplat_kernels.load_gsplat() is modules["gsplat"]
        return
    with pytest.raises(UnavailableError, match=told):
        gsplat_kernels.load_gsplat()


def test_a_failing_compiler_is_told_in_one_sentence(bare: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> Any:
        raise RuntimeError("Error building extension 'gsplat_cuda'")

    bare.setattr(
        gsplat_kernels,
        "importlib",
        SimpleNamespace(import_module=fail, util=__import__("importlib.util").util),
    )
    bare.delitem(sys.modules, "gsplat", raising=False)
    with pytest.raises(UnavailableError, match="Error building extension"):
        gsplat_kernels.load_gsplat()
