"""Errors as answers, in one shape everywhere: both servers and the miner's page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from subnet17.errors import CallerGoneError, InvalidInputError, S17Error
from subnet17.log import get_logger

log = get_logger()

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


def add_error_handlers(app: FastAPI, retry_after_s: Callable[[], int] | None = None) -> None:
    """Has all errors of an app answered in our shape, unexpected ones and the framework's own too.

    Args:
        retry_after_s: When to come back, where the error does not say so.
    """

    async def handle(request: Request, error: Exception) -> Response:
        return error_response(_as_ours(error), retry_after_s)

    for kind in (S17Error, RequestValidationError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, handle)

    async def handle_unexpected(request: Request, error: Exception) -> Response:
        log.exception("unexpected error", path=request.url.path, exc_info=error)
        return error_response(S17Error("an unexpected error; the log has its trace"), retry_after_s)

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
    if isinstance(error.__cause__, S17Error):  # the framework's word for what happened while it read a body
        return error.__cause__
    assert isinstance(error, HTTPException)  # noqa: S101 - the handlers are registered for these four
    return HttpStatusError(error.status_code, str(error.detail))


CODES = {404: "not_found", 405: "method_not_allowed", 408: "body_timeout"}


class HttpStatusError(InvalidInputError):
    """The framework's own refusals (404, 405, broken multipart) in the shape of ours."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status  # type: ignore[misc]
        self.code = CODES.get(status, "invalid_input")  # type: ignore[misc]


def error_response(error: S17Error, retry_after_s: Callable[[], int] | None = None) -> Response:
    """The error as JSON, with Retry-After where coming back helps.

    ASCII, and without a detail that JSON has no form for: what a caller sent may be quoted in it.
    """
    headers = {}
    if error.status in {429, 503}:
        after_s = error.detail.get("retry_after_s") or (retry_after_s() if retry_after_s else 1)
        headers["Retry-After"] = str(after_s)
    try:
        body = json.dumps(error.as_json(), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        body = json.dumps({"error": {"code": error.code, "message": error.message, "detail": {}}})
    return Response(body, status_code=error.status, headers=headers, media_type="application/json")
