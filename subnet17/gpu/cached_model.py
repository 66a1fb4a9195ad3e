"""One model of the cache: where its weights are and who uses it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from subnet17.gpu.card import Card
from subnet17.gpu.recorded import Recorded
from subnet17.gpu.residency import Residence, ordinary_mode

State = Literal["unloaded", "loading", "host", "moving", "device"]


@dataclass(frozen=True)
class Loaded:
    """What a model's `load` gives.

    Attributes:
        value: What a lease yields: a pipeline, a tuple of modules.
        modules: Whose weights the cache moves. On the CPU or on the device, all surgery done.
        recorded: What was recorded of them, dropped when they leave the device.
    """

    value: Any
    modules: Sequence[nn.Module]
    recorded: Sequence[Recorded] = ()


@dataclass(eq=False)
class CachedModel:
    """A registered model. Its cache's lock guards all but the moves, of which there is one at a time."""

    name: str
    load: Callable[[], Loaded]
    assumed_bytes: int
    value: Any = None
    recorded: Sequence[Recorded] = ()
    residence: Residence | None = None
    doing: Literal["", "loading", "moving"] = ""
    last_use_s: float = 0.0
    holders: Counter[int] = field(default_factory=Counter)

    @property
    def measured(self) -> bool:
        """Whether it is loaded, and so its size known."""
        return self.residence is not None

    @property
    def nbytes(self) -> int:
        """Bytes on the device: measured, or assumed until it is loaded."""
        return self.residence.nbytes if self.residence else self.assumed_bytes

    @property
    def state(self) -> State:
        """Where it is, or what is being done to it."""
        if self.doing:
            return self.doing
        if self.residence is None:
            return "unloaded"
        return "device" if self.residence.in_place else "host"

    @property
    def leases(self) -> int:
        """How many hold it."""
        return self.holders.total()

    @property
    def held_only_by_this_thread(self) -> bool:
        """Whether waiting for a lease to end would be waiting for oneself."""
        return set(self.holders) == {threading.get_ident()}

    def hold(self) -> None:
        """A lease begins."""
        self.holders[threading.get_ident()] += 1

    def release(self, now_s: float) -> None:
        """A lease ends, in the thread that began it or in another."""
        thread = threading.get_ident() if threading.get_ident() in self.holders else next(iter(self.holders))
        self.holders[thread] -= 1
        self.holders += Counter()  # drops zeros
        self.last_use_s = now_s

    def wait(self) -> None:
        """The current stream waits for the weights."""
        if self.residence:
            self.residence.wait()

    def load_weights(self, card: Card) -> None:
        """Reads the model and takes its weights to host memory."""
        with ordinary_mode():
            loaded = self.load()
        self.residence = Residence(loaded.modules, card.device)
        self.value, self.recorded = loaded.value, loaded.recorded
        card.empty_cache()  # where loading used the device

    def move_in(self, card: Card) -> None:
        """Starts the transfer to the device."""
        if self.residence and not self.residence.in_place:
            self.residence.move_in()
            card.count(self.residence.nbytes)

    def move_out(self, card: Card) -> int:
        """Leaves the device; bytes that came free."""
        if not (self.residence and self.residence.in_place):
            return 0
        for recorded in self.recorded:
            recorded.forget()
        self.residence.move_out()
        card.count(-self.residence.nbytes)
        return self.residence.nbytes

    def as_json(self, now_s: float) -> dict[str, object]:
        """For `/status/`."""
        return {
            "name": self.name,
            "state": self.state,
            "bytes": self.nbytes,
            "size": "measured" if self.measured else "assumed",
            "leases": self.leases,
            "idle_s": round(now_s - self.last_use_s, 1) if self.last_use_s and not self.leases else None,
        }
