"""What the miner's journal tells: tasks by validator, generation times, scores, our standing. Reads only.

Not covered: tasks without an answer yet. The journal is a file of its own process; nothing of it is changed.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from subnet17.errors import ConfigError, JournalError
from subnet17.mining.database import NAME, open_for_reading
from subnet17.ops.tuning.samples import Piece, Sample

DAY_S = 86_400.0
NEAR_S = 2 * 3600.0
"""A row of the market this near to a moment speaks for it."""
PLAIN_RATING = 1500.0
FACTOR_LIMITS = (0.5, 2.0)
"""As in mining/market.py, which can't be imported without bittensor."""

TASKS = """
    SELECT t.validator, t.task_id, t.verdict, t.fidelity, t.threshold, t.throttle_s, t.chosen,
        (SELECT avg(generation_s) FROM candidate c WHERE c.validator = t.validator AND c.task_id = t.task_id)
            AS generation_s,
        (SELECT avg(validation_s) FROM candidate c WHERE c.validator = t.validator AND c.task_id = t.task_id)
            AS validation_s,
        (SELECT max(score) FROM candidate c WHERE c.validator = t.validator AND c.task_id = t.task_id
            AND (t.chosen IS NULL OR c.number = t.chosen)) AS score
    FROM task t WHERE t.state = 'answered' AND t.changed_at_s >= ? AND t.changed_at_s < ?
    ORDER BY t.changed_at_s"""
MARKET = "SELECT at_s, row FROM market WHERE at_s >= ? AND at_s < ? ORDER BY at_s"


@dataclass
class ValidatorHistory:
    """One validator's answers.

    Attributes:
        other: Faults of the validator, duplicates, and tasks that it knew no more.
    """

    hotkey: str
    accepted: int = 0
    rejected: int = 0
    skipped: int = 0
    other: int = 0
    scores: list[float] = field(default_factory=list)
    fidelities: list[float] = field(default_factory=list)

    @property
    def tasks(self) -> int:
        """All answered."""
        return self.accepted + self.rejected + self.skipped + self.other

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        facts = asdict(self) | {"tasks": self.tasks}
        for name in ("scores", "fidelities"):
            facts[name] = round(statistics.fmean(facts[name]), 4) if facts[name] else None
        return facts


@dataclass(frozen=True)
class History:
    """What a journal tells of a span of time.

    Attributes:
        folder: The journal's.
        hours: Length of the span.
        validators: By hotkey.
        sample: The accepted, rejected and skipped tasks; fit: accepted.
        threshold: What validators ask for, in the middle; None without tasks.
        free_s: Free time of a task, likewise.
        candidate_s: Time that a candidate takes to make and score, on average; None where not known.
        market: Our standing now, a day and a week ago; empty rows where nobody told.
    """

    folder: str
    hours: float
    validators: dict[str, ValidatorHistory]
    sample: Sample
    threshold: float | None
    free_s: float | None
    candidate_s: float | None
    market: dict[str, dict[str, Any]]

    @property
    def acceptance(self) -> float | None:
        """Accepted among accepted and rejected; None before the first of either."""
        accepted = sum(v.accepted for v in self.validators.values())
        rejected = sum(v.rejected for v in self.validators.values())
        return accepted / (accepted + rejected) if accepted + rejected else None

    @property
    def tasks(self) -> int:
        """All answered ones."""
        return sum(v.tasks for v in self.validators.values())

    @property
    def skipped(self) -> int:
        """Tasks handed back."""
        return sum(v.skipped for v in self.validators.values())

    @property
    def quality_factor(self) -> float:
        """What score is to count for where we stand: more with a low duel rating; 1 where nobody tells."""
        rating = self.market["now"].get("duel_rating")
        least, most = FACTOR_LIMITS
        return min(most, max(least, PLAIN_RATING / rating)) if rating else 1.0


def find_journal(data_dir: Path, hotkey: str = "") -> Path:
    """The folder of a hotkey's journal; without a hotkey the one that was written last.

    Raises:
        JournalError: there is none.
        ConfigError: the hotkey is no plain name.
    """
    parent = data_dir / "miner"
    if hotkey and Path(hotkey).name != hotkey:
        raise ConfigError(f"{hotkey!r} is not a hotkey")
    found = [path for path in parent.glob(f"*/{NAME}") if not hotkey or path.parent.name == hotkey]
    if not found:
        raise JournalError(f"no journal in {parent / hotkey}: no miner has run with these settings")
    return max(found, key=_written_s).parent


def _written_s(path: Path) -> float:
    log = path.with_name(f"{path.name}-wal")
    return max(p.stat().st_mtime for p in (path, log) if p.exists())


def read_history(folder: Path, *, since_s: float, until_s: float) -> History:
    """Reads a span of Unix seconds.

    Raises:
        JournalError: the journal is missing, of a newer program, or can't be read.
    """
    try:
        with closing(open_for_reading(folder)) as journal:
            rows = journal.execute(TASKS, (since_s, until_s)).fetchall()
            market = journal.execute(MARKET, (until_s - 8 * DAY_S, until_s)).fetchall()
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {folder} can't be read: {error}", folder=str(folder)) from None
    costs = [
        r["generation_s"] + r["validation_s"]
        for r in rows
        if r["generation_s"] is not None and r["validation_s"] is not None
    ]
    return History(
        folder=str(folder),
        hours=(until_s - since_s) / 3600,
        validators=_by_validator(rows),
        sample=Sample(tuple(_piece(row) for row in rows if _outcome(row) != "other")),
        threshold=_middle(row["threshold"] for row in rows),
        free_s=_middle(row["throttle_s"] for row in rows),
        candidate_s=statistics.fmean(costs) if costs else None,
        market=_standing(market, until_s),
    )


def _outcome(row: sqlite3.Row) -> str:
    if row["verdict"] in {"accepted", "rejected"}:
        return str(row["verdict"])
    return "skipped" if row["chosen"] is None and row["verdict"] == "skip_or_duplicate" else "other"


def _by_validator(rows: list[sqlite3.Row]) -> dict[str, ValidatorHistory]:
    found: dict[str, ValidatorHistory] = {}
    for row in rows:
        entry = found.setdefault(row["validator"], ValidatorHistory(row["validator"]))
        outcome = _outcome(row)
        setattr(entry, outcome, getattr(entry, outcome) + 1)
        if row["score"] is not None:
            entry.scores.append(row["score"])
        if outcome == "accepted" and row["fidelity"] is not None:
            entry.fidelities.append(row["fidelity"])
    return found


def _piece(row: sqlite3.Row) -> Piece:
    return Piece(
        name=row["task_id"],
        generation_s=row["generation_s"],
        score=row["score"] or 0.0,
        fit=row["verdict"] == "accepted",
    )


def _middle(values: Iterable[float]) -> float | None:
    known = list(values)
    return statistics.median(known) if known else None


def _standing(rows: list[sqlite3.Row], now_s: float) -> dict[str, dict[str, Any]]:
    def near(at_s: float) -> dict[str, Any]:
        close = [row for row in rows if abs(row["at_s"] - at_s) <= NEAR_S]
        nearest = min(close, key=lambda row: abs(row["at_s"] - at_s), default=None)
        return {} if nearest is None else {**json.loads(nearest["row"]), "at_s": nearest["at_s"]}

    return {"now": near(now_s), "a_day_ago": near(now_s - DAY_S), "a_week_ago": near(now_s - 7 * DAY_S)}
