"""A picture that serves as a prompt, and views cut out so that the two can be laid over each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from subnet17.validation.scoring.quality import Float32
from subnet17.validation.scoring.silhouettes import SIDES, SIZE_PX, Silhouettes, make_silhouettes

FITTED_PX = 29
"""Longest side of a cut-out object in its 37 px frame."""
BACKGROUND_DISTANCE = 0.06
"""Largest difference, in one channel of 0..1, between the background and the median of the border."""


def reduce_picture(image: NDArray[np.uint8]) -> Silhouettes:
    """The object of an (H, W, 3) picture, one view: whatever differs from the colour of the border."""
    picture = Image.fromarray(image)
    picture.thumbnail((512, 512))
    rgb: Float32 = np.asarray(picture, np.float32) / np.float32(255)
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    mask = np.abs(rgb - np.median(border, axis=0)).max(axis=2) > BACKGROUND_DISTANCE
    cover: Float32 = (mask if mask.any() else np.ones_like(mask)).astype(np.float32)
    return _fit([(rgb * cover[..., None], cover)])


def crop_views(images: Float32, alphas: Float32) -> Silhouettes:
    """The object of each of (16, H, W, 3) views over white and their alphas, cut out and fitted alike."""
    premultiplied = images[:SIDES] - (1 - alphas[:SIDES, ..., None])
    return _fit(list(zip(premultiplied, alphas[:SIDES], strict=True)))


def _fit(cut_outs: list[tuple[Float32, Float32]]) -> Silhouettes:
    fitted = [_fit_to_frame(np.dstack([rgb, alpha])) for rgb, alpha in cut_outs]
    stacked = np.stack(fitted)
    return make_silhouettes(stacked[..., :3], stacked[..., 3])


def _fit_to_frame(planes: Float32) -> Float32:
    """(37, 37, 4) from (H, W, 4): the box around the last plane, its longest side made 29 px, centred."""
    frame = np.zeros((SIZE_PX, SIZE_PX, planes.shape[2]), np.float32)
    covered = planes[..., -1] > 0.5
    if not covered.any():
        return frame
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    box = planes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = FITTED_PX / max(box.shape[:2])
    height, width = (max(1, round(side * scale)) for side in box.shape[:2])
    top, left = (SIZE_PX - height) // 2, (SIZE_PX - width) // 2
    for channel in range(planes.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(box[..., channel]))
        small = plane.resize((width, height), Image.Resampling.BOX)
        frame[top : top + height, left : left + width, channel] = np.asarray(small)
    return frame
