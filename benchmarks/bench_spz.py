"""SPZ encode and decode: medians in milliseconds, the ratio to plain Python loops, refusal of a bomb.

    python benchmarks/bench_spz.py [--repeats 31]

The plain loops do one splat at a time without numpy, on fewer splats, and are scaled to the full count; their
results are compared with the codec's before anything is timed. The asset is the official fixture where it
lies beside the checkout, else a synthetic cloud of the same size.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zstandard

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from subnet17.errors import TooLargeError  # noqa: E402
from subnet17.splat.cloud import GaussianCloud  # noqa: E402
from subnet17.splat.limits import MAX_LOGIT  # noqa: E402
from subnet17.splat.ply import read_ply, write_ply  # noqa: E402
from subnet17.splat.spz import MAGIC, decode_spz, encode_spz  # noqa: E402

FIXTURE = REPO.parent / "shared" / "fixtures" / "hamburger.ply"
SPLATS = 52_709
PLAIN_SPLATS = 2_000
OFFICIAL_ENCODE_MS = 19.0
"""The official C++ encoder and decoder on another machine: an order of magnitude, not a comparison."""
OFFICIAL_DECODE_MS = 8.5

Row = tuple[float, ...]
"""x y z, r g b, opacity logit, 3 log-scales, rotation wxyz."""


def load_cloud() -> tuple[GaussianCloud, str]:
    if FIXTURE.exists():
        return read_ply(FIXTURE.read_bytes()), FIXTURE.name
    t = np.random.default_rng(0).normal(size=(SPLATS, 14)).astype(np.float32)
    return GaussianCloud(t[:, :3], t[:, 3:6] - 5, t[:, 6:10], t[:, 10], t[:, 11:]), "synthetic"


def rows_of(cloud: GaussianCloud) -> list[Row]:
    columns = (cloud.means, cloud.sh0, cloud.logit_opacities[:, None], cloud.log_scales, cloud.quats)
    return [tuple(row) for row in np.hstack(columns).tolist()]


def to_byte(value: float) -> int:
    return min(255, max(0, math.floor(value + 0.5)))


def encode_plainly(rows: list[Row]) -> bytes:
    positions, alphas, colours, scales, rotations = (bytearray() for _ in range(5))
    for x, y, z, r, g, b, logit, s0, s1, s2, qw, qx, qy, qz in rows:
        for value in (x, y, z):
            fixed = math.trunc(value * 4096 + math.copysign(0.5, value))
            positions += fixed.to_bytes(3, "little", signed=True)
        alphas.append(to_byte(255 / (1 + math.exp(-logit))))
        colours += bytes(to_byte(value * 0.15 * 255 + 127.5) for value in (r, g, b))
        scales += bytes(to_byte((value + 10) * 16) for value in (s0, s1, s2))
        length = math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz) * (-1 if qw < 0 else 1)
        rotations += bytes(to_byte(value / length * 127.5 + 127.5) for value in (qx, qy, qz))
    header = struct.pack("<IIIBBBB", MAGIC, 2, len(rows), 0, 12, 0, 0)
    payload = header + positions + alphas + colours + scales + rotations
    return zstandard.ZstdCompressor(level=1).compress(payload)


def decode_plainly(data: bytes) -> list[Row]:
    payload = zstandard.ZstdDecompressor().decompress(data)
    count = struct.unpack_from("<I", payload, 8)[0]
    starts = [16 + count * width for width in (0, 9, 10, 13, 16)]
    rows = []
    for i in range(count):
        at = starts[0] + 9 * i
        xyz = [int.from_bytes(payload[at + k : at + k + 3], "little", signed=True) / 4096 for k in (0, 3, 6)]
        alpha = payload[starts[1] + i] / 255
        logit = math.log(alpha / (1 - alpha)) if 0 < alpha < 1 else math.copysign(MAX_LOGIT, alpha - 0.5)
        rgb = [(payload[starts[2] + 3 * i + k] / 255 - 0.5) / 0.15 for k in range(3)]
        scales = [payload[starts[3] + 3 * i + k] / 16 - 10 for k in range(3)]
        q = [payload[starts[4] + 3 * i + k] / 127.5 - 1 for k in range(3)]
        w = math.sqrt(max(0.0, 1 - sum(value * value for value in q)))
        rows.append((*xyz, *rgb, logit, *scales, w, *q))
    return rows


def first(cloud: GaussianCloud, count: int) -> GaussianCloud:
    return GaussianCloud(
        cloud.means[:count],
        cloud.log_scales[:count],
        cloud.quats[:count],
        cloud.logit_opacities[:count],
        cloud.sh0[:count],
    )


def check_agreement(few: GaussianCloud) -> None:
    """The plain loops do the same work: equal bytes but for rare float32 ties, and equal values."""
    unpack = zstandard.ZstdDecompressor().decompress
    ours, plain = unpack(encode_spz(few)), unpack(encode_plainly(rows_of(few)))
    steps = np.abs(np.frombuffer(ours, np.uint8).astype(int) - np.frombuffer(plain, np.uint8))
    assert len(ours) == len(plain)
    assert np.count_nonzero(steps) <= len(steps) // 10_000
    data = encode_spz(few)
    np.testing.assert_allclose(rows_of(decode_spz(data)), decode_plainly(data), rtol=1e-4, atol=1e-4)


def median_ms(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def refuse_bomb() -> None:
    """A 16-byte frame that declares 8 GiB."""
    try:
        decode_spz(b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 8 * 2**30) + b"\x01\x00\x00")
    except TooLargeError:
        return
    raise AssertionError("the bomb was accepted")


def machine_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, Python {platform.python_version()}, numpy {np.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=31)
    repeats = parser.parse_args().repeats
    cloud, source = load_cloud()
    few = first(cloud, PLAIN_SPLATS)
    check_agreement(few)
    scale = len(cloud) / len(few)
    ply, spz, few_spz, few_rows = write_ply(cloud), encode_spz(cloud), encode_spz(few), rows_of(few)
    plain_encode_ms = median_ms(lambda: encode_plainly(few_rows), 5) * scale
    plain_decode_ms = median_ms(lambda: decode_plainly(few_spz), 5) * scale
    rows = (
        ("encode SPZ", median_ms(lambda: encode_spz(cloud), repeats), plain_encode_ms, OFFICIAL_ENCODE_MS),
        ("decode SPZ", median_ms(lambda: decode_spz(spz), repeats), plain_decode_ms, OFFICIAL_DECODE_MS),
        ("read PLY", median_ms(lambda: read_ply(ply), repeats), None, None),
        ("write PLY", median_ms(lambda: write_ply(cloud), repeats), None, None),
        ("refuse 8 GiB bomb", median_ms(refuse_bomb, repeats), None, None),
    )
    print(f"{machine_name()}\n{source}: {len(cloud)} splats, {len(spz)} bytes of SPZ, median of {repeats}")
    print(f"plain loops: timed on {len(few)} splats, scaled by {scale:.1f}\n")
    print(f"{'':<18}{'ms':>9}{'plain ms':>11}{'faster':>9}{'official C++ ms':>17}")
    for name, ms, plain_ms, official_ms in rows:
        plain = f"{plain_ms:>11.0f}{plain_ms / ms:>8.0f}x" if plain_ms else f"{'-':>11}{'-':>9}"
        print(f"{name:<18}{ms:>9.3f}{plain}{official_ms or '-':>17}")


if __name__ == "__main__":
    main()
