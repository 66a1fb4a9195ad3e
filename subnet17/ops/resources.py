"""What the machine has left: processor, memory, disk, each GPU, the way to the network, the clock.

Covers measuring only; limits.py judges, monitor.py acts. A measure that can't be taken here (no GPU, no
answer from the time server) is absent or None, never 0. Nothing here needs torch: GPUs are read through NVML.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from subnet17.gpu.monitor import GpuState, read_gpus
from subnet17.ops.time_server import ask_skew
from subnet17.settings import PROJECT_ROOT, Settings

NETWORK_INTERVAL_S = 60.0
CLOCK_INTERVAL_S = 600.0
CONNECT_TIMEOUT_S = 5.0
UNITS = {
    "_percent": (1.0, "%"),
    "_bytes": (1e9, "GB"),
    "_deg_c": (1.0, "°C"),
    "_w": (1.0, "W"),
    "_s": (1.0, "s"),
}
"""How a measure is shown, by the suffix of its name: divided by, and the unit."""


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        name: What was measured, with its unit as suffix.
        subject: Which one of several: a folder, a GPU; empty where there is one only.
        value: None when it could not be measured now.
    """

    name: str
    subject: str
    value: float | None

    @property
    def text(self) -> str:
        """For a person, such as "disk free 80 GB on /data"."""
        label = self.name
        for suffix in UNITS:
            label = label.removesuffix(suffix)
        value = "unknown" if self.value is None else shown(self.name, self.value)
        return f"{label.replace('_', ' ')} {value}" + (f" on {self.subject}" if self.subject else "")


def shown(name: str, value: float) -> str:
    """A value with the unit that its measure's name says."""
    by, unit = next((u for suffix, u in UNITS.items() if name.endswith(suffix)), (1.0, ""))
    return f"{value / by:.4g} {unit}".strip()


class Machine:
    """Reads the machine. What asks others over the network is asked less often and remembered.

    Args:
        local: With a local subnet: nobody is asked over the network.
        clock: Monotonic seconds; replaced in tests.
        gpus: Reads the GPUs; replaced in tests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        local: bool = False,
        clock: Callable[[], float] = time.monotonic,
        gpus: Callable[[], list[GpuState]] = read_gpus,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._local = local
        self._gpus = gpus
        self._most_gpus = 0
        self._remembered: dict[str, tuple[float, Measure]] = {}
        psutil.cpu_percent()  # the first call measures nothing: it marks the beginning

    def follow(self, settings: Settings) -> None:
        """Asks others over the network from the next look on where that has changed."""
        asked = (self._settings.operations, settings.operations)
        if len({(tuple(o.network_check_hosts), o.time_server) for o in asked}) > 1:
            self._remembered.clear()
        self._settings = settings

    async def read(self) -> list[Measure]:
        """All measures, in a second or so; the event loop goes on meanwhile."""
        busy = Measure("cpu_percent", "", psutil.cpu_percent())  # since this thread's last call
        return [busy, *await asyncio.to_thread(self.read_local), *await self._read_remote()]

    def read_local(self) -> list[Measure]:
        """What this machine tells by itself, but for how busy it is."""
        memory = psutil.virtual_memory()
        measures = [
            Measure("memory_percent", "", memory.percent),
            *(_free_disk(folder) for folder in self._folders()),
        ]
        gpus = self._gpus()
        self._most_gpus = max(self._most_gpus, len(gpus))
        if self._most_gpus:
            measures.append(Measure("gpus_lost", "", self._most_gpus - len(gpus)))
        return measures + [measure for gpu in gpus for measure in measures_of(gpu)]

    def _folders(self) -> list[Path]:
        """One folder for each disk in use, the project's first."""
        disks: dict[int, Path] = {}
        for folder in (PROJECT_ROOT, self._settings.data_dir, self._settings.log_dir):
            existing = next(path for path in (folder, *folder.parents) if path.exists())
            disks.setdefault(existing.stat().st_dev, existing)
        return list(disks.values())

    async def _read_remote(self) -> list[Measure]:
        operations, measures = self._settings.operations, []
        if self._local:
            return []
        if operations.network_check_hosts:
            if (known := self._recall("network", NETWORK_INTERVAL_S)) is None:
                reached = await can_reach(operations.network_check_hosts)
                known = self._remember("network", Measure("network_reachable", "", float(reached)))
            measures.append(known)
        if operations.time_server:
            if (known := self._recall("clock", CLOCK_INTERVAL_S)) is None:
                known = self._remember("clock", await _clock_skew(operations.time_server))
            measures.append(known)
        return measures

    def _recall(self, key: str, interval_s: float) -> Measure | None:
        read_s, measure = self._remembered.get(key, (float("-inf"), None))
        return measure if self._clock() - read_s < interval_s else None

    def _remember(self, key: str, measure: Measure) -> Measure:
        self._remembered[key] = (self._clock(), measure)
        return measure


def measures_of(gpu: GpuState) -> list[Measure]:
    """A GPU's measures, with its index and name as subject."""
    subject = f"GPU {gpu.index} ({gpu.name})"
    return [
        Measure("vram_percent", subject, 100 * gpu.used_bytes / gpu.total_bytes if gpu.total_bytes else None),
        Measure("gpu_temperature_deg_c", subject, gpu.temperature_deg_c),
        Measure("gpu_power_w", subject, gpu.power_w),
    ]


async def can_reach(hosts: Sequence[str]) -> bool:
    """Whether any of these `name:port` takes a TCP connection within a few seconds."""
    asked = [asyncio.create_task(_connects(host)) for host in hosts]
    try:
        for answered in asyncio.as_completed(asked):
            if await answered:
                return True
        return False
    finally:
        for task in asked:
            task.cancel()


async def _connects(host: str) -> bool:
    name, _, port = host.rpartition(":")
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(name.strip("[]"), int(port))
    except (OSError, TimeoutError, ValueError, OverflowError):  # the last two: no such name or port can be
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def _free_disk(folder: Path) -> Measure:
    try:
        return Measure("disk_free_bytes", str(folder), float(psutil.disk_usage(str(folder)).free))
    except OSError:
        return Measure("disk_free_bytes", str(folder), None)


async def _clock_skew(server: str) -> Measure:
    try:
        return Measure("clock_skew_s", "", abs(await asyncio.to_thread(ask_skew, server)))
    except OSError:
        return Measure("clock_skew_s", "", None)
