"""Decisions under the protocol's prices: which seed, submit or not, one more candidate or not.

The prices: work within the throttle period is free, each later second costs a second of cooldown; a skip
costs one normal cycle; a rejection costs two more. Counted in cycles, a submit is worth p - 2(1 - p), a skip
nothing: submit when p = P(accept) > 2/3. Quality above the threshold pays through duels, so free time goes
into the best of several candidates; time that costs never does.

Not covered yet: learning P(accept) from verdicts; what free time is worth to other validators' tasks.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum

from subnet17.mining.tasks import Assignment, Score

MIN_ACCEPT_PROBABILITY = 2 / 3
MARGIN_SCALE = 0.01
"""How far our score and the validator's may differ: the same networks on other hardware and kernels."""
SUBMIT_MARGIN_S = 1.0
"""Kept of the free time for encoding, signing and the way to the validator."""
SEED_MASK = 2**31 - 1


def seed_for(hotkey: str, task_id: str, index: int) -> int:
    """The seed of a task's candidate: 31 bits, ours alone, the same after a restart.

    Two miners may get one task, and identical renders are not judged: so the hotkey is part of it.
    """
    digest = hashlib.sha256(f"{hotkey}/{task_id}/{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & SEED_MASK


def accept_probability(score: float, threshold: float) -> float:
    """P(the validator's score is at least the threshold), logistic in the margin of our own score."""
    return 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, (score - threshold) / MARGIN_SCALE))))


class Action(StrEnum):
    """What to do with an assignment now."""

    SUBMIT = "submit"
    ANOTHER = "another"
    SKIP = "skip"


@dataclass(frozen=True)
class Decision:
    """An action, and why, for people."""

    action: Action
    reason: str


@dataclass(frozen=True)
class Limits:
    """What the operator allows.

    Attributes:
        min_score: Below it nothing is submitted, whatever the validator would take.
        max_candidates: Made for one task at the most.
    """

    min_score: float
    max_candidates: int


def decide(
    assignment: Assignment,
    best: Score | None,
    *,
    made: int,
    elapsed_s: float,
    candidate_s: float,
    limits: Limits,
) -> Decision:
    """Submit the best so far, make another, or skip.

    Args:
        best: Score of the best candidate; None when none could be made.
        made: Candidates tried so far, failures included.
        elapsed_s: Since the assignment.
        candidate_s: What one more candidate takes, generation and validation, as measured.
    """
    free_s = assignment.throttle_s - SUBMIT_MARGIN_S - elapsed_s
    affordable = made < limits.max_candidates and candidate_s <= free_s
    times = f"free time {max(free_s, 0.0):.1f} s, a candidate takes {candidate_s:.1f} s, {made} made"
    if affordable:
        return Decision(Action.ANOTHER, times)
    if best is None:
        return Decision(Action.SKIP, f"no candidate could be made; {times}")
    chance = accept_probability(best.value, assignment.threshold)
    scores = f"best score {best.value:.4f}, threshold {assignment.threshold:.4f}, P(accept) {chance:.2f}"
    if best.value < limits.min_score:
        return Decision(Action.SKIP, f"{scores}; below our minimum of {limits.min_score:.4f}; {times}")
    if chance <= MIN_ACCEPT_PROBABILITY:
        return Decision(Action.SKIP, f"{scores}; a rejection costs two more cycles; {times}")
    return Decision(Action.SUBMIT, f"{scores}; {times}")
