"""One miner per hotkey and network on a machine: a second one refuses to start.

Two would pull the same tasks, break each other's cooldowns and double the nonces. The claim is an abstract
unix socket: the kernel holds it, whatever data folder the miners use, and frees it the moment its process
ends, also by kill -9. Connecting to it tells the holder's pid, as the kernel knows it.

Not covered: other machines and containers with a network namespace of their own; systems without abstract
sockets, where a warning says so.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence

from subnet17.errors import UnavailableError
from subnet17.log import get_logger

log = get_logger()

PREFIX = "subnet17-miner-"
POLL_S = 0.1
WAIT_S = 5.0
"""A miner that is being replaced needs a moment to end."""
BACKLOG = 16
HOLDER_WAIT_S = 1
"""For a place in the holder's queue."""

_held: dict[str, socket.socket] = {}
"""For as long as this process lives."""


def claim_hotkey(hotkey: str, networks: Sequence[str], *, wait_s: float = WAIT_S) -> None:
    """Takes a hotkey on a network for this process.

    Args:
        networks: All names of the network; miners that share one of them exclude each other.

    Raises:
        UnavailableError: another process mines with it (`detail["pid"]` tells which, 0 if that is hidden), or
            the system grants no claim.
    """
    if sys.platform != "linux":
        log.warning("this system can't tell whether another miner uses the hotkey", hotkey=hotkey)
        return
    ends_s = time.monotonic() + wait_s
    for name in (_name(hotkey, network) for network in networks):
        while not _take(name):
            if time.monotonic() >= ends_s:
                pid = _holder(name)
                who = f"process {pid}" if pid else "another process"
                raise UnavailableError(
                    f"{who} mines with hotkey {hotkey} already: stop it first, two would break each other's"
                    " cooldowns",
                    pid=pid,
                    hotkey=hotkey,
                )
            time.sleep(POLL_S)


def release() -> None:
    """Gives up all claims. For tests: a miner holds them until it ends."""
    for listener in _held.values():
        # Closing alone would not wake the thread that waits in accept(), and the kernel would keep the name.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    _held.clear()


def _name(hotkey: str, network: str) -> str:
    digest = hashlib.sha256(f"{hotkey}/{network}".encode()).hexdigest()
    return f"\0{PREFIX}{digest[:40]}"


def _take(name: str) -> bool:
    if name in _held:
        return True
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(name)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            return False
        raise UnavailableError(f"the hotkey can't be claimed on this machine: {error.strerror}") from None
    _held[name] = listener
    threading.Thread(target=_hang_up, args=(listener,), name="claim", daemon=True).start()
    return True


def _hang_up(listener: socket.socket) -> None:
    """Takes callers off the queue, which would fill up while a second miner keeps trying."""
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return


def _holder(name: str) -> int:
    """The pid of who listens; 0 when it can't be told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        # Not settimeout(): without blocking, a queue that is full for a moment refuses at once.
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", HOLDER_WAIT_S, 0))
        try:
            caller.connect(name)
            credentials = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return 0
    return int(struct.unpack("3i", credentials)[0])
