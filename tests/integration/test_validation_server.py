"""The validation server through its app, with a real worker process behind it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
import trimesh
import zstandard
from PIL import Image

from subnet17.settings import ValidationTable
from subnet17.splat.ply import write_ply
from subnet17.splat.spz import encode_spz
from subnet17.validation.app import create_app
from subnet17.validation.choice import choose_renderer, choose_scorer
from subnet17.validation.scoring.warmup import make_ball
from tests.hostile_flood import Flood
from tests.worker_processes import kill_at_work

REPO = Path(__file__).resolve().parents[2]
TEXT, IMAGE, DUEL = "/validate_txt_to_3d_ply/", "/validate_img_to_3d_ply/", "/render_duel_view/"
BALL = make_ball()
BALL_PLY = write_ply(BALL)
MAX_BODY_BYTES = 4 * 2**20

on_one_loop = pytest.mark.asyncio(loop_scope="module")
"""The server's, which all tests of this file share."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    settings = ValidationTable(max_body_bytes=MAX_BODY_BYTES, max_asset_bytes=64 * 2**20)
    app = create_app(settings, scorer=choose_scorer("auto"), renderer=choose_renderer("auto"))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=120) as client,
    ):
        await wait_ready(client)
        yield client


async def wait_ready(client: httpx.AsyncClient) -> None:
    for _ in range(1200):
        if (await client.get("/health/")).status_code == 200:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"never ready: {(await client.get('/health/')).text}")


def body_of(data: bytes = BALL_PLY, **fields: Any) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return {"prompt": "a red ball", "data": encoded, "compression": 0} | fields


async def verdict_of(client: httpx.AsyncClient, data: bytes, **fields: Any) -> dict[str, Any]:
    reply = await client.post(TEXT, json=body_of(data, **fields))
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


async def refusal_codes(client: httpx.AsyncClient, data: bytes, **fields: Any) -> list[str]:
    answer = await verdict_of(client, data, **fields)
    assert answer["score"] == 0.0
    assert all(reason["message"] for reason in answer["reasons"])
    return [reason["code"] for reason in answer["reasons"]]


def picture(form: str = "PNG", size: tuple[int, int] = (64, 64), mode: str = "RGB") -> str:
    stream = io.BytesIO()
    Image.new(mode, size, (200, 30, 30) if mode == "RGB" else (200, 30, 30, 128)).save(stream, form)
    return base64.b64encode(stream.getvalue()).decode()


def changed_ball(**fields: Any) -> bytes:
    return write_ply(replace(BALL, **fields))


def with_float(ply: bytes, value: float) -> bytes:
    return ply[:-4] + struct.pack("<f", value)


@on_one_loop
async def test_a_good_asset_is_scored_with_every_field(client: httpx.AsyncClient) -> None:
    answer = await verdict_of(client, BALL_PLY)
    for name in ("score", "iqa", "alignment_score", "ssim", "lpips"):
        assert 0 < answer[name] <= 1, name
    assert answer["reasons"] == []
    assert answer["scorer"] == "embedded" and "no reference scorer" in answer["scorer_reason"]
    assert answer["renderer"] == "cpu"
    assert set(answer["measures"]) == {"score", "iqa", "alignment_score", "ssim", "lpips"}
    assert answer["not_measured"]
    assert answer["asset"]["kind"] == "splats" and answer["asset"]["splats"] == len(BALL)
    assert {"parse", "decode", "check", "render", "score"} <= set(answer["timings"])
    assert answer["preview"] is None and answer["grid_preview"] is None


@on_one_loop
async def test_the_same_asset_scores_the_same_twice_and_without_the_slash(client: httpx.AsyncClient) -> None:
    first = await client.post(TEXT, json=body_of())
    second = await client.post(TEXT.rstrip("/"), json=body_of())
    assert first.json()["score"] == second.json()["score"] > 0


@on_one_loop
async def test_spz_scores_like_its_ply(client: httpx.AsyncClient) -> None:
    raw = await verdict_of(client, BALL_PLY)
    packed = await verdict_of(client, encode_spz(BALL), compression=2)
    assert packed["score"] == pytest.approx(raw["score"], abs=0.05)


@pytest.mark.parametrize("field", ["generate_single_preview", "generate_preview"])
@on_one_loop
async def test_previews_are_pngs_of_the_official_sizes(client: httpx.AsyncClient, field: str) -> None:
    asked = {field: True, "generate_grid_preview": True, "preview_score_threshold": 0}
    answer = await verdict_of(client, BALL_PLY, **asked)
    single, grid = (read_png(base64.b64decode(answer[name])) for name in ("preview", "grid_preview"))
    assert single.size == (518, 518)
    assert grid.size == (1041, 1041)
    assert grid.getpixel((520, 520)) == (0, 0, 0)
    assert grid.crop((0, 0, 518, 518)).tobytes() == single.tobytes()


@on_one_loop
async def test_previews_are_made_above_the_threshold_only(client: httpx.AsyncClient) -> None:
    score = (await verdict_of(client, BALL_PLY))["score"]
    for threshold, is_made in ((1.0, False), (score, False), (score - 1e-6, True)):
        answer = await verdict_of(client, BALL_PLY, generate_preview=True, preview_score_threshold=threshold)
        assert (answer["score"], answer["preview"] is not None) == (score, is_made)


@on_one_loop
async def test_a_threshold_below_zero_asks_for_pictures_of_what_scores_nothing(
    client: httpx.AsyncClient,
) -> None:
    asked = {"prompt": "a blue giraffe", "generate_preview": True}
    for threshold, is_made in ((0, False), (-1, True)):
        answer = await verdict_of(client, BALL_PLY, preview_score_threshold=threshold, **asked)
        assert (answer["score"], answer["preview"] is not None) == (0, is_made)


def read_png(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["PNG"])


@pytest.mark.parametrize("route", [DUEL, DUEL.rstrip("/")])
@on_one_loop
async def test_the_duel_view_is_a_grid_png_without_a_prompt(client: httpx.AsyncClient, route: str) -> None:
    asked = {"data": base64.b64encode(encode_spz(BALL)).decode(), "compression": 2}
    reply = await client.post(route, json=asked)
    assert reply.status_code == 200 and reply.headers["content-type"] == "image/png"
    assert read_png(reply.content).size == (1041, 1041)


@on_one_loop
async def test_the_duel_view_of_an_unreadable_asset_is_the_callers_fault(client: httpx.AsyncClient) -> None:
    reply = await client.post(DUEL, json={"data": base64.b64encode(b"nothing").decode()})
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "invalid_asset"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@on_one_loop
async def test_a_picture_is_a_prompt(client: httpx.AsyncClient, form: str) -> None:
    asked = body_of(prompt_image=picture(form))
    del asked["prompt"]
    reply = await client.post(IMAGE, json=asked)
    assert reply.status_code == 200, reply.text
    assert 0 <= reply.json()["alignment_score"] <= 1


@pytest.mark.parametrize(
    ("image", "status", "code"),
    [
        (picture("PNG", (4097, 2)), 413, "too_large"),
        (picture("GIF"), 400, "unknown_format"),
        (base64.b64encode(b"no picture").decode(), 400, "unknown_format"),
        (base64.b64encode(base64.b64decode(picture())[:60]).decode(), 400, "invalid_input"),
        ("***", 400, "invalid_input"),
        (None, 400, "invalid_input"),
        (7, 400, "invalid_input"),
    ],
)
@on_one_loop
async def test_bad_pictures_are_the_callers_fault(
    client: httpx.AsyncClient, image: object, status: int, code: str
) -> None:
    reply = await client.post(IMAGE, json=body_of(prompt_image=image))
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text


BAD_FIELDS: list[dict[str, Any]] = [
    {"prompt": ""},
    {"prompt": "   "},
    {"prompt": "x" * 1025},
    {"prompt": "a\x00ball"},
    {"prompt": "a\x1bball"},
    {"prompt": 5},
    {"prompt": None},
    {"compression": 1},
    {"compression": 3},
    {"compression": "2"},
    {"compression": True},
    {"compression": 2.0},
    {"generate_preview": "yes"},
    {"generate_grid_preview": 1},
    {"preview_score_threshold": 2},
    {"preview_score_threshold": "high"},
]


@pytest.mark.parametrize("fields", BAD_FIELDS, ids=lambda fields: str(fields)[:40])
@on_one_loop
async def test_bad_fields_are_the_callers_fault(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    reply = await client.post(TEXT, json=body_of(**fields))
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["code"] in {"invalid_input", "unknown_format"}
    assert next(iter(fields)) in error["message"]


@pytest.mark.parametrize("data", ["", None, 12, "abc*", "abc", "YWJj\nYWJj"])
@on_one_loop
async def test_data_that_is_not_base64_is_the_callers_fault(client: httpx.AsyncClient, data: object) -> None:
    reply = await client.post(TEXT, json={"prompt": "a red ball", "data": data})
    assert reply.status_code == 400
    assert reply.json()["error"]["detail"]["field"] == "data"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b'"x"', b"[" * 100_000, b"\xff\xfe", b"{}"])
@on_one_loop
async def test_a_body_that_is_not_the_json_asked_for_is_the_callers_fault(
    client: httpx.AsyncClient, body: bytes
) -> None:
    reply = await client.post(TEXT, content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]


@on_one_loop
async def test_another_content_type_is_refused(client: httpx.AsyncClient) -> None:
    reply = await client.post(TEXT, content=json.dumps(body_of()), headers={"content-type": "text/plain"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (415, "unsupported_media")


@on_one_loop
async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    reply = await client.post(TEXT, json=body_of(data=bytes(MAX_BODY_BYTES)))
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("header", ["-1", "0", "nan", "soon", "inf"])
@on_one_loop
async def test_a_bad_deadline_is_refused(client: httpx.AsyncClient, header: str) -> None:
    reply = await client.post(TEXT, json=body_of(), headers={"X-Timeout-S": header})
    assert reply.status_code == 400


LYING_PLY = BALL_PLY.replace(b"element vertex 8000", b"element vertex 9000")
HUGE_PLY = BALL_PLY.replace(b"element vertex 8000", b"element vertex 99999999999")
ASCII_PLY = BALL_PLY.replace(b"binary_little_endian", b"ascii")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (BALL_PLY[:-1], "unreadable"),
        (BALL_PLY[:100], "unreadable"),
        (b"ply\n", "unreadable"),
        (b"not an asset", "unreadable"),
        (LYING_PLY, "unreadable"),
        (HUGE_PLY, "too_large"),
        (ASCII_PLY, "unreadable"),
        (with_float(BALL_PLY, float("nan")), "unreadable"),
        (with_float(BALL_PLY, float("inf")), "unreadable"),
        (encode_spz(BALL), "unreadable"),
    ],
    ids=["short", "header", "magic", "text", "lying", "huge", "ascii", "nan", "inf", "spz"],
)
@on_one_loop
async def test_an_unreadable_ply_scores_zero_with_a_reason(
    client: httpx.AsyncClient, data: bytes, code: str
) -> None:
    assert await refusal_codes(client, data) == [code]


def spz_of(count: int, body: bytes = b"") -> bytes:
    header = struct.pack("<IIIBBBB", 0x5053474E, 2, count, 0, 12, 0, 0)
    return zstandard.ZstdCompressor().compress(header + body)


def frame_declaring(size_bytes: int) -> bytes:
    """A ZSTD frame of 16 bytes that says it holds `size_bytes`."""
    return b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", size_bytes) + b"\x01\x00\x00"


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (encode_spz(BALL)[:-20], {"unreadable"}),
        (encode_spz(BALL)[:3], {"unreadable"}),
        (spz_of(9000, bytes(19)), {"unreadable"}),
        (spz_of(2**32 - 1), {"unreadable", "too_large"}),
        (spz_of(9000, bytes(64 * 2**20)), {"unreadable", "too_large"}),
        (spz_of(2_000_001, bytes(19 * 2_000_001)), {"too_large"}),
        (frame_declaring(8 * 2**30), {"too_large", "unreadable"}),
        (BALL_PLY, {"unreadable"}),
    ],
    ids=["truncated", "magic", "lying", "count", "bomb", "crowd", "8gib", "ply"],
)
@on_one_loop
async def test_an_unreadable_spz_scores_zero_with_a_reason(
    client: httpx.AsyncClient, data: bytes, codes: set[str]
) -> None:
    assert len(frame_declaring(1)) == 16
    assert set(await refusal_codes(client, data, compression=2)) <= codes


@pytest.mark.parametrize("form", ["ply", "glb"])
@pytest.mark.parametrize("compression", [0, 2])
@on_one_loop
async def test_a_mesh_is_told_to_become_splats_and_analysed(
    client: httpx.AsyncClient, form: str, compression: int
) -> None:
    data = trimesh.creation.box().export(file_type=form)
    answer = await verdict_of(client, data, compression=compression)
    assert answer["score"] == 0.0
    if (form, compression) == ("ply", 2):
        assert [reason["code"] for reason in answer["reasons"]] == ["unreadable"]
        return
    assert [reason["code"] for reason in answer["reasons"]] == ["mesh"]
    assert "convert" in answer["reasons"][0]["message"] and "splats" in answer["reasons"][0]["message"]
    assert (answer["asset"]["kind"], answer["asset"]["faces"]) == ("mesh", 12)
    assert answer["asset"]["mesh"]["watertight"] is True
    assert answer["asset"]["bbox"] == {"min": [-0.5] * 3, "max": [0.5] * 3}


@on_one_loop
async def test_a_broken_mesh_is_still_an_answer(client: httpx.AsyncClient) -> None:
    answer = await verdict_of(client, trimesh.creation.box().export(file_type="glb")[:200])
    assert answer["score"] == 0.0
    assert answer["asset"]["kind"] == "mesh" and answer["asset"]["mesh_error"]


@on_one_loop
async def test_the_validators_refusals_are_kept_and_named(client: httpx.AsyncClient) -> None:
    few = write_ply(make_ball(6999))
    transparent = changed_ball(logit_opacities=np.full(len(BALL), -12, np.float32))
    identity = changed_ball(quats=np.tile(np.array([1, 0, 0, 0], np.float32), (len(BALL), 1)))
    point = changed_ball(means=np.zeros((len(BALL), 3), np.float32))
    assert await refusal_codes(client, few) == ["too_few_splats"]
    assert await refusal_codes(client, transparent) == ["transparent"]
    assert await refusal_codes(client, identity) == ["identity_rotations"]
    assert await refusal_codes(client, point) == ["no_extent"]


@on_one_loop
async def test_splats_that_cannot_be_drawn_are_refused_before_drawing(client: httpx.AsyncClient) -> None:
    crowd = make_ball(24_000)
    wide = replace(crowd, log_scales=np.full((len(crowd), 3), 3, np.float32))
    tiny_but_wide = changed_ball(means=BALL.means * 1e-30, log_scales=np.full((len(BALL), 3), 60, np.float32))
    assert await refusal_codes(client, write_ply(wide)) == ["too_costly"]
    assert await refusal_codes(client, tiny_but_wide) == ["not_finite"]


@on_one_loop
async def test_a_refusal_counts_the_numbers_that_broke_the_rule(client: httpx.AsyncClient) -> None:
    answer = await verdict_of(client, write_ply(make_ball(6999)))
    assert answer["reasons"][0]["measured"] == 6999
    assert answer["reasons"][0]["allowed"] == 7000


@on_one_loop
async def test_damaged_requests_are_answered_end_to_end_by_workers_that_live_on(
    client: httpx.AsyncClient,
) -> None:
    before = (await client.get("/status/")).json()
    flood = Flood(7)
    bodies = [content for kind, _, content in flood.jobs(150) if kind in {"ply", "spz", "base64", "mesh"}]
    assert len(bodies) > 90
    for body in bodies:
        reply = await client.post(TEXT, content=body, headers={"content-type": "application/json"})
        assert reply.status_code == 200 or 400 <= reply.status_code < 500, reply.text
        if reply.status_code == 200:
            assert reply.json()["score"] == 0.0 and reply.json()["reasons"]  # 24 splats are too few
    after = (await client.get("/status/")).json()
    assert after["workers"]["deaths"] == before["workers"]["deaths"]
    assert after["breaker"]["state"] == "closed"


@on_one_loop
async def test_operator_routes_say_what_was_chosen_and_why(client: httpx.AsyncClient) -> None:
    status = (await client.get("/status/")).json()
    assert status["scorer"] == "embedded" and status["renderer"] == "cpu"
    assert status["scorer_reason"].startswith("auto: ") and status["renderer_reason"].startswith("auto: ")
    assert isinstance((await client.get("/version/")).json(), str)
    assert "s17_jobs_total" in (await client.get("/metrics")).text


@on_one_loop
async def test_health_answers_while_a_worker_computes(client: httpx.AsyncClient) -> None:
    job = asyncio.create_task(client.post(TEXT, json=body_of()))
    worked_s = []
    while not job.done():
        started_s = time.thread_time()  # the loop's own work: how long it takes is up to the machine
        assert (await client.get("/health/")).status_code == 200
        worked_s.append(time.thread_time() - started_s)
        await asyncio.sleep(0.01)
    assert (await job).status_code == 200
    assert len(worked_s) > 3, "the job was over before health could be asked"
    assert max(worked_s) < 0.25


@on_one_loop
async def test_a_killed_worker_is_a_5xx_and_the_next_request_works(client: httpx.AsyncClient) -> None:
    long = body_of(generate_turntable=True, preview_score_threshold=0)
    job = asyncio.create_task(client.post(TEXT, json=long))
    await kill_at_work()
    reply = await job
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "stage_failed"
    assert (await client.post(TEXT, json=body_of())).status_code == 200


@on_one_loop
async def test_before_a_worker_is_loaded_the_server_says_so() -> None:
    app = create_app(ValidationTable(), scorer=choose_scorer("auto"), renderer=choose_renderer("auto"))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as cold:
        health, work = await cold.get("/health/"), await cold.post(TEXT, json=body_of())
    assert health.status_code == work.status_code == 503
    assert health.json()["reason"] == "starting"
    assert int(work.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("flags", "missing"),
    [
        (["--scorer", "reference"], "scorer reference is not available"),
        (["--renderer", "cuda"], "renderer cuda is not available"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--host", "::"], "api_key"),
    ],
)
def test_what_cannot_start_says_why_and_exits_with_2(flags: list[str], missing: str) -> None:
    ran = subprocess.run(
        [sys.executable, str(REPO / "validation_server.py"), *flags],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 2
    assert missing in ran.stderr and "Traceback" not in ran.stderr
