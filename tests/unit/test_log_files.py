"""The files behind a process's output stay below their cap."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from subnet17 import log_files
from subnet17.log_files import LOG_FILES_VARIABLE, cap_log_files, rotate

MAX_BYTES = 64 * 1024
WRITER = """
import os, sys
name, path, enough = sys.argv[1:]
file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
number = 0
while number % 100 or not os.path.exists(enough):
    os.write(file, f"{name} {number} {'x' * 80}\\n".encode())
    number += 1
"""


def fill(file: Path, lines: int) -> None:
    with file.open("a") as opened:
        opened.writelines(f"line {number:06d}\n" for number in range(lines))


def test_a_file_below_its_cap_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "err.log"
    fill(file, 10)
    assert not rotate(file, MAX_BYTES, 2)
    assert list(tmp_path.iterdir()) == [file]
    assert not rotate(tmp_path / "missing.log", MAX_BYTES, 2)


def test_a_full_file_is_moved_and_the_oldest_goes(tmp_path: Path) -> None:
    file = tmp_path / "err.log"
    for letter in "abc":
        file.write_text(f"{letter * 50}\n" * 2)
        assert rotate(file, 101, 2)
        assert file.stat().st_size == 0
    kept = {p.name: p.read_text()[:1] for p in tmp_path.iterdir()}
    assert kept == {"err.log": "", "err.log.1": "c", "err.log.2": "b"}


def test_the_end_is_what_is_kept_in_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "SLACK_BYTES", 20)
    file = tmp_path / "err.log"
    fill(file, 100)
    rotate(file, 15, 1)
    assert (tmp_path / "err.log.1").read_text() == "line 000098\nline 000099\n"


def test_without_backups_a_full_file_is_emptied(tmp_path: Path) -> None:
    file = tmp_path / "err.log"
    fill(file, 100)
    assert rotate(file, 30, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["err.log"]


def test_the_cap_holds_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path, most: int) -> None:
        target.write_bytes(b"some")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(log_files, "_copy_end", full)
    file = tmp_path / "err.log"
    fill(file, 100)
    assert rotate(file, 30, 2)
    assert [(p.name, p.stat().st_size) for p in tmp_path.iterdir()] == [("err.log", 0)]


def test_the_cap_holds_while_others_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, enough = tmp_path / "logs" / "err.log", tmp_path / "enough"
    file.parent.mkdir()
    monkeypatch.setenv(LOG_FILES_VARIABLE, str(file))
    monkeypatch.setattr(log_files, "CHECK_S", 0.001)
    others = threading.enumerate()
    ended = cap_log_files(MAX_BYTES, 3)
    assert ended is not None
    (watch,) = set(threading.enumerate()) - set(others)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, name, str(file), str(enough)])
        for name in ("one", "two")
    ]
    deadline_s = time.monotonic() + 60
    try:
        while not file.with_name("err.log.3").exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
    finally:
        enough.touch()
        codes = [writer.wait(timeout=60) for writer in writers]
        ended.set()
        watch.join(60)  # it may be moving them still
    assert codes == [0, 0]
    rotate(file, MAX_BYTES, 3)
    sizes = {p.name: p.stat().st_size for p in file.parent.iterdir()}
    assert set(sizes) == {"err.log", "err.log.1", "err.log.2", "err.log.3"}
    assert max(sizes.values()) <= MAX_BYTES + log_files.SLACK_BYTES
    for name in sizes:
        whole = (
            file.with_name(name).read_text().splitlines()[:-1]
        )  # the last may have been copied while it came
        assert all(line.split()[2] == "x" * 80 for line in whole)


def test_a_process_whose_supervisor_names_no_files_watches_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LOG_FILES_VARIABLE, raising=False)
    assert cap_log_files(MAX_BYTES, 3) is None
