"""Headers over a real socket: too long, too slow, too many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import uvicorn
from starlette.types import Receive, Scope, Send

from subnet17.serving import connections
from subnet17.serving.connections import MAX_HEADER_BYTES, BoundedConnection


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0.4 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest_asyncio.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", 0.2)
    config = uvicorn.Config(
        answer,
        http=BoundedConnection,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        lifespan="off",
        log_config=None,
        port=0,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def replies(port: int, *pieces: bytes) -> bytes:
    """What a server sends until it closes, to pieces sent 50 ms apart."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.05)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n"
CLOSE = b"Connection: close\r\n"


async def test_a_request_in_pieces_is_answered(port: int) -> None:
    whole = REQUEST % CLOSE
    assert (await replies(port, whole[:10], whole[10:])).endswith(b"ok")


@pytest.mark.parametrize("start", [b"", b"GET", (REQUEST % b"")[:-2]])
async def test_headers_that_do_not_end_are_given_up(port: int, start: bytes) -> None:
    assert await replies(port, start) == b""


async def test_headers_that_trickle_are_given_up(port: int) -> None:
    lines = [b"X-%d: y\r\n" % i for i in range(10)]
    assert await replies(port, b"GET / HTTP/1.1\r\n", *lines, b"Host: a\r\nConnection: close\r\n\r\n") == b""


async def test_a_second_request_whose_headers_do_not_end_is_given_up(port: int) -> None:
    reply = await replies(port, REQUEST % b"", b"GET /")
    assert reply.count(b"200 OK") == 1


async def test_a_slow_answer_is_not_given_up(port: int) -> None:
    assert (await replies(port, (REQUEST % CLOSE).replace(b"GET /", b"GET /slow"))).endswith(b"ok")


async def test_long_headers_are_refused(port: int) -> None:
    fits = b"X: " + b"y" * (MAX_HEADER_BYTES // 2) + b"\r\n"
    assert (await replies(port, REQUEST % (fits + CLOSE))).endswith(b"ok")
    assert b"400 Bad Request" in await replies(port, b"GET / HTTP/1.1\r\nX: " + b"y" * (2 * MAX_HEADER_BYTES))
