"""The container's command, outside a container: the competition's contract on an address open to others."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from subnet17.settings import PROJECT_ROOT
from subnet17.settings_sources import PREFIX
from subnet17.splat.ply import read_ply
from tests.dockerfile import environment, instructions
from tests.ports import reserve_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = str(reserve_port())
    command = json.loads(next(rest for name, rest in reversed(instructions()) if name == "CMD"))
    command = [sys.executable, *command[1:-1], port, "--backend", "procedural"]
    given = {k: v for k, v in environment().items() if k.startswith(PREFIX)}
    given["S17_OPERATIONS__DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
    others = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    log = tmp_path_factory.mktemp("log") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=others | given, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_healthy(url, process, log)
        yield url
    finally:
        process.terminate()
        assert process.wait(timeout=90) == 0


def _wait_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            if httpx.get(url + "/health", timeout=5, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    pytest.fail(log.read_text()[-2000:])


def test_a_picture_and_a_seed_become_splats_without_a_key(server: str) -> None:
    picture = Image.new("RGB", (128, 128), "white")
    picture.paste((200, 30, 30), (32, 32, 96, 96))
    file = io.BytesIO()
    picture.save(file, "PNG")
    reply = httpx.post(
        server + "/generate",
        files={"prompt_image_file": ("prompt.png", file.getvalue(), "image/png")},
        data={"seed": "42"},
        timeout=100,
        trust_env=False,
    )
    assert reply.status_code == httpx.codes.OK, reply.text
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["x-seed"] == "42"
    assert len(read_ply(reply.content)) >= 7000
