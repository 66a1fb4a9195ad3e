"""Memory of this machine that weights wait in, page-locked so that a GPU can fetch them at full speed."""

from __future__ import annotations

import mmap
import weakref
from pathlib import Path

import psutil
import torch
from torch import Tensor

from subnet17.log import get_logger

log = get_logger()

SPARE_BYTES = 2 * 2**30
"""Page-locked memory can't be swapped out: this much is left to everything else."""
CGROUP = Path("/sys/fs/cgroup")


class HostBuffer:
    """`nbytes` of memory, page-locked in place where asked for and where the machine can spare it.

    torch's own pinned allocator rounds to powers of two (12 GB would take 16) and never gives back; here
    whole pages are mapped and registered with the driver, and released when the buffer goes or at exit.
    Tensors that still look into it stay valid: only the registration ends.

    Args:
        nbytes: Size in bytes.
        reader: The device that will read it; page-locked if that is a GPU.
    """

    def __init__(self, nbytes: int, *, reader: torch.device) -> None:
        spare_bytes = available_bytes() - nbytes - SPARE_BYTES
        pages = mmap.mmap(-1, max(nbytes, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        _advise(pages, "MADV_HUGEPAGE")  # fewer pages to fault in and to lock
        self.bytes: Tensor = torch.frombuffer(pages, dtype=torch.uint8)[:nbytes]
        self.pinned = False
        if reader.type != "cuda" or not nbytes:
            return
        if spare_bytes < 0:
            log.warning("host memory is short: weights stay pageable", bytes=nbytes, short_bytes=-spare_bytes)
            return
        with torch.cuda.device(reader):  # elsewhere it would cost a context on the first GPU
            self._pin(nbytes, reader)
        if self.pinned:
            # A fork has to copy page-locked pages at once, all of them, unless told not to.
            _advise(pages, "MADV_DONTFORK")

    def _pin(self, nbytes: int, reader: torch.device) -> None:
        address = self.bytes.data_ptr()
        code = int(torch.cuda.cudart().cudaHostRegister(address, nbytes, 0))
        if code:
            log.warning("page-locking failed: weights stay pageable", bytes=nbytes, cuda_error=code)
            _forget_last_error(reader)
            return
        self.pinned = True
        weakref.finalize(self, _unpin, address, reader)


def available_bytes() -> int:
    """Memory that can still be taken: of the machine, or of this container where that is less."""
    machine_bytes = int(psutil.virtual_memory().available)
    try:
        limit_bytes = int((CGROUP / "memory.max").read_text())
        used_bytes = int((CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no control group, no limit ("max")
        return machine_bytes
    # cached files count as used there, but give way
    return min(machine_bytes, limit_bytes - used_bytes + int(stat.get("inactive_file", 0)))


def _advise(pages: mmap.mmap, advice: str) -> None:
    try:
        pages.madvise(getattr(mmap, advice))
    except (OSError, AttributeError):  # a kernel built without it
        return


def _unpin(address: int, reader: torch.device) -> None:
    try:
        torch.cuda.synchronize(reader)  # a transfer may still read it
        torch.cuda.cudart().cudaHostUnregister(address)
    except RuntimeError:  # the device is lost: the driver cleans up after the process
        return


def _forget_last_error(device: torch.device) -> None:
    """CUDA keeps the code of a failed call for the next check, which would blame an innocent kernel."""
    try:
        torch.ones(1, device=device).add_(1)
    except RuntimeError:
        return
