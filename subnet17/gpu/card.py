"""One GPU as this process may use it, or this machine's memory where the device is "cpu"."""

from __future__ import annotations

import threading

import psutil
import torch


class Card:
    """A device and how much of it is free.

    On "cpu" (tests, machines without a GPU) only what is counted with `count` is known to be used.

    Args:
        device: "cuda", "cuda:1", "cpu".
        limit_bytes: What this process may use at most; 0 for all there is. `cap` enforces it.
    """

    def __init__(self, device: str, *, limit_bytes: int = 0) -> None:
        self.device = _with_index(device)
        self.is_cuda = self.device.type == "cuda"
        self.physical_bytes = self._mem_get_info()[1] if self.is_cuda else psutil.virtual_memory().total
        self._limit_bytes = limit_bytes
        self._is_limited = bool(limit_bytes)
        self._counted_bytes = 0
        self._lock = threading.Lock()

    @property
    def total_bytes(self) -> int:
        """What this process may use at most."""
        return min(self._limit_bytes or self.physical_bytes, self.physical_bytes)

    @property
    def counted_bytes(self) -> int:
        """Weights lying on the device, as counted by the model cache."""
        return self._counted_bytes

    def count(self, nbytes: int) -> None:
        """Notes that weights came (positive) or went (negative)."""
        with self._lock:
            self._counted_bytes += nbytes

    def allocated_bytes(self) -> int:
        """Bytes in live tensors of this process: weights and what is being computed."""
        return int(torch.cuda.memory_allocated(self.device)) if self.is_cuda else self._counted_bytes

    def free_bytes(self) -> int:
        """Bytes this process could allocate now, below its limit and beside all other processes.

        Freed blocks that the allocator keeps count as free: it gives them back before it fails.
        """
        within_limit_bytes = self.total_bytes - self.allocated_bytes()
        if not self.is_cuda:
            return max(0, within_limit_bytes)
        kept_bytes = int(torch.cuda.memory_reserved(self.device)) - self.allocated_bytes()
        return max(0, min(within_limit_bytes, self._mem_get_info()[0] + kept_bytes))

    def used_share(self) -> float:
        """Share of the physical memory in use by all processes, blocks kept by allocators included, 0..1.

        Not of the limit: the model cache plans up to that, so that nearness to it is no sign of trouble.
        """
        if not self.is_cuda:
            return self._counted_bytes / self.physical_bytes
        free_bytes, total_bytes = self._mem_get_info()
        return 1.0 - free_bytes / total_bytes

    def empty_cache(self) -> None:
        """Gives freed blocks back to the driver. Waits for work that still reads them."""
        if self.is_cuda:
            with torch.cuda.device(self.device):
                torch.cuda.empty_cache()

    def plan_up_to(self, share: float) -> None:
        """Without a limit of its own, lets the budget end at this share of the device, 0..1."""
        if not self._is_limited:
            self._limit_bytes = int(self.physical_bytes * share)

    def cap(self) -> None:
        """Makes the allocator fail beyond `limit_bytes`, whatever lies free beyond it."""
        if self.is_cuda and self._limit_bytes:
            share = min(1.0, self._limit_bytes / self.physical_bytes)
            torch.cuda.set_per_process_memory_fraction(share, self.device)

    def as_json(self) -> dict[str, object]:
        """For `/status/`."""
        return {
            "device": str(self.device),
            "total_bytes": self.total_bytes,
            "allocated_bytes": self.allocated_bytes(),
            "free_bytes": self.free_bytes(),
            "used_share": round(self.used_share(), 4),
        }

    def _mem_get_info(self) -> tuple[int, int]:
        """Free and total bytes of the physical device, as the driver sees them over all processes."""
        free_bytes, total_bytes = torch.cuda.mem_get_info(self.device)
        return int(free_bytes), int(total_bytes)


def open_card(device: str, *, limit_bytes: int, cleanup_threshold: float) -> Card:
    """A device with the budget that a server's settings give it.

    Without a limit of its own the budget ends where cleaning up would begin: models are moved out before
    something is allocated, not after.

    Args:
        device: See `Card`.
        limit_bytes: What this process may use at most, enforced; 0 for none.
        cleanup_threshold: Used share of the device from which idle models are moved out, 0..1.
    """
    card = Card(device, limit_bytes=limit_bytes)
    card.cap()
    card.plan_up_to(cleanup_threshold)
    return card


def _with_index(device: str) -> torch.device:
    # "cuda" alone follows the calling thread's current device; the cache moves models from other threads
    return torch.device("cuda", torch.cuda.current_device()) if device == "cuda" else torch.device(device)
