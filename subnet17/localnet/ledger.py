"""The validators' record of everything that happened, on disk before a miner hears of it.

One JSON file, replaced whole: a reader or a crash sees the old one or the new one, never a part.
Several validators write from their own threads; each renders only its own page.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, Field, ValidationError

from subnet17.errors import ConfigError
from subnet17.localnet.standing import Standing
from subnet17.whole_file import write_whole

KEPT_ENTRIES = 500
"""Of each kind, the latest: all of them are written at each event. Counts are exact."""

Kind = Literal[
    "assigned",
    "accepted",
    "rejected",
    "skipped",
    "failed",
    "duplicate",
    "ignored",
    "violations",
    "bad_signatures",
    "refused",
    "unregistered",
]


class Entry(BaseModel):
    """One event. Fields that don't apply are null."""

    at_s: float
    miner: str
    task_id: str | None = None
    title: str | None = None
    assigned_at_s: float | None = None
    score: float | None = None
    cooldown_until_s: int | None = None
    results_sha256: str | None = Field(None, description="Of the decoded bytes.")
    reason: str | None = None
    duel_rating: float | None = Field(None, description="After an accepted result.")


class Page(BaseModel):
    """One validator's part: what it did, and where each miner stands.

    Attributes:
        kept: Entries of each kind that are listed; not part of the file.
    """

    uid: int
    hotkey: str
    counts: dict[Kind, int] = Field(default_factory=dict)
    entries: dict[Kind, list[Entry]] = Field(default_factory=dict)
    miners: dict[str, Standing] = Field(default_factory=dict)
    kept: int = Field(KEPT_ENTRIES, exclude=True)

    def add(self, kind: Kind, entry: Entry) -> None:
        """Counts an event and lists it."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        listed = self.entries.setdefault(kind, [])
        listed.append(entry)
        del listed[: -self.kept]


class Record(BaseModel):
    """The whole file."""

    version: Literal[1] = 1
    time_scale: float
    validators: list[Page]

    def count(self, kind: Kind) -> int:
        """How often something happened at all validators together."""
        return sum(page.counts.get(kind, 0) for page in self.validators)


class Keeper(Protocol):
    """What a validator hands its page to before it answers."""

    def write(self, page: Page) -> None:
        """Returns once the page is kept."""


class Ledger:
    """Keeps the pages of all validators of one local subnet in one file."""

    def __init__(self, path: Path, pages: list[Page], *, time_scale: float) -> None:
        """Takes over the pages and writes the file for the first time."""
        self._path = path
        self._time_scale = time_scale
        self._lock = threading.Lock()
        self._texts = {page.hotkey: page.model_dump_json() for page in pages}
        self._save()

    def write(self, page: Page) -> None:
        """Returns once this page is safely on disk. Call it from the thread that changes the page."""
        text = page.model_dump_json()
        with self._lock:
            self._texts[page.hotkey] = text
            self._save()

    def _save(self) -> None:
        pages = ",\n".join(self._texts.values())
        write_whole(
            self._path,
            f'{{"version":1,"time_scale":{self._time_scale},"validators":[\n{pages}\n]}}\n',
        )


def read_record(path: Path) -> Record | None:
    """The file's content; None when there is none.

    Raises:
        ConfigError: the file is there and is no ledger.
    """
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path} is not a readable ledger: move it away, or start with --fresh ({type(error).__name__})",
            file=str(path),
        ) from None


def restore_page(record: Record | None, *, uid: int, hotkey: str) -> Page:
    """A validator's earlier page, or an empty one."""
    earlier = [page for page in record.validators if page.hotkey == hotkey] if record else []
    return earlier[0].model_copy(update={"uid": uid}) if earlier else Page(uid=uid, hotkey=hotkey)
