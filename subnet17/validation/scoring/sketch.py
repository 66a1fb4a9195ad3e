"""What the embedded generator would draw for a prompt, as silhouettes: points in a small depth buffer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from subnet17.procedural.finish import sketch_points
from subnet17.procedural.make import compose_model
from subnet17.splat.cameras import FIT_EXTENT, official_cameras
from subnet17.validation.scoring.quality import Float32, halve
from subnet17.validation.scoring.silhouettes import SIDES, SIZE_PX, Silhouettes, make_silhouettes

Array = NDArray[np.float64]

POINTS = 10_000
"""About four visible ones per pixel of a 74 px view; what gaps are left are closed."""
_DRAWN_PX = 2 * SIZE_PX


def draw_prompt(prompt: str, *, seed: int) -> Silhouettes:
    """The generator's own idea of a prompt from 15 sides."""
    model, _, _ = compose_model(prompt, seed=seed)
    return draw_points(*sketch_points(model, seed=seed, count=POINTS))


def draw_points(points: Array, colours: Array) -> Silhouettes:
    """From (N, 3) surface points, longest side 1, and their (N, 3) sRGB colours: the nearest is seen."""
    fitted = FIT_EXTENT * (points - points.mean())  # one scalar mean, as the validators centre
    cameras = official_cameras(_DRAWN_PX)
    drawn = [_draw(fitted, colours, viewmat, cameras.focal_px) for viewmat in cameras.viewmats[:SIDES]]
    rgb, masks = (halve(np.stack(planes)) for planes in zip(*drawn, strict=True))
    return make_silhouettes(rgb, masks)


def _draw(points: Array, colours: Array, viewmat: Array, focal_px: float) -> tuple[Float32, Float32]:
    """(74, 74, 3) colours, 0 where there is nothing, and the (74, 74) mask."""
    seen = points @ viewmat[:3, :3].T + viewmat[:3, 3]
    pixel = np.floor(seen[:, :2] * (focal_px / seen[:, 2:]) + _DRAWN_PX / 2).astype(np.intp)
    inside = np.flatnonzero(((pixel >= 0) & (pixel < _DRAWN_PX)).all(axis=1))
    far_to_near = inside[np.argsort(-seen[inside, 2])]
    nearest = np.full((_DRAWN_PX, _DRAWN_PX), -1, np.intp)
    nearest[pixel[far_to_near, 1], pixel[far_to_near, 0]] = far_to_near  # the last one written stays
    mask = ndimage.binary_closing(np.pad(nearest >= 0, 2), np.ones((3, 3), bool))[2:-2, 2:-2]
    rows, columns = ndimage.distance_transform_edt(nearest < 0, return_distances=False, return_indices=True)
    filled = colours[nearest[rows, columns]] * mask[..., None]
    return filled.astype(np.float32), mask.astype(np.float32)
