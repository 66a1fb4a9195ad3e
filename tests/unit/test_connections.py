"""Headers over a real socket: too long, too slow, too many; what callers leave undone after an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
import uvicorn
from starlette.types import Receive, Scope, Send

from subnet17.serving import connections
from subnet17.serving.connections import MAX_HEADER_BYTES, BoundedConnection

LARGE = bytes(32 * 2**20)
"""More than the kernel takes off a server's hands."""


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(1.5 if scope["path"] == "/slow" else 0)
    body = LARGE if scope["path"] == "/large" else b"ok"
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


LIMITS = ("HEADER_TIMEOUT_S", "REST_TIMEOUT_S", "READ_CHECK_S")


def shorten(monkeypatch: pytest.MonkeyPatch, *limits: str, to_s: float = 0.2) -> None:
    """Only where they are to be passed: a busy machine may take longer for what is to be answered."""
    for name in limits:
        monkeypatch.setattr(connections, name, to_s)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[uvicorn.Server]:
    config = uvicorn.Config(
        answer,
        http=BoundedConnection,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
        port=0,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server
    server.should_exit = True
    await serving


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


async def replies(port: int, *pieces: bytes) -> bytes:
    """What a server sends until it closes, to pieces sent 50 ms apart."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(read_all(reader))
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.05)
    try:
        return await asyncio.wait_for(reading, 60)
    finally:
        writer.close()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Also what came before a reset, which a server's end is while we still send."""
    received = bytearray()
    with suppress(ConnectionError):
        while piece := await reader.read(2**16):
            received += piece
    return bytes(received)


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n"
CLOSE = b"Connection: close\r\n"


async def test_a_request_in_pieces_is_answered(port: int) -> None:
    whole = REQUEST % CLOSE
    assert (await replies(port, whole[:10], whole[10:])).endswith(b"ok")


@pytest.mark.parametrize("start", [b"", b"GET", (REQUEST % b"")[:-2]])
async def test_headers_that_do_not_end_are_given_up(
    monkeypatch: pytest.MonkeyPatch, port: int, start: bytes
) -> None:
    shorten(monkeypatch, "HEADER_TIMEOUT_S")
    assert await replies(port, start) == b""


async def test_headers_that_trickle_are_given_up(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    shorten(monkeypatch, "HEADER_TIMEOUT_S")
    lines = [b"X-%d: y\r\n" % i for i in range(10)]
    assert await replies(port, b"GET / HTTP/1.1\r\n", *lines, b"Host: a\r\nConnection: close\r\n\r\n") == b""


async def test_a_second_request_whose_headers_do_not_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST % b"")
    assert b"200 OK" in await reader.readuntil(b"ok")
    shorten(monkeypatch, "HEADER_TIMEOUT_S")
    writer.write(b"GET /")
    assert await asyncio.wait_for(read_all(reader), 60) == b""
    writer.close()


async def test_a_slow_answer_is_not_given_up(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    shorten(monkeypatch, *LIMITS, to_s=1.0)
    assert (await replies(port, (REQUEST % CLOSE).replace(b"GET /", b"GET /slow"))).endswith(b"ok")


async def test_long_headers_are_refused(port: int) -> None:
    fits = b"X: " + b"y" * (MAX_HEADER_BYTES // 2) + b"\r\n"
    assert (await replies(port, REQUEST % (fits + CLOSE))).endswith(b"ok")
    assert b"400 Bad Request" in await replies(port, b"GET / HTTP/1.1\r\nX: " + b"y" * (2 * MAX_HEADER_BYTES))


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


async def trickle(port: int, head: bytes) -> bytes:
    """What a server sends until it closes, while a byte arrives every 50 ms."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    received = bytearray()
    try:
        async with asyncio.timeout(60):
            sending = asyncio.create_task(send_bytes(writer))
            while piece := await reader.read(2**16):
                received += piece
    except ConnectionError:
        pass
    finally:
        sending.cancel()
        writer.close()
    return bytes(received)


async def send_bytes(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.05)


async def test_a_body_that_trickles_in_after_its_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    shorten(monkeypatch, "REST_TIMEOUT_S")
    assert (await trickle(port, POST % 1_000_000)).endswith(b"ok")


async def test_a_body_that_ends_soon_after_its_answer_leaves_the_connection_in_use(port: int) -> None:
    rest_and_more = [b"x" * 5, b"x" * 5, REQUEST % b"", REQUEST % CLOSE]
    reply = await replies(port, POST % 10, *rest_and_more)
    assert reply.count(b"200 OK") == 3


async def until_nobody_is_connected(server: uvicorn.Server) -> None:
    async with asyncio.timeout(60):
        while server.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("more", [b"", CLOSE])
async def test_an_answer_that_nobody_reads_is_dropped(
    monkeypatch: pytest.MonkeyPatch, server: uvicorn.Server, port: int, more: bytes
) -> None:
    shorten(monkeypatch, "READ_CHECK_S")
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**10)
    writer.write((REQUEST % more).replace(b"GET /", b"GET /large"))
    async with asyncio.timeout(60):
        while not server.server_state.total_requests:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
    await until_nobody_is_connected(server)
    writer.close()


async def test_a_slow_reader_gets_all_of_a_large_answer(
    monkeypatch: pytest.MonkeyPatch, server: uvicorn.Server, port: int
) -> None:
    shorten(monkeypatch, "READ_CHECK_S", to_s=2.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write((REQUEST % CLOSE).replace(b"GET /", b"GET /large"))
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"200 OK" in head
    for _ in range(32):
        await asyncio.sleep(0.1)
        assert len(await reader.readexactly(2**20)) == 2**20
    assert await reader.read() == b""
    await until_nobody_is_connected(server)
    writer.close()
