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
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from subnet17.deadline import Deadline
from subnet17.generation.shape.field_decoder import Field
from subnet17.generation.shape.hunyuan_checkpoint import load_hunyuan
from subnet17.generation.shape.shape_model import ShapeModel
from subnet17.gpu.models import Loaded, ModelCache
from subnet17.log import get_logger
from subnet17.settings import GenerationTable

NAME = "shape"
ASSUMED_BYTES = 5 * 10**9
"""Of the standard model in half precision: 2.2 GB denoiser, 2.3 GB vision model, 0.4 GB decoder."""
DISTILLED = ("turbo", "fast")
"""In a variant's name: it was trained to be run without guidance."""


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
        with self.lease(deadline) as held, held.model.compiled.warming():
            started_s = time.monotonic()
            try:
                _run_once(held, seeds)
            except (RuntimeError, OSError, ImportError) as error:
                if not held.model.compiled or isinstance(error, torch.OutOfMemoryError):
                    raise
                get_logger().warning(
                    "compilation failed, running without", why=f"{type(error).__name__}: {error}"[:300]
                )
                held.model.compiled.leave_eager()
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
        return Loaded(model, model.modules, model.recorded)


def _run_once(held: ShapeLease, seeds: Sequence[int]) -> None:
    picture = Image.new("RGBA", (64, 64))
    picture.paste((200, 60, 40, 255), (16, 16, 48, 48))
    field = held.decoder(held.latents(picture, seeds, steps=2)[:1])
    field(torch.zeros(1, 3, device=held.model.device))
