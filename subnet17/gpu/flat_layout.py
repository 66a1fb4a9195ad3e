"""Where each tensor of a model lies in one flat run of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from subnet17.errors import StageError

ALIGNMENT_BYTES = 256
"""What CUDA's own allocations keep at least, and what kernels with wide loads may count on."""


@dataclass(frozen=True)
class Slot:
    """A plain tensor and its first byte in the flat run. Shape, strides and dtype are the tensor's own."""

    tensor: Tensor
    offset: int


@dataclass
class Region:
    """Bytes that lie together in memory and go over together; the first slot's tensor spans them all."""

    address: int
    nbytes: int
    offset: int
    slots: list[Slot] = field(default_factory=list)

    def takes(self, tensor: Tensor) -> bool:
        """Whether `tensor` lies within: tied weights, slices of a fused matrix."""
        root = self.slots[0].tensor
        start = tensor.data_ptr() - self.address
        fits = 0 <= start <= self.nbytes - extent_bytes(tensor) and start % tensor.element_size() == 0
        return bool(fits and tensor.device == root.device)

    def add(self, tensor: Tensor) -> None:
        """Gives `tensor` its place."""
        self.slots.append(Slot(tensor, self.offset + tensor.data_ptr() - self.address))

    def read(self) -> Tensor:
        """The bytes where they lie now, (nbytes,) uint8; a view."""
        root = self.slots[0].tensor
        start = root.storage_offset() * root.element_size()
        empty = torch.empty(0, dtype=torch.uint8, device=root.device)
        return empty.set_(root.untyped_storage(), start, (self.nbytes,), (1,))


def lay_out(tensors: Iterable[Tensor]) -> tuple[list[Region], int]:
    """Places each distinct tensor, those that share memory together.

    A tensor that only partly overlaps another gets a copy of its own: weights are only read.

    Args:
        tensors: Plain strided tensors, on any devices.

    Returns:
        The regions, at offsets that are multiples of 256, and the bytes of all, likewise.
    """
    regions: list[Region] = []
    end = 0
    # by address, the longest first: whatever lies within another comes right after it
    for tensor in sorted(tensors, key=lambda t: (str(t.device), t.data_ptr(), -extent_bytes(t))):
        if not (regions and regions[-1].takes(tensor)):
            regions.append(Region(tensor.data_ptr(), extent_bytes(tensor), end))
            end += _aligned(regions[-1].nbytes)
        regions[-1].add(tensor)
    return regions, end


def extent_bytes(tensor: Tensor) -> int:
    """From the tensor's first byte to past its last, gaps between its elements included."""
    if not tensor.numel():
        return 0
    steps = sum((size - 1) * stride for size, stride in zip(tensor.size(), tensor.stride(), strict=True))
    return int((steps + 1) * tensor.element_size())


@dataclass(frozen=True)
class Weights:
    """All that a model must have on its device.

    `plain` are ordinary tensors, those inside quantised ones included. `wrappers` are the quantised ones
    (torchao's and other traceable subclasses), inner before outer: they hold no bytes, but know a device.
    """

    plain: tuple[Tensor, ...]
    wrappers: tuple[Tensor, ...]


def weights_of(modules: Sequence[nn.Module]) -> Weights:
    """Parameters and buffers of `modules`, each once, however many modules share it.

    Raises:
        StageError: a tensor has no data (a checkpoint that was not fully loaded), is sparse, or is an
            inference tensor, which can't be pointed elsewhere.
    """
    plain: dict[int, Tensor] = {}
    wrappers: dict[int, Tensor] = {}
    for module in modules:
        for name, tensor in _named_tensors(module):
            _collect(f"{type(module).__name__}.{name}", tensor, plain, wrappers)
    return Weights(tuple(plain.values()), tuple(wrappers.values()))


def _named_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _collect(name: str, tensor: Any, plain: dict[int, Tensor], wrappers: dict[int, Tensor]) -> None:
    if id(tensor) in plain or id(tensor) in wrappers:
        return
    if _is_wrapper(tensor):
        inner_names: list[str] = tensor.__tensor_flatten__()[0]
        for inner in inner_names:
            _collect(f"{name}.{inner}", getattr(tensor, inner), plain, wrappers)
        wrappers[id(tensor)] = tensor
        return
    if flaw := _flaw(tensor):
        raise StageError(f"weight {name} {flaw}: it can't be moved", stage="load", weight=name)
    plain[id(tensor)] = tensor


def _flaw(tensor: Tensor) -> str:
    if tensor.is_meta:
        return "has no data"
    if tensor.layout != torch.strided:
        return f"is {tensor.layout}"
    return "was made under inference_mode" if tensor.is_inference() else ""


def _is_wrapper(tensor: Any) -> bool:
    return bool(is_traceable_wrapper_subclass(tensor))


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
