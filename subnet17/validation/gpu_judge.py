"""Draws and scores on one device, in a worker process: gsplat and the validators' networks.

Out of memory, each stage frees what it can and tries once more with fewer pictures at once; a lost device
ends the server. Imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from subnet17.deadline import Deadline
from subnet17.gpu.pressure import attempt
from subnet17.serving.worker_device import WorkerDevice
from subnet17.settings import ValidationTable
from subnet17.splat.cameras import Cameras, RenderableCloud, Views, fit_for_render, official_cameras
from subnet17.splat.gsplat_kernels import load_gsplat
from subnet17.splat.rasterize_cpu import render_views
from subnet17.splat.rasterize_gpu import render_views_on_gpu
from subnet17.validation.choice import CUDA, REFERENCE, Choice
from subnet17.validation.scoring.embedded import EmbeddedScorer
from subnet17.validation.scoring.reference.scorer import (
    KINDS,
    ReferenceScorer,
    build_reference_scorer,
)
from subnet17.validation.scoring.reference.told import SWITCHED_OFF, YES, Kind
from subnet17.validation.scoring.scores import Scorer
from subnet17.validation.scoring.warmup import make_ball

RESERVE_BYTES = 10**9
"""Kept free on a GPU beside the weights, for what is being computed."""
REHEARSAL = "a red ball"
MAX_WHY_CHARS = 600
"""Of why a kind of task can't be scored: news are short."""


class GpuJudge:
    """See the module. Satisfies `Judge`; one call at a time.

    Args:
        settings: With the one device that this worker has claimed.
        scored_by: What scores.
        rendered_by: What draws.

    Raises:
        UnavailableError: the scorer's weights are missing, for texts and for pictures.
        RuntimeError: there is no such device.
    """

    def __init__(self, settings: ValidationTable, scored_by: Choice, rendered_by: Choice) -> None:
        self._settings = settings
        self._on_gpu = rendered_by.name == CUDA
        self._device = WorkerDevice(settings, reserve_bytes=RESERVE_BYTES)
        self._reference: ReferenceScorer | None = None
        self._scores: dict[Kind, str] = dict.fromkeys(KINDS, "")
        if scored_by.name == REFERENCE:
            pressure = self._device.pressure
            self._reference = build_reference_scorer(settings, self._device.cache, pressure=pressure)
            self._scores = _what_it_scores(self._reference, settings)
        self.scorer: Scorer = self._reference or EmbeddedScorer()
        self._device.look_after(lambda changed: changed.validation, self._facts)

    def warm_up(self) -> None:
        """Loads and compiles all there is and judges a ball: the first request is as fast as others.

        Raises:
            UnavailableError: weights or gsplat's kernels are missing or wrong, or the memory is too small; of
                weights and memory: for texts as for pictures.
            DeviceLostError: the GPU does not work.
        """
        deadline = Deadline.after(self._settings.load_timeout_s)
        with self.at_work():
            if self._on_gpu:
                load_gsplat()
            if self._reference is not None:
                self._reference.warm_up(deadline)
                self._scores = _what_it_scores(self._reference, self._settings)
                self._device.tell(self._facts)
            self._rehearse()

    @property
    def _facts(self) -> dict[str, object]:
        return {"scores": {kind: why or YES for kind, why in self._scores.items()}}

    def _rehearse(self) -> None:
        views = self.draw(fit_for_render(make_ball()), official_cameras())
        if not self._scores["text"]:
            self.scorer.score_text(views, REHEARSAL)
        elif not self._scores["image"]:
            self.scorer.score_image(views, views.images[0])

    def draw(self, scene: RenderableCloud, cameras: Cameras, *, tiles_per_view: int = 0) -> Views:
        """See `Judge`.

        Raises:
            UnavailableError: out of GPU memory, also with fewer cameras at once.
        """
        if not self._on_gpu:
            return render_views(scene, cameras)
        return attempt(
            lambda level: render_views_on_gpu(
                scene,
                cameras,
                self._device.card.device,
                tiles_per_view=tiles_per_view,
                share=level.batch_share,
            ),
            pressure=self._device.pressure,
            free=self._device.free,
        )

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """See `WorkerDevice.at_work`; the device is torch's current one meanwhile."""
        with self._device.at_work(), self._current_device():
            yield

    def notes(self) -> list[str]:
        """See `Judge`."""
        return self._device.notes()

    @contextmanager
    def _current_device(self) -> Iterator[None]:
        card = self._device.card
        if not card.is_cuda:
            yield
            return
        with torch.cuda.device(card.device):
            yield


def _what_it_scores(scorer: ReferenceScorer, settings: ValidationTable) -> dict[Kind, str]:
    """Kind of task -> why it can't be scored; empty text if it can."""
    missing = scorer.missing()
    if not settings.image_tasks:
        missing["image"] = SWITCHED_OFF
    return {kind: missing.get(kind, "")[:MAX_WHY_CHARS] for kind in KINDS}
