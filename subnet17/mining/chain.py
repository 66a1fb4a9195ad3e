"""Who is on the subnet, and a static file that tells it.

Covers: which neurons are validators we may ask, whether our own hotkey is registered, whether the network
is public. Does not cover: the real chain (metagraph.py), our own place (seat.py), whom to ask next
(validators.py).
"""

from __future__ import annotations

import difflib
import functools
import ipaddress
import json
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from subnet17.errors import ConfigError
from subnet17.log import get_logger
from subnet17.settings import NetworkTable

log = get_logger()

STATIC_REFRESH_S = 2.0
STATIC_PREFIX = "static:"
NETWORKS = ("archive", "finney", "latent-lite", "local", "test")
"""Those that bittensor knows by name: its own list, without the second that its import takes."""


class Neuron(BaseModel):
    """A peer of the subnet. What a chain does not tell is None.

    Attributes:
        incentive: Share of the miners' reward, 0..1.
        emission: The subnet's own tokens of the last epoch.
        pruning_score: Who has the least loses its place first.
        registered_block: Begin of its immunity.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    uid: int = Field(ge=0)
    hotkey: str = Field(min_length=1, max_length=128)
    ip: str
    port: int
    stake: float = Field(0.0, allow_inf_nan=False)
    is_serving: bool = False
    incentive: float | None = Field(None, allow_inf_nan=False)
    emission: float | None = Field(None, allow_inf_nan=False)
    pruning_score: float | None = Field(None, allow_inf_nan=False)
    validator_permit: bool | None = None
    registered_block: int | None = Field(None, ge=0)

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


@functools.lru_cache(4096)  # asked of every neuron before each pull
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


class ChainFacts(BaseModel):
    """What is true of the whole subnet at one look. None: not told.

    Attributes:
        read_at_s: When, in Unix seconds.
        block: The chain's newest block then.
        immunity_blocks: How long a newcomer can't lose its place.
        max_neurons: Places on the subnet; while some are free nobody loses one.
    """

    model_config = ConfigDict(frozen=True)

    read_at_s: float | None = Field(None, allow_inf_nan=False)
    block: int | None = Field(None, ge=0)
    immunity_blocks: int | None = Field(None, ge=0)
    max_neurons: int | None = Field(None, ge=0)


class ChainView(Protocol):
    """Where neurons come from."""

    @property
    def refresh_s(self) -> float:
        """How long to wait before the next read, by the outcome of the last one."""

    @property
    def names(self) -> tuple[str, ...]:
        """What tells this network from others on this machine (claim.py)."""

    @property
    def facts(self) -> ChainFacts:
        """What goes with the neurons of the last read."""

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
        path: A list of {"uid", "hotkey", "ip", "port", "stake", "is_serving"}, and what else `Neuron` takes.
        loopback_only: Refuse a file that names another machine (a development key is in use).

    Raises:
        ConfigError: the file can't be used at the start. Later a broken file keeps the last good one.
    """

    refresh_s = STATIC_REFRESH_S
    facts = ChainFacts()

    def __init__(self, path: Path, *, loopback_only: bool = False) -> None:
        self._path = path
        self._loopback_only = loopback_only
        self._stamp = self._stat()
        self._neurons = self._load()

    @property
    def is_public(self) -> bool:
        return not all(n.is_loopback for n in self._neurons)

    @property
    def names(self) -> tuple[str, ...]:
        """The file, and whom it lists: a copy of it is the same network."""
        listed = sorted(f"{n.hotkey}@{n.address}" for n in self._neurons if n.is_serving)
        file = f"file {self._path.resolve()}"
        return (file, f"validators {' '.join(listed)}") if listed else (file,)

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


def open_chain(
    network: NetworkTable, *, loopback_only: bool = False, folder: Path | None = None
) -> ChainView:
    """The chain that the settings name.

    Args:
        folder: Where the last good metagraph is kept; None: nowhere.

    Raises:
        ConfigError: an unknown kind or network, or a file that can't be used.
    """
    if network.chain == "bittensor":
        _check_name(network.chain_endpoint or network.subtensor_network)
        from subnet17.mining.metagraph import BittensorChain  # noqa: PLC0415 - it needs what stands here

        return BittensorChain(network, folder=folder)
    if network.chain.startswith(STATIC_PREFIX):
        path = Path(network.chain.removeprefix(STATIC_PREFIX)).expanduser()
        return StaticChain(path, loopback_only=loopback_only)
    raise ConfigError(f"chain is {network.chain!r}, expected bittensor or static:FILE", key="chain")


def _check_name(network: str) -> None:
    """Raises `ConfigError` for a name that bittensor would take for a host's."""
    if network in NETWORKS or any(mark in network for mark in ".:/"):
        return
    nearest = difflib.get_close_matches(network, NETWORKS, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(NETWORKS)}."
    raise ConfigError(
        f"no network is called {network!r} (network.subtensor_network); {hint} "
        "A node of your own is named by its address: ws://127.0.0.1:9944",
        key="subtensor_network",
    )
