"""The models of flux-hunyuan on one device, in a worker process.

Each stage that computes on the device runs through `attempt`: out of memory it frees, goes a level lower and
tries once more. The shape model moves in while the picture is painted, where there is room for both.
The same request gives the same asset on the same kind of card.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from subnet17.deadline import Deadline
from subnet17.errors import DeviceLostError, StageError
from subnet17.generation.asset import GeneratedAsset
from subnet17.generation.colour.paint import choose_painter
from subnet17.generation.flux_hunyuan_job import FluxHunyuanJob, Pieces
from subnet17.generation.picture.background import choose_background
from subnet17.generation.picture.text_to_image import IMAGE, TextToImage
from subnet17.generation.profiles import PROFILES, plan_work
from subnet17.generation.request import GenerationRequest
from subnet17.generation.shape.image_to_shape import NAME as SHAPE
from subnet17.generation.shape.image_to_shape import ImageToShape
from subnet17.gpu.faults import telling_loss
from subnet17.gpu.models import ModelCache
from subnet17.gpu.pressure import LEVELS
from subnet17.log import get_logger
from subnet17.serving.worker_device import WorkerDevice
from subnet17.serving.worker_process import job_deadline
from subnet17.settings import GenerationTable

log = get_logger()

RESERVE_BYTES = 2 * 10**9
"""Kept free on a GPU beside the weights, for what is being computed."""
FOLLOWER = {IMAGE: SHAPE}
"""Model -> the one that is wanted next. None follows the shape: whether the next prompt needs the text
encoder isn't known, and to make room for it another model would have to go."""
REHEARSAL = "a red ball"


class FluxHunyuan:
    """The back end on one device. One call at a time.

    Args:
        settings: With the one device that this worker has claimed.
        data_dir: Where compiled kernels are kept between runs.

    Raises:
        ConfigError, UnavailableError: the background's network can't be loaded, or what painting needs is
            missing.
    """

    def __init__(self, settings: GenerationTable, data_dir: Path) -> None:
        self._settings = settings
        background, why = choose_background(settings)
        self._device = WorkerDevice(settings, reserve_bytes=RESERVE_BYTES, cache_type=PipelineCache)
        cache = self._device.cache
        painter, why_texture = choose_painter(settings, cache)
        self._pieces = Pieces(
            settings,
            TextToImage(settings, cache, inductor_cache=data_dir / "inductor"),
            background,
            ImageToShape(settings, cache),
            self._device.pressure,
            self._free,
            painter,
        )
        facts = {
            "background": background.name,
            "background_reason": why[:300],
            "texture": "paint" if painter else "projection",
            "texture_reason": why_texture[:300],
        }
        self._device.look_after(lambda changed: changed.generation, facts)

    def warm_up(self) -> None:
        """Loads and compiles all models and makes one asset, so that the first request is as fast as others.

        Raises:
            UnavailableError: weights are missing or wrong, or they don't fit into the memory.
            DeviceLostError: the GPU does not work.
        """
        deadline = Deadline.after(self._settings.load_timeout_s)
        sizes_px = {plan_work(self._settings, profile, LEVELS[0]).image_size_px for profile in PROFILES}
        with telling_loss():
            self._pieces.text_to_image.warm_up(sorted(sizes_px), deadline=deadline)
            self._pieces.image_to_shape.warm_up(deadline)
            if self._pieces.painter:
                self._pieces.painter.warm_up(deadline)
        try:
            self.generate(GenerationRequest(REHEARSAL, None, 0, "spz", self._settings.profile))
        except DeviceLostError:
            raise
        except StageError as error:
            # The models run; one prompt that fails is no reason to refuse all others.
            log.warning("the rehearsal gave no asset", why=error.message)

    def generate(self, request: GenerationRequest, settings: GenerationTable | None = None) -> GeneratedAsset:
        """Makes one asset.

        Args:
            request: What is asked for.
            settings: Its steps, resolution and splats are taken from them; None: those of the start.

        Raises:
            InvalidInputError: the picture can't be decoded, shows nothing, or its background can't be told.
            DeadlineError: a stage could not start in time.
            UnavailableError: out of GPU memory, also at a lower level.
            DeviceLostError: the GPU needs a new process.
            StageError: a stage failed.
        """
        pieces = replace(self._pieces, settings=settings or self._settings)
        job = FluxHunyuanJob(pieces, request, job_deadline())
        with self._device.at_work():
            made = job.run()
        made.notes.extend(self._device.notes())
        return made

    def _free(self) -> None:
        self._pieces.text_to_image.forget()
        self._device.free()


class PipelineCache(ModelCache):
    """Starts to move a model's follower in once that model is held: its transfer runs beside the work."""

    @contextmanager
    def lease(self, name: str, deadline: Deadline) -> Iterator[Any]:
        """See `ModelCache.lease`."""
        with super().lease(name, deadline) as value:
            if follower := FOLLOWER.get(name):
                self.prefetch(follower)
            yield value
