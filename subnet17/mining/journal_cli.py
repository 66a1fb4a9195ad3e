"""`python -m subnet17.mining.journal`: lists, shows and exports what the miner's journal holds.

Reads only, also beside a running miner.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from subnet17.errors import InvalidInputError, JournalError, S17Error
from subnet17.mining.database import ASSETS, NAME, open_for_reading
from subnet17.mining.journal import journal_folder
from subnet17.mining.records import TaskState
from subnet17.settings import load_settings

TASKS = """
    SELECT t.*, c.score, c.scorer, c.backend, c.sha256, c.size_bytes FROM task t LEFT JOIN candidate c
    ON c.validator = t.validator AND c.task_id = t.task_id AND c.number = t.chosen"""
LISTED = ("when", "state", "task", "from", "prompt", "ours", "theirs", "reward")
SHOWN_CHARS = 80
YEAR_CHARS = len("2026-")
BEGINNING_CHARS = 6
"""Enough to tell tasks and validators apart, and for `show`."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Form(StrEnum):
    """Of an export."""

    JSON = "json"
    CSV = "csv"


ConfigOption = Annotated[Path | None, typer.Option("--config", help="mining.toml")]
HotkeyOption = Annotated[str, typer.Option("--hotkey", help="Whose journal; needed where there are several.")]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="A journal's folder, such as one that was moved aside.")
]


@app.command("list")
def list_tasks(
    config: ConfigOption = None,
    hotkey: HotkeyOption = "",
    folder: FolderOption = None,
    state: Annotated[TaskState | None, typer.Option("--state", help="Only tasks in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The latest so many.")] = 30,
) -> None:
    """Lists tasks, the latest change last, and counts all."""
    with closing(_open(config, hotkey, folder)) as journal:
        where = "WHERE state = ?" if state else ""
        rows = _rows(
            journal,
            f"{TASKS} {where} ORDER BY changed_at_s DESC LIMIT ?",
            (*([state] if state else []), limit),
        )
        counts = _rows(
            journal, "SELECT coalesce(verdict, state) AS name, count(*) AS n FROM task GROUP BY name"
        )
    columns = (Column(name, no_wrap=True, ratio=1 if name == "prompt" else None) for name in LISTED)
    table = Table(*columns, box=None, pad_edge=False, expand=True)
    for row in reversed(rows):
        table.add_row(*(_plain(text) for text in _line_of(row)))
    console = Console()
    console.print(table)
    console.print(", ".join(f"{row['n']} {row['name']}" for row in counts) or "no tasks yet")


@app.command()
def show(
    task: Annotated[str, typer.Argument(help="A task id, or how it begins.")],
    config: ConfigOption = None,
    hotkey: HotkeyOption = "",
    folder: FolderOption = None,
) -> None:
    """Shows all that is known of one task."""
    where = _folder_of(config, hotkey, folder)
    with closing(open_for_reading(where)) as journal:
        rows = _rows(journal, f"{TASKS} WHERE substr(t.task_id, 1, ?) = ?", (len(task), task))
        if not rows:
            raise InvalidInputError(f"no task in {where} begins with {task!r}")
        if len(rows) > 1 and any(row["task_id"] != task for row in rows):
            raise InvalidInputError(f"{len(rows)} tasks in {where} begin with {task!r}: write more of it")
        for row in rows:
            candidates = _rows(
                journal,
                "SELECT * FROM candidate WHERE validator = ? AND task_id = ? ORDER BY number",
                (row["validator"], row["task_id"]),
            )
            _show_task(Console(), row, candidates, where)


@app.command()
def export(
    config: ConfigOption = None,
    hotkey: HotkeyOption = "",
    folder: FolderOption = None,
    form: Annotated[Form, typer.Option("--format", help="json holds all tables, csv the tasks.")] = Form.JSON,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: stdout.")] = None,
) -> None:
    """Writes the journal out, without the assets; their files are named by `sha256`."""
    with closing(_open(config, hotkey, folder)) as journal:
        tables = {
            "tasks": _rows(journal, f"{TASKS} ORDER BY changed_at_s"),
            "candidates": _rows(journal, "SELECT * FROM candidate ORDER BY validator, task_id, number"),
            "validators": [_with_row(row) for row in _rows(journal, "SELECT * FROM validator")],
            "market": [_with_row(row) for row in _rows(journal, "SELECT * FROM market ORDER BY at_s")],
        }
        names = [column[0] for column in journal.execute(f"{TASKS} LIMIT 0").description]
    with closing(output.open("w", newline="", encoding="utf-8")) if output else _Stdout() as file:
        if form is Form.JSON:
            json.dump(tables, file, indent=1, ensure_ascii=False)
            file.write("\n")
        else:
            writer = csv.DictWriter(file, list(dict.fromkeys(names)))
            writer.writeheader()
            writer.writerows(tables["tasks"])


class _Stdout:
    """stdout as a context that stays open."""

    def __enter__(self) -> Any:
        return sys.stdout

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()


def _open(config: Path | None, hotkey: str, folder: Path | None) -> sqlite3.Connection:
    return open_for_reading(_folder_of(config, hotkey, folder))


def _folder_of(config: Path | None, hotkey: str, folder: Path | None) -> Path:
    if folder is not None:
        return folder
    data_dir = load_settings(config).data_dir
    if hotkey:
        return journal_folder(data_dir, hotkey)
    parent = journal_folder(data_dir, "")
    # A dot is in no hotkey, but in the names of folders that were set aside.
    found = sorted(path.parent for path in parent.glob(f"*/{NAME}") if "." not in path.parent.name)
    if not found:
        raise JournalError(f"no journal in {parent}: no miner has run with these settings")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InvalidInputError(f"several hotkeys have a journal: choose with --hotkey one of {names}")
    return found[0]


def _rows(journal: sqlite3.Connection, query: str, values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    return [dict(row) for row in journal.execute(query, values)]


def _with_row(row: dict[str, Any]) -> dict[str, Any]:
    return {**json.loads(row.pop("row")), **row}


def _line_of(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        _when(row["changed_at_s"])[YEAR_CHARS:-1],
        row["verdict"] or row["state"],
        _beginning(row["task_id"]),
        _beginning(row["validator"]),
        _prompt_of(row)[:SHOWN_CHARS],
        _figure(row["score"]),
        _figure(row["fidelity"]),
        _figure(row["reward"], 0),
    )


def _beginning(name: str) -> str:
    return name if len(name) <= BEGINNING_CHARS else f"{name[:BEGINNING_CHARS]}…"


def _show_task(console: Console, row: dict[str, Any], candidates: list[dict[str, Any]], folder: Path) -> None:
    table = Table(show_header=False, title=_plain(row["task_id"]), title_justify="left")
    asset = f"{folder / ASSETS / row['sha256'][:2] / row['sha256']}.spz" if row["sha256"] else ""
    for name, value in {
        "validator": row["validator"],
        "state": row["state"],
        "prompt": _prompt_of(row),
        "threshold": _figure(row["threshold"]),
        "assigned": _when(row["assigned_at_s"]),
        "changed": _when(row["changed_at_s"]),
        "decision": row["reason"],
        "attempts": str(row["attempts"]),
        "last attempt": _when(row["sent_at_s"]),
        "verdict": row["verdict"] or "",
        "fidelity": _figure(row["fidelity"]),
        "reward": _figure(row["reward"], 2),
        "cooldown until": _when(row["cooldown_until_s"]),
        "asset": asset,
    }.items():
        table.add_row(name, _plain(value))
    console.print(table, soft_wrap=True)
    made = Table("candidate", "seed", "score", "scorer", "refusals", "back end", "generation s", "bytes")
    for one in candidates:
        chosen = " *" if one["number"] == row["chosen"] else ""
        made.add_row(
            f"{one['number']}{chosen}",
            str(one["seed"]),
            _figure(one["score"]),
            _plain(one["scorer"] or ""),
            _plain(one["refusals"] or ""),
            _plain(one["backend"]),
            _figure(one["generation_s"], 2),
            str(one["size_bytes"]),
        )
    console.print(made)


def _plain(text: str) -> str:
    """What others wrote, as one line that steers neither rich nor the reader's terminal."""
    return escape("".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text))


def _prompt_of(row: dict[str, Any]) -> str:
    return "(a picture)" if row["kind"] == "image" else str(row["prompt"])


def _when(at_s: float | None) -> str:
    return "" if at_s is None else datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _figure(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def main(arguments: list[str] | None = None) -> int:
    """Runs the command.

    Returns:
        0, 2 for a mistake on the command line, 1 where the journal can't be read.
    """
    try:
        command = typer.main.get_command(app)
        name = "python -m subnet17.mining.journal"
        return int(command.main(arguments, prog_name=name, standalone_mode=False) or 0)
    except (S17Error, sqlite3.Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, InvalidInputError) else 1
    except Exception as error:
        if (show_usage := getattr(error, "show", None)) is None:
            raise
        show_usage()
        return 2
