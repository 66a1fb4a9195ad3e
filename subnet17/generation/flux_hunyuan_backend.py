"""The GPU back end: prompt -> FLUX -> background removal -> Hunyuan3D-2 -> splats, as the server sees it.

Light: the server process imports this and never torch. What runs in the worker is in flux_hunyuan.py.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from subnet17.generation.asset import GeneratedAsset
from subnet17.generation.request import GenerationRequest
from subnet17.gpu.monitor import read_gpus, why_no_gpu
from subnet17.settings import PROJECT_ROOT, GenerationTable

if TYPE_CHECKING:
    from subnet17.generation.flux_hunyuan import FluxHunyuan

NAME = "flux-hunyuan"

PACKAGES = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "accelerate",
    "safetensors",
    "huggingface_hub",
    "sentencepiece",
    "fast_simplification",
)
CLONE = "Hunyuan3D-2"
"""A clone of hy3dgen's repository in or beside the project serves as well as the package."""
LEAST_VRAM_BYTES = 22 * 10**9
"""What cards sold as 24 GB have; `auto` takes no smaller one."""
LEAST_LIMIT_BYTES = 16 * 10**9
"""The least limit that `auto` works under: the largest model, what is kept for computing, and a margin."""

_backend: FluxHunyuan | None = None
"""Worker side: kept when loading fails, so that another try goes on where it stopped."""


def missing_packages() -> list[str]:
    """What is not installed of what the back end imports; looks, and imports nothing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    clones = (PROJECT_ROOT / CLONE, PROJECT_ROOT.parent / CLONE)
    if importlib.util.find_spec("hy3dgen") is None and not any((c / "hy3dgen").is_dir() for c in clones):
        missing.append("hy3dgen")
    return missing


def why_not(settings: GenerationTable) -> str:
    """Why `auto` does not take this back end on this machine; empty if it does."""
    gpus = read_gpus()
    if why := why_no_gpu(devices_of(settings), gpus):
        return why
    if short := _memory_short(max(gpu.total_bytes for gpu in gpus), settings.vram_limit_bytes):
        return short
    missing = missing_packages()
    return f"{', '.join(missing)} not installed" if missing else ""


def _memory_short(card_bytes: int, limit_bytes: int) -> str:
    if card_bytes < LEAST_VRAM_BYTES:
        return f"{card_bytes / 1e9:.1f} GB of GPU memory, {LEAST_VRAM_BYTES / 1e9:.0f} GB are needed"
    if 0 < limit_bytes < LEAST_LIMIT_BYTES:
        return f"vram_limit_bytes is {limit_bytes / 1e9:.1f} GB, {LEAST_LIMIT_BYTES / 1e9:.0f} GB are needed"
    return ""


def devices_of(settings: GenerationTable) -> list[str]:
    """The devices that the settings name; each gets a worker."""
    return [device.strip() for device in settings.device.split(",") if device.strip()]


def load(settings: GenerationTable, data_dir: Path) -> None:
    """Takes a device, loads all models and runs everything once.

    Raises:
        UnavailableError: weights or packages are missing or wrong, no device is free, too little memory.
        ConfigError: a setting that this device can't follow.
        DeviceLostError: the GPU does not work.
    """
    global _backend  # noqa: PLW0603 - one per process
    from subnet17.generation.flux_hunyuan import FluxHunyuan  # noqa: PLC0415 - imports torch
    from subnet17.gpu.claim import claim_device  # noqa: PLC0415

    if _backend is None:
        device = claim_device(devices_of(settings), data_dir / "gpu")
        _backend = FluxHunyuan(settings.model_copy(update={"device": device}), data_dir)
    _backend.warm_up()


def generate(request: GenerationRequest, settings: GenerationTable) -> GeneratedAsset:
    """Makes one asset; see `FluxHunyuan.generate`."""
    assert _backend is not None  # noqa: S101 - the pool loads a worker before its first job
    return _backend.generate(request, settings)
