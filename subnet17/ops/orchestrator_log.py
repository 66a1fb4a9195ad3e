"""The orchestrator's log: stderr and a file in the project's root, kept below its cap."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from subnet17.log import configure_logging
from subnet17.log_files import rotate
from subnet17.settings import PROJECT_ROOT, Settings

CAP_S = 2.0


class _Copied:
    """stderr, copied into the log file: also the trace of what nobody expected."""

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        self._stream, self._file = stream, file

    def write(self, text: str) -> int:
        for stream in (self._file, self._stream):
            with suppress(OSError):  # a full disk, a terminal that is gone
                stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in (self._file, self._stream):
            with suppress(OSError):
                stream.flush()

    def isatty(self) -> bool:
        """Colours have no place in a file."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_log(settings: Settings) -> None:
    """Copies stderr into the file from now on, and logs as the settings say. Once in a process."""
    if isinstance(sys.stderr, _Copied):
        return
    path = _path(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:  # looking after the processes matters more than a log of it
        print(f"warning: can't write {path}: {error.strerror}", file=sys.stderr)  # noqa: T201
    else:
        sys.stderr = _Copied(sys.stderr, file)
    operations = settings.operations
    configure_logging(service="orchestrator", level=operations.log_level, form=operations.log_format)


async def cap_log(settings: Settings) -> None:
    """Keeps the file below its cap until it is cancelled."""
    operations = settings.operations
    while True:
        rotate(_path(settings), operations.log_max_bytes, operations.log_backups)
        await asyncio.sleep(CAP_S)


def _path(settings: Settings) -> Path:
    return PROJECT_ROOT / Path(settings.operations.orchestrator_log).expanduser()
