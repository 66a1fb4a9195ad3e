"""Mesh files from outside: PLY meshes, GLB and OBJ, checked before trimesh may allocate anything for them.

Covers: counts that a PLY header announces against the bytes that are there, text that takes long to read;
for GLB see glb_file.py.
Not covered: materials, groups and smoothing of an OBJ, over which trimesh takes seconds for some thousand
lines, and PLY texture comments; both name files that came along with nothing. The shape is read without them.
"""

from __future__ import annotations

import io
import re
from typing import Any, Literal

import numpy as np
import trimesh

from subnet17.errors import AssetError, TooLargeError, UnknownFormatError
from subnet17.splat.limits import MAX_BYTES, check_bytes
from subnet17.validation.glb_file import rewrite_glb

MeshKind = Literal["ply", "glb", "obj"]

MAX_FACES = 5_000_000
MAX_COORDINATE = 1e18
"""Its cube, in a volume, is still a number that float64 holds, and its square one of float32."""
MAX_PLY_HEADER_BYTES = 16 * 1024
MAX_TEXT_BYTES = 64 * 2**20
"""Of an OBJ or a PLY in ASCII: trimesh takes 6 to 12 microseconds for each line, however short."""

OBJ_SHAPE = re.compile(rb"^[ \t]*((?:v|vt|f)[ \t][-+.0-9eE/naif \t]*)", re.MULTILINE)
"""The lines of an OBJ that make its shape, up to the first character that none of them needs."""

PLY_BYTES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "float", "int32", "uint32", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}


def read_mesh(
    data: bytes,
    *,
    kind_hint: str | None = None,
    max_faces: int = MAX_FACES,
    max_bytes: int = MAX_BYTES,
    max_text_bytes: int = MAX_TEXT_BYTES,
) -> trimesh.Trimesh:
    """Reads a mesh, believing nothing it says before it is checked.

    Args:
        data: A PLY mesh, a GLB (glTF 2.0 binary) or an OBJ.
        kind_hint: "ply", "glb" or "obj", from a file name or media type; only OBJ, which has no magic number,
            needs it. None: told from the first bytes.
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
    kind = detect_kind(data, kind_hint)
    if kind == "obj" or (kind == "ply" and _is_ascii(data)):
        check_bytes(len(data), max_text_bytes)
    data = {"ply": _check_ply, "glb": rewrite_glb, "obj": _rewrite_obj}[kind](data, max_faces)
    try:
        mesh = trimesh.load_mesh(io.BytesIO(data), file_type=kind, process=False)
    except Exception as error:  # trimesh raises whatever its parsers stumble over
        raise AssetError(f"can't read the {kind}: {type(error).__name__}: {error}"[:300], kind=kind) from None
    _check_mesh(mesh, kind, max_faces)
    return mesh


def detect_kind(data: bytes, kind_hint: str | None = None) -> MeshKind:
    """Tells a mesh file's format.

    Raises:
        AssetError: the bytes contradict the hint. UnknownFormatError: none of the three.
    """
    found: MeshKind | None = None
    if data[:4] == b"glTF":
        found = "glb"
    elif data[:4] in {b"ply\n", b"ply\r"}:
        found = "ply"
    elif b"\0" not in data[:4096] and (data.startswith((b"v ", b"f ")) or b"\nv " in data[: 2**20]):
        found = "obj"
    if found is None:
        raise UnknownFormatError("neither a PLY, a GLB nor an OBJ mesh", allowed=["ply", "glb", "obj"])
    if kind_hint is not None and kind_hint.lower().lstrip(".") != found:
        raise AssetError(f"said to be {kind_hint}, but it is {found}", hint=kind_hint, kind=found)
    return found


def _check_faces(count: int, max_faces: int) -> None:
    if count > max_faces:
        raise TooLargeError(
            f"{count} faces announced, at most {max_faces} are allowed", faces=count, limit=max_faces
        )


def _is_ascii(data: bytes) -> bool:
    """Whether trimesh will take a PLY for text: by its second line, whatever the others say."""
    return b"ascii" in data[:MAX_PLY_HEADER_BYTES].split(b"\n", 2)[1].lower()


def _check_ply(data: bytes, max_faces: int) -> bytes:
    """The same bytes, unless their header promises more than the file holds."""
    end = data.find(b"\nend_header", 0, MAX_PLY_HEADER_BYTES) + 1
    body = data.find(b"\n", end) + 1
    if not end or not body:
        raise AssetError(f"no end_header in the PLY's first {MAX_PLY_HEADER_BYTES} bytes")
    header = data[:end].decode("ascii", "replace").splitlines()
    counts, row_bytes = _ply_elements(header)
    if set(counts) - {"vertex", "face"} or not counts.get("face") or not counts.get("vertex"):
        raise AssetError(f"PLY elements {counts}, expected vertices and faces", elements=counts)
    _check_faces(counts["face"], max_faces)
    _check_faces(counts["vertex"], 3 * max_faces)
    unit, present = "bytes", len(data) - body
    if _is_ascii(data):
        unit, present = "lines", data.count(b"\n", body) + (not data.endswith(b"\n"))
        row_bytes = dict.fromkeys(counts, 1)
    promised = sum(count * row_bytes[name] for name, count in counts.items())
    if promised > present:
        raise AssetError(
            f"the PLY header promises {promised} {unit} or more, {present} are there",
            promised=promised,
            present=present,
        )
    return data


def _ply_elements(header: list[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Rows and least bytes per row of each element; a face has three corners, other lists may be empty."""
    counts: dict[str, int] = {}
    row_bytes: dict[str, int] = {}
    for line in header[1:]:
        match line.split():
            case ["element", name, count] if count.isdecimal() and len(count) < 19 and name not in counts:
                counts[name], row_bytes[name] = int(count), 0
            case ["property", "list", length, item, name] if {length, item} <= PLY_BYTES.keys() and counts:
                corners = 3 if name in {"vertex_indices", "vertex_index"} else 0
                row_bytes[list(counts)[-1]] += PLY_BYTES[length] + corners * PLY_BYTES[item]
            case ["property", scalar, _] if scalar in PLY_BYTES and counts:
                row_bytes[list(counts)[-1]] += PLY_BYTES[scalar]
            case ["format", _, "1.0"] | ["comment" | "obj_info", *_] | []:
                pass
            case _:
                raise AssetError(f"PLY header line not understood: {line[:80]!r}")
    return counts, row_bytes


def _rewrite_obj(data: bytes, max_faces: int) -> bytes:
    lines = OBJ_SHAPE.findall(data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").replace(b"\r", b"\n"))
    _check_faces(sum(line.startswith(b"f") for line in lines), max_faces)
    _check_faces(sum(line.startswith(b"v") for line in lines), 6 * max_faces)
    return b"\n".join([*lines, b""])


def _check_mesh(mesh: Any, kind: str, max_faces: int) -> None:
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        raise AssetError(f"the {kind} holds no triangles", kind=kind)
    _check_faces(len(mesh.faces), max_faces)
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
