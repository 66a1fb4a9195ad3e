"""Decisions under the protocol's prices: which seed, submit or not, one more candidate or not.

The prices, in seconds and accepted results. With C the cooldown (300 s), T the free time (30 s), P the
penalty (600 s) and t the seconds from the assignment to the verdict, a validator gives the next task

    max(t, T) + C - T        after an accepted result or a skip: 300 s, and one for each second beyond T
    max(t, T) + C - T + P    after a rejection.

A second of a validator's time is worth r, the accepted results that it brings per second
(`Acceptance.second_price`; at the most 1/C). Over what a skip brings, a submit with P(accept) = p brings

    worth(p) = p - r P (1 - p),   positive where p > line = r P / (1 + r P).

Where everything is accepted, r = 1/300 and the line is 2/3. Where a second brings less, a rejection loses
less: with p = 0.6 whatever is made, r = 0.6 / (300 + 0.4 * 600) = 1/900, the line is 0.4, and submitting
beats skipping for ever.

One more candidate costs `others_waiting * r * candidate_s` (other validators wait for our slot) and, of what
ends beyond T, a further r per second. It brings the expected rise of the worth, over what it may score
(draws.py). In free time with nobody waiting it costs nothing: quality above the threshold pays through duels.
That gain is an assumption (`quality_worth`), so it never buys seconds beyond T: these are spent only while
the best is not fit to be submitted, up to `retry_s` of them. Each look is one candidate ahead, which is the
best rule there is when the gain of further candidates only falls.

Not covered: electricity; what rejections do to a duel rating.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from subnet17.mining.acceptance import Acceptance
from subnet17.mining.draws import Draw, Draws
from subnet17.mining.feedback import Prices
from subnet17.mining.tasks import Assignment, Score

SUBMIT_MARGIN_S = 1.0
"""Kept of the free time for encoding, signing and the way to the validator."""
SEED_MASK = 2**31 - 1


def seed_for(hotkey: str, task_id: str, index: int) -> int:
    """The seed of a task's candidate: 31 bits, ours alone, the same after a restart.

    Two miners may get one task, and identical renders are not judged: so the hotkey is part of it.
    """
    digest = hashlib.sha256(f"{hotkey}/{task_id}/{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & SEED_MASK


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
        enough_score: From it on no further candidate is made, if it is fit to be submitted.
        retry_s: Beyond the free time, spent on a task that has nothing fit to be submitted.
        quality_worth: Accepted results that an accepted score higher by 1 is worth. An assumption: 0.1 more
            wins six duels of ten instead of five: 70 points of Glicko on 1500, 5 % of the reward.
    """

    min_score: float
    max_candidates: int
    enough_score: float = 0.95
    retry_s: float = 60.0
    quality_worth: float = 0.5


@dataclass(frozen=True)
class Outlook:
    """What the decision on one task is made by.

    Attributes:
        chance: P(its validator accepts) of a local score.
        second_price: Accepted results that a second of its validator's time brings.
        penalty_s: Of a rejection.
        next_score: What one more candidate may score.
        others_waiting: Ready validators without a slot, for each of our slots.
    """

    chance: Callable[[float], float]
    second_price: float
    penalty_s: float
    next_score: Draw
    others_waiting: float = 0.0

    @property
    def line(self) -> float:
        """P(accept) from which a submit is worth more than a skip."""
        price = self.second_price * self.penalty_s
        return price / (1.0 + price)

    def worth(self, score: float, threshold: float, limits: Limits, *, quality_worth: float = 0.0) -> float:
        """Accepted results that having this score brings more than a skip; never negative: one may skip."""
        if score < limits.min_score:
            return 0.0
        p = self.chance(score)
        paid = p * (1.0 + quality_worth * (score - threshold))
        return max(0.0, paid - self.second_price * self.penalty_s * (1.0 - p))


def outlook_of(
    assignment: Assignment,
    seen: Sequence[float],
    *,
    acceptance: Acceptance,
    draws: Draws,
    prices: Prices,
    scorer: str = "",
    others_waiting: float = 0.0,
) -> Outlook:
    """What is known for the decision on a task.

    Args:
        seen: The scores of its candidates so far.
        scorer: Which scorer gave them.
    """
    validator, threshold = assignment.validator, assignment.threshold
    return Outlook(
        chance=lambda score: acceptance.probability(validator, score, threshold, scorer=scorer),
        second_price=acceptance.second_price(
            validator, cooldown_s=prices.cooldown_s, penalty_s=prices.penalty_s
        ),
        penalty_s=prices.penalty_s,
        next_score=draws.next(seen),
        others_waiting=others_waiting,
    )


def decide(
    assignment: Assignment,
    best: Score | None,
    *,
    made: int,
    elapsed_s: float,
    candidate_s: float,
    limits: Limits,
    outlook: Outlook | None = None,
    candidate_late_s: float | None = None,
) -> Decision:
    """Submit the best so far, make another, or skip.

    Args:
        best: Score of the best candidate; None when none could be made.
        made: Candidates tried so far, failures included.
        elapsed_s: Since the assignment.
        candidate_s: What one more candidate takes, generation and validation, on average; infinite when none
            may be started.
        outlook: None for what is known of a validator never met.
        candidate_late_s: What it takes at the most, nearly always; None for `candidate_s`.
    """
    view = outlook or _unknown(assignment, best)
    free_s = assignment.throttle_s - SUBMIT_MARGIN_S - elapsed_s
    late_s = candidate_s if candidate_late_s is None else max(candidate_s, candidate_late_s)
    times = f"free time {max(free_s, 0.0):.1f} s, a candidate takes {candidate_s:.1f} s, {made} made"
    may = made < limits.max_candidates and math.isfinite(late_s)
    fits = may and late_s <= free_s
    if best is None:
        return (
            Decision(Action.ANOTHER, times)
            if fits
            else Decision(Action.SKIP, f"no candidate could be made; {times}")
        )
    chance = view.chance(best.value)
    fit = best.value >= limits.min_score and chance > view.line
    told = (
        f"best score {best.value:.4f}, threshold {assignment.threshold:.4f}, "
        f"P(accept) {chance:.2f} (worth it above {view.line:.2f})"
    )
    if fit and best.value >= limits.enough_score:
        return Decision(Action.SUBMIT, f"{told}; good enough; {times}")
    if fits or (may and not fit and late_s <= free_s + limits.retry_s):
        gain, cost = _gain_and_cost(
            view, best.value, assignment.threshold, limits, candidate_s, free_s, fits=fits
        )
        told += f"; one more would bring {gain:.4f} and cost {cost:.4f} accepted results"
        if gain > cost:
            return Decision(Action.ANOTHER, f"{told}; {times}")
    if fit:
        return Decision(Action.SUBMIT, f"{told}; {times}")
    if best.value < limits.min_score:
        told += f"; below our minimum of {limits.min_score:.4f}"
    return Decision(Action.SKIP, f"{told}; {times}")


def _gain_and_cost(
    view: Outlook,
    best: float,
    threshold: float,
    limits: Limits,
    candidate_s: float,
    free_s: float,
    *,
    fits: bool,
) -> tuple[float, float]:
    """Of one more candidate, in accepted results."""
    quality_worth = limits.quality_worth if fits else 0.0

    def worth(score: float) -> float:
        return view.worth(score, threshold, limits, quality_worth=quality_worth)

    now = worth(best)
    values = view.next_score.values
    gain = sum(max(0.0, worth(value) - now) for value in values) / len(values)
    paid_s = 0.0 if fits else candidate_s - max(free_s, 0.0)
    return gain, view.second_price * (max(paid_s, 0.0) + view.others_waiting * candidate_s)


def _unknown(assignment: Assignment, best: Score | None) -> Outlook:
    seen = [best.value] if best else []
    return outlook_of(assignment, seen, acceptance=Acceptance(), draws=Draws(), prices=Prices())
