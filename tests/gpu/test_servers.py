"""On a GPU: the real servers as processes, with tiny networks in the real ones' formats."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("torch")

import torch

if not torch.cuda.is_available():
    pytest.skip("needs CUDA", allow_module_level=True)

from subnet17.splat.gsplat_kernels import why_no_gsplat
from subnet17.splat.ply import write_ply
from subnet17.validation.scoring.warmup import make_ball
from tests.ports import reserve_port

REPO = Path(__file__).resolve().parents[2]
READY_S = 300.0
BALL = base64.b64encode(write_ply(make_ball(50_000))).decode()


@contextmanager
def running(
    script: str, table: str, keys: dict[str, Any], folder: Path, *flags: str
) -> Iterator[httpx.Client]:
    """A server on a free port; stopped with SIGTERM, which must leave nothing behind."""
    port = reserve_port()
    config = folder / "mining.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    config.write_text(f"[{table}]\n" + "\n".join(lines) + f'\n[operations]\ndata_dir = "{folder}/data"\n')
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, REPO / script, "--config", config, "--port", str(port), *flags],
        stdout=log, stderr=subprocess.STDOUT, cwd=REPO, env={**os.environ, "PYTHONPATH": _python_path()},
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            _wait_ready(client, server, folder)
            yield client
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        log.close()


def _python_path() -> str:
    return os.pathsep.join([str(REPO), *filter(None, [os.environ.get("PYTHONPATH")])])


def _wait_ready(client: httpx.Client, server: subprocess.Popen[bytes], folder: Path) -> None:
    end_s = time.monotonic() + READY_S
    while time.monotonic() < end_s and server.poll() is None:
        try:
            if client.get("/health/").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"not ready; the log ends with {(folder / 'server.log').read_text()[-3000:]}")


def wait_for(what: Callable[[], bool], seconds: float) -> bool:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if what():
            return True
        time.sleep(0.5)
    return False


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    if why_not := why_no_gsplat():
        pytest.skip(why_not)
    from tests.tiny_scorer import write_tiny_networks  # noqa: PLC0415 - needs open_clip

    folder = tmp_path_factory.mktemp("validation")
    told = write_tiny_networks(folder / "networks").settings
    keys = told.model_dump(mode="json", exclude_unset=True) | {"device": "cuda", "idle_unload_s": 3.0}
    flags = ("--scorer", "reference", "--renderer", "cuda")
    with running("validation_server.py", "validation", keys, folder, *flags) as client:
        yield client


def test_scores_a_text_on_the_gpu_the_same_each_time(validation: httpx.Client) -> None:
    body = {"prompt": "a red ball", "data": BALL, "compression": 0}
    answers = [validation.post("/validate_txt_to_3d_ply/", json=body) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5, answers[0].text[:500]
    first = answers[0].json()
    assert first["scorer"] == "reference"
    scores = [answer.json()["score"] for answer in answers]
    assert max(scores) - min(scores) < 1e-3
    status = validation.get("/status/").json()
    assert status["renderer"] == "cuda"


def test_scores_a_picture_on_the_gpu(validation: httpx.Client) -> None:
    from PIL import Image  # noqa: PLC0415

    png = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(png, "PNG")
    body = {"prompt_image": base64.b64encode(png.getvalue()).decode(), "data": BALL, "compression": 0}
    answer = validation.post("/validate_img_to_3d_ply/", json=body)
    assert answer.status_code == 200, answer.text[:500]
    assert answer.json()["scorer"] == "reference"


def test_draws_a_duel_view(validation: httpx.Client) -> None:
    from PIL import Image  # noqa: PLC0415

    body = {"prompt": "a red ball", "data": BALL, "compression": 0}
    answer = validation.post("/render_duel_view/", json=body)
    assert answer.status_code == 200, answer.text[:500]
    assert Image.open(io.BytesIO(answer.content)).size[0] >= 518


def test_refuses_what_holds_no_splats(validation: httpx.Client) -> None:
    empty = write_ply(make_ball(50_000)).split(b"end_header\n")[0].replace(b"50000", b"0") + b"end_header\n"
    body = {"prompt": "a ball", "data": base64.b64encode(empty).decode(), "compression": 0}
    answer = validation.post("/validate_txt_to_3d_ply/", json=body)
    assert answer.status_code < 500
    assert validation.get("/health/").status_code == 200


def test_draws_a_mesh_in_a_worker_with_limited_memory(validation: httpx.Client) -> None:
    trimesh = pytest.importorskip("trimesh")
    from subnet17.validation import gl_probe  # noqa: PLC0415 - needs nothing but ctypes

    if "missing" in (found := gl_probe.find()):
        pytest.skip(f"no off-screen OpenGL: {found['missing']}")
    glb = trimesh.creation.icosphere(subdivisions=4).export(file_type="glb")
    body = {"prompt": "a grey ball", "data": base64.b64encode(glb).decode(), "compression": 0}
    answer = validation.post("/validate_txt_to_3d_ply/", json=body)
    assert answer.status_code == 200, answer.text[:500]
    assert answer.json()["asset"]["kind"] == "mesh"
    assert not answer.json()["submittable"]
    assert answer.json()["mesh_score"]["score"] > 0, found


def test_gives_the_gpu_back_when_idle(validation: httpx.Client) -> None:
    def is_empty() -> bool:
        told = validation.get("/status/").json()["workers"]["news"]
        models = [model for news in told for model in news.get("models", [])]
        return bool(models) and all(model["state"] != "device" for model in models)

    assert wait_for(is_empty, 30), validation.get("/status/").text
    body = {"prompt": "a red ball", "data": BALL, "compression": 0}
    assert validation.post("/validate_txt_to_3d_ply/", json=body).status_code == 200


def test_generates_on_the_gpu(tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    pytest.importorskip("hy3dgen")
    from tests.tiny_flux import write_tiny_flux  # noqa: PLC0415
    from tests.tiny_hunyuan import SUBFOLDER, write_shape_model  # noqa: PLC0415
    from tests.tiny_mask_network import write_mask_network  # noqa: PLC0415

    write_tiny_flux(tmp_path / "flux", "schnell")
    write_shape_model(tmp_path / "hunyuan" / SUBFOLDER)
    write_mask_network(tmp_path / "u2netp.onnx")
    keys = {
        "device": "cuda",
        "text_to_image_model": str(tmp_path / "flux"),
        "model_path": str(tmp_path / "hunyuan"),
        "background": "network",
        "background_model": str(tmp_path / "u2netp.onnx"),
        "image_size_px": 64,
        "image_steps": 1,
        "num_inference_steps": 2,
        "octree_resolution": 24,
        "splat_count": 8000,
    }
    flags = ("--backend", "flux-hunyuan")
    with running("generation_server.py", "generation", keys, tmp_path, *flags) as client:
        first, again = (client.post("/generate/", data={"prompt": "a red ball", "seed": 1}) for _ in range(2))
        assert first.status_code == 200, first.text[:500]
        assert first.headers["x-backend"] == "flux-hunyuan"
        assert int(first.headers["x-splats"]) >= 7000
        assert again.status_code == 200
        spz = client.post("/generate/", data={"prompt": "a blue cube", "format": "spz"})
        assert spz.status_code == 200
