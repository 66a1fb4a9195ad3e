"""Reads GPUs through NVML. Works without a driver: then there are none."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pynvml


@dataclass(frozen=True)
class GpuState:
    """One GPU now. `used_bytes` counts all processes, not only ours; power is None where it is not told."""

    index: int
    name: str
    total_bytes: int
    used_bytes: int
    temperature_deg_c: int
    utilisation_percent: int
    power_w: float | None = None
    power_limit_w: float | None = None

    def as_json(self) -> dict[str, object]:
        """For `/status/`."""
        return asdict(self)


def read_gpus() -> list[GpuState]:
    """All GPUs of this machine; empty where NVML finds no driver or no device."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_read(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def why_no_gpu(devices: Sequence[str], gpus: Sequence[GpuState]) -> str:
    """Why `devices`, such as "cuda:0", can't be worked on where `gpus` are; empty if one answers."""
    if all(device == "cpu" for device in devices):
        return "device is cpu"
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in {"", "-1"}:
        return "CUDA_VISIBLE_DEVICES hides all GPUs"
    return "" if gpus else "no NVIDIA GPU answers"


def _read(index: int) -> GpuState:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return GpuState(
        index=index,
        name=str(pynvml.nvmlDeviceGetName(handle)),
        total_bytes=int(memory.total),
        used_bytes=int(memory.used),
        temperature_deg_c=int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)),
        utilisation_percent=int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        power_w=_watts(pynvml.nvmlDeviceGetPowerUsage, handle),
        power_limit_w=_watts(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle),
    )


def _watts(ask: Callable[[Any], int], handle: Any) -> float | None:
    try:
        return ask(handle) / 1000
    except pynvml.NVMLError:  # some cards, and slices of one, don't tell
        return None
