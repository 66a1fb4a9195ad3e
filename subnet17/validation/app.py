"""The validation server's HTTP face. It never computes: bodies go to a worker as they came."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import Response

from subnet17.deadline import TIMEOUT_HEADER, Deadline
from subnet17.errors import UnsupportedMediaError
from subnet17.reload import SettingsFollower
from subnet17.serving.error_answers import ERROR_RESPONSES
from subnet17.serving.http import caller_gone, create_service_app, media_type_of
from subnet17.serving.jobs import Jobs
from subnet17.serving.relay import RelayPool
from subnet17.serving.workers import WorkerPool
from subnet17.settings import PROJECT_ROOT, Settings, ValidationTable
from subnet17.splat.from_mesh import MIN_SPLATS
from subnet17.validation import pipeline
from subnet17.validation.choice import REFERENCE, Choice, needs_device
from subnet17.validation.convert import DEFAULT_SPLATS, MAX_SPLATS, answer_conversion
from subnet17.validation.scoring.reference.available import devices_of
from subnet17.validation.scoring.reference.told import SWITCHED_OFF, YES, Kind, not_offered

R = TypeVar("R")

LEAST_READERS = 2
"""Beside a device: one prepares the next asset while another makes the pictures of the last."""

ASSET_SCHEMA: dict[str, Any] = {
    "data": {"type": "string", "description": "base64 of the asset"},
    "compression": {"type": "integer", "enum": [0, 2], "default": 0, "description": "0 raw PLY, 2 SPZ"},
}
PREVIEW_SCHEMA: dict[str, Any] = {
    "generate_single_preview": {"type": "boolean", "default": False, "description": "or generate_preview"},
    "generate_grid_preview": {"type": "boolean", "default": False},
    "generate_turntable": {"type": "boolean", "default": False, "description": "an animated WebP"},
    "preview_score_threshold": {
        "type": "number",
        "minimum": -1,
        "maximum": 1,
        "default": 0.6,
        "description": "previews are made of a score above it; below 0: of any score",
    },
}
PROMPT_SCHEMA: dict[str, Any] = {"prompt": {"type": "string", "minLength": 1, "maxLength": 1024}}
IMAGE_SCHEMA: dict[str, Any] = {
    "prompt_image": {"type": "string", "description": "base64 of a PNG, JPEG or WebP"}
}
CONVERSION_SCHEMA: dict[str, Any] = {
    "data": {"type": "string", "description": "base64 of a PLY mesh, GLB or OBJ"},
    "format": {"type": "string", "enum": ["ply", "spz"], "default": "ply"},
    "splats": {
        "type": "integer",
        "minimum": MIN_SPLATS,
        "maximum": MAX_SPLATS,
        "default": DEFAULT_SPLATS,
    },
}


def make_pool(
    settings: ValidationTable, scorer: Choice, renderer: Choice, data_dir: Path
) -> WorkerPool | RelayPool:
    """The worker processes: of one kind on the CPU, of two where a device is used."""
    choices = (settings, scorer, renderer)
    limits: dict[str, Any] = {
        "memory_bytes": settings.worker_memory_bytes,
        "load_timeout_s": settings.load_timeout_s,
    }
    if not needs_device(scorer, renderer):
        return WorkerPool(
            pipeline.load, choices, workers=settings.workers, service="validation-worker", **limits
        )
    readers = max(LEAST_READERS, settings.workers)
    return RelayPool(
        WorkerPool(pipeline.load_reader, choices, workers=readers, service="validation-reader", **limits),
        WorkerPool(
            pipeline.load_judge,
            (*choices, data_dir),
            workers=len(devices_of(settings)),
            load_timeout_s=settings.load_timeout_s,
            service="validation-judge",
        ),
    )


class ValidationService:
    """The server's parts: what was chosen, and the way of its jobs."""

    def __init__(
        self, settings: ValidationTable, *, scorer: Choice, renderer: Choice, data_dir: Path
    ) -> None:
        self.settings = settings
        self.scorer = scorer
        self.renderer = renderer
        self.jobs = Jobs(make_pool(settings, scorer, renderer, data_dir), settings)

    def follow(self, settings: Settings) -> None:
        """See `Service`."""
        self.settings = settings.validation
        self.jobs.follow(settings.validation, settings)

    def describe(self) -> dict[str, object]:
        """Scorer and renderer, for `/status/` and `/health/`."""
        return {
            "scorer": self.scorer.name,
            "scorer_reason": self.scorer.reason,
            "renderer": self.renderer.name,
            "renderer_reason": self.renderer.reason,
        }

    def check_offered(self, kind: Kind) -> None:
        """Refuses what no judge can score, before a body is read.

        Raises:
            NotOfferedError: naming what is missing, and the command that fetches it.
        """
        if self.scorer.name == REFERENCE and kind == "image" and not self.settings.image_tasks:
            raise not_offered(kind, SWITCHED_OFF)
        told = [news["scores"][kind] for news in self.jobs.pool.news if "scores" in news]
        if told and YES not in told:
            raise not_offered(kind, told[0])

    async def run(self, job: Callable[[bytes], R], request: Request) -> R:
        """Hands a request's body to a worker and returns what the job made of it."""
        deadline = Deadline.of_request(
            request.headers.get(TIMEOUT_HEADER), longest_s=self.settings.request_timeout_s
        )
        if (media_type := media_type_of(request)) != "application/json":
            raise UnsupportedMediaError(f"content type is {media_type!r}, expected application/json")
        self.jobs.check_open()
        body = await request.body()
        return await self.jobs.run(job, body, deadline=deadline, gone=caller_gone(request))


def create_app(
    settings: ValidationTable,
    *,
    scorer: Choice,
    renderer: Choice,
    data_dir: Path = PROJECT_ROOT / "data",
    follower: SettingsFollower | None = None,
) -> FastAPI:
    """The validation server as an ASGI app.

    Args:
        settings: The server's table.
        scorer: What scores; see choice.py.
        renderer: What renders.
        data_dir: Where the locks of devices lie.
        follower: Tells of settings that change.
    """
    service = ValidationService(settings, scorer=scorer, renderer=renderer, data_dir=data_dir)
    app = create_service_app(
        service,
        settings,
        title="validation-server",
        max_body_bytes=settings.max_body_bytes,
        follower=follower,
    )

    async def validate_text(request: Request) -> Response:
        """Scores an asset against a text."""
        service.check_offered("text")
        return _json(await service.run(pipeline.validate_text, request))

    async def validate_image(request: Request) -> Response:
        """Scores an asset against a picture."""
        service.check_offered("image")
        return _json(await service.run(pipeline.validate_image, request))

    async def render_duel_view(request: Request) -> Response:
        """Four views of an asset in one PNG."""
        return Response(await service.run(pipeline.render_duel_view, request), media_type="image/png")

    async def convert(request: Request) -> Response:
        """A mesh as splats that can be submitted."""
        made = await service.run(answer_conversion, request)
        headers = {
            "X-Splats": str(made.splats),
            "X-Faces": str(made.faces),
            "X-Timings": json.dumps(made.timings_s),
            "X-Notes": json.dumps(made.notes),
        }
        return Response(made.data, media_type="application/octet-stream", headers=headers)

    text_body = PROMPT_SCHEMA | ASSET_SCHEMA | PREVIEW_SCHEMA
    image_body = IMAGE_SCHEMA | ASSET_SCHEMA | PREVIEW_SCHEMA
    _add_route(app, "/validate_txt_to_3d_ply", validate_text, text_body, required=["prompt", "data"])
    _add_route(app, "/validate_img_to_3d_ply", validate_image, image_body, required=["prompt_image", "data"])
    _add_route(app, "/render_duel_view", render_duel_view, ASSET_SCHEMA, required=["data"])
    _add_route(app, "/convert", convert, CONVERSION_SCHEMA, required=["data"])
    return app


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _add_route(
    app: FastAPI, path: str, route: Callable[..., Any], properties: dict[str, Any], *, required: list[str]
) -> None:
    schema = {"type": "object", "properties": properties, "required": required}
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
    for form in (path + "/", path):
        app.add_api_route(
            form,
            route,
            methods=["POST"],
            response_class=Response,
            responses=ERROR_RESPONSES,
            openapi_extra=body,
            include_in_schema=form.endswith("/"),
            tags=["validation"],
        )
