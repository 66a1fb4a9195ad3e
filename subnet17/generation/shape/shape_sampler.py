"""Denoises shape latents: picture features and noise -> latents.

Covers: hy3dgen's flow-matching sampling with classifier-free guidance, with guidance built into the model
(`guidance_embed`) and without guidance; both of its schedulers. Equal to the pipeline's own call, but the
host never waits for the GPU between steps (the pipeline does at each), what is the same in all steps is
computed once, and work can be given up between steps.
Does not cover: other denoisers than Hunyuan3DDiT.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

EMBEDDING_SIZE = 256
TIME_SCALE = 1000.0

GuidanceKind = Literal["none", "embedded", "doubled"]
"""doubled: each step also predicts without the picture, at twice the cost."""


@dataclass(frozen=True)
class Schedule:
    """Steps of one run. The scheduler's own numbers lie on the host: reading them never waits for the GPU.

    Attributes:
        scheduler: A copy of the pipeline's, set to these steps.
        moments: Its (S,) timesteps, on the host.
        times: (S,) what the model is told, where and in what precision it computes.
    """

    scheduler: Any
    moments: Tensor
    times: Tensor


def plan(scheduler: Any, steps: int, *, dtype: torch.dtype, device: torch.device) -> Schedule:
    """A schedule of `steps` steps from noise (0) to the shape (1). Waits for the GPU, so plan first."""
    own = copy.copy(scheduler)
    own.set_timesteps(sigmas=np.linspace(0, 1, steps), device="cpu")
    times = own.timesteps.to(dtype) / own.config.num_train_timesteps
    return Schedule(own, own.timesteps, times.to(device))


def guidance_kind(model: Any, guidance: float, *, distilled: bool) -> GuidanceKind:
    """How guidance is applied.

    Args:
        model: The denoiser.
        guidance: 1 changes nothing and negative values turn it off.
        distilled: The checkpoint was trained to be run without guidance.
    """
    if getattr(model, "guidance_embed", False):
        return "embedded"
    return "none" if distilled or guidance < 0 or guidance == 1 else "doubled"


def sample(
    model: Any,
    features: Tensor,
    noise: Tensor,
    schedule: Schedule,
    *,
    guidance: float,
    kind: GuidanceKind,
    check: Callable[[str], object],
    step: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Latents (B, L, C).

    Args:
        model: A Hunyuan3DDiT.
        features: (B, T, W) of the picture; for "doubled" (2B, T, W), the second half without the picture.
        noise: (B, L, C).
        schedule: From `plan`.
        guidance: Scale.
        kind: From `guidance_kind`.
        check: Called with the name of each step before it is issued; raises to give up. The GPU runs behind
            the host by the thousand kernels that its queue holds, about one step.
        step: `predict` of this model, recorded; None: as it is.
    """
    context = model.cond_in(features)
    moods = _step_vectors(model, schedule.times, guidance, kind)
    step = step or partial(predict, model)
    latents = noise
    for index, moment in enumerate(schedule.moments):
        check(f"shape step {index + 1} of {len(schedule.moments)}")
        doubled = torch.cat((latents, latents)) if kind == "doubled" else latents
        drift = step(doubled, context, moods[index : index + 1])
        if kind == "doubled":
            seen, unseen = drift.chunk(2)
            drift = unseen + guidance * (seen - unseen)
        latents = schedule.scheduler.step(drift, moment, latents, return_dict=False)[0]
    return latents


def predict(model: Any, latents: Tensor, context: Tensor, mood: Tensor) -> Tensor:
    """(B, L, C) drift of the latents in one step.

    Args:
        model: A Hunyuan3DDiT.
        latents: (B, L, C). context: (B, T, W) the picture's features, taken in by `cond_in`.
        mood: (1, W) what modulates the blocks in this step.
    """
    x = model.latent_in(latents)
    for block in model.double_blocks:
        x, context = block(img=x, txt=context, vec=mood, pe=None)
    x = torch.cat((context, x), dim=1)
    for block in model.single_blocks:
        x = block(x, vec=mood, pe=None)
    result: Tensor = model.final_layer(x[:, context.shape[1] :], mood)
    return result


def _step_vectors(model: Any, times: Tensor, guidance: float, kind: GuidanceKind) -> Tensor:
    """(S, W): what modulates the blocks in each step. The same for all of a batch, so it is held once."""
    vectors: Tensor = model.time_in(_waves(times, model.time_factor))
    if kind == "embedded":
        scale = torch.full((1,), guidance, dtype=times.dtype, device=times.device)
        vectors = vectors + model.guidance_in(_waves(scale, model.time_factor))
    return vectors


def _waves(values: Tensor, longest: float) -> Tensor:
    """(N, EMBEDDING_SIZE) cosines, then sines, of `values` (N,) at falling frequencies.

    Args:
        values: Times or scales.
        longest: Ratio of the frequencies' ends. The published weights were trained with the model's
            `time_factor` in this place, where other models of the family have 10,000.
    """
    half = EMBEDDING_SIZE // 2
    steps = torch.arange(half, dtype=torch.float32, device=values.device) / half
    angles = (TIME_SCALE * values).float()[:, None] * torch.exp(-math.log(longest) * steps)
    return torch.cat((angles.cos(), angles.sin()), dim=-1).to(values.dtype)
