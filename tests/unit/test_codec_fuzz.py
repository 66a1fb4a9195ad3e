"""Mutated PLY and SPZ files: a cloud or an InvalidInputError comes out, never anything else.

The mutants run in a child process with little memory, so that a lie about a size that is believed shows as
a MemoryError. `python tests/unit/test_codec_fuzz.py SEED COUNT` runs any number of them by hand.
"""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import zstandard

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))  # the child runs this file as a script

from subnet17.errors import InvalidInputError  # noqa: E402
from subnet17.splat.cloud import GaussianCloud  # noqa: E402
from subnet17.splat.ply import read_ply, write_ply  # noqa: E402
from subnet17.splat.spz import decode_spz, encode_spz  # noqa: E402
from tests.mutations import EXTRA_MEMORY_BYTES, limit_memory, mutate  # noqa: E402

MAX_SPLATS = 100_000
FIELDS = tuple(field.name for field in fields(GaussianCloud))
Reader = Callable[[bytes], GaussianCloud]


def make_originals() -> tuple[list[bytes], list[bytes]]:
    """Valid PLY and SPZ files, small so that a mutation often hits what matters."""
    t = np.random.default_rng(0).normal(size=(24, 14)).astype(np.float32)
    cloud = GaussianCloud(t[:, :3], t[:, 3:6] - 4, t[:, 6:10], t[:, 10], t[:, 11:])
    ply, spz = write_ply(cloud), encode_spz(cloud)
    crlf = ply[: ply.index(b"end_header\n") + 11].replace(b"\n", b"\r\n") + ply[-24 * 56 :]
    payload = zstandard.ZstdDecompressor().decompress(spz)
    options = ({"write_checksum": True}, {"write_content_size": False})
    frames = [zstandard.ZstdCompressor(**option).compress(payload) for option in options]
    return [ply, crlf], [spz, *frames]


def mutants(seed: int, count: int) -> Iterator[tuple[str, Reader, bytes]]:
    """In turn: PLY bytes, a PLY stream, an SPZ's frame, and an SPZ's payload under an intact frame."""
    rng = random.Random(seed)
    plys, spzs = make_originals()
    payload = zstandard.ZstdDecompressor().decompress(spzs[0])
    pack = zstandard.ZstdCompressor(level=1).compress
    for _ in range(count // 4):
        yield "ply", lambda data: read_ply(data, max_splats=MAX_SPLATS), mutate(rng, rng.choice(plys))
        yield (
            "ply stream",
            lambda data: read_ply(io.BytesIO(data), max_splats=MAX_SPLATS),
            mutate(rng, rng.choice(plys)),
        )
        yield "spz frame", lambda data: decode_spz(data, max_splats=MAX_SPLATS), mutate(rng, rng.choice(spzs))
        yield "spz payload", lambda data: decode_spz(data, max_splats=MAX_SPLATS), pack(mutate(rng, payload))


def run_mutants(seed: int, count: int) -> dict[str, Counter[str]]:
    """Outcomes by kind of mutant. Any other exception than InvalidInputError is let through."""
    outcomes: dict[str, Counter[str]] = {}
    for kind, read, content in mutants(seed, count):
        tally = outcomes.setdefault(kind, Counter())
        try:
            cloud = read(content)
        except InvalidInputError as error:
            json.dumps(error.as_json())
            assert error.message.isprintable(), error.message
            tally["refused"] += 1
            tally[type(error).__name__] += 1
        else:
            assert 1 <= len(cloud) <= MAX_SPLATS
            assert all(np.isfinite(getattr(cloud, name)).all() for name in FIELDS)
            tally["read"] += 1
    return outcomes


def test_mutants_are_read_or_refused_and_never_crash() -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory limit needs /proc/self/statm")
    done = subprocess.run(
        [sys.executable, __file__, "17", "20000"],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = json.loads(done.stdout)
    assert {kind: tally["read"] + tally["refused"] for kind, tally in outcomes.items()} == dict.fromkeys(
        ("ply", "ply stream", "spz frame", "spz payload"), 5000
    )
    for kind, tally in outcomes.items():
        # Mutants of one kind only would mean that the mutator, or the reader's checks, reach nothing.
        assert min(tally["read"], tally["refused"]) >= 50, f"{kind}: {tally}"


def test_memory_limit_of_the_child_bites() -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory limit needs /proc/self/statm")
    source = f"import test_codec_fuzz as f; f.limit_memory(f.EXTRA_MEMORY_BYTES); bytearray({2**29})"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    assert "MemoryError" in done.stderr


if __name__ == "__main__":
    limit_memory(EXTRA_MEMORY_BYTES)
    print(json.dumps(run_mutants(int(sys.argv[1]), int(sys.argv[2]))))
