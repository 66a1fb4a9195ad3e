"""The smallest service of the shared HTTP layer: it tells the size of what it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request

from subnet17.serving.http import create_service_app
from subnet17.serving.jobs import Jobs
from subnet17.serving.workers import WorkerPool
from subnet17.settings import ServerTable


def load_nothing() -> None: ...


class EchoService:
    """What an app without a follower asks of a service; its workers are never started."""

    def __init__(self) -> None:
        self.jobs = Jobs(WorkerPool(load_nothing), ServerTable())

    def describe(self) -> dict[str, object]:
        return {}


async def nothing_more(size: int) -> None: ...


def make_echo_app(
    *, max_body_bytes: int, api_key: str = "", then: Callable[[int], Awaitable[None]] = nothing_more
) -> FastAPI:
    """An app with one route of its own, `POST /echo`.

    Args:
        then: Told the size of the body and awaited before the answer, which is that size.
    """
    app = create_service_app(
        EchoService(), ServerTable(api_key=api_key), title="echo", max_body_bytes=max_body_bytes
    )

    async def echo(request: Request) -> int:
        size = len(await request.body())
        await then(size)
        return size

    app.add_api_route("/echo", echo, methods=["POST"], response_model=None)
    return app
