"""One writer of a journal's folder: a second one is refused before it touches anything.

The claim on the hotkey (claim.py) is for one machine and one network. A folder may be shared beyond: by a
trial on a static chain beside the public one, by containers with one volume. Here the kernel holds a lock on
a file of the folder, and frees it the moment its process ends, also by kill -9.

Not covered: file systems without locks, where a warning says so; some network file systems lock on each
machine by itself.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from pathlib import Path

from subnet17.errors import JournalError
from subnet17.log import get_logger

log = get_logger()

NAME = "journal.lock"
POLL_S = 0.1
WAIT_S = 2.0
"""A miner that is being replaced needs a moment to end."""
MAX_TEXT_BYTES = 300
TAKEN = (errno.EAGAIN, errno.EACCES)


class FolderClaim:
    """A folder that is ours until `release`.

    Raises:
        JournalError: another process has it; `detail["holder"]` tells which, as far as it is known.
        OSError: the disk refuses.
    """

    def __init__(self, folder: Path, *, wait_s: float = WAIT_S) -> None:
        self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._lock(folder, time.monotonic() + wait_s)
        except BaseException:
            self.release()
            raise
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)

    def release(self) -> None:
        """Gives the folder up; once more is fine. A process that ends does it by itself."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _lock(self, folder: Path, until_s: float) -> None:
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno not in TAKEN:
                    log.warning("this folder can't be locked against a second miner", folder=str(folder))
                    return
                if time.monotonic() >= until_s:
                    raise self._refusal(folder) from None
            time.sleep(POLL_S)

    def _refusal(self, folder: Path) -> JournalError:
        holder = os.pread(self._file, MAX_TEXT_BYTES, 0).decode("utf-8", "replace") or "another process"
        return JournalError(
            f"{holder} uses the journal in {folder}: stop it first, or give this miner another"
            " [operations] data_dir",
            folder=str(folder),
            holder=holder,
        )
