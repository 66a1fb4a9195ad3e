"""A slip on the command line, or a look at the help, stops nothing and starts nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from subnet17.ops import watch

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The stop script beside a Python that only notes what it was asked for."""
    (tmp_path / "scripts").mkdir()
    shutil.copy2(REPO / "scripts" / "environment.sh", tmp_path / "scripts")
    shutil.copy2(REPO / "stop_mining.sh", tmp_path)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@" >>called\n')
    python.chmod(0o755)
    (tmp_path / ".tools").mkdir()
    (tmp_path / ".tools" / "python").write_text(str(python))
    return tmp_path


def stop(project: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project / "stop_mining.sh", *flags], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("flags", [["--help"], ["-h"], ["--bogus"], ["subnet17-miner"]])
def test_only_a_stop_without_flags_stops(project: Path, flags: list[str]) -> None:
    told = stop(project, *flags)
    helped = flags[0] in {"--help", "-h"}
    assert told.returncode == (0 if helped else 2)
    assert ("Stops all processes" in told.stdout) == helped
    assert (f"unknown flag {flags[0]}" in told.stderr) != helped
    assert not (project / "called").exists()
    assert stop(project).returncode == 0
    assert (project / "called").read_text() == "-m subnet17.ops.launch stop\n"


def test_a_python_that_cannot_be_run_is_no_proof_that_nothing_runs(project: Path) -> None:
    (project / "python").unlink()
    told = stop(project)
    assert told.returncode == 1
    assert "can't run" in told.stderr
    assert "nothing of ours" not in told.stdout
    (project / ".tools" / "python").unlink()
    assert stop(project).returncode == 0


@pytest.mark.parametrize(("flag", "code"), [("--help", 0), ("--bogus", 2)])
def test_the_watch_does_not_begin_at_a_flag(
    flag: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def watched(*_: object) -> None:
        raise AssertionError("it watches")

    monkeypatch.setattr(watch, "SettingsFollower", watched)
    with pytest.raises(SystemExit) as ended:
        watch.main([flag])
    assert ended.value.code == code
    told = capsys.readouterr()
    assert "usage: python -m subnet17.ops.watch" in told.out + told.err
