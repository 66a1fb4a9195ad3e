"""One writer of a journal's folder."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from peers import HeldClock

from subnet17.errors import JournalError
from subnet17.mining.database import ASSETS
from subnet17.mining.folder_claim import NAME, FolderClaim
from subnet17.mining.journal import Journal

HOLD = """
import os, sys
from pathlib import Path
from subnet17.mining.folder_claim import FolderClaim
claim = FolderClaim(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


async def test_a_second_journal_on_a_folder_is_refused_before_it_sweeps_away_what_the_first_just_wrote(
    tmp_path: Path,
) -> None:
    first = Journal.open(tmp_path, clock=HeldClock())
    fresh = first._assets.put(b"its row is not written yet")
    with pytest.raises(JournalError, match=f"process {os.getpid()} on .* uses the journal"):
        Journal.open(tmp_path, clock=HeldClock())
    assert (tmp_path / ASSETS / fresh[:2] / f"{fresh}.spz").exists()
    await first.aclose()
    await Journal.open(tmp_path, clock=HeldClock()).aclose()


def test_a_process_that_is_killed_frees_its_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(JournalError) as refused:
            FolderClaim(tmp_path, wait_s=0)
        assert refused.value.detail["holder"].startswith(f"process {process.pid} on ")
        assert process.stdin is not None
        process.stdin.close()  # it kills itself
        process.wait(60)
        FolderClaim(tmp_path, wait_s=0).release()


def test_an_open_that_fails_leaves_the_folder_free(tmp_path: Path) -> None:
    (tmp_path / ASSETS).write_text("a file where a folder should be")
    with pytest.raises(JournalError, match="can't be opened"):
        Journal.open(tmp_path, clock=HeldClock())
    FolderClaim(tmp_path, wait_s=0).release()


def test_a_file_system_without_locks_is_told_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with structlog.testing.capture_logs() as lines:
        FolderClaim(tmp_path, wait_s=0).release()
    assert [line["log_level"] for line in lines] == ["warning"]
    assert (tmp_path / NAME).exists()
