"""Reads GPUs through NVML. Works without a driver: then there are none."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pynvml


@dataclass(frozen=True)
class GpuState:
    """One GPU now. `used_bytes` counts all processes, not only ours; what a card does not tell is None."""

    index: int
    name: str
    total_bytes: int
    used_bytes: int
    temperature_deg_c: int | None = None
    utilisation_percent: int | None = None
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
        read = [_read(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [gpu for gpu in read if gpu is not None]
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


def _read(index: int) -> GpuState | None:
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        name = str(pynvml.nvmlDeviceGetName(handle))
    except pynvml.NVMLError:  # this one is lost; the others go on
        return None
    power_mw = _told(pynvml.nvmlDeviceGetPowerUsage, handle)
    power_limit_mw = _told(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    rates = _told(pynvml.nvmlDeviceGetUtilizationRates, handle)
    return GpuState(
        index=index,
        name=name,
        total_bytes=int(memory.total),
        used_bytes=int(memory.used),
        temperature_deg_c=_told(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        utilisation_percent=None if rates is None else int(rates.gpu),
        power_w=None if power_mw is None else power_mw / 1000,
        power_limit_w=None if power_limit_mw is None else power_limit_mw / 1000,
    )


def _told(ask: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return ask(*arguments)
    except pynvml.NVMLError:  # some cards, and slices of one, don't tell
        return None
