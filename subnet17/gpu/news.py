"""Tells the server how a GPU worker stands: models, memory, degradation; also while no job runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from subnet17.gpu.card import Card
from subnet17.gpu.models import ModelCache
from subnet17.gpu.pressure import Pressure
from subnet17.log import get_logger

log = get_logger()

INTERVAL_S = 1.0
STEP_BYTES = 64 * 2**20
"""Changes of memory below this are no news."""


class GpuNews:
    """A thread that looks every second and tells what changed.

    Args:
        card: The device.
        cache: Its models.
        pressure: Its degradation level.
        tell: Takes the news; see `worker_process.tell`.

    Told along are facts of the worker's own (what was chosen and why): see `change`.
    """

    def __init__(
        self,
        card: Card,
        cache: ModelCache,
        pressure: Pressure,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._card = card
        self._cache = cache
        self._pressure = pressure
        self._tell = tell
        self._facts: Mapping[str, object] = {}
        self._told: object = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="gpu-news", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def change(self, facts: Mapping[str, object]) -> None:
        """Tells these facts from now on."""
        with self._lock:
            self._facts, self._told = facts, None
        self.look()

    def look(self) -> None:
        """Tells if something has changed since it last did. Never raises: a job's own error must get through.

        A lost device refuses these questions too, and is told by the job that meets it.
        """
        try:
            self._look()
        except Exception as error:
            log.warning("could not look at the device", error=repr(error)[:300])

    def _look(self) -> None:
        with self._lock:
            models, card, pressure = self._cache.as_json(), self._card.as_json(), self._pressure.as_json()
            news = {
                "device": card["device"],
                "card": card,
                "models": [
                    {key: model[key] for key in ("name", "state", "bytes", "size")} for model in models
                ],
                "level": pressure["index"],
                "pressure": pressure,
            }
            allocated = self._card.allocated_bytes() // STEP_BYTES
            seen = (news["models"], news["level"], pressure["lowered"], allocated)
            if seen != self._told:
                self._told = seen
                self._tell({**self._facts, **news})

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(INTERVAL_S):
            self.look()
