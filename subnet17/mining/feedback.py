"""What a validator's answer to a submit means, and the prices that it is read by.

A feedback being there does not mean acceptance. The rules, in this order:
    fidelity > 0                             accepted
    validation_failed                        the validator's own fault: no penalty, no reward
    fidelity 0, cooldown about C + 600 s     rejected: below the threshold, or a bad signature
    fidelity 0, cooldown in the past         ignored (validation lock, or another task id): keep the result
    fidelity 0, a normal cooldown            a skip, or a result that was already paid; unpaid where a result
                                             was sent once only
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from subnet17.mining.protocol import SubmitResults


@dataclass(frozen=True)
class Prices:
    """The subnet's time constants, seconds. A local subnet may run them faster.

    Attributes:
        cooldown_s: From an assignment to the next one, at the least.
        penalty_s: Added by a rejection.
        resend_s: Longer than the validation lock; before it a second submit is ignored.
        pull_timeout_wait_s: Rest for a validator that did not answer a pull.
        unregistered_s: What a validator tells a hotkey it does not know.
    """

    cooldown_s: float = 300.0
    penalty_s: float = 600.0
    resend_s: float = 31.0
    pull_timeout_wait_s: float = 300.0
    unregistered_s: float = 3600.0

    def scaled(self, factor: float) -> Prices:
        """All of them times a factor."""
        return Prices(*(value * factor for value in vars(self).values()))


class Verdict(StrEnum):
    """What became of a submission."""

    ACCEPTED = "accepted"
    VALIDATOR_FAULT = "validator_fault"
    REJECTED = "rejected"
    IGNORED_KEEP = "ignored_keep"
    SKIP_OR_DUPLICATE = "skip_or_duplicate"
    UNPAID = "unpaid"

    @property
    def is_final(self) -> bool:
        """Whether the validator is done with the task."""
        return self is not Verdict.IGNORED_KEEP


UNPAID = frozenset({Verdict.VALIDATOR_FAULT, Verdict.UNPAID})
"""A result brought neither a reward nor a rejection, and that is not our doing."""


def read_verdict(
    answer: SubmitResults, *, validator_now_s: float, prices: Prices, is_first_result: bool = False
) -> Verdict:
    """The verdict in an answer.

    Args:
        answer: The validator's reply.
        validator_now_s: Unix seconds on the validator's clock.
        prices: The border between a normal cooldown and a rejection lies midway between the two.
        is_first_result: It answers a result, and no attempt before this one can have been judged.
    """
    feedback = answer.feedback
    if feedback is not None and feedback.task_fidelity_score > 0:
        return Verdict.ACCEPTED
    if feedback is not None and feedback.validation_failed:
        return Verdict.VALIDATOR_FAULT
    left_s = answer.cooldown_until - validator_now_s
    if left_s > prices.cooldown_s + prices.penalty_s / 2:
        return Verdict.REJECTED
    # Whole seconds and the Date header blur "now" by up to two.
    if left_s <= 0:
        return Verdict.IGNORED_KEEP
    return Verdict.UNPAID if is_first_result else Verdict.SKIP_OR_DUPLICATE
