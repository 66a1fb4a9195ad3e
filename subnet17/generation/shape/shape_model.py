"""Hunyuan3D-2's shape model, ready to run: a picture and seeds -> latents -> a field.

Covers: several seeds of one picture in one batch, guidance in all three forms, blocks compiled on a GPU.
Does not cover: reading weights (hunyuan_checkpoint.py), moving them to the device (gpu/models.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from subnet17.errors import ConfigError, InvalidInputError, StageError
from subnet17.generation.shape.field_decoder import Field, FieldDecoder
from subnet17.generation.shape.hunyuan_checkpoint import precision_for
from subnet17.generation.shape.shape_sampler import guidance_kind, plan, predict, sample
from subnet17.gpu.compiled_blocks import CompiledBlocks, repeated_blocks
from subnet17.gpu.recorded import ONCE_PER_ASSET, Recorded, record_forward

MIN_SIDE_PX = 8
"""Of what a picture shows; less is noise of the background removal."""


class ShapeModel:
    """A prepared pipeline. Its weights must lie on `device` while it is used.

    Args:
        pipeline: hy3dgen's Hunyuan3DDiTFlowMatchingPipeline.
        device: Where it will run.
        distilled: The checkpoint needs no guidance.
        compiled: Compile the repeated blocks while `warming`.
        backend: Of `torch.compile`.

    Raises:
        ConfigError: the pipeline holds another kind of denoiser.
    """

    def __init__(
        self,
        pipeline: Any,
        device: torch.device,
        *,
        distilled: bool = False,
        compiled: bool = False,
        backend: str | Any = "inductor",
    ) -> None:
        if not hasattr(pipeline.model, "double_blocks"):
            raise ConfigError(
                f"{type(pipeline.model).__name__} is not a denoiser of Hunyuan3D-2",
                key="generation.model_path",
            )
        pipeline.to(dtype=precision_for(device))
        pipeline.device = device
        self.pipeline = pipeline
        self.device = device
        self.distilled = distilled
        self.field_decoder = FieldDecoder(pipeline.vae.geo_decoder)
        blocks = [block for module in self.modules for block in repeated_blocks(module)]
        worth_it = [*blocks, self.field_decoder] if compiled else []
        self.compiled = CompiledBlocks(worth_it, device, backend=backend)
        denoiser, encoder = pipeline.model, pipeline.conditioner.main_image_encoder.model
        self._step = Recorded(partial(predict, denoiser), denoiser.latent_in.weight.data_ptr)
        self.recorded = [self._step, record_forward(encoder, after=ONCE_PER_ASSET)]

    @property
    def modules(self) -> list[torch.nn.Module]:
        """What holds the weights."""
        return [self.pipeline.conditioner, self.pipeline.model, self.pipeline.vae]

    @torch.no_grad()
    def latents(
        self,
        image: Image.Image,
        seeds: Sequence[int],
        *,
        steps: int,
        guidance: float,
        check: Callable[[str], object],
    ) -> Tensor:
        """Latents (len(seeds), L, C), finite. The same seed gives the same noise in any batch, on any device.

        Args:
            image: RGBA; cropped to what it shows and centred again by the model's own rules.
            seeds: One shape each.
            steps: Denoising steps.
            guidance: Scale; see `guidance_kind`.
            check: Called with the name of each step; raises to give up.

        Raises:
            InvalidInputError: the picture shows nothing.
            StageError: the model returned numbers that are not finite.
        """
        check_shown(image)
        kind = guidance_kind(self.pipeline.model, guidance, distilled=self.distilled)
        # Both wait for the GPU, so they come before its first kernel.
        schedule = plan(self.pipeline.scheduler, steps, dtype=self.pipeline.dtype, device=self.device)
        noise = self._noise(seeds)
        with self.compiled.running():
            features = self._features(image, len(seeds), doubled=kind == "doubled")
            found = sample(
                self.pipeline.model, features, noise, schedule,
                guidance=guidance, kind=kind, check=check, step=self._step,
            )  # fmt: skip
        if not bool(torch.isfinite(found).all()):
            raise StageError("the shape model returned numbers that are not finite", stage="shape")
        return found

    @torch.no_grad()
    def decoder(self, latents: Tensor) -> Field:
        """The field of one shape, usable until the model is moved out.

        Args:
            latents: (1, L, C) or (L, C), from `latents`.
        """
        one = latents.reshape(1, *latents.shape[-2:]) / self.pipeline.vae.scale_factor
        with self.compiled.running():
            tokens = self.pipeline.vae(one)
            return self.field_decoder.field(tokens, self.compiled.running)

    def _noise(self, seeds: Sequence[int]) -> Tensor:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        noise: Tensor = self.pipeline.prepare_latents(
            len(seeds), self.pipeline.dtype, self.device, generators
        )
        return noise

    def _features(self, image: Image.Image, count: int, *, doubled: bool) -> Tensor:
        # The picture is looked at once for all seeds: the vision model costs as much as a step.
        inputs = self.pipeline.prepare_image(image)
        features = self.pipeline.encode_cond(
            image=inputs.pop("image"),
            additional_cond_inputs=inputs,
            do_classifier_free_guidance=doubled,
            dual_guidance=False,
        )
        result: Tensor = features["main"].to(self.pipeline.dtype)
        return result.repeat_interleave(count, dim=0)


def check_shown(image: Image.Image) -> None:
    """Refuses a picture whose alpha leaves nothing to make a shape of.

    Raises:
        InvalidInputError: less than `MIN_SIDE_PX` on a side is opaque at all.
    """
    box = image.convert("RGBA").getchannel("A").getbbox() or (0, 0, 0, 0)
    width, height = box[2] - box[0], box[3] - box[1]
    if min(width, height) < MIN_SIDE_PX:
        raise InvalidInputError(
            f"the picture shows {width}x{height} px in front of its background,"
            f" needed {MIN_SIDE_PX}x{MIN_SIDE_PX}",
            width_px=width,
            height_px=height,
            min_px=MIN_SIDE_PX,
        )
