"""What splats and meshes from outside may hold, whatever format they came in: how many, and which values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from subnet17.errors import AssetError, TooLargeError
from subnet17.splat.cloud import Float32, GaussianCloud

MAX_SPLATS = 5_000_000
MAX_BYTES = 512 * 2**20
"""Of one asset, after decompression."""

MAX_LOGIT = 20.0
"""Stands for an opacity logit of infinity: its sigmoid is 1 in float32, and that of -20 is 2e-9."""

MAX_LOG_SCALE = 88.7228
"""ln of the largest float32, rounded down: a larger log-scale makes an infinite scale."""


def check_count(count: int, max_splats: int) -> None:
    """Refuses an announced number of splats before anything is allocated for it.

    Raises:
        AssetError: none at all.
        TooLargeError: more than `max_splats`.
    """
    if count < 1:
        raise AssetError("the asset holds 0 splats, at least 1 is needed", splats=count)
    if count > max_splats:
        raise TooLargeError(
            f"the asset announces {count} splats, at most {max_splats} are allowed",
            splats=count,
            limit=max_splats,
        )


def check_announced(count: int, limit: int, what: str) -> None:
    """Refuses a number of faces, vertices or the like before anything is allocated for them.

    Raises:
        TooLargeError: more than `limit`.
    """
    if count > limit:
        raise TooLargeError(
            f"{count!r:.20} {what} announced, at most {limit} are allowed", **{what: count, "limit": limit}
        )


def check_bytes(size_bytes: int, max_bytes: int) -> None:
    """Refuses a size, announced or real, before anything is allocated for it.

    Raises:
        TooLargeError: more than `max_bytes`.
    """
    if size_bytes > max_bytes:
        raise TooLargeError(
            f"the asset takes {size_bytes} bytes, at most {max_bytes} are allowed",
            bytes=size_bytes,
            limit=max_bytes,
        )


def check_finite(cloud: GaussianCloud) -> GaussianCloud:
    """Refuses values that can't be rendered and replaces opacity logits of infinity.

    An opacity of exactly 0 or 1 has an infinite logit and occurs in ordinary files, so it becomes
    -MAX_LOGIT or MAX_LOGIT. A zero quaternion is let through: `GaussianCloud.unit_quats` reads it as
    the identity.

    Returns:
        The same object when nothing had to be replaced.

    Raises:
        AssetError: a NaN anywhere, an infinite mean, log-scale, quaternion or colour, or a log-scale
            above MAX_LOG_SCALE. Detail: `field`, `count` of the bad values, `first_index` of a splat.
    """
    for field in ("means", "log_scales", "quats", "sh0"):
        values: Float32 = getattr(cloud, field)
        _refuse(field, values, ~np.isfinite(values), "only finite numbers are allowed")
    logits = cloud.logit_opacities
    _refuse("logit_opacities", logits, np.isnan(logits), "NaN is not allowed")
    too_wide = cloud.log_scales > MAX_LOG_SCALE
    _refuse("log_scales", cloud.log_scales, too_wide, f"at most {MAX_LOG_SCALE} is allowed")
    infinite = np.isinf(logits)
    if not infinite.any():
        return cloud
    return replace(
        cloud, logit_opacities=np.where(infinite, np.copysign(np.float32(MAX_LOGIT), logits), logits)
    )


def _refuse(field: str, values: Float32, bad: NDArray[np.bool_], allowed: str) -> None:
    if not bad.any():
        return
    count, first = int(np.count_nonzero(bad)), int(np.argmax(bad))
    splat = first // (bad.size // len(bad))
    raise AssetError(
        f"{field} holds {count} bad values of {bad.size}, the first is {values.flat[first]} "
        f"in splat {splat}; {allowed}",
        field=field,
        count=count,
        first_index=splat,
    )
