"""What the setup's check says of a machine, and with which exit code."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from subnet17.ops import check, check_facts
from subnet17.ops.check import report
from subnet17.ops.check_facts import Facts, Gpu, as_version, has_hf_token, holder_of, read_nvidia_smi
from subnet17.ops.findings import Aim, Severity, judge
from subnet17.settings import PROJECT_ROOT

GOOD = Facts(
    python=(3, 11),
    venv=True,
    installed=True,
    cores=16,
    memory_bytes=64 * 10**9,
    disk_free_bytes=400 * 10**9,
    gpus=[Gpu("NVIDIA GeForce RTX 4090", 24564 * 2**20, 8.9)],
    driver="570.86.10",
    driver_cuda=(12, 8),
    runtime_cuda=(12, 8),
    node=(20, 20),
    npm=True,
    pm2=True,
    opengl="egl",
    hf_token=True,
    clock_skew_s=0.01,
    ports={"generation-server": (8093, "nobody"), "subnet17-miner": (8095, "ours")},
    bittensor="10.5.0",
    hotkey=True,
    registered=True,
)
WEAK_GPU = Gpu("NVIDIA RTX A2000", 12 * 2**30, 8.6)
OLD_GPU = Gpu("Tesla V100", 32 * 2**30, 7.0)
BAD: list[tuple[str, Severity, dict[str, Any]]] = [
    ("python", Severity.ERROR, {"python": (3, 9)}),
    ("settings", Severity.ERROR, {"settings_error": "unknown key prot; did you mean port?"}),
    ("environment", Severity.WARNING, {"installed": False}),
    ("packages", Severity.ERROR, {"codecs": ["scalecodec"]}),
    ("driver", Severity.ERROR, {"driver": None, "driver_cuda": None, "gpus": []}),
    ("driver", Severity.ERROR, {"driver_cuda": (11, 8)}),
    ("driver", Severity.ERROR, {"runtime_cuda": (13, 0)}),
    ("driver", Severity.WARNING, {"runtime_cuda": None}),
    ("libraries", Severity.ERROR, {"missing_libraries": ["libGL.so.1"]}),
    ("gpu", Severity.WARNING, {"gpus": [WEAK_GPU]}),
    ("gpu", Severity.ERROR, {"gpus": [OLD_GPU]}),
    ("cpu, memory", Severity.WARNING, {"cores": 4}),
    ("cpu, memory", Severity.WARNING, {"memory_bytes": 16 * 10**9}),
    ("disk", Severity.ERROR, {"disk_free_bytes": 9 * 10**9}),
    ("hf token", Severity.WARNING, {"hf_token": False}),
    ("node", Severity.ERROR, {"node": None}),
    ("node", Severity.ERROR, {"node": (16, 4)}),
    ("node", Severity.ERROR, {"npm": False}),
    ("pm2", Severity.WARNING, {"pm2": False}),
    ("opengl", Severity.WARNING, {"opengl": None}),
    ("ports", Severity.ERROR, {"ports": {"generation-server": (8093, "another")}}),
    ("clock", Severity.ERROR, {"clock_skew_s": -30.0}),
    ("clock", Severity.WARNING, {"clock_skew_s": 1.5}),
    ("clock", Severity.WARNING, {"clock_skew_s": None}),
    ("wallet", Severity.ERROR, {"hotkey": False}),
    ("wallet", Severity.ERROR, {"wallet_error": "an unencrypted coldkey lies in ~/.bittensor"}),
    ("registration", Severity.ERROR, {"registered": False}),
    ("registration", Severity.WARNING, {"registered": None}),
]


def code_of(facts: Facts, aim: Aim = Aim()) -> int:  # noqa: B008 - frozen
    return max(finding.severity for finding in judge(facts, aim))


def test_a_good_machine_has_nothing_to_mend() -> None:
    findings = judge(GOOD, Aim())
    assert {finding.severity for finding in findings} == {Severity.OK}
    assert report(findings).endswith("0 errors, 0 warnings")


@pytest.mark.parametrize(("subject", "severity", "change"), BAD)
def test_each_fault_is_named_with_its_fix_and_sets_the_exit_code(
    subject: str, severity: Severity, change: dict[str, Any]
) -> None:
    findings = judge(replace(GOOD, **change), Aim())
    [bad] = [finding for finding in findings if finding.severity is not Severity.OK]
    assert (bad.subject, bad.severity) == (subject, severity)
    assert bad.found
    assert bad.fix
    assert code_of(replace(GOOD, **change)) == severity


def test_room_is_needed_to_install_and_then_for_models() -> None:
    bare = replace(GOOD, installed=False)
    assert code_of(replace(bare, disk_free_bytes=15 * 10**9)) == Severity.ERROR
    worst = {f.subject for f in judge(replace(bare, disk_free_bytes=60 * 10**9), Aim()) if f.severity}
    assert worst == {"disk", "environment"}
    assert code_of(replace(bare, disk_free_bytes=4 * 10**9), Aim("cpu", local=True)) == Severity.WARNING


def test_python_must_be_able_to_make_an_environment_unless_conda_does() -> None:
    bare = replace(GOOD, installed=False, venv=False)
    assert code_of(bare) == Severity.ERROR
    assert code_of(replace(bare, conda=True, python=(3, 8))) == Severity.WARNING


def test_a_machine_without_gpu_is_fine_for_the_embedded_back_ends() -> None:
    small = replace(GOOD, gpus=[], driver=None, driver_cuda=None, cores=2, hf_token=False)
    assert code_of(small, Aim("cpu", local=True)) == Severity.OK
    assert code_of(replace(small, hotkey=False), Aim("cpu")) == Severity.WARNING


def test_a_local_subnet_needs_no_wallet_and_no_time_server() -> None:
    alone = replace(GOOD, hotkey=None, registered=None, clock_skew_s=None, disk_free_bytes=10**9)
    assert code_of(alone, Aim(local=True)) == Severity.OK


def test_without_pm2_nobody_asks_for_node() -> None:
    assert code_of(replace(GOOD, node=None, npm=False, pm2=False), Aim(node=False)) == Severity.OK


def test_codecs_matter_beside_bittensor_only() -> None:
    assert code_of(replace(GOOD, codecs=["scalecodec"], bittensor=None)) == Severity.OK


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v20.20.2", (20, 20)),
        ("| CUDA Version: 12.8     |", (12, 8)),
        ("none", None),
        ("", None),
    ],
)
def test_versions_are_read_from_what_programs_print(text: str, version: tuple[int, int] | None) -> None:
    assert as_version(text) == version


@pytest.mark.parametrize("told", ["CUDA Version", "CUDA UMD Version"])
def test_nvidia_smi_is_read(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        f'#!/bin/sh\nif [ $# = 0 ]; then echo "| NVIDIA-SMI 570.86.10  {told}: 12.8 |"; else\n'
        'echo "570.86.10, NVIDIA L4, 23034, 8.9"; echo "570.86.10, NVIDIA L4, 23034, [N/A]"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    gpus, driver, cuda = read_nvidia_smi()
    assert gpus == [Gpu("NVIDIA L4", 23034 * 2**20, 8.9), Gpu("NVIDIA L4", 23034 * 2**20, 0.0)]
    assert (driver, cuda) == ("570.86.10", (12, 8))
    for failure in ("NVIDIA-SMI has failed'; exit 9 #", "No devices were found"):
        program.write_text(f"#!/bin/sh\necho '{failure}'\n")
        assert read_nvidia_smi() == ([], None, None)


def test_a_token_is_seen_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert not has_hf_token()
    (tmp_path / "token").write_text("hf_secret")
    assert has_hf_token()
    (tmp_path / "token").unlink()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert has_hf_token()
    assert "hf_secret" not in report(judge(replace(GOOD, hf_token=has_hf_token()), Aim()))


class _Ours(BaseHTTPRequestHandler):
    body = b'{"status": "unavailable", "ready": false, "reason": "loading"}'

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


class _Another(_Ours):
    body = b"<html>"


@pytest.mark.parametrize(("handler", "holder"), [(_Ours, "ours"), (_Another, "another")])
def test_the_holder_of_a_port_is_told_apart(handler: type[_Ours], holder: str) -> None:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            assert holder_of(server.server_port) == holder
        finally:
            server.shutdown()
    assert holder_of(server.server_port) == "nobody"


def test_the_check_runs_on_a_bare_python_and_counts_by_its_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-m", "subnet17.ops.check", "--target", "gpu", "--local", "--no-node"]
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}  # no packages, no nvidia-smi
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == Severity.ERROR, done.stderr
    assert "ERROR   driver" in done.stdout
    assert "WARNING environment" in done.stdout


def test_settings_that_cannot_be_used_are_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "mining.toml"
    broken.write_text("[generation]\nprot = 1\n")
    monkeypatch.setenv("S17_CONFIG", str(broken))
    assert check.main(["--target", "cpu", "--local", "--no-node"]) == Severity.ERROR
    assert "did you mean port" in capsys.readouterr().out


def test_a_program_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_facts.run(["sleep", "5"], timeout_s=0.1) is None
    assert check_facts.run(["/no/such/program"]) is None
