"""What the machine has and uses, for the operator's routes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil

from subnet17.gpu.monitor import GpuState, read_gpus

PATIENCE_S = 2.0
"""With the GPUs' driver: one that is stuck must not keep an answer."""


class SystemFigures:
    """Measures in the event loop what costs nothing, and asks the GPUs' driver beside it.

    Args:
        read: Gives all GPUs; may block for ever.
        patience_s: How long to wait for it.
    """

    def __init__(
        self, read: Callable[[], list[GpuState]] = read_gpus, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._read = read
        self._patience_s = patience_s
        self._reading: asyncio.Task[list[GpuState]] | None = None
        psutil.cpu_percent()  # the first call has nothing to compare with

    def measure(self) -> dict[str, object]:
        """Processor (percent of all cores since the last call), memory, disk, and what this process holds."""
        memory = psutil.virtual_memory()
        return {
            "cpu_percent": psutil.cpu_percent(),
            "memory_total_bytes": memory.total,
            "memory_available_bytes": memory.available,
            "disk_free_bytes": _disk_free_bytes(),
            "process_rss_bytes": psutil.Process().memory_info().rss,
        }

    async def measure_all(self) -> dict[str, object]:
        """The same and `gpus`, which is None while their driver does not answer; one question at a time."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(asyncio.to_thread(self._read))
        done, _ = await asyncio.wait([self._reading], timeout=self._patience_s)
        gpus = [gpu.as_json() for gpu in self._reading.result()] if done else None
        return {**self.measure(), "gpus": gpus}


def _disk_free_bytes() -> int | None:
    try:
        return int(psutil.disk_usage(".").free)
    except OSError:  # a disk that fails is no reason to be taken for dead
        return None
