"""What flows through the miner: `Assignment -> Candidate(s) -> Score -> Submission -> Feedback`.

Each is frozen: a stage adds a new object and never changes the one before. The verdict on a submission
is in feedback.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Assignment:
    """A task in our hands.

    Attributes:
        validator: ss58 hotkey of who assigned it.
        prompt: The text, or the base64 of an encoded image.
        threshold: The score below which the validator rejects.
        throttle_s: Seconds of work since the assignment that cost no cooldown.
        assigned_s: When it was asked for, on the monotonic clock; the validator's clock started later.
        assigned_at_s: The same in Unix seconds: what is left of it after a restart.
    """

    task_id: str
    kind: Literal["text", "image"]
    prompt: str = field(repr=False)
    validator: str
    threshold: float
    throttle_s: float
    assigned_s: float
    assigned_at_s: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """One asset made for an assignment.

    Attributes:
        data: SPZ bytes.
        backend: Which generator made it, as its server says.
    """

    index: int
    seed: int
    data: bytes = field(repr=False)
    backend: str
    generation_s: float


@dataclass(frozen=True)
class Score:
    """What our validation server thinks of a candidate.

    Attributes:
        scorer: Which scorer gave it, as the server says.
        reasons: Codes of why it was refused; empty when it was not.
    """

    value: float
    scorer: str
    reasons: tuple[str, ...]
    validation_s: float


@dataclass(frozen=True)
class Submission:
    """What is handed in, over and over with the same bytes until a verdict is read.

    Attributes:
        results: base64 of the SPZ bytes, or "" (`protocol.SKIP`) for a skip.
        index: Of the candidate that was chosen; None for a skip.
        candidates: How many were made before the choice.
        reason: Why this was decided, for people.
    """

    assignment: Assignment
    results: str = field(repr=False)
    reason: str
    candidates: int = 0
    seed: int | None = None
    backend: str = ""
    score: float | None = None
    scorer: str = ""
    index: int | None = None

    @property
    def is_skip(self) -> bool:
        """Whether it gives the task back without a result."""
        return not self.results

    def as_skip(self, reason: str) -> Submission:
        """The skip that takes its place where it will never be taken."""
        return Submission(self.assignment, results="", reason=reason, candidates=self.candidates)
