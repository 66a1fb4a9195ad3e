"""Models that share a device: each is used through a lease and gives way when it is idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from subnet17.deadline import Deadline
from subnet17.errors import DeadlineError, UnavailableError
from subnet17.gpu.cached_model import CachedModel, Loaded
from subnet17.gpu.card import Card
from subnet17.gpu.eviction import SIMILAR, choose_victims
from subnet17.gpu.faults import kind_of
from subnet17.log import get_logger

__all__ = ["Loaded", "ModelCache"]

log = get_logger()

SETTLE_S = 5.0
"""How long `evict_idle` waits for a move that is under way."""


@dataclass(frozen=True)
class _Move:
    """Models to move out, then one to load or to move in. The cache makes one move at a time."""

    victims: Sequence[CachedModel]
    target: CachedModel | None = None

    @property
    def models(self) -> list[CachedModel]:
        return [*self.victims, *([self.target] if self.target else [])]


class ModelCache:
    """Loads models on first use, keeps their weights in host memory and moves them to the device on demand.

    Several threads may lease models, the same one too; a leased model is never moved. `choose_victims`
    says which idle ones make room: those with the fewest bytes, not simply the least recently used.

    Args:
        card: The device and its budget.
        idle_unload_s: Idle models leave the device after this time (`unload_idle`); 0 for never.
        reserve_bytes: Kept free beside the weights, for what is being computed.
        clock: Monotonic seconds; replaced in tests.
    """

    def __init__(
        self,
        card: Card,
        *,
        idle_unload_s: float,
        reserve_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.card = card
        self.idle_unload_s = idle_unload_s
        self._reserve_bytes = reserve_bytes
        self._clock = clock
        self._models: dict[str, CachedModel] = {}
        self._changed = threading.Condition()
        self._moving = False

    @property
    def names(self) -> list[str]:
        """All registered models."""
        return list(self._models)

    def register(self, name: str, load: Callable[[], Loaded], assumed_bytes: int) -> None:
        """Makes a model known; it is loaded at its first lease.

        Args:
            name: For `lease` and `/status/`.
            load: Called once, by one thread. May use the device; `assumed_bytes` are made free for it.
            assumed_bytes: Size on the device, until loading measures it.
        """
        self._models[name] = CachedModel(name, load, assumed_bytes)

    @contextmanager
    def lease(self, name: str, deadline: Deadline) -> Iterator[Any]:
        """Holds a model on the device and yields its value; the current stream waits for its weights.

        Raises:
            DeadlineError: others held the device until the deadline.
            UnavailableError: unknown name, or larger than the device (`detail["kind"]` is "memory").
        """
        model = self._model(name)
        self._enter(model, deadline)
        try:
            model.wait()
            yield model.value
        finally:
            self._leave(model)

    def prefetch(self, name: str) -> bool:
        """Starts to move a loaded model in, from a thread of its own; True if it did.

        Does nothing where the model is in place or not loaded, another move is under way, or idle models
        can't make room. Nor where larger ones would have to: by the time of the lease something smaller may
        be idle (of text encoder, image and shape, the shape in use would put out the image model).
        """
        with self._changed:
            model = self._model(name)
            if self._moving or model.state != "host":
                return False
            victims = self._victims_for(model)
            if victims is None or sum(victim.nbytes for victim in victims) > SIMILAR * model.nbytes:
                return False
            move = self._claim(_Move(victims, model))
        return self._start_prefetch(move)

    def evict_idle(self, nbytes: int | None = None) -> int:
        """Moves idle models out until `nbytes` came free (default: all of them); bytes that did.

        Also gives back what the allocator keeps, whether or not a model was idle.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._moving, SETTLE_S):
                return 0
            idle = self._idle()
            victims = idle if nbytes is None else choose_victims(idle, nbytes)
            move = self._claim(_Move(idle if victims is None else victims))
        freed_bytes = self._carry_out(move)
        self.card.empty_cache()
        return freed_bytes

    def unload_idle(self) -> int:
        """Moves out what has been idle for `idle_unload_s` and empties the allocator's cache; bytes freed."""
        with self._changed:
            oldest_s = self._clock() - self.idle_unload_s
            stale = [model for model in self._idle() if model.last_use_s <= oldest_s]
            if self._moving or not stale or not self.idle_unload_s:
                return 0
            move = self._claim(_Move(stale))
        log.info("unloading idle models", models=[model.name for model in stale])
        return self._carry_out(move)

    def as_json(self) -> list[dict[str, object]]:
        """For `/status/`."""
        with self._changed:
            now_s = self._clock()
            return [model.as_json(now_s) for model in self._models.values()]

    def _model(self, name: str) -> CachedModel:
        try:
            return self._models[name]
        except KeyError:
            known = ", ".join(self._models) or "none"
            raise UnavailableError(f"no model {name!r} is registered; known: {known}", model=name) from None

    def _enter(self, model: CachedModel, deadline: Deadline) -> None:
        while True:
            with self._changed:
                deadline.check(f"model {model.name}")
                if model.state == "device":
                    model.hold()
                    return
                move = self._next_move(model)
                if move is None:
                    self._await_change(model, deadline)
                    continue
            self._carry_out(move)

    def _leave(self, model: CachedModel) -> None:
        with self._changed:
            model.release(self._clock())
            self._changed.notify_all()

    def _next_move(self, model: CachedModel) -> _Move | None:
        """What brings `model` a step nearer to the device; None if others have to finish first."""
        if self._moving:
            return None
        victims = self._victims_for(model)
        if victims is not None:
            return self._claim(_Move(victims, model))
        self._check_fits(model)
        if any(other.leases for other in self._models.values()):
            self._check_others_hold(model)
            return None
        # Nothing of ours is left to move: others use the device, or only the reserve is missing. Try.
        return self._claim(_Move(self._idle(), model))

    def _victims_for(self, model: CachedModel) -> list[CachedModel] | None:
        return choose_victims(self._idle(), model.nbytes - self._room_bytes())

    def _room_bytes(self) -> int:
        """What is free for weights: the part of the reserve that is in use already is not kept twice."""
        computing_bytes = max(0, self.card.allocated_bytes() - self.card.counted_bytes)
        return self.card.free_bytes() - max(0, self._reserve_bytes - computing_bytes)

    def _check_fits(self, model: CachedModel) -> None:
        budget_bytes = self.card.total_bytes - self._reserve_bytes
        if model.measured and model.nbytes > budget_bytes:
            raise _memory_error(model, f"at most {budget_bytes:,} bytes are for weights", limit=budget_bytes)

    def _check_others_hold(self, model: CachedModel) -> None:
        leased = [other for other in self._models.values() if other.leases]
        if all(other.held_only_by_this_thread for other in leased):
            names = ", ".join(other.name for other in leased)
            raise _memory_error(model, f"not beside {names}, leased by the same thread")

    def _await_change(self, model: CachedModel, deadline: Deadline) -> None:
        if not self._changed.wait(max(0.0, deadline.remaining_s)):
            raise DeadlineError(f"model {model.name} found no room before the deadline", stage=model.name)

    def _idle(self) -> list[CachedModel]:
        return [model for model in self._models.values() if model.state == "device" and not model.leases]

    def _claim(self, move: _Move) -> _Move:
        """Under the lock: from here on nobody else leases or moves these models."""
        self._moving = True
        for model in move.models:
            model.doing = "moving" if model.measured else "loading"
        return move

    def _carry_out(self, move: _Move, *, insist: bool = True) -> int:
        """Without the lock, which `/status/` and other leases need meanwhile. Bytes moved out."""
        try:
            freed_bytes = self._move_out(move.victims)
            if move.target and move.target.measured:
                self._move_in(move.target, insist=insist)
            elif move.target:
                move.target.load_weights(self.card)
            return freed_bytes
        finally:
            self._settle(move)

    def _settle(self, move: _Move) -> None:
        with self._changed:
            self._moving = False
            for model in move.models:
                model.doing = ""
            if move.target:
                move.target.last_use_s = self._clock()
            self._changed.notify_all()

    def _move_out(self, models: Iterable[CachedModel]) -> int:
        freed_bytes = sum(model.move_out(self.card) for model in models)
        if freed_bytes:
            # A freed segment that something small settles in could not serve the next model.
            self.card.empty_cache()
        return freed_bytes

    def _move_in(self, model: CachedModel, *, insist: bool) -> None:
        if self._try_move_in(model) or not insist:
            return
        with self._changed:
            idle = _Move(self._idle())
            for other in idle.victims:
                other.doing = "moving"
        try:
            self._move_out(idle.victims)
            self.card.empty_cache()
        finally:
            with self._changed:
                for other in idle.victims:
                    other.doing = ""
        if not self._try_move_in(model):
            raise _memory_error(model, f"{self.card.free_bytes():,} are free, with all idle models out")

    def _try_move_in(self, model: CachedModel) -> bool:
        try:
            model.move_in(self.card)
        except Exception as error:
            if kind_of(error) != "oom":
                raise
            return False
        return True

    def _start_prefetch(self, move: _Move) -> bool:
        thread = threading.Thread(target=self._prefetch, args=(move,), name="prefetch", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the machine has no thread left
            self._settle(move)
            return False
        return True

    def _prefetch(self, move: _Move) -> None:
        try:
            self._carry_out(move, insist=False)
        except Exception as error:  # the lease that follows meets it again, and tells its caller
            log.warning("prefetch failed", model=move.target and move.target.name, error=repr(error)[:300])


def _memory_error(model: CachedModel, why: str, **detail: Any) -> UnavailableError:
    return UnavailableError(
        f"no room for model {model.name} of {model.nbytes:,} bytes: {why}",
        kind="memory",
        model=model.name,
        bytes=model.nbytes,
        retry_after_s=5,
        **detail,
    )
