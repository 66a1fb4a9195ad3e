"""Moves a model's weights to the device and off it, at the speed of one transfer.

Covers parameters and buffers, quantised ones included. Does not cover tensors that a module keeps as plain
attributes, weights that are written to after loading (moving out drops the device's copy), weights shared
by two residences, and CUDA graphs (addresses change with every move; compiled graphs take them as inputs).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from subnet17.gpu.flat_layout import Slot, lay_out, weights_of
from subnet17.gpu.host_memory import HostBuffer


class Residence:
    """The weights of some modules in one flat host buffer and, while in place, one flat device buffer.

    Each tensor object stays the same for good and only its data pointer changes, so compiled graphs and
    references held elsewhere survive. Out of place the weights can be read on the CPU.

    Args:
        modules: On the CPU or already on the device; taken over as they are, after all surgery (fused
            projections, quantisation). They start out of place: what they held elsewhere is released.
        device: Where they are to compute.

    Raises:
        StageError: a weight can't be moved (no data, sparse, made under inference_mode).
    """

    def __init__(self, modules: Sequence[nn.Module], device: str | torch.device) -> None:
        self._device = torch.device(device)
        weights = weights_of(modules)
        regions, self.nbytes = lay_out(weights.plain)
        self._slots: list[Slot] = [slot for region in regions for slot in region.slots]
        self._wrappers = weights.wrappers
        self._flat: Tensor | None = None
        self._arrived: torch.cuda.Event | None = None
        with ordinary_mode():
            self._host = HostBuffer(self.nbytes, reader=self._device)
            for region in regions:  # one by one, so that what is copied is released before the next
                self._host.bytes[region.offset : region.offset + region.nbytes].copy_(region.read())
                _point(region.slots, self._host.bytes)
            _renew(self._wrappers)

    @property
    def in_place(self) -> bool:
        """Whether the weights lie on the device, or are on their way there."""
        return self._flat is not None

    def move_in(self) -> None:
        """Starts one transfer of all weights, on a stream of its own; work must `wait` for it first.

        Raises:
            torch.OutOfMemoryError: the device has no room; nothing has changed then.
        """
        if self._flat is not None:
            return
        with ordinary_mode(), _on_side_stream(self._device) as stream:
            # Allocated on the side stream: blocks of other streams may still be read by kernels under way.
            flat = torch.empty(self.nbytes, dtype=torch.uint8, device=self._device)
            flat.copy_(self._host.bytes, non_blocking=True)
            arrived = stream.record_event() if stream else None
            _point(self._slots, flat)
            _renew(self._wrappers)
        self._flat, self._arrived = flat, arrived

    def wait(self) -> None:
        """Makes the calling thread's current stream wait for the transfer; the thread itself does not."""
        if self._flat is None or self._arrived is None:
            return
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(self._arrived)
        self._flat.record_stream(stream)  # so that move_out frees it only after the work queued there

    def move_out(self) -> None:
        """Points the weights back at the host's copy and drops the device's.

        Needs no synchronisation: the allocator keeps the block until all streams that waited for the
        weights have done what was queued on them.
        """
        if self._flat is None:
            return
        with ordinary_mode():
            _point(self._slots, self._host.bytes)
            _renew(self._wrappers)
        self._flat, self._arrived = None, None


def _point(slots: Sequence[Slot], flat: Tensor) -> None:
    typed: dict[torch.dtype, Tensor] = {}
    for slot in slots:
        tensor = slot.tensor
        if tensor.dtype not in typed:
            typed[tensor.dtype] = flat.view(tensor.dtype)
        start = slot.offset // tensor.element_size()
        tensor.data = typed[tensor.dtype].as_strided(tensor.size(), tensor.stride(), start)


def _renew(wrappers: Sequence[Any]) -> None:
    """Tells wrapper subclasses the device of their inner tensors, which are in place already."""
    # without this switch the subclass would see the assignment and refuse or copy
    with torch._C.DisableTorchFunctionSubclass():
        for wrapper in wrappers:
            names, attributes = wrapper.__tensor_flatten__()
            inner = {name: getattr(wrapper, name) for name in names}
            wrapper.data = type(wrapper).__tensor_unflatten__(
                inner, attributes, wrapper.size(), wrapper.stride()
            )


@contextmanager
def ordinary_mode() -> Iterator[None]:
    """For making weights: who asks for a model may do so within inference_mode, which would stick to them."""
    with torch.inference_mode(False), torch.no_grad():
        yield


@contextmanager
def _on_side_stream(device: torch.device) -> Iterator[torch.cuda.Stream | None]:
    if device.type != "cuda":
        yield None
        return
    stream = _side_stream(device)
    with torch.cuda.stream(stream):
        yield stream


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    # one for all models of a device: blocks freed by one can then serve the next
    return torch.cuda.Stream(device)
