"""Why an asset is refused, as the validators refuse it: a score of 0, here with a reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from subnet17.errors import S17Error, TooLargeError
from subnet17.splat.cameras import RenderableCloud, official_cameras
from subnet17.splat.cloud import Float32, GaussianCloud
from subnet17.splat.drawing_cost import count_tiles
from subnet17.validation.scoring.formula import ALIGNMENT_FLOOR

MIN_SPLATS = 7000
TRANSPARENT_OPACITY = 1e-3
MAX_TRANSPARENT_SHARE = 0.8
RTOL, ATOL = np.float32(1e-5), np.float32(1e-8)
MAX_TILES_PER_VIEW = 20_000_000
"""Estimated tile intersections of one view; an asset of the usual kind has 200,000. Our limit, not theirs."""


@dataclass(frozen=True)
class Refusal:
    """One reason for a score of 0.

    Attributes:
        code: Stable name. message: One sentence. measured, allowed: What was found and what the limit is.
    """

    code: str
    message: str
    measured: object = None
    allowed: object = None

    def as_json(self) -> dict[str, object]:
        """For the answer."""
        return asdict(self)


def refusal_of(error: S17Error) -> Refusal:
    """The verdict on an asset that could not be read."""
    code = "too_large" if isinstance(error, TooLargeError) else str(error.detail.get("kind") or "unreadable")
    return Refusal(code, error.message, error.detail or None)


def refuse_mesh() -> Refusal:
    """The verdict on a mesh: the validators read nothing but splats."""
    message = (
        "not submittable: this is a mesh, and the network takes splats only: convert it with POST /convert/"
    )
    return Refusal("mesh", message, "mesh", "splats")


def check_cloud(cloud: GaussianCloud) -> list[Refusal]:
    """The validators' rules for splats, all that are broken; empty for an asset they would score."""
    checks = (_check_count, _check_first_points, _check_opacities, _check_rotations, _check_extent)
    found = [check(cloud) for check in checks]
    return [refusal for refusal in found if refusal is not None]


def _check_count(cloud: GaussianCloud) -> Refusal | None:
    if len(cloud) >= MIN_SPLATS:
        return None
    message = f"the asset has {len(cloud)} splats, at least {MIN_SPLATS} are needed"
    return Refusal("too_few_splats", message, len(cloud), MIN_SPLATS)


def _check_first_points(cloud: GaussianCloud) -> Refusal | None:
    """The validators look for a column of ones, and take the first three rows for columns."""
    ones = _are_close(cloud.means[:3], np.ones(3, np.float32)).all(axis=1)
    if not ones.any():
        return None
    splats = np.flatnonzero(ones).tolist()
    message = f"splat {splats[0]} lies at (1, 1, 1), where the validators allow none of the first three"
    return Refusal("point_of_ones", message, splats, "none of the first three")


def _check_opacities(cloud: GaussianCloud) -> Refusal | None:
    share = float(np.mean(cloud.opacities < TRANSPARENT_OPACITY))
    if share <= MAX_TRANSPARENT_SHARE:
        return None
    message = (
        f"{share:.1%} of the splats are invisible (opacity below {TRANSPARENT_OPACITY}), "
        f"at most {MAX_TRANSPARENT_SHARE:.0%} may be"
    )
    return Refusal("transparent", message, round(share, 4), MAX_TRANSPARENT_SHARE)


def _check_rotations(cloud: GaussianCloud) -> Refusal | None:
    if not _are_close(cloud.unit_quats, np.array([1, 0, 0, 0], np.float32)).all():
        return None
    message = "all rotations are the identity, which the validators take for a broken export"
    return Refusal("identity_rotations", message, "all identity", "at least one other")


def _are_close(values: Float32, expected: Float32) -> NDArray[np.bool_]:
    """As torch.allclose has it: within 1e-5 of what is expected, but 1e-8 where that is 0."""
    close: NDArray[np.bool_] = np.abs(values - expected) <= ATOL + RTOL * np.abs(expected)
    return close


def _check_extent(cloud: GaussianCloud) -> Refusal | None:
    with np.errstate(over="ignore"):
        extent = float((cloud.means.max(axis=0) - cloud.means.min(axis=0)).max())
    if 0 < extent < np.inf:
        return None
    message = f"the bounding box has a longest side of {extent:g}, expected a positive, finite number"
    return Refusal("no_extent", message, str(extent), "> 0")


def check_alignment(alignment: float) -> list[Refusal]:
    """The formula's own floor: an asset that shows something else scores 0."""
    if alignment >= ALIGNMENT_FLOOR:
        return []
    message = (
        f"the asset does not show what the prompt asks for: alignment {alignment:.3f}, at least 0.3 is needed"
    )
    return [Refusal("not_aligned", message, round(alignment, 4), ALIGNMENT_FLOOR)]


def check_scene(scene: RenderableCloud) -> list[Refusal]:
    """What keeps a fitted asset from being rendered: numbers that overflowed, or too much to draw."""
    return check_finite(scene) or check_cost(estimate_tiles(scene))


def check_finite(scene: RenderableCloud) -> list[Refusal]:
    """Refuses numbers that overflowed."""
    if all(np.isfinite(array).all() for array in vars(scene).values()):
        return []
    message = "values leave the range of float32 once the asset is scaled to the cameras"
    return [Refusal("not_finite", message, "infinite", "finite")]


def check_cost(tiles: int) -> list[Refusal]:
    """Refuses what `estimate_tiles` says is too much to draw."""
    if tiles <= MAX_TILES_PER_VIEW:
        return []
    message = (
        f"the splats overlap about {tiles:.2g} image tiles a view, at most {MAX_TILES_PER_VIEW:.2g} are "
        "drawn here: they are too many and too large"
    )
    return [Refusal("too_costly", message, tiles, MAX_TILES_PER_VIEW)]


def estimate_tiles(scene: RenderableCloud) -> int:
    """About how many (splat, 16 px tile) pairs the costliest official view has; 12 ms for 50,000 splats."""
    return count_tiles(scene, official_cameras())
