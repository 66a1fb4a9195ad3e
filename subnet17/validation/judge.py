"""What draws and scores assets in a worker: on the CPU here, with networks and a GPU in gpu_judge.py."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from subnet17.splat.cameras import Cameras, RenderableCloud, Views, fit_for_render, official_cameras
from subnet17.splat.rasterize_cpu import render_views
from subnet17.validation.requests import ValidationRequest
from subnet17.validation.scoring.embedded import EmbeddedScorer
from subnet17.validation.scoring.scores import Scorer, Scores
from subnet17.validation.scoring.warmup import make_ball


class Judge(Protocol):
    """Draws and scores, one asset at a time."""

    @property
    def scorer(self) -> Scorer:
        """What scores."""

    def warm_up(self) -> None:
        """Loads and compiles what there is, so that the first request is as fast as others."""

    def draw(self, scene: RenderableCloud, cameras: Cameras, *, tiles_per_view: int = 0) -> Views:
        """The pictures of a scene, as the official renderer makes them.

        Args:
            scene: Passed `check_scene`.
            cameras: Of any number.
            tiles_per_view: What `estimate_tiles` says of it: more than usual are drawn in several goes.
        """

    def at_work(self) -> AbstractContextManager[object]:
        """Around all of a job's work at the device."""

    def notes(self) -> list[str]:
        """What a reader of the answer must know of how the work was done."""


class CpuJudge:
    """The embedded scorer over pictures of the CPU rasteriser. Satisfies `Judge`."""

    def __init__(self) -> None:
        self.scorer: Scorer = EmbeddedScorer()

    def warm_up(self) -> None:
        """Compiles the kernels and builds the scorer's tables by judging a ball once."""
        self.scorer.score_text(self.draw(fit_for_render(make_ball()), official_cameras()), "a red ball")

    def draw(self, scene: RenderableCloud, cameras: Cameras, *, tiles_per_view: int = 0) -> Views:
        """See `Judge`."""
        return render_views(scene, cameras)

    def at_work(self) -> AbstractContextManager[object]:
        """See `Judge`."""
        return nullcontext()

    def notes(self) -> list[str]:
        """See `Judge`."""
        return []


def score_views(judge: Judge, views: Views, request: ValidationRequest) -> Scores:
    """Judges 16 official views against what the request gives, a picture or a text."""
    if request.prompt_image is not None:
        return judge.scorer.score_image(views, request.prompt_image)
    return judge.scorer.score_text(views, request.prompt or "")
