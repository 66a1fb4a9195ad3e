"""A disk that is really full: a small one of its own, where this user may mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from subnet17.log_files import rotate
from subnet17.ops.monitor import Monitor, read_last_look
from subnet17.ops.resources import Machine
from subnet17.settings import Settings

DISK_BYTES = 16 * 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path) -> None:
    """Appends lines until the disk is full."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(descriptor, b"a line of a log, and another one of it\n" * 1000)
    os.close(descriptor)


def test_a_log_that_has_filled_the_disk_gives_it_back(small_disk: Path) -> None:
    log = small_disk / "err.log"
    fill(log)
    assert os.statvfs(small_disk).f_bavail == 0
    assert rotate(log, 2**20, 3)  # no room for a copy
    assert [path.name for path in small_disk.iterdir()] == ["err.log"]
    assert os.statvfs(small_disk).f_bavail * 4096 > 0.9 * DISK_BYTES


def test_old_logs_make_room_for_the_copy(small_disk: Path) -> None:
    log = small_disk / "err.log"
    (small_disk / "err.log.1").write_bytes(bytes(6 * 2**20))
    (small_disk / "err.log.2").write_bytes(bytes(4 * 2**20))
    fill(log)
    assert rotate(log, 2**20, 2)
    sizes = {path.name: path.stat().st_size for path in small_disk.iterdir()}
    assert sizes["err.log"] == 0
    assert 2**20 < sizes["err.log.1"] <= 2 * 2**20
    assert sizes["err.log.2"] == 6 * 2**20


async def test_a_full_disk_is_told_and_over_when_it_has_room_again(small_disk: Path) -> None:
    operations = {
        "data_dir": str(small_disk),
        "min_free_disk_bytes": 4 * 2**20,
        "alert_hold_s": 0,
        "network_check_hosts": [],
        "time_server": "",
        "max_cpu_percent": 100,
        "max_memory_percent": 100,
    }
    settings = Settings.model_validate({"operations": operations, "miner": {"port": 9}})
    monitor = Monitor(settings, machine=Machine(settings, gpus=list))
    assert await monitor.sample() == []
    waste = small_disk / "waste"
    fill(waste)
    raised = await monitor.sample()
    assert {(a.event, a.name, a.subject, a.value) for a in raised} == {
        ("raised", "disk is running full", str(small_disk), 0),
        ("raised", "disk is full", str(small_disk), 0),
    }
    look = read_last_look(settings)
    assert look is not None
    assert look.relief == "no_new_tasks"
    waste.unlink()
    assert {a.event for a in await monitor.sample()} == {"over"}
    look = read_last_look(settings)
    assert look is not None
    assert look.relief == "none"
