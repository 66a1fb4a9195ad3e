"""Our place on the subnet: registered, immune, how many would lose theirs before us; told when it changes.

A full subnet gives a newcomer the place of whoever has the lowest pruning score outside immunity; among
equals the earliest registered goes first, then the lowest uid. Not covered: the subnet owner's keys, which
can't lose theirs (so one or two more than counted here may stand between us and the door).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from subnet17.log import get_logger
from subnet17.mining.chain import ChainFacts, Neuron

log = get_logger()

BLOCK_S = 12.0
NEAR_BOTTOM = 10
"""Fewer would go before us: on a busy day that many newcomers register."""
WARN_BLOCKS = 7200
"""A day: time enough to earn something before immunity ends."""
REPEAT_S = 3600.0
"""What lasts is told again: a danger, and that the place is lost."""


@dataclass(frozen=True)
class Seat:
    """Where a hotkey stands. None: the chain does not tell.

    Attributes:
        registered: None also where absence proves nothing.
        immune_blocks: Left of the immunity; 0 when it is over.
        before_us: Neurons that would lose their place before us.
        free: Places that nobody has: while there are any, nobody loses one.
    """

    registered: bool | None
    uid: int | None = None
    immune_blocks: int | None = None
    before_us: int | None = None
    free: int | None = None

    @property
    def danger(self) -> str:
        """Why the place may be lost soon; empty when it is safe, or when that can't be told."""
        if self.before_us is None or self.before_us >= NEAR_BOTTOM or self.free:
            return ""
        place = f"only {self.before_us} neurons would lose their place before ours"
        if not self.immune_blocks:
            return f"{place}, and we are not immune: the next {self.before_us + 1} registrations remove us"
        if self.immune_blocks > WARN_BLOCKS:
            return ""
        hours = self.immune_blocks * BLOCK_S / 3600
        return f"{place}, and our immunity ends in {hours:.1f} h"

    def as_json(self) -> dict[str, Any]:
        """For the status page."""
        return {**vars(self), "danger": self.danger}


def seat_of(neurons: tuple[Neuron, ...], facts: ChainFacts, *, hotkey: str, registered: bool | None) -> Seat:
    """The seat of a hotkey.

    Args:
        neurons: All of the subnet.
        registered: As the chain view says.
    """
    own = next((n for n in neurons if n.hotkey == hotkey), None)
    if own is None:
        return Seat(registered)
    return Seat(
        registered,
        uid=own.uid,
        immune_blocks=_immune_blocks(own, facts),
        before_us=_before(own, neurons, facts),
        free=None if facts.max_neurons is None else max(0, facts.max_neurons - len(neurons)),
    )


def _immune_blocks(neuron: Neuron, facts: ChainFacts) -> int | None:
    if neuron.registered_block is None or facts.block is None or facts.immunity_blocks is None:
        return None
    return max(0, neuron.registered_block + facts.immunity_blocks - facts.block)


def _before(own: Neuron, neurons: tuple[Neuron, ...], facts: ChainFacts) -> int | None:
    """How many would go before us if we were not immune."""
    if own.pruning_score is None:
        return None
    return sum(_key(n) < _key(own) for n in neurons if n is not own and not _immune_blocks(n, facts))


def _key(neuron: Neuron) -> tuple[float, int, int]:
    """Who has the least goes first. One whose score is not told counts as safe."""
    score = float("inf") if neuron.pruning_score is None else neuron.pruning_score
    return score, neuron.registered_block or 0, neuron.uid


class SeatWatch:
    """Tells changes of our seat: loudly, with what to do.

    Args:
        hint: How to register.
    """

    def __init__(self, *, hint: str) -> None:
        self.seat = Seat(None)
        self._hint = hint
        self._told = ""
        self._told_s = 0.0
        self._lost = ""
        self._told_lost_s = 0.0

    def update(self, seat: Seat, *, now_s: float) -> None:
        """Takes the seat of the last look at the chain.

        Args:
            now_s: Monotonic.
        """
        before, self.seat = self.seat, seat
        if seat.registered is False:
            self._tell_lost(before, now_s)
        elif seat.registered and before.registered is not True:
            log.info("registered", **vars(seat))
        elif before.uid is not None and seat.uid is not None and before.uid != seat.uid:
            log.warning("registered anew", uid=seat.uid, before=before.uid)
        self._tell_danger(seat, now_s)

    def _tell_lost(self, before: Seat, now_s: float) -> None:
        is_news = before.registered is not False
        if is_news:
            deregistered = "DEREGISTERED: the hotkey has lost its place on the subnet"
            self._lost = deregistered if before.uid is not None else "NOT REGISTERED on the subnet"
        if is_news or now_s - self._told_lost_s >= REPEAT_S:
            log.error(self._lost, fix=self._hint)
            self._told_lost_s = now_s

    def _tell_danger(self, seat: Seat, now_s: float) -> None:
        danger = seat.danger
        if danger and (not self._told or now_s - self._told_s >= REPEAT_S):
            log.error(
                "our place on the subnet is in danger",
                reason=danger,
                fix="earn more: see the scores, skips and rejections on the status page",
            )
            self._told_s = now_s
        elif self._told and not danger:
            log.info("our place on the subnet is safe again", before_us=seat.before_us)
        self._told = danger
