"""Meshes at the validation server: scored but not submittable, drawn, and converted to what is."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
import trimesh
from PIL import Image

from subnet17.errors import UnavailableError
from subnet17.settings import ValidationTable
from subnet17.splat.from_mesh import mesh_to_splats
from subnet17.splat.ply import write_ply
from subnet17.validation.app import create_app
from subnet17.validation.choice import choose_renderer, choose_scorer
from subnet17.validation.mesh_gl import find_platform
from subnet17.validation.scoring.warmup import make_ball

TEXT, DUEL, CONVERT = "/validate_txt_to_3d_ply/", "/render_duel_view/", "/convert/"
on_one_loop = pytest.mark.asyncio(loop_scope="module")


def can_draw() -> bool:
    try:
        find_platform()
    except UnavailableError:
        return False
    return True


needs_opengl = pytest.mark.skipif(not can_draw(), reason="neither EGL nor OSMesa works here")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(ValidationTable(), scorer=choose_scorer("embedded"), renderer=choose_renderer("cpu"))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=120) as client,
    ):
        for _ in range(1200):
            if (await client.get("/health/")).status_code == 200:
                break
            await asyncio.sleep(0.1)
        yield client


def red_ball() -> trimesh.Trimesh:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=3)
    shade = 0.75 + 0.25 * ball.vertices[:, 1:2] / 3
    red = (np.array([[220, 30, 30]]) * shade).astype(np.uint8)
    ball.visual.vertex_colors = np.column_stack([red, np.full(len(red), 255, np.uint8)])
    return ball


RED_BALL = red_ball().export(file_type="glb")


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def validate(client: httpx.AsyncClient, data: bytes, **fields: Any) -> dict[str, Any]:
    reply = await client.post(TEXT, json={"prompt": "a red ball", "data": encode(data)} | fields)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def open_picture(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


@needs_opengl
@on_one_loop
async def test_a_mesh_scores_nothing_but_is_told_what_its_views_would(client: httpx.AsyncClient) -> None:
    asked = {"generate_preview": True, "generate_grid_preview": True, "generate_turntable": True}
    answer = await validate(client, RED_BALL, **asked)
    assert (answer["score"], answer["submittable"]) == (0.0, False)
    assert [reason["code"] for reason in answer["reasons"]] == ["mesh"]
    assert "POST /convert/" in answer["reasons"][0]["message"]
    assert answer["mesh_score"]["score"] > 0.6
    assert set(answer["mesh_score"]) == {"score", "iqa", "alignment_score", "ssim", "lpips"}
    assert open_picture(answer["preview"]).size == (518, 518)
    assert open_picture(answer["grid_preview"]).size == (1041, 1041)
    assert getattr(open_picture(answer["turntable"]), "n_frames", 1) == 30


@needs_opengl
@on_one_loop
async def test_what_draws_meshes_is_told(client: httpx.AsyncClient) -> None:
    await validate(client, RED_BALL)
    (news,) = (await client.get("/status/")).json()["workers"]["news"]
    assert news["meshes_drawn_by"].startswith(("egl: ", "osmesa: "))


@needs_opengl
@on_one_loop
async def test_a_mesh_has_a_duel_view(client: httpx.AsyncClient) -> None:
    reply = await client.post(DUEL, json={"data": encode(RED_BALL)})
    assert reply.status_code == 200, reply.text
    picture = Image.open(io.BytesIO(reply.content))
    assert picture.size == (1041, 1041)
    red, green, _ = picture.convert("RGB").getpixel((259, 259))  # type: ignore[misc]
    assert red > 3 * green


@on_one_loop
async def test_a_mesh_that_is_too_costly_to_draw_is_analysed_only(client: httpx.AsyncClient) -> None:
    sheet = trimesh.Trimesh([[-1, -1, 0], [1, -1, 0], [0, 1, 0]], [[0, 1, 2]] * 5000, process=False)
    answer = await validate(client, sheet.export(file_type="glb"), generate_preview=True)
    assert answer["asset"]["mesh"]["duplicate_faces"] == 4999
    assert answer["mesh_score"] is None and answer["preview"] is None
    assert any("no pictures" in note for note in answer["notes"])
    assert answer["submittable"] is False


@on_one_loop
async def test_a_turntable_of_splats_is_a_small_animation_that_turns(client: httpx.AsyncClient) -> None:
    box = write_ply(mesh_to_splats(trimesh.creation.box(extents=(1, 2, 3)), count=10_000))
    answer = await validate(client, box, generate_turntable=True, preview_score_threshold=0)
    assert answer["mesh_score"] is None
    assert len(answer["turntable"]) < 400_000
    turntable = open_picture(answer["turntable"])
    assert (turntable.format, turntable.size, getattr(turntable, "n_frames", 1)) == ("WEBP", (256, 256), 30)


@on_one_loop
async def test_without_being_asked_for_there_is_no_turntable(client: httpx.AsyncClient) -> None:
    assert (await validate(client, write_ply(make_ball()), preview_score_threshold=0))["turntable"] is None


@pytest.mark.parametrize("route", [CONVERT, CONVERT.rstrip("/")])
@on_one_loop
async def test_a_converted_mesh_can_be_submitted(client: httpx.AsyncClient, route: str) -> None:
    reply = await client.post(route, json={"data": encode(RED_BALL), "format": "spz", "splats": 20_000})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/octet-stream"
    assert (reply.headers["x-splats"], reply.headers["x-faces"]) == ("20000", "5120")
    assert "convert" in json.loads(reply.headers["x-timings"])
    answer = await validate(client, reply.content, compression=2)
    assert answer["submittable"] is True and answer["asset"]["splats"] == 20_000
    as_mesh = (await validate(client, RED_BALL))["mesh_score"]
    assert as_mesh is None or answer["score"] == pytest.approx(as_mesh["score"], abs=0.05)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": encode(b"no mesh")}, 400),
        ({"data": encode(RED_BALL[:500])}, 422),
        ({"data": encode(RED_BALL), "format": "glb"}, 400),
        ({"data": encode(RED_BALL), "splats": 12}, 400),
        ({}, 400),
    ],
    ids=["format", "cut", "target", "count", "empty"],
)
@on_one_loop
async def test_what_cannot_be_converted_is_the_callers_fault(
    client: httpx.AsyncClient, body: dict[str, Any], status: int
) -> None:
    reply = await client.post(CONVERT, json=body)
    assert reply.status_code == status, reply.text
    assert reply.json()["error"]["message"]


@on_one_loop
async def test_the_description_of_the_service_names_the_route(client: httpx.AsyncClient) -> None:
    assert CONVERT in (await client.get("/openapi.json")).json()["paths"]
