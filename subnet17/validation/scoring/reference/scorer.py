"""The reference scorer: the validators' networks over the 16 views, their filters and their formula.

All four measures are queued on the device before the first number is waited for, so a validation costs one
synchronisation. Networks come and go through the model cache; on a small card they take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from subnet17.deadline import Deadline
from subnet17.errors import ConfigError, StageError, UnavailableError
from subnet17.gpu.models import Loaded, ModelCache
from subnet17.gpu.pressure import Level, Pressure, attempt
from subnet17.log import get_logger
from subnet17.serving.worker_process import job_deadline
from subnet17.settings import ValidationTable
from subnet17.splat.cameras import IMAGE_SIZE_PX, VIEWS, Views
from subnet17.splat.torch_views import tensor_of
from subnet17.validation.scoring.reference import (
    image_alignment,
    perceptual,
    quality,
    similarity,
    text_alignment,
)
from subnet17.validation.scoring.reference.network import Network
from subnet17.validation.scoring.reference.offer import Offer
from subnet17.validation.scoring.reference.per_view import Float64, combine
from subnet17.validation.scoring.reference.told import MEASURES, NOT_MEASURED, Kind
from subnet17.validation.scoring.scores import Scores

TEXT, IMAGE, QUALITY = "text_alignment", "image_alignment", "quality"
LPIPS, SSIM = "lpips", "ssim"

NETWORKS: dict[str, tuple[Callable[..., Network], Callable[[ValidationTable], Any], int]] = {
    QUALITY: (quality.load_quality, quality.find_quality, quality.ASSUMED_BYTES),
    LPIPS: (perceptual.load_perceptual, perceptual.find_perceptual, perceptual.ASSUMED_BYTES),
    SSIM: (similarity.load_similarity, lambda _: None, similarity.ASSUMED_BYTES),
    TEXT: (
        text_alignment.load_text_alignment,
        text_alignment.find_text_alignment,
        text_alignment.ASSUMED_BYTES,
    ),
    IMAGE: (
        image_alignment.load_image_alignment,
        image_alignment.find_image_alignment,
        image_alignment.ASSUMED_BYTES,
    ),
}
"""Name in the cache -> reads it, finds its files, bytes on the device until measured."""
KINDS: dict[Kind, tuple[str, ...]] = {
    "text": (QUALITY, LPIPS, SSIM, TEXT),
    "image": (QUALITY, LPIPS, SSIM, IMAGE),
}
"""What each kind of task needs."""

log = get_logger()


class ReferenceScorer:
    """Scores rendered views as the validators do. One call at a time.

    Args:
        settings: The validation server's table.
        cache: Where the networks are registered; its card is where they run.
        pressure: How much is computed at once; lowered when memory runs out.
    """

    measures: dict[str, str] = MEASURES
    not_measured: list[str] = NOT_MEASURED

    def __init__(
        self, settings: ValidationTable, cache: ModelCache, *, pressure: Pressure | None = None
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._pressure = pressure or Pressure()
        self._device: torch.device = cache.card.device
        kinds: list[Kind] = ["text", "image"] if settings.image_tasks else ["text"]
        self.offer = Offer(kinds, KINDS, lambda name: _problem(NETWORKS[name][1], settings))
        for name, (load, _, assumed_bytes) in NETWORKS.items():
            cache.register(name, partial(self._load, load), assumed_bytes)

    def score_text(self, views: Views, prompt: str) -> Scores:
        """Judges 16 official views against a text.

        Raises:
            NotOfferedError: what this takes is missing here; nothing was computed.
            DeadlineError, UnavailableError, DeviceLostError, StageError: as `ModelCache.lease` and `attempt`.
        """
        self.offer.check("text")

        def align(images: Tensor, batch: int) -> Tensor:
            with self._cache.lease(TEXT, job_deadline()) as network:
                found: Tensor = network.cosines(images, prompt, batch)
            return found

        return combine(self._measure(views, align), kind="text")

    def score_image(self, views: Views, image: NDArray[np.uint8]) -> Scores:
        """Judges 16 official views against an (H, W, 3) uint8 picture; raises as `score_text` does."""
        self.offer.check("image")

        def align(images: Tensor, batch: int) -> Tensor:
            with self._cache.lease(IMAGE, job_deadline()) as network:
                found: Tensor = network.cosines(images, image, batch)
            return found

        return combine(self._measure(views, align), kind="image")

    def warm_up(self, deadline: Deadline) -> None:
        """Loads, compiles and records all networks for the official views.

        A network whose weights are wrong, or don't fit into the memory, is from now on `missing`.

        Raises:
            UnavailableError: nothing can be scored then.
            DeadlineError: the time was not enough.
        """
        self.offer.restore()
        images = _sample_views(self._device)
        for name in self.offer.wanted:
            if self.offer.is_of_use(name):
                self._warm_up(name, images, deadline)
        self.offer.check_any()

    def _warm_up(self, name: str, images: Tensor, deadline: Deadline) -> None:
        started_s = time.monotonic()

        def job(level: Level) -> None:
            with self._cache.lease(name, deadline) as network:
                _warm(network, images[: _batch_of(images, level)])

        try:
            attempt(job, pressure=self._pressure, free=self._free)
        except UnavailableError as error:
            self.offer.strike(name, error.message)
            log.error("a network can't be used", network=name, why=error.message)
        else:
            log.info("network is warm", network=name, seconds=round(time.monotonic() - started_s, 2))

    def missing(self) -> dict[Kind, str]:
        """Which kinds of tasks can't be scored here, and why.

        Looks for files once, and fetches the weights that it lacks; none for pictures where the settings
        spare that network.
        """
        return self.offer.missing()

    def _load(self, load: Callable[..., Network]) -> Loaded:
        compiled = self._settings.compile and self._cache.card.is_cuda
        return load(self._settings, self._device, compiled=compiled).loaded

    def _measure(self, views: Views, align: Callable[[Tensor, int], Tensor]) -> dict[str, Float64]:
        """Per view, by the name of the measure."""

        def job(level: Level) -> dict[str, Float64]:
            images = tensor_of(views, self._device)
            batch = _batch_of(images, level)
            # The largest first: while the device is busy with it, the host reads the prompt.
            queued = {**self._of_views(images, batch), "alignment": align(images, batch)}
            arrived = torch.stack(list(queued.values())).cpu().numpy().astype(np.float64)
            return dict(zip(queued, arrived, strict=True))

        found = attempt(job, pressure=self._pressure, free=self._free)
        if broken := [name for name, values in found.items() if not np.isfinite(values).all()]:
            raise StageError(f"{', '.join(broken)} gave numbers that are not finite", stage="score")
        return found

    def _of_views(self, images: Tensor, batch: int) -> dict[str, Tensor]:
        with self._cache.lease(QUALITY, job_deadline()) as network:
            iqa: Tensor = network.scores(images, batch)
        with self._cache.lease(LPIPS, job_deadline()) as network:
            lpips: Tensor = network.distances(images, batch)
        with self._cache.lease(SSIM, job_deadline()) as network:
            ssim: Tensor = network.similarities(images, batch)
        return {"iqa": iqa, "lpips": lpips, "ssim": ssim}

    def _free(self) -> None:
        self._cache.evict_idle()
        self._cache.card.empty_cache()


def build_reference_scorer(
    settings: ValidationTable, cache: ModelCache, *, pressure: Pressure | None = None
) -> ReferenceScorer:
    """The scorer, once it is known that this machine has the weights for it; they are read at first use.

    Where only one of text and picture can be scored, the scorer is given and `missing` tells of the other.

    Raises:
        UnavailableError: neither can be scored; names everything that is missing.
        ConfigError: the scorer's device is not the cache's.
    """
    if torch.device(settings.device).type != cache.card.device.type:
        raise ConfigError(
            f"validation.device is {settings.device}, the networks' memory is on {cache.card.device}",
            key="validation.device",
        )
    scorer = ReferenceScorer(settings, cache, pressure=pressure)
    scorer.offer.check_any()
    for kind, why in scorer.missing().items():
        log.warning("one kind of task can't be scored", kind=kind, why=why)
    return scorer


def _problem(find: Callable[[ValidationTable], Any], settings: ValidationTable) -> str:
    try:
        find(settings)
    except UnavailableError as error:
        return error.message
    return ""


def _batch_of(images: Tensor, level: Level) -> int:
    """How many of these pictures are computed at once."""
    return max(1, round(len(images) * level.batch_share))


def _warm(network: Network, images: Tensor) -> None:
    """Where compilation fails the network stays as it is, slower, and the log says so."""
    try:
        network.warm_up(images)
    except (RuntimeError, OSError, ImportError) as error:
        if not network.compiled or isinstance(error, torch.OutOfMemoryError):
            raise
        log.warning("compilation failed, running without", why=f"{type(error).__name__}: {error}"[:300])
        network.compiled.leave_eager()
        network.warm_up(images)


def _sample_views(device: torch.device) -> Tensor:
    """(16, 518, 518, 3) uint8: a ramp on white, so that no network meets only equal pixels."""
    ramp = torch.arange(IMAGE_SIZE_PX, device=device).remainder(256).to(torch.uint8)
    return ramp[None, :, None, None].expand(VIEWS, -1, IMAGE_SIZE_PX, 3).contiguous()
