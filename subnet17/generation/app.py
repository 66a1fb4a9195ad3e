"""The generation server's HTTP face."""

from __future__ import annotations

import json
import time

from fastapi import FastAPI, Request
from fastapi.responses import Response
from prometheus_client import Gauge

from subnet17.deadline import TIMEOUT_HEADER, Deadline
from subnet17.generation.backends import Backend, answer
from subnet17.generation.request import MAX_BODY_BYTES, receive
from subnet17.reload import SettingsFollower
from subnet17.serving.error_answers import ERROR_RESPONSES
from subnet17.serving.http import caller_gone, create_service_app
from subnet17.serving.jobs import Jobs
from subnet17.serving.workers import WorkerPool
from subnet17.settings import GenerationTable, Settings

BODY_SCHEMA = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "minLength": 1, "maxLength": 1024},
        "prompt_image": {
            "type": "string",
            "description": "base64 of a PNG, JPEG or WebP, instead of a prompt",
        },
        "seed": {"type": "integer", "minimum": 0},
        "format": {"type": "string", "enum": ["ply", "spz", "glb", "mesh_ply"], "default": "ply"},
        "profile": {"type": "string", "enum": ["speed", "balanced", "quality"]},
    },
}
FILE_SCHEMA = {"prompt_image_file": {"type": "string", "format": "binary"}}
OPENAPI_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {"schema": BODY_SCHEMA},
            "application/json": {"schema": BODY_SCHEMA},
            "multipart/form-data": {
                "schema": BODY_SCHEMA | {"properties": BODY_SCHEMA["properties"] | FILE_SCHEMA}  # type: ignore[operator]
            },
        },
    }
}


class GenerationService:
    """The server's parts: a back end and the way of its jobs."""

    def __init__(self, settings: GenerationTable, backend: Backend) -> None:
        self.settings = settings
        self.backend = backend
        pool = WorkerPool(
            backend.load,
            backend.args,
            workers=backend.workers or settings.workers,
            memory_bytes=settings.worker_memory_bytes if backend.limits_memory else None,
            load_timeout_s=settings.load_timeout_s,
            service="generation-worker",
        )
        self.jobs = Jobs(pool, settings)
        Gauge("s17_degradation_level", "0 is the full work", registry=self.jobs.registry).set_function(
            self._level
        )

    def follow(self, settings: Settings) -> None:
        """See `Service`; a job keeps the settings it came with."""
        self.settings = settings.generation
        self.jobs.follow(settings.generation, settings)

    def describe(self) -> dict[str, object]:
        """Back end, models, memory and degradation as they are now, for `/status/` and `/health/`."""
        devices = [news for news in self.jobs.pool.news if "device" in news]
        loaded = {
            model["name"]: None for news in devices for model in news["models"] if model["state"] == "device"
        }
        return {
            "backend": self.backend.name,
            "backend_reason": self.backend.reason,
            "models_loaded": list(loaded),
            "vram": {news["device"]: news["card"] for news in devices},
            "degradation_level": self._level(),
        }

    def _level(self) -> int:
        """The worst of all devices; 0 is the full work."""
        return max((int(news.get("level", 0)) for news in self.jobs.pool.news), default=0)

    async def generate(self, request: Request) -> Response:
        """Answers one request."""
        deadline = Deadline.of_request(
            request.headers.get(TIMEOUT_HEADER), longest_s=self.settings.request_timeout_s
        )
        self.jobs.check_open()
        received = await receive(request)
        started_s = time.monotonic()
        job = (answer, self.backend, received, self.settings)
        asked, asset = await self.jobs.run(*job, deadline=deadline, gone=caller_gone(request))
        headers = {
            "X-Seed": str(asked.seed),
            "X-Backend": self.backend.name,
            "X-Generation-Time": f"{time.monotonic() - started_s:.3f}",
            "X-Splats": str(asset.splats),
            "X-Timings": json.dumps(asset.timings_s),
            "X-Notes": json.dumps(asset.notes),
        }
        return Response(asset.data, media_type="application/octet-stream", headers=headers)


def create_app(
    settings: GenerationTable, *, backend: Backend, follower: SettingsFollower | None = None
) -> FastAPI:
    """The generation server as an ASGI app.

    Args:
        settings: The server's table.
        backend: What generates.
        follower: Tells of settings that change.
    """
    service = GenerationService(settings, backend)
    app = create_service_app(
        service, settings, title="generation-server", max_body_bytes=MAX_BODY_BYTES, follower=follower
    )

    async def generate(request: Request) -> Response:
        """A 3D asset of a prompt or a picture, as application/octet-stream."""
        return await service.generate(request)

    for path in ("/generate/", "/generate"):
        app.add_api_route(
            path,
            generate,
            methods=["POST"],
            response_class=Response,
            responses=ERROR_RESPONSES,
            openapi_extra=OPENAPI_BODY,
            include_in_schema=path.endswith("/"),
            tags=["generation"],
        )
    return app
