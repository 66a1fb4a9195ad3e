"""The SPZ codec: the official encoder's bytes, and every lie refused before memory is taken for it."""

from __future__ import annotations

import gzip
import math
import struct
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from subnet17.errors import AssetError, InvalidInputError, TooLargeError
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.limits import MAX_LOGIT
from subnet17.splat.ply import read_ply
from subnet17.splat.spz import MAGIC, decode_spz, encode_spz

FIELDS = tuple(field.name for field in fields(GaussianCloud))
REPO = Path(__file__).resolve().parents[2]
RAW, RLE = 0, 1
"""ZSTD block types."""


def make_cloud(count: int = 5, **changes: float) -> GaussianCloud:
    """Ordinary splats; `changes` sets a whole field to one value."""
    table = np.random.default_rng(0).normal(size=(count, 14)).astype(np.float32)
    cloud = GaussianCloud(table[:, :3], table[:, 3:6] - 4, table[:, 6:10], table[:, 10], table[:, 11:])
    return replace(cloud, **{key: np.full_like(getattr(cloud, key), v) for key, v in changes.items()})


def pack(payload: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(level=1, **options).compress(payload)


def unpack(content: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(content)


def header(
    *, magic: int = MAGIC, version: int = 2, count: int = 1, degree: int = 0, bits: int = 12, flags: int = 0
) -> bytes:
    return struct.pack("<IIIBBBB", magic, version, count, degree, bits, flags, 0)


def frame(
    blocks: list[tuple[int, int, bytes]], *, content_size: int | None = None, window_log: int = 20
) -> bytes:
    """A ZSTD frame written by hand from (type, size, bytes) blocks, after RFC 8878."""
    start = b"\x28\xb5\x2f\xfd" + bytes([0xC0 if content_size is not None else 0, (window_log - 10) << 3])
    start += struct.pack("<Q", content_size) if content_size is not None else b""
    for i, (kind, size, content) in enumerate(blocks):
        start += struct.pack("<I", (i == len(blocks) - 1) | kind << 1 | size << 3)[:3] + content
    return start


FULL = (RLE, 128 * 1024, b"\x00")
"""4 bytes that make 128 KiB."""


def raw(payload: bytes) -> tuple[int, int, bytes]:
    return RAW, len(payload), payload


@st.composite
def clouds(draw: st.DrawFn) -> GaussianCloud:
    def column(width: int, low: float, high: float) -> np.ndarray:
        row = st.lists(st.floats(low, high, width=32), min_size=width, max_size=width)
        return np.array(draw(st.lists(row, min_size=count, max_size=count)), dtype=np.float32)

    count = draw(st.integers(1, 12))
    opacities = column(1, -30, 30)[:, 0]
    return GaussianCloud(
        column(3, -2047, 2047), column(3, -10, 5.9375), column(4, -1, 1), opacities, column(3, -3.25, 3.25)
    )


@given(clouds())
@settings(max_examples=100, deadline=None)
def test_round_trip_stays_within_half_a_step(cloud: GaussianCloud) -> None:
    again = decode_spz(encode_spz(cloud))
    np.testing.assert_allclose(again.means, cloud.means, rtol=0, atol=0.5 / 4096)
    np.testing.assert_allclose(again.log_scales, cloud.log_scales, rtol=0, atol=0.5 / 16)
    np.testing.assert_allclose(again.opacities, cloud.opacities, rtol=0, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(again.sh0, cloud.sh0, rtol=0, atol=0.5 / (0.15 * 255) + 1e-6)
    sign = np.where(cloud.unit_quats[:, :1] < 0, -1, 1)
    np.testing.assert_allclose(
        again.quats[:, 1:], (cloud.unit_quats * sign)[:, 1:], rtol=0, atol=0.51 / 127.5
    )
    assert (again.quats[:, 0] >= 0).all()


def test_official_encoders_bytes_are_reproduced(shared_dir: Path) -> None:
    cloud = read_ply((shared_dir / "hamburger.ply").read_bytes())
    official = (shared_dir / "hamburger.spz").read_bytes()
    assert unpack(encode_spz(cloud)) == unpack(official)


def test_official_decode_is_reproduced_to_float_rounding(shared_dir: Path) -> None:
    ours = decode_spz((shared_dir / "hamburger.spz").read_bytes())
    official = read_ply((shared_dir / "hamburger.spz.ply").read_bytes())
    for name in FIELDS:
        # w is the root of a difference, which magnifies rounding where it is near 0.
        atol = 2e-5 if name == "quats" else 1e-6
        np.testing.assert_allclose(getattr(ours, name), getattr(official, name), rtol=0, atol=atol)


@pytest.mark.parametrize("level", [1, 3, 19])
def test_every_level_decodes_to_the_same_cloud(level: int) -> None:
    cloud = make_cloud(500)
    assert unpack(encode_spz(cloud, level=level)) == unpack(encode_spz(cloud))
    assert len(decode_spz(encode_spz(cloud, level=level))) == 500


@pytest.mark.parametrize("level", [0, 20, -1])
def test_level_out_of_range_is_refused(level: int) -> None:
    with pytest.raises(InvalidInputError, match=rf"level {level} is not in 1..19"):
        encode_spz(make_cloud(), level=level)


@pytest.mark.parametrize(
    ("steps", "stored"), [(0.5, 1), (-0.5, -1), (1.5, 2), (2.5, 3), (-2.5, -3), (0.49, 0)]
)
def test_positions_round_half_away_from_zero(steps: float, stored: int) -> None:
    payload = unpack(encode_spz(make_cloud(1, means=steps / 4096)))
    assert payload[16:25] == stored.to_bytes(3, "little", signed=True) * 3


@pytest.mark.parametrize(
    ("field", "value", "at", "stored"),
    [
        ("log_scales", -9.84375, 29, 3),  # 2.5 steps: half goes up, not to even
        ("log_scales", -50.0, 29, 0),
        ("log_scales", 50.0, 29, 255),
        ("log_scales", np.nextafter(np.float32(-9.96875), np.float32(-10)), 29, 0),  # just below half a step
        ("sh0", 0.0, 26, 128),
        ("sh0", 99.0, 26, 255),
        ("sh0", -99.0, 26, 0),
        ("logit_opacities", 0.0, 25, 128),
        ("logit_opacities", math.inf, 25, 255),
        ("logit_opacities", -math.inf, 25, 0),
        ("quats", 0.0, 32, 128),
        ("quats", -1.0, 32, 191),  # (-.5, -.5, -.5, -.5) is turned to w >= 0
    ],
)
def test_bytes_round_and_clamp(field: str, value: float, at: int, stored: int) -> None:
    payload = unpack(encode_spz(make_cloud(1, **{field: value})))
    assert payload[at] == stored
    assert len(payload) == 16 + 19


def test_coordinate_beyond_the_format_is_refused_not_wrapped() -> None:
    encode_spz(make_cloud(1, means=2047.99))
    with pytest.raises(
        AssetError, match="coordinate is 2048 from the origin, SPZ holds at most 2048"
    ) as caught:
        encode_spz(make_cloud(1, means=-2048.0))
    assert caught.value.detail["measured"] == 2048.0


def test_unreadable_values_are_not_written() -> None:
    with pytest.raises(AssetError, match="sh0 holds 15 bad values"):
        encode_spz(make_cloud(sh0=math.nan))


def test_alphas_of_0_and_255_decode_to_finite_logits() -> None:
    payload = header(count=2) + bytes(18) + b"\x00\xff" + bytes(18)
    cloud = decode_spz(pack(payload))
    assert cloud.logit_opacities.tolist() == [-MAX_LOGIT, MAX_LOGIT]
    assert cloud.opacities[1] == 1.0


def test_version_1_positions_are_float16() -> None:
    halves = np.array([[1.5, -2.0, 0.25], [0, 65504, -0.5]], dtype="<f2")
    cloud = decode_spz(pack(header(version=1, count=2) + halves.tobytes() + bytes(20)))
    assert cloud.means.tolist() == halves.astype(float).tolist()


def test_version_1_positions_must_be_finite() -> None:
    halves = np.array([1.5, np.inf, 0.25], dtype="<f2").tobytes()
    with pytest.raises(AssetError, match="means holds 1 bad values of 3, the first is inf in splat 0"):
        decode_spz(pack(header(version=1) + halves + bytes(10)))


@pytest.mark.parametrize(("degree", "width"), [(0, 0), (1, 9), (2, 24), (3, 45)])
def test_higher_harmonics_are_read_over(degree: int, width: int) -> None:
    plain = unpack(encode_spz(make_cloud()))[16:]
    cloud = decode_spz(pack(header(count=5, degree=degree) + plain + b"\x55" * (5 * width)))
    np.testing.assert_array_equal(cloud.sh0, decode_spz(encode_spz(make_cloud())).sh0)
    with pytest.raises(AssetError, match=f"expected {16 + 5 * (19 + width)} for 5 splats"):
        decode_spz(pack(header(count=5, degree=degree) + plain + b"\x55" * (5 * width + 1)))


@pytest.mark.parametrize("bits", [0, 8, 23])
def test_fractional_bits_scale_the_positions(bits: int) -> None:
    payload = header(bits=bits) + b"\x01\x00\x00" + b"\xff\xff\xff" + b"\x00\x00\x80" + bytes(10)
    assert decode_spz(pack(payload)).means.tolist() == [[2.0**-bits, -(2.0**-bits), -(2.0 ** (23 - bits))]]


def test_antialiased_flag_is_accepted() -> None:
    assert len(decode_spz(pack(header(flags=1) + bytes(19)))) == 1


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (header(magic=0x53504E47) + bytes(19), "magic 0x53504e47, allowed: 0x5053474e"),
        (header(version=0) + bytes(19), "version 0, allowed: 1 or 2"),
        (header(version=3) + bytes(20), "version 3, allowed: 1 or 2"),
        (header(degree=4) + bytes(19), r"shDegree 4, allowed: 0\.\.3"),
        (header(bits=24) + bytes(19), r"fractionalBits 24, allowed: 0\.\.23"),
        (header(flags=0x82) + bytes(19), "flags 0x82, allowed: 0 or 0x01"),
        (header()[:-1] + b"\x07" + bytes(19), "reserved 7, allowed: 0"),
        (header(count=0), "0 splats, at least 1"),
        (header() + bytes(18), "has 34 bytes, expected 35 for 1 splats of version 2"),
        (header() + bytes(20), "bytes, expected 35"),
        (header(version=1) + bytes(19), "bytes, expected 32 for 1 splats of version 1"),
        (header()[:15], "has 15 bytes, its header alone takes 16"),
        (b"", "has 0 bytes, its header alone takes 16"),
    ],
)
def test_header_and_length_are_checked(payload: bytes, says: str) -> None:
    for content in (pack(payload), pack(payload, write_content_size=False), frame([raw(payload)])):
        with pytest.raises(AssetError, match=says):
            decode_spz(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "starts with nothing"),
        (b"ply\nformat", "not an SPZ: it starts with 706c790a"),
        (gzip.compress(header() + bytes(19), mtime=0), "gzip, the upstream form; .* one ZSTD frame"),
        (header() + bytes(19), "not an SPZ"),
        (b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip" + pack(header() + bytes(19)), "starts with 502a4d18"),
        (pack(header() + bytes(19))[:5], "frame's header can't be read"),
        (pack(header() + bytes(19))[:-1], "cut off"),
        (frame([raw(header() + bytes(19)), raw(b"")])[:-3], "cut off"),
        (pack(header() + bytes(19)) + b"\x00", "1 bytes follow the ZSTD frame"),
        (pack(header() + bytes(19)) + bytes(5000), "5000 bytes follow the ZSTD frame"),
        (pack(header() + bytes(19)) * 2, r"\d+ bytes follow the ZSTD frame"),
        (frame([raw(header() + bytes(19))], content_size=34), "damaged"),
        (frame([(3, 1, b"\x00")]), "damaged"),
        (frame([raw(header() + bytes(19))], window_log=27), "window of 134217728 bytes, at most 8388608"),
        (b"\x28\xb5\x2f\xfd\x21\x07\x23" + bytes(40), "dictionary 7"),
    ],
)
def test_anything_but_one_whole_frame_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(AssetError, match=says):
        decode_spz(content)


def test_damaged_checksum_is_refused() -> None:
    content = bytearray(pack(header() + bytes(19), write_checksum=True))
    assert len(decode_spz(bytes(content))) == 1
    content[-1] ^= 1
    with pytest.raises(AssetError, match="damaged"):
        decode_spz(bytes(content))


def test_frame_without_a_declared_size_is_read() -> None:
    payload = unpack(encode_spz(make_cloud(3000)))
    cloud = decode_spz(pack(payload, write_content_size=False))
    np.testing.assert_array_equal(cloud.means, decode_spz(encode_spz(make_cloud(3000))).means)


def test_limits_are_the_callers() -> None:
    content = encode_spz(make_cloud(100))
    assert len(decode_spz(content, max_bytes=1916, max_splats=100)) == 100
    with pytest.raises(TooLargeError, match="1916 bytes, at most 1915"):
        decode_spz(content, max_bytes=1915)
    with pytest.raises(TooLargeError, match="100 splats, at most 99"):
        decode_spz(content, max_splats=99)
    undeclared = pack(header(count=2**32 - 1), write_content_size=False)
    with pytest.raises(TooLargeError, match="4294967295 splats"):
        decode_spz(undeclared)
    with pytest.raises(TooLargeError, match=r"\d+ bytes, at most 536870912"):
        decode_spz(undeclared, max_splats=2**32)


BOMBS: dict[str, bytes] = {
    "16 bytes declare 8 GiB": b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 8 * 2**30) + b"\x01\x00\x00",
    "16 bytes declare 400 MiB": b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 400 * 2**20) + b"\x01\x00\x00",
    "400 MiB are declared in a small window": frame([raw(header())], content_size=400 * 2**20),
    "numPoints lies in a whole frame": frame([raw(header(count=5_000_000))]),
    "numPoints lies in a cut frame": frame([raw(header(count=5_000_000)), FULL])[:-5],
    "1 GiB follows a header of one splat": frame([raw(header()), *[FULL] * 8192]),
    "1 GiB without a header": frame([FULL] * 8192),
    "128 MiB window": frame([raw(header() + bytes(19))], window_log=27),
    "1 TiB window": frame([raw(header() + bytes(19))], window_log=40),
    "second frame is a bomb": pack(header() + bytes(19)) + frame([FULL] * 8192),
}

MEASURE_BOMB = """
import sys
from pathlib import Path
from subnet17.errors import InvalidInputError
from subnet17.splat.spz import decode_spz

def peak_bytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

bomb = sys.stdin.buffer.read()
before = peak_bytes()
try:
    decode_spz(bomb)
except InvalidInputError:
    print(peak_bytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc for the peak memory")
@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused_without_its_memory(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE_BOMB], input=BOMBS[name], capture_output=True, cwd=REPO, check=True
    )
    assert int(done.stdout) < 32 * 2**20
