"""Files that are whole at any moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from subnet17.whole_file import write_whole


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "ledger.json"
    write_whole(path, "old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(failing, fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, "new")
    assert path.read_text() == "old"


def test_the_draft_is_flushed_before_it_replaces_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fsync, replace = os.fsync, Path.replace

    def spy_fsync(descriptor: int) -> None:
        steps.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def spy_replace(source: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "replace", spy_replace)
    write_whole(tmp_path / "ledger.json", "text")
    assert steps == ["fsync .ledger.json.draft", "rename", f"fsync {tmp_path.name}"]


def test_bytes_text_and_missing_folders(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a", b"\x00\xff")
    assert (tmp_path / "new" / "a").read_bytes() == b"\x00\xff"
    write_whole(tmp_path / "new" / "a", "\u00e4")
    assert (tmp_path / "new" / "a").read_text(encoding="utf-8") == "\u00e4"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]
