"""A server as a process: a signal is an orderly end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.ports import reserve_port

REPO = Path(__file__).resolve().parents[2]
SERVER = """
import asyncio, sys
from types import SimpleNamespace
from fastapi import FastAPI
from subnet17.serving.run import serve

app = FastAPI()
app.state.pool = SimpleNamespace(lost=False)

@app.get("/slow")
async def slow():
    print("at work", flush=True)
    await asyncio.sleep(float(sys.argv[2]))
    return "done"

sys.exit(serve(app, host="127.0.0.1", port=int(sys.argv[1]), api_key=""))
"""


def start(port: int, *, work_s: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SERVER, str(port), str(work_s)]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True)
    deadline_s = time.monotonic() + 120
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
            return process
        except httpx.HTTPError:
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


def test_sigterm_ends_it_with_exit_code_0() -> None:
    with start(reserve_port(), work_s=0) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_second_signal_does_not_wait_for_work_under_way() -> None:
    port = reserve_port()
    with start(port, work_s=60) as process, httpx.Client(trust_env=False) as client:
        asking = subprocess.Popen(
            [sys.executable, "-c", f"import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/slow')"],
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        with pytest.raises(httpx.ConnectError):
            while True:
                # accepted, then reset
                with suppress(httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                    client.get(f"http://127.0.0.1:{port}/", headers={"Connection": "close"})
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        asking.wait(60)
