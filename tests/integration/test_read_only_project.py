"""The orchestrator's folder on a file system that was remounted read-only: looking and stopping go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from subnet17.ops.children import MARK
from tests.ports import reserve_ports

REPO = Path(__file__).resolve().parents[2]
NAME = "generation-server"


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder that can't be written, with a service of it that runs."""
    data = tmp_path / "data"
    (data / "orchestrator").mkdir(parents=True)
    (data / "orchestrator" / "lock").write_text("run (pid 1)")
    if subprocess.run(["mount", "--bind", data, data], capture_output=True, check=False).returncode:
        pytest.skip("a read-only mount takes root")
    subprocess.run(["mount", "-o", "remount,bind,ro", data], check=True)
    yield data
    subprocess.run(["umount", "--lazy", data], check=True)


def call(data: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    ports = reserve_ports(3)
    env = os.environ | {
        **{
            f"S17_{t}__PORT": str(p)
            for t, p in zip(("GENERATION", "VALIDATION", "MINER"), ports, strict=True)
        },
        "S17_OPERATIONS__DATA_DIR": str(data),
        "S17_OPERATIONS__LOG_DIR": str(data.parent / "logs"),
        "S17_OPERATIONS__ORCHESTRATOR_LOG": str(data / "orchestrator.log"),
        "S17_OPERATIONS__MIN_FREE_DISK_BYTES": "0",
        "PM2_HOME": str(data.parent / "pm2"),
        **environ,
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=REPO,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("lock_is_there", [True, False])
def test_status_needs_no_writing_and_stop_goes_on_with_a_warning(data: Path, lock_is_there: bool) -> None:
    if not lock_is_there:
        subprocess.run(["mount", "-o", "remount,bind,rw", data], check=True)
        (data / "orchestrator" / "lock").unlink()
        subprocess.run(["mount", "-o", "remount,bind,ro", data], check=True)
    code = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {MARK: f"{data}:{NAME}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as service:
        assert service.stdout is not None
        service.stdout.readline()
        status = call(data, "mining_orchestrator.py", "status")
        assert "supervisor: own" in status.stdout, status.stderr
        assert status.stderr == ""
        stopped = call(data, "-m", "subnet17.ops.launch", "stop")
        assert stopped.returncode == 0, stopped.stderr
        assert stopped.stdout == "stopped all\n"
        assert f"warning: can't write to {data / 'orchestrator'}: Read-only file system" in stopped.stderr
        assert stopped.stderr.count("the state can't be saved") <= 1
        assert "Traceback" not in stopped.stderr
        assert service.wait(60) == -signal.SIGTERM
    nothing = call(data, "-m", "subnet17.ops.launch", "stop")
    assert (nothing.returncode, nothing.stdout) == (0, "nothing of ours was running\n")


def test_a_stop_needs_no_home_that_can_be_written(data: Path) -> None:
    stopped = call(data, "-m", "subnet17.ops.launch", "stop", HOME=str(data))
    assert (stopped.returncode, stopped.stdout) == (0, "nothing of ours was running\n"), stopped.stderr
    assert "Traceback" not in stopped.stderr


def test_a_start_that_cannot_write_ends_in_a_line(data: Path) -> None:
    told = call(data, "-m", "subnet17.ops.launch", "start", "--local")
    assert told.returncode == 1
    assert told.stderr.splitlines()[-1].startswith("error: [Errno 30] Read-only file system")
    assert "Traceback" not in told.stderr
