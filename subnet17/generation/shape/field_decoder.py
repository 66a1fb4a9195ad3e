"""Evaluates Hunyuan3D-2's shape decoder at points: tokens of a shape -> a field in space.

Covers: every variant of hy3dgen's cross-attention decoder (with and without query norm, closing norm and
downsampling). Differs from the decoder's own forward in speed: keys and values are projected once for a shape
instead of once for a chunk of points, and all batches have one size, so a compiled decoder compiles once.
Differs in accuracy: points are embedded in float32 even where the weights are float16, whose coordinates are
half a thousandth apart near 1, a tenth of a cell at 512 cells.
Does not cover: gradients; FlashVDM's choice of keys for each region.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, pad, scaled_dot_product_attention

Field = Callable[[Tensor], Tensor]
"""(N, 3) float32 positions in [-1.01, 1.01] -> (N,) float32, positive inside, zero at the surface."""

BATCH_POINTS = 32_768
"""Points evaluated at once: about 0.5 GB of activations at width 1024, and at most 2 ms of an H200 lost to
the padding of a last batch."""


class FieldDecoder(nn.Module):
    """One batch of points against the keys and values of one shape.

    Args:
        geo_decoder: `geo_decoder` of a ShapeVAE: the weights are used where they lie.
        batch_points: Points in a batch. A multiple of 4 keeps slices aligned for compiled code.
    """

    def __init__(self, geo_decoder: Any, *, batch_points: int = BATCH_POINTS) -> None:
        super().__init__()
        self.decoder = geo_decoder
        self.batch_points = batch_points
        self.frequency_scale = _frequency_scale(geo_decoder.fourier_embedder)

    @torch.no_grad()
    def project(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a shape.

        Args:
            tokens: (1, L, W) output of the VAE's transformer.

        Returns:
            Two tensors (1, H, L, W / H).
        """
        block = self.decoder.cross_attn_decoder
        if self.decoder.downsample_ratio != 1:
            tokens = self.decoder.latents_proj(tokens)
        attention = block.attn.attention
        pairs = block.attn.c_kv(block.ln_2(tokens)).unflatten(-1, (attention.heads, -1))
        keys, values = pairs.chunk(2, dim=-1)
        keys = attention.k_norm(keys)
        return keys.transpose(1, 2).contiguous(), values.transpose(1, 2).contiguous()

    def forward(self, points: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Field values (B,) float32 at points (B, 3) float32."""
        block = self.decoder.cross_attn_decoder
        x = self.decoder.query_proj(self._embed(points).to(keys.dtype))[None]
        x = x + _attend(block.attn, block.ln_1(x), keys, values)
        x = x + block.mlp(block.ln_3(x))
        return self._read_out(x[0].float())

    def _embed(self, points: Tensor) -> Tensor:
        embedder = self.decoder.fourier_embedder
        angles = points[:, :, None] * (embedder.frequencies.float() * self.frequency_scale)
        angles = angles.flatten(1)
        parts = (angles.sin(), angles.cos())
        return torch.cat((points, *parts) if embedder.include_input else parts, dim=-1)

    def _read_out(self, x: Tensor) -> Tensor:
        # In float32: the zero crossing is where the surface is, and a product with one column has no need
        # of a matrix unit.
        if self.decoder.enable_ln_post:
            norm = self.decoder.ln_post
            x = layer_norm(x, norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)
        last = self.decoder.output_proj
        values: Tensor = (x * last.weight[0].float()).sum(-1) + last.bias.float()
        return values

    def field(
        self, tokens: Tensor, context: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> Field:
        """The field of one shape. Usable while the weights are on the device that `tokens` are on.

        Args:
            tokens: (1, L, W) output of the VAE's transformer.
            context: Entered around every evaluation, such as a choice of attention kernels.
        """
        keys, values = self.project(tokens)

        @torch.no_grad()
        def evaluate(points: Tensor) -> Tensor:
            with context():
                return self._in_batches(points.to(keys.device, torch.float32).contiguous(), keys, values)

        return evaluate

    def _in_batches(self, points: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        result = torch.empty(len(points), dtype=torch.float32, device=points.device)
        for start in range(0, len(points), self.batch_points):
            batch = points[start : start + self.batch_points]
            count = len(batch)
            if count < self.batch_points:
                batch = pad(batch, (0, 0, 0, self.batch_points - count))
            result[start : start + count] = self(batch, keys, values)[:count]
        return result


def _attend(attn: Any, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    queries = attn.attention.q_norm(attn.c_q(x).unflatten(-1, (attn.attention.heads, -1)))
    mixed = scaled_dot_product_attention(queries.transpose(1, 2), keys, values)
    result: Tensor = attn.c_proj(mixed.transpose(1, 2).flatten(2))
    return result


def _frequency_scale(embedder: Any) -> float:
    """Undoes the rounding of frequencies that are multiples of pi and were cast to half precision."""
    lowest = float(embedder.frequencies[0])
    return math.pi / lowest if lowest > 2 else 1.0
