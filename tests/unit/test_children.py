"""Supervision of our own: restarts with growing delays, an end in time, adoption by mark."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from subnet17.ops.children import MARK, Children
from subnet17.ops.processes import Process
from subnet17.settings import MinerTable, OperationsTable, Settings

STAY = "import time\nprint('up', flush=True)\ntime.sleep(60)\n"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STAY
PARENT = (
    "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n" + DEAF
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        miner=MinerTable(drain_timeout_s=0.1),
        operations=OperationsTable(
            data_dir=str(tmp_path / "data"), log_dir=str(tmp_path), max_restarts=3, kill_timeout_s=0.3
        ),
    )


def process_of(folder: Path, code: str) -> Process:
    script = folder / "service.py"
    script.write_text(code)
    return Process("service", str(script), (), "127.0.0.1", 9)


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    yield
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(tmp_path) in process.environ().get(MARK, ""):
                process.kill()


async def is_up(folder: Path) -> None:
    log = folder / "service.out.log"
    while not (log.exists() and "up" in log.read_text()):  # noqa: ASYNC110 - another process sets no event
        await asyncio.sleep(0.01)


async def test_what_ends_at_once_is_restarted_with_growing_delays_until_it_is_given_up(
    tmp_path: Path, settings: Settings
) -> None:
    times = tmp_path / "times"
    process = process_of(
        tmp_path, f"import time\nopen({str(times)!r}, 'a').write(f'{{time.time()}}\\n')\nexit(3)"
    )
    children = Children(settings, [process])
    tending = asyncio.create_task(children.tend())
    await children.start(process, settings)
    async with asyncio.timeout(60):
        while (seen := (await children.look())["service"]).life != "given_up":  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    tending.cancel()
    assert (seen.restarts, seen.ended) == (3, "exit code 3")
    started_s = [float(line) for line in times.read_text().splitlines()]
    assert len(started_s) == 3
    assert started_s[1] - started_s[0] >= 0.2
    assert started_s[2] - started_s[1] >= 0.3


async def test_what_does_not_end_in_time_is_killed_with_all_it_started(
    tmp_path: Path, settings: Settings
) -> None:
    process = process_of(tmp_path, PARENT)
    children = Children(settings, [process])
    await children.start(process, settings)
    await is_up(tmp_path)
    group = (await children.look())["service"].pid
    assert len([p for p in psutil.pids() if _session_of(p) == group]) == 2
    await children.stop(process)
    assert await children.look() == {}
    for _ in range(3000):  # the kernel takes a moment
        left = [p for p in psutil.pids() if _session_of(p) == group and _runs(p)]
        if not left:
            break
        await asyncio.sleep(0.02)
    assert left == []


def _session_of(pid: int) -> int:
    with suppress(OSError):
        return os.getsid(pid)
    return 0


def _runs(pid: int) -> bool:
    with suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def sleeper(mark: str, *, leads_session: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    return subprocess.Popen(command, env=dict(os.environ) | {MARK: mark}, start_new_session=leads_session)


async def test_what_runs_is_adopted_by_its_mark_and_nothing_else_is(
    tmp_path: Path, settings: Settings
) -> None:
    process = process_of(tmp_path, STAY)
    await Children(settings, [process]).start(
        process, settings
    )  # its supervisor is dropped: it goes on alone
    mark = f"{settings.data_dir}:service"
    others = [
        sleeper(mark, leads_session=False),  # as what a service starts itself
        sleeper(f"/elsewhere{mark}", leads_session=True),  # another installation's
    ]
    adopting = Children(settings, [process])
    pid = (await adopting.look())["service"].pid
    assert psutil.Process(pid).cmdline()[1] == process.script
    tending = asyncio.create_task(adopting.tend())
    os.kill(pid, signal.SIGKILL)
    deadline_s = time.monotonic() + 60
    while (seen := (await adopting.look())["service"]).pid in {0, pid}:
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.02)
    assert seen.restarts == 1
    await adopting.stop(process)
    tending.cancel()
    assert [other.poll() for other in others] == [None, None]
    for other in others:
        other.kill()
        other.wait()
