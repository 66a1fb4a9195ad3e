"""The neurons as the chain tells them; the last good ones outlive the chain and the process.

Covers: what is read, what is kept on disk and used while the chain is out. Does not cover: reads that hang
(patience.py), what the neurons mean for us (seat.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from subnet17.errors import PeerError
from subnet17.log import get_logger
from subnet17.mining.chain import ChainFacts, Neuron
from subnet17.mining.patience import Patience
from subnet17.settings import NetworkTable
from subnet17.whole_file import write_whole

log = get_logger()

FETCH_TIMEOUT_S = 90.0
"""A metagraph comes in seconds; on a bad day a node takes a minute."""
HURRIED_TIMEOUT_S = 20.0
"""At a start with a good metagraph on disk: mining should not wait for a chain that is out."""
RETRY_S = 30.0
PRIVATE_NETWORKS = frozenset({"local"})
"""Subtensor networks whose validators may live on private or loopback addresses."""


class Snapshot(BaseModel):
    """One look at a subnet, as kept on disk."""

    network: str
    netuid: int
    facts: ChainFacts
    neurons: tuple[Neuron, ...]


class BittensorChain:
    """Neurons from the subnet's metagraph.

    Args:
        network: Network name or endpoint, netuid and refresh interval.
        folder: Where the last good metagraph is kept; None: nowhere.
        fetch: Returns a metagraph: blocking, may hang. None: bittensor's own.
        timeout_s: Hard limit for one fetch.
        wall_s: Unix seconds, for the age of what is kept.
    """

    is_public = True

    def __init__(
        self,
        network: NetworkTable,
        *,
        folder: Path | None = None,
        fetch: Callable[[], Any] | None = None,
        timeout_s: float = FETCH_TIMEOUT_S,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._network = network
        self._where = network.chain_endpoint or network.subtensor_network
        self._path = folder / f"metagraph-{network.netuid}.json" if folder else None
        self._fetch = fetch or self._fetch_metagraph
        self._timeout_s = timeout_s
        self._wall_s = wall_s
        self._thread = Patience[Snapshot]()
        self._snapshot: Snapshot | None = None
        self._failed = False

    @property
    def refresh_s(self) -> float:
        whole_s = self._network.metagraph_refresh_s
        return min(RETRY_S, whole_s) if self._failed else whole_s

    @property
    def names(self) -> tuple[str, ...]:
        # Not the endpoint: it is one of many doors to the same chain.
        return (f"bittensor {self._network.netuid}",)

    @property
    def facts(self) -> ChainFacts:
        return self._snapshot.facts if self._snapshot else ChainFacts()

    async def read(self) -> tuple[Neuron, ...]:
        saved = self._load() if self._snapshot is None else None
        limit_s = min(HURRIED_TIMEOUT_S, self._timeout_s) if saved else self._timeout_s
        try:
            self._snapshot = await self._thread.call(self._look, limit_s)
            self._failed = False
        except Exception as error:
            # Substrate clients raise whatever their sockets raise: none of it may stop the mining.
            self._failed = True
            self._snapshot = self._snapshot or saved
            if self._snapshot is None:
                why = f"the chain at {self._where} can't be read: {type(error).__name__} {error}"
                raise PeerError(why[:300]) from error
            log.warning(
                "chain can't be read, keeping the last neurons",
                network=self._where,
                age_s=round(self._age_s(self._snapshot)),
                reason=f"{type(error).__name__} {error}"[:200],
            )
        return tuple(n for n in self._snapshot.neurons if self._may_contact(n))

    def is_registered(self, hotkey: str) -> bool | None:
        return None if self._snapshot is None else any(n.hotkey == hotkey for n in self._snapshot.neurons)

    def _may_contact(self, neuron: Neuron) -> bool:
        private = self._network.subtensor_network in PRIVATE_NETWORKS
        return private or not neuron.is_serving or neuron.has_public_address

    def _look(self) -> Snapshot:
        """One whole look; in the thread."""
        metagraph = self._fetch()
        snapshot = Snapshot(
            network=self._where,
            netuid=self._network.netuid,
            facts=facts_of(metagraph, read_at_s=self._wall_s()),
            neurons=neurons_of(metagraph),
        )
        if not snapshot.neurons:
            raise PeerError(f"netuid {self._network.netuid} at {self._where} has no neurons")
        self._save(snapshot)
        return snapshot

    def _fetch_metagraph(self) -> Any:
        import bittensor as bt  # noqa: PLC0415 - heavy, and only this chain needs it

        with bt.Subtensor(network=self._where) as subtensor:
            return subtensor.metagraph(self._network.netuid)

    def _save(self, snapshot: Snapshot) -> None:
        if self._path is None:
            return
        try:
            write_whole(self._path, snapshot.model_dump_json())
        except OSError as error:
            log.warning("the metagraph can't be kept", path=str(self._path), reason=error.strerror)

    def _load(self) -> Snapshot | None:
        """What an earlier run kept, if it is of this network and not too old."""
        if self._path is None:
            return None
        try:
            snapshot = Snapshot.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("the metagraph on disk can't be read", path=str(self._path), reason=str(error)[:200])
            return None
        if (snapshot.network, snapshot.netuid) != (self._where, self._network.netuid):
            return None
        age_s, most_s = self._age_s(snapshot), self._network.metagraph_max_age_s
        if not 0 <= age_s <= most_s:
            log.warning("the metagraph on disk is too old", age_s=round(age_s), allowed_s=most_s)
            return None
        return snapshot

    def _age_s(self, snapshot: Snapshot) -> float:
        return self._wall_s() - (snapshot.facts.read_at_s or 0.0)


def neurons_of(metagraph: Any) -> tuple[Neuron, ...]:
    """The neurons in a metagraph: parallel sequences `uids`, `hotkeys`, `S` (stake) and `axons`, and more.

    A neuron that makes no sense is left out, so that one odd entry can't hide the others.
    """
    neurons = []
    for index, (uid, hotkey, stake, axon) in enumerate(
        zip(metagraph.uids, metagraph.hotkeys, metagraph.S, metagraph.axons, strict=True)
    ):
        block = _value(metagraph, "block_at_registration", index)
        permit = _value(metagraph, "validator_permit", index)
        try:
            neuron = Neuron(
                uid=int(uid),
                hotkey=hotkey,
                ip=str(axon.ip),
                port=int(axon.port),
                stake=float(stake),
                is_serving=bool(axon.is_serving),
                incentive=_value(metagraph, "incentive", index),
                emission=_value(metagraph, "emission", index),
                pruning_score=_value(metagraph, "pruning_score", index),
                validator_permit=None if permit is None else bool(permit),
                registered_block=None if block is None else int(block),
            )
        except (ValidationError, ValueError, TypeError, AttributeError) as error:
            log.debug("odd neuron left out", uid=str(uid), reason=str(error)[:100])
            continue
        neurons.append(neuron)
    return tuple(neurons)


def facts_of(metagraph: Any, *, read_at_s: float) -> ChainFacts:
    """What a metagraph says of the whole subnet; what it does not say is None."""
    params = getattr(metagraph, "hparams", None)
    return ChainFacts(
        read_at_s=read_at_s,
        block=_count(getattr(metagraph, "block", None)),
        immunity_blocks=_count(getattr(params, "immunity_period", None)),
        max_neurons=_count(getattr(metagraph, "max_uids", None)),
    )


def _value(metagraph: Any, name: str, index: int) -> float | None:
    """One number of a sequence that a metagraph may lack, or hold shorter."""
    values: Sequence[Any] | None = getattr(metagraph, name, None)
    try:
        value = float(values[index])  # type: ignore[index]
    except (TypeError, ValueError, IndexError):
        return None
    return value if math.isfinite(value) else None


def _count(value: Any) -> int | None:
    """A whole number, also out of an array of one; None for anything else."""
    try:
        number = int(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError):
        return None
    return number if number >= 0 else None
