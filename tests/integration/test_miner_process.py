"""The miner as a process: its command line, its exit codes, its signals."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.config_files import replace_text, write_config
from tests.ports import reserve_port

REPO = Path(__file__).resolve().parents[2]
DATA_DIR = "S17_OPERATIONS__DATA_DIR"


def command(*flags: str) -> list[str]:
    return [sys.executable, str(REPO / "subnet17_miner.py"), *flags]


def run(*flags: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), DATA_DIR: str(cwd / "data")}
    return subprocess.run(
        command(*flags), cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def chain_file(folder: Path) -> str:
    path = folder / "neurons.json"
    path.write_text(json.dumps([{"uid": 0, "hotkey": "5A", "ip": "127.0.0.1", "port": 9, "stake": 0}]))
    return f"static:{path}"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--wallet.name", "nobody"], "btcli wallet new_hotkey --wallet.name nobody"),
        (["--wallet.uri", "//Alice"], "development key"),
        (["--chain", "static:missing.json", "--wallet.uri", "//Alice"], "missing.json"),
        (["--config", "missing.toml"], "missing.toml"),
        (["--port", "0"], "port"),
        (["--no.such.flag"], "No such option"),
        (["--netuid", "seventeen"], "--netuid"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, flags: list[str], said: str) -> None:
    ended = run(*flags, cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_names_bittensors_flags(tmp_path: Path) -> None:
    ended = run("--help", cwd=tmp_path)
    assert ended.returncode == 0
    for flag in ("--wallet.name", "--wallet.hotkey", "--subtensor.network", "--netuid", "--logging.debug"):
        assert flag in ended.stdout


class Process:
    """A running miner on a static chain; nobody answers there."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.port = reserve_port()
        self.flags = [
            "--chain",
            chain_file(folder),
            "--wallet.uri",
            "//Alice",
            "--port",
            str(self.port),
            *flags,
        ]
        self.log = folder / "log"
        self.environment = os.environ | {DATA_DIR: str(folder / "data")}

    def __enter__(self) -> Process:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command(*self.flags), stderr=log, stdout=log, env=self.environment
            )
        deadline_s = time.monotonic() + 120
        while not self.status():
            assert time.monotonic() < deadline_s, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def status(self) -> dict[str, object]:
        try:
            reply = httpx.get(f"http://127.0.0.1:{self.port}/status/", timeout=30, trust_env=False)
        except httpx.HTTPError:
            return {}
        return dict(reply.json())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_with_exit_code_0(tmp_path: Path, number: signal.Signals) -> None:
    with Process(tmp_path) as miner:
        miner.process.send_signal(number)
        assert miner.process.wait(60) == 0
    assert "stopped" in miner.log.read_text()


def test_flags_reach_the_settings_and_comma_lists_are_split(tmp_path: Path) -> None:
    flags = ["--generation.endpoint", "http://a:1,http://b:2", "--generation.endpoints", "http://c:3"]
    with Process(tmp_path, *flags, "--netuid", "89") as miner:
        status = miner.status()
    urls = [endpoint["url"] for endpoint in status["generation_endpoints"]]  # type: ignore[index, attr-defined]
    assert urls == ["http://a:1", "http://b:2", "http://c:3"]
    assert status["netuid"] == 89
    assert status["public_network"] is False
    assert "stake of 1000" in str(status["reason"])


def test_a_running_miner_follows_its_file_and_survives_a_broken_one(tmp_path: Path) -> None:
    config = tmp_path / "mining.toml"
    write_config(config, miner={"min_validator_stake": 2000})
    with Process(tmp_path, "--config", str(config)) as miner:

        def until(said: str) -> str:
            deadline_s = time.monotonic() + 60
            while said not in (status := json.dumps(miner.status())):
                assert time.monotonic() < deadline_s, status
                time.sleep(0.05)
            return status

        until("stake of 2000")
        write_config(config, miner={"min_validator_stake": 3000, "num_generation_workers": 7})
        assert "miner.num_generation_workers" in until("stake of 3000")
        replace_text(config, "[miner]\nmin_validator_steak = 4000\n")
        assert "stake of 3000" in until("did you mean min_validator_stake?")
        miner.process.send_signal(signal.SIGTERM)
        assert miner.process.wait(60) == 0
    assert "miner.min_validator_stake: 2000.0 -> 3000.0" in miner.log.read_text()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    code = """
import asyncio
from subnet17.ending import end_on_signals

async def drain_for_ever():
    stopping = asyncio.Event()
    end_on_signals(stopping)
    print("up", flush=True)
    await stopping.wait()
    print("draining", flush=True)
    await asyncio.sleep(60)

asyncio.run(drain_for_ever())
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPO, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for expected in ("up", "draining"):
            assert process.stdout.readline().strip() == expected
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM


def test_help_loads_neither_torch_nor_bittensor(tmp_path: Path) -> None:
    code = "import sys, subnet17.mining.cli; print([m for m in ('torch', 'bittensor') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_mining_never_loads_torch_even_where_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import subnet17.mining.miner"
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True)


def test_a_second_miner_with_the_same_hotkey_refuses_to_start(tmp_path: Path) -> None:
    with Process(tmp_path) as first:
        ended = run(*first.flags[:4], "--port", str(reserve_port()), cwd=tmp_path)
    assert ended.returncode == 1
    assert f"process {first.process.pid} mines with hotkey" in ended.stderr


def test_a_journal_of_a_newer_program_is_one_line_and_no_start(tmp_path: Path) -> None:
    with Process(tmp_path) as miner:
        hotkey = str(miner.status()["hotkey"])
    path = tmp_path / "data" / "miner" / hotkey / "journal.sqlite"
    with sqlite3.connect(path) as journal:
        journal.execute("PRAGMA user_version = 99")
    ended = run(*miner.flags, cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"error: {path} has schema 99")
