"""Deletes old runs of the two local tools, and nothing else: the miner's journal has a retention of its own.

A run is a folder named by its time, as the tools make it, directly in one of their output folders. Links are
not followed, and a run of the last hour, which may still be written, is left alone.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from subnet17.log import get_logger
from subnet17.settings import PROJECT_ROOT, OperationsTable

log = get_logger()

OUTPUTS = (PROJECT_ROOT / "locally_validated_assets", PROJECT_ROOT / "competition_results")
RUN_NAME = re.compile(r"\d{8}-\d{6}(-\d{1,3})?")
YOUNGEST_S = 3600.0
DAY_S = 86_400.0
ROOM_SHARE = 2.0
"""A disk that runs full is cleaned up to this many times its floor, so that it does not soon do so again."""


@dataclass(frozen=True)
class Run:
    """One run's folder."""

    folder: Path
    changed_s: float
    size_bytes: int


def list_runs(outputs: Sequence[Path] = OUTPUTS) -> list[Run]:
    """All runs, the oldest first."""
    runs = []
    for output in outputs:
        for folder in output.iterdir() if output.is_dir() else ():
            if RUN_NAME.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
                sizes = [f.lstat().st_size for f in folder.rglob("*") if f.is_file() or f.is_symlink()]
                runs.append(Run(folder, folder.stat().st_mtime, sum(sizes)))
    return sorted(runs, key=lambda run: run.changed_s)


def choose_old(
    runs: Sequence[Run], *, now_s: float, max_age_s: float, max_bytes: float, needed_bytes: float
) -> list[Run]:
    """The runs to delete: too old, beyond the size of all together, or, oldest first, as many as are needed.

    Args:
        runs: The oldest first.
        now_s: Unix seconds.
        max_age_s: Older ones go.
        max_bytes: Of all that stay.
        needed_bytes: To be made free; 0 for none.
    """
    chosen: list[Run] = []
    left = sum(run.size_bytes for run in runs)
    for run in runs:
        age_s = now_s - run.changed_s
        if age_s < YOUNGEST_S:
            break
        if age_s > max_age_s or left > max_bytes or needed_bytes > 0:
            chosen.append(run)
            left -= run.size_bytes
            needed_bytes -= run.size_bytes
    return chosen


def clean_up(operations: OperationsTable, *, urgent: bool, outputs: Sequence[Path] = OUTPUTS) -> int:
    """Deletes old runs where `operations.clean_up` allows it. Blocks.

    Args:
        operations: Age and size beyond which runs go.
        urgent: The disk runs full: also younger ones go, until there is room.
        outputs: The tools' folders.

    Returns:
        How many bytes were freed.
    """
    if not operations.clean_up:
        return 0
    needed = ROOM_SHARE * operations.min_free_disk_bytes - shutil.disk_usage(PROJECT_ROOT).free
    old = choose_old(
        list_runs(outputs),
        now_s=time.time(),
        max_age_s=operations.clean_up_age_days * DAY_S,
        max_bytes=operations.clean_up_max_bytes,
        needed_bytes=needed if urgent else 0,
    )
    freed = 0
    for run in old:
        shutil.rmtree(run.folder, ignore_errors=True)
        freed += 0 if run.folder.exists() else run.size_bytes
    if old:
        log.info("old runs deleted", runs=len(old), freed_mb=round(freed / 1e6), urgent=urgent)
    return freed
