"""Profiles as data: how much work goes into an asset, as shares of what the settings say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from subnet17.generation.request import Profile
from subnet17.gpu.pressure import Level
from subnet17.settings import GenerationTable

MIN_SPLATS = 7000
"""Validators refuse fewer."""
MIN_IMAGE_PX = 64
MIN_OCTREE = 16
IMAGE_ALIGN_PX = 16
"""Sides that the picture models draw are multiples of it."""


@dataclass(frozen=True)
class ProfileShares:
    """Shares of the settings' values.

    Attributes:
        image: Of the picture's side; twice the side takes four to six times as long.
        image_steps: Of the picture model's steps. Distilled models gain nothing from more.
        shape_steps: Of the shape model's steps; the longest stage where it is not distilled.
        octree: Of the volume's cells per side; time and memory grow with the square.
        splats: Of the splat count.
        faces: Triangles of a mesh at the most.
        texture: Where the settings leave it open: colours of the picture laid over the shape, or views of
            all sides painted, which takes longer than all other stages together.
    """

    image: float
    image_steps: float
    shape_steps: float
    octree: float
    splats: float
    faces: int
    texture: Literal["projection", "paint"] = "projection"


PROFILES: dict[Profile, ProfileShares] = {
    "speed": ProfileShares(
        image=1.0, image_steps=1.0, shape_steps=0.5, octree=2 / 3, splats=0.4, faces=20_000
    ),
    "balanced": ProfileShares(
        image=1.0, image_steps=1.0, shape_steps=1.0, octree=1.0, splats=1.0, faces=40_000
    ),
    "quality": ProfileShares(
        image=2.0, image_steps=1.0, shape_steps=5 / 3, octree=4 / 3, splats=2.0, faces=80_000, texture="paint"
    ),
}


@dataclass(frozen=True)
class Work:
    """What one asset is made with."""

    image_size_px: int
    image_steps: int
    shape_steps: int
    octree_resolution: int
    splats: int
    faces: int


def splats_of(profile: Profile, splat_count: int) -> int:
    """Splats of a profile where the balanced one has `splat_count`."""
    return max(MIN_SPLATS, round(splat_count * PROFILES[profile].splats))


def wants_paint(settings: GenerationTable, profile: Profile) -> bool:
    """Whether a profile's assets are to be painted, where a painter is there."""
    if settings.texture == "auto":
        return PROFILES[profile].texture == "paint"
    return settings.texture == "paint"


def plan_work(settings: GenerationTable, profile: Profile, level: Level) -> Work:
    """A profile at a degradation level, within what the settings allow at all."""
    shares = PROFILES[profile]
    side_px = settings.image_size_px * shares.image * level.image_share
    cells = settings.octree_resolution * shares.octree * level.octree_share
    return Work(
        image_size_px=min(2048, max(MIN_IMAGE_PX, int(side_px) // IMAGE_ALIGN_PX * IMAGE_ALIGN_PX)),
        image_steps=math.ceil(settings.image_steps * shares.image_steps),
        shape_steps=math.ceil(settings.num_inference_steps * shares.shape_steps),
        octree_resolution=min(1024, max(MIN_OCTREE, round(cells))),
        splats=splats_of(profile, settings.splat_count),
        faces=shares.faces,
    )
