"""A finished asset and how it is written in each format."""

from __future__ import annotations

from dataclasses import dataclass, field

import trimesh

from subnet17.errors import AssetError, StageError
from subnet17.generation.request import AssetFormat
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.ply import write_ply
from subnet17.splat.spz import encode_spz


@dataclass(frozen=True)
class GeneratedAsset:
    """What a worker process hands back.

    Attributes:
        data: The file's bytes.
        splats: Number of Gaussians; 0 for a mesh.
        notes: What the caller should know, such as words that were not understood.
        timings_s: Seconds per stage.
    """

    data: bytes
    splats: int
    notes: list[str] = field(default_factory=list)
    timings_s: dict[str, float] = field(default_factory=dict)


def write_cloud(cloud: GaussianCloud, asset_format: AssetFormat) -> bytes:
    """The bytes of a splat format, ply or spz.

    Raises:
        StageError: the cloud can't be written, which is the generator's fault and not the caller's.
    """
    try:
        return write_ply(cloud) if asset_format == "ply" else encode_spz(cloud)
    except AssetError as error:
        raise StageError(f"write failed: {error.message}", stage="write", **error.detail) from None


def write_mesh(mesh: trimesh.Trimesh, asset_format: AssetFormat) -> bytes:
    """The bytes of a mesh format, glb or mesh_ply, with vertex colours."""
    file_type = "glb" if asset_format == "glb" else "ply"
    data = mesh.export(file_type=file_type)
    return data if isinstance(data, bytes) else bytes(data)
