"""Tries changes: measured before, written, in force, measured after, and taken back unless they may stay.

What was found is kept in `<data_dir>/optimizer/measured.jsonl`: only what stands there may be told as a gain.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from subnet17.errors import ConfigError
from subnet17.log import get_logger
from subnet17.ops.tuning.config_file import ConfigFile, end_pending, keep_pending, restore_pending
from subnet17.ops.tuning.samples import Difference, Sample, Terms, compare
from subnet17.ops.tuning.space import Changes, value_of

log = get_logger()

FOLDER = "optimizer"
LEDGER = "measured.jsonl"
MAX_LEDGER_BYTES = 4 * 2**20


class Servers(Protocol):
    """What a trial needs of the running servers."""

    backend: str

    async def measure(self, profile: str = "") -> Sample: ...

    async def in_force(self, changes: Changes) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """Of a trial.

    Attributes:
        changes: What was tried.
        was: What these keys were before.
        kept: Whether the changes stand.
    """

    changes: Changes
    was: Changes
    before: Sample
    after: Sample
    difference: Difference
    kept: bool

    def as_json(self, terms: Terms) -> dict[str, Any]:
        """For `--json` and the ledger."""
        return {
            "changes": self.changes,
            "was": self.was,
            "before": self.before.as_json(terms),
            "after": self.after.as_json(terms),
            "difference": {"mean": self.difference.mean, "error": self.difference.error},
            "kept": self.kept,
        }


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one optimizer changes settings at a time.

    Raises:
        ConfigError: another one does, or the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigError(f"can't write {folder}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigError(f"another optimizer is at work (it holds {folder / 'lock'})") from None
    finally:
        os.close(lock)


async def try_changes(
    servers: Servers,
    file: ConfigFile,
    folder: Path,
    changes: Changes,
    terms: Terms,
    *,
    keep: Callable[[Difference], bool],
) -> Outcome:
    """See the module.

    Args:
        changes: Live keys.
        folder: Of the optimizer's own files.
        keep: Whether they stay, by what was measured.

    Raises:
        ConfigError: the file can't be changed.
        PeerError: nothing can be measured, or the server does not follow. Then the old values stand again.
    """
    settings = file.settings()
    was = {name: value_of(settings, name) for name in changes}
    before = await servers.measure()
    keep_pending(folder, file, list(changes))
    try:
        file.write(changes)
        await servers.in_force(changes)
        after = await servers.measure()
    except BaseException:
        restore_pending(folder, file)
        raise
    difference = compare(after, before, terms)
    kept = keep(difference)
    if kept:
        end_pending(folder)
    else:
        restore_pending(folder, file)
        await servers.in_force(was)
    return Outcome(changes, was, before, after, difference, kept)


def note_outcome(folder: Path, outcome: Outcome, terms: Terms, *, backend: str, now_s: float) -> None:
    """Adds a trial to the ledger. A full disk loses the note, not the trial; that is logged."""
    path = folder / LEDGER
    line = json.dumps({"at_s": now_s, "backend": backend, **outcome.as_json(terms)})
    try:
        if path.exists() and path.stat().st_size > MAX_LEDGER_BYTES:
            path.replace(path.with_suffix(".old"))
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        log.warning("the measurement can't be kept", file=str(path), why=error.strerror)


def find_outcome(folder: Path, changes: Changes, was: Changes, *, backend: str) -> dict[str, Any] | None:
    """The last trial of just these changes of just these values with this generator."""
    wanted = {"changes": changes, "was": was, "backend": backend}
    try:
        lines = (folder / LEDGER).read_text("utf-8").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # a line that a full disk cut short
        if isinstance(entry, dict) and all(entry.get(name) == value for name, value in wanted.items()):
            return entry
    return None
