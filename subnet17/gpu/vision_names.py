"""Names of DINOv2's weights: as published with shape checkpoints, and as newer transformers have them.

Covers: the two layouts of the same tensors, either way round for reading a published file with a new library.
Does not cover: other vision models, whose names are left alone.
"""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

RENAMED = {
    ".attention.attention.query.": ".attention.q_proj.",
    ".attention.attention.key.": ".attention.k_proj.",
    ".attention.attention.value.": ".attention.v_proj.",
    ".attention.output.dense.": ".attention.o_proj.",
    ".mlp.weights_out.": ".mlp.down_proj.",
}
"""Part of a published name -> what stands there in the library."""

JOINED = ".mlp.weights_in."
HALVES = (".mlp.gate_proj.", ".mlp.up_proj.")
"""The first half of the joined tensor's rows is the gate."""


def renamed_vision_weights(weights: dict[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
    """`weights` under the names of `wanted`, where a published name is known to have become one of them.

    Args:
        weights: Name -> tensor, as in a file.
        wanted: Names of the module that will take them.
    """
    result: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        result.update({name: tensor} if name in wanted else _renamed(name, tensor, wanted))
    return result


def _renamed(name: str, tensor: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
    if JOINED in name:
        names = [name.replace(JOINED, half) for half in HALVES]
        if all(each in wanted for each in names):
            return dict(zip(names, tensor.chunk(2), strict=True))
    for published, present in RENAMED.items():
        if (new := name.replace(published, present)) != name and new in wanted:
            return {new: tensor}
    return {name: tensor}
