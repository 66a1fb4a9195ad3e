"""Makes repeated blocks fast on a GPU: regional compilation, and the best attention kernel.

Covers: `torch.compile` of every member of a `ModuleList` (transformer blocks, vision layers). All blocks of
one class share one graph, so a model of 48 blocks of two classes costs two compilations, not one huge one.
Does not cover: the code between the blocks, which stays eager; quantisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
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


def compile_blocks(blocks: Iterable[nn.Module], *, backend: str | Any = "inductor") -> list[nn.Module]:
    """Marks blocks for compilation at their first call; nothing is compiled here.

    Args:
        blocks: Modules that take tensors of few shapes: each shape is compiled on its own.
        backend: Of `torch.compile`.

    Returns:
        The marked blocks, for `leave_eager`.
    """
    marked = list(blocks)
    for block in marked:
        block.compile(dynamic=False, backend=backend)
    return marked


def leave_eager(blocks: Iterable[nn.Module]) -> None:
    """Takes the mark away: for a machine without a compiler, where the first call fails."""
    for block in blocks:
        block._compiled_call_impl = None


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
