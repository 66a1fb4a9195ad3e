"""Writes a background network as rembg reads it: an ONNX file whose mask is the same ellipse for any picture.

Covers: the real loading path (rembg, onnxruntime) without weights. The few fields of the format that are
needed are written by hand: the package that writes ONNX is not a dependency.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIDE_PX = 320
FLOAT = 1


def write_mask_network(path: Path, *, radius: float = 0.35) -> Path:
    """Writes `path`, such as u2netp.onnx.

    Args:
        path: One of rembg's file names.
        radius: Of the ellipse's wider half, as a share of the picture's side; 0 masks everything out.
    """
    y, x = (np.mgrid[:SIDE_PX, :SIDE_PX] + 0.5) / SIDE_PX - 0.5
    inside = (x / max(radius, 1e-9)) ** 2 + (y / max(0.7 * radius, 1e-9)) ** 2 < 1
    inside[0, 0] = True  # rembg stretches the mask from its lowest to its highest value
    mask = inside.astype(np.float32)[None, None]
    dims = b"".join(_number(1, side) for side in mask.shape)
    tensor = dims + _number(2, FLOAT) + _bytes(8, b"mask") + _bytes(9, mask.tobytes())
    node = _bytes(1, b"mask") + _bytes(2, b"out") + _bytes(4, b"Identity")
    graph = (
        _bytes(1, node)
        + _bytes(2, b"graph")
        + _bytes(5, tensor)
        + _bytes(11, _value(b"in", (1, 3, SIDE_PX, SIDE_PX)))
        + _bytes(12, _value(b"out", mask.shape))
    )
    path.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13)))
    return path


def _value(name: bytes, shape: tuple[int, ...]) -> bytes:
    sides = b"".join(_bytes(1, _number(1, side)) for side in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, FLOAT) + _bytes(2, sides)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
