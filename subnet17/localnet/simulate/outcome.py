"""What became of a day at one validator, from what its rules wrote down."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from subnet17.localnet.ledger import Kind
from subnet17.localnet.rules import Rules
from subnet17.localnet.simulate.tempers import Temper
from subnet17.localnet.simulate.validator import SimulatedValidator
from subnet17.localnet.virtual_time import START_S

HOUR_S = 3600.0
WINDOW_S = 4 * HOUR_S
WARM_UP_S = 300.0
"""One cooldown: at first all validators are ready, and a few slots can't serve all of them at once."""
SAMPLE_S = 600.0
"""Between two looks at the reward."""


@dataclass(frozen=True)
class Outcome:
    """What one validator saw.

    Attributes:
        windows: Accepted results in each whole window of 4 h after the warm-up.
        reward: Accepted results of the last 4 h times the duel rating, averaged after the warm-up.
        rating: The duel rating at the end.
    """

    temper: str
    healthy: bool
    stake: float
    counts: dict[Kind, int]
    bad_signatures: int
    bad_nonces: int
    windows: tuple[int, ...]
    reward: float
    rating: float

    def count(self, kind: Kind) -> int:
        """How often something happened."""
        return self.counts.get(kind, 0)


def outcome_of(validator: SimulatedValidator, temper: Temper, *, hours: float) -> Outcome:
    """Reads a validator's page."""
    page, refused = validator.page, validator.door.refused
    start_s = START_S + validator.skew_s + WARM_UP_S
    accepted = page.entries.get("accepted", [])
    times = [entry.at_s - start_s for entry in accepted]
    ratings = [entry.duel_rating or 0.0 for entry in accepted]
    return Outcome(
        temper=temper.name,
        healthy=temper.healthy,
        stake=validator.neuron.stake,
        counts=dict(page.counts),
        bad_signatures=page.counts.get("bad_signatures", 0) + refused["signature"] + refused["nonce order"],
        bad_nonces=refused["nonce age"],
        windows=windows_of(times, hours * HOUR_S),
        reward=mean_reward(times, ratings, hours * HOUR_S),
        rating=ratings[-1] if ratings else 0.0,
    )


def windows_of(times: list[float], end_s: float) -> tuple[int, ...]:
    """Counts in each whole window. `times` rise."""
    starts = range(0, int(end_s - WINDOW_S) + 1, int(WINDOW_S))
    return tuple(bisect_right(times, start + WINDOW_S) - bisect_right(times, start) for start in starts)


def mean_reward(times: list[float], ratings: list[float], end_s: float) -> float:
    """The reward rule, looked at in even steps."""
    window_s = Rules().reward_window_s
    looks = [SAMPLE_S * n for n in range(1, int(end_s / SAMPLE_S) + 1)]
    seen = [(bisect_right(times, at_s), bisect_right(times, at_s - window_s)) for at_s in looks]
    rewards = [(until - since) * ratings[until - 1] for until, since in seen if until]
    return sum(rewards) / len(looks) if looks else 0.0
