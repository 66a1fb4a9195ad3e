"""What bodies may take: each one's size and time, and the memory of all together."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from subnet17.errors import OverloadedError, TooLargeError
from subnet17.serving.error_answers import HttpStatusError, error_response

BODY_TIMEOUT_S = 60.0
"""Within this time a body has to arrive."""
MAX_LENGTH_DIGITS = 20
"""Of a declared body size: Python refuses to read numbers of thousands of digits."""
BODIES_HELD = 4
"""Bodies of the largest size that may be held in memory at once."""


class BodyLimit:
    """Bounds what callers may send: one body, all bodies together, and the time that one may take.

    A body over its limit is refused at once when its size is declared, else while it streams in. Bodies wait
    in memory for a worker, so many of the allowed size would still take all of it.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._app = app
        self._limit = max_body_bytes
        self._timeout_s = timeout_s
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        declared_bytes = int(declared[:MAX_LENGTH_DIGITS]) if declared.isdigit() else 0
        if declared_bytes > self._limit:
            await error_response(self._error(declared_bytes))(scope, receive, send)
            return
        received = 0
        complete = False
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s

        async def limited_receive() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()
            message = await _before(deadline_s, receive)
            complete = not message.get("more_body", False)
            size = len(message.get("body", b""))
            received += size
            self._held_bytes += size
            if received > self._limit:
                raise self._error(received)
            if self._held_bytes > BODIES_HELD * self._limit:
                raise OverloadedError("too many large bodies at once", retry_after_s=5)
            return message

        try:
            await self._app(scope, limited_receive, send)
        finally:
            self._held_bytes -= received

    def _error(self, measured: int) -> TooLargeError:
        return TooLargeError(
            f"body has {measured} bytes or more, at most {self._limit} are allowed",
            measured_bytes=measured,
            allowed_bytes=self._limit,
        )


async def _before(deadline_s: float, receive: Receive) -> Message:
    try:
        async with asyncio.timeout_at(deadline_s):
            return await receive()
    except TimeoutError:
        raise HttpStatusError(408, "the body did not arrive in time") from None
