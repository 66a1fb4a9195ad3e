"""Ports for servers that tests start: nobody else gets them until this process ends.

A port that was looked up and let go again may be somebody else's before the server has started, which takes
seconds: another test's beside this one, or the near end of any connection. So each is held by a socket that
does not listen. The system gives such a port to nobody, and who knows its number can listen on it with
SO_REUSEADDR, as all our servers do.
"""

from __future__ import annotations

import socket

HOST = "127.0.0.1"
_held: list[socket.socket] = []


def reserve_port() -> int:
    """One of any number."""
    return reserve_ports(1)[0]


def reserve_ports(count: int) -> list[int]:
    """So many of any numbers."""
    return [port for _ in range(count) for port in reserve_neighbours(1)]


def reserve_neighbours(count: int) -> list[int]:
    """So many whose numbers follow each other."""
    while True:
        first = _hold(0)
        port = int(first.getsockname()[1])
        holders = [first]
        try:
            holders += [_hold(port + offset) for offset in range(1, count)]
        except (OSError, OverflowError):  # one of them is in use, or beyond the last
            for holder in holders:
                holder.close()
            continue
        _held.extend(holders)
        return list(range(port, port + count))


def _hold(port: int) -> socket.socket:
    # Bound without SO_REUSEADDR at first: with it we would share a port that is held already.
    holder = socket.socket()
    try:
        holder.bind((HOST, port))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError:
        holder.close()
        raise
    return holder
