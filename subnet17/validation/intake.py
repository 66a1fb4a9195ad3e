"""Reads what strangers send and checks it: the first step of each job, where memory is limited.

Meshes are drawn here as well: a driver of OpenGL that crashes takes no networks with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import trimesh

from subnet17.errors import AssetError, DeadlineError, S17Error, TooLargeError, UnavailableError
from subnet17.serving.stages import Stages
from subnet17.serving.worker_process import job_deadline
from subnet17.splat.cameras import Cameras, RenderableCloud, Views, fit_for_render, official_cameras
from subnet17.splat.cloud import GaussianCloud
from subnet17.validation.checks import (
    Refusal,
    check_cloud,
    check_cost,
    check_finite,
    estimate_tiles,
    refusal_of,
    refuse_mesh,
)
from subnet17.validation.decode import (
    MESH,
    decode_asset,
    describe_cloud,
    inspect_mesh,
    read_small_mesh,
)
from subnet17.validation.mesh_gl import GlThread
from subnet17.validation.mesh_views import render_mesh
from subnet17.validation.preview import turntable_cameras
from subnet17.validation.requests import Kind, ValidationRequest, parse_request
from subnet17.validation.verdict import Verdict

UNDRAWN = (AssetError, TooLargeError, UnavailableError, DeadlineError)
"""Why there may be no picture of a mesh: a note in its answer, which needs none."""


Fitted = tuple[RenderableCloud, int]
"""A scene, and how many tiles it costs; see `estimate_tiles`."""


@dataclass(frozen=True)
class Intake:
    """Limits of what is read, and what draws meshes."""

    max_asset_bytes: int
    max_splats: int
    gl: GlThread = field(default_factory=GlThread)

    def examine(self, body: bytes, kind: Kind) -> Verdict:
        """Reads an asset that is to be scored.

        Returns:
            With a `scene` if it can be scored, `views` if it is a mesh that could be drawn; else refused.

        Raises:
            InvalidInputError: a broken request.
        """
        verdict = self._begin(body, kind)
        with verdict.stages("decode"):
            cloud = self._decode(verdict)
        if cloud is not None:
            with verdict.stages("check"):
                _check(verdict, cloud)
        if verdict.mesh is not None:
            self._look_at_mesh(verdict)
        if ignored := verdict.request.ignored:
            verdict.notes.insert(0, f"ignored, because not known: {', '.join(ignored)}")
        return replace(verdict, request=replace(verdict.request, data=b""))

    def examine_for_pictures(self, body: bytes, cameras: Cameras) -> Verdict:
        """Reads an asset that is only to be drawn: with a `scene`, or for a mesh with the `views` asked for.

        Raises:
            InvalidInputError: a broken request.
            AssetError: the asset can't be read or drawn; there is no picture to answer with.
        """
        verdict = self._begin(body, "duel")
        with verdict.stages("decode"):
            asset = self._read_drawable(verdict.request)
        if isinstance(asset, tuple):
            scene, tiles = asset
            return Verdict(_without_data(verdict), verdict.stages, scene=scene, tiles_per_view=tiles)
        with verdict.stages("render"):
            return Verdict(_without_data(verdict), verdict.stages, views=self._draw_for_duel(asset, cameras))

    def draw_mesh(self, mesh: trimesh.Trimesh, cameras: Cameras) -> Views:
        """See `render_mesh`."""
        return render_mesh(mesh, cameras, self.gl, deadline=job_deadline())

    def _draw_for_duel(self, mesh: trimesh.Trimesh, cameras: Cameras) -> Views:
        try:
            return self.draw_mesh(mesh, cameras)
        except UnavailableError as error:
            raise AssetError(
                f"this is a mesh, which can't be drawn here: {error.message}", kind=MESH
            ) from None

    def _begin(self, body: bytes, kind: Kind) -> Verdict:
        stages = Stages()
        with stages("parse"):
            return Verdict(parse_request(body, kind), stages)

    def _decode_asset(self, request: ValidationRequest) -> GaussianCloud:
        return decode_asset(
            request.data, request.compression, max_bytes=self.max_asset_bytes, max_splats=self.max_splats
        )

    def _decode(self, verdict: Verdict) -> GaussianCloud | None:
        size = {"bytes": len(verdict.request.data)}
        try:
            cloud = self._decode_asset(verdict.request)
        except (AssetError, TooLargeError) as error:
            _refuse(verdict, error)
            verdict.asset = (verdict.asset or {}) | size
            return None
        verdict.asset = describe_cloud(cloud) | size
        return cloud

    def _read_drawable(self, request: ValidationRequest) -> Fitted | trimesh.Trimesh:
        try:
            fitted = _fit(self._decode_asset(request))
        except AssetError as error:
            if error.detail.get("kind") != MESH:
                raise
            return read_small_mesh(request.data)
        if isinstance(fitted, list):
            raise AssetError(fitted[0].message, reasons=[refusal.as_json() for refusal in fitted])
        return fitted

    def draw_turntable(self, verdict: Verdict) -> None:
        """Draws a mesh once around, where time is left; else a note says why not."""
        assert verdict.mesh is not None  # noqa: S101 - for the type checker
        try:
            verdict.turntable = self.draw_mesh(verdict.mesh, turntable_cameras())
        except UNDRAWN as error:
            verdict.notes.append(f"no turntable of the mesh: {error.message}")

    def _look_at_mesh(self, verdict: Verdict) -> None:
        """Draws a mesh beside its refusal, where that can be done; else a note says why not."""
        assert verdict.mesh is not None  # noqa: S101 - for the type checker
        try:
            with verdict.stages("render"):
                verdict.views = self.draw_mesh(verdict.mesh, official_cameras())
        except UNDRAWN as error:
            verdict.notes.append(f"no pictures and no score of the mesh: {error.message}")


def _without_data(verdict: Verdict) -> ValidationRequest:
    return replace(verdict.request, data=b"")


def _check(verdict: Verdict, cloud: GaussianCloud) -> None:
    fitted = _fit(cloud)
    verdict.refusals = check_cloud(cloud) or (fitted if isinstance(fitted, list) else [])
    if not verdict.refusals and not isinstance(fitted, list):
        verdict.scene, verdict.tiles_per_view = fitted


def _refuse(verdict: Verdict, error: S17Error) -> None:
    if error.detail.get("kind") != MESH:
        verdict.refusals, verdict.asset = [refusal_of(error)], {"kind": "unreadable"}
        return
    verdict.refusals = [refuse_mesh()]
    verdict.asset, verdict.mesh = inspect_mesh(verdict.request.data)


def _fit(cloud: GaussianCloud) -> Fitted | list[Refusal]:
    """What is to be drawn, or why it can't be."""
    try:
        scene = fit_for_render(cloud)
    except ValueError as error:
        return [Refusal("no_extent", str(error))]
    if refusals := check_finite(scene):
        return refusals
    tiles = estimate_tiles(scene)
    return check_cost(tiles) or (scene, tiles)
