"""What the miner has learned of validators and of its own candidates, and the outlook on a task from it.

Covers: feeding verdicts and scores to the models, also those of earlier runs. Does not cover: the models
(acceptance.py, draws.py) and the decision (strategy.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from subnet17.mining.acceptance import Acceptance, Outcome
from subnet17.mining.draws import Draws
from subnet17.mining.feedback import UNPAID, Prices, Verdict
from subnet17.mining.journal import Journal
from subnet17.mining.strategy import Outlook, outlook_of
from subnet17.mining.tasks import Assignment, Submission


class Experience:
    """See the module."""

    def __init__(self, prices: Prices) -> None:
        self.acceptance = Acceptance()
        self._draws = Draws()
        self._prices = prices

    async def recall(self, journal: Journal) -> None:
        """Takes in what earlier runs saw."""
        for one in await journal.judgements():
            self._observe(one.validator, one.verdict, one.score, one.threshold, one.fidelity, one.scorer)
        for scores in await journal.scores():
            self._draws.observe(scores)

    def judged(self, submission: Submission, verdict: Verdict, fidelity: float | None) -> None:
        """A validator was done with a task."""
        task = submission.assignment
        score = None if submission.is_skip else submission.score
        self._observe(task.validator, verdict, score, task.threshold, fidelity, submission.scorer)

    def made(self, scores: Sequence[float]) -> None:
        """All candidates of a task were made."""
        self._draws.observe(scores)

    def accept_chance(self, submission: Submission) -> float:
        """How likely what was handed in costs no penalty; a skip never does."""
        assignment = submission.assignment
        if submission.is_skip or submission.score is None:
            return 1.0
        return self.acceptance.probability(
            assignment.validator, submission.score, assignment.threshold, scorer=submission.scorer
        )

    def outlook(
        self, assignment: Assignment, seen: Sequence[float], *, scorer: str, others_waiting: float
    ) -> Outlook:
        """What is known for the decision on a task.

        Args:
            seen: The scores of its candidates so far.
            scorer: Which scorer gave them.
            others_waiting: Ready validators without a place, for each of our places.
        """
        return outlook_of(
            assignment,
            seen,
            acceptance=self.acceptance,
            draws=self._draws,
            prices=self._prices,
            scorer=scorer,
            others_waiting=others_waiting,
        )

    def _observe(
        self,
        validator: str,
        verdict: str,
        score: float | None,
        threshold: float,
        fidelity: float | None,
        scorer: str | None,
    ) -> None:
        """Faults of a validator and unpaid results tell nothing of its scores, only of what it pays.

        Results that it paid before tell nothing at all.
        """
        told = fidelity or 0.0 if verdict == Verdict.ACCEPTED else 0.0
        is_skip = verdict == Verdict.SKIP_OR_DUPLICATE and score is None
        if is_skip or (score is not None and verdict in {Verdict.ACCEPTED, Verdict.REJECTED}):
            outcome = Outcome(score=score, threshold=threshold, fidelity=told, scorer=scorer or "")
            self.acceptance.observe(validator, outcome)
        elif score is not None and verdict in UNPAID:
            unpaid = Outcome(score=None, threshold=threshold, scorer=scorer or "", is_unpaid=True)
            self.acceptance.observe(validator, unpaid)
