"""What one connection may take: how long its request's headers, and how many bytes they have.

Bodies are bounded in http.py, where they can be answered. A caller who does not even finish its headers gets
no answer: the connection is closed.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_TIMEOUT_S = 10.0
"""From the connection's start, or from the first byte of a further request on it."""
MAX_HEADER_BYTES = 32 * 2**10
"""Of the request line and all headers."""
MAX_CONNECTIONS = 512
"""Open at once; a process may usually hold 1024 files."""


class BoundedConnection(H11Protocol):
    """uvicorn's connection, closed when headers take too long; itself it limits the time between requests."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop_waiting()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEADER_TIMEOUT_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self.transport.abort()
