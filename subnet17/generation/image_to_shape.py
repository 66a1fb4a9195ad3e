"""A picture without its background -> latents of a shape -> the shape as a field in space.

Covers: Hunyuan3D-2's shape models through hy3dgen, several seeds of one picture in one batch, guidance in all
three forms, compiled blocks on a GPU, deadlines between steps.
Does not cover: a surface (splat/from_field.py, shape_to_mesh.py), colours, several views.

In two parts, so that each can be replaced: `load` brings a pipeline with its weights on the host,
`ShapeModel` readies it for a device without moving anything: the model cache does that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from subnet17.deadline import Deadline
from subnet17.errors import ConfigError, InvalidInputError, StageError
from subnet17.generation.field_decoder import Field, FieldDecoder
from subnet17.generation.hunyuan_checkpoint import load_hunyuan, precision_for
from subnet17.generation.shape_sampler import guidance_kind, plan, sample
from subnet17.gpu.compiled_blocks import (
    compile_blocks,
    compiled_only,
    leave_eager,
    preferred_attention,
    repeated_blocks,
)
from subnet17.gpu.models import Loaded, ModelCache
from subnet17.log import get_logger
from subnet17.settings import GenerationTable

NAME = "shape"
ASSUMED_BYTES = 5 * 10**9
"""Of the standard model in half precision: 2.2 GB denoiser, 2.3 GB vision model, 0.4 GB decoder."""
DISTILLED = ("turbo", "fast")
"""In a variant's name: it was trained to be run without guidance."""
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
        self.compiled = compile_blocks([*blocks, self.field_decoder], backend=backend) if compiled else []
        self._warming = False

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
        with self._running():
            features = self._features(image, len(seeds), doubled=kind == "doubled")
            found = sample(
                self.pipeline.model, features, noise, schedule, guidance=guidance, kind=kind, check=check
            )
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
        with self._running():
            tokens = self.pipeline.vae(one)
            return self.field_decoder.field(tokens, self._running)

    @contextmanager
    def warming(self) -> Iterator[None]:
        """Inside, shapes that are met for the first time are compiled; elsewhere they run eagerly."""
        self._warming = True
        try:
            yield
        finally:
            self._warming = False

    def leave_eager(self) -> None:
        """Gives up compilation, on a machine that can't."""
        leave_eager(self.compiled)
        self.compiled = []

    @contextmanager
    def _running(self) -> Iterator[None]:
        settled = nullcontext() if self._warming or not self.compiled else compiled_only()
        with preferred_attention(self.device), settled:
            yield

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


@dataclass(frozen=True)
class ShapeLease:
    """The shape model while it is held in place.

    Attributes:
        model: Ready to run.
        settings: Defaults of a run.
        deadline: Checked between steps.
    """

    model: ShapeModel
    settings: GenerationTable
    deadline: Deadline

    def latents(
        self,
        image: Image.Image,
        seeds: Sequence[int],
        *,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """See `ShapeModel.latents`; steps and guidance default to the settings."""
        return self.model.latents(
            image,
            seeds,
            steps=self.settings.num_inference_steps if steps is None else steps,
            guidance=self.settings.guidance_scale if guidance is None else guidance,
            check=self.deadline.check,
        )

    def decoder(self, latents: Tensor) -> Field:
        """See `ShapeModel.decoder`."""
        return self.model.decoder(latents)


class ImageToShape:
    """The shape model behind the model cache.

    Args:
        settings: Which model.
        cache: Loads it at the first lease and moves it in and out.
        load: Brings the pipeline; see `load_hunyuan`.
    """

    def __init__(
        self,
        settings: GenerationTable,
        cache: ModelCache,
        *,
        load: Callable[[GenerationTable], Any] = load_hunyuan,
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._load = load
        cache.register(NAME, self._loaded, ASSUMED_BYTES)

    @contextmanager
    def lease(self, deadline: Deadline) -> Iterator[ShapeLease]:
        """Holds the model in place.

        Raises:
            DeadlineError: it did not get there in time.
            UnavailableError: it can't be loaded, or there is no room.
        """
        with self._cache.lease(NAME, deadline) as model:
            yield ShapeLease(model, self._settings, deadline)

    def warm_up(self, deadline: Deadline, *, seeds: Sequence[int] = (0,)) -> None:
        """Runs everything once on a drawn picture, which compiles it for batches of `len(seeds)`.

        Where compilation fails the model stays as it is, slower, and the log says so.
        """
        with self.lease(deadline) as held, held.model.warming():
            started_s = time.monotonic()
            try:
                _run_once(held, seeds)
            except (RuntimeError, OSError, ImportError) as error:
                if not held.model.compiled or isinstance(error, torch.OutOfMemoryError):
                    raise
                get_logger().warning(
                    "compilation failed, running without", why=f"{type(error).__name__}: {error}"[:300]
                )
                held.model.leave_eager()
                _run_once(held, seeds)
            get_logger().info("shape model is warm", seconds=round(time.monotonic() - started_s, 2))

    def _loaded(self) -> Loaded:
        device = torch.device(self._cache.card.device)
        model = ShapeModel(
            self._load(self._settings),
            device,
            distilled=any(word in self._settings.subfolder for word in DISTILLED),
            compiled=self._settings.compile and device.type == "cuda",
        )
        return Loaded(model, model.modules)


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


def _run_once(held: ShapeLease, seeds: Sequence[int]) -> None:
    picture = Image.new("RGBA", (64, 64))
    picture.paste((200, 60, 40, 255), (16, 16, 48, 48))
    field = held.decoder(held.latents(picture, seeds, steps=2)[:1])
    field(torch.zeros(1, 3, device=held.model.device))
