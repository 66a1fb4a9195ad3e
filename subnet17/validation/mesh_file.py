"""Mesh files from outside: PLY meshes, GLB and OBJ, checked before trimesh may allocate anything for them.

Covers: counts that a PLY header or a GLB accessor announces against the bytes that are there, chunk bounds,
instancing and texture bombs, compressed extensions, external buffers and images (refused).
Not covered: OBJ material libraries and PLY texture comments, which name files that came along with nothing:
they are never followed, the shape is read without them.
"""

from __future__ import annotations

import io
import json
import struct
from collections import Counter
from typing import Any, Literal

import numpy as np
import trimesh
from PIL import Image

from subnet17.errors import AssetError, TooLargeError, UnknownFormatError
from subnet17.splat.limits import MAX_BYTES, check_bytes

MeshKind = Literal["ply", "glb", "obj"]

MAX_FACES = 5_000_000
MAX_TEXTURE_PIXELS = 8192 * 8192
MAX_NODES = 10_000
MAX_PLY_HEADER_BYTES = 16 * 1024
MAX_JSON_BYTES = 32 * 2**20

PLY_BYTES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "float", "int32", "uint32", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}
GLB_COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
GLB_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
GLB_JSON, GLB_BIN = 0x4E4F534A, 0x004E4942


def read_mesh(
    data: bytes, *, kind_hint: str | None = None, max_faces: int = MAX_FACES, max_bytes: int = MAX_BYTES
) -> trimesh.Trimesh:
    """Reads a mesh, believing nothing it says before it is checked.

    Args:
        data: A PLY mesh, a GLB (glTF 2.0 binary) or an OBJ.
        kind_hint: "ply", "glb" or "obj", from a file name or media type; only OBJ, which has no magic number,
            needs it. None: told from the first bytes.
        max_faces: Largest number of triangles, instances counted.
        max_bytes: Largest file.

    Returns:
        One triangle mesh, all parts in world coordinates; vertices as in the file, not merged.

    Raises:
        AssetError: unreadable, not what it claims, external data, no faces, indices out of range, or
            coordinates that are not finite. TooLargeError: over a limit. UnknownFormatError: another format.
    """
    check_bytes(len(data), max_bytes)
    kind = detect_kind(data, kind_hint)
    {"ply": _check_ply, "glb": _check_glb, "obj": _check_obj}[kind](data, max_faces)
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


def _check_ply(data: bytes, max_faces: int) -> None:
    """Refuses a header that promises more than the file holds."""
    end = data.find(b"end_header", 0, MAX_PLY_HEADER_BYTES)
    body = data.find(b"\n", end) + 1
    if end < 0 or not body:
        raise AssetError(f"no end_header in the PLY's first {MAX_PLY_HEADER_BYTES} bytes")
    header = data[:end].decode("ascii", "replace").splitlines()
    counts, row_bytes = _ply_elements(header)
    if set(counts) - {"vertex", "face"} or not counts.get("face") or not counts.get("vertex"):
        raise AssetError(f"PLY elements {counts}, expected vertices and faces", elements=counts)
    _check_faces(counts["face"], max_faces)
    _check_faces(counts["vertex"], 3 * max_faces)
    unit, present = "bytes", len(data) - body
    if any(line.split()[:2] == ["format", "ascii"] for line in header):
        unit, present = "lines", data.count(b"\n", body) + (not data.endswith(b"\n"))
        row_bytes = dict.fromkeys(counts, 1)
    promised = sum(count * row_bytes[name] for name, count in counts.items())
    if promised > present:
        raise AssetError(
            f"the PLY header promises {promised} {unit} or more, {present} are there",
            promised=promised,
            present=present,
        )


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


def _check_obj(data: bytes, max_faces: int) -> None:
    _check_faces(data.count(b"\nf ") + data.startswith(b"f "), max_faces)
    _check_faces(data.count(b"\nv ") + data.startswith(b"v "), 3 * max_faces)


def _check_glb(data: bytes, max_faces: int) -> None:
    tree, binary = _split_glb(data)
    try:
        _check_gltf(tree, binary, max_faces)
    except AssetError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise AssetError(f"the GLB's tree is broken: {type(error).__name__}: {error}"[:300]) from None


def _split_glb(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON tree and the binary chunk (empty if there is none), with all lengths checked."""
    if len(data) < 20:
        raise AssetError(f"a GLB of {len(data)} bytes, at least 20 are needed")
    _, version, length = struct.unpack_from("<4sII", data)
    if version != 2 or length != len(data):
        raise AssetError(f"GLB version {version} of {length} bytes announced, expected 2 and {len(data)}")
    chunks: dict[int, bytes] = {}
    at = 12
    while at < length:
        size, kind = struct.unpack_from("<II", data, at) if at + 8 <= length else (length, 0)
        if at + 8 + size > length or kind in chunks:
            raise AssetError(f"GLB chunk at byte {at} announces {size} bytes, {length - at} are left")
        chunks[kind] = data[at + 8 : at + 8 + size]
        at += 8 + size
    text = chunks.get(GLB_JSON, b"")
    check_bytes(len(text), MAX_JSON_BYTES)
    try:
        tree = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise AssetError(f"the GLB's JSON can't be read: {error}"[:300]) from None
    if not isinstance(tree, dict):
        raise AssetError("the GLB's JSON is not an object")
    return tree, chunks.get(GLB_BIN, b"")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_gltf(tree: dict[str, Any], binary: bytes, max_faces: int) -> None:
    compressed = [name for name in tree.get("extensionsRequired", []) if "compression" in name]
    if compressed:
        raise AssetError(f"GLB needs {compressed}, only plain geometry is read", extensions=compressed)
    for part in [*tree.get("buffers", []), *tree.get("images", [])]:
        if "uri" in part:
            raise AssetError(f"GLB refers to data outside its binary chunk: {str(part['uri'])[:80]}")
    for buffer in tree.get("buffers", []):
        if not 0 <= buffer["byteLength"] <= len(binary):
            raise AssetError(f"GLB buffer of {buffer['byteLength']} bytes, {len(binary)} are there")
    for view in tree.get("bufferViews", []):
        if not 0 <= view.get("byteOffset", 0) <= len(binary) - view["byteLength"] <= len(binary):
            raise AssetError(f"GLB buffer view {view} leaves the {len(binary)} bytes there are")
    for accessor in tree.get("accessors", []):
        _check_accessor(accessor, tree)
    _check_instances(tree, max_faces)
    for image in tree.get("images", []):
        _check_image(tree["bufferViews"][image["bufferView"]], binary)


def _check_accessor(accessor: dict[str, Any], tree: dict[str, Any]) -> None:
    if "sparse" in accessor or "bufferView" not in accessor:
        raise AssetError("GLB accessors that are sparse or without a buffer view are not read")
    view = tree["bufferViews"][accessor["bufferView"]]
    item = GLB_COMPONENT_BYTES[accessor["componentType"]] * GLB_COMPONENTS[accessor["type"]]
    stride = view.get("byteStride") or item
    needed = accessor.get("byteOffset", 0) + (accessor["count"] - 1) * stride + item
    if (
        accessor["count"] < 1
        or accessor.get("byteOffset", 0) < 0
        or stride < item
        or needed > view["byteLength"]
    ):
        raise AssetError(f"GLB accessor needs {needed} bytes of a view of {view['byteLength']}")


def _check_instances(tree: dict[str, Any], max_faces: int) -> None:
    """Refuses node graphs that are no trees, where few bytes ask for endless copies, and counts faces."""
    nodes = tree.get("nodes", [])
    if len(nodes) > MAX_NODES:
        raise TooLargeError(f"{len(nodes)} GLB nodes, at most {MAX_NODES} are allowed", nodes=len(nodes))
    parents = Counter(child for node in nodes for child in node.get("children", []))
    if parents and (max(parents.values()) > 1 or not all(0 <= child < len(nodes) for child in parents)):
        raise AssetError("GLB nodes with several parents, or children that are not there")
    faces_of = [
        sum(_count_faces(part, tree) for part in mesh["primitives"]) for mesh in tree.get("meshes", [])
    ]
    _check_faces(sum(faces_of), max_faces)
    _check_faces(sum(faces_of[node["mesh"]] for node in nodes if "mesh" in node), max_faces)


def _count_faces(primitive: dict[str, Any], tree: dict[str, Any]) -> int:
    source = primitive.get("indices", primitive["attributes"]["POSITION"])
    count: int = tree["accessors"][source]["count"]
    return count if primitive.get("mode", 4) in {5, 6} else count // 3  # strips and fans


def _check_image(view: dict[str, Any], binary: bytes) -> None:
    start = view.get("byteOffset", 0)
    try:
        with Image.open(io.BytesIO(binary[start : start + view["byteLength"]])) as image:
            pixels = image.width * image.height
    except Exception as error:  # Pillow's plugins raise many kinds
        raise AssetError(f"a GLB texture can't be read: {error}"[:300]) from None
    if pixels > MAX_TEXTURE_PIXELS:
        raise TooLargeError(
            f"a GLB texture of {pixels} pixels, at most {MAX_TEXTURE_PIXELS} are allowed", pixels=pixels
        )


def _check_mesh(mesh: Any, kind: str, max_faces: int) -> None:
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        raise AssetError(f"the {kind} holds no triangles", kind=kind)
    _check_faces(len(mesh.faces), max_faces)
    faces, vertices = np.asarray(mesh.faces), np.asarray(mesh.vertices)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise AssetError(f"vertices {vertices.shape} and faces {faces.shape}, expected rows of three")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise AssetError(f"a face names a vertex outside 0..{len(vertices) - 1}", vertices=len(vertices))
    if not np.isfinite(vertices).all():
        raise AssetError("vertices hold values that are not finite")
