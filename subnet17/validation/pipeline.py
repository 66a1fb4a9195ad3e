"""A validation from bytes to bytes, in a worker process: parse, decode, check, render, score, answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trimesh

from subnet17.errors import AssetError, DeadlineError, S17Error, TooLargeError, UnavailableError
from subnet17.serving.stages import Stages
from subnet17.serving.worker_process import job_deadline
from subnet17.splat.cameras import Cameras, RenderableCloud, RenderedViews, fit_for_render, official_cameras
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.rasterize_cpu import render_views
from subnet17.validation.checks import (
    Refusal,
    check_alignment,
    check_cloud,
    check_scene,
    refusal_of,
    refuse_mesh,
)
from subnet17.validation.choice import Choice
from subnet17.validation.decode import MESH, decode_asset, describe_cloud, inspect_mesh
from subnet17.validation.mesh_file import read_mesh
from subnet17.validation.mesh_gl import GlThread
from subnet17.validation.mesh_views import render_mesh
from subnet17.validation.preview import GRID_VIEWS, encode_png, join_grid, make_previews
from subnet17.validation.requests import Kind, ValidationRequest, parse_request
from subnet17.validation.scoring.embedded import EmbeddedScorer
from subnet17.validation.scoring.scores import Scorer, Scores
from subnet17.validation.scoring.warmup import make_ball

NO_SCORES = Scores(iqa=0.0, alignment=0.0, ssim=0.0, lpips=0.0)
"""A refused asset's."""

Draw = Callable[[Cameras], RenderedViews]
"""Draws the asset in question."""


@dataclass(frozen=True)
class Validator:
    """What a worker holds between jobs."""

    scorer: Scorer
    scored_by: Choice
    rendered_by: Choice
    max_asset_bytes: int
    max_splats: int
    gl: GlThread = field(default_factory=GlThread)

    def decode(self, request: ValidationRequest) -> GaussianCloud:
        """The asset's splats, within this server's limits."""
        return decode_asset(
            request.data, request.compression, max_bytes=self.max_asset_bytes, max_splats=self.max_splats
        )


@dataclass
class Verdict:
    """Everything an answer is made of, filled in as the stages pass.

    `mesh_scores` are those of a mesh's views: what it might score as splats. As it is, it scores 0.
    """

    scores: Scores = NO_SCORES
    refusals: list[Refusal] | None = None
    asset: dict[str, Any] | None = None
    views: RenderedViews | None = None
    draw: Draw | None = None
    mesh: trimesh.Trimesh | None = None
    mesh_scores: Scores | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def shown(self) -> Scores:
        """The scores that previews, notes and parts belong to."""
        return self.mesh_scores or self.scores


_validator: Validator | None = None
"""Worker side: set by `load`, one per process."""


def load(scored_by: Choice, rendered_by: Choice, max_asset_bytes: int, max_splats: int) -> None:
    """Prepares this worker: compiles the kernels and builds the scorer's tables by judging a ball once."""
    global _validator  # noqa: PLW0603 - one per process, written once
    validator = Validator(EmbeddedScorer(), scored_by, rendered_by, max_asset_bytes, max_splats)
    validator.scorer.score_text(render_views(fit_for_render(make_ball()), official_cameras()), "a red ball")
    validator.gl.prepare()
    _validator = validator


def validate_text(body: bytes) -> bytes:
    """Answers `/validate_txt_to_3d_ply/`: JSON in, JSON out."""
    return _validate(body, "text")


def validate_image(body: bytes) -> bytes:
    """Answers `/validate_img_to_3d_ply/`."""
    return _validate(body, "image")


def render_duel_view(body: bytes) -> bytes:
    """Answers `/render_duel_view/` with a PNG.

    Raises:
        AssetError: the asset can't be read or drawn; there is no picture to answer with.
        UnavailableError: it is a mesh, and neither EGL nor OSMesa works here.
    """
    stages = Stages()
    request, validator = _parse(body, "duel", stages)
    with stages("decode"):
        draw = _drawing_of(request, validator)
    with stages("render"):
        views = draw(official_cameras().subset(list(GRID_VIEWS)))
    with stages("preview"):
        return encode_png(join_grid(views.images))


def _drawing_of(request: ValidationRequest, validator: Validator) -> Draw:
    try:
        cloud = validator.decode(request)
    except AssetError as error:
        if error.detail.get("kind") != MESH:
            raise
        return _mesh_drawing(read_mesh(request.data), validator)
    scene = _fit(cloud)
    if isinstance(scene, list):
        raise AssetError(scene[0].message, reasons=[refusal.as_json() for refusal in scene])
    return partial(render_views, scene)


def _mesh_drawing(mesh: trimesh.Trimesh, validator: Validator) -> Draw:
    return lambda cameras: render_mesh(mesh, cameras, validator.gl, deadline=job_deadline())


def _loaded() -> Validator:
    if _validator is None:
        raise RuntimeError("load() has not run in this process")
    return _validator


def _parse(body: bytes, kind: Kind, stages: Stages) -> tuple[ValidationRequest, Validator]:
    with stages("parse"):
        return parse_request(body, kind), _loaded()


def _validate(body: bytes, kind: Kind) -> bytes:
    stages = Stages()
    request, validator = _parse(body, kind, stages)
    verdict = _judge(request, validator, stages)
    with stages("preview"):
        previews = make_previews(request, verdict.views, verdict.draw, verdict.shown.score)
    if request.ignored:
        verdict.notes.insert(0, f"ignored, because not known: {', '.join(request.ignored)}")
    return _answer(verdict, previews, validator, stages)


def _judge(request: ValidationRequest, validator: Validator, stages: Stages) -> Verdict:
    with stages("decode"):
        verdict, cloud = _decode(request, validator)
    if cloud is None:
        _look_at_mesh(verdict, request, validator, stages)
        return verdict
    with stages("check"):
        scene = _fit(cloud)
        verdict.refusals = check_cloud(cloud) or (scene if isinstance(scene, list) else [])
    if verdict.refusals or isinstance(scene, list):
        return verdict
    verdict.draw = partial(render_views, scene)
    with stages("render"):
        verdict.views = verdict.draw(official_cameras())
    with stages("score"):
        verdict.scores = _score(request, validator.scorer, verdict.views)
    verdict.refusals = check_alignment(verdict.scores.alignment)
    return verdict


def _look_at_mesh(verdict: Verdict, request: ValidationRequest, validator: Validator, stages: Stages) -> None:
    """Scores the views of a mesh beside its refusal, where it can be drawn; else a note says why not."""
    if verdict.mesh is None:
        return
    draw = _mesh_drawing(verdict.mesh, validator)
    try:
        with stages("render"):
            verdict.views, verdict.draw = draw(official_cameras()), draw
    except (AssetError, TooLargeError, UnavailableError, DeadlineError) as error:
        verdict.notes.append(f"no pictures and no score of the mesh: {error.message}")
        return
    with stages("score"):
        verdict.mesh_scores = _score(request, validator.scorer, verdict.views)


def _decode(request: ValidationRequest, validator: Validator) -> tuple[Verdict, GaussianCloud | None]:
    try:
        cloud = validator.decode(request)
    except (AssetError, TooLargeError) as error:
        return _refuse(request, error), None
    return Verdict(asset=describe_cloud(cloud) | {"bytes": len(request.data)}), cloud


def _refuse(request: ValidationRequest, error: S17Error) -> Verdict:
    size = {"bytes": len(request.data)}
    if error.detail.get("kind") != MESH:
        return Verdict(refusals=[refusal_of(error)], asset={"kind": "unreadable"} | size)
    asset, mesh = inspect_mesh(request.data)
    return Verdict(refusals=[refuse_mesh()], asset=asset | size, mesh=mesh)


def _fit(cloud: GaussianCloud) -> RenderableCloud | list[Refusal]:
    """The scene, or why it can't be drawn."""
    try:
        scene = fit_for_render(cloud)
    except ValueError as error:
        return [Refusal("no_extent", str(error))]
    return check_scene(scene) or scene


def _score(request: ValidationRequest, scorer: Scorer, views: RenderedViews) -> Scores:
    if request.prompt_image is not None:
        return scorer.score_image(views, request.prompt_image)
    return scorer.score_text(views, request.prompt or "")


def _answer(
    verdict: Verdict,
    previews: dict[str, str | None],
    validator: Validator,
    stages: Stages,
) -> bytes:
    answer = {
        **verdict.scores.as_json(),
        **previews,
        "submittable": not verdict.refusals,
        "mesh_score": verdict.mesh_scores.as_json() if verdict.mesh_scores else None,
        "scorer": validator.scored_by.name,
        "scorer_reason": validator.scored_by.reason,
        "renderer": validator.rendered_by.name,
        "renderer_reason": validator.rendered_by.reason,
        "measures": validator.scorer.measures,
        "not_measured": validator.scorer.not_measured,
        "notes": verdict.notes + verdict.shown.notes,
        "parts": verdict.shown.parts,
        "reasons": [refusal.as_json() for refusal in verdict.refusals or []],
        "asset": verdict.asset,
        "timings": stages.timings_s,
    }
    with stages("answer"):
        return json.dumps(answer, allow_nan=False).encode()
