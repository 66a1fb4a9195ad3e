"""Both servers against their own OpenAPI: requests, sound or not, are answered as it describes.

The workers' functions run in this process; what they would compute is left out.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from subnet17.generation.app import create_app as create_generation_app
from subnet17.generation.asset import GeneratedAsset
from subnet17.generation.backends import Backend
from subnet17.serving.workers import WorkerPool
from subnet17.settings import GenerationTable, ValidationTable
from subnet17.splat.spz import encode_spz
from subnet17.validation.app import create_app as create_validation_app
from subnet17.validation.choice import choose_renderer, choose_scorer
from subnet17.validation.scoring.warmup import make_ball
from tests import hostile_flood

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 60
SPZ = base64.b64encode(encode_spz(make_ball(200))).decode()


async def run_here(pool: WorkerPool, job: Callable[..., Any], *args: Any, timeout_s: float) -> Any:
    return job(*args)


async def keep_nothing_ready(pool: WorkerPool) -> None: ...


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(WorkerPool, "run", run_here)
    monkeypatch.setattr(WorkerPool, "keep_ready", keep_nothing_ready)
    monkeypatch.setattr(WorkerPool, "ready", True)
    monkeypatch.setattr(WorkerPool, "reason", None)
    monkeypatch.setattr(WorkerPool, "check_ready", lambda pool: None)
    yield


def load(app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.fixture
def validation_schema(in_process: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(hostile_flood.checks, "MIN_SPLATS", 8)
    monkeypatch.setattr(hostile_flood.pipeline, "_reader", None)
    monkeypatch.setattr(hostile_flood.pipeline, "_judge", None)
    hostile_flood.prepare()
    table = ValidationTable(max_body_bytes=2**20)
    folder = Path(tempfile.mkdtemp())
    return load(
        create_validation_app(
            table, scorer=choose_scorer("embedded"), renderer=choose_renderer("cpu"), data_dir=folder
        )
    )


def generate_nothing(request: Any, settings: GenerationTable) -> GeneratedAsset:
    return GeneratedAsset(b"asset", 1, [], {})


@pytest.fixture
def generation_schema(in_process: None) -> Any:
    backend = Backend("fake", "a test", load=int, generate=generate_nothing, args=())
    return load(create_generation_app(GenerationTable(), backend=backend))


quick = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def try_all(schema: Any, mode: GenerationMode) -> list[str]:
    """Requests of every route; the routes that were tried."""
    tried = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @quick
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            if isinstance(case.body, dict) and "data" in case.body and len(str(case.body)) % 2:
                case.body |= {"data": SPZ, "compression": 2}  # a made-up text is hardly ever an asset
            case.call_and_validate(checks=CHECKS)

        try:
            ask()
        except Unsatisfiable:  # nothing can be wrong about a route that takes nothing
            continue
        tried.append(operation.path)
    return tried


MODES = pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())


@MODES
def test_the_validation_server_keeps_to_its_description(validation_schema: Any, mode: GenerationMode) -> None:
    tried = try_all(validation_schema, mode)
    assert {"/validate_txt_to_3d_ply/", "/validate_img_to_3d_ply/", "/render_duel_view/"} <= set(tried)


@MODES
def test_the_generation_server_keeps_to_its_description(generation_schema: Any, mode: GenerationMode) -> None:
    assert "/generate/" in try_all(generation_schema, mode)
