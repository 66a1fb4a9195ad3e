"""The whole thing as a person runs it: the scripts, the real PM2, the real services, a real local subnet.

Everything runs on free ports, in its own PM2_HOME and its own folders, beside whatever else is running.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.ports import reserve_neighbours

REPO = Path(__file__).resolve().parents[2]
NAMES = {"generation-server", "validation-server", "subnet17-miner", "local-subnet"}
OTHER_APP = "somebody-elses-app"

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


@dataclass
class House:
    """One installation under test: its environment, folders and ports."""

    folder: Path
    env: dict[str, str]
    ports: dict[str, int]

    def run(self, *command: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=REPO, env=self.env, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def pm2(self, *args: str) -> str:
        local = REPO / "node_modules" / ".bin" / "pm2"
        return self.run(shutil.which("pm2") or str(local), *args).stdout

    def apps(self) -> dict[str, dict[str, Any]]:
        output = self.pm2("jlist", "--silent")
        return {app["name"]: app for app in json.loads(output[output.find("[") :])}

    def get(self, service: str, route: str) -> tuple[int, dict[str, Any]]:
        url = f"http://127.0.0.1:{self.ports[service]}{route}"
        with urllib.request.urlopen(url, timeout=60) as reply:
            return reply.status, json.loads(reply.read())

    def ledger(self) -> list[dict[str, Any]]:
        text = (self.folder / "data" / "localnet" / "ledger.json").read_text()
        return list(json.loads(text)["validators"])

    def count(self, kind: str) -> int:
        return sum(int(page["counts"].get(kind, 0)) for page in self.ledger())


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {timeout_s:g} s for {what}"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    if shutil.which("node") is None:
        pytest.fail("Node.js is missing: the acceptance test needs PM2")
    folder = tmp_path_factory.mktemp("house")
    generation, validation, miner, *validators = reserve_neighbours(5)
    env = {name: value for name, value in os.environ.items() if not name.startswith("S17_")} | {
        "PM2_HOME": str(folder / "pm2"),
        "S17_OPERATIONS__DATA_DIR": str(folder / "data"),
        "S17_OPERATIONS__LOG_DIR": str(folder / "logs"),
        "S17_GENERATION__PORT": str(generation),
        "S17_VALIDATION__PORT": str(validation),
        "S17_MINER__PORT": str(miner),
        "S17_NETWORK__LOCAL_PORT": str(validators[0]),
        "S17_NETWORK__LOCAL_TIME_SCALE": "0.1",
        "S17_NETWORK__LOCAL_IMAGE_SHARE": "0.5",
        "COLUMNS": "200",
    }
    house = House(folder, env, {"generation": generation, "validation": validation, "miner": miner})
    house.pm2("start", "sleep", "--name", OTHER_APP, "--interpreter", "none", "--", "100000")
    yield house
    house.run("./stop_mining.sh")
    house.pm2("kill")


@pytest.fixture(scope="module")
def started(house: House) -> subprocess.CompletedProcess[str]:
    return house.run("./start_mining.sh", "--local")


def test_start_ends_well_once_a_result_was_accepted(
    house: House, started: subprocess.CompletedProcess[str]
) -> None:
    assert started.returncode == 0, started.stdout + started.stderr
    line = next(line for line in started.stdout.splitlines() if line.startswith("accepted"))
    scores = [e["score"] for page in house.ledger() for e in page["entries"].get("accepted", [])]
    assert any(f"score {score:.3f}" in line for score in scores)


def test_all_processes_are_online_and_never_restarted(house: House, started: object) -> None:
    apps = house.apps()
    assert {n for n, app in apps.items() if app["pm2_env"]["status"] == "online"} == NAMES | {OTHER_APP}
    assert {n: apps[n]["pm2_env"]["restart_time"] for n in NAMES} == dict.fromkeys(NAMES, 0)


@pytest.mark.parametrize("service", ["generation", "validation", "miner"])
def test_health_and_status_answer(house: House, started: object, service: str) -> None:
    assert house.get(service, "/health/")[0] == 200
    status, body = house.get(service, "/status/")
    assert status == 200
    assert body["version"]


def test_the_ledger_agrees_with_what_the_miner_claims(house: House, started: object) -> None:
    def claimed() -> int:
        return int(house.get("miner", "/status/")[1]["metrics"]["accepted"])

    wait_until(lambda: claimed() >= 4, timeout_s=300, what="four accepted results")
    wait_until(lambda: claimed() == house.count("accepted"), timeout_s=60, what="the claims to agree")
    for kind in ("violations", "bad_signatures", "refused", "duplicate", "unregistered", "failed"):
        assert house.count(kind) == 0, kind


def test_starting_again_changes_nothing(house: House, started: object) -> None:
    before = {name: app["pid"] for name, app in house.apps().items()}
    again = house.run("./start_mining.sh", "--local")
    assert again.returncode == 0, again.stderr
    assert {name: app["pid"] for name, app in house.apps().items()} == before


def test_the_local_tools_use_the_running_servers(house: House, started: object) -> None:
    one = house.run(
        sys.executable,
        "local_validation_runner.py",
        "a red mug",
        "--seed",
        "7",
        "--output",
        str(house.folder / "one"),
    )
    assert one.returncode == 0, one.stderr
    saved = {path.name for path in next((house.folder / "one").iterdir()).iterdir()}
    assert saved == {"asset.ply", "asset.spz", "asset.glb", "preview.png", "grid.png", "score.json"}
    many = house.run(
        sys.executable,
        "local_compete_validation.py",
        "a red mug",
        "-n",
        "3",
        "--output",
        str(house.folder / "many"),
    )
    assert many.returncode == 0, many.stderr
    summary = json.loads((next((house.folder / "many").iterdir()) / "summary.json").read_text())
    scores = [variant["score"] for variant in summary["variants"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert summary["best"]["score"] == pytest.approx(scores[0], abs=1e-6)


def test_a_killed_server_comes_back_and_mining_goes_on(house: House, started: object) -> None:
    pid = house.apps()["generation-server"]["pid"]
    accepted = house.count("accepted")
    os.kill(pid, signal.SIGKILL)

    def healthy() -> bool:
        try:
            return (
                house.get("generation", "/health/")[0] == 200
                and house.apps()["generation-server"]["pid"] != pid
            )
        except OSError:
            return False

    wait_until(healthy, timeout_s=180, what="a new generation server")
    wait_until(lambda: house.count("accepted") > accepted, timeout_s=300, what="another accepted result")


def test_stop_leaves_nothing_of_ours_and_others_alone(house: House, started: object) -> None:
    stopped = house.run("./stop_mining.sh")
    assert stopped.returncode == 0, stopped.stderr
    apps = house.apps()
    assert set(apps) == {OTHER_APP}
    assert apps[OTHER_APP]["pm2_env"]["status"] == "online"
    left = [
        process.cmdline()
        for process in psutil.process_iter()
        if process.is_running() and _belongs_to(process, house)
    ]
    assert left == []
    assert house.run("./stop_mining.sh").returncode == 0


def _belongs_to(process: psutil.Process, house: House) -> bool:
    try:
        return (
            process.environ().get("PM2_HOME") == house.env["PM2_HOME"]
            and "python" in process.name()
            and process.pid != os.getpid()
        )
    except psutil.Error:
        return False


def test_a_taken_port_is_named_and_nothing_starts(house: House) -> None:
    house.run("./stop_mining.sh")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", house.ports["validation"]))
        other.listen()
        done = house.run("./start_mining.sh", "--local")
    assert done.returncode == 2
    assert f"port {house.ports['validation']} (validation-server) is in use" in done.stderr
    assert set(house.apps()) == {OTHER_APP}


def test_a_broken_configuration_is_named_and_nothing_starts(house: House, tmp_path: Path) -> None:
    config = tmp_path / "mining.toml"
    config.write_text("[generation]\nprot = 1\n")
    done = House(house.folder, house.env | {"S17_CONFIG": str(config)}, house.ports).run(
        "./start_mining.sh", "--local"
    )
    assert done.returncode == 2
    assert "unknown key prot in [generation]; did you mean port?" in done.stderr
    assert set(house.apps()) == {OTHER_APP}
