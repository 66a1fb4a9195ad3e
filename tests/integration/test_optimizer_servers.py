"""The optimizer at the real servers on their embedded back ends, as an operator runs them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.ports import reserve_ports

REPO = Path(__file__).resolve().parents[2]
START_S = 120.0


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A mining.toml whose two servers run."""
    path = tmp_path / "mining.toml"
    ports = reserve_ports(3)
    path.write_text(
        f"# mine\n[generation]\nport = {ports[0]}\nbackend = 'procedural'\nsplat_count = 7_000 # few\n"
        f"[validation]\nport = {ports[1]}\nscorer = 'embedded'\nrenderer = 'cpu'\n"
        f"[miner]\nport = {ports[2]}\n[operations]\ndata_dir = '{tmp_path / 'data'}'\n"
    )
    with ExitStack() as stack:
        for script in ("generation_server.py", "validation_server.py"):
            log = stack.enter_context((tmp_path / f"{script}.log").open("wb"))
            command = [sys.executable, script, "--config", str(path)]
            server = subprocess.Popen(command, cwd=REPO, stderr=log)
            stack.callback(server.wait, 90)
            stack.callback(server.terminate)
        for port in ports[:2]:
            wait_ready(port)
        yield path


def wait_ready(port: int) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"nothing is ready on port {port}")


def optimize(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "performance_optimizer.py", "--config", str(config), "--requests", "2"]
    return subprocess.run(
        [*command, *arguments], cwd=REPO, capture_output=True, text=True, timeout=200, check=False
    )


def test_real_servers_are_measured_before_and_after_a_switch_that_they_follow(config: Path) -> None:
    before = config.read_text()
    switched = optimize(config, "--profile", "quality", "--json")
    assert switched.returncode == 0, switched.stderr
    assert config.read_text() == before.replace("# few\n", '# few\nprofile = "quality"\n')
    outcome = json.loads(switched.stdout)
    assert outcome["kept"]
    for sample in (outcome["before"], outcome["after"]):
        assert sample["generation_s"]["mean"] > 0
        assert 0 < sample["score"]["mean"] <= 1
    pieces = [outcome[name]["pieces"] for name in ("before", "after")]
    assert [p["name"] for p in pieces[0]] == [p["name"] for p in pieces[1]]
    assert [p["score"] for p in pieces[0]] != [p["score"] for p in pieces[1]], "twice the splats"
