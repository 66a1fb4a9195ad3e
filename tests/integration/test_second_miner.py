"""Two miner processes on one hotkey."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from peers import key

from subnet17.settings import PROJECT_ROOT
from tests.ports import reserve_port


def command(folder: Path, data_dir: str) -> tuple[list[str], dict[str, str], int]:
    chain = folder / "neurons.json"
    port = reserve_port()
    if not chain.exists():
        entry = {"uid": 0, "hotkey": key("Validator0").ss58_address, "ip": "127.0.0.1", "port": port}
        chain.write_text(json.dumps([entry | {"stake": 0, "is_serving": True}]))
    flags = ["--chain", f"static:{chain}", "--wallet.uri", "//Miner", "--port", str(port)]
    environment = {**os.environ, "S17_OPERATIONS__DATA_DIR": str(folder / data_dir)}
    return [sys.executable, "subnet17_miner.py", *flags], environment, port


@contextmanager
def miner(folder: Path, data_dir: str) -> Iterator[subprocess.Popen[bytes]]:
    """A miner that mines until the block ends."""
    line, environment, port = command(folder, data_dir)
    log = folder / f"{data_dir}.log"
    process = subprocess.Popen(line, cwd=PROJECT_ROOT, env=environment, stderr=log.open("wb"))
    try:
        for _ in range(1200):
            assert process.poll() is None, log.read_text()
            try:
                httpx.get(f"http://127.0.0.1:{port}/status/", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_second_on_another_network_is_refused_the_first_ones_journal(tmp_path: Path) -> None:
    with miner(tmp_path, "data") as first:
        (tmp_path / "other").mkdir()
        line, environment, _ = command(tmp_path / "other", "../data")
        second = subprocess.run(
            line, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert second.returncode == 1
        assert f"process {first.pid} on " in second.stderr
        assert "uses the journal in" in second.stderr
        assert "Traceback" not in second.stderr
        assert first.poll() is None


def test_the_second_refuses_to_start_and_names_the_first_and_starts_once_that_was_killed(
    tmp_path: Path,
) -> None:
    with miner(tmp_path, "first") as first:
        line, environment, _ = command(tmp_path, "second")
        second = subprocess.run(
            line, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert second.returncode == 1
        assert f"process {first.pid} mines with hotkey {key('Miner').ss58_address} already" in second.stderr
        assert "Traceback" not in second.stderr
        first.send_signal(signal.SIGKILL)
        with miner(tmp_path, "second") as again:
            assert again.poll() is None
