"""What one validator knows of one miner."""

from __future__ import annotations

from pydantic import BaseModel, Field

from subnet17.localnet.ratings import Rating
from subnet17.localnet.rules import (
    Rules,
    average_after,
    cooldown_after_task,
    cooldown_after_violation,
    guard_after_acceptance,
    within_window,
)
from subnet17.mining.protocol import Feedback, Task, TaskField


class Standing(BaseModel):
    """A miner's task, cooldown and record. Kept in the ledger, so it outlives a restart."""

    task: TaskField = None
    title: str = Field("", description="The task's prompt, or what its picture shows.")
    assigned_at_s: float = 0.0
    cooldown_until_s: int = 0
    violations: int = 0
    locked_until_s: float = 0.0
    guard_until_s: int = 0
    accepted_at_s: list[float] = Field(default_factory=list, description="Within the reward window.")
    average_score: float = 1.0
    rating: Rating = Field(default_factory=Rating)

    def assign(self, task: Task, title: str, *, now_s: float) -> None:
        """Gives the miner a task. It stays, with its first time, until it is settled."""
        self.task, self.title, self.assigned_at_s = task, title, now_s

    def violate(self, rules: Rules) -> None:
        """Counts a pull during the cooldown."""
        self.violations += 1
        self.cooldown_until_s = cooldown_after_violation(
            rules, cooldown_until_s=self.cooldown_until_s, violations=self.violations
        )

    def forgive(self) -> None:
        """Takes one violation back: a properly signed submit does that."""
        self.violations = max(0, self.violations - 1)

    def settle(self, rules: Rules, *, now_s: float, penalised: bool) -> None:
        """Ends the task and starts the cooldown."""
        self.cooldown_until_s = cooldown_after_task(
            rules, now_s=now_s, assigned_at_s=self.assigned_at_s, penalised=penalised
        )
        self.task, self.title, self.assigned_at_s = None, "", 0.0

    def accept(self, rules: Rules, score: float, *, now_s: float) -> None:
        """Ends the task with a reward."""
        self.settle(rules, now_s=now_s, penalised=False)
        self.guard_until_s = guard_after_acceptance(rules, now_s=now_s)
        self.accepted_at_s = within_window(rules, [*self.accepted_at_s, now_s], now_s=now_s)
        self.average_score = average_after(rules, average=self.average_score, score=score)

    def feedback(self, rules: Rules, *, now_s: float, score: float, fault: bool) -> Feedback:
        """The reply to a submit; `score` is above 0 only for an accepted result."""
        generations = len(within_window(rules, self.accepted_at_s, now_s=now_s))
        return Feedback(
            validation_failed=fault,
            task_fidelity_score=score,
            average_fidelity_score=self.average_score,
            generations_within_the_window=generations,
            current_duel_rating=self.rating.mean,
            current_miner_reward=generations * self.rating.mean,
        )
