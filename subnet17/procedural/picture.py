"""From a picture to a mesh: the object's silhouette inflated, the picture's colours on its front and back.

Covers: objects on a transparent or plain background. Does not cover: what the object is, its depth, its other
sides; a cluttered background gives a slab.
"""

from __future__ import annotations

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import label, marching_cubes

from subnet17.errors import InvalidInputError
from subnet17.procedural.light import Gloss, bake
from subnet17.procedural.shapes import Array, Shape
from subnet17.procedural.tessellate import vertex_normals

SIZE_PX = 112
"""Pixels along the longer side of the picture that is inflated."""
BACKGROUND_DISTANCE = 0.12
"""sRGB distance (root mean square of R, G, B) from the border's colour that makes a pixel the object's."""
LEAST_SHARE = 0.002
THICKNESS = 0.85
"""Depth relative to the width that a round object of this outline would have."""

Mask = NDArray[np.bool_]


def inflate_picture(image: Image.Image) -> trimesh.Trimesh:
    """A mesh of the object in a picture: centred, +Y up, the picture seen from +Z, longest side 1.

    Raises:
        InvalidInputError: nothing stands out from the background.
    """
    small = image.convert("RGBA")
    small.thumbnail((SIZE_PX, SIZE_PX), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=float) / 255
    mask = _silhouette(pixels)
    shape = _inflate(mask)
    rows = np.clip(np.round(-shape.vertices[:, 1]).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip(np.round(shape.vertices[:, 0]).astype(int), 0, mask.shape[1] - 1)
    base = _spread(pixels[..., :3], mask)[rows, columns]
    low, high = shape.bounds()
    vertices = (shape.vertices - (low + high) / 2) / float((high - low).max())
    normals = vertex_normals(Shape(vertices, shape.faces))
    zeros = np.zeros(len(vertices))
    colours = bake(base, vertices, normals, Gloss(zeros + 0.1, zeros, zeros))
    rgba = np.concatenate([np.round(colours * 255), np.full((len(vertices), 1), 255)], axis=1).astype(
        np.uint8
    )
    return trimesh.Trimesh(vertices=vertices, faces=shape.faces, vertex_colors=rgba, process=False)


def _silhouette(pixels: Array) -> Mask:
    """(H, W) the object: opaque pixels, or those unlike the border; only pieces of some size."""
    alpha = pixels[..., 3]
    if (alpha < 0.5).mean() > LEAST_SHARE:
        mask = alpha >= 0.5
    else:
        rgb = pixels[..., :3]
        border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
        distance = np.sqrt(((rgb - np.median(border, axis=0)) ** 2).mean(axis=2))
        mask = distance > BACKGROUND_DISTANCE
    pieces = label(mask, connectivity=1)  # type: ignore[no-untyped-call]
    sizes = np.bincount(pieces.ravel())[1:]
    if not len(sizes) or sizes.max() < LEAST_SHARE * mask.size:
        found = int(mask.sum())
        raise InvalidInputError(
            f"the picture shows no object: {found} of {mask.size} pixels differ from the background",
            pixels=found,
        )
    return np.isin(pieces, 1 + np.flatnonzero(sizes >= 0.05 * sizes.max()))


def _inflate(mask: Mask) -> Shape:
    """A body that is round in cross-section; one unit is a pixel."""
    padded = np.pad(mask, 3)
    distance = _distance(padded)
    half = THICKNESS * np.sqrt(np.maximum(distance * (2 * distance.max() - distance), 0.0))
    half = _smooth(np.where(padded, np.maximum(half, 1.2), -1.5))
    depth = int(np.ceil(half.max())) + 3
    z = np.arange(-depth, depth + 1)
    field = half[..., None] - np.abs(z)
    vertices, faces, _, _ = marching_cubes(field, 0.0)  # type: ignore[no-untyped-call]
    turned = np.stack([vertices[:, 1] - 3, 3 - vertices[:, 0], vertices[:, 2] - depth], axis=1)
    return _outwards(Shape(turned.astype(float), faces.astype(np.int64)))


def _outwards(shape: Shape) -> Shape:
    a, b, c = (shape.vertices[shape.faces[:, k]] for k in range(3))
    volume = float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum())
    return shape if volume > 0 else Shape(shape.vertices, shape.faces[:, ::-1])


def _distance(mask: Mask) -> Array:
    """(H, W) chessboard-and-city-block distance of each object pixel to the outline, in pixels."""
    inside, distance = mask.copy(), np.zeros(mask.shape)
    for step in range(max(mask.shape)):
        if not inside.any():
            break
        distance += inside
        cross = (
            inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        )
        if step % 2:  # alternating the neighbourhood makes the rings octagons, close to circles
            cross &= inside[:-2, :-2] & inside[:-2, 2:] & inside[2:, :-2] & inside[2:, 2:]
        inside = np.pad(cross, 1)
    return distance


def _smooth(field: Array) -> Array:
    for _ in range(3):
        for axis in range(2):
            field = (np.roll(field, 1, axis=axis) + 2 * field + np.roll(field, -1, axis=axis)) / 4
    return np.asarray(field)


def _spread(rgb: Array, mask: Mask) -> Array:
    """The object's colours drawn over its outline, so that no background bleeds into the rim."""
    weight = _erode(mask).astype(float) if _erode(mask).any() else mask.astype(float)
    colour = rgb * weight[..., None]
    filled, known = colour.copy(), weight.copy()
    for _ in range(8):
        colour = np.stack([_smooth(colour[..., k]) for k in range(3)], axis=2)
        weight = _smooth(weight)
        fresh = (known < 0.5) & (weight > 1e-3)
        filled[fresh] = colour[fresh] / weight[fresh][:, None]
        known[fresh] = 1.0
    return filled


def _erode(mask: Mask) -> Mask:
    p = np.pad(mask, 1)
    return np.asarray(p[1:-1, 1:-1] & p[:-2, 1:-1] & p[2:, 1:-1] & p[1:-1, :-2] & p[1:-1, 2:])
