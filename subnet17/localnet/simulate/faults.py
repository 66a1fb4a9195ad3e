"""What a validator's server and the way to it can do to a request.

Each fault is handed the request and a function that lets the validator serve it; what it returns or raises
is what the miner's client sees.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from subnet17.localnet.simulate.wire import Stream, reply

Serve = Callable[[httpx.Request], Awaitable[httpx.Response]]
Fault = Callable[[httpx.Request, Serve], Awaitable[httpx.Response]]

MEGABYTE = b"a" * 1_000_000
REFUSED_ONE_IN = 10


async def behave(request: httpx.Request, serve: Serve) -> httpx.Response:
    """No fault."""
    return await serve(request)


async def hang(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Takes the request and says nothing."""
    await asyncio.Event().wait()
    raise AssertionError("nothing ends this wait but a time limit")


async def refuse(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Nobody listens."""
    raise httpx.ConnectError("connection refused", request=request)


async def reset(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Breaks the connection before the request is served."""
    raise httpx.ReadError("connection reset", request=request)


async def reset_after(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Serves the request and breaks the connection before the reply."""
    await serve(request)
    raise httpx.ReadError("connection reset", request=request)


async def lose_reply(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Serves the request; the reply never comes."""
    await serve(request)
    return await hang(request, serve)


async def lose_verdict(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Judges a result and breaks the connection before the verdict; serves all else."""
    return await (reset_after if _is_submit(request) else behave)(request, serve)


async def refuse_some_results(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Takes no result of one task in ten, however often it comes: HTTP 413. Skips are fine."""
    if _is_submit(request) and (tree := json.loads(request.content))["results"]:
        lot = hashlib.sha256(tree["task_id"].encode()).digest()[0]
        if lot % REFUSED_ONE_IN == 0:
            return reply(b'{"message": "too large"}', status=413)
    return await serve(request)


async def break_on_some_results(request: httpx.Request, serve: Serve) -> httpx.Response:
    """The same with HTTP 500: nothing tells that it will never change."""
    answer = await refuse_some_results(request, serve)
    return answer if answer.status_code == httpx.codes.OK else await fail(request, serve)


def _is_submit(request: httpx.Request) -> bool:
    return request.url.path == "/SubmitResults"


async def drip(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Serves the request and sends the reply byte by byte, one a second."""
    whole = await serve(request)
    body = b"".join([piece async for piece in whole.aiter_raw()])

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(len(body)):
            await asyncio.sleep(1.0)
            yield body[number : number + 1]

    return httpx.Response(whole.status_code, headers=whole.headers, stream=Stream(pieces()))


async def fail(request: httpx.Request, serve: Serve) -> httpx.Response:
    """HTTP 500 at once."""
    return reply(b'{"message": "Internal Server Error"}', status=500)


async def talk_garbage(request: httpx.Request, serve: Serve) -> httpx.Response:
    """HTTP 200 and bytes that are no JSON."""
    return reply(bytes(range(256)) * 4)


async def flood(request: httpx.Request, serve: Serve) -> httpx.Response:
    """100 MB of one JSON string."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"task": "'
        for _ in range(100):
            await asyncio.sleep(0.01)
            yield MEGABYTE

    return httpx.Response(200, headers={"content-length": "100000010"}, stream=Stream(pieces()))


async def name_other_task(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Puts a task into each answer that the validator knows nothing of."""
    whole = await serve(request)
    body = b"".join([piece async for piece in whole.aiter_raw()])
    if whole.status_code != httpx.codes.OK:
        return reply(body, status=whole.status_code)
    tree = json.loads(body)
    tree["task"] = {"type": "text", "id": str(uuid.UUID(int=len(body))), "prompt": "something else"}
    tree["task_id"] = tree["task"]["id"]
    return reply(json.dumps(tree).encode())


class Sometimes:
    """Picks a fault for each request.

    Args:
        shares: Probability of each fault; the rest is no fault.
    """

    def __init__(self, shares: dict[Fault, float], rng: random.Random) -> None:
        self._shares = shares
        self._rng = rng

    async def __call__(self, request: httpx.Request, serve: Serve) -> httpx.Response:
        left = self._rng.random()
        for fault, share in self._shares.items():
            left -= share
            if left < 0:
                return await fault(request, serve)
        return await serve(request)
