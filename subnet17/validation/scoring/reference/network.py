"""What the scorer's networks have in common: how they are compiled, recorded and run.

On a GPU the repeated blocks are compiled and whole functions replayed as CUDA graphs; both happen while
`warming` only, so that no request waits for a compiler. On the CPU everything runs as it is, in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from subnet17.gpu.compiled_blocks import CompiledBlocks
from subnet17.gpu.models import Loaded
from subnet17.gpu.recorded import Recorded

RECORD_AFTER = 4
"""Calls before a function is recorded: the first compiles, the next ones let libraries choose kernels."""


class Network:
    """A network of the scorer, its weights on `device` while a lease lasts. One call at a time.

    Args:
        modules: Hold the weights; set to evaluation.
        device: Where they will run.
        blocks: What is worth compiling.
        compiled: Compile the blocks while `warming`.
        backend: Of `torch.compile`.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        device: torch.device,
        *,
        blocks: Iterable[nn.Module] = (),
        compiled: bool = False,
        backend: str | Any = "inductor",
    ) -> None:
        self.device = device
        self.modules = [module.eval().requires_grad_(False) for module in modules]
        self.compiled = CompiledBlocks(blocks if compiled else [], device, backend=backend)
        self.recorded: list[Recorded] = []

    @property
    def loaded(self) -> Loaded:
        """For the model cache."""
        return Loaded(self, self.modules, self.recorded)

    def record(self, function: Callable[..., Any]) -> Recorded:
        """`function` of tensors, replayed as a CUDA graph once it has run often enough."""
        weight = next(self.modules[0].parameters())
        recorded = Recorded(function, weight.data_ptr, after=RECORD_AFTER)
        self.recorded.append(recorded)
        return recorded

    def rehearse(self, images: Tensor) -> None:
        """Runs everything once as a request would."""
        raise NotImplementedError

    def warm_up(self, images: Tensor) -> None:
        """Compiles and records for pictures of this shape.

        Args:
            images: (N, H, W, 3) uint8 on the device.
        """
        with self.compiled.warming():
            for _ in range(RECORD_AFTER + 1 if self.device.type == "cuda" else 1):
                self.rehearse(images)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, the network may compute: no gradients, the best attention, nothing compiled anew."""
        with torch.no_grad(), self.compiled.running():
            yield


def in_batches(function: Callable[[Tensor], Tensor], images: Tensor, batch: int) -> Tensor:
    """`function` of `batch` pictures at a time: all at once where memory allows."""
    if batch >= len(images):
        return function(images)
    return torch.cat([function(part) for part in images.split(max(1, batch))])


def pairs_in_batches(function: Callable[[Tensor], Tensor], images: Tensor, batch: int) -> Tensor:
    """`function`, which compares each picture with the next, the last with the first: `batch` pairs a time.

    A batch holds one picture more than it has pairs; that one's comparison with the batch's first is dropped.
    """
    if batch >= len(images):
        return function(images)
    around = torch.cat([images, images[:1]])
    starts = range(0, len(images), max(1, batch))
    return torch.cat([function(around[start : start + batch + 1])[:-1] for start in starts])
