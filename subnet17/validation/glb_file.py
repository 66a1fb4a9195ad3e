"""GLB files from outside, checked and rewritten so that trimesh reads nothing it could stumble over.

Covers: chunk bounds, accessors against the bytes that are there, node chains and circles; instances, views,
accessors, primitives and textures that few bytes multiply; external data and compressed extensions (refused).
What is handed on holds triangles, vertex colours, texture coordinates and base colours; normals, other maps,
animations, skins, cameras and optional extensions are left out, and no picture of theirs is looked at.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from typing import Any

from subnet17.errors import AssetError, TooLargeError, UnknownFormatError
from subnet17.serving.inputs import count_packed, open_image
from subnet17.splat.limits import check_announced, check_bytes

Tree = dict[str, Any]

MAX_TEXTURE_PIXELS = 4096 * 4096
"""Of all textures together, each counted for every material that has it: trimesh joins them in one."""
TEXTURE_FORMATS = ("PNG", "JPEG")
"""glTF's own. No format that Pillow tries before begins alike: trimesh, which names none, gets the same."""
MAX_PACKED_CHUNKS = 200
"""Of all textures together, see `PNG_MAX_PACKED`."""
MAX_NODES = 1000
MAX_NODE_DEPTH = 32
"""trimesh walks the whole chain for every node of it."""
MAX_PRIMITIVES = 500
"""Instances counted: trimesh takes about a millisecond for each."""
MAX_MATERIALS = 500
MAX_JSON_BYTES = 4 * 2**20
COPIED_SHARE = 4
"""So many times the binary chunk may views hold together, and accessors read: each of them is copied."""

COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
JSON_CHUNK, BIN_CHUNK = 0x4E4F534A, 0x004E4942

KEPT = ("scene", "scenes", "accessors", "bufferViews", "buffers")
KEPT_OF_NODE = ("children", "mesh", "matrix", "translation", "rotation", "scale")
KEPT_OF_PRIMITIVE = ("indices", "mode", "material")
ATTRIBUTES = ("POSITION", "COLOR_0", "TEXCOORD_0")


def rewrite_glb(data: bytes, max_faces: int) -> bytes:
    """The same file with only what is read here.

    Raises:
        AssetError: not what it claims. TooLargeError: over a limit.
    """
    tree, binary = _split(data)
    try:
        _check_tree(tree, binary, max_faces)
        text = json.dumps(_plain_tree(tree)).encode()
    except AssetError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise AssetError(f"the GLB's tree is broken: {type(error).__name__}: {error}"[:300]) from None
    text += b" " * (-len(text) % 4)
    total = 28 + len(text) + len(binary)
    head = struct.pack("<4sIIII", b"glTF", 2, total, len(text), JSON_CHUNK)
    return b"".join([head, text, struct.pack("<II", len(binary), BIN_CHUNK), binary])


def _split(data: bytes) -> tuple[Tree, bytes]:
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
    return _parse_tree(chunks.get(JSON_CHUNK, b"")), chunks.get(BIN_CHUNK, b"")


def _parse_tree(text: bytes) -> Tree:
    check_bytes(len(text), MAX_JSON_BYTES)
    try:
        tree = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise AssetError(f"the GLB's JSON can't be read: {error}"[:300]) from None
    if not isinstance(tree, dict):
        raise AssetError("the GLB's JSON is not an object")
    return tree


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_tree(tree: Tree, binary: bytes, max_faces: int) -> None:
    compressed = [str(name)[:40] for name in tree.get("extensionsRequired", []) if "compression" in name][:4]
    if compressed:
        raise AssetError(f"GLB needs {compressed}, only plain geometry is read", extensions=compressed)
    for part in [*tree.get("buffers", []), *tree.get("images", [])]:
        if "uri" in part:
            raise AssetError(f"GLB refers to data outside its binary chunk: {part['uri']!r:.80}")
    for buffer in tree.get("buffers", []):
        if not 0 <= buffer["byteLength"] <= len(binary):
            raise AssetError(f"GLB buffer of {buffer['byteLength']!r:.20} bytes, {len(binary)} are there")
    for view in tree.get("bufferViews", []):
        if not 0 <= view.get("byteOffset", 0) <= len(binary) - view["byteLength"] <= len(binary):
            raise AssetError(f"GLB buffer view {view!r:.120} leaves the {len(binary)} bytes there are")
    check_bytes(sum(view["byteLength"] for view in tree.get("bufferViews", [])), COPIED_SHARE * len(binary))
    copied = sum(_check_accessor(accessor, tree) for accessor in tree.get("accessors", []))
    check_bytes(copied, COPIED_SHARE * len(binary))
    _check_nodes(tree.get("nodes", []))
    _check_sizes(tree, max_faces)
    _check_materials(tree, binary)


def _check_accessor(accessor: Tree, tree: Tree) -> int:
    """The bytes that it reads, all of which are there."""
    if "sparse" in accessor or "bufferView" not in accessor:
        raise AssetError("GLB accessors that are sparse or without a buffer view are not read")
    view = tree["bufferViews"][accessor["bufferView"]]
    item = COMPONENT_BYTES[accessor["componentType"]] * COMPONENTS[accessor["type"]]
    stride = view.get("byteStride") or item
    start, count = accessor.get("byteOffset", 0), accessor["count"]
    needed = start + (count - 1) * stride + item
    if count < 1 or start < 0 or stride < item or needed > view["byteLength"]:
        raise AssetError(f"GLB accessor needs {needed!r:.20} bytes of a view of {view['byteLength']}")
    return int(needed)


def _check_nodes(nodes: list[Tree]) -> None:
    """Refuses what is no forest, where few bytes ask for endless copies, and long chains."""
    if len(nodes) > MAX_NODES:
        raise TooLargeError(f"{len(nodes)} GLB nodes, at most {MAX_NODES} are allowed", nodes=len(nodes))
    parents = Counter(child for node in nodes for child in node.get("children", []))
    if parents and (max(parents.values()) > 1 or not all(0 <= child < len(nodes) for child in parents)):
        raise AssetError("GLB nodes with several parents, or children that are not there")
    reached, level = 0, [node for node in range(len(nodes)) if node not in parents]
    for _ in range(MAX_NODE_DEPTH):
        reached += len(level)
        level = [child for node in level for child in nodes[node].get("children", [])]
    if level:
        raise TooLargeError(f"GLB nodes are nested deeper than {MAX_NODE_DEPTH}, which are allowed")
    if reached != len(nodes):  # no root leads to the rest
        raise AssetError(f"{len(nodes) - reached} GLB nodes lie in circles")


def _check_sizes(tree: Tree, max_faces: int) -> None:
    """Counts faces, vertices and primitives, those of the file and those of all instances."""
    meshes = [_size_of(mesh["primitives"], tree) for mesh in tree.get("meshes", [])]
    placed = [meshes[node["mesh"]] for node in tree.get("nodes", []) if "mesh" in node]
    limits = {"faces": max_faces, "vertices": 3 * max_faces, "primitives": MAX_PRIMITIVES}
    for sizes in (meshes, placed):
        for place, (name, limit) in enumerate(limits.items()):
            check_announced(sum(size[place] for size in sizes), limit, name)


def _size_of(primitives: list[Tree], tree: Tree) -> tuple[int, int, int]:
    """Faces, vertices and primitives; vertices that primitives share count each time, as they are copied."""
    positions = [primitive["attributes"]["POSITION"] for primitive in primitives]
    return (
        sum(_count_faces(primitive, tree) for primitive in primitives),
        sum(tree["accessors"][position]["count"] for position in positions),
        len(primitives),
    )


def _count_faces(primitive: Tree, tree: Tree) -> int:
    source = primitive.get("indices", primitive["attributes"]["POSITION"])
    count: int = tree["accessors"][source]["count"]
    return count if primitive.get("mode", 4) in {5, 6} else count // 3  # strips and fans


def _check_materials(tree: Tree, binary: bytes) -> None:
    materials = tree.get("materials", [])
    if len(materials) > MAX_MATERIALS:
        raise TooLargeError(f"{len(materials)} GLB materials, at most {MAX_MATERIALS} are allowed")
    used = [view for view in _texture_views(tree) if view is not None]
    views = {view: tree["bufferViews"][view] for view in used}
    packed = sum(count_packed(_bytes_of(view, binary)) for view in views.values())
    _check_textures("compressed chunks", packed, MAX_PACKED_CHUNKS)
    pixels_of = {place: _count_pixels(_bytes_of(view, binary)) for place, view in views.items()}
    _check_textures("pixels", sum(pixels_of[place] for place in used), MAX_TEXTURE_PIXELS)


def _check_textures(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise TooLargeError(
            f"GLB textures of {count} {what} together, at most {limit} are allowed",
            measured=count,
            limit=limit,
        )


def _texture_views(tree: Tree) -> list[int | None]:
    """The buffer view of each material's base colour texture; None where it has none."""
    return [_texture_view(material, tree) for material in tree.get("materials", [])]


def _texture_view(material: Tree, tree: Tree) -> int | None:
    base = material.get("pbrMetallicRoughness", {}).get("baseColorTexture")
    source = None if base is None else tree["textures"][base["index"]].get("source")
    view: int | None = None if source is None else tree["images"][source]["bufferView"]
    return view


def _bytes_of(view: Tree, binary: bytes) -> bytes:
    start: int = view.get("byteOffset", 0)
    return binary[start : start + view["byteLength"]]


def _count_pixels(picture: bytes) -> int:
    try:
        image = open_image(picture, field="a GLB texture", formats=TEXTURE_FORMATS)
    except UnknownFormatError as error:
        raise AssetError(error.message) from None
    return image.width * image.height


def _plain_tree(tree: Tree) -> Tree:
    views = _texture_views(tree)
    pictures = list(dict.fromkeys(view for view in views if view is not None))
    materials = tree.get("materials", [])
    return {name: tree[name] for name in KEPT if name in tree} | {
        "asset": {"version": "2.0"},
        "nodes": [_pick(node, KEPT_OF_NODE) for node in tree.get("nodes", [])],
        "meshes": [
            {"primitives": [_plain_primitive(part) for part in mesh["primitives"]]}
            for mesh in tree.get("meshes", [])
        ],
        "materials": [
            _plain_material(material, None if view is None else pictures.index(view))
            for material, view in zip(materials, views, strict=True)
        ],
        "textures": [{"source": place} for place in range(len(pictures))],
        "images": [{"bufferView": view} for view in pictures],
    }


def _plain_primitive(primitive: Tree) -> Tree:
    return _pick(primitive, KEPT_OF_PRIMITIVE) | {"attributes": _pick(primitive["attributes"], ATTRIBUTES)}


def _plain_material(material: Tree, texture: int | None) -> Tree:
    base = _pick(material.get("pbrMetallicRoughness", {}), ("baseColorFactor",))
    if texture is not None:
        base["baseColorTexture"] = {"index": texture}
    return {"pbrMetallicRoughness": base}


def _pick(tree: Tree, names: tuple[str, ...]) -> Tree:
    return {name: tree[name] for name in names if name in tree}
