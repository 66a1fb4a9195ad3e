"""A validation from bytes to bytes, in a worker process: parse, decode, check, render, score, answer."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from subnet17.errors import AssetError, S17Error, TooLargeError
from subnet17.serving.stages import Stages
from subnet17.splat.cameras import RenderableCloud, RenderedViews, fit_for_render, official_cameras
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.rasterize_cpu import render_views
from subnet17.validation.checks import Refusal, check_alignment, check_cloud, check_scene, refusal_of
from subnet17.validation.choice import Choice
from subnet17.validation.decode import MESH, decode_asset, describe_cloud, describe_mesh
from subnet17.validation.preview import GRID_VIEWS, encode_png, grid_preview, join_grid, single_preview
from subnet17.validation.requests import Kind, ValidationRequest, parse_request
from subnet17.validation.scoring.embedded import EmbeddedScorer
from subnet17.validation.scoring.scores import Scorer, Scores
from subnet17.validation.scoring.warmup import make_ball

NO_SCORES = Scores(iqa=0.0, alignment=0.0, ssim=0.0, lpips=0.0)
"""A refused asset's."""


@dataclass(frozen=True)
class Validator:
    """What a worker holds between jobs."""

    scorer: Scorer
    scored_by: Choice
    rendered_by: Choice
    max_asset_bytes: int
    max_splats: int

    def decode(self, request: ValidationRequest) -> GaussianCloud:
        """The asset's splats, within this server's limits."""
        return decode_asset(
            request.data, request.compression, max_bytes=self.max_asset_bytes, max_splats=self.max_splats
        )


@dataclass
class Verdict:
    """Everything an answer is made of, filled in as the stages pass."""

    scores: Scores = NO_SCORES
    refusals: list[Refusal] | None = None
    asset: dict[str, Any] | None = None
    views: RenderedViews | None = None


_validator: Validator | None = None
"""Worker side: set by `load`, one per process."""


def load(scored_by: Choice, rendered_by: Choice, max_asset_bytes: int, max_splats: int) -> None:
    """Prepares this worker: compiles the kernels and builds the scorer's tables by judging a ball once."""
    global _validator  # noqa: PLW0603 - one per process, written once
    validator = Validator(EmbeddedScorer(), scored_by, rendered_by, max_asset_bytes, max_splats)
    validator.scorer.score_text(render_views(fit_for_render(make_ball()), official_cameras()), "a red ball")
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
    """
    stages = Stages()
    request, validator = _parse(body, "duel", stages)
    with stages("decode"):
        cloud = validator.decode(request)
        scene = _fit(cloud)
    if isinstance(scene, list):
        raise AssetError(scene[0].message, reasons=[refusal.as_json() for refusal in scene])
    with stages("render"):
        views = render_views(scene, official_cameras().subset(list(GRID_VIEWS)))
    with stages("preview"):
        return encode_png(join_grid(views.images))


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
        previews = _make_previews(request, verdict)
    notes = [f"ignored, because not known: {', '.join(request.ignored)}"] if request.ignored else []
    return _answer(verdict, previews, notes, validator, stages)


def _judge(request: ValidationRequest, validator: Validator, stages: Stages) -> Verdict:
    with stages("decode"):
        verdict, cloud = _decode(request, validator)
    if cloud is None:
        return verdict
    with stages("check"):
        scene = _fit(cloud)
        verdict.refusals = check_cloud(cloud) or (scene if isinstance(scene, list) else [])
    if verdict.refusals or isinstance(scene, list):
        return verdict
    with stages("render"):
        verdict.views = render_views(scene, official_cameras())
    with stages("score"):
        verdict.scores = _score(request, validator.scorer, verdict.views)
    verdict.refusals = check_alignment(verdict.scores.alignment)
    return verdict


def _decode(request: ValidationRequest, validator: Validator) -> tuple[Verdict, GaussianCloud | None]:
    try:
        cloud = validator.decode(request)
    except (AssetError, TooLargeError) as error:
        return _refuse(request, error), None
    return Verdict(asset=describe_cloud(cloud) | {"bytes": len(request.data)}), cloud


def _refuse(request: ValidationRequest, error: S17Error) -> Verdict:
    is_mesh = error.detail.get("kind") == MESH
    asset = describe_mesh(request.data) if is_mesh else {"kind": "unreadable"}
    return Verdict(refusals=[refusal_of(error)], asset=asset | {"bytes": len(request.data)})


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


def _make_previews(request: ValidationRequest, verdict: Verdict) -> dict[str, str | None]:
    previews: dict[str, str | None] = {"preview": None, "grid_preview": None}
    if verdict.views is None or verdict.scores.score < request.preview_score_threshold:
        return previews
    if request.single_preview:
        previews["preview"] = base64.b64encode(single_preview(verdict.views.images)).decode()
    if request.grid_preview:
        previews["grid_preview"] = base64.b64encode(grid_preview(verdict.views.images)).decode()
    return previews


def _answer(
    verdict: Verdict,
    previews: dict[str, str | None],
    notes: list[str],
    validator: Validator,
    stages: Stages,
) -> bytes:
    scores = verdict.scores
    numbers = {
        "score": scores.score,
        "iqa": scores.iqa,
        "alignment_score": scores.alignment,
        "ssim": scores.ssim,
        "lpips": scores.lpips,
    }
    answer = {
        **numbers,
        **previews,
        "scorer": validator.scored_by.name,
        "scorer_reason": validator.scored_by.reason,
        "renderer": validator.rendered_by.name,
        "renderer_reason": validator.rendered_by.reason,
        "measures": validator.scorer.measures,
        "not_measured": validator.scorer.not_measured,
        "notes": notes + scores.notes,
        "parts": scores.parts,
        "reasons": [refusal.as_json() for refusal in verdict.refusals or []],
        "asset": verdict.asset,
        "timings": stages.timings_s,
    }
    with stages("answer"):
        return json.dumps(answer, allow_nan=False).encode()
