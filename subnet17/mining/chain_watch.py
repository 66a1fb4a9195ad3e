"""Reads the chain again and again: who the validators are, whether we are registered, how safe our place is.

Covers: what the miner does with a look at the chain, and why it does not pull when there is none. Does not
cover: where the neurons come from (chain.py, metagraph.py), what a place is worth (seat.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from subnet17.errors import PeerError
from subnet17.log import get_logger
from subnet17.mining.book import ValidatorState
from subnet17.mining.chain import ChainView, Neuron, select_validators
from subnet17.mining.clock import Clock
from subnet17.mining.seat import SeatWatch, seat_of
from subnet17.mining.validators import Roster
from subnet17.settings import Settings

log = get_logger()

RETRY_S = 30.0
NOT_YET = "the chain was not read yet"


class ChainWatch:
    """See the module.

    Args:
        hotkey: Ours.
        on_listed: Told the hotkeys of the validators that may be asked, after each look.

    Attributes:
        neurons: Of the last look, all of the subnet.
        trouble: Why there is none; empty when there is.
        registered: None where that can't be told.
    """

    def __init__(
        self,
        chain: ChainView,
        roster: Roster,
        settings: Settings,
        *,
        hotkey: str,
        clock: Clock,
        on_listed: Callable[[Collection[str]], Awaitable[None]],
    ) -> None:
        self.neurons: tuple[Neuron, ...] = ()
        self.trouble = NOT_YET
        self.registered: bool | None = None
        self._chain = chain
        self._roster = roster
        self._least_stake = settings.miner.min_validator_stake
        self._hotkey = hotkey
        self._clock = clock
        self._on_listed = on_listed
        self._hint = _hint(settings, hotkey)
        self._seat = SeatWatch(hint=self._hint)

    @property
    def reason_not_to_pull(self) -> str:
        """Why no task should be taken on; empty when one may."""
        if self.trouble:
            return self.trouble
        if self.registered is False or self._roster.stopped_s:
            return self._hint
        if not self._roster.listed:
            least = f"{self._least_stake:g} or more ([miner] min_validator_stake)"
            return f"no serving validator with a stake of {least} is listed"
        return ""

    @property
    def serving(self) -> tuple[Neuron, ...]:
        """Of the last look: who can be reached, with less stake than is asked of a validator, too."""
        return select_validators(self.neurons, own_hotkey=self._hotkey, min_stake=0.0)

    def follow(self, settings: Settings) -> None:
        """Takes over the stake that a validator must have, at once for those of the last look."""
        self._least_stake = settings.miner.min_validator_stake
        if not self.trouble:
            self._roster.update(self._validators())

    def _validators(self) -> tuple[Neuron, ...]:
        return select_validators(self.neurons, own_hotkey=self._hotkey, min_stake=self._least_stake)

    async def run(self) -> None:
        """Looks for ever."""
        while True:
            wait_s = self._chain.refresh_s
            try:
                self.neurons = await self._chain.read()
            except PeerError as error:
                self.trouble = error.message
                wait_s = min(wait_s, RETRY_S)
            else:
                await self._take()
                wait_s = self._chain.refresh_s
            await self._clock.sleep(wait_s)

    async def _take(self) -> None:
        self._roster.update(self._validators())
        self.registered = self._chain.is_registered(self._hotkey)
        self.trouble = ""
        if self.registered:
            self._roster.resume_all()
        seat = seat_of(self.neurons, self._chain.facts, hotkey=self._hotkey, registered=self.registered)
        self._seat.update(seat, now_s=self._clock.monotonic_s())
        await self._on_listed({state.neuron.hotkey for state in self._roster.listed})

    def on_unregistered(self, state: ValidatorState, left_s: float) -> None:
        """A validator says that it does not know us, and asks us to stay away for so many seconds."""
        rest_s = self._roster.rest_as_stranger(state)
        if self.registered:  # the chain knows better than one validator, which may lag or lie
            uid = state.neuron.uid
            log.warning("a validator does not know our hotkey yet", validator=uid, rest_s=round(rest_s))
        else:
            self._roster.stop_all(left_s)
            log.error("not registered", validator=state.neuron.uid, fix=self._hint)

    def as_json(self) -> dict[str, Any]:
        """For the status page."""
        return {"registered": self.registered, "seat": self._seat.seat.as_json()}


def _hint(settings: Settings, hotkey: str) -> str:
    miner, network = settings.miner, settings.network
    return (
        f"hotkey {hotkey} is not registered on netuid {network.netuid}: "
        f"btcli subnet register --netuid {network.netuid} "
        f"--wallet.name {miner.wallet_name} --wallet.hotkey {miner.hotkey_name}"
    )
