"""Mesh files from outside: PLY meshes, GLB and OBJ, checked before trimesh may allocate anything for them.

Covers: text that takes long to read, polygons of an OBJ; for PLY see ply_file.py, for GLB glb_file.py.
Not covered: materials, groups and smoothing of an OBJ, over which trimesh takes seconds for some thousand
lines; they name files that never came along. The shape is read without them.
"""

from __future__ import annotations

import io
import re
from typing import Any, Literal

import numpy as np
import trimesh

from subnet17.errors import AssetError, InvalidInputError, UnknownFormatError
from subnet17.splat.limits import MAX_BYTES, check_announced, check_bytes
from subnet17.validation.glb_file import rewrite_glb
from subnet17.validation.ply_file import read_ply_mesh
from subnet17.validation.ply_header import read_header

MeshKind = Literal["ply", "glb", "obj"]

MAX_FACES = 5_000_000
MAX_COORDINATE = 1e18
"""Its cube, in a volume, is still a number that float64 holds, and its square one of float32."""
MAX_TEXT_BYTES = 64 * 2**20
"""Of an OBJ, for which trimesh takes 6 to 12 microseconds a line, however short, or a PLY in ASCII."""

OBJ_SHAPE = re.compile(rb"^[ \t]*((?:v|vt|f)[ \t][-+.0-9eE/naif \t]*)", re.MULTILINE)
"""The lines of an OBJ that make its shape, up to the first character that none of them needs."""


def read_mesh(
    data: bytes,
    *,
    max_faces: int = MAX_FACES,
    max_bytes: int = MAX_BYTES,
    max_text_bytes: int = MAX_TEXT_BYTES,
) -> trimesh.Trimesh:
    """Reads a mesh, believing nothing it says before it is checked.

    Args:
        data: A PLY mesh, a GLB (glTF 2.0 binary) or an OBJ.
        max_faces: Largest number of triangles, instances counted.
        max_bytes: Largest file.
        max_text_bytes: Largest OBJ or PLY in ASCII.

    Returns:
        One triangle mesh, all parts in world coordinates; vertices as in the file, not merged.

    Raises:
        AssetError: unreadable, not what it claims, external data, no faces, indices out of range, or
            coordinates that are not finite. TooLargeError: over a limit. UnknownFormatError: another format.
    """
    check_bytes(len(data), max_bytes)
    kind = detect_kind(data)
    if kind == "obj" or (kind == "ply" and read_header(data).text):
        check_bytes(len(data), max_text_bytes)
    try:
        mesh = _read(data, kind, max_faces)
    except InvalidInputError:
        raise
    except Exception as error:  # trimesh raises whatever its parsers stumble over
        raise AssetError(f"can't read the {kind}: {type(error).__name__}: {error}"[:300], kind=kind) from None
    _check_mesh(mesh, kind, max_faces)
    return mesh


def detect_kind(data: bytes) -> MeshKind:
    """Tells a mesh file's format from its bytes: names and media types say little.

    Raises:
        UnknownFormatError: none of the three.
    """
    if data[:4] == b"glTF":
        return "glb"
    if data[:4] in {b"ply\n", b"ply\r"}:
        return "ply"
    if b"\0" not in data[:4096] and (data.startswith((b"v ", b"f ")) or b"\nv " in data[: 2**20]):
        return "obj"
    raise UnknownFormatError("neither a PLY, a GLB nor an OBJ mesh", allowed=["ply", "glb", "obj"])


def _read(data: bytes, kind: MeshKind, max_faces: int) -> Any:
    if kind == "ply":
        return read_ply_mesh(data, max_faces)
    plain = rewrite_glb(data, max_faces) if kind == "glb" else _rewrite_obj(data, max_faces)
    return trimesh.load_mesh(io.BytesIO(plain), file_type=kind, process=False)


def _rewrite_obj(data: bytes, max_faces: int) -> bytes:
    lines = OBJ_SHAPE.findall(data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").replace(b"\r", b"\n"))
    # A polygon becomes a fan, so a line may make many faces; one that makes none is read all the same.
    faces = sum(max(1, len(line.split()) - 3) for line in lines if line.startswith(b"f"))
    check_announced(faces, max_faces, "faces")
    check_announced(sum(line.startswith(b"v") for line in lines), 6 * max_faces, "vertices")
    return b"\n".join([*lines, b""])


def _check_mesh(mesh: Any, kind: str, max_faces: int) -> None:
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        raise AssetError(f"the {kind} holds no triangles", kind=kind)
    check_announced(len(mesh.faces), max_faces, "faces")
    faces, vertices = np.asarray(mesh.faces), np.asarray(mesh.vertices)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise AssetError(f"vertices {vertices.shape} and faces {faces.shape}, expected rows of three")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise AssetError(f"a face names a vertex outside 0..{len(vertices) - 1}", vertices=len(vertices))
    largest = np.abs(vertices).max()
    if not largest <= MAX_COORDINATE:  # also where it is NaN
        raise AssetError(
            f"a coordinate is {largest:g}, at most {MAX_COORDINATE:g} is allowed", allowed=MAX_COORDINATE
        )
