"""The miner's own page, one small app in its event loop: `/status/`, `/health/`, `/metrics`, and `/hold/`."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Protocol

import uvicorn
from fastapi import Depends, FastAPI, Header
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from subnet17 import __version__
from subnet17.addresses import is_loopback
from subnet17.errors import ConfigError, UnauthorizedError
from subnet17.mining.hold import Hold
from subnet17.mining.metrics import Metrics
from subnet17.reload import SettingsFollower
from subnet17.serving.body_limit import BodyLimit
from subnet17.serving.connections import bounded_config
from subnet17.serving.early_answers import EarlyAnswers
from subnet17.serving.error_answers import add_error_handlers
from subnet17.settings import MinerTable

MAX_BODY_BYTES = 16 * 2**10
"""A request to hold takes some hundred bytes."""


class HoldRequest(BaseModel):
    """Asks for fewer tasks at once, or none, for a while."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=64)
    tasks_at_once: int = Field(0, ge=0, le=64)
    reason: str = Field("", max_length=500)
    for_s: float = Field(gt=0, le=86_400, allow_inf_nan=False)


class ResumeRequest(BaseModel):
    """Ends what was asked for under a name."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=64)


class Reported(Protocol):
    """What the page shows."""

    metrics: Metrics
    hold: Hold
    stopping: asyncio.Event

    @property
    def is_connected(self) -> bool: ...

    @property
    def reason_not_pulling(self) -> str: ...

    def as_json(self) -> dict[str, Any]: ...


def create_app(miner: Reported, *, api_key: str, follower: SettingsFollower | None = None) -> FastAPI:
    """The page. With an API key, all but `/health/` ask for it in X-API-Key.

    Args:
        follower: What it says of the settings is shown.
    """
    app = FastAPI(title="subnet17-miner", version=__version__, docs_url=None, redoc_url=None)

    def check_key(x_api_key: str = Header("")) -> None:
        if api_key and not hmac.compare_digest(x_api_key.encode(), api_key.encode()):
            raise UnauthorizedError("X-API-Key is missing or wrong")

    add_error_handlers(app)
    app.add_middleware(BodyLimit, max_body_bytes=MAX_BODY_BYTES)
    app.add_middleware(EarlyAnswers)  # the last one added is the outermost

    @app.get("/health/")
    @app.get("/health", include_in_schema=False)
    async def health() -> JSONResponse:
        """Alive and connected. Waiting for a server or a cooldown is healthy: a restart would not help."""
        ready = miner.is_connected and not miner.stopping.is_set()
        reason = miner.reason_not_pulling or None
        status = "ok" if ready else "unavailable"
        body = {"status": status, "ready": ready, "pulling": reason is None, "reason": reason}
        return JSONResponse(body, status_code=200 if ready else 503)

    @app.get("/status/", dependencies=[Depends(check_key)])
    @app.get("/status", dependencies=[Depends(check_key)], include_in_schema=False)
    async def status() -> dict[str, Any]:
        settings = follower.as_json() if follower else None
        return {"version": __version__, **miner.as_json(), "settings": settings}

    @app.post("/hold/", dependencies=[Depends(check_key)])
    async def hold(request: HoldRequest) -> JSONResponse:
        taken = miner.hold.ask(
            request.by,
            tasks_at_once=request.tasks_at_once,
            reason=request.reason,
            for_s=request.for_s,
        )
        return JSONResponse({"held": taken}, status_code=200 if taken else 429)

    @app.post("/resume/", dependencies=[Depends(check_key)])
    async def resume(request: ResumeRequest) -> dict[str, bool]:
        return {"ended": miner.hold.lift(request.by)}

    @app.get("/metrics", dependencies=[Depends(check_key)])
    @app.get("/metrics/", dependencies=[Depends(check_key)], include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(miner.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


class _Server(uvicorn.Server):
    """Signals are the miner's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve_status(
    miner: Reported, settings: MinerTable, *, follower: SettingsFollower | None = None
) -> AsyncIterator[None]:
    """Serves the page while the block runs.

    Raises:
        ConfigError: the address is taken or can't be used, or it is open to others without an API key.
    """
    if not is_loopback(settings.host) and not settings.api_key:
        raise ConfigError(
            f"[miner] host {settings.host} is open to others: set [miner] api_key", key="miner.host"
        )
    listener = _listen(settings)
    app = create_app(miner, api_key=settings.api_key, follower=follower)
    server = _Server(bounded_config(app, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(serving, timeout=2.0)
        listener.close()


def _listen(settings: MinerTable) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigError(
            f"the status page can't listen on {where}: {error.strerror}", key="miner.port"
        ) from None
