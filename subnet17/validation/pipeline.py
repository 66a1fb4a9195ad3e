"""A validation from bytes to bytes, in worker processes: read and check, draw and score, make the answer.

The three steps of a job run in one worker, or where a device is used in workers of two kinds; see `Relay`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from subnet17.serving.relay import Relay
from subnet17.settings import ValidationTable
from subnet17.splat.cameras import Cameras, Views, official_cameras
from subnet17.validation.checks import check_alignment
from subnet17.validation.choice import REFERENCE, Choice
from subnet17.validation.intake import Intake
from subnet17.validation.judge import CpuJudge, Judge, score_views
from subnet17.validation.preview import GRID_VIEWS, encode_png, join_grid, make_previews, turntable_cameras
from subnet17.validation.requests import Kind
from subnet17.validation.scoring.embedded import EmbeddedScorer
from subnet17.validation.scoring.reference.available import devices_of
from subnet17.validation.scoring.reference.told import MEASURES, NOT_MEASURED
from subnet17.validation.verdict import Told, Verdict


@dataclass(frozen=True)
class Reader:
    """What a worker that reads and answers holds between jobs."""

    intake: Intake
    told: Told


_reader: Reader | None = None
"""Worker side: set by `load` and `load_reader`, one per process."""
_judge: Judge | None = None
"""Worker side: set by `load` and `load_judge`; kept when loading fails, so that another try goes on."""


def load(settings: ValidationTable, scored_by: Choice, rendered_by: Choice) -> None:
    """Prepares a worker for all steps, on the CPU: compiles the kernels by judging a ball once."""
    global _judge  # noqa: PLW0603 - one per process, written once
    judge = CpuJudge()
    judge.warm_up()
    load_reader(settings, scored_by, rendered_by)
    _judge = judge


def load_reader(settings: ValidationTable, scored_by: Choice, rendered_by: Choice) -> None:
    """Prepares a worker for reading and answering."""
    global _reader  # noqa: PLW0603 - one per process, written once
    intake = Intake(settings.max_asset_bytes, settings.max_splats)
    intake.gl.prepare()
    _reader = Reader(intake, _told(scored_by, rendered_by))


def load_judge(settings: ValidationTable, scored_by: Choice, rendered_by: Choice, data_dir: Path) -> None:
    """Takes a device and prepares a worker for drawing and scoring on it.

    Raises:
        UnavailableError: weights or kernels are missing or wrong, no device is free, too little memory.
        DeviceLostError: the GPU does not work.
    """
    global _judge, _reader  # noqa: PLW0603 - one per process
    from subnet17.gpu.claim import claim_device  # noqa: PLC0415
    from subnet17.validation.gpu_judge import GpuJudge  # noqa: PLC0415 - imports torch

    if _judge is None:
        # not the generation server's locks: both servers may share a card
        device = claim_device(devices_of(settings), data_dir / "gpu-validation")
        _judge = GpuJudge(settings.model_copy(update={"device": device}), scored_by, rendered_by)
    _judge.warm_up()
    _reader = Reader(Intake(settings.max_asset_bytes, settings.max_splats), _told(scored_by, rendered_by))


def _told(scored_by: Choice, rendered_by: Choice) -> Told:
    if scored_by.name == REFERENCE:
        return Told(scored_by, rendered_by, MEASURES, NOT_MEASURED)
    return Told(scored_by, rendered_by, EmbeddedScorer.measures, EmbeddedScorer.not_measured)


def _of_reader() -> Reader:
    if _reader is None:
        raise RuntimeError("no load function has run in this process")
    return _reader


def _of_judge() -> Judge:
    if _judge is None:
        raise RuntimeError("no load function for judging has run in this process")
    return _judge


def _examine(kind: Kind, body: bytes) -> Verdict | bytes:
    verdict = _of_reader().intake.examine(body, kind)
    nothing_to_score = verdict.scene is None and verdict.views is None
    return _answer(verdict) if nothing_to_score else verdict


def _score(verdict: Verdict) -> Verdict | bytes:
    judge = _of_judge()
    with judge.at_work():
        _draw_and_score(judge, verdict)
    verdict.notes.extend(judge.notes())
    return verdict.lighten() if verdict.wants_previews else _answer(verdict)


def _draw_and_score(judge: Judge, verdict: Verdict) -> None:
    is_mesh = verdict.scene is None
    if not is_mesh:
        with verdict.stages("render"):
            verdict.views = _draw(judge, verdict, official_cameras())
    assert verdict.views is not None  # noqa: S101 - what has neither splats nor views was answered before
    with verdict.stages("score"):
        scores = score_views(judge, verdict.views, verdict.request)
    if is_mesh:
        verdict.mesh_scores = scores
        return
    verdict.scores, verdict.refusals = scores, check_alignment(scores.alignment)
    if verdict.request.turntable and verdict.wants_previews:
        with verdict.stages("preview"):
            verdict.turntable = _draw(judge, verdict, turntable_cameras())


def _draw(judge: Judge, verdict: Verdict, cameras: Cameras) -> Views:
    assert verdict.scene is not None  # noqa: S101 - for the type checker
    return judge.draw(verdict.scene, cameras, tiles_per_view=verdict.tiles_per_view)


def _show(verdict: Verdict) -> bytes:
    with verdict.stages("preview"):
        if verdict.mesh is not None and verdict.request.turntable:
            _of_reader().intake.draw_turntable(verdict)
        previews = make_previews(verdict.request, verdict.views, verdict.turntable)
    return _answer(verdict, previews)


def _answer(verdict: Verdict, previews: dict[str, str] | None = None) -> bytes:
    return verdict.as_answer(previews or {}, _of_reader().told)


def _examine_for_duel(body: bytes) -> Verdict | bytes:
    verdict = _of_reader().intake.examine_for_pictures(body, _duel_cameras())
    return verdict if verdict.scene is not None else _show_duel(verdict)


def _draw_duel(verdict: Verdict) -> Verdict:
    judge = _of_judge()
    with judge.at_work(), verdict.stages("render"):
        verdict.views = _draw(judge, verdict, _duel_cameras())
        return verdict.lighten()


def _show_duel(verdict: Verdict) -> bytes:
    assert verdict.views is not None  # noqa: S101 - drawn by the step before
    with verdict.stages("preview"):
        return encode_png(join_grid(verdict.views.images))


def _duel_cameras() -> Cameras:
    return official_cameras().subset(list(GRID_VIEWS))


validate_text = Relay(partial(_examine, "text"), _score, _show)
"""Answers `/validate_txt_to_3d_ply/`: JSON in, JSON out."""
validate_image = Relay(partial(_examine, "image"), _score, _show)
"""Answers `/validate_img_to_3d_ply/`."""
render_duel_view = Relay(_examine_for_duel, _draw_duel, _show_duel)
"""Answers `/render_duel_view/` with a PNG; an asset that can't be drawn is an `AssetError`."""
