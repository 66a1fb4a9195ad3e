"""Pictures of an asset for people: one view or four in a grid as PNG, or a turntable as an animated WebP."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from subnet17.splat.cameras import Cameras, Views, orbit_cameras
from subnet17.validation.requests import ValidationRequest

SINGLE_VIEW = 1
GRID_VIEWS = (1, 5, 9, 13)
GRID_GAP_PX = 5
TURNTABLE_FRAMES = 30
TURNTABLE_SIZE_PX = 256
TURNTABLE_FRAME_MS = 80
TURNTABLE_QUALITY = 80


def make_previews(request: ValidationRequest, views: Views | None, turntable: Views | None) -> dict[str, str]:
    """The pictures that were asked for and can be made, as base64.

    Args:
        request: Which ones.
        views: The 16 official ones.
        turntable: Those of `turntable_cameras`.
    """
    made: dict[str, bytes] = {}
    if views is not None and request.single_preview:
        made["preview"] = single_preview(views.images)
    if views is not None and request.grid_preview:
        made["grid_preview"] = grid_preview(views.images)
    if turntable is not None and request.turntable:
        made["turntable"] = encode_turntable(turntable.images)
    return {name: base64.b64encode(picture).decode() for name, picture in made.items()}


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """An (H, W, 3) uint8 image as PNG."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=3)  # level 6 takes three times as long
    return stream.getvalue()


def single_preview(images: NDArray[np.uint8]) -> bytes:
    """View 1 of (16, H, W, 3) official views as PNG."""
    return encode_png(images[SINGLE_VIEW])


def grid_preview(images: NDArray[np.uint8]) -> bytes:
    """Views 1, 5, 9, 13 of (16, H, W, 3) official views, two by two with a 5 px gap on black, as PNG."""
    return encode_png(join_grid(images[list(GRID_VIEWS)]))


def join_grid(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(4, H, W, 3) uint8 images, two by two in reading order, with a 5 px gap on black."""
    height, width = images.shape[1:3]
    grid = np.zeros((2 * height + GRID_GAP_PX, 2 * width + GRID_GAP_PX, 3), np.uint8)
    for position, image in enumerate(images):
        y, x = divmod(position, 2)
        top, left = y * (height + GRID_GAP_PX), x * (width + GRID_GAP_PX)
        grid[top : top + height, left : left + width] = image
    return grid


def turntable_cameras() -> Cameras:
    """30 small views around the asset, 12 degrees apart, on the validators' circle."""
    azimuths_deg = np.linspace(0.0, 360.0, TURNTABLE_FRAMES, endpoint=False)
    return orbit_cameras(azimuths_deg, size_px=TURNTABLE_SIZE_PX)


def encode_turntable(images: NDArray[np.uint8]) -> bytes:
    """(N, H, W, 3) uint8 images as an animated WebP that turns for ever, 80 ms a frame."""
    frames = [Image.fromarray(image) for image in images]
    stream = io.BytesIO()
    frames[0].save(
        stream,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=TURNTABLE_FRAME_MS,
        loop=0,
        quality=TURNTABLE_QUALITY,
        method=2,  # the slower methods save a tenth of the bytes for twice the time
    )
    return stream.getvalue()
