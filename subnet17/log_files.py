"""Keeps the files that take a process's output below a cap, whoever writes them.

PM2 (or our own supervisor) opens the files and appends what the process prints, also what no logger sees: the
trace of a crash, a C library's complaints. So the process does not write a second file of its own: it copies
the supervisor's file away and empties it. Both hold it open for appending, so writing goes on at its start.

`pm2 logs` reads the same files and goes on as if nothing had happened. What is appended in the microseconds
between the end of the copy and the emptying is lost, so the last line of a copy may be a broken one.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from pathlib import Path

LOG_FILES_VARIABLE = "SUBNET17_LOG_FILES"
"""Set by the supervisor: the files it appends a process's output to, joined by os.pathsep."""
CHECK_S = 0.5
"""Between two looks at the sizes: what arrives meanwhile is how far a file may pass its cap."""
SLACK_BYTES = 1 << 20
"""How much more than the cap a moved file may hold: what came between two looks is not thrown away."""


def cap_log_files(max_bytes: int, backups: int) -> threading.Event | None:
    """Watches this process's files until it ends. Worker processes leave that to their server.

    Args:
        max_bytes: A file that has more is moved to `name.1`, `name.1` to `name.2` and so on.
        backups: How many moved ones are kept.

    Returns:
        Ends the watch when set; None where the supervisor named no files.
    """
    files = [Path(name) for name in os.environ.get(LOG_FILES_VARIABLE, "").split(os.pathsep) if name]
    if not files or multiprocessing.parent_process() is not None:
        return None
    ended = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(files, max_bytes, backups, ended), name="log-files", daemon=True
    )
    watch.start()
    return ended


def _watch(files: Sequence[Path], max_bytes: int, backups: int, ended: threading.Event) -> None:
    while True:
        for file in files:
            rotate(file, max_bytes, backups)
        if ended.wait(CHECK_S):
            return


def rotate(file: Path, max_bytes: int, backups: int) -> bool:
    """Empties a file that has more than `max_bytes`, keeping its end (`max_bytes` and a slack) in `name.1`.

    The cap holds also on a full disk: then the content is dropped.

    Returns:
        Whether it was emptied.
    """
    try:
        if file.stat().st_size <= max_bytes:
            return False
        _keep(file, max_bytes, backups)
        os.truncate(file, 0)
    except OSError:
        return False  # not made yet, or taken away: looked at again
    return True


def _keep(file: Path, max_bytes: int, backups: int) -> None:
    names = [file.with_name(f"{file.name}.{number}") for number in range(1, backups + 1)]
    if not names:
        return
    partial = file.with_name(f"{file.name}.partial")
    try:
        names[-1].unlink(missing_ok=True)  # first: its room may be what the copy needs
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            if newer.exists():
                newer.replace(older)
        _copy_end(file, partial, max_bytes + SLACK_BYTES)
        partial.replace(names[0])
    except OSError:
        partial.unlink(missing_ok=True)


def _copy_end(source: Path, target: Path, most: int) -> None:
    """Copies on until the end as it is then, so that little is lost between this and the emptying."""
    with source.open("rb") as reader, target.open("wb") as writer:
        reader.seek(max(0, os.fstat(reader.fileno()).st_size - most))
        if reader.tell():
            reader.readline(SLACK_BYTES)  # begin with a whole line
        while most > 0 and (
            chunk := reader.read(min(SLACK_BYTES, most))
        ):  # a flood may come as fast as this reads
            most -= writer.write(chunk)
