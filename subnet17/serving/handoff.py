"""Passes large values between processes of one machine through shared memory, without copying them twice."""

from __future__ import annotations

import fcntl
import mmap
import os
import pickle
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it, for this user only
PREFIX = "s17-handoff-"
LOCK = "lock"
ALIGN_BYTES = 64
"""Of each array's start, as numpy and torch like it."""


@dataclass(frozen=True)
class Parcel:
    """A value on its way.

    Attributes:
        path: File that holds its arrays one after the other; gone once it was received.
        head: The value pickled without them.
        sizes: Bytes of each.
    """

    path: Path
    head: bytes
    sizes: tuple[int, ...]


class Folders:
    """Where a server's parcels lie: in memory and, where that is too small, on the disk.

    A folder is locked for as long as its server lives; those left behind by killed ones are deleted.
    """

    def __init__(self, places: Sequence[Path] = (SHARED_MEMORY, Path(tempfile.gettempdir()))) -> None:
        self._locks: list[IO[bytes]] = []
        self.paths: list[Path] = []
        for place in places:
            remove_stale_folders(place)
            with suppress(OSError):
                path, lock = _make_locked(place)
                self._locks.append(lock)
                self.paths.append(path)

    def remove(self) -> None:
        """Deletes them with all that was not received."""
        for path in self.paths:
            shutil.rmtree(path, ignore_errors=True)
        for lock in self._locks:
            lock.close()


def _make_locked(place: Path) -> tuple[Path, IO[bytes]]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        lock = (path / LOCK).open("xb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (path / LOCK).exists():
            return path, lock
        lock.close()  # a server that started just then found it unlocked, and took it for a killed one's


def remove_stale_folders(place: Path) -> None:
    """Deletes folders whose server is gone."""
    for path in place.glob(f"{PREFIX}*"):
        with suppress(OSError), (path / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)


def pack(value: Any, paths: Sequence[Path]) -> Parcel:
    """Writes the arrays of `value` to the first of `paths` whose file system has room.

    Raises:
        OSError: none has.
    """
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    raws = [buffer.raw() for buffer in buffers]
    refused = OSError("no folder to hand values over in")
    for path in paths:
        try:
            _write(raws, path)
        except OSError as error:
            refused = error
        else:
            return Parcel(path, head, tuple(len(raw) for raw in raws))
    raise refused


def unpack(parcel: Parcel) -> Any:
    """The value of a parcel, its arrays in the memory they were written to; it can be received once."""
    with parcel.path.open("rb") as file:
        parcel.path.unlink()
        # a private mapping: arrays can be written to
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if any(parcel.sizes) else b""
    whole = memoryview(pages)
    buffers, start = [], 0
    for size in parcel.sizes:
        buffers.append(whole[start : start + size])
        start += _padded(size)
    return pickle.loads(parcel.head, buffers=buffers)  # noqa: S301 - written by a worker of this server


def _write(raws: Sequence[memoryview], path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for raw in raws:
                file.write(raw)
                file.write(bytes(_padded(len(raw)) - len(raw)))
    except OSError:
        path.unlink()
        raise


def _padded(size: int) -> int:
    return -(-size // ALIGN_BYTES) * ALIGN_BYTES
