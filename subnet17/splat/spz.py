"""Splats as SPZ in the network's variant: one ZSTD frame, versions 1 and 2 read, 2 written.

Covers: a strict reader for untrusted bytes and a writer, both vectorised. Does not cover gzip SPZ, which
is the format's upstream form (refused by name), version 3 and later, or spherical harmonics above
degree 0 (read over).

Layout after decompression: a 16-byte header, then per attribute for all splats: positions (3 x 24-bit
fixed point; version 1: 3 x float16), alphas u8, colours 3 x u8, scales 3 x u8, rotations 3 x u8, SH.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import zstandard
from numpy.typing import NDArray

from subnet17.errors import AssetError, InvalidInputError
from subnet17.splat.cloud import Float32, GaussianCloud
from subnet17.splat.limits import MAX_BYTES, MAX_SPLATS, check_bytes, check_count, check_finite

Bytes = NDArray[np.uint8]

MAGIC = 0x5053474E
VERSION = 2
FRACTIONAL_BITS = 12
MAX_POSITION = 2048 - 1 / 4096
"""The largest coordinate that 24 bits hold with 12 of them behind the point."""

MAX_LEVEL = 19
MAX_WINDOW_BYTES = 8 * 2**20
"""The window that ZSTD levels up to MAX_LEVEL use."""

_HEADER = struct.Struct("<IIIBBBB")
_ANTIALIASED = 0x01
_SH_BYTES = {0: 0, 1: 9, 2: 24, 3: 45}
_COLOUR_SCALE = np.float32(0.15)
_FEED_BYTES = 256
"""Fed to the decompressor at once. A block of 4 bytes makes up to 128 KiB, so one step makes up to 8 MiB."""


@dataclass(frozen=True)
class _Header:
    version: int
    count: int
    sh_degree: int
    fractional_bits: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Bytes per splat of positions, alphas, colours, scales, rotations and SH."""
        return (6 if self.version == 1 else 9), 1, 3, 3, 3, _SH_BYTES[self.sh_degree]

    @property
    def total_bytes(self) -> int:
        return _HEADER.size + self.count * sum(self.widths)


def encode_spz(cloud: GaussianCloud, *, level: int = 1) -> bytes:
    """Quantises and compresses the cloud; the uncompressed stream equals the official encoder's.

    Args:
        cloud: At least one splat; scales, opacities and colours beyond the format's range are clamped.
        level: ZSTD level, 1..19.

    Raises:
        AssetError: a value that `check_finite` refuses, or a coordinate beyond +-2048.
        InvalidInputError: a level out of range.
    """
    if not 1 <= level <= MAX_LEVEL:
        raise InvalidInputError(f"ZSTD level {level} is not in 1..{MAX_LEVEL}", level=level)
    cloud = check_finite(cloud)
    rows = [
        _HEADER.pack(MAGIC, VERSION, len(cloud), 0, FRACTIONAL_BITS, 0, 0),
        _pack_positions(cloud.means),
        _to_bytes(cloud.opacities * np.float32(255)),
        _to_bytes(cloud.sh0 * (_COLOUR_SCALE * np.float32(255)) + np.float32(127.5)),
        _to_bytes((cloud.log_scales + np.float32(10)) * np.float32(16)),
        _pack_rotations(cloud.unit_quats),
    ]
    return zstandard.ZstdCompressor(level=level).compress(b"".join(rows))


def decode_spz(data: bytes, *, max_bytes: int = MAX_BYTES, max_splats: int = MAX_SPLATS) -> GaussianCloud:
    """Decompresses and dequantises, believing nothing that frame or header say before it is checked.

    Alphas of 0 and 255 have an infinite logit and become -+MAX_LOGIT.

    Args:
        data: The whole file.
        max_bytes: Largest size after decompression.
        max_splats: Largest number of splats.

    Raises:
        AssetError: not one whole ZSTD frame, a header out of range, a payload of another length than
            numPoints asks for, or positions that are not finite (version 1).
        TooLargeError: more splats or bytes than allowed.
    """
    header, stream = _decompress(data, max_bytes, max_splats)
    columns, at = [], _HEADER.size
    flat = np.frombuffer(stream, dtype=np.uint8)
    for width in header.widths:
        columns.append(flat[at : at + width * header.count].reshape(header.count, width))
        at += width * header.count
    positions, alphas, colours, scales, rotations, _ = columns
    with np.errstate(divide="ignore"):
        p = alphas[:, 0].astype(np.float32) / 255
        logits = np.log(p / (1 - p))
    cloud = GaussianCloud(
        means=_unpack_positions(positions, header),
        log_scales=scales.astype(np.float32) / np.float32(16) - np.float32(10),
        quats=_unpack_rotations(rotations),
        logit_opacities=logits,
        sh0=(colours.astype(np.float32) / np.float32(255) - np.float32(0.5)) / _COLOUR_SCALE,
    )
    return check_finite(cloud)


def _to_bytes(values: Float32) -> bytes:
    """Rounds half away from zero and clamps to 0..255."""
    # The sum is taken in float64: in float32, 0.49999997 + 0.5 is 1.
    return np.add(np.clip(values, 0, 255), 0.5, dtype=np.float64).astype(np.uint8).tobytes()


def _pack_positions(means: Float32) -> bytes:
    largest = float(np.abs(means).max(initial=0))
    if largest > MAX_POSITION:
        raise AssetError(
            f"a coordinate is {largest:g} from the origin, SPZ holds at most {MAX_POSITION:g}",
            field="means",
            measured=largest,
            limit=MAX_POSITION,
        )
    scaled = means.astype(np.float64) * 2**FRACTIONAL_BITS
    fixed = np.trunc(scaled + np.copysign(0.5, scaled)).astype("<i4")
    words: Bytes = fixed.view(np.uint8).reshape(-1, 4)
    return words[:, :3].tobytes()


def _unpack_positions(packed: Bytes, header: _Header) -> Float32:
    if header.version == 1:
        return np.ascontiguousarray(packed).view("<f2").astype(np.float32)
    words = np.zeros((header.count * 3, 4), dtype=np.uint8)
    words[:, 1:] = packed.reshape(-1, 3)
    fixed = words.view("<i4").reshape(-1, 3) >> 8  # the arithmetic shift extends the sign
    return fixed.astype(np.float32) * np.float32(2.0**-header.fractional_bits)


def _pack_rotations(unit_quats: Float32) -> bytes:
    """xyz of the quaternion's sign with w >= 0, from which w follows."""
    sign = np.where(unit_quats[:, :1] < 0, np.float32(-127.5), np.float32(127.5))
    return _to_bytes(unit_quats[:, 1:] * sign + np.float32(127.5))


def _unpack_rotations(packed: Bytes) -> Float32:
    xyz = packed.astype(np.float32) * np.float32(1 / 127.5) - 1
    w = np.sqrt(np.maximum(0, 1 - np.square(xyz).sum(axis=1, keepdims=True)))
    return np.hstack([w, xyz])


def _decompress(data: bytes, max_bytes: int, max_splats: int) -> tuple[_Header, bytearray]:
    """The header and the whole stream, of exactly the length that the header asks for."""
    check_bytes(len(data), max_bytes)
    declared_bytes = _check_frame(data, max_bytes)
    frame = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj()
    stream = bytearray()
    header: _Header | None = None
    view, fed = memoryview(data), 0
    while fed < len(data) and not frame.eof:
        stream += _feed(frame, view[fed : fed + _FEED_BYTES])
        fed += _FEED_BYTES
        if header is None and len(stream) >= _HEADER.size:
            header = _parse_header(stream, declared_bytes, max_bytes, max_splats)
        if header is not None and len(stream) > header.total_bytes:
            _refuse_length(header, len(stream), "at least ")
    if not frame.eof:
        raise AssetError(f"the ZSTD frame is cut off: its {len(data)} bytes end before its last block")
    left_over = len(frame.unused_data) + max(0, len(data) - fed)
    if left_over:
        raise AssetError(f"{left_over} bytes follow the ZSTD frame, none are allowed", trailing=left_over)
    if header is None:
        raise AssetError(f"the SPZ stream has {len(stream)} bytes, its header alone takes {_HEADER.size}")
    if len(stream) != header.total_bytes:
        _refuse_length(header, len(stream))
    return header, stream


def _check_frame(data: bytes, max_bytes: int) -> int | None:
    """Judges the frame by its first bytes; the decompressed size it declares, if it does."""
    if data[:2] == b"\x1f\x8b":
        raise AssetError("this SPZ is gzip, the upstream form; the network's SPZ is one ZSTD frame")
    if data[:4] != zstandard.FRAME_HEADER:
        raise AssetError(
            f"not an SPZ: it starts with {bytes(data[:4]).hex() or 'nothing'}, "
            f"a ZSTD frame starts with {zstandard.FRAME_HEADER.hex()}"
        )
    try:
        frame = zstandard.get_frame_parameters(data[:32])
    except zstandard.ZstdError as error:
        raise AssetError(f"the ZSTD frame's header can't be read: {error}") from None
    declared = None if frame.content_size == zstandard.CONTENTSIZE_UNKNOWN else frame.content_size
    check_bytes(declared or 0, max_bytes)
    if frame.window_size > MAX_WINDOW_BYTES:
        raise AssetError(
            f"the ZSTD frame asks for a window of {frame.window_size} bytes, "
            f"at most {MAX_WINDOW_BYTES} are allowed (levels 1..{MAX_LEVEL})"
        )
    if frame.dict_id:
        raise AssetError(f"the ZSTD frame asks for dictionary {frame.dict_id}, none is allowed")
    return declared


def _feed(frame: zstandard.ZstdDecompressionObj, piece: memoryview) -> bytes:
    try:
        return frame.decompress(piece)
    except zstandard.ZstdError as error:
        raise AssetError(f"the ZSTD frame is damaged: {error}") from None


def _parse_header(stream: bytearray, declared_bytes: int | None, max_bytes: int, max_splats: int) -> _Header:
    magic, version, count, sh_degree, fractional_bits, flags, reserved = _HEADER.unpack_from(stream)
    rules = [
        ("magic", f"{magic:#010x}", magic == MAGIC, f"{MAGIC:#010x}"),
        ("version", version, version in (1, 2), "1 or 2"),
        ("shDegree", sh_degree, sh_degree in _SH_BYTES, "0..3"),
        ("fractionalBits", fractional_bits, fractional_bits < 24, "0..23"),
        ("flags", f"{flags:#04x}", flags & ~_ANTIALIASED == 0, f"0 or {_ANTIALIASED:#04x}"),
        ("reserved", reserved, reserved == 0, "0"),
    ]
    for name, measured, good, allowed in rules:
        if not good:
            raise AssetError(f"the SPZ header has {name} {measured}, allowed: {allowed}", field=name)
    check_count(count, max_splats)
    header = _Header(version, count, sh_degree, fractional_bits)
    check_bytes(header.total_bytes, max_bytes)
    if declared_bytes not in (None, header.total_bytes):
        _refuse_length(header, declared_bytes or 0)
    return header


def _refuse_length(header: _Header, measured_bytes: int, at_least: str = "") -> None:
    raise AssetError(
        f"the SPZ stream has {at_least}{measured_bytes} bytes, expected {header.total_bytes} "
        f"for {header.count} splats of version {header.version} and SH degree {header.sh_degree}",
        expected_bytes=header.total_bytes,
        measured_bytes=measured_bytes,
    )
