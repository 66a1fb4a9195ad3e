"""The two halves of a FLUX pipeline, so that each can lie on the card without the other.

The text half turns a prompt into embeddings, the image half embeddings into pictures. Each keeps diffusers'
own pipeline with the other half's parts left out: schedules, guidance and latents stay diffusers'.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from subnet17.gpu.compiled_blocks import compiled_only, preferred_attention
from subnet17.gpu.recorded import ONCE_PER_ASSET, record_forward

TEXT_PARTS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
IMAGE_PARTS = ("transformer", "vae")

Embedding = dict[str, Tensor]
"""Keyword arguments of the pipeline's call, each of shape (1, ...)."""

SCHNELL_TOKENS = 256
"""What FLUX.1 schnell was distilled with; dev and klein take 512."""
TOKENS = 512

GUIDANCE_DEV = 3.5
GUIDANCE_KLEIN = 4.0


def _without(pipeline: Any, parts: Sequence[str]) -> Any:
    kept = {name: None if name in parts else part for name, part in pipeline.components.items()}
    if "is_distilled" in pipeline.config:
        kept["is_distilled"] = pipeline.config.is_distilled
    half = type(pipeline)(**kept)
    half.set_progress_bar_config(disable=True)
    return half


class TextHalf:
    """Prompts to embeddings.

    Args:
        pipeline: A whole FluxPipeline or Flux2KleinPipeline, prepared.
    """

    def __init__(self, pipeline: Any) -> None:
        self._tokens = tokens_of(pipeline)
        self._guided = is_guided(pipeline)
        self._pipeline = _without(pipeline, IMAGE_PARTS)
        # CLIP launches small kernels one by one; T5 and Qwen have work enough, and are compiled.
        clip = [pipeline.text_encoder] if "text_encoder_2" in pipeline.components else []
        self.recorded = [record_forward(encoder, after=ONCE_PER_ASSET) for encoder in clip]

    @property
    def modules(self) -> list[nn.Module]:
        """What must lie on the card."""
        return [part for part in self._pipeline.components.values() if isinstance(part, nn.Module)]

    @torch.no_grad()
    def encode(self, prompt: str) -> Embedding:
        """The prompt's embeddings, where the encoders lie; CLIP reads its first 77 tokens, T5 or Qwen all."""
        embedding = self._encode(prompt)
        if self._guided:
            embedding["negative_prompt_embeds"] = self._encode("")["prompt_embeds"]
        return embedding

    def _encode(self, prompt: str) -> Embedding:
        device = self._pipeline.text_encoder.device
        encoded = self._pipeline.encode_prompt(prompt, device=device, max_sequence_length=self._tokens)
        if len(encoded) == 2:  # klein: embeddings and their positions
            return {"prompt_embeds": encoded[0]}
        return {"prompt_embeds": encoded[0], "pooled_prompt_embeds": encoded[1]}


class ImageHalf:
    """Embeddings to pictures. One call at a time: the scheduler has a state.

    Args:
        pipeline: A whole FluxPipeline or Flux2KleinPipeline, prepared.
        compiled: Its blocks are compiled: shapes that were not warmed up run as they are, since compiling
            takes longer than any request waits.
    """

    def __init__(self, pipeline: Any, *, compiled: bool = False) -> None:
        self._guidance = guidance_of(pipeline)
        self._pipeline = _without(pipeline, TEXT_PARTS)
        self._compiled = compiled
        self.recorded = [record_forward(pipeline.transformer)]
        self.multiple_px = 2 * int(pipeline.vae_scale_factor)

    @property
    def modules(self) -> list[nn.Module]:
        """What must lie on the card."""
        return [part for part in self._pipeline.components.values() if isinstance(part, nn.Module)]

    @torch.no_grad()
    def paint(
        self,
        embedding: Embedding,
        seeds: Sequence[int],
        *,
        size_px: int,
        steps: int,
        may_compile: bool = False,
    ) -> list[Image.Image]:
        """One RGB picture per seed.

        The noise of each seed comes from a generator of its own on the CPU: a GPU's generator gives other
        numbers on a card with another number of multiprocessors, and a shared generator would make a picture
        depend on its neighbours in the batch. 65,000 numbers take less than a millisecond.

        Args:
            embedding: Of the prompt, anywhere.
            seeds: At least one.
            size_px: Side; rounded down to what the latents can hold, a multiple of 16.
            steps: Of denoising.
            may_compile: Compile for this shape now, as warming up does.
        """
        side_px = max(self.multiple_px, size_px - size_px % self.multiple_px)
        device = self._pipeline.transformer.device
        batch = {
            name: value.to(device).expand(len(seeds), *value.shape[1:]) for name, value in embedding.items()
        }
        waiting = self._compiled and not may_compile
        with preferred_attention(device), compiled_only() if waiting else contextlib.nullcontext():
            pixels = self._pipeline(
                **batch,
                height=side_px,
                width=side_px,
                num_inference_steps=steps,
                guidance_scale=self._guidance,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
                output_type="pt",
                return_dict=False,
            )[0]
        return to_pictures(pixels)


def to_pictures(pixels: Tensor) -> list[Image.Image]:
    """Pictures of a (batch, 3, height, width) tensor of 0..1: rounded on the card, copied once as bytes."""
    rounded = (pixels.float() * 255).round_().clamp_(0, 255).to(torch.uint8)
    array: np.ndarray[Any, Any] = rounded.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return [Image.fromarray(picture) for picture in array]


def tokens_of(pipeline: Any) -> int:
    """Tokens of T5 or Qwen, as the checkpoint was made for."""
    return SCHNELL_TOKENS if is_schnell(pipeline) else TOKENS


def guidance_of(pipeline: Any) -> float:
    """What the checkpoint's card asks for; schnell and the distilled klein have it built in."""
    if "is_distilled" in pipeline.config:
        return GUIDANCE_KLEIN if is_guided(pipeline) else 1.0
    return 0.0 if is_schnell(pipeline) else GUIDANCE_DEV


def is_schnell(pipeline: Any) -> bool:
    """FLUX.1 without an input for guidance."""
    return "is_distilled" not in pipeline.config and not pipeline.transformer.config.guidance_embeds


def is_guided(pipeline: Any) -> bool:
    """Whether every step runs twice, with and without the prompt: the undistilled klein."""
    return not pipeline.config.get("is_distilled", True)
