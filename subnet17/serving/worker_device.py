"""A GPU worker's device and what keeps it well: the models on it, their watcher, and news for the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from subnet17.gpu.card import open_card
from subnet17.gpu.faults import telling_loss
from subnet17.gpu.models import ModelCache
from subnet17.gpu.news import GpuNews
from subnet17.gpu.pressure import Pressure
from subnet17.gpu.watcher import Watcher
from subnet17.serving.worker_process import add_follower, tell
from subnet17.settings import Settings
from subnet17.settings_tables import DeviceTable


class WorkerDevice:
    """Opens the device; nothing is watched or told before `look_after`.

    Args:
        table: With the one device that this worker has claimed.
        reserve_bytes: Kept free on a GPU beside the weights, for what is being computed.
        cache_type: What holds the models.

    Attributes:
        card: The device.
        cache: Its models.
        pressure: The level that all work on it goes by.

    Raises:
        RuntimeError: there is no such device.
    """

    def __init__(
        self, table: DeviceTable, *, reserve_bytes: int, cache_type: type[ModelCache] = ModelCache
    ) -> None:
        self.card = open_card(
            table.device,
            limit_bytes=table.vram_limit_bytes,
            cleanup_threshold=table.memory_cleanup_threshold,
        )
        self.cache = cache_type(
            self.card,
            idle_unload_s=table.idle_unload_s,
            reserve_bytes=reserve_bytes if self.card.is_cuda else 0,
        )
        self.pressure = Pressure()
        self._news = GpuNews(self.card, self.cache, self.pressure, tell)
        self._watcher = Watcher(self.card, self.cache, self.pressure, table.memory_cleanup_threshold)

    def look_after(self, table_of: Callable[[Settings], DeviceTable], facts: Mapping[str, object]) -> None:
        """Watches its memory, follows the settings and tells the server how it stands, from now on.

        Args:
            table_of: Where this server's table stands in settings that were read anew.
            facts: See `GpuNews`.
        """
        self._news.change(facts)
        self._news.start()
        self._watcher.start()

        def follow(settings: Settings) -> None:
            table = table_of(settings)
            self._watcher.change(threshold=table.memory_cleanup_threshold, idle_unload_s=table.idle_unload_s)

        add_follower(follow)

    def tell(self, facts: Mapping[str, object]) -> None:
        """Tells the server these facts along, from now on."""
        self._news.change(facts)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A lost device is told as such, and the server learns how this worker stands afterwards."""
        try:
            with telling_loss():
                yield
        finally:
            self._news.look()

    def notes(self) -> list[str]:
        """What a caller should know of an answer that was made now."""
        level = self.pressure.level.index
        return [f"degradation level {level}: GPU memory is short"] if level else []

    def free(self) -> None:
        """Gives back all that nobody uses now."""
        self.cache.evict_idle()
        self.card.empty_cache()
