"""A field's surface as a triangle mesh, for GLB and mesh PLY; splats need none (splat/from_field.py).

Covers: the same sparse evaluation as for splats, filled up to a whole grid by interpolation; marching cubes
('mc') or dual marching cubes on the GPU ('dmc'); floating crumbs removed; fewer faces. All in memory.
Not covered: colours; `colour_surface` takes the mesh's vertices and their normals.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import structlog
import torch
import trimesh
from numpy.typing import NDArray
from scipy import sparse
from skimage.measure import marching_cubes
from torch import Tensor

from subnet17.errors import ConfigError, StageError
from subnet17.splat.sparse_grid import BOUNDS, Field, SparseGrid, refine

FACES = 40_000
"""Faces kept. The finest grid gives a million, most of them for flat ground."""
CRUMB_SHARE = 0.005
"""Separate parts with fewer of the faces than this are left out."""

Vertices = NDArray[np.float32]
Faces = NDArray[np.int64]

log = structlog.get_logger(__name__)


def field_to_mesh(
    field: Field,
    *,
    resolution: int,
    mc_algo: str = "mc",
    device: str | torch.device,
    bounds: float = BOUNDS,
    faces: int = FACES,
) -> trimesh.Trimesh:
    """Meshes where a field is zero.

    Args:
        field: Positive inside; its axes are the mesh's, +Y up.
        resolution: Cells along an axis; the whole grid takes 4 bytes a vertex, 230 MB at 384.
        mc_algo: "mc" on the CPU, or "dmc" on a CUDA device, with the package diso.
        device: Where to evaluate.
        bounds: Half the side of the cube that is looked at; what touches its border is closed there.
        faces: Most faces of the result.

    Returns:
        A closed mesh with outward faces.

    Raises:
        ConfigError: another algorithm, or one that can't run here.
        StageError: stage "surface": there is no surface, or the field can't be read.
    """
    extract = _choose_extractor(mc_algo, torch.device(device))
    volume = _fill_volume(field, resolution, bounds, device)
    if not bool((volume > 0).any()):
        raise StageError("the field has no surface: it is positive nowhere", stage="surface")
    vertices, triangles = extract(volume)
    vertices = (vertices * (2 * bounds / (len(volume) - 1)) - bounds).astype(np.float32)
    vertices, triangles = _drop_crumbs(*_weld(vertices, triangles))
    mesh = _simplify(vertices, triangles, faces)
    if mesh.volume < 0:
        mesh.invert()
    return mesh


@torch.no_grad()
def _fill_volume(field: Field, resolution: int, bounds: float, device: str | torch.device) -> Tensor:
    """(S, S, S) float32 values, S >= resolution + 1: as evaluated near the surface, else interpolated.

    Interpolation keeps the sign of cells that weren't refined, and leaves nothing undefined.
    """
    volume = torch.empty(0)
    for grid in refine(field, resolution=resolution, bounds=bounds, device=device):
        side = grid.resolution + 1
        if volume.numel():
            volume = torch.nn.functional.interpolate(
                volume[None, None], size=(side, side, side), mode="trilinear", align_corners=True
            )[0, 0]
        else:
            volume = torch.empty(side, side, side, device=grid.values.device)
        _write(volume, grid)
    return volume


def _write(volume: Tensor, grid: SparseGrid) -> None:
    # A value of exactly zero would be a vertex of many coinciding triangles.
    values = torch.where(grid.values == 0, -1e-6, grid.values)
    volume.view(-1)[grid.keys] = values


def _choose_extractor(mc_algo: str, device: torch.device) -> Any:
    if mc_algo == "mc":
        return _march
    if mc_algo != "dmc":
        raise ConfigError(f"mc_algo {mc_algo!r}, expected 'mc' or 'dmc'", key="generation.mc_algo")
    try:
        diso = importlib.import_module("diso")
    except ImportError as error:
        raise ConfigError(
            f"mc_algo 'dmc' needs the package diso ({error}); install it or set mc_algo to 'mc'",
            key="generation.mc_algo",
        ) from None
    if device.type != "cuda":
        raise ConfigError(f"mc_algo 'dmc' needs a CUDA device, not {device.type}", key="generation.mc_algo")
    return lambda volume: _march_dual(volume, diso)


def _march(volume: Tensor) -> tuple[Vertices, Faces]:
    vertices, faces, _, _ = marching_cubes(volume.cpu().numpy(), 0.0)  # type: ignore[no-untyped-call]
    return vertices, faces.astype(np.int64)


def _march_dual(volume: Tensor, diso: Any) -> tuple[Vertices, Faces]:
    extract = diso.DiffDMC(dtype=torch.float32).to(volume.device)
    vertices, faces = extract(-volume, deform=None, return_quads=False, normalize=False)
    return vertices.cpu().numpy(), faces.cpu().numpy().astype(np.int64)


def _weld(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Makes coinciding vertices one and drops faces that lose a corner by that."""
    unique, numbers = np.unique(vertices, axis=0, return_inverse=True)
    faces = numbers.reshape(-1)[faces]
    a, b, c = faces.T
    return unique, faces[(a != b) & (b != c) & (c != a)]


def _drop_crumbs(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Leaves out separate parts with next to no faces; the largest stays in any case."""
    links = sparse.coo_matrix(
        (np.ones(2 * len(faces), np.int8), (faces[:, :2].ravel(), faces[:, 1:].ravel())),
        shape=(len(vertices), len(vertices)),
    )
    count, parts = sparse.csgraph.connected_components(links, directed=False)
    sizes = np.bincount(parts[faces[:, 0]], minlength=count)
    kept = sizes >= min(CRUMB_SHARE * len(faces), sizes.max())
    faces = faces[kept[parts[faces[:, 0]]]]
    used, numbers = np.unique(faces, return_inverse=True)
    return vertices[used], numbers.reshape(-1, 3)


def _simplify(vertices: Vertices, faces: Faces, target: int) -> trimesh.Trimesh:
    """Collapses edges down to a number of faces; keeps the full mesh if that would open it."""
    full = trimesh.Trimesh(vertices, faces, process=False)
    if len(faces) <= target:
        return full
    simplification = importlib.import_module("fast_simplification")
    fewer = simplification.simplify(vertices, faces.astype(np.int32), target_count=target)
    mesh = trimesh.Trimesh(*fewer, process=True)
    mesh.update_faces(mesh.nondegenerate_faces())
    mesh.remove_unreferenced_vertices()
    if full.is_watertight and not mesh.is_watertight:
        log.warning("mesh_not_simplified", faces=len(faces), wanted=target)
        return full
    return mesh
