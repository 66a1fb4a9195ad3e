"""What both servers do the same over HTTP: errors, limits, keys, and the operator's routes."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from subnet17 import __version__
from subnet17.errors import InvalidInputError, OverloadedError, S17Error, TooLargeError, UnauthorizedError
from subnet17.log import get_logger
from subnet17.reload import SettingsFollower
from subnet17.serving.early_answers import EarlyAnswers
from subnet17.serving.jobs import CallerGoneError, Jobs
from subnet17.serving.system_figures import SystemFigures
from subnet17.settings import ServerTable, Settings

log = get_logger()

OPEN_ROUTES = frozenset({"/health/", "/health", "/version/", "/version"})
"""Answered without a key: a supervisor may ask."""
BODY_TIMEOUT_S = 60.0
"""Within this time a body has to arrive."""
MAX_LENGTH_DIGITS = 20
"""Of a declared body size: Python refuses to read numbers of thousands of digits."""
BODIES_HELD = 4
"""Bodies of the largest size that may be held in memory at once."""


ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "detail"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "detail": {"type": "object"},
            },
        }
    },
}
_ERRORS = {
    400: "A field is wrong",
    401: "X-API-Key is missing or wrong",
    408: "The body did not arrive in time",
    413: "Too large",
    415: "Another content type",
    422: "The asset can't be used",
    429: "Overloaded, see Retry-After",
    500: "A fault of ours",
    503: "Not ready or out of time, see Retry-After",
}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": what, "content": {"application/json": {"schema": ERROR_SCHEMA}}}
    for status, what in _ERRORS.items()
}
"""For the OpenAPI description of every route that takes work."""


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
    _add_error_handlers(app, service.jobs)
    _add_operator_routes(app, service, follower)
    app.add_middleware(_BodyLimit, max_body_bytes=max_body_bytes)
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


def _add_error_handlers(app: FastAPI, jobs: Jobs) -> None:
    async def handle(request: Request, error: Exception) -> Response:
        return error_response(_as_ours(error), jobs)

    for kind in (S17Error, RequestValidationError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, handle)

    async def handle_unexpected(request: Request, error: Exception) -> Response:
        log.exception("unexpected error", path=request.url.path, exc_info=error)
        return error_response(S17Error("an unexpected error; the log has its trace"), jobs)

    app.add_exception_handler(Exception, handle_unexpected)


def _as_ours(error: Exception) -> S17Error:
    if isinstance(error, S17Error):
        return error
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or "body"
        return InvalidInputError(f"{field}: {first['msg']}", field=field)
    if isinstance(error, ClientDisconnect):
        return CallerGoneError("the caller hung up while sending")
    assert isinstance(error, HTTPException)  # noqa: S101 - the handlers are registered for these four
    return _HttpStatusError(error.status_code, str(error.detail))


CODES = {404: "not_found", 405: "method_not_allowed", 408: "body_timeout"}


class _HttpStatusError(InvalidInputError):
    """The framework's own refusals (404, 405, broken multipart) in the shape of ours."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status  # type: ignore[misc]
        self.code = CODES.get(status, "invalid_input")  # type: ignore[misc]


def error_response(error: S17Error, jobs: Jobs | None = None) -> Response:
    """The error as JSON, with Retry-After where coming back helps.

    ASCII, and without a detail that JSON has no form for: what a caller sent may be quoted in it.
    """
    headers = {}
    if error.status in {429, 503}:
        retry_after_s = error.detail.get("retry_after_s") or (jobs.retry_after_s if jobs else 1)
        headers["Retry-After"] = str(retry_after_s)
    try:
        body = json.dumps(error.as_json(), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        body = json.dumps({"error": {"code": error.code, "message": error.message, "detail": {}}})
    return Response(body, status_code=error.status, headers=headers, media_type="application/json")


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


class _BodyLimit:
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
        raise _HttpStatusError(408, "the body did not arrive in time") from None


def media_type_of(request: Request) -> str:
    """The request's content type without parameters, lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def caller_gone(request: Request) -> Callable[[], Awaitable[bool]]:
    """A question for `Jobs.run`: has this request's caller hung up?"""
    return request.is_disconnected
