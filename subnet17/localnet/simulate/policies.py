"""The ways of mining that the simulation compares: one miner, three sets of rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from subnet17.mining.choice import OWNER_EVERY, Choice, Chooser, Prospect, choose


@dataclass(frozen=True, eq=False)
class Policy:
    """A way of mining.

    Attributes:
        miner: Settings of the table [miner] that make it.
        chooser: Whom it asks of those that are ready.
        looks: Whether it scores its own candidates. One that does not is told "1.0" of everything, at once.
    """

    name: str
    title: str
    miner: dict[str, Any] = field(default_factory=dict)
    chooser: Chooser = choose
    looks: bool = True


def take_turns(prospects: Sequence[Prospect], turn: int, _: int = 0) -> Choice:
    """The official miner's choice: one after the other, the owner's validator every fifth time."""
    owner = next((p for p in prospects if p.is_owner), None)
    if owner is not None and turn % OWNER_EVERY == 0:
        return Choice(owner.hotkey, "the owner's turn")
    return Choice(max(prospects, key=lambda p: (p.passed_over, p.hotkey)).hotkey, "next in turn")


OURS = Policy("ours", "this miner, default settings")
OFFICIAL = Policy(
    "official",
    "the official miner's rules: in turn, one candidate, unseen, everything submitted",
    {"max_candidates": 1, "self_validation_min_score": 0.0},
    chooser=take_turns,
    looks=False,
)
SKIPPER = Policy(
    "skipper",
    "one candidate, skipped whenever its own score is below the minimum",
    {"max_candidates": 1},
)
POLICIES = (OURS, OFFICIAL, SKIPPER)
