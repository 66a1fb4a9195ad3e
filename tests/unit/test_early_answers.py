"""Refusals over a real socket, to callers who have not sent their whole body yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
import uvicorn

from subnet17.serving import body_limit, early_answers
from subnet17.serving.connections import BoundedConnection
from tests.echo_service import make_echo_app

LIMIT_BYTES = 10_000_000
KEY = "a key"


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    app = make_echo_app(max_body_bytes=LIMIT_BYTES, api_key=KEY)
    config = uvicorn.Config(
        app, http=BoundedConnection, lifespan="off", log_config=None, timeout_graceful_shutdown=1, port=0
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def trickle(port: int, length: str, key: str) -> str:
    """What the server sends until it closes, while a byte of the body arrives every 50 ms."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /echo HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n{length}\r\n\r\n"
    writer.write(head.encode())
    reading = asyncio.create_task(read_all(reader))
    async with asyncio.timeout(60):
        while not reading.done():
            writer.write(b"1\r\nx\r\n" if "chunked" in length else b"x")
            await asyncio.sleep(0.05)
    writer.close()
    return (await reading).decode().lower()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    try:
        while piece := await reader.read(2**16):
            received += piece
    except ConnectionError:
        pass
    return bytes(received)


@pytest.mark.parametrize(
    ("length", "key", "status"),
    [
        ("Content-Length: 1000000", "", 401),
        ("Transfer-Encoding: chunked", "", 401),
        (f"Content-Length: {LIMIT_BYTES + 1}", KEY, 413),
        ("Content-Length: 1000000", KEY, 408),
    ],
)
async def test_a_refused_caller_who_goes_on_sending_is_answered_and_given_up(
    monkeypatch: pytest.MonkeyPatch, port: int, length: str, key: str, status: int
) -> None:
    monkeypatch.setattr(early_answers, "LINGER_S", 0.3)
    monkeypatch.setitem(body_limit.BodyLimit.__init__.__kwdefaults__, "timeout_s", 0.3)
    reply = await trickle(port, length, key)
    assert f"http/1.1 {status}" in reply and "connection: close" in reply
    assert reply.endswith("}")


async def test_a_caller_who_sends_all_before_it_reads_gets_its_refusal(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(20):
            reply = await client.post("/echo", content=bytes(LIMIT_BYTES))
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")


async def test_a_connection_is_used_again_after_a_request_that_was_read(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": KEY}) as client:
        replies = [await client.post("/echo", content=b"123"), await client.get("/nowhere")]
        assert [reply.status_code for reply in replies] == [200, 404]
        assert not any("connection" in reply.headers for reply in replies)


async def test_an_answer_ends_for_the_caller_before_the_lingering_does(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_answers, "LINGER_S", 3600.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r")[0])
    assert (await reader.readexactly(length)).endswith(b"}")
    writer.close()
