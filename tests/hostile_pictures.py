"""Pictures that take long for their size, and GLB files that carry them as textures."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

import numpy as np
import trimesh
from PIL import Image

PNG_HEAD_BYTES = 33
"""Signature and IHDR, behind which other chunks may stand."""


def encode(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def jpeg_of_scans(count: int, form: str = "JPEG") -> bytes:
    """A progressive JPEG whose last scan is repeated: a pass over all its pixels for a few bytes each.

    Args:
        count: How often.
        form: "JPEG", or "MPO" for one that says that further pictures follow.
    """
    grey = Image.new("L", (64, 64), 90)
    further = {"save_all": True, "append_images": [grey]} if form == "MPO" else {}
    data = encode(grey, form, progressive=True, **further)
    end = data.index(b"\xff\xd9")
    last = data[data.rindex(b"\xff\xda", 0, end) : end]
    return data[:end] + last * count + data[end:]


def png_of_profiles(count: int) -> bytes:
    """A PNG of a few pixels with colour profiles of a MB of zeros, a KB each."""
    content = b"iCCP" + b"a\0\0" + zlib.compress(bytes(2**20), 9)
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    data = encode(Image.new("L", (8, 8)), "PNG")
    return data[:PNG_HEAD_BYTES] + chunk * count + data[PNG_HEAD_BYTES:]


def glb_with_texture(picture: bytes) -> bytes:
    """A GLB of one triangle under a texture, whatever its bytes are."""
    sheet = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    uv = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    sheet.visual = trimesh.visual.TextureVisuals(uv=uv, image=Image.new("RGB", (4, 4)))
    tree, binary = split_glb(sheet.export(file_type="glb"))
    view = {"buffer": 0, "byteOffset": len(binary), "byteLength": len(picture)}
    tree["bufferViews"][tree["images"][0]["bufferView"]] = view
    binary += picture + bytes(-len(picture) % 4)
    tree["buffers"][0]["byteLength"] = len(binary)
    return join_glb(tree, binary)


def split_glb(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The tree and the binary chunk."""
    size = struct.unpack_from("<I", data, 12)[0]
    tree: dict[str, Any] = json.loads(data[20 : 20 + size])
    return tree, data[28 + size :]


def join_glb(tree: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIIII", b"glTF", 2, 28 + len(text) + len(binary), len(text), 0x4E4F534A)
    return head + text + struct.pack("<II", len(binary), 0x004E4942) + binary
