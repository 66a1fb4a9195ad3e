"""The journal's rows: each method one transaction, durable when it returns.

Covers: the SQL. Does not cover: which thread it runs in and what a failing disk means (journal.py).
"""

# ruff: noqa: S608 - statements are put together from names of ours only; values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from subnet17.errors import JournalError
from subnet17.mining.database import transaction
from subnet17.mining.records import CLOSED, GIVEN_UP, Answer, Judgement, Record, TaskState, read_record
from subnet17.mining.tasks import Assignment, Candidate, Score, Submission

PRUNE_BATCH = 256
NONCE = "nonce"

OF_TASK = "validator = ? AND task_id = ?"
_CHOICE = """(SELECT chosen FROM task t
    WHERE t.validator = candidate.validator AND t.task_id = candidate.task_id)"""
CHOSEN = f"FROM candidate WHERE {OF_TASK} AND number IS {_CHOICE}"
LOSERS = f"FROM candidate WHERE {OF_TASK} AND number IS NOT {_CHOICE}"
CLOSED_LOSERS = """
    SELECT c.rowid, sha256 FROM candidate c JOIN task t USING (validator, task_id)
    WHERE t.rowid = ? AND sha256 <> '' AND c.number <> (
        SELECT number FROM candidate d JOIN task u USING (validator, task_id)
        WHERE u.rowid = ? AND d.sha256 <> '' ORDER BY number IS u.chosen DESC, score DESC, number LIMIT 1)"""
JUDGEMENTS = """
    SELECT t.validator, changed_at_s AS at_s, score, scorer, threshold, verdict, fidelity
    FROM task t LEFT JOIN candidate c
    ON c.validator = t.validator AND c.task_id = t.task_id AND c.number = t.chosen
    WHERE t.state = 'answered' ORDER BY changed_at_s DESC LIMIT ?"""
SCORES = """
    SELECT group_concat(score, ' ') AS scores
    FROM task t JOIN candidate c USING (validator, task_id)
    WHERE t.state = 'answered' AND score IS NOT NULL
    GROUP BY validator, task_id ORDER BY changed_at_s DESC LIMIT ?"""
OLDEST_ANSWERED = """
    SELECT rowid, changed_at_s, (
        SELECT coalesce(sum(size_bytes), 0) FROM candidate c
        WHERE c.validator = t.validator AND c.task_id = t.task_id AND sha256 <> '') AS bytes
    FROM task t WHERE state = 'answered' ORDER BY changed_at_s LIMIT ?"""
OLDEST_WITH_ASSETS = """
    SELECT t.rowid, sum(size_bytes) AS bytes FROM task t JOIN candidate c USING (validator, task_id)
    WHERE t.state = 'answered' AND t.changed_at_s < ? AND sha256 <> ''
    GROUP BY t.rowid ORDER BY t.changed_at_s LIMIT ?"""

Row = Mapping[str, Any]


class Tables:
    """All that is read from and written to one connection. Times are Unix seconds."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def put_task(self, assignment: Assignment, *, now_s: float, validator: Row | None) -> list[str]:
        """A task begins; one that is known begins anew, without the bytes of what was handed in before.

        Its validator has no other task of ours open: one at a time is the rule. One that is left is closed.
        Of its assets that which was chosen, or is best, stays, should its validator remember it after all.

        Returns:
            Assets whose files may go.
        """
        columns = {
            "validator": assignment.validator,
            "task_id": assignment.task_id,
            "state": TaskState.PULLED,
            "kind": assignment.kind,
            "prompt": assignment.prompt,
            "threshold": assignment.threshold,
            "throttle_s": assignment.throttle_s,
            "assigned_at_s": assignment.assigned_at_s,
            "changed_at_s": now_s,
            **dict.fromkeys(("chosen", "sent_at_s", "verdict", "fidelity", "reward", "cooldown_until_s")),
            "reason": "",
            "candidates": 0,
            "attempts": 0,
        }
        names = ", ".join(columns)
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns)
        with transaction(self._db) as db:
            old = [row["sha256"] for row in db.execute(f"SELECT sha256 {CHOSEN}", _key(assignment))]
            db.execute(
                f"UPDATE candidate SET sha256 = '' WHERE rowid IN (SELECT rowid {CHOSEN})", _key(assignment)
            )
            db.execute(
                f"INSERT INTO task ({names}) VALUES ({', '.join('?' * len(columns))})"
                f" ON CONFLICT DO UPDATE SET {updates}",
                tuple(columns.values()),
            )
            query = "SELECT rowid FROM task WHERE validator = ? AND task_id <> ? AND state <> 'answered'"
            for row in db.execute(query, _key(assignment)).fetchall():
                old += self._close(row["rowid"], now_s)
            self._put_validator(assignment.validator, validator, now_s)
        return old

    def put_reopened(self, assignment: Assignment, *, now_s: float) -> None:
        """An answered task is open once more: what was handed in will be again."""
        with transaction(self._db):
            # the prompt is signed; a picture's went with the answer
            self._change(assignment, now_s, state=TaskState.SENDING, prompt=assignment.prompt)

    def put_candidate(
        self, assignment: Assignment, candidate: Candidate, digest: str, *, now_s: float
    ) -> None:
        """A candidate whose file is safe."""
        with transaction(self._db) as db:
            self._change(assignment, now_s, state=TaskState.GENERATED)
            db.execute(
                "INSERT OR REPLACE INTO candidate (validator, task_id, number, seed, sha256, size_bytes,"
                " backend, generation_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *_key(assignment),
                    candidate.index,
                    candidate.seed,
                    digest,
                    len(candidate.data),
                    candidate.backend,
                    candidate.generation_s,
                ),
            )

    def put_score(self, assignment: Assignment, index: int, score: Score, *, now_s: float) -> None:
        """A candidate's local score."""
        facts = (score.value, score.scorer, ",".join(score.reasons), score.validation_s)
        with transaction(self._db) as db:
            db.execute(
                "UPDATE candidate SET score = ?, scorer = ?, refusals = ?, validation_s = ?"
                f" WHERE {OF_TASK} AND number = ?",
                (*facts, *_key(assignment), index),
            )
            self._change(assignment, now_s, state=TaskState.SCORED)

    def put_attempt(self, submission: Submission, *, now_s: float) -> int:
        """The decision, and that an attempt begins now.

        Returns:
            Its number: of all attempts without a verdict. A task that got one and is handed in once more
            counts from 1.
        """
        key = _key(submission.assignment)
        with transaction(self._db) as db:
            query = f"SELECT attempts FROM task WHERE {OF_TASK} AND coalesce(verdict, ?) = ?"
            open_task = db.execute(query, (*key, GIVEN_UP, GIVEN_UP)).fetchone()
            attempt = open_task["attempts"] + 1 if open_task else 1
            self._change(
                submission.assignment,
                now_s,
                state=TaskState.SENDING,
                prompt=submission.assignment.prompt,  # is signed; a picture's went with the answer
                chosen=submission.index,
                reason=submission.reason,
                candidates=submission.candidates,
                attempts=attempt,
                sent_at_s=now_s,
                **vars(Answer(verdict="")) | {"verdict": None},
            )
        return int(attempt)

    def put_answer(
        self, submission: Submission, answer: Answer, *, now_s: float, validator: Row | None
    ) -> list[str]:
        """How a task ended and what is known of its validator since, both or neither.

        Returns:
            The assets that lost: their files may go.
        """
        assignment = submission.assignment
        with transaction(self._db) as db:
            self._change(assignment, now_s, state=TaskState.ANSWERED, **vars(answer))
            if assignment.kind == "image":  # megabytes; who hands the task out again sends it along
                self._change(assignment, now_s, prompt="")
            losers = [row["sha256"] for row in db.execute(f"SELECT sha256 {LOSERS}", _key(assignment))]
            db.execute(
                f"UPDATE candidate SET sha256 = '' WHERE rowid IN (SELECT rowid {LOSERS})", _key(assignment)
            )
            self._put_validator(assignment.validator, validator, now_s)
        return losers

    def find(self, validator: str, task_id: str) -> Record | None:
        """One task."""
        found = self._records(f"WHERE {OF_TASK}", (validator, task_id))
        return found[0] if found else None

    def unfinished(self) -> list[Record]:
        """Tasks without an answer, the oldest assignment first."""
        return self._records("WHERE state <> 'answered' ORDER BY assigned_at_s", ())

    def judgements(self, limit: int) -> list[Judgement]:
        """How the latest answered tasks ended, the latest last."""
        return [Judgement(**dict(row)) for row in self._db.execute(JUDGEMENTS, (limit,))][::-1]

    def scores(self, limit: int) -> list[tuple[float, ...]]:
        """Of all candidates of the latest answered tasks, the latest task last."""
        rows = self._db.execute(SCORES, (limit,)).fetchall()
        return [tuple(float(score) for score in row["scores"].split()) for row in rows][::-1]

    def counts(self) -> dict[str, int]:
        """Tasks by state; answered ones by verdict."""
        query = "SELECT coalesce(verdict, state) AS name, count(*) AS number FROM task GROUP BY name"
        return {row["name"]: row["number"] for row in self._db.execute(query)}

    def put_validator(self, hotkey: str, row: Row, *, now_s: float) -> None:
        """What is known of a validator."""
        with transaction(self._db):
            self._put_validator(hotkey, row, now_s)

    def validators(self) -> dict[str, dict[str, Any]]:
        """The same of all, by hotkey."""
        rows = self._db.execute("SELECT * FROM validator")
        return {row["hotkey"]: json.loads(row["row"]) for row in rows}

    def raise_nonce(self, to_ns: int) -> None:
        """Never lowers it."""
        with transaction(self._db) as db:
            db.execute(
                "INSERT INTO counter VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
                (NONCE, to_ns),
            )

    def nonce(self) -> int:
        """0 before the first."""
        row = self._db.execute("SELECT value FROM counter WHERE name = ?", (NONCE,)).fetchone()
        return int(row["value"]) if row else 0

    def put_market(self, row: Row, *, now_s: float, forget_before_s: float) -> None:
        """How we stand now."""
        with transaction(self._db) as db:
            db.execute("DELETE FROM market WHERE at_s < ?", (forget_before_s,))
            db.execute("INSERT INTO market VALUES (?, ?)", (now_s, json.dumps(dict(row))))

    def market(self, since_s: float) -> list[dict[str, Any]]:
        """The latest last."""
        rows = self._db.execute("SELECT * FROM market WHERE at_s >= ? ORDER BY at_s", (since_s,))
        return [json.loads(row["row"]) | {"at_s": row["at_s"]} for row in rows]

    def forget_some(self, *, before_s: float, max_bytes: int) -> tuple[int, list[str]]:
        """Removes a batch of the oldest answered tasks that are too old, or while assets take too much.

        Returns:
            How many tasks went (0: no more to remove), and their assets.
        """
        digests: list[str] = []
        count = 0
        with transaction(self._db) as db:
            query = "SELECT coalesce(sum(size_bytes), 0) FROM candidate WHERE sha256 <> ''"
            surplus_bytes = db.execute(query).fetchone()[0] - max_bytes
            for row in db.execute(OLDEST_ANSWERED, (PRUNE_BATCH,)).fetchall():
                if row["changed_at_s"] >= before_s and surplus_bytes <= 0:
                    break
                surplus_bytes -= row["bytes"]
                digests += self._forget(row["rowid"])
                count += 1
        return count, digests

    def forget_for_room(self, *, before_s: float, wanted_bytes: int) -> tuple[int, list[str]]:
        """Removes a batch of the oldest answered tasks with assets, until these give so many bytes.

        Args:
            before_s: Later ones stay.

        Returns:
            How many tasks went (0: no more to remove), and their assets.
        """
        digests: list[str] = []
        count = freed_bytes = 0
        with transaction(self._db) as db:
            for row in db.execute(OLDEST_WITH_ASSETS, (before_s, PRUNE_BATCH)).fetchall():
                if freed_bytes >= wanted_bytes:
                    break
                freed_bytes += row["bytes"]
                digests += self._forget(row["rowid"])
                count += 1
        return count, digests

    def wanted(self) -> set[str]:
        """The assets that some candidate names."""
        return {row["sha256"] for row in self._db.execute("SELECT DISTINCT sha256 FROM candidate")}

    def is_wanted(self, digest: str) -> bool:
        """Whether some candidate names this asset."""
        query = "SELECT 1 FROM candidate WHERE sha256 = ?"
        return self._db.execute(query, (digest,)).fetchone() is not None

    def _forget(self, rowid: int) -> list[str]:
        query = "SELECT sha256 FROM candidate JOIN task USING (validator, task_id) WHERE task.rowid = ?"
        digests = [row["sha256"] for row in self._db.execute(query, (rowid,))]
        self._db.execute("DELETE FROM task WHERE rowid = ?", (rowid,))
        return digests

    def _close(self, rowid: int, now_s: float) -> list[str]:
        self._db.execute(
            "UPDATE task SET state = 'answered', verdict = ?, changed_at_s = ?,"
            " prompt = CASE kind WHEN 'image' THEN '' ELSE prompt END WHERE rowid = ?",
            (CLOSED, now_s, rowid),
        )
        losers = self._db.execute(CLOSED_LOSERS, (rowid, rowid)).fetchall()
        for row in losers:
            self._db.execute("UPDATE candidate SET sha256 = '' WHERE rowid = ?", (row["rowid"],))
        return [row["sha256"] for row in losers]

    def _change(self, assignment: Assignment, now_s: float, **columns: Any) -> None:
        columns["changed_at_s"] = now_s
        updates = ", ".join(f"{name} = ?" for name in columns)
        changed = self._db.execute(
            f"UPDATE task SET {updates} WHERE {OF_TASK}",
            (*columns.values(), *_key(assignment)),
        )
        if changed.rowcount != 1:
            raise JournalError(f"task {assignment.task_id} is not in the journal: it was never `pulled`")

    def _put_validator(self, hotkey: str, row: Row | None, now_s: float) -> None:
        if row is not None:
            values = (hotkey, json.dumps(dict(row)), now_s)
            self._db.execute("INSERT OR REPLACE INTO validator VALUES (?, ?, ?)", values)

    def _records(self, where: str, values: tuple[Any, ...]) -> list[Record]:
        tasks = self._db.execute(f"SELECT * FROM task {where}", values).fetchall()
        query = f"SELECT * FROM candidate WHERE {OF_TASK} ORDER BY number"
        return [
            read_record(task, self._db.execute(query, (task["validator"], task["task_id"])).fetchall())
            for task in tasks
        ]


def _key(assignment: Assignment) -> tuple[str, str]:
    return assignment.validator, assignment.task_id
