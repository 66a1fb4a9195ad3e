"""Damage done to files and requests, at random but by a seed; and the memory limit it is survived in."""

from __future__ import annotations

import math
import random
import resource
import struct
from pathlib import Path

EXTRA_MEMORY_BYTES = 256 * 2**20
ODD_FLOATS = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, 1e-38, 88.7, 88.8, 1e4, 1e20, 3.4e38, -3.4e38)
BOUNDARIES = (0, 1, 0x7F, 0x80, 0xFF, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
WORDS = (
    *(b"0", b"1", b"-1", b"63", b"65", b"99999999999", b"4294967297", b"1e9", b"nan"),
    *(b"\n", b"\r\n", b"\x00", b"end_header\n", b"element face 1\n", b"element vertex 2\n", b"comment "),
    *(b"property float x\n", b"property list uchar int y\n", b"double", b"ascii", b"binary_big_endian"),
)
"""What a PLY header is edited with."""


def flip_bits(rng: random.Random, content: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def truncate(rng: random.Random, content: bytearray) -> None:
    del content[rng.randrange(len(content)) :]


def extend(rng: random.Random, content: bytearray) -> None:
    content += rng.randbytes(rng.choice((1, 4, 56, 1000)))


def splice(rng: random.Random, content: bytearray) -> None:
    start, at = rng.randrange(len(content)), rng.randrange(len(content))
    length = rng.randrange(1, 200)
    content[at : at + rng.choice((0, length))] = content[start : start + length]


def set_number(rng: random.Random, content: bytearray) -> None:
    at = rng.randrange(min(64, len(content)))
    content[at : at + 4] = rng.choice(BOUNDARIES).to_bytes(4, "little")


def edit_words(rng: random.Random, content: bytearray) -> None:
    at = rng.randrange(min(400, len(content)))
    word = rng.choice(WORDS)
    content[at : at + rng.choice((0, len(word)))] = word


def edit_lines(rng: random.Random, content: bytearray) -> None:
    """Drops, doubles or swaps lines, which is the body as well when a line feed is in it."""
    lines = bytes(content).split(b"\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    edit = rng.randrange(3)
    if edit == 0:
        del lines[i]
    elif edit == 1:
        lines.insert(j, lines[i])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    content[:] = b"\n".join(lines)


def set_float(rng: random.Random, content: bytearray) -> None:
    """Puts an odd float32 where one may stand, counted from the end, as headers are of any length."""
    at = len(content) - 4 * rng.randrange(1, max(2, len(content) // 4))
    content[at : at + 4] = struct.pack("<f", rng.choice(ODD_FLOATS))


MUTATIONS = (set_float, flip_bits, truncate, extend, splice, set_number, edit_words, edit_lines)


def mutate(rng: random.Random, original: bytes) -> bytes:
    content = bytearray(original)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if content:
            rng.choice(MUTATIONS)(rng, content)
    return bytes(content)


def limit_memory(extra_bytes: int) -> None:
    """Caps the address space a little above what the imports took."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + extra_bytes, taken + extra_bytes))
