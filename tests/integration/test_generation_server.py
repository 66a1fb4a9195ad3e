"""The generation server through its app, with a real worker process behind it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
import trimesh
from PIL import Image, ImageDraw

from subnet17.generation.app import create_app
from subnet17.generation.backends import choose_backend
from subnet17.settings import GenerationTable
from subnet17.splat.ply import read_ply
from subnet17.splat.spz import decode_spz
from tests.worker_processes import kill_at_work

REPO = Path(__file__).resolve().parents[2]
on_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    settings = GenerationTable(backend="procedural", splat_count=20_000, max_concurrent_requests=3)
    app = create_app(settings, backend=choose_backend(settings))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=120) as client,
    ):
        assert (await client.get("/health/")).status_code == 503  # still loading, and says so
        for _ in range(1200):
            if (await client.get("/health/")).status_code == 200:
                break
            await asyncio.sleep(0.1)
        yield client


def drawing() -> bytes:
    image = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(image).ellipse((40, 60, 160, 140), fill=(220, 30, 30))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


async def refused(client: httpx.AsyncClient, status: int, said: str, **content: Any) -> None:
    reply = await client.post("/generate/", **content)
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert set(error) == {"code", "message", "detail"}
    assert said in error["message"]


@on_one_loop
async def test_form_multipart_and_json_give_the_same_bytes(client: httpx.AsyncClient) -> None:
    fields = {"prompt": "a red mug", "seed": "5"}
    replies = [
        await client.post("/generate/", data=fields),
        await client.post("/generate", data=fields),
        await client.post("/generate/", files={name: (None, value) for name, value in fields.items()}),
        await client.post("/generate/", json={"prompt": "a red mug", "seed": 5}),
    ]
    assert [reply.status_code for reply in replies] == [200] * 4
    assert len({reply.content for reply in replies}) == 1
    first = replies[0]
    assert first.headers["content-type"] == "application/octet-stream"
    assert (first.headers["x-seed"], first.headers["x-backend"]) == ("5", "procedural")
    assert float(first.headers["x-generation-time"]) > 0
    assert int(first.headers["x-splats"]) == len(read_ply(first.content)) == 20_000


@on_one_loop
async def test_another_seed_gives_other_bytes_and_no_seed_is_told(client: httpx.AsyncClient) -> None:
    one = await client.post("/generate/", data={"prompt": "a red mug", "seed": "5"})
    unseeded = await client.post("/generate/", data={"prompt": "a red mug"})
    again = await client.post("/generate/", data={"prompt": "a red mug", "seed": unseeded.headers["x-seed"]})
    assert unseeded.content == again.content
    assert unseeded.content != one.content


@on_one_loop
async def test_every_format_is_what_it_says(client: httpx.AsyncClient) -> None:
    replies = {
        name: (
            await client.post("/generate/", data={"prompt": "a red mug", "seed": "5", "format": name})
        ).content
        for name in ("ply", "spz", "glb", "mesh_ply")
    }
    assert len(decode_spz(replies["spz"])) == len(read_ply(replies["ply"]))
    for name, kind in (("glb", "glb"), ("mesh_ply", "ply")):
        mesh = trimesh.load(io.BytesIO(replies[name]), file_type=kind, force="mesh")
        assert len(mesh.faces) > 1000


@on_one_loop
async def test_profiles_differ_in_splats(client: httpx.AsyncClient) -> None:
    counts = [
        int((await client.post("/generate/", json={"prompt": "a mug", "profile": name})).headers["x-splats"])
        for name in ("speed", "balanced", "quality")
    ]
    assert counts == sorted(set(counts))


@on_one_loop
async def test_a_picture_becomes_an_asset_and_the_limits_are_told(client: httpx.AsyncClient) -> None:
    upload = {"prompt_image_file": ("picture.png", drawing(), "image/png")}
    as_file = await client.post("/generate", files=upload, data={"seed": "3"})
    as_text = await client.post(
        "/generate/", json={"prompt_image": base64.b64encode(drawing()).decode(), "seed": 3}
    )
    assert as_file.status_code == 200, as_file.text
    assert as_file.content == as_text.content
    assert "silhouette" in " ".join(json.loads(as_file.headers["x-notes"]))
    red, green, _ = read_ply(as_file.content).rgb.mean(axis=0)
    assert red > 2 * green


@on_one_loop
async def test_unknown_words_are_told(client: httpx.AsyncClient) -> None:
    reply = await client.post("/generate/", data={"prompt": "a flurble of gnarx", "seed": "1"})
    assert reply.status_code == 200
    assert "flurble" in reply.headers["x-notes"]


@on_one_loop
@pytest.mark.parametrize(
    ("status", "said", "content"),
    [
        (
            400,
            "exactly one of prompt",
            {"data": {}, "headers": {"content-type": "application/x-www-form-urlencoded"}},
        ),
        (400, "empty", {"data": {"prompt": "   "}}),
        (400, "1025 characters, at most 1024", {"data": {"prompt": "x" * 1025}}),
        (400, "U+0000", {"json": {"prompt": "a\x00b"}}),
        (
            400,
            "not plain text",
            {
                "content": b"prompt=%ff%fe%00",
                "headers": {"content-type": "application/x-www-form-urlencoded"},
            },
        ),
        (400, "prompt is a int", {"json": {"prompt": 3}}),
        (
            415,
            "content type is 'text/plain'",
            {"content": b"a cat", "headers": {"content-type": "text/plain"}},
        ),
        (415, "content type is ''", {"content": b"a cat"}),
        (400, "not valid JSON", {"content": b"{", "headers": {"content-type": "application/json"}}),
        (400, "expected an object", {"json": ["a cat"]}),
        (400, "not valid JSON", {"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}),
        (400, "form can't be read", {"content": b"x", "headers": {"content-type": "multipart/form-data"}}),
        (400, "format is 'obj', known: ply, spz, glb, mesh_ply", {"data": {"prompt": "a", "format": "obj"}}),
        (400, "profile is 'best'", {"data": {"prompt": "a", "profile": "best"}}),
        (400, "seed is 'x'", {"data": {"prompt": "a", "seed": "x"}}),
        (400, "seed is -1", {"json": {"prompt": "a", "seed": -1}}),
        (400, "seed is True", {"json": {"prompt": "a", "seed": True}}),
        (400, "unknown field 'sede'", {"data": {"prompt": "a", "sede": "1"}}),
        (
            400,
            "more than once",
            {
                "content": b"prompt=a&prompt=b",
                "headers": {"content-type": "application/x-www-form-urlencoded"},
            },
        ),
        (400, "exactly one of prompt", {"json": {"prompt": "a", "prompt_image": "aGk="}}),
        (400, "not base64", {"json": {"prompt_image": "%%%"}}),
        (400, "known: PNG, JPEG, WEBP", {"json": {"prompt_image": "aGVsbG8="}}),
        (400, "can't be decoded", {"json": {"prompt_image": base64.b64encode(drawing()[:200]).decode()}}),
        (400, "X-Timeout-S", {"data": {"prompt": "a"}, "headers": {"X-Timeout-S": "soon"}}),
        (413, "at most", {"content": b"", "headers": {"content-length": str(10**12)}}),
    ],
)
async def test_bad_input_is_named(
    client: httpx.AsyncClient, status: int, said: str, content: dict[str, Any]
) -> None:
    await refused(client, status, said, **content)


@on_one_loop
async def test_a_body_over_the_limit_is_refused_while_it_streams(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 2**20

    headers = {"content-type": "application/json"}
    await refused(client, 413, "at most", content=endless(), headers=headers)


@on_one_loop
async def test_other_routes_and_methods_are_errors_of_the_same_shape(client: httpx.AsyncClient) -> None:
    assert (await client.get("/none")).json()["error"]["code"] == "not_found"
    assert (await client.get("/generate/")).json()["error"]["code"] == "method_not_allowed"


@on_one_loop
async def test_health_answers_while_a_job_runs(client: httpx.AsyncClient) -> None:
    job = asyncio.create_task(client.post("/generate/", json={"prompt": "a cute cat", "profile": "quality"}))
    worked_s = []
    while not job.done():
        started_s = time.thread_time()  # the loop's own work: how long it takes is up to the machine
        assert (await client.get("/health/")).status_code == 200
        worked_s.append(time.thread_time() - started_s)
        await asyncio.sleep(0.01)
    assert (await job).status_code == 200
    assert len(worked_s) >= 5
    assert sorted(worked_s)[len(worked_s) // 2] < 0.05


@on_one_loop
async def test_json_of_many_parts_is_refused_unread(client: httpx.AsyncClient) -> None:
    body = b"{" + b",".join(b'"k%d":1' % number for number in range(700_000)) + b"}"
    reply = await client.post("/generate/", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert "at most 10000 are read" in reply.json()["error"]["message"]


@on_one_loop
async def test_health_answers_while_a_large_body_is_parsed(client: httpx.AsyncClient) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2400, 2400, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG", quality=60)
    job = asyncio.create_task(client.post("/generate/", files={"prompt_image_file": stream.getvalue()}))
    answers = 0
    while not job.done():
        assert (await client.get("/health/")).status_code == 200
        answers += 1
        await asyncio.sleep(0.01)
    assert (await job).status_code in {200, 400}  # noise may or may not show an object
    assert answers >= 10  # parsed in the server's own loop it would be one or two


@on_one_loop
async def test_what_is_over_the_queue_is_shed_and_told_when_to_come_back(client: httpx.AsyncClient) -> None:
    replies = await asyncio.gather(*(client.post("/generate/", data={"prompt": "a mug"}) for _ in range(8)))
    by_status = {status: [r for r in replies if r.status_code == status] for status in (200, 429)}
    assert len(by_status[200]) >= 3
    assert len(by_status[200]) + len(by_status[429]) == 8
    assert by_status[429]
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in by_status[429])


@on_one_loop
async def test_a_killed_worker_costs_one_request(client: httpx.AsyncClient) -> None:
    before = await deaths(client)
    job = asyncio.create_task(client.post("/generate/", json={"prompt": "a cute cat", "profile": "quality"}))
    await kill_at_work()
    reply = await job
    assert reply.status_code == 500
    assert reply.json()["error"]["detail"]["stage"] == "worker"
    assert (await client.post("/generate/", data={"prompt": "a red mug"})).status_code == 200
    assert await deaths(client) == before + 1


async def deaths(client: httpx.AsyncClient) -> int:
    return int((await client.get("/status/")).json()["workers"]["deaths"])


@on_one_loop
async def test_status_metrics_and_version_tell_the_operator(client: httpx.AsyncClient) -> None:
    status = (await client.get("/status/")).json()
    assert status["backend"] == "procedural"
    assert status["backend_reason"] == "chosen by the settings"
    assert (status["models_loaded"], status["vram"], status["degradation_level"]) == ([], {}, 0)
    assert status["breaker"]["state"] == "closed"
    assert status["jobs"]["succeeded"] > 0
    assert status["system"]["memory_available_bytes"] > 0 and status["system"]["gpus"] is not None
    assert (await client.get("/health/")).json()["system"]["memory_available_bytes"] > 0
    assert 's17_jobs_total{outcome="succeeded"}' in (await client.get("/metrics")).text
    assert isinstance((await client.get("/version/")).json(), str)
    assert "/generate/" in (await client.get("/openapi.json")).json()["paths"]


def run_server(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "generation_server.py", *flags]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)


def test_a_taken_port_is_a_clear_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run_server("--port", str(port))
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--backend", "flux"), "flux-hunyuan"),
        (("--host", "0.0.0.0"), "set api_key"),  # noqa: S104 - refused is what is tested
        (("--config", "none.toml"), "can't read none.toml"),
        (("--port", "0"), "port"),
    ],
)
def test_a_start_that_makes_no_sense_is_refused(flags: tuple[str, ...], said: str) -> None:
    done = run_server(*flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_without_the_key_only_health_and_version_answer() -> None:
    settings = GenerationTable(backend="procedural", api_key="secret")
    app = create_app(settings, backend=choose_backend(settings))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/status/")).status_code == 401
        assert (await client.get("/status/", headers={"X-API-Key": "wrong"})).status_code == 401
        assert (await client.get("/status/", headers={"X-API-Key": "secret"})).status_code == 200
        assert (await client.get("/health/")).status_code == 503
