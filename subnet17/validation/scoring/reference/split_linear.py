"""Linear layers with float32's accuracy on tensor cores that round their inputs to TF32.

A float32 number is the sum of two TF32 numbers, up to 2^-20 of it. Of the four products of such sums the
three larger ones are added up by one multiplication, three times as deep: [hi hi lo] @ [hi lo hi]. That pays
where TF32 is much faster than float32: about 8 times on A100 and H100, not at all on cards for games.

Covers: float32 on CUDA, weights that don't change. Does not cover: half precision, training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

TF32_MASK = -(2**13)
"""Keeps sign, exponent and 10 bits of mantissa of a float32 seen as int32."""
PAYS_ON = frozenset({(8, 0), (9, 0), (10, 0), (10, 3)})
"""Compute capabilities of cards for data centres."""


class SplitLinear(nn.Module):
    """Stands in for a `nn.Linear` in float32.

    Args:
        linear: Its weights are taken over.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        high, low = split(linear.weight.detach())
        self.weight = nn.Parameter(torch.cat([high, low, high], dim=1), requires_grad=False)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach(), requires_grad=False)

    def forward(self, values: Tensor) -> Tensor:
        """`values @ weight.T + bias`, within 1e-6 of the largest product."""
        high, low = split(values)
        return functional.linear(torch.cat([high, high, low], dim=-1), self.weight, self.bias)


def split(values: Tensor) -> tuple[Tensor, Tensor]:
    """A float32 tensor as the sum of one that TF32 holds exactly and a rest."""
    high = (values.view(torch.int32) & TF32_MASK).view(torch.float32)
    return high, values - high


def pays_on(device: torch.device) -> bool:
    """Whether split products are faster than float32 ones there."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) in PAYS_ON


def split_linears(module: nn.Module) -> None:
    """Replaces all linear layers below `module`, in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, SplitLinear(child))


@contextmanager
def tf32_products() -> Iterator[None]:
    """Inside, float32 products run in TF32: for `SplitLinear`, and for nothing else."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
