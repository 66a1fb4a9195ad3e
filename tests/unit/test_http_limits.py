"""What callers may send: how large, how much at once, how slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from subnet17.serving import body_limit, early_answers
from tests.echo_service import make_echo_app

LIMIT_BYTES = 1000


def make_app() -> tuple[FastAPI, asyncio.Event, list[int]]:
    """An app whose route reads its body and then waits for the event; the sizes of what it has read."""
    release, read = asyncio.Event(), list[int]()

    async def note(size: int) -> None:
        read.append(size)
        await release.wait()

    return make_echo_app(max_body_bytes=LIMIT_BYTES, then=note), release, read


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def test_bodies_held_at_once_are_bounded_and_given_back() -> None:
    app, release, read = make_app()
    async with client_of(app) as client:
        held = [asyncio.create_task(client.post("/echo", content=b"x" * LIMIT_BYTES)) for _ in range(4)]
        async with asyncio.timeout(60):
            while len(read) < len(held):  # noqa: ASYNC110 - a list sets no event
                await asyncio.sleep(0.01)
        shed = await client.post("/echo", content=b"x")
        assert (shed.status_code, shed.json()["error"]["code"]) == (429, "overloaded")
        assert int(shed.headers["retry-after"]) >= 1
        release.set()
        assert [reply.json() for reply in await asyncio.gather(*held)] == [LIMIT_BYTES] * 4
        assert (await client.post("/echo", content=b"x" * LIMIT_BYTES)).status_code == 200


async def test_a_body_that_trickles_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(body_limit.BodyLimit.__init__.__kwdefaults__, "timeout_s", 0.1)
    monkeypatch.setattr(early_answers, "LINGER_S", 0.1)
    app, *_ = make_app()

    async def trickle() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(30)

    async with client_of(app) as client:
        reply = await client.post("/echo", content=trickle())
    assert (reply.status_code, reply.json()["error"]["code"]) == (408, "body_timeout")


async def test_a_caller_who_hangs_up_while_sending_is_no_unexpected_error() -> None:
    app, *_ = make_app()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/echo",
        "raw_path": b"/echo",
        "query_string": b"",
        "headers": [(b"content-length", b"10")],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "root_path": "",
    }
    await app(scope, receive, send)  # raises what the error handlers don't know
    assert sent[0]["status"] == 499
