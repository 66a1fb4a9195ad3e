"""Files that are there whole or not at all: whoever reads one, after whatever crash, sees the old or the new.

The order: the draft's bytes to the disk, the name, the folder. Does not cover: two writers of one file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(
    path: Path,
    data: str | bytes,
    *,
    draft: Path | None = None,
    prepare: Callable[[int], object] | None = None,
) -> None:
    """Replaces a file; when this returns, the new one survives a power cut.

    Args:
        path: Its folder is made where it is missing.
        data: Text is written as UTF-8.
        draft: Where it is written first, in the same folder; a crash may leave it behind.
        prepare: Called with the draft's file descriptor before anything is written.

    Raises:
        OSError: the disk is full or broken, or the folder can't be written; the old file is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft or path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        if prepare is not None:
            prepare(file.fileno())
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
