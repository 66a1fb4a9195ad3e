"""One worker process per GPU: whoever starts first takes the first device that no living process holds."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from subnet17.errors import ConfigError, UnavailableError

POLL_S = 0.1
WAIT_S = 10.0
"""A killed CUDA process takes seconds to die, and its lock goes with it, not before."""

_held: dict[Path, int] = {}
"""Open lock files of this process. The kernel releases them when it ends, however it ends."""


def claim_device(devices: Sequence[str], folder: Path, *, wait_s: float = WAIT_S) -> str:
    """Takes one of `devices` for as long as this process lives; asked again, it gives the same one.

    Args:
        devices: Such as "cuda:0", in order of preference.
        folder: Where the lock files lie; the same for all processes that share the devices. Made if missing.
        wait_s: How long to wait for a process that is ending.

    Raises:
        ConfigError: no device is named.
        UnavailableError: each is held by another process still.
    """
    if not devices:
        raise ConfigError("no device is named to work on")
    folder.mkdir(parents=True, exist_ok=True)
    ends_s = time.monotonic() + wait_s
    while (device := _first_free(devices, folder)) is None:
        if time.monotonic() >= ends_s:
            raise UnavailableError(
                f"all of {', '.join(devices)} are held by other processes",
                devices=list(devices),
                holders={device: _holder(_lock_path(device, folder)) for device in devices},
            )
        time.sleep(POLL_S)
    return device


def _first_free(devices: Sequence[str], folder: Path) -> str | None:
    ours = [device for device in devices if _lock_path(device, folder) in _held]
    return next((device for device in [*ours, *devices] if _take(_lock_path(device, folder))), None)


def _take(path: Path) -> bool:
    if path in _held:
        return True
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)  # for people; the lock is what counts
    if not _held:
        os.register_at_fork(after_in_child=_forget)
    _held[path] = descriptor
    return True


def _forget() -> None:
    """A forked child must neither believe it holds a device nor keep one locked after its parent's death."""
    for descriptor in _held.values():
        os.close(descriptor)
    _held.clear()


def _lock_path(device: str, folder: Path) -> Path:
    return folder.resolve() / f"{re.sub(r'[^A-Za-z0-9]+', '-', device)}.lock"


def _holder(path: Path) -> str:
    try:
        return path.read_text()[:20]
    except OSError:
        return ""
