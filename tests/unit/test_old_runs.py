"""Old runs of the tools make room; nothing else does."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from subnet17.ops.old_runs import Run, choose_old, clean_up, list_runs
from subnet17.settings import OperationsTable

DAY_S = 86_400.0


def make_run(output: Path, name: str, *, age_s: float, size_bytes: int = 1000) -> Path:
    folder = output / name
    folder.mkdir(parents=True)
    (folder / "asset.ply").write_bytes(bytes(size_bytes))
    os.utime(folder, (time.time() - age_s,) * 2)
    return folder


def chosen(ages_s: list[float], **limits: float) -> list[float]:
    runs = [Run(Path(str(age_s)), 1e9 - age_s, 100) for age_s in ages_s]
    given = {"max_age_s": 1e9, "max_bytes": 1e9, "needed_bytes": 0.0} | limits
    return [1e9 - run.changed_s for run in choose_old(runs, now_s=1e9, **given)]


def test_age_size_and_need_choose_the_oldest() -> None:
    ages = [9 * DAY_S, 8 * DAY_S, 2 * DAY_S, 7200.0, 10.0]
    assert chosen(ages) == []
    assert chosen(ages, max_age_s=7 * DAY_S) == ages[:2]
    assert chosen(ages, max_bytes=250) == ages[:3]
    assert chosen(ages, needed_bytes=150) == ages[:2]


def test_a_run_of_the_last_hour_stays_whatever_is_needed() -> None:
    assert chosen([7200.0, 3000.0, 10.0], needed_bytes=1e12, max_bytes=0) == [7200.0]


def test_only_folders_that_the_tools_made_are_runs(tmp_path: Path) -> None:
    output, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    run = make_run(output, "20260101-120000", age_s=100)
    numbered = make_run(output, "20260101-120000-1", age_s=50)
    make_run(output, "my models", age_s=100)
    target = make_run(elsewhere, "20250101-120000", age_s=100)
    (output / "20250101-120000").symlink_to(target)
    (output / "20250101-120001").write_text("a file")
    assert [r.folder for r in list_runs([output, tmp_path / "missing"])] == [run, numbered]


def test_nothing_is_deleted_unless_allowed(tmp_path: Path) -> None:
    run = make_run(tmp_path, "20200101-120000", age_s=900 * DAY_S)
    assert clean_up(OperationsTable(), urgent=True, outputs=[tmp_path]) == 0
    assert run.exists()
    assert clean_up(OperationsTable(clean_up=True), urgent=False, outputs=[tmp_path]) == 1000
    assert not run.exists()


@pytest.mark.parametrize("urgent", [False, True])
def test_a_disk_that_runs_full_takes_younger_runs_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, urgent: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5000}))
    for number in range(4):
        make_run(tmp_path, f"20260101-12000{number}", age_s=DAY_S * (4 - number))
    operations = OperationsTable(clean_up=True, min_free_disk_bytes=3200)  # wants 6400 free
    assert clean_up(operations, urgent=urgent, outputs=[tmp_path]) == (2000 if urgent else 0)
    assert len(list_runs([tmp_path])) == (2 if urgent else 4)
