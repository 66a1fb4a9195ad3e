"""What becomes known of one asset while its job goes through the steps, and the answer made of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import trimesh

from subnet17.serving.stages import Stages
from subnet17.splat.cameras import RenderableCloud, RenderedViews, Views
from subnet17.validation.checks import Refusal
from subnet17.validation.choice import Choice
from subnet17.validation.requests import ValidationRequest
from subnet17.validation.scoring.scores import Scores

PREVIEWS = ("preview", "grid_preview", "turntable")
NO_SCORES = Scores(iqa=0.0, alignment=0.0, ssim=0.0, lpips=0.0)
"""A refused asset's."""


@dataclass(frozen=True)
class Told:
    """What each answer of a server says of how it was made.

    Attributes:
        scored_by, rendered_by: What was chosen, and why.
        measures: Per field of the answer: what is really computed.
        not_measured: What the answer says nothing about, in sentences.
    """

    scored_by: Choice
    rendered_by: Choice
    measures: dict[str, str]
    not_measured: list[str]


@dataclass
class Verdict:
    """Filled in as the stages pass; may change processes between two of them.

    Attributes:
        request: Without the asset's bytes once these were read.
        stages: Their times.
        scene: What is to be drawn; None for what was refused.
        tiles_per_view: About how much that is, see `estimate_tiles`.
        mesh: Of a mesh small enough to be drawn.
        views: The 16 official views, of splats or of a mesh.
        turntable: Views around splats, where asked for and deserved.
        mesh_scores: Those of a mesh's views: what it might score as splats. As it is, it scores 0.
    """

    request: ValidationRequest
    stages: Stages
    scores: Scores = NO_SCORES
    refusals: list[Refusal] = field(default_factory=list)
    asset: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    scene: RenderableCloud | None = None
    tiles_per_view: int = 0
    mesh: trimesh.Trimesh | None = None
    views: Views | None = None
    turntable: Views | None = None
    mesh_scores: Scores | None = None

    @property
    def shown(self) -> Scores:
        """The scores that previews, notes and parts belong to."""
        return self.mesh_scores or self.scores

    @property
    def wants_previews(self) -> bool:
        """Whether pictures were asked for and the score is above their threshold."""
        request = self.request
        wanted = request.single_preview or request.grid_preview or request.turntable
        return wanted and self.views is not None and self.shown.score > request.preview_score_threshold

    def lighten(self) -> Verdict:
        """What finishing needs, ready to change processes: pictures in this machine's memory, no splats."""
        views, turntable = (_without_alphas(views) for views in (self.views, self.turntable))
        return replace(self, scene=None, views=views, turntable=turntable)

    def as_answer(self, previews: dict[str, str], told: Told) -> bytes:
        """The JSON that the caller gets; previews that were not made are null."""
        answer = {
            **self.scores.as_json(),
            **{name: previews.get(name) for name in PREVIEWS},
            "submittable": not self.refusals,
            "mesh_score": self.mesh_scores.as_json() if self.mesh_scores else None,
            "scorer": told.scored_by.name,
            "scorer_reason": told.scored_by.reason,
            "renderer": told.rendered_by.name,
            "renderer_reason": told.rendered_by.reason,
            "measures": told.measures,
            "not_measured": told.not_measured,
            "notes": self.notes + self.shown.notes,
            "parts": self.shown.parts,
            "reasons": [refusal.as_json() for refusal in self.refusals],
            "asset": self.asset,
            "timings": self.stages.timings_s,
        }
        with self.stages("answer"):
            return json.dumps(answer, allow_nan=False).encode()


def _without_alphas(views: Views | None) -> RenderedViews | None:
    if views is None:
        return None
    return RenderedViews(views.images, np.empty((len(views.images), 0, 0), np.float32))
