"""How fast the CPU rasteriser draws the validators' 16 views.

    python benchmarks/bench_rasterize_cpu.py [--ply FILE] [--repeats 9]

Measures the 16 views at 518 px as the validation server asks for them (all threads), then one view on one
thread beside a plain loop: the same projected splats, tiles and rules, compiled too, but pixel by pixel with
exp2 and branches. The plain loop's 16 views are its one view times 16 / threads, as if it scaled perfectly.
Times are medians of wall-clock; CPU time stands beside them because a busy machine stretches only the former.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import njit

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from subnet17.splat.cameras import VIEWS, RenderableCloud, fit_for_render, official_cameras  # noqa: E402
from subnet17.splat.cloud import GaussianCloud  # noqa: E402
from subnet17.splat.ply import read_ply  # noqa: E402
from subnet17.splat.project import ALPHA_MIN, project_splats  # noqa: E402
from subnet17.splat.rasterize_cpu import TILE_PX, render_views  # noqa: E402

FIXTURE = REPO.parent / "shared" / "fixtures" / "hamburger.ply"
THREADS: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
SYNTHETIC_SPLATS = 50_000
FIRST_CALL = """
import time
import numpy as np
from benchmarks.bench_rasterize_cpu import synthetic_cloud
from subnet17.splat.cameras import fit_for_render, official_cameras
from subnet17.splat.rasterize_cpu import render_views
scene = fit_for_render(synthetic_cloud(1000))
start = time.perf_counter()
render_views(scene, official_cameras(64).subset([0]))
print(time.perf_counter() - start)
"""


def synthetic_cloud(count: int = SYNTHETIC_SPLATS) -> GaussianCloud:
    """Small, mostly opaque blobs on a bumpy sphere."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radius = 0.5 + 0.05 * np.sin(9 * directions).sum(axis=1, keepdims=True)
    return GaussianCloud.from_activated(
        means=(directions * radius).astype(np.float32),
        scales=rng.uniform(0.002, 0.012, (count, 3)).astype(np.float32),
        quats=rng.normal(size=(count, 4)).astype(np.float32),
        opacities=rng.beta(4, 1.5, count).astype(np.float32),
        rgb=(0.5 + 0.5 * directions).astype(np.float32),
    )


@njit(cache=True, error_model="numpy")
def draw_plainly(splats: Any, size: Any, background: Any) -> Any:
    """The plain loop: every pixel of a tile walks all splats whose bounding box touches the tile."""
    image = np.empty((size, size, 3), np.uint8)
    in_tile = np.empty(len(splats), np.int64)
    for y0 in range(0, size, TILE_PX):
        for x0 in range(0, size, TILE_PX):
            count = 0
            for i in range(len(splats)):
                s = splats[i]
                if (
                    s.x + s.half_x > x0
                    and s.x - s.half_x < x0 + TILE_PX
                    and s.y + s.half_y > y0
                    and s.y - s.half_y < y0 + TILE_PX
                ):
                    in_tile[count] = i
                    count += 1
            for y in range(y0, min(y0 + TILE_PX, size)):
                for x in range(x0, min(x0 + TILE_PX, size)):
                    _shade_plainly(splats, in_tile[:count], x, y, background, image[y, x])
    return image


@njit(cache=True, error_model="numpy")
def _shade_plainly(splats: Any, in_tile: Any, x: Any, y: Any, background: Any, pixel: Any) -> None:
    transmittance = np.float32(1)
    red = green = blue = np.float32(0)
    for i in in_tile:
        s = splats[i]
        dx, dy = s.x - np.float32(x + 0.5), s.y - np.float32(y + 0.5)
        alpha = min(
            np.float32(0.999), np.exp2(s.log2_opacity - s.a * dx * dx - s.b * dx * dy - s.c * dy * dy)
        )
        if alpha < ALPHA_MIN:
            continue
        after = transmittance * (np.float32(1) - alpha)
        if after <= 1e-4:
            break
        red += transmittance * alpha * s.red
        green += transmittance * alpha * s.green
        blue += transmittance * alpha * s.blue
        transmittance = after
    for channel, colour in enumerate((red, green, blue)):
        value = colour + transmittance * background
        pixel[channel] = np.uint8(min(max(value, np.float32(0)), np.float32(1)) * np.float32(255))


def measure(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median wall-clock and median CPU time of `work`, seconds; the first call is not counted."""
    work()
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def first_call_s(cache_dir: str) -> float:
    """What the first picture costs in a new process with this cache of compiled code."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALL],
        cwd=REPO,
        env=os.environ | {"NUMBA_CACHE_DIR": cache_dir},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def processor() -> str:
    """The CPU's name, and how many cores this process may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores"


def compare_one_view(scene: RenderableCloud, repeats: int) -> None:
    """One view on one thread: ours and the plain loop, each from the same scene to the finished picture."""
    cameras = official_cameras().subset([1])

    def plain() -> Any:
        splats = project_splats(
            scene, cameras.viewmats[0], cameras.focal_px, cameras.size_px, near=cameras.near, far=cameras.far
        )
        return draw_plainly(splats, cameras.size_px, np.float32(1))

    difference = plain().astype(int) - render_views(scene, cameras).images[0]
    ours_s, _ = measure(lambda: render_views(scene, cameras), repeats)
    plain_s, _ = measure(plain, min(repeats, 3))
    print(
        f"one view, one thread: {ours_s * 1e3:.1f} ms; plain loop {plain_s * 1e3:.0f} ms, "
        f"{plain_s / ours_s:.1f} times as long"
    )
    print(f"  the plain loop's 16 views on {THREADS} threads would take {plain_s * VIEWS / THREADS:.2f} s")
    print(f"  largest difference of the two pictures: {np.abs(difference).max()}/255")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description="CPU rasteriser: 16 views at 518 px")
    parser.add_argument("--ply", type=Path, default=FIXTURE)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    is_real = arguments.ply.exists()
    cloud = read_ply(arguments.ply.read_bytes()) if is_real else synthetic_cloud()
    print(f"{processor()}; numba {numba.__version__}, {THREADS} threads")
    print(
        f"{len(cloud)} splats: {arguments.ply.name if is_real else f'synthetic, {arguments.ply} is absent'}"
    )
    scene = fit_for_render(cloud)
    wall_s, cpu_s = measure(lambda: render_views(scene, official_cameras()), arguments.repeats)
    print(f"16 views at 518 px: {wall_s:.3f} s wall, {cpu_s:.3f} s CPU (median of {arguments.repeats})")
    compare_one_view(scene, arguments.repeats)
    with tempfile.TemporaryDirectory() as cache_dir:
        print(f"first call of a process: {first_call_s(cache_dir):.1f} s compiling, ", end="")
        print(f"{first_call_s(cache_dir):.2f} s from the cache on disk")


if __name__ == "__main__":
    main()
