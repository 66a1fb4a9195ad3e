"""Times the official views on a GPU: `python benchmarks/bench_rasterize_gpu.py [--ply FILE]`.

Beside ours, in the same run: gsplat's call alone with everything on the device (the floor), one call for each
view, and ours with the pictures copied to the host. Prints decibels against the CPU rasteriser, and against
the official views where the fixtures lie beside the checkout.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from benchmarks.bench_rasterize_cpu import synthetic_cloud  # noqa: E402
from subnet17.splat.cameras import RenderableCloud, fit_for_render, official_cameras  # noqa: E402
from subnet17.splat.gsplat_kernels import load_gsplat  # noqa: E402
from subnet17.splat.ply import read_ply  # noqa: E402
from subnet17.splat.rasterize_cpu import render_views  # noqa: E402
from subnet17.splat.rasterize_gpu import render_views_on_gpu  # noqa: E402

FIXTURES = REPO.parent / "shared" / "fixtures"
LARGE = 267_776
"""Splats of the larger asset that the official renderer was timed with: 34.6 ms on an H200 (52,709: 17.2)."""


def measure_ms(work: Callable[[], object], repeats: int) -> float:
    """Median milliseconds from an idle device to an idle device; two calls are not counted."""
    times = []
    for number in range(repeats + 2):
        torch.cuda.synchronize()
        started_s = time.perf_counter()
        work()
        torch.cuda.synchronize()
        if number >= 2:
            times.append(time.perf_counter() - started_s)
    return 1e3 * statistics.median(times)


def gsplat_alone(scene: RenderableCloud, device: torch.device) -> Callable[[], object]:
    """The bare call on tensors that lie on the device, 16 cameras."""
    cameras = official_cameras()
    fields = (scene.means, scene.quats, scene.scales, scene.opacities, scene.rgb)
    tensors = [torch.from_numpy(np.ascontiguousarray(field)).to(device) for field in fields]
    half = cameras.size_px / 2
    matrix = [[cameras.focal_px, 0, half], [0, cameras.focal_px, half], [0, 0, 1]]
    viewmats = torch.from_numpy(cameras.viewmats.astype(np.float32)).to(device)
    intrinsics = torch.tensor([matrix] * len(cameras), dtype=torch.float32, device=device)
    white = torch.ones(len(cameras), 3, device=device)
    rasterize = load_gsplat().rasterization

    def call() -> object:
        with torch.no_grad():
            return rasterize(
                *tensors,
                viewmats,
                intrinsics,
                cameras.size_px,
                cameras.size_px,
                near_plane=cameras.near,
                far_plane=cameras.far,
                backgrounds=white,
                packed=False,
            )

    return call


def psnr_db(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The worst of all views."""
    squared = np.square(ours.astype(np.float64) - theirs).mean(axis=(1, 2, 3))
    return float(10 * np.log10(255**2 / max(squared.max(), 1e-12)))


def compare(name: str, scene: RenderableCloud, device: torch.device, repeats: int) -> np.ndarray:
    """Prints all times of one scene; returns its pictures."""
    cameras = official_cameras()
    singles = [cameras.subset([view]) for view in range(len(cameras))]
    torch.cuda.reset_peak_memory_stats(device)
    ours_ms = measure_ms(lambda: render_views_on_gpu(scene, cameras, device), repeats)
    peak_bytes = torch.cuda.max_memory_allocated(device)
    bare_ms = measure_ms(gsplat_alone(scene, device), repeats)
    loop_ms = measure_ms(lambda: [render_views_on_gpu(scene, one, device) for one in singles], repeats)
    copied_ms = measure_ms(lambda: render_views_on_gpu(scene, cameras, device).images, repeats)
    print(f"{name}, {len(scene.means)} splats: from host arrays to pictures on the device {ours_ms:.2f} ms")
    print(
        f"  gsplat's call alone {bare_ms:.2f} ms; one call a view {loop_ms:.2f} ms; copied {copied_ms:.2f} ms"
    )
    print(f"  peak {peak_bytes / 2**20:.0f} MiB")
    return render_views_on_gpu(scene, cameras, device).images


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description="GPU rasteriser: 16 views at 518 px")
    parser.add_argument("--ply", type=Path, default=FIXTURES / "hamburger.ply")
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    device = torch.device("cuda", 0)
    print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}")
    real = read_ply(arguments.ply.read_bytes()) if arguments.ply.exists() else synthetic_cloud()
    scene = fit_for_render(real)
    pictures = compare(arguments.ply.name, scene, device, arguments.repeats)
    on_cpu = render_views(scene, official_cameras()).images
    print(f"  against the CPU rasteriser: {psnr_db(pictures, on_cpu):.1f} dB at least")
    views = FIXTURES / "hamburger_views.npz"
    if arguments.ply == FIXTURES / "hamburger.ply" and views.exists():
        print(f"  against the official views: {psnr_db(pictures, np.load(views)['images']):.1f} dB at least")
    compare("synthetic", fit_for_render(synthetic_cloud(LARGE)), device, arguments.repeats)


if __name__ == "__main__":
    main()
