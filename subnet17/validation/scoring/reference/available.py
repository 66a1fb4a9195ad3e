"""Whether this machine has what the reference scorer is made of, told without importing any of it."""

from __future__ import annotations

import importlib.util

from subnet17.gpu.monitor import read_gpus, why_no_gpu
from subnet17.settings import ValidationTable

PACKAGES = (
    "torch",
    "torchvision",
    "open_clip",
    "timm",
    "torchmetrics",
    "transformers",
    "safetensors",
    "huggingface_hub",
)
LEAST_VRAM_BYTES = 4 * 10**9
"""Networks, what they compute with, and the renderer."""


def missing_packages() -> list[str]:
    """What is not installed of what the scorer imports; looks, and imports nothing."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def devices_of(settings: ValidationTable) -> list[str]:
    """The devices that the settings name; each gets a worker."""
    return [device.strip() for device in settings.device.split(",") if device.strip()]


def why_not(settings: ValidationTable) -> str:
    """Why `auto` does not take the reference scorer on this machine; empty if it does."""
    gpus = read_gpus()
    if why := why_no_gpu(devices_of(settings), gpus):
        return why
    most_bytes = max(gpu.total_bytes for gpu in gpus)
    usable_bytes = min(most_bytes, settings.vram_limit_bytes or most_bytes)
    if usable_bytes < LEAST_VRAM_BYTES:
        return f"{usable_bytes / 1e9:.1f} GB of GPU memory, {LEAST_VRAM_BYTES / 1e9:.0f} GB are needed"
    if missing := missing_packages():
        return f"{', '.join(missing)} not installed"
    return ""
