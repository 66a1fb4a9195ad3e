"""Answers that are given before the request was read to its end; most of them are refusals.

To close at once would reset the connection while the caller still sends, and many callers would never read
why. So such an answer tells that the connection will be closed, and for a short time what still arrives is
thrown away.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_S = 3.0
"""A caller may go on sending after its answer for this time."""
CLOSE = (b"connection", b"close")


class EarlyAnswers:
    """Middleware around whatever may answer early."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        await self._app(scope, exchange.receive, exchange.send)
        await exchange.end()  # here, and not while the answer is sent: the app lets go of what it holds


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


class _Exchange:
    """A request and its answer, of which either may end first."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._arrived = False
        self._early = False

    async def receive(self) -> Message:
        """See ASGI."""
        message = await self._receive()
        self._arrived = not message.get("more_body", False)  # also where the caller hung up
        return message

    async def send(self, message: Message) -> None:
        """See ASGI; keeps back the end of an early answer."""
        if message["type"] == "http.response.start" and not self._arrived:
            self._early = True
            message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
        elif message["type"] == "http.response.body" and self._early:
            message = {**message, "more_body": True}
        await self._send(message)

    async def end(self) -> None:
        """Ends an early answer, once nothing arrives any more or too much has."""
        if not self._early:
            return
        clock = asyncio.get_running_loop().time
        until_s = clock() + LINGER_S
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                while not self._arrived and clock() < until_s:  # a flood leaves no pause for the timeout
                    await self.receive()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
