"""Makes repeated blocks fast on a GPU: regional compilation, and the best attention kernel.

Covers: `torch.compile` of every member of a `ModuleList` (transformer blocks, vision layers). All blocks of
one class share one graph, so a model of 48 blocks of two classes costs two compilations, not one huge one.
Does not cover: the code between the blocks, which stays eager; quantisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

ATTENTION_ORDER = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]
"""cuDNN's kernel is the fastest one on Hopper; PyTorch itself tries flash attention first."""


def repeated_blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The members of every `ModuleList` in `module`: what is worth compiling once and using often."""
    for parent in module.modules():
        if isinstance(parent, nn.ModuleList):
            yield from parent


class CompiledBlocks:
    """A model's blocks, compiled while `warming` and at no other time, and what surrounds their use.

    Args:
        blocks: Modules that take tensors of few shapes: each shape is compiled on its own.
        device: Where they will run.
        backend: Of `torch.compile`.
    """

    def __init__(
        self, blocks: Iterable[nn.Module], device: torch.device, *, backend: str | Any = "inductor"
    ) -> None:
        self._blocks = list(blocks)
        self._device = device
        self._warming = False
        for block in self._blocks:
            block.compile(dynamic=False, backend=backend)  # marked: compiled at the first call

    def __bool__(self) -> bool:
        return bool(self._blocks)

    @contextmanager
    def warming(self) -> Iterator[None]:
        """Inside, shapes that are met for the first time are compiled; elsewhere they run eagerly."""
        self._warming = True
        try:
            yield
        finally:
            self._warming = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, the model may compute: the best attention, and nothing compiled anew unless `warming`."""
        settled = nullcontext() if self._warming or not self._blocks else compiled_only()
        with preferred_attention(self._device), settled:
            yield

    def leave_eager(self) -> None:
        """Gives up compilation, on a machine that can't: there the first call fails."""
        for block in self._blocks:
            block._compiled_call_impl = None
        self._blocks = []


def compiled_only() -> AbstractContextManager[Any]:
    """Inside, shapes that were not compiled before run eagerly: no request waits while a compiler works."""
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("eager_on_recompile")
    return stance


def preferred_attention(device: torch.device) -> AbstractContextManager[None]:
    """Inside, attention on a GPU takes the first kernel of `ATTENTION_ORDER` that can do it.

    A compiled block keeps the kernel that was chosen at its first call, so warm up inside, too.
    """
    if device.type != "cuda":
        return nullcontext()
    return sdpa_kernel(ATTENTION_ORDER, set_priority=True)
