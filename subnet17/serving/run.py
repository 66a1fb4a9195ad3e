"""Starts a server's app on its address."""

from __future__ import annotations

import errno
import socket
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from subnet17.addresses import check_guarded
from subnet17.errors import ConfigError
from subnet17.serving.connections import bounded_config
from subnet17.serving.relay import RelayPool
from subnet17.serving.workers import WorkerPool

GRACE_S = 20
"""Running requests may finish within this time after SIGTERM."""


def serve(app: FastAPI, *, host: str, port: int, api_key: str, allow_without_key: bool = False) -> int:
    """Serves until SIGINT or SIGTERM, or until a device is lost; returns the process's exit code.

    Args:
        app: Made by `create_service_app`.
        host: Address to listen on.
        port: Port to listen on.
        api_key: What callers must send; may be empty on a loopback address only.
        allow_without_key: It may be empty anywhere: something else keeps strangers off.

    Returns:
        0 after a signal; 1 when it could not start or lost its device: then a supervisor starts it anew.

    Raises:
        ConfigError: the address is taken, can't be bound, or would be open to others without a key.
    """
    check_guarded(host, api_key=api_key, allow_without_key=allow_without_key)
    listener = _bind(host, port)
    server = _Server(bounded_config(app, timeout_graceful_shutdown=GRACE_S))
    pool: WorkerPool | RelayPool = app.state.pool

    def end() -> None:
        server.should_exit = True  # what still runs on other devices is answered first, for up to GRACE_S

    pool.on_lost = end
    server.run(sockets=[listener])
    return 0 if server.started and not pool.lost else 1


class _Server(uvicorn.Server):
    """Ends with the exit code of `serve`: uvicorn's own raises a signal once more after an orderly end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit  # a second signal: what still runs is not waited for
        self.should_exit = True


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it on, a reply takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"can't be bound: {error.strerror}"
        raise ConfigError(f"port {port} on {host} {why}", host=host, port=port) from None
    return listener


def exit_with(error: Exception) -> int:
    """Prints a fatal, expected error for a person and gives the exit code that goes with it."""
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return 2
