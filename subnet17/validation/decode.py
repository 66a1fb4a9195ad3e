"""An uploaded asset's bytes as splats, or as a mesh that can be told about but not submitted."""

from __future__ import annotations

from typing import Any

import trimesh

from subnet17.errors import AssetError, InvalidInputError, TooLargeError, UnknownFormatError
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.ply import read_ply
from subnet17.splat.spz import decode_spz
from subnet17.validation.mesh import analyse_mesh
from subnet17.validation.mesh_file import detect_kind, read_mesh
from subnet17.validation.requests import SPZ

MESH = "mesh"

ANALYSED_FACES = 200_000
ANALYSED_BYTES = 16 * 2**20
ANALYSED_TEXT_BYTES = 384 * 2**10
"""A mesh scores nothing, so it may not keep a worker busy: up to here it takes half a second."""


def decode_asset(data: bytes, compression: int, *, max_bytes: int, max_splats: int) -> GaussianCloud:
    """Reads an asset.

    Args:
        data: The file as sent.
        compression: 0 for a raw PLY, 2 for SPZ.
        max_bytes: Allowed size after decompression.
        max_splats: Allowed number of splats.

    Raises:
        AssetError: unreadable; a mesh carries detail `kind="mesh"`.
        TooLargeError: more bytes or splats than allowed.
    """
    if _is_glb_or_obj(data):
        raise AssetError("this is a mesh; convert it to splats before it is submitted", kind=MESH)
    if compression == SPZ:
        return decode_spz(data, max_bytes=max_bytes, max_splats=max_splats)
    return read_ply(data, max_bytes=max_bytes, max_splats=max_splats)


def _is_glb_or_obj(data: bytes) -> bool:
    try:
        return detect_kind(data) != "ply"
    except UnknownFormatError:
        return False


def describe_cloud(cloud: GaussianCloud) -> dict[str, Any]:
    """Counts and sizes of splats, for the answer."""
    opacities = cloud.opacities
    return {
        "kind": "splats",
        "splats": len(cloud),
        "bbox": {"min": cloud.means.min(axis=0).tolist(), "max": cloud.means.max(axis=0).tolist()},
        "mean_opacity": round(float(opacities.mean()), 4),
        "transparent_share": round(float((opacities < 1e-3).mean()), 4),
    }


def read_small_mesh(data: bytes) -> trimesh.Trimesh:
    """A mesh within the limits of what is looked at where splats are expected; raises as `read_mesh`."""
    return read_mesh(
        data, max_faces=ANALYSED_FACES, max_bytes=ANALYSED_BYTES, max_text_bytes=ANALYSED_TEXT_BYTES
    )


def inspect_mesh(data: bytes) -> tuple[dict[str, Any], trimesh.Trimesh | None]:
    """What a mesh is made of, for the answer, and the mesh itself unless it can't be read in short time."""
    try:
        mesh = read_small_mesh(data)
        report = analyse_mesh(mesh)
    except TooLargeError as error:
        return {"kind": MESH, "mesh": None, "mesh_error": f"not analysed: {error.message}"}, None
    except InvalidInputError as error:
        return {"kind": MESH, "mesh": None, "mesh_error": error.message}, None
    counts = {"vertices": report.vertices, "faces": report.faces}
    bbox = {"min": list(report.bbox_low), "max": list(report.bbox_high)}
    return {"kind": MESH, **counts, "bbox": bbox, "mesh": report.as_json()}, mesh
