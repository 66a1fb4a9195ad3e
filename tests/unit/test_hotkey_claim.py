"""One miner per hotkey on a machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from subnet17.errors import UnavailableError
from subnet17.mining.claim import claim_hotkey, release
from subnet17.settings import PROJECT_ROOT


@pytest.fixture
def hotkey() -> Iterator[str]:
    """One that no other test uses: claims hold for the whole machine."""
    yield f"5{uuid.uuid4().hex}"
    release()


@contextmanager
def miner(hotkey: str, *networks: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a claim until it is killed."""
    code = (
        "import sys, time\n"
        "from subnet17.mining.claim import claim_hotkey\n"
        "claim_hotkey(sys.argv[1], sys.argv[2:], wait_s=0)\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, hotkey, *networks], stdout=subprocess.PIPE, cwd=PROJECT_ROOT, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_second_miner_refuses_and_names_the_first_until_it_is_killed(hotkey: str) -> None:
    with miner(hotkey, "finney/17") as first:
        for _ in range(40):  # longer than the holder's queue
            with pytest.raises(UnavailableError, match=f"process {first.pid} ") as caught:
                claim_hotkey(hotkey, ["finney/17"], wait_s=0)
            assert caught.value.detail["pid"] == first.pid
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        claim_hotkey(hotkey, ["finney/17"], wait_s=0)


def test_a_miner_waits_a_moment_for_the_one_it_replaces(hotkey: str) -> None:
    with miner(hotkey, "finney/17") as first:
        first.kill()
        claim_hotkey(hotkey, ["finney/17"], wait_s=20)


def test_other_hotkeys_and_other_networks_do_not_matter(hotkey: str) -> None:
    with miner(hotkey, "finney/17"):
        claim_hotkey(hotkey, ["test/17"], wait_s=0)
        claim_hotkey(hotkey + "x", ["finney/17"], wait_s=0)


def test_one_shared_name_of_a_network_is_enough(hotkey: str) -> None:
    with miner(hotkey, "file a", "addresses 1"), pytest.raises(UnavailableError):
        claim_hotkey(hotkey, ["file b", "addresses 1"], wait_s=0)


def test_the_holder_may_ask_again(hotkey: str) -> None:
    claim_hotkey(hotkey, ["finney/17"], wait_s=0)
    claim_hotkey(hotkey, ["finney/17"], wait_s=0)
