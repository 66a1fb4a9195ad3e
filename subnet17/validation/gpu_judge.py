"""Draws and scores on one device, in a worker process: gsplat and the validators' networks.

Out of memory, each stage frees what it can and tries once more with fewer pictures at once; a lost device
ends the server. Imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from subnet17.deadline import Deadline
from subnet17.gpu.card import open_card
from subnet17.gpu.faults import telling_loss
from subnet17.gpu.models import ModelCache
from subnet17.gpu.news import GpuNews
from subnet17.gpu.pressure import Pressure, attempt
from subnet17.gpu.watcher import Watcher
from subnet17.serving.worker_process import add_follower, tell
from subnet17.settings import Settings, ValidationTable
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
        self._card = open_card(
            settings.device,
            limit_bytes=settings.vram_limit_bytes,
            cleanup_threshold=settings.memory_cleanup_threshold,
        )
        self._cache = ModelCache(
            self._card,
            idle_unload_s=settings.idle_unload_s,
            reserve_bytes=RESERVE_BYTES if self._card.is_cuda else 0,
        )
        self._reference: ReferenceScorer | None = None
        self._pressure = Pressure()
        self._scores: dict[Kind, str] = dict.fromkeys(KINDS, "")
        if scored_by.name == REFERENCE:
            self._reference = build_reference_scorer(settings, self._cache)
            self._pressure = self._reference.pressure
            self._scores = _what_it_scores(self._reference, settings)
        self.scorer: Scorer = self._reference or EmbeddedScorer()
        self._news = GpuNews(self._card, self._cache, self._pressure, tell, self._facts)
        self._news.start()
        self._watcher = Watcher(self._card, self._cache, self._pressure, settings.memory_cleanup_threshold)
        self._watcher.start()
        add_follower(self._follow)

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
                self._news.change(self._facts)
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
                self._card.device,
                tiles_per_view=tiles_per_view,
                share=level.batch_share,
            ),
            pressure=self._pressure,
            free=self._free,
        )

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A lost device is told as such, and the server learns how this worker stands afterwards."""
        try:
            with telling_loss(), self._current_device():
                yield
        finally:
            self._news.look()

    def notes(self) -> list[str]:
        """See `Judge`."""
        level = self._pressure.level.index
        return [f"degradation level {level}: GPU memory is short, work is slower"] if level else []

    @contextmanager
    def _current_device(self) -> Iterator[None]:
        if not self._card.is_cuda:
            yield
            return
        with torch.cuda.device(self._card.device):
            yield

    def _follow(self, settings: Settings) -> None:
        table = settings.validation
        self._watcher.change(threshold=table.memory_cleanup_threshold, idle_unload_s=table.idle_unload_s)

    def _free(self) -> None:
        self._cache.evict_idle()
        self._card.empty_cache()


def _what_it_scores(scorer: ReferenceScorer, settings: ValidationTable) -> dict[Kind, str]:
    """Kind of task -> why it can't be scored; empty text if it can."""
    missing = scorer.missing()
    if not settings.image_tasks:
        missing["image"] = SWITCHED_OFF
    return {kind: missing.get(kind, "")[:MAX_WHY_CHARS] for kind in KINDS}
