"""Finished assets as files, each named by the SHA-256 of its bytes.

Covers: a file that is whole or absent whatever crashes, bytes that are checked when they are read, removal of
what nobody names any more. Does not cover: which task an asset belongs to (journal.py).
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Collection
from pathlib import Path

from subnet17.errors import JournalError
from subnet17.whole_file import sync_folder, write_whole

SUFFIX = ".spz"
DRAFT_SUFFIX = ".draft"


class AssetStore:
    """A folder of assets, `ab/abcd….spz`. One writer at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for number in range(256):  # at once: a new folder costs as much as a new asset
            (folder / f"{number:02x}").mkdir(parents=True, exist_ok=True)
        sync_folder(folder)

    def put(self, data: bytes) -> str:
        """Stores an asset; when this returns it survives a power cut.

        Returns:
            Its SHA-256, hexadecimal.

        Raises:
            OSError: the disk is full or broken; nothing is stored then.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        draft = path.with_suffix(DRAFT_SUFFIX)
        write_whole(path, data, draft=draft)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of an asset.

        Raises:
            JournalError: the file is gone, its bytes have changed, or its place on the disk is bad.
            OSError: the file can't be read for now.
        """
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise JournalError(f"asset {digest} is gone from {self._folder}", sha256=digest) from None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            # Waiting would not mend it, and would hold up all other tasks.
            raise JournalError(f"asset {digest} in {self._folder}: {error}", sha256=digest) from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise JournalError(f"asset {digest} in {self._folder} has changed on disk", sha256=digest)
        return data

    def remove(self, digest: str) -> None:
        """Removes an asset; one that is gone already is fine."""
        self._path(digest).unlink(missing_ok=True)

    def sweep(self, wanted: Collection[str]) -> int:
        """Removes all but the wanted assets: what a crash left without a row, and unfinished drafts.

        Returns:
            How many files went.
        """
        unwanted = [path for path in self._folder.glob("??/*") if not _is_among(path, wanted)]
        for path in unwanted:
            path.unlink(missing_ok=True)
        return len(unwanted)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / f"{digest}{SUFFIX}"


def _is_among(path: Path, wanted: Collection[str]) -> bool:
    return path.suffix == SUFFIX and path.stem in wanted
