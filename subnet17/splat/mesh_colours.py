"""Colours at points on a mesh's surface, whatever trimesh keeps them in.

Covers: vertex colours (blended over the face), face colours, and one base colour texture or colour per mesh
(bilinear, repeating, tinted by the material's factor). Not covered: alpha, lighting maps, several materials
in one mesh. Values are taken as they are stored: the validators' renderer does no tone mapping.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import trimesh
from numba import njit
from numpy.typing import NDArray
from PIL import Image

from subnet17.splat.cloud import Float32

MID_GREY = 0.5


def colour_samples(mesh: trimesh.Trimesh, faces: NDArray[np.int64], weights: NDArray[np.float64]) -> Float32:
    """Colours of N points.

    Args:
        mesh: Any `visual`; one that has no colours, or not one per vertex or face, counts as mid grey.
        faces: (N,) indices into `mesh.faces`. weights: (N, 3) barycentric.

    Returns:
        (N, 3) float32 in 0..1.
    """
    visual = mesh.visual
    if visual.kind == "vertex" and len(visual.vertex_colors) == len(mesh.vertices):
        return _blend(_unit(visual.vertex_colors), mesh, faces, weights)
    if visual.kind == "face" and len(visual.face_colors) == len(mesh.faces):
        return _unit(visual.face_colors)[faces]
    if visual.kind == "texture":
        return _texture_colours(mesh, faces, weights)
    return np.full((len(faces), 3), MID_GREY, np.float32)


def _blend(
    values: Float32, mesh: trimesh.Trimesh, faces: NDArray[np.int64], weights: NDArray[np.float64]
) -> Float32:
    """(N, K) values at the corners of each point's face, weighted."""
    blended: Float32 = _blend_corners(values, np.asarray(mesh.faces), faces, weights)
    return blended


@njit(cache=True, nogil=True)
def _blend_corners(values: Any, corners: Any, faces: Any, weights: Any) -> Any:
    blended = np.empty((len(faces), values.shape[1]), np.float32)
    for i in range(len(faces)):
        a, b, c = corners[faces[i]]
        for k in range(values.shape[1]):
            blended[i, k] = (
                weights[i, 0] * values[a, k] + weights[i, 1] * values[b, k] + weights[i, 2] * values[c, k]
            )
    return blended


def _texture_colours(
    mesh: trimesh.Trimesh, faces: NDArray[np.int64], weights: NDArray[np.float64]
) -> Float32:
    material = mesh.visual.material
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    uv = mesh.visual.uv
    if image is None or uv is None or len(uv) != len(mesh.vertices):
        return np.tile(_unit(material.main_color), (len(faces), 1))
    factor = getattr(material, "baseColorFactor", None)
    tint = np.ones(3, np.float32) if factor is None else _unit(factor)
    places = _blend(np.asarray(uv, dtype=np.float32)[:, :2], mesh, faces, weights)
    return sample_texture(image, places) * tint


def _unit(colours: Any) -> Float32:
    """RGB in 0..1 of colours stored as integers in 0..255 or as floats in 0..1."""
    values = np.asarray(colours)[..., :3]
    top = np.float32(255 if np.issubdtype(values.dtype, np.integer) else 1)
    unit: Float32 = values.astype(np.float32) / top
    return unit


def sample_texture(image: Image.Image, uv: Float32) -> Float32:
    """Bilinear texture lookup with repeat, v upwards, texel centres at half integers.

    Args:
        image: Any mode. uv: (N, 2); values that are not finite read the corner.

    Returns:
        (N, 3) float32 in 0..1.
    """
    texels = np.asarray(image.convert("RGB"))
    height, width = texels.shape[:2]
    uv = np.nan_to_num(uv.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    x = uv[:, 0] % 1.0 * width - 0.5
    y = (1.0 - uv[:, 1]) % 1.0 * height - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - left).astype(np.float32)[:, None], (y - top).astype(np.float32)[:, None]
    columns, rows = (left % width, (left + 1) % width), (top % height, (top + 1) % height)
    upper = texels[rows[0], columns[0]] * (1 - fx) + texels[rows[0], columns[1]] * fx
    lower = texels[rows[1], columns[0]] * (1 - fx) + texels[rows[1], columns[1]] * fx
    colours: Float32 = ((upper * (1 - fy) + lower * fy) / np.float32(255)).astype(np.float32)
    return colours
