"""A real generation server, as an operator runs it, while its mining.toml is changed under it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.config_files import replace_text, write_config
from tests.ports import reserve_port

REPO = Path(__file__).resolve().parents[2]
START_S = 120.0


class Server:
    """Its process, its file and its address."""

    def __init__(self, folder: Path) -> None:
        self.port = reserve_port()
        self.config = folder / "mining.toml"
        self.log = folder / "log.txt"
        self.write()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=60)
        command = [sys.executable, "generation_server.py", "--config", str(self.config)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=REPO, stderr=log)

    def write(self, **changes: Any) -> None:
        table = {"backend": "procedural", "port": self.port, "splat_count": 8000}
        write_config(self.config, generation=table | changes)

    def status(self) -> dict[str, Any]:
        return dict(self.client.get("/status/").json())

    def settings(self) -> dict[str, Any]:
        return dict(self.status()["settings"])

    def until(self, holds: Callable[[], bool], within_s: float = 60) -> None:
        deadline_s = time.monotonic() + within_s
        while not holds():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return self.client.get("/health/").status_code == 200
        except httpx.HTTPError:
            return False

    def splats(self) -> int:
        reply = self.client.post("/generate/", json={"prompt": "a red ball"})
        assert reply.status_code == 200, reply.text
        return int(reply.headers["x-splats"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    try:
        server.until(server.is_ready, START_S)
        yield server
    finally:
        server.process.terminate()
        server.process.wait(90)
        server.client.close()


def test_a_running_server_follows_its_file_and_survives_a_broken_one(server: Server) -> None:
    assert server.splats() == 8000
    pid, stamp = server.process.pid, server.settings()["stamp"]

    server.write(splat_count=9000, max_concurrent_requests=3, port=1, api_key="hush-hush")
    server.until(lambda: server.settings()["reloads"] == 1)
    assert server.splats() == 9000
    assert server.status()["queue"]["limit"] == 3
    settings = server.settings()
    assert settings["live"]["generation.splat_count"] == 9000
    assert set(settings["needs_restart"]) == {"generation.port", "generation.api_key"}
    assert (settings["error"], settings["stamp"] != stamp) == ("", True)

    replace_text(server.config, "[generation]\nsplat_count = 7000\nnum_inference_step = 9\n")
    server.until(lambda: bool(server.settings()["error"]))
    assert "did you mean num_inference_steps?" in server.settings()["error"]
    assert server.splats() == 9000

    server.config.unlink()
    server.until(lambda: "No such file" in server.settings()["error"])
    assert server.splats() == 9000

    server.write()
    server.until(lambda: server.settings()["error"] == "")
    assert server.splats() == 8000
    assert (server.settings()["stamp"], server.settings()["needs_restart"]) == (stamp, {})
    assert server.process.pid == pid
    log = server.log.read_text()
    assert "generation.splat_count: 8000 -> 9000" in log
    assert "hush" not in log
