"""The journal's SQLite file: its schema, how it is opened, and what becomes of a broken one.

Covers: write-ahead log with full sync, a version that refuses newer files, a broken file set aside and never
deleted. Does not cover: what is written (journal.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from subnet17.errors import JournalError
from subnet17.log import get_logger

log = get_logger()

NAME = "journal.sqlite"
ASSETS = "assets"
VERSION = 1
BUSY_TIMEOUT_S = 5.0
BROKEN_MARK = "journal.broken"
"""Written when damage shows, and gone once all is set aside: a check at the next start might not find it."""

SCHEMA = """
CREATE TABLE task (
    validator TEXT NOT NULL,            -- ss58 hotkey
    task_id TEXT NOT NULL,
    state TEXT NOT NULL,                -- pulled, generated, scored, sending, answered
    kind TEXT NOT NULL,                 -- text, image
    prompt TEXT NOT NULL,               -- a picture's goes once the task is answered
    threshold REAL NOT NULL,
    throttle_s REAL NOT NULL,
    assigned_at_s REAL NOT NULL,        -- Unix seconds, as all that end in at_s
    changed_at_s REAL NOT NULL,
    chosen INTEGER,                     -- the candidate that is handed in; NULL: a skip, or not decided
    reason TEXT NOT NULL DEFAULT '',
    candidates INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    sent_at_s REAL,                     -- the last attempt
    verdict TEXT,
    fidelity REAL,
    reward REAL,
    cooldown_until_s INTEGER,           -- on the validator's clock
    PRIMARY KEY (validator, task_id)
);
CREATE INDEX task_by_state ON task (state, changed_at_s);
CREATE TABLE candidate (
    validator TEXT NOT NULL,
    task_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    sha256 TEXT NOT NULL,               -- '' once its file was removed
    size_bytes INTEGER NOT NULL,
    backend TEXT NOT NULL,
    generation_s REAL NOT NULL,
    score REAL,
    scorer TEXT,
    refusals TEXT,                      -- codes, with commas between
    validation_s REAL,
    PRIMARY KEY (validator, task_id, number),
    FOREIGN KEY (validator, task_id) REFERENCES task ON DELETE CASCADE
);
CREATE INDEX candidate_by_asset ON candidate (sha256);
CREATE TABLE validator (hotkey TEXT PRIMARY KEY, row TEXT NOT NULL, changed_at_s REAL NOT NULL);
CREATE TABLE market (at_s REAL NOT NULL, row TEXT NOT NULL);
CREATE INDEX market_by_time ON market (at_s);
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


def open_database(folder: Path, *, stamp: str) -> sqlite3.Connection:
    """Opens the journal of a folder for writing; makes both where they are missing.

    Args:
        stamp: Names the folder that a broken journal is moved to, assets and all.

    Raises:
        JournalError: the file is of a newer program.
        OSError, sqlite3.OperationalError: the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _open(folder)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        aside = _set_aside(folder, stamp)
        log.error(
            "JOURNAL BROKEN: mining goes on with a new one; cooldowns and unpaid results of the old are lost",
            reason=str(error),
            moved_to=str(aside),
        )
    return _open(folder)


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """Opens an existing journal read-only, also beside a running miner.

    Raises:
        JournalError: there is none, it is of a newer program, or it can't be read.
    """
    path = folder / NAME
    if not path.is_file():
        raise JournalError(f"no journal in {folder}", folder=str(folder))
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
        _check_version(connection, path)
    except sqlite3.Error as error:
        raise JournalError(f"{path} can't be read: {error}", file=str(path)) from None
    connection.row_factory = sqlite3.Row
    return connection


def mark_broken(folder: Path) -> None:
    """Has the next start set this journal aside."""
    (folder / BROKEN_MARK).touch()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of the block, durable at its end, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _open(folder: Path) -> sqlite3.Connection:
    path = folder / NAME
    if (folder / BROKEN_MARK).exists():
        raise sqlite3.DatabaseError("damage showed in an earlier run")
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _check_integrity(connection)
        if _check_version(connection, path) < VERSION:
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise JournalError(
            f"{path} has schema {version}, this program knows {VERSION} at most: update it, or move the file",
            measured=version,
            allowed=VERSION,
        )
    return int(version)


def _check_integrity(connection: sqlite3.Connection) -> None:
    with closing(connection.execute("PRAGMA integrity_check(1)")) as cursor:
        (first,) = cursor.fetchone()
    if first != "ok":
        raise sqlite3.DatabaseError(first)


def _set_aside(folder: Path, stamp: str) -> Path:
    """Moves the journal and its assets together: the one says what the others are.

    Marked first: after a crash in between, the next start moves the rest and does not take it for leavings.
    """
    mark_broken(folder)
    aside = folder / f"broken-{stamp}"
    number = 1
    while aside.exists():
        number += 1
        aside = folder / f"broken-{stamp}-{number}"
    aside.mkdir()
    for name in (f"{NAME}-wal", f"{NAME}-shm", NAME, ASSETS, BROKEN_MARK):
        if (folder / name).exists():
            (folder / name).rename(aside / name)
    return aside
