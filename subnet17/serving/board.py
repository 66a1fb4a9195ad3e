"""A notice board: the newest message of a server to all of its worker processes.

One process writes, any number read, without a lock: a worker that is killed while it reads could leave one
behind, held for ever. A message that is only half written does not match its checksum, and is read later.
"""

from __future__ import annotations

import ctypes
import pickle
import struct
import zlib
from multiprocessing import get_context
from typing import Any

SIZE_BYTES = 2**18
HEADER = struct.Struct("<QII")
"""Number of the message, its length, and the checksum of both with the message."""


class Board:
    """Handed to workers when they are spawned; they see what is posted afterwards, too."""

    def __init__(self) -> None:
        self._memory = get_context("spawn").RawArray(ctypes.c_char, SIZE_BYTES)
        self._number = 0

    def post(self, message: Any) -> None:
        """Puts up a message in place of the last one.

        Raises:
            ValueError: it is too long; the last one stays.
        """
        content = pickle.dumps(message)
        if len(content) > SIZE_BYTES - HEADER.size:
            raise ValueError(f"a message of {len(content)} bytes, at most {SIZE_BYTES - HEADER.size} fit")
        self._number += 1
        header = HEADER.pack(self._number, len(content), _checksum(self._number, content))
        memory = memoryview(self._memory).cast("B")
        memory[HEADER.size : HEADER.size + len(content)] = content
        memory[: HEADER.size] = header

    def read(self, after: int = 0) -> tuple[int, Any] | None:
        """The message and its number, if it is newer than number `after` and whole."""
        memory = memoryview(self._memory).cast("B")
        number, length, checksum = HEADER.unpack(bytes(memory[: HEADER.size]))
        if number <= after:
            return None
        content = bytes(memory[HEADER.size : HEADER.size + length])
        return (number, pickle.loads(content)) if _checksum(number, content) == checksum else None  # noqa: S301


def _checksum(number: int, content: bytes) -> int:
    return zlib.crc32(content, number & 0xFFFFFFFF)
