"""What the journal knows of a task, as frozen dataclasses, and how rows become them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from subnet17.mining.tasks import Assignment, Score


class TaskState(StrEnum):
    """How far a task has come. Each is on disk before the next step begins."""

    PULLED = "pulled"
    GENERATED = "generated"
    SCORED = "scored"
    SENDING = "sending"
    ANSWERED = "answered"


@dataclass(frozen=True)
class Draft:
    """A candidate whose bytes lie in the asset store.

    Attributes:
        sha256: Of its bytes; empty when they were removed.
        score: None when it was not scored yet.
    """

    index: int
    seed: int
    sha256: str
    size_bytes: int
    backend: str
    generation_s: float
    score: Score | None


@dataclass(frozen=True)
class Answer:
    """How a task ended.

    Attributes:
        verdict: A `feedback.Verdict`, `CLOSED` or `GIVEN_UP`.
        fidelity: The validator's score, where it told one.
        cooldown_until_s: Unix seconds on the validator's clock.
    """

    verdict: str
    fidelity: float | None = None
    reward: float | None = None
    cooldown_until_s: int | None = None


CLOSED = "closed"
"""The verdict of a task that its validator knew no more: paid earlier without our knowing, or forgotten."""
GIVEN_UP = "given_up"
"""The verdict of a task whose validator gave none, however often it was sent: its next pull tells more."""
ROUND_ATTEMPTS = 8
"""About half an hour of ambiguous answers; the pull that follows asks what a further submit could not."""
MAX_ROUNDS = 2
"""A validator that still hands the task out after so many rounds can't take this result."""


@dataclass(frozen=True)
class Record:
    """A task in the journal.

    Attributes:
        assignment: Its `assigned_s` is 0: monotonic times don't outlive a process.
        changed_at_s: Unix seconds of the last change of state.
        chosen: Index of the draft that is handed in; None for a skip, and before the decision.
        attempts: To hand it in, without a verdict: over all rounds of them.
        sent_at_s: Unix seconds of the last one.
    """

    assignment: Assignment
    state: TaskState
    changed_at_s: float
    drafts: tuple[Draft, ...]
    chosen: int | None
    reason: str
    candidates: int
    attempts: int
    sent_at_s: float | None
    answer: Answer | None

    @property
    def chosen_draft(self) -> Draft | None:
        """The draft that is handed in."""
        return next((d for d in self.drafts if d.index == self.chosen), None)

    @property
    def is_refused(self) -> bool:
        """Whether what was chosen was handed in so often without a verdict that it never will get one."""
        has_verdict = self.answer is not None and self.answer.verdict != GIVEN_UP
        return not has_verdict and self.attempts >= MAX_ROUNDS * ROUND_ATTEMPTS


@dataclass(frozen=True)
class Judgement:
    """What a validator said of a task beside what we thought of our result; no score: a skip."""

    validator: str
    at_s: float
    score: float | None
    scorer: str | None
    threshold: float
    verdict: str
    fidelity: float | None


def read_record(task: sqlite3.Row, candidates: list[sqlite3.Row]) -> Record:
    """A task's row and those of its candidates as one record."""
    assignment = Assignment(
        task_id=task["task_id"],
        kind=task["kind"],
        prompt=task["prompt"],
        validator=task["validator"],
        threshold=task["threshold"],
        throttle_s=task["throttle_s"],
        assigned_s=0.0,
        assigned_at_s=task["assigned_at_s"],
    )
    answer = None
    if task["verdict"] is not None:
        answer = Answer(**_some_of(task, "verdict", "fidelity", "reward", "cooldown_until_s"))
    return Record(
        assignment=assignment,
        state=TaskState(task["state"]),
        drafts=tuple(_read_draft(row) for row in candidates),
        answer=answer,
        **_some_of(task, "changed_at_s", "chosen", "reason", "candidates", "attempts", "sent_at_s"),
    )


def _read_draft(row: sqlite3.Row) -> Draft:
    score = None
    if row["score"] is not None:
        refusals = tuple(code for code in row["refusals"].split(",") if code)
        score = Score(row["score"], row["scorer"], refusals, row["validation_s"])
    facts = _some_of(row, "seed", "sha256", "size_bytes", "backend", "generation_s")
    return Draft(index=row["number"], score=score, **facts)


def _some_of(row: sqlite3.Row, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
