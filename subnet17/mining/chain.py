"""Who is on the subnet: from a static file, or from the chain through bittensor.

Covers: which neurons are validators we may ask, whether our own hotkey is registered, whether the network
is public. Does not cover: whom to ask next (validators.py).
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from subnet17.errors import ConfigError, PeerError, PeerTimeoutError
from subnet17.log import get_logger
from subnet17.settings import NetworkTable

log = get_logger()

FETCH_TIMEOUT_S = 90.0
STATIC_REFRESH_S = 2.0
STATIC_PREFIX = "static:"
PRIVATE_NETWORKS = frozenset({"local"})
"""Subtensor networks whose validators may live on private or loopback addresses."""

T = TypeVar("T")


class Neuron(BaseModel):
    """A peer of the subnet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    uid: int = Field(ge=0)
    hotkey: str = Field(min_length=1, max_length=128)
    ip: str
    port: int
    stake: float = Field(0.0, allow_inf_nan=False)
    is_serving: bool = False

    @property
    def address(self) -> str:
        """`ip:port`, as in a URL."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it lives on this machine."""
        address = _address_of(self.ip)
        return address is not None and address.is_loopback

    @property
    def has_sane_address(self) -> bool:
        """Whether its address can be one host's."""
        address = _address_of(self.ip)
        if address is None or not 0 < self.port < 2**16:
            return False
        return not (address.is_unspecified or address.is_multicast or address.is_link_local)

    @property
    def has_public_address(self) -> bool:
        """Whether it can be reached from anywhere: a chain must not steer us at our own network."""
        address = _address_of(self.ip)
        return self.has_sane_address and address is not None and address.is_global


def _address_of(ip: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(ip)
    except ValueError:
        return None


def select_validators(
    neurons: tuple[Neuron, ...], *, own_hotkey: str, min_stake: float
) -> tuple[Neuron, ...]:
    """The neurons that may give us tasks: serving, staked, reachable, not ourselves; one per hotkey."""
    chosen = {
        n.hotkey: n
        for n in neurons
        if n.is_serving and n.stake >= min_stake and n.hotkey != own_hotkey and n.has_sane_address
    }
    return tuple(chosen.values())


class ChainView(Protocol):
    """Where neurons come from."""

    refresh_s: float

    @property
    def is_public(self) -> bool:
        """Whether results go to anyone but this machine. Unknown counts as public."""

    async def read(self) -> tuple[Neuron, ...]:
        """The neurons now, or the last good ones.

        Raises:
            PeerError: there never were any good ones.
        """

    def is_registered(self, hotkey: str) -> bool | None:
        """Whether a hotkey is on the subnet, by the last read; None when that can't be told."""


class StaticChain:
    """Neurons from a JSON file, read again when it changes.

    Args:
        path: A list of {"uid", "hotkey", "ip", "port", "stake", "is_serving"}.
        loopback_only: Refuse a file that names another machine (a development key is in use).

    Raises:
        ConfigError: the file can't be used at the start. Later a broken file keeps the last good one.
    """

    refresh_s = STATIC_REFRESH_S

    def __init__(self, path: Path, *, loopback_only: bool = False) -> None:
        self._path = path
        self._loopback_only = loopback_only
        self._stamp = self._stat()
        self._neurons = self._load()

    @property
    def is_public(self) -> bool:
        return not all(n.is_loopback for n in self._neurons)

    async def read(self) -> tuple[Neuron, ...]:
        stamp = self._stat()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._neurons = self._load()
                log.info("chain file read", path=str(self._path), neurons=len(self._neurons))
            except ConfigError as error:
                log.warning("chain file is broken, keeping the last good one", reason=error.message)
        return self._neurons

    def is_registered(self, hotkey: str) -> bool | None:
        # A hand-written list may hold validators only, so absence proves nothing.
        return True if any(n.hotkey == hotkey for n in self._neurons) else None

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def _load(self) -> tuple[Neuron, ...]:
        try:
            tree = json.loads(self._path.read_bytes())
            neurons = tuple(TypeAdapter(list[Neuron]).validate_python(tree))
        except OSError as error:
            raise ConfigError(f"can't read {self._path}: {error.strerror}", file=str(self._path)) from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"{self._path}: {where}: {first['msg']}", file=str(self._path)) from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{self._path} is not valid JSON: {error}", file=str(self._path)) from None
        if self._loopback_only and (far := [n.address for n in neurons if not n.is_loopback]):
            raise ConfigError(f"{self._path} names {far[0]}, a development key stays on this machine")
        return neurons


class BittensorChain:
    """Neurons from the subnet's metagraph.

    Args:
        network: Network name or endpoint, netuid and refresh interval.
        fetch: Returns a metagraph: blocking, may hang. None: bittensor's own.
        timeout_s: Hard limit for one fetch.
    """

    is_public = True

    def __init__(
        self,
        network: NetworkTable,
        *,
        fetch: Callable[[], Any] | None = None,
        timeout_s: float = FETCH_TIMEOUT_S,
    ) -> None:
        self.refresh_s: float = network.metagraph_refresh_s
        self._network = network
        self._fetch = fetch or self._fetch_metagraph
        self._thread = _OneThread(timeout_s)
        self._neurons: tuple[Neuron, ...] | None = None

    async def read(self) -> tuple[Neuron, ...]:
        try:
            neurons = neurons_of(await self._thread.call(self._fetch))
            self._neurons = tuple(n for n in neurons if self._may_contact(n))
        except Exception as error:
            # Substrate clients raise whatever their sockets raise: none of it may stop the mining.
            if self._neurons is None:
                raise PeerError(f"the chain can't be read: {type(error).__name__} {error}"[:300]) from error
            log.warning("chain can't be read, keeping the last neurons", reason=str(error)[:200])
        return self._neurons

    def is_registered(self, hotkey: str) -> bool | None:
        return None if self._neurons is None else any(n.hotkey == hotkey for n in self._neurons)

    def _may_contact(self, neuron: Neuron) -> bool:
        private = self._network.subtensor_network in PRIVATE_NETWORKS
        return private or not neuron.is_serving or neuron.has_public_address

    def _fetch_metagraph(self) -> Any:
        import bittensor as bt  # noqa: PLC0415 - heavy, and only this chain needs it

        where = self._network.chain_endpoint or self._network.subtensor_network
        with bt.Subtensor(network=where) as subtensor:
            return subtensor.metagraph(self._network.netuid)


def neurons_of(metagraph: Any) -> tuple[Neuron, ...]:
    """The neurons in a metagraph: parallel sequences `uids`, `hotkeys`, `S` (stake) and `axons`.

    A neuron that makes no sense is left out, so that one odd entry can't hide the others.
    """
    neurons = []
    for uid, hotkey, stake, axon in zip(
        metagraph.uids, metagraph.hotkeys, metagraph.S, metagraph.axons, strict=True
    ):
        try:
            neuron = Neuron(
                uid=int(uid),
                hotkey=hotkey,
                ip=str(axon.ip),
                port=int(axon.port),
                stake=float(stake),
                is_serving=bool(axon.is_serving),
            )
        except (ValidationError, ValueError) as error:
            log.debug("odd neuron left out", uid=str(uid), reason=str(error)[:100])
            continue
        neurons.append(neuron)
    return tuple(neurons)


class _OneThread:
    """Runs blocking calls in a daemon thread, one at a time: a stuck one neither piles up nor blocks exit."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._idle = threading.Event()  # not is_alive(): a thread outlives its answer by a moment
        self._idle.set()

    async def call(self, function: Callable[[], T]) -> T:
        if not self._idle.is_set():
            raise PeerTimeoutError("the last read is still stuck")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def finish(result: T | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            try:
                outcome: tuple[T | None, Exception | None] = (function(), None)
            except Exception as error:
                outcome = (None, error)
            self._idle.set()
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish, *outcome)

        self._idle.clear()
        threading.Thread(target=run, name="metagraph", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await future
        except TimeoutError:
            raise PeerTimeoutError(f"no answer within {self._timeout_s:g} s") from None


def open_chain(network: NetworkTable, *, loopback_only: bool = False) -> ChainView:
    """The chain that the settings name.

    Raises:
        ConfigError: an unknown kind, or a file that can't be used.
    """
    if network.chain == "bittensor":
        return BittensorChain(network)
    if network.chain.startswith(STATIC_PREFIX):
        path = Path(network.chain.removeprefix(STATIC_PREFIX)).expanduser()
        return StaticChain(path, loopback_only=loopback_only)
    raise ConfigError(f"chain is {network.chain!r}, expected bittensor or static:FILE", key="chain")
