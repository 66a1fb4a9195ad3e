"""Whom to ask for the next task, when several validators are ready and one slot is free.

The worth. An accepted result counts the same at every validator, one in its sum of four hours; but the chain
weighs a validator's opinion of us by its stake. So an accepted result is worth the validator's share of the
stake. (Consensus cuts weights above the stake-weighted median: an extra result at a big validator may be
worth less than this, never more.)

The price. While a validator waits, each second loses `worth * success_rate * p_accept / cycle_s`; serving it
holds our slot for `pull_s + work_s`: a result that is being judged holds none. Losing least in total means
serving in the order of loss per second over seconds of the slot (Smith's rule), so that is the order.

The owner's validator carries the organic traffic, what the subnet sells. The official miner asks it every
fifth turn; so do we, if it is ready.

Nobody starves: who was passed over `PATIENCE * n` times, n validators being ready, goes first, the longest
passed over before the others. Hence everyone ready is asked within `(PATIENCE + 1) * n` turns, whatever the
figures.

Not covered: who is ready (validators.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

OWNER_EVERY = 5
PATIENCE = 4
LEAST_SHARE = 1e-9


@dataclass(frozen=True)
class Prospect:
    """A validator that may be asked now.

    Attributes:
        name: For people; the uid will do.
        stake: As the chain tells it.
        p_accept: Accepted results per task (`Acceptance.share`).
        cycle_s: From one of its assignments to the next (`Acceptance.cycle_s`).
        pull_s: How long its pull takes.
        success_rate: Share of its calls that work: a moving average, 1 before the first (`book.SMOOTHING`).
        work_s: How long our slot is busy with a task once it was pulled.
        ready_for_s: How long it has been ready; only settles ties.
        passed_over: Choices since it was last chosen in which it was ready and another was taken. The caller
            counts: one more for each ready validator that was not chosen, 0 for the chosen one.
    """

    hotkey: str
    name: str = ""
    stake: float = 0.0
    p_accept: float = 1.0
    cycle_s: float = 300.0
    pull_s: float = 0.0
    success_rate: float = 1.0
    work_s: float = 30.0
    is_owner: bool = False
    ready_for_s: float = 0.0
    passed_over: int = 0

    def loss_per_s(self, total_stake: float) -> float:
        """What each second of its waiting loses, in accepted results of a validator with all the stake."""
        share = max(self.stake / total_stake if total_stake > 0 else 1.0, LEAST_SHARE)
        return share * self.success_rate * self.p_accept / max(self.cycle_s, 1.0)

    @property
    def slot_s(self) -> float:
        """How long our slot is held by a turn with it."""
        return max(self.pull_s + self.work_s, 0.1)


@dataclass(frozen=True)
class Choice:
    """Whom to ask, and why, for people."""

    hotkey: str
    reason: str


Chooser = Callable[[Sequence[Prospect], int, int], Choice]
"""A rule of choice: of `choose`'s prospects, turn and seed."""


def choose(prospects: Sequence[Prospect], turn: int, seed: int = 0) -> Choice:
    """Whom to ask now.

    Args:
        prospects: All that are ready; at least one.
        turn: Counts the choices from 1.
        seed: Settles what is equal in everything.

    Raises:
        ValueError: nobody is ready.
    """
    if not prospects:
        raise ValueError("nobody to choose from: no validator is ready")
    total = sum(p.stake for p in prospects)

    def urgency(p: Prospect) -> tuple[float, float, bytes]:
        return p.loss_per_s(total) / p.slot_s, p.ready_for_s, _lot(seed, turn, p.hotkey)

    starving = max(prospects, key=lambda p: (p.passed_over, urgency(p)))
    if starving.passed_over >= PATIENCE * len(prospects):
        return Choice(
            starving.hotkey, f"passed over {starving.passed_over} times; {_figures(starving, total)}"
        )
    owner = next((p for p in prospects if p.is_owner), None)
    if owner is not None and turn % OWNER_EVERY == 0:
        return Choice(owner.hotkey, f"the owner's turn, one of {OWNER_EVERY}; {_figures(owner, total)}")
    best = max(prospects, key=urgency)
    return Choice(best.hotkey, f"most lost by waiting, of {len(prospects)} ready; {_figures(best, total)}")


def _figures(p: Prospect, total_stake: float) -> str:
    share = p.stake / total_stake if total_stake > 0 else 0.0
    return (
        f"stake share {share:.3f}, P(accept) {p.p_accept:.2f}, calls that work {p.success_rate:.2f}, "
        f"cycle {p.cycle_s:.0f} s, holds a slot {p.slot_s:.1f} s"
    )


def _lot(seed: int, turn: int, hotkey: str) -> bytes:
    return hashlib.sha256(f"{seed}/{turn}/{hotkey}".encode()).digest()
