"""The network of the simulation: a transport for httpx that carries requests to hosts in this process.

Everything above it is the miner's own: building, signing, capping, parsing and time limits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate

import httpx

Host = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Wire(httpx.AsyncBaseTransport):
    """Carries requests by `host:port`.

    Args:
        hosts: Who answers where. Nobody answers elsewhere.
    """

    def __init__(self, hosts: dict[str, Host]) -> None:
        self._hosts = hosts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = self._hosts.get(f"{request.url.host}:{request.url.port}")
        if host is None:
            raise httpx.ConnectError("nobody listens there", request=request)
        await request.aread()
        return await host(request)


def reply(body: bytes, *, status: int = 200, date_s: float | None = None, **headers: str) -> httpx.Response:
    """A whole reply.

    Args:
        date_s: The sender's clock, for the Date header, which has whole seconds.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["content-length"] = str(len(body))
    if date_s is not None:
        named["date"] = formatdate(int(date_s), usegmt=True)
    return httpx.Response(status, headers=named, stream=httpx.ByteStream(body))


class Stream(httpx.AsyncByteStream):
    """A reply that comes in pieces."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces
