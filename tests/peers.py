"""Tiny real servers that stand in for the miner's peers: validators, generation and validation servers."""

from __future__ import annotations

import asyncio
import base64
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bittensor as bt
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from subnet17.mining.chain import Neuron
from subnet17.mining.clock import Clock
from subnet17.mining.tasks import Assignment, Submission

SPZ = b"\x28\xb5\x2f\xfd" + b"an asset"
MINER = bt.Keypair.create_from_uri("//Miner")


def key(name: str) -> Any:
    """A development key."""
    return bt.Keypair.create_from_uri(f"//{name}")


def neuron(port: int = 8091, *, name: str = "Validator0", uid: int = 0, stake: float = 10_000.0) -> Neuron:
    """A serving validator on loopback."""
    return Neuron(
        uid=uid, hotkey=key(name).ss58_address, ip="127.0.0.1", port=port, stake=stake, is_serving=True
    )


def assignment(**changes: Any) -> Assignment:
    """A text task of validator 0."""
    facts: dict[str, Any] = {
        "task_id": "task-1",
        "kind": "text",
        "prompt": "a red chair",
        "validator": key("Validator0").ss58_address,
        "threshold": 0.6,
        "throttle_s": 30.0,
        "assigned_s": 0.0,
    }
    return Assignment(**facts | changes)


def submission(**changes: Any) -> Submission:
    """A good result for `assignment()`."""
    facts: dict[str, Any] = {
        "assignment": assignment(),
        "results": base64.b64encode(SPZ).decode(),
        "reason": "good",
        "candidates": 1,
        "seed": 7,
        "backend": "flux-hunyuan",
        "score": 0.8,
        "scorer": "reference",
    }
    return Submission(**facts | changes)


class HeldClock(Clock):
    """Time that passes only in sleeps, at once."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self.now_s = now_s
        self.slept: list[float] = []

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.now_s += seconds
            await asyncio.sleep(0)

        super().__init__(lambda: self.now_s, lambda: int(self.now_s * 1e9), lambda: self.now_s, sleep)

    __setattr__ = object.__setattr__


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder for a journal whose durability is not at stake: in memory where the system has such a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder of our own in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@asynccontextmanager
async def raw_peer(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A TCP server that answers each connection with raw bytes; yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def replying(body: bytes, *, status: str = "200 OK", headers: str = "") -> Callable[..., Awaitable[None]]:
    """For `raw_peer`: one fixed HTTP reply."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(2**16)
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """For `raw_peer`: takes everything, says nothing."""
    while await reader.read(2**16):
        pass


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """For `raw_peer`: breaks the connection once a request came."""
    await reader.read(2**16)
    writer.transport.abort()


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """For `raw_peer`: 100 MB of JSON string."""
    await reader.read(2**16)
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n{"task": "')
    for _ in range(100):
        writer.write(b"a" * 1_000_000)
        await writer.drain()


class _Quiet(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Any:
        yield


def listen() -> socket.socket:
    """A loopback socket on a free port."""
    return socket.create_server(("127.0.0.1", 0))


@asynccontextmanager
async def app_peer(app: FastAPI, *, listener: socket.socket | None = None) -> AsyncIterator[int]:
    """A FastAPI app on loopback in this event loop; yields its port."""
    listener = listener or listen()
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = _Quiet(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


@dataclass
class FakeGeneration:
    """A generation server. `fail` may hold (status, body) answers that come first."""

    backend: str = "flux-hunyuan"
    data: bytes = SPZ
    delay_s: float = 0.0
    healthy: bool = True
    fail: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    forms: list[dict[str, Any]] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    def app(self) -> FastAPI:
        """Its routes."""
        app = _operator_app(self, "backend")

        @app.post("/generate/")
        async def generate(request: Request) -> Response:
            async with request.form() as form:
                fields = {k: v if isinstance(v, str) else await v.read() for k, v in form.items()}
            self.forms.append(fields | {"timeout": request.headers.get("x-timeout-s")})
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            await asyncio.sleep(self.delay_s)
            self.running -= 1
            if self.fail:
                status, body = self.fail.pop(0)
                return JSONResponse(body, status_code=status)
            return Response(self.data, headers={"X-Backend": self.backend})

        return app


@dataclass
class FakeValidation:
    """A validation server that gives these scores in turn, the last one for ever."""

    scorer: str = "reference"
    scores: list[Any] = field(default_factory=lambda: [0.9])
    healthy: bool = True
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> FastAPI:
        """Its routes."""
        app = _operator_app(self, "scorer")

        async def validate(request: Request) -> dict[str, Any]:
            self.bodies.append({"path": request.url.path, **(await request.json())})
            score = self.scores.pop(0) if len(self.scores) > 1 else self.scores[0]
            return {"score": score, "scorer": self.scorer, "reasons": []}

        for kind in ("txt", "img"):
            app.add_api_route(f"/validate_{kind}_to_3d_ply/", validate, methods=["POST"])
        return app


def _operator_app(server: Any, identity: str) -> FastAPI:
    app = FastAPI()

    @app.get("/status/")
    async def status() -> dict[str, Any]:
        return {identity: getattr(server, identity)}

    @app.get("/health/")
    async def health() -> Response:
        return JSONResponse({}, status_code=200 if server.healthy else 503)

    return app
