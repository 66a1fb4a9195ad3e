"""What one connection may take: how long its headers, how many bytes, how long what is left after an answer.

Bodies are bounded in body_limit.py, where they can be answered. A caller who does not even finish its headers
gets no answer, and one who neither ends its request nor reads its answer can't be told: the connection is
closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_TIMEOUT_S = 10.0
"""From the connection's start, or from the first byte of a further request on it."""
REST_TIMEOUT_S = 5.0
"""For the rest of a body whose answer was sent already: nobody wants it."""
READ_CHECK_S = 30.0
"""Between two looks at how much of an answer is unread. The kernel takes it in pieces of up to some MB."""
LEAST_READ_BYTES_PER_S = 16 * 2**10
"""At which an answer must be read, averaged over READ_CHECK_S; until then it is held in memory."""
MAX_HEADER_BYTES = 32 * 2**10
"""Of the request line and all headers."""
MAX_CONNECTIONS = 512
"""Open at once; a process may usually hold 1024 files."""


class Alarm:
    """Calls `ring` once, some time after it was set; setting it again meanwhile changes nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set_if(self, wanted: bool, after_s: float) -> None:
        """Sets it, or stops it where it is not wanted."""
        if not wanted:
            self.stop()
        elif self._handle is None:
            self._handle = self._loop.call_later(after_s, self._go_off)

    def stop(self) -> None:
        """It won't ring until it is set again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _go_off(self) -> None:
        self._handle = None
        self._ring()


class BoundedConnection(H11Protocol):
    """uvicorn's connection, which itself limits the time between requests only."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._headers_late = Alarm(self.loop, transport.abort)
        self._rest_late = Alarm(self.loop, transport.close)
        self._unread_long = Alarm(self.loop, self._check_reader)
        self._unread_bytes = 0
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        self._watch_headers()
        self._watch_rest()

    def on_response_complete(self) -> None:
        """Called when the last of an answer was handed to the transport, which may hold much of it still."""
        super().on_response_complete()
        self._watch_rest()
        self._watch_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        for alarm in (self._headers_late, self._rest_late, self._unread_long):
            alarm.stop()
        super().connection_lost(exc)

    def _watch_headers(self) -> None:
        awaited = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        self._headers_late.set_if(awaited, HEADER_TIMEOUT_S)

    def _watch_rest(self) -> None:
        """uvicorn's own limit between requests starts anew at every byte, of a body too."""
        answered = self.conn.our_state is h11.DONE and not self.transport.is_closing()
        self._rest_late.set_if(answered and self.conn.their_state is h11.SEND_BODY, REST_TIMEOUT_S)

    def _watch_reader(self) -> None:
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._unread_long.stop()
        self._unread_long.set_if(self._unread_bytes > 0, READ_CHECK_S)

    def _check_reader(self) -> None:
        read_bytes = self._unread_bytes - self.transport.get_write_buffer_size()
        if read_bytes < min(self._unread_bytes, LEAST_READ_BYTES_PER_S * READ_CHECK_S):
            self.transport.abort()
        else:
            self._watch_reader()


def bounded_config(app: ASGIApp, **more: Any) -> uvicorn.Config:
    """How an app is served within these bounds, without a log of its own; `more` goes to uvicorn as it is."""
    return uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        log_config=None,
        access_log=False,
        server_header=False,
        **more,
    )
