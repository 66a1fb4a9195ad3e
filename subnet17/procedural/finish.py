"""From painted parts to one mesh: normals, tessellation, textures, baked light."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import trimesh

from subnet17.procedural.light import Gloss, bake
from subnet17.procedural.model import Model, Part
from subnet17.procedural.noise import Noise
from subnet17.procedural.paint import FINISHES, MATERIALS, Paint
from subnet17.procedural.shapes import Array, Faces, join
from subnet17.procedural.tessellate import cut_long_edges, drop_slivers, vertex_normals
from subnet17.procedural.textures import OVERLAYS, TEXTURES, Surface

WANTED_FACES = 110_000
MOST_FACES = 140_000
EDGE_LIMITS = (0.006, 0.03)
"""Shortest and longest wanted edge on a model whose longest side is 1."""

_POINT, _NORMAL, _GRAIN, _FADE, _PART = slice(0, 3), slice(3, 6), slice(6, 9), 9, 10


def finish_mesh(model: Model, *, seed: int) -> trimesh.Trimesh:
    """Paints a model: centred on the origin, longest side 1, uint8 RGBA colour per vertex."""
    bounds = model.bounds()
    scale = 1.0 / float(np.max(bounds[1] - bounds[0]))
    columns, faces = _gather(model.parts, bounds.mean(axis=0), scale)
    columns, faces = cut_long_edges(columns, faces, _edge_length(columns, faces), most_faces=MOST_FACES)
    normals = columns[:, _NORMAL]
    columns[:, _NORMAL] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    colours = _colour(model.parts, columns, Noise(seed))
    rgba = np.concatenate([np.round(colours * 255), np.full((len(colours), 1), 255)], axis=1).astype(np.uint8)
    return trimesh.Trimesh(vertices=columns[:, _POINT], faces=faces, vertex_colors=rgba, process=False)


def sketch_points(model: Model, *, seed: int, count: int) -> tuple[Array, Array]:
    """Evenly spread surface points in the colours that `finish_mesh` would give them, without tessellation.

    Returns:
        (count, 3) points, centred with the longest side 1, and their (count, 3) sRGB colours in 0..1.
    """
    bounds = model.bounds()
    scale = 1.0 / float(np.max(bounds[1] - bounds[0]))
    columns, faces = _gather(model.parts, bounds.mean(axis=0), scale)
    a, b, c = (columns[faces[:, k]] for k in range(3))
    areas = np.linalg.norm(np.cross((b - a)[:, _POINT], (c - a)[:, _POINT]), axis=1)
    rng = np.random.default_rng(seed)
    face = rng.choice(len(faces), count, p=areas / areas.sum())
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    sampled = a[face] + u * (b - a)[face] + v * (c - a)[face]
    normals = sampled[:, _NORMAL]
    sampled[:, _NORMAL] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return sampled[:, _POINT], _colour(model.parts, sampled, Noise(seed))


def _gather(parts: list[Part], centre: Array, scale: float) -> tuple[Array, Faces]:
    whole = join(part.shape for part in parts)
    whole = drop_slivers(type(whole)((whole.vertices - centre) * scale, whole.faces))
    ends = np.cumsum([len(part.shape.vertices) for part in parts])
    columns = np.zeros((len(whole.vertices), 11))
    columns[:, _POINT], columns[:, _NORMAL] = whole.vertices, vertex_normals(whole)
    for index, (part, end) in enumerate(zip(parts, ends, strict=True)):
        own = columns[end - len(part.shape.vertices) : end]
        own[:, _GRAIN], own[:, _PART] = _along_grain(own[:, _POINT]), index
        own[:, _FADE] = 0.0 if part.fade is None else part.fade
    return columns, whole.faces


def _along_grain(points: Array) -> Array:
    longest = int(np.argmax(np.ptp(points, axis=0)))
    order = {0: [1, 0, 2], 1: [0, 1, 2], 2: [0, 2, 1]}[longest]
    return points[:, order]


def _edge_length(columns: Array, faces: Faces) -> float:
    """The shortest edge limit whose predicted number of faces stays within `WANTED_FACES`."""
    corners = columns[:, _POINT][faces]
    gaps = corners - np.roll(corners, 1, axis=1)
    short, middle, long = np.log2(np.sort(np.sqrt(np.einsum("fek,fek->fe", gaps, gaps)), axis=1) + 1e-12).T
    limits = np.geomspace(*EDGE_LIMITS, 10)
    for limit in limits:
        # An edge is halved until it fits; a face splits along its longest and its shortest side, and a
        # sliver with two long sides becomes a strip of twice as many faces.
        s, m, n = (np.maximum(np.ceil(side - np.log2(limit)), 0.0) for side in (short, middle, long))
        if float(np.exp2(s + n + (m > s)).sum()) <= WANTED_FACES:
            return float(limit)
    return float(limits[-1])


def _colour(parts: list[Part], columns: Array, noise: Noise) -> Array:
    index = np.round(columns[:, _PART]).astype(int)
    colour, gloss = _paint_by([p.paint for p in parts], index, columns, noise)
    fading = columns[:, _FADE] > 0.004
    if fading.any():
        second = [p.fade_paint or p.paint for p in parts]
        share = columns[fading, _FADE]
        other, other_gloss = _paint_by(second, index[fading], columns[fading], noise)
        colour[fading] += (other - colour[fading]) * share[:, None]
        gloss[:, fading] += (other_gloss - gloss[:, fading]) * share
    return bake(colour, columns[:, _POINT], columns[:, _NORMAL], Gloss(*gloss))


def _paint_by(paints: list[Paint], index: np.ndarray, columns: Array, noise: Noise) -> tuple[Array, Array]:
    """(N, 3) colours and (3, N) shine, metal, glow of vertices whose paint is `paints[index]`."""
    colour, gloss = np.empty((len(index), 3)), np.empty((3, len(index)))
    distinct = list(dict.fromkeys(paints))
    which = np.array([distinct.index(p) for p in paints])[index]
    for number, paint in enumerate(distinct):
        at = np.flatnonzero(which == number)
        if len(at):
            surface = Surface(columns[at, _POINT], columns[at, _NORMAL], columns[at, _GRAIN], noise)
            colour[at] = _texture(paint, surface)
            gloss[:, at] = np.array(_gloss_of(paint))[:, None]
    return colour, gloss


def _texture(paint: Paint, surface: Surface) -> Array:
    colour = np.tile(np.array(paint.colour), (len(surface.points), 1))
    colour = TEXTURES[MATERIALS[paint.material].texture](surface, colour)
    for finish in paint.finishes:
        colour = OVERLAYS[FINISHES[finish][0]](surface, colour)
    return np.clip(colour, 0.0, 1.0)


def _gloss_of(paint: Paint) -> tuple[float, float, float]:
    material = MATERIALS[paint.material]
    shine = material.shine + sum(FINISHES[f][1] for f in paint.finishes)
    dulled: Iterable[str] = {"rusty", "worn", "mossy", "dirty", "burnt", "painted"}
    metal = material.metal and not any(f in dulled for f in paint.finishes)
    return float(np.clip(shine, 0, 1)), float(metal), 1.0 if "glowing" in paint.finishes else material.glow
