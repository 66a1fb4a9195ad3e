"""Pictures of an asset for people: one view, or four in a grid. PNG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SINGLE_VIEW = 1
GRID_VIEWS = (1, 5, 9, 13)
GRID_GAP_PX = 5


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
