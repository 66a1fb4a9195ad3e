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
from subnet17.procedural.tessellate import cut_long_edges, vertex_normals

SIZE_PX = 112
"""Pixels along the longer side of the picture that is inflated."""
BACKGROUND_DISTANCE = 0.12
"""sRGB distance (root mean square of R, G, B) from the border's colour that makes a pixel the object's."""
COLOUR_PX = 288
"""Pixels along the longer side of the picture that colours are taken from."""
LEAST_SHARE = 0.002
THICKNESS = 0.85
"""Depth relative to the width that a round object of this outline would have."""

Mask = NDArray[np.bool_]


def inflate_picture(image: Image.Image) -> trimesh.Trimesh:
    """A mesh of the object in a picture: centred, +Y up, the picture seen from +Z, longest side 1.

    Raises:
        InvalidInputError: nothing stands out from the background.
    """
    mask = _silhouette(_pixels(image, SIZE_PX))
    coarse = _inflate(mask)
    points, faces = cut_long_edges(coarse.vertices, coarse.faces, 0.9, most_faces=60_000)
    base = _colours_at(points, _pixels(image, COLOUR_PX), mask)
    low, high = points.min(axis=0), points.max(axis=0)
    vertices = (points - (low + high) / 2) / float((high - low).max())
    normals = vertex_normals(Shape(vertices, faces))
    zeros = np.zeros(len(vertices))
    # The picture brings its own light, so only part of ours is added.
    colours = 0.6 * base + 0.4 * bake(base, vertices, normals, Gloss(zeros, zeros, zeros))
    rgba = np.concatenate([np.round(colours * 255), np.full((len(vertices), 1), 255)], axis=1).astype(
        np.uint8
    )
    return trimesh.Trimesh(vertices=vertices, faces=faces, vertex_colors=rgba, process=False)


def _pixels(image: Image.Image, longest_px: int) -> Array:
    """(H, W, 4) sRGB and alpha in 0..1, no longer than that."""
    small = image.convert("RGBA")
    small.thumbnail((longest_px, longest_px), Image.Resampling.BOX)
    return np.asarray(small, dtype=float) / 255


def _colours_at(points: Array, pixels: Array, mask: Mask) -> Array:
    """(N, 3) colours of the picture at points in the mask's pixels; the rim takes those inside of it."""
    rows, columns = -points[:, 1], points[:, 0]
    coarse = Image.fromarray((mask * 255).astype(np.uint8)).resize(
        (pixels.shape[1], pixels.shape[0]), Image.Resampling.NEAREST
    )
    colours = _spread(pixels[..., :3], np.asarray(coarse) > 127)
    scale = pixels.shape[0] / mask.shape[0], pixels.shape[1] / mask.shape[1]
    i = np.clip(np.round((rows + 0.5) * scale[0] - 0.5).astype(int), 0, pixels.shape[0] - 1)
    j = np.clip(np.round((columns + 0.5) * scale[1] - 0.5).astype(int), 0, pixels.shape[1] - 1)
    return np.asarray(colours[i, j])


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
    core = mask
    for _ in range(3):
        core = _erode(core) if _erode(core).any() else core
    filled, known = np.where(core[..., None], rgb, 0.0), core.astype(float)
    for _ in range(12):
        near = np.stack([_smooth(filled[..., k] * known) for k in range(3)], axis=2)
        weight = _smooth(known)
        fresh = (known < 0.5) & (weight > 0.02)
        filled[fresh] = near[fresh] / weight[fresh][:, None]
        known[fresh] = 1.0
    return np.where(known[..., None] > 0.5, filled, rgb)


def _erode(mask: Mask) -> Mask:
    p = np.pad(mask, 1)
    return np.asarray(p[1:-1, 1:-1] & p[:-2, 1:-1] & p[2:, 1:-1] & p[1:-1, :-2] & p[1:-1, 2:])
