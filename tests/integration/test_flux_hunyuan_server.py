"""The GPU back end through the real app, on the CPU: tiny checkpoints in the formats of the real ones."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
import trimesh
from fastapi import FastAPI
from PIL import Image, ImageDraw

from subnet17.deadline import TIMEOUT_HEADER
from subnet17.errors import UnavailableError
from subnet17.generation import flux_hunyuan_backend
from subnet17.generation.app import create_app
from subnet17.generation.backends import choose_backend
from subnet17.reload import SettingsFollower
from subnet17.serving import jobs as jobs_module
from subnet17.serving.run import serve
from subnet17.settings import GenerationTable
from subnet17.splat.ply import read_ply
from subnet17.splat.spz import decode_spz
from tests.config_files import write_config
from tests.ports import reserve_port

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("hy3dgen")

REPO = Path(__file__).resolve().parents[2]
on_one_loop = pytest.mark.asyncio(loop_scope="module")

SPLATS = 8000
START_S = 240.0
"""The first worker after an installation compiles thousands of files as it imports them."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with flux/, hunyuan/ and u2netp.onnx."""
    from tests.tiny_flux import write_tiny_flux  # noqa: PLC0415 - imports torch
    from tests.tiny_hunyuan import SUBFOLDER, write_shape_model  # noqa: PLC0415
    from tests.tiny_mask_network import write_mask_network  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("weights")
    write_tiny_flux(folder / "flux", "schnell")
    write_shape_model(folder / "hunyuan" / SUBFOLDER)
    write_mask_network(folder / "u2netp.onnx")
    return folder


def settings_of(weights: Path, **changes: Any) -> GenerationTable:
    tiny = {
        "backend": "flux-hunyuan",
        "device": "cpu",
        "text_to_image_model": str(weights / "flux"),
        "model_path": str(weights / "hunyuan"),
        "background": "network",
        "background_model": str(weights / "u2netp.onnx"),
        "image_size_px": 64,
        "image_steps": 1,
        "num_inference_steps": 2,
        "octree_resolution": 24,
        "splat_count": SPLATS,
        "profile": "speed",
        "max_concurrent_requests": 4,
    }
    return GenerationTable(**(tiny | changes))


def load_tiny(settings: GenerationTable, data_dir: Path) -> None:
    """What a worker runs: the real `load`, beside a torchvision that was built for CUDA."""
    import tests.conftest  # noqa: F401, PLC0415 - defines the operators that it misses

    flux_hunyuan_backend.load(settings, data_dir)


def load_faulty(settings: GenerationTable, data_dir: Path) -> None:
    """Then makes stages fail as a prompt says: "shape: oom", "colour: bug"."""
    load_tiny(settings, data_dir)
    from subnet17.generation import flux_hunyuan_job  # noqa: PLC0415
    from subnet17.generation.picture.text_to_image import TextToImage  # noqa: PLC0415
    from subnet17.generation.shape.image_to_shape import ShapeLease  # noqa: PLC0415

    places: dict[str, tuple[Any, str]] = {
        "text_to_image": (TextToImage, "__call__"),
        "shape": (ShapeLease, "latents"),
        "surface": (flux_hunyuan_job, "find_surface"),
        "mesh": (flux_hunyuan_job, "field_to_mesh"),
        "colour": (flux_hunyuan_job, "colour_surface"),
        "splats": (flux_hunyuan_job, "surface_to_cloud"),
    }
    for stage, (holder, name) in places.items():
        setattr(holder, name, failing(getattr(holder, name), stage))


faults: dict[str, str] = {}
"""Worker side: what the stages of the present job do, once each."""


def failing(work: Callable[..., Any], stage: str) -> Callable[..., Any]:
    import torch  # noqa: PLC0415

    def fail_or_work(*args: Any, **kwargs: Any) -> Any:
        fault = faults.get(stage) if faults.get(stage) == "oom always" else faults.pop(stage, "")
        if not fault:
            return work(*args, **kwargs)
        if fault.startswith("oom"):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        if fault == "poison":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if fault == "hang":
            time.sleep(600)
        raise KeyError("a bug")

    return fail_or_work


def generate_faulty(request: Any, settings: GenerationTable) -> Any:
    faults.clear()
    stage, _, fault = (request.prompt or "").partition(": ")
    faults[stage] = fault
    return flux_hunyuan_backend.generate(request, settings)


def tiny_app(
    settings: GenerationTable,
    data_dir: Path,
    load: Callable[..., None] = load_tiny,
    follower: SettingsFollower | None = None,
) -> FastAPI:
    chosen = choose_backend(settings, data_dir=data_dir)
    generate = generate_faulty if load is load_faulty else chosen.generate
    backend = replace(chosen, load=load, generate=generate)
    return create_app(settings, backend=backend, follower=follower)


@asynccontextmanager
async def running(app: FastAPI, *, wait: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=120) as client,
    ):
        if wait:
            await until(client, lambda health: health["ready"])
        yield client


async def until(
    client: httpx.AsyncClient, holds: Callable[[dict[str, Any]], bool], *, within_s: float = START_S
) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        while not holds(health := (await client.get("/health/")).json()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return dict(health)


@pytest.fixture(scope="module")
def config(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "mining.toml"
    write_config(path, generation=settings_of(weights).model_dump())
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(config: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    follower = SettingsFollower(("generation", "operations"), config, environ={})
    table = follower.current.generation
    async with running(tiny_app(table, tmp_path_factory.mktemp("data"), follower=follower)) as client:
        yield client


def drawing(*, clear: bool = False) -> bytes:
    image = Image.new("RGBA" if clear else "RGB", (120, 120), (255, 255, 255, 0) if clear else "white")
    ImageDraw.Draw(image).ellipse((20, 40, 100, 90), fill=(220, 30, 30))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


async def make(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/generate/", json={"prompt": "a red ball", "seed": 5, **fields})


@on_one_loop
async def test_a_prompt_becomes_splats_with_the_headers_that_tell_of_it(client: httpx.AsyncClient) -> None:
    reply = await make(client, profile="balanced")
    assert reply.status_code == 200, reply.text
    cloud = read_ply(reply.content)
    assert len(cloud) == int(reply.headers["x-splats"]) == SPLATS
    assert (reply.headers["x-backend"], reply.headers["x-seed"]) == ("flux-hunyuan", "5")
    stages = set(json.loads(reply.headers["x-timings"]))
    assert stages == {"text_to_image", "background", "shape", "surface", "colour", "splats", "write"}
    for values in (cloud.means, cloud.log_scales, cloud.quats, cloud.rgb):
        assert np.isfinite(values).all()
    assert cloud.rgb.min() > -0.01
    assert cloud.rgb.max() < 1.01


@on_one_loop
async def test_every_format_is_what_it_says(client: httpx.AsyncClient) -> None:
    replies = {name: (await make(client, format=name)).content for name in ("ply", "spz", "glb", "mesh_ply")}
    splats = read_ply(replies["ply"])
    assert np.abs(decode_spz(replies["spz"]).means - splats.means).max() < 1e-2
    for name, kind in (("glb", "glb"), ("mesh_ply", "ply")):
        mesh = trimesh.load(io.BytesIO(replies[name]), file_type=kind, force="mesh")
        assert len(mesh.faces) > 100
        assert np.ptp(np.asarray(mesh.visual.vertex_colors)[:, :3], axis=0).max() > 0


async def models_of(client: httpx.AsyncClient) -> set[str]:
    (news,) = (await client.get("/status/")).json()["workers"]["news"]
    return {model["name"] for model in news["models"] if model["state"] == "device"}


@on_one_loop
async def test_changed_settings_reach_the_next_job_and_an_idle_worker(
    client: httpx.AsyncClient, weights: Path, config: Path
) -> None:
    assert (await make(client, profile="balanced")).headers["x-splats"] == str(SPLATS)
    assert await models_of(client)
    changed = settings_of(weights, idle_unload_s=0.2, splat_count=SPLATS + 1000, num_inference_steps=3)
    write_config(config, generation=changed.model_dump())
    async with asyncio.timeout(120):
        while await models_of(client):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert (await make(client, profile="balanced")).headers["x-splats"] == str(SPLATS + 1000)
    write_config(config, generation=settings_of(weights).model_dump())
    async with asyncio.timeout(120):
        while (await client.get("/status/")).json()["settings"]["reloads"] < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@on_one_loop
async def test_seeds_are_reproducible_and_differ(client: httpx.AsyncClient) -> None:
    one, again, other = [(await make(client, seed=seed)).content for seed in (5, 5, 6)]
    assert one == again
    assert one != other


@on_one_loop
async def test_each_profile_does_more_than_the_one_before(client: httpx.AsyncClient) -> None:
    replies = [await make(client, profile=name) for name in ("speed", "balanced", "quality")]
    counts = [int(reply.headers["x-splats"]) for reply in replies]
    assert counts == [7000, SPLATS, 2 * SPLATS]


@on_one_loop
async def test_a_picture_enters_at_the_background(client: httpx.AsyncClient) -> None:
    encoded = base64.b64encode(drawing()).decode()
    as_text = await client.post("/generate/", json={"prompt_image": encoded, "seed": 3})
    upload = {"prompt_image_file": ("picture.png", drawing(), "image/png")}
    as_file = await client.post("/generate", files=upload, data={"seed": "3"})
    assert as_text.status_code == 200, as_text.text
    assert as_text.content == as_file.content
    assert "text_to_image" not in json.loads(as_text.headers["x-timings"])
    assert "background: network" in json.loads(as_text.headers["x-notes"])


@on_one_loop
async def test_a_transparent_picture_keeps_its_own_outline(client: httpx.AsyncClient) -> None:
    encoded = base64.b64encode(drawing(clear=True)).decode()
    reply = await client.post("/generate/", json={"prompt_image": encoded, "seed": 3})
    assert "background: the picture's own transparency" in json.loads(reply.headers["x-notes"])


@on_one_loop
@pytest.mark.parametrize("data", [drawing()[:200], b"no picture"])
async def test_a_broken_picture_is_the_callers_fault(client: httpx.AsyncClient, data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    reply = await client.post("/generate/", json={"prompt_image": encoded})
    assert reply.status_code == 400


@on_one_loop
async def test_status_tells_models_memory_and_level(client: httpx.AsyncClient) -> None:
    await make(client, prompt="words that no test said before")  # else the text encoder may be out
    status = (await client.get("/status/")).json()
    assert status["backend"] == "flux-hunyuan"
    assert set(status["models_loaded"]) == {"text_encoder", "image", "shape"}
    assert status["vram"]["cpu"]["allocated_bytes"] > 0
    assert status["degradation_level"] == 0
    (news,) = status["workers"]["news"]
    assert (news["state"], news["background"]) == ("ready", "network")
    assert all(model["size"] == "measured" for model in news["models"])
    assert "s17_degradation_level 0.0" in (await client.get("/metrics")).text


@on_one_loop
async def test_models_take_turns_in_little_memory_and_leave_it_when_idle(
    client: httpx.AsyncClient, weights: Path, tmp_path: Path
) -> None:
    whole = await make(client)
    models = (await client.get("/status/")).json()["workers"]["news"][0]["models"]
    limit_bytes = max(model["bytes"] for model in models) + 1000
    settings = settings_of(weights, vram_limit_bytes=limit_bytes, idle_unload_s=0.5)
    async with running(tiny_app(settings, tmp_path)) as tight_client:
        tight = await make(tight_client)
        assert tight.status_code == 200, tight.text
        assert tight.content == whole.content
        status = (await tight_client.get("/status/")).json()
        assert status["vram"]["cpu"]["allocated_bytes"] <= limit_bytes
        assert len(status["models_loaded"]) < len(models)
        # a model on its way out is no longer loaded, but still takes its bytes
        health = await until(tight_client, lambda health: not health["vram"]["cpu"]["allocated_bytes"])
        assert health["ready"]
        assert not health["models_loaded"]
        assert (await make(tight_client)).content == whole.content


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def faulty(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_of(weights, circuit_breaker_failure_threshold=1000)
    async with running(tiny_app(settings, tmp_path_factory.mktemp("faulty"), load_faulty)) as client:
        yield client


@on_one_loop
@pytest.mark.parametrize("stage", ["text_to_image", "shape", "surface", "mesh", "colour", "splats"])
async def test_out_of_memory_costs_a_level_and_not_the_request(faulty: httpx.AsyncClient, stage: str) -> None:
    before = (await faulty.get("/status/")).json()["workers"]["news"][0]["pressure"]["lowered"]
    reply = await make(faulty, prompt=f"{stage}: oom", format="glb" if stage == "mesh" else "ply")
    assert reply.status_code == 200, reply.text
    assert "degradation level" in reply.headers["x-notes"]
    status = (await faulty.get("/status/")).json()
    assert status["degradation_level"] >= 1
    assert status["workers"]["news"][0]["pressure"]["lowered"] == before + 1


@on_one_loop
async def test_lasting_lack_of_memory_is_503_and_the_worker_lives(faulty: httpx.AsyncClient) -> None:
    reply = await make(faulty, prompt="surface: oom always")
    assert (reply.status_code, reply.json()["error"]["detail"]["kind"]) == (503, "memory")
    assert int(reply.headers["retry-after"]) >= 1
    assert (await make(faulty)).status_code == 200
    assert (await faulty.get("/status/")).json()["workers"]["deaths"] == 0


@on_one_loop
@pytest.mark.parametrize("stage", ["text_to_image", "shape", "surface", "colour", "splats"])
async def test_a_bug_names_its_stage(faulty: httpx.AsyncClient, stage: str) -> None:
    reply = await make(faulty, prompt=f"{stage}: bug")
    assert (reply.status_code, reply.json()["error"]["detail"]["stage"]) == (500, stage)
    assert (await make(faulty)).status_code == 200


@on_one_loop
async def test_a_lost_device_ends_readiness_at_once(faulty: httpx.AsyncClient) -> None:
    reply = await make(faulty, prompt="colour: poison")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "device_lost")
    health = await faulty.get("/health/")
    assert health.status_code == 503
    assert "illegal memory access" in health.json()["reason"]
    assert (await make(faulty)).status_code == 503


async def test_a_hanging_stage_is_killed_and_the_next_worker_gets_its_device(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "FAIR_JOB_S", 12.0)  # a short limit for what hangs, not for what follows
    async with running(tiny_app(settings_of(weights), tmp_path, load_faulty)) as client:
        first = (await client.get("/status/")).json()["workers"]["news"][0]["pid"]
        hanging = {"prompt": "shape: hang", "seed": 5}
        reply = await client.post("/generate/", json=hanging, headers={TIMEOUT_HEADER: "12"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "deadline")
        await until(client, lambda health: health["ready"])
        workers = (await client.get("/status/")).json()["workers"]
        assert workers["deaths"] == 1
        assert workers["news"][0]["pid"] != first
        assert (await make(client)).status_code == 200


def remove_flux(folder: Path) -> None:
    shutil.rmtree(folder / "flux")


def cut_transformer(folder: Path) -> None:
    path = folder / "flux" / "transformer" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def garble_shape(folder: Path) -> None:
    (path,) = (folder / "hunyuan").glob("*/model.fp16.safetensors")
    path.write_bytes(b"\xff" * 4096)


def remove_shape_weights(folder: Path) -> None:
    (path,) = (folder / "hunyuan").glob("*/model.fp16.safetensors")
    path.unlink()


def swap_models(folder: Path) -> None:
    shutil.rmtree(folder / "flux")
    shutil.copytree(folder / "hunyuan", folder / "flux")


def pickle_instead(folder: Path) -> None:
    remove_shape_weights(folder)
    next((folder / "hunyuan").iterdir()).joinpath("model.fp16.ckpt").write_bytes(b"\x80\x04.")


def garble_network(folder: Path) -> None:
    (folder / "u2netp.onnx").write_bytes(b"nonsense")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (remove_flux, "flux"),
        (cut_transformer, "diffusion_pytorch_model.safetensors"),
        (garble_shape, "model.fp16.safetensors"),
        (remove_shape_weights, "model"),
        (swap_models, "flux"),
        (pickle_instead, "model"),
        (garble_network, "u2netp.onnx"),
    ],
)
def test_missing_or_wrong_weights_are_named(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    named: str,
) -> None:
    copy = tmp_path / "weights"
    shutil.copytree(weights, copy)
    damage(copy)
    monkeypatch.setattr(flux_hunyuan_backend, "_backend", None)
    with pytest.raises(UnavailableError) as caught:
        flux_hunyuan_backend.load(settings_of(copy), tmp_path)
    assert named in caught.value.message
    assert str(copy) in caught.value.message


async def test_without_weights_the_server_is_up_and_loads_them_once_they_are_there(
    weights: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "weights"
    shutil.copytree(weights, copy)
    hidden = (copy / "hunyuan").rename(copy / "later")
    app = tiny_app(settings_of(copy), tmp_path)
    app.state.pool.keep_starting = partial(app.state.pool.keep_starting, pause_s=0.5)
    async with running(app, wait=False) as client:
        health = await until(client, lambda health: health["reason"] != "starting")
        assert not health["ready"]
        assert str(copy / "hunyuan") in health["reason"]
        reply = await make(client)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")
        assert (await client.get("/status/")).json()["workers"]["deaths"] == 0
        hidden.rename(copy / "hunyuan")
        await until(client, lambda health: health["ready"])
        assert (await make(client)).status_code == 200


def serve_faulty(weights: str, data_dir: str, port: str) -> int:
    """The whole server, in a process of its own."""
    app = tiny_app(settings_of(Path(weights)), Path(data_dir), load_faulty)
    return serve(app, host="127.0.0.1", port=int(port), api_key="")


async def test_a_server_that_lost_its_device_ends_with_an_exit_code(weights: Path, tmp_path: Path) -> None:
    port = reserve_port()
    code = (
        "import sys; from tests.integration.test_flux_hunyuan_server import serve_faulty\n"
        "if __name__ == '__main__': sys.exit(serve_faulty(*sys.argv[1:]))"
    )
    script = tmp_path / "server.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    command = [sys.executable, str(script), str(weights), str(tmp_path), str(port)]
    with subprocess.Popen(command, env=environment) as process:  # noqa: ASYNC220
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                await answering(client)
                await until(client, lambda health: health["ready"])
                reply = await make(client, prompt="shape: poison")
            assert reply.json()["error"]["code"] == "device_lost"  # answered before it ends
            assert await asyncio.to_thread(process.wait, 90) == 1
        finally:
            process.kill()


async def answering(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(START_S):
        while True:
            try:
                await client.get("/health/")
            except httpx.TransportError:
                await asyncio.sleep(0.2)
            else:
                return
