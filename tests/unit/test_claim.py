"""One worker process per GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from subnet17.errors import ConfigError, UnavailableError
from subnet17.gpu import claim
from subnet17.gpu.claim import claim_device

REPO = Path(__file__).resolve().parents[2]
GPUS = ["cuda:0", "cuda:1"]


@pytest.fixture(autouse=True)
def _release() -> Iterator[None]:
    yield
    claim._forget()


def worker(folder: Path, *, forks: bool = False) -> tuple[subprocess.Popen[str], str]:
    """Another process that claims and then lives until it is killed; and what it got."""
    code = f"""
        import os, sys, time
        from pathlib import Path
        from subnet17.gpu.claim import claim_device
        device = claim_device({GPUS!r}, Path({str(folder)!r}), wait_s=0)
        if {forks} and os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        print(device, flush=True)
        time.sleep(30)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=REPO,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, 9)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_each_process_gets_a_device_of_its_own_and_a_dead_ones_comes_free(tmp_path: Path) -> None:
    first, first_device = worker(tmp_path)
    try:
        assert first_device == "cuda:0"
        assert claim_device(GPUS, tmp_path, wait_s=0) == "cuda:1"
        with pytest.raises(UnavailableError) as caught:
            claim_device(["cuda:0"], tmp_path, wait_s=0)
        assert caught.value.detail["holders"] == {"cuda:0": str(first.pid)}
    finally:
        end(first)
    assert claim_device(["cuda:0"], tmp_path, wait_s=5) == "cuda:0"


def test_a_forked_child_does_not_keep_the_device_of_its_dead_parent(tmp_path: Path) -> None:
    process, _ = worker(tmp_path, forks=True)
    try:
        process.kill()  # the parent alone: its child lives on
        process.wait()
        assert claim_device(["cuda:0"], tmp_path, wait_s=5) == "cuda:0"
    finally:
        end(process)


def test_asked_again_the_same_process_gets_the_same_device(tmp_path: Path) -> None:
    assert claim_device(["cuda:1"], tmp_path) == "cuda:1"
    assert claim_device(GPUS, tmp_path) == "cuda:1"


def test_other_folders_are_other_claims(tmp_path: Path) -> None:
    assert claim_device(GPUS, tmp_path / "a") == "cuda:0"
    assert claim_device(GPUS, tmp_path / "b") == "cuda:0"


def test_no_device_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        claim_device([], tmp_path)
