"""The validation server with the official measures on the CPU: tiny networks in the real ones' formats.

Readers and judge are real processes. In place of gsplat stands the CPU rasteriser behind its interface.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import io
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import pytest_asyncio
import trimesh
from fastapi import FastAPI
from PIL import Image

if any(importlib.util.find_spec(name) is None for name in ("torch", "open_clip")):
    pytest.skip("needs the packages of the GPU installation", allow_module_level=True)

from subnet17.deadline import TIMEOUT_HEADER
from subnet17.serving import early_answers
from subnet17.serving import jobs as jobs_module
from subnet17.serving.handoff import PREFIX
from subnet17.settings import ValidationTable
from subnet17.splat.ply import write_ply
from subnet17.splat.spz import encode_spz
from subnet17.validation import pipeline
from subnet17.validation.app import create_app
from subnet17.validation.choice import Choice
from subnet17.validation.scoring.warmup import make_ball

TEXT, IMAGE, DUEL, CONVERT = (
    "/validate_txt_to_3d_ply/",
    "/validate_img_to_3d_ply/",
    "/render_duel_view/",
    "/convert/",
)
BALL = make_ball()
BALL_PLY = write_ply(BALL)
REFERENCE, CUDA = Choice("reference", "asked for"), Choice("cuda", "asked for")
real_load_judge = pipeline.load_judge

on_one_loop = pytest.mark.asyncio(loop_scope="module")


def load_judge(settings: ValidationTable, scored_by: Choice, rendered_by: Choice, data_dir: Path) -> None:
    """What the judge's worker runs: the real thing, with stand-ins for gsplat, and faults on demand."""
    import torch  # noqa: PLC0415

    import tests.conftest  # noqa: F401, PLC0415 - completes a torchvision that was built for CUDA
    from subnet17.splat import rasterize_gpu  # noqa: PLC0415
    from subnet17.validation import gpu_judge  # noqa: PLC0415
    from subnet17.validation.scoring.reference.scorer import ReferenceScorer  # noqa: PLC0415
    from tests.unit.test_rasterize_gpu import StandIn  # noqa: PLC0415

    torch.set_num_threads(1)
    stand_in = StandIn()
    rasterize_gpu.load_gsplat = gpu_judge.load_gsplat = lambda: stand_in
    real_load_judge(settings, scored_by, rendered_by, data_dir)
    fail_as_prompted(pipeline, "_draw_and_score")
    rasterize_gpu_render = gpu_judge.render_views_on_gpu
    gpu_judge.render_views_on_gpu = failing(rasterize_gpu_render, "render")
    ReferenceScorer.score_text = failing(ReferenceScorer.score_text, "score")  # type: ignore[method-assign]


faults: dict[str, str] = {}
"""Judge's side: what the stages of the present job do, once each."""


def fail_as_prompted(module: Any, name: str) -> None:
    """A prompt such as "render: oom" tells a stage what to do."""
    judge = getattr(module, name)

    def prompted(judge_: Any, verdict: Any) -> None:
        faults.clear()
        stage, _, fault = (verdict.request.prompt or "").partition(": ")
        faults[stage] = fault
        judge(judge_, verdict)

    setattr(module, name, prompted)


def failing(work: Callable[..., Any], stage: str) -> Callable[..., Any]:
    import torch  # noqa: PLC0415

    def fail_or_work(*args: Any, **kwargs: Any) -> Any:
        fault = faults.get(stage, "") if "always" in faults.get(stage, "") else faults.pop(stage, "")
        if fault.startswith("oom"):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        if fault == "poison":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if fault == "hang":
            time.sleep(600)
        if fault.startswith("until "):
            while not Path(fault.removeprefix("until ")).exists():
                time.sleep(0.05)
        if fault == "bug":
            raise KeyError("a bug")
        return work(*args, **kwargs)

    return fail_or_work


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ValidationTable:
    from tests.tiny_scorer import write_tiny_networks  # noqa: PLC0415 - imports torch

    return write_tiny_networks(tmp_path_factory.mktemp("networks")).settings


@asynccontextmanager
async def running(
    settings: ValidationTable, data_dir: Path, *, wait: bool = True
) -> AsyncIterator[httpx.AsyncClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "load_judge", load_judge)
        app: FastAPI = create_app(settings, scorer=REFERENCE, renderer=CUDA, data_dir=data_dir)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=120) as client,
    ):
        if wait:
            await wait_ready(client)
        yield client


async def wait_ready(client: httpx.AsyncClient) -> None:
    for _ in range(1200):
        if (await client.get("/health/")).status_code == 200:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"never ready: {(await client.get('/health/')).text}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(
    settings: ValidationTable, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    async with running(settings, tmp_path_factory.mktemp("data")) as client:
        yield client


def body_of(data: bytes = BALL_PLY, **fields: Any) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return {"prompt": "a red ball", "data": encoded, "compression": 0} | fields


async def verdict_of(client: httpx.AsyncClient, data: bytes = BALL_PLY, **fields: Any) -> dict[str, Any]:
    reply = await client.post(TEXT, json=body_of(data, **fields))
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


@on_one_loop
async def test_an_asset_gets_the_reference_scorers_numbers(
    client: httpx.AsyncClient, settings: ValidationTable
) -> None:
    from subnet17.gpu.card import Card  # noqa: PLC0415
    from subnet17.gpu.models import ModelCache  # noqa: PLC0415
    from subnet17.splat.cameras import fit_for_render, official_cameras  # noqa: PLC0415
    from subnet17.splat.rasterize_cpu import render_views  # noqa: PLC0415
    from subnet17.validation.scoring.reference.scorer import build_reference_scorer  # noqa: PLC0415

    answer = await verdict_of(client)
    scorer = build_reference_scorer(settings, ModelCache(Card("cpu"), idle_unload_s=0, reserve_bytes=0))
    views = render_views(fit_for_render(BALL), official_cameras())
    scores = scorer.score_text(views, "a red ball")
    for name, value in scores.as_json().items():
        assert answer[name] == pytest.approx(value, abs=2e-3), name
    assert answer["ssim"] == pytest.approx(scores.ssim, abs=1e-4)
    assert (answer["scorer"], answer["renderer"]) == ("reference", "cuda")
    assert answer["measures"] == scorer.measures and answer["not_measured"] == scorer.not_measured
    assert {"parse", "decode", "check", "render", "score"} <= set(answer["timings"])


@on_one_loop
async def test_a_picture_is_a_prompt(client: httpx.AsyncClient) -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (64, 48), (200, 30, 30, 128)).save(stream, "PNG")
    asked = body_of(prompt_image=base64.b64encode(stream.getvalue()).decode())
    reply = await client.post(IMAGE, json=asked)
    assert reply.status_code == 200, reply.text
    assert reply.json()["scorer"] == "reference"


@on_one_loop
async def test_previews_are_made_from_the_judges_pictures(client: httpx.AsyncClient) -> None:
    wanted = {"generate_preview": True, "generate_grid_preview": True, "generate_turntable": True}
    answer = await verdict_of(client, encode_spz(BALL), compression=2, preview_score_threshold=0, **wanted)
    single, grid, turntable = (
        Image.open(io.BytesIO(base64.b64decode(answer[name])))
        for name in ("preview", "grid_preview", "turntable")
    )
    assert (single.size, grid.size, turntable.size) == ((518, 518), (1041, 1041), (256, 256))
    assert getattr(turntable, "n_frames", 1) > 10  # frames of a ball that look alike are joined
    assert grid.crop((0, 0, 518, 518)).tobytes() == single.tobytes()
    assert np.asarray(single)[259, 259].tolist() != [255, 255, 255]
    without = await verdict_of(client, preview_score_threshold=0, generate_grid_preview=True)
    assert without["preview"] is None and without["turntable"] is None and without["grid_preview"]


@on_one_loop
async def test_the_duel_view_is_a_grid(client: httpx.AsyncClient) -> None:
    reply = await client.post(DUEL, json={"data": base64.b64encode(BALL_PLY).decode()})
    assert reply.status_code == 200 and Image.open(io.BytesIO(reply.content)).size == (1041, 1041)
    bad = await client.post(DUEL, json={"data": base64.b64encode(b"nothing").decode()})
    assert (bad.status_code, bad.json()["error"]["code"]) == (422, "invalid_asset")


@on_one_loop
async def test_refusals_and_conversions_do_not_wait_for_the_judge(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    flag = tmp_path / "go_on"
    slow = asyncio.create_task(client.post(TEXT, json=body_of(prompt=f"score: until {flag}")))
    await asyncio.sleep(0.3)
    refused = await verdict_of(client, write_ply(make_ball(6999)))
    assert [reason["code"] for reason in refused["reasons"]] == ["too_few_splats"]
    assert refused["scorer"] == "reference" and refused["measures"]
    box = trimesh.creation.box().export(file_type="glb")
    converted = await client.post(CONVERT, json={"data": base64.b64encode(box).decode(), "splats": 8000})
    assert converted.status_code == 200 and converted.headers["X-Splats"] == "8000"
    assert not slow.done(), "the judge was still at work"
    flag.touch()
    assert (await slow).status_code == 200


@on_one_loop
async def test_a_bad_request_is_the_callers_fault_and_costs_no_worker(client: httpx.AsyncClient) -> None:
    before = (await client.get("/status/")).json()["workers"]["deaths"]
    for fields in ({"data": "***"}, {"compression": 7}, {"prompt": ""}):
        assert (await client.post(TEXT, json=body_of() | fields)).status_code == 400
    assert (await client.get("/status/")).json()["workers"]["deaths"] == before


@on_one_loop
async def test_memory_running_out_once_is_no_failure_and_is_told(client: httpx.AsyncClient) -> None:
    plain = await verdict_of(client)
    retried = await verdict_of(client, prompt="render: oom")
    assert "score" in retried and any("degradation level" in note for note in retried["notes"])
    again = await verdict_of(client)
    assert again["ssim"] == pytest.approx(plain["ssim"], abs=1e-6), "fewer cameras at once, the same pictures"
    always = await client.post(TEXT, json=body_of(prompt="render: oom always"))
    assert (always.status_code, always.json()["error"]["detail"]["kind"]) == (503, "memory")


@on_one_loop
async def test_a_bug_is_a_5xx_that_names_its_stage_never_a_score(client: httpx.AsyncClient) -> None:
    for stage in ("render", "score"):
        reply = await client.post(TEXT, json=body_of(prompt=f"{stage}: bug"))
        assert (reply.status_code, reply.json()["error"]["detail"]["stage"]) == (500, stage)
    assert (await verdict_of(client))["scorer"] == "reference"


@on_one_loop
async def test_status_tells_devices_networks_and_what_can_be_scored(client: httpx.AsyncClient) -> None:
    await verdict_of(client)
    status = (await client.get("/status/")).json()
    judges = [news for news in status["workers"]["news"] if "device" in news]
    assert len(judges) == 1 and status["workers"]["count"] == 3
    judge = judges[0]
    assert judge["state"] == "ready" and judge["device"] == "cpu"
    assert judge["scores"] == {"text": "yes", "image": "yes"}
    models = {model["name"] for model in judge["models"]}
    assert {"text_alignment", "image_alignment", "quality", "lpips"} <= models


@on_one_loop
async def test_many_at_once_are_all_answered_alike_and_leave_nothing(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(verdict_of(client) for _ in range(6)))
    assert len({answer["score"] for answer in answers}) == 1
    # other servers of this machine have folders of their own: each holds the lock of its own
    ours = [Path(file.path).parent for file in psutil.Process().open_files() if PREFIX in file.path]
    assert ours and not [left for folder in ours for left in folder.glob("*-*")]


async def test_a_hanging_judge_is_killed_at_the_deadline_and_replaced(
    settings: ValidationTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "FAIR_JOB_S", 4.0)  # a short limit for what hangs, not for what follows
    async with running(settings, tmp_path) as client:
        hanging = body_of(prompt="score: hang")
        reply = await client.post(TEXT, json=hanging, headers={TIMEOUT_HEADER: "4"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "deadline")
        await wait_ready(client)
        assert (await verdict_of(client))["scorer"] == "reference"


async def test_a_lost_device_is_told_and_ends_the_server(settings: ValidationTable, tmp_path: Path) -> None:
    async with running(settings, tmp_path) as client:
        reply = await client.post(TEXT, json=body_of(prompt="score: poison"))
        assert (reply.status_code, reply.json()["error"]["code"]) == (500, "device_lost")
        assert (await client.get("/health/")).status_code == 503


async def test_pictures_can_be_switched_off(settings: ValidationTable, tmp_path: Path) -> None:
    async with running(settings.model_copy(update={"image_tasks": False}), tmp_path) as client:
        reply = await client.post(IMAGE, json=body_of(prompt_image="AAAA"))
        assert reply.status_code == 503 and "validation.image_tasks" in reply.text
        news = (await client.get("/status/")).json()["workers"]["news"]
        told = next(worker["scores"] for worker in news if "scores" in worker)
        assert told["text"] == "yes" and "switched off" in told["image"]


async def test_a_picture_network_that_does_not_load_costs_the_texts_nothing(
    settings: ValidationTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_answers, "LINGER_S", 0.1)
    broken = Path(shutil.copytree(settings.image_alignment_model, tmp_path / "vision"))
    (broken / "config.json").write_text("{}")

    async def endless() -> AsyncIterator[bytes]:
        await asyncio.sleep(3600)
        yield b"{"

    without = settings.model_copy(update={"image_alignment_model": str(broken)})
    async with running(without, tmp_path) as client:
        for _ in range(without.circuit_breaker_failure_threshold + 1):
            reply = await client.post(IMAGE, content=endless(), headers={"Content-Type": "application/json"})
            assert (reply.status_code, reply.json()["error"]["code"]) == (503, "not_offered")
            assert "picture alignment network" in reply.text and str(broken) in reply.text
        assert (await verdict_of(client))["scorer"] == "reference"
        assert (await client.get("/status/")).json()["breaker"]["failures"] == 0


async def test_missing_weights_leave_the_server_up_not_ready_and_say_what_to_do(
    settings: ValidationTable, tmp_path: Path
) -> None:
    broken = settings.model_copy(update={"quality_model": str(tmp_path / "absent")})
    async with running(broken, tmp_path, wait=False) as client:
        for _ in range(1200):
            health = await client.get("/health/")
            if "absent" in health.text:
                break
            await asyncio.sleep(0.1)
        assert health.status_code == 503 and "there is no folder" in health.json()["reason"]
        reply = await client.post(TEXT, json=body_of())
        assert reply.status_code == 503 and "absent" in reply.text
