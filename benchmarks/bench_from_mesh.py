"""Mesh to splats: median milliseconds, and the ratio to random sampling with plain numpy.

    python benchmarks/bench_from_mesh.py [--splats 100000] [--rings 224] [--repeats 15]

The plain way draws points with trimesh.sample.sample_surface and builds round discs with numpy; of the same
width, they leave holes. Ours runs alone, then both run in turn in the same process. CPU time stands beside
the time on the clock because a busy machine stretches only the latter.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from subnet17.splat.cloud import GaussianCloud  # noqa: E402
from subnet17.splat.from_mesh import mesh_to_splats  # noqa: E402


def make_mesh(rings: int) -> trimesh.Trimesh:
    mesh = trimesh.creation.uv_sphere(count=[rings, rings])
    colours = np.random.default_rng(0).integers(0, 256, (len(mesh.vertices), 4)).astype(np.uint8)
    mesh.visual.vertex_colors = colours
    return mesh


def sample_plainly(mesh: trimesh.Trimesh, count: int) -> GaussianCloud:
    bare = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)  # trimesh caches areas and normals
    points, faces = trimesh.sample.sample_surface(bare, count, seed=0)
    radius = np.sqrt(bare.area / count)
    z = bare.face_normals[faces]
    x = np.cross(z, np.where(np.abs(z[:, :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    weights = trimesh.triangles.points_to_barycentric(bare.triangles[faces], points)
    corners = np.asarray(mesh.visual.vertex_colors)[bare.faces[faces], :3] / 255
    return GaussianCloud.from_activated(
        means=points.astype(np.float32),
        scales=np.tile(np.float32([radius, radius, 0.05 * radius]), (count, 1)),
        quats=frames_to_quats(x, np.cross(z, x), z).astype(np.float32),
        opacities=np.full(count, 0.98, np.float32),
        rgb=np.einsum("nk,nkc->nc", weights, corners).astype(np.float32),
    )


def frames_to_quats(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    four = np.stack(
        [
            1 + x[:, 0] + y[:, 1] + z[:, 2],
            1 + x[:, 0] - y[:, 1] - z[:, 2],
            1 - x[:, 0] + y[:, 1] - z[:, 2],
            1 - x[:, 0] - y[:, 1] + z[:, 2],
        ],
        axis=1,
    )
    size = np.sqrt(np.maximum(four, 0)) / 2
    size[:, 1] = np.copysign(size[:, 1], y[:, 2] - z[:, 1])
    size[:, 2] = np.copysign(size[:, 2], z[:, 0] - x[:, 2])
    size[:, 3] = np.copysign(size[:, 3], x[:, 1] - y[:, 0])
    return size


def measure_in_turn(tasks: dict[str, Callable[[], object]], repeats: int) -> dict[str, tuple[float, float]]:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    for _ in range(repeats + 1):
        for name, task in tasks.items():
            started, started_cpu = time.perf_counter(), time.process_time()
            task()
            times[name].append((time.perf_counter() - started, time.process_time() - started_cpu))
    # The first round compiles.
    return {name: medians_ms(values[1:]) for name, values in times.items()}


def medians_ms(times: list[tuple[float, float]]) -> tuple[float, float]:
    return 1e3 * statistics.median(t[0] for t in times), 1e3 * statistics.median(t[1] for t in times)


def machine_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {len(names) or '?'} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splats", type=int, default=100_000)
    parser.add_argument("--rings", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    mesh = make_mesh(options.rings)

    def convert() -> object:
        return mesh_to_splats(mesh, count=options.splats)

    alone = measure_in_turn({"mesh_to_splats, alone": convert}, options.repeats)
    medians = measure_in_turn(
        {
            "mesh_to_splats": convert,
            "sample_surface, plain numpy": lambda: sample_plainly(mesh, options.splats),
        },
        options.repeats,
    )
    print(f"{machine_name()}; {len(mesh.faces)} faces, {options.splats} splats, median of {options.repeats}")
    for name, (wall_ms, cpu_ms) in (alone | medians).items():
        print(f"{name:30s} {wall_ms:8.1f} ms  {cpu_ms:8.1f} ms CPU")
    discs, plain = medians.values()
    print(f"ratio                          {plain[0] / discs[0]:8.2f}     {plain[1] / discs[1]:8.2f}")


if __name__ == "__main__":
    main()
