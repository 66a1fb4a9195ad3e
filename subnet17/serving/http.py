"""What both servers do the same over HTTP: keys, limits, and the operator's routes."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from subnet17 import __version__
from subnet17.errors import UnauthorizedError
from subnet17.reload import SettingsFollower
from subnet17.serving.body_limit import BodyLimit
from subnet17.serving.early_answers import EarlyAnswers
from subnet17.serving.error_answers import add_error_handlers, error_response
from subnet17.serving.jobs import Jobs
from subnet17.serving.system_figures import SystemFigures
from subnet17.settings import ServerTable, Settings

OPEN_ROUTES = frozenset({"/health/", "/health", "/version/", "/version"})
"""Answered without a key: a supervisor may ask."""


class Service(Protocol):
    """What a server tells about itself."""

    jobs: Jobs

    def describe(self) -> dict[str, object]:
        """Its own part of `/status/`: back end and why it was chosen."""

    def follow(self, settings: Settings) -> None:
        """Takes over changed settings, for requests that come from now on."""


def create_service_app(
    service: Service,
    settings: ServerTable,
    *,
    title: str,
    max_body_bytes: int,
    follower: SettingsFollower | None = None,
) -> FastAPI:
    """An app with the shared errors, limits and operator routes; the caller adds the routes of the work.

    Args:
        service: What it serves.
        settings: The server's table.
        title: Its name.
        max_body_bytes: Of one request.
        follower: Followed while the app runs, where its configuration may change.
    """
    app = FastAPI(title=title, version=__version__, lifespan=_lifespan_of(service, follower))
    app.state.pool = service.jobs.pool  # where serve() asks whether the device was lost
    add_error_handlers(app, lambda: service.jobs.retry_after_s)
    _add_operator_routes(app, service, follower)
    app.add_middleware(BodyLimit, max_body_bytes=max_body_bytes)
    if settings.api_key:
        app.add_middleware(_ApiKey, api_key=settings.api_key)
    app.add_middleware(EarlyAnswers)  # the last one added is the outermost
    return app


def _lifespan_of(service: Service, follower: SettingsFollower | None) -> Callable[[FastAPI], Any]:
    pool = service.jobs.pool

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(pool.keep_ready())]  # the port answers "starting" meanwhile
        if follower is not None:
            follower.add(service.follow)
            tasks.append(asyncio.create_task(follower.watch()))
        yield
        for task in tasks:
            task.cancel()
        await pool.close()

    return lifespan


def _add_operator_routes(app: FastAPI, service: Service, follower: SettingsFollower | None) -> None:
    jobs = service.jobs
    started_s = time.monotonic()
    figures = SystemFigures()

    async def health() -> Response:
        reason = jobs.pool.reason or ("circuit breaker is open" if jobs.breaker.state == "open" else None)
        body = {
            "status": "ok" if reason is None else "unavailable",
            "reason": reason,
            "ready": reason is None,
            "system": figures.measure(),
        }
        headers = {} if reason is None else {"Retry-After": str(jobs.retry_after_s)}
        return JSONResponse(
            body | service.describe(), status_code=200 if reason is None else 503, headers=headers
        )

    async def status() -> dict[str, object]:
        return {
            "service": app.title,
            "version": __version__,
            "ready": jobs.pool.ready,
            "reason": jobs.pool.reason,
            "uptime_s": round(time.monotonic() - started_s, 1),
            **service.describe(),
            **jobs.as_json(),
            "settings": follower.as_json() if follower else None,
            "system": await figures.measure_all(),
        }

    async def metrics() -> Response:
        return Response(generate_latest(jobs.registry), media_type=CONTENT_TYPE_LATEST)

    async def version() -> str:
        return __version__

    documented: dict[str, dict[int | str, dict[str, Any]]] = {"health": {503: {"description": "Not ready"}}}
    for path, route in (("health", health), ("status", status), ("metrics", metrics), ("version", version)):
        app.add_api_route(
            f"/{path}/",
            route,
            methods=["GET"],
            response_model=None,
            tags=["operator"],
            responses=documented.get(path),
            response_class=PlainTextResponse if path == "metrics" else JSONResponse,
        )
        app.add_api_route(f"/{path}", route, methods=["GET"], response_model=None, include_in_schema=False)


class _ApiKey:
    """Refuses requests without the key, in constant time."""

    def __init__(self, app: ASGIApp, *, api_key: str) -> None:
        self._app = app
        self._api_key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_ROUTES:
            given = dict(scope["headers"]).get(b"x-api-key", b"")
            if not hmac.compare_digest(given, self._api_key):
                error = UnauthorizedError("header X-API-Key is missing or wrong")
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def media_type_of(request: Request) -> str:
    """The request's content type without parameters, lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def caller_gone(request: Request) -> Callable[[], Awaitable[bool]]:
    """A question for `Jobs.run`: has this request's caller hung up?"""
    return request.is_disconnected
