"""What is deployed beside PM2 fits the project: units, container, hardware."""

from __future__ import annotations

import configparser
import fnmatch
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from subnet17.ops import watch
from subnet17.ops.findings import MIN_CAPABILITY, MIN_CUDA
from subnet17.ops.processes import list_processes
from subnet17.settings import PROJECT_ROOT, Settings, load_settings
from subnet17.settings_sources import PREFIX
from tests.dockerfile import environment, instructions

DEPLOY = PROJECT_ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
HOME = "/opt/subnet17"
ORCHESTRATOR = "subnet17-orchestrator"


class _Unit(configparser.RawConfigParser):
    """Keys as written; the last of several counts."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def read(unit: Path) -> dict[str, str]:
    parser = _Unit(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.read_string(unit.read_text())
    return dict(parser["Service"])


def test_all_that_the_container_copies_is_there_and_sent_to_the_builder() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    copied = [s for name, rest in instructions() if name == "COPY" for s in rest.split()[:-1]]
    assert len(copied) == 5
    assert "*" in ignored
    for source in copied:
        assert (PROJECT_ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in let_in), source


def test_the_container_keeps_to_the_contract_and_runs_as_nobody_special() -> None:
    found = instructions()
    command = json.loads(next(rest for name, rest in reversed(found) if name == "CMD"))
    assert command[1:] == ["generation_server.py", "--host", "0.0.0.0", "--port", "10006"]  # noqa: S104
    assert ("EXPOSE", "10006") in found
    assert ("USER", "subnet17") in found
    check = next(rest for name, rest in found if name == "HEALTHCHECK")
    assert "http://127.0.0.1:10006/health" in check
    assert not any(name == "ADD" for name, _ in found)


def test_the_containers_settings_are_known_and_let_it_answer_without_a_key() -> None:
    settings = load_settings(environ={k: v for k, v in environment().items() if k.startswith(PREFIX)})
    assert settings.generation.allow_without_key
    assert settings.operations.log_format == "json"
    assert str(settings.data_dir) == "/cache/data"


def test_there_is_a_unit_for_each_service_whose_script_exists() -> None:
    commands = {unit.stem: read(unit)["ExecStart"].split()[1:] for unit in UNITS}
    assert commands.pop("subnet17-watch") == ["-m", watch.__name__]
    assert commands.pop(ORCHESTRATOR) == ["mining_orchestrator.py", "run"]
    scripts = [script for [script] in commands.values()]
    assert sorted(scripts) == ["generation_server.py", "subnet17_miner.py", "validation_server.py"]
    assert all((PROJECT_ROOT / script).is_file() for script in scripts)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_gives_time_to_drain_and_little_else(unit: Path) -> None:
    service = read(unit)
    all_of_it = unit.stem == ORCHESTRATOR
    stopped_in_turn = len(list_processes(Settings(), local=False)) if all_of_it else 1
    assert float(service["TimeoutStopSec"]) > stopped_in_turn * Settings().operations.kill_timeout_s
    # the services outlive a killed orchestrator
    how = "process" if all_of_it else "mixed"
    assert (service["KillMode"], service["KillSignal"]) == (how, "SIGTERM")
    assert service["Restart"] == "on-failure"
    assert (service["NoNewPrivileges"], service["ProtectSystem"], service["User"]) == (
        "yes",
        "strict",
        "subnet17",
    )
    # what would keep the GPU or compiled kernels from working
    assert "MemoryDenyWriteExecute" not in service
    if "miner" not in unit.name:
        assert not {"PrivateDevices", "ProtectClock"} & service.keys()


def test_the_orchestrators_unit_is_one_supervisor_and_writes_where_it_may() -> None:
    unit = next(unit for unit in UNITS if unit.stem == ORCHESTRATOR)
    assert not {"PrivateTmp", "RemoveIPC"} & read(unit).keys()  # they end with it, the services don't
    lines = unit.read_text().splitlines()
    conflicts = next(line for line in lines if line.startswith("Conflicts=")).removeprefix("Conflicts=")
    assert sorted(conflicts.split()) == sorted(other.name for other in UNITS if other != unit)
    given = [line.removeprefix("Environment=").split() for line in lines if line.startswith("Environment=")]
    environ = dict(pair.split("=", 1) for pairs in given for pair in pairs)
    operations = load_settings(environ={k: v for k, v in environ.items() if k.startswith(PREFIX)}).operations
    assert operations.supervisor == "own"
    for path in (operations.data_dir, operations.log_dir, operations.orchestrator_log):
        assert path.startswith("/var/lib/subnet17/")


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS:  # what they start must exist where they are verified
        text = unit.read_text().replace(f"{HOME}/.venv/bin/python", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in done.stderr.splitlines() if "subnet17" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_hardware_told_is_what_the_check_asks_for() -> None:
    told = yaml.safe_load((PROJECT_ROOT / "min_compute.yml").read_text())["compute_spec"]["miner"]
    assert (told["cpu"]["min_cores"], told["cpu"]["recommended_cores"]) == (12, 16)
    assert [told["memory"][k] for k in ("min_ram", "recommended_ram", "best_ram")] == [32, 64, 128]
    assert [told["storage"][k] for k in ("min_space", "recommended_space", "best_space")] == [100, 500, 1000]
    assert told["storage"]["min_free_space"] * 10**9 == Settings().operations.min_free_disk_bytes
    assert told["gpu"]["min_vram"] == 24
    assert told["gpu"]["min_compute_capability"] == MIN_CAPABILITY
    assert told["gpu"]["min_cuda"] == ".".join(map(str, MIN_CUDA))
