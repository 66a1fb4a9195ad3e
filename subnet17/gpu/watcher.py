"""Looks after the device's memory between jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from subnet17.gpu.card import Card
from subnet17.gpu.models import ModelCache
from subnet17.gpu.pressure import Pressure
from subnet17.log import get_logger

log = get_logger()

INTERVAL_S = 1.0
PAUSE_S = 10.0
"""Between two reliefs: emptying the cache makes running work allocate anew, and a job has to end first."""


class Watcher:
    """A thread that frees memory before it runs out, and unloads models that nobody uses.

    At the threshold it gives back what the allocator keeps; if that is not enough it moves idle models
    out; if the device is still as full (leased models, other processes) it lowers the level.

    Args:
        card: What to watch.
        cache: Whose idle models can go.
        pressure: Whose level can be lowered.
        threshold: Used share of the device, 0..1.
        interval_s: Seconds between looks.
        clock: Monotonic seconds; replaced in tests.
    """

    def __init__(
        self,
        card: Card,
        cache: ModelCache,
        pressure: Pressure,
        threshold: float = 0.9,
        *,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._card = card
        self._cache = cache
        self._pressure = pressure
        self._threshold = threshold
        self._interval_s = interval_s
        self._clock = clock
        self._next_relief_s = clock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-watcher", daemon=True)

    def change(self, *, threshold: float, idle_unload_s: float) -> None:
        """Goes by other limits from the next look on: see `Watcher` and `ModelCache`."""
        self._threshold = threshold
        self._card.plan_up_to(threshold)
        self._cache.idle_unload_s = idle_unload_s

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends watching; returns once the thread has ended."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """One round."""
        self._cache.unload_idle()
        if self._full and self._clock() >= self._next_relief_s:
            self._next_relief_s = self._clock() + PAUSE_S
            self._relieve()

    @property
    def _full(self) -> bool:
        return self._card.used_share() >= self._threshold

    def _relieve(self) -> None:
        before = self._card.used_share()
        self._card.empty_cache()
        if self._full:
            self._cache.evict_idle(self._excess_bytes())
        log.warning(
            "device memory is nearly full", share=round(before, 3), left=round(self._card.used_share(), 3)
        )
        if self._full:
            self._pressure.lower(f"{self._card.used_share():.0%} of the device's memory is in use")

    def _excess_bytes(self) -> int:
        """What has to go for the share to fall below the threshold."""
        return max(1, int((self._card.used_share() - self._threshold) * self._card.physical_bytes) + 1)

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                self.look()
            except Exception as error:  # a lost device is told by the job that meets it
                log.warning("could not look at the device", error=repr(error)[:300])
