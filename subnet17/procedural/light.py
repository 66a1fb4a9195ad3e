"""Baked light: renders of splats are unlit, so the colours themselves must carry form.

A sky brighter than the ground, a soft key light from above-front, highlights for shiny surfaces, reflected
bands for metal, darkening where the model shadows itself, and the spill of glowing parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from subnet17.procedural.shapes import Array

CELLS = 40
"""Cells along the side of the grid in which the model is looked up for shadows."""
KEY = np.array([0.38, 0.78, 0.5])
LAMPS = (np.array([0.35, 0.75, 0.56]), np.array([-0.5, 0.7, -0.5]), np.array([0.75, 0.55, -0.35]))
"""Where highlights come from: one per side of the object, since it is seen from all around."""


@dataclass(frozen=True)
class Gloss:
    """(N,) shine 0..1, metal 0/1 and glow 0..1 of each vertex."""

    shine: Array
    metal: Array
    glow: Array


def bake(colour: Array, points: Array, normals: Array, gloss: Gloss) -> Array:
    """(N, 3) lit sRGB colours of (N, 3) base colours on a model whose longest side is 1."""
    shadow = SelfShadow(points)
    open_sky = shadow.openness(points, normals)
    matt = _diffuse(normals) * (0.45 + 0.55 * open_sky)
    mirror = _reflection(normals, points) * (0.6 + 0.4 * open_sky)
    lit = colour * (matt + gloss.metal * (mirror - matt))[:, None]
    sparkle = gloss.shine * _highlights(normals) * open_sky
    white = 0.25 * colour + 0.75
    lit = lit + (white - lit) * np.clip(sparkle * (0.75 + 0.2 * gloss.metal), 0, 1)[:, None]
    lit = lit + (np.clip(colour * 1.08 + 0.04, 0, 1) - lit) * gloss.glow[:, None]
    if gloss.glow.max(initial=0.0) > 0.5:
        lit = lit + shadow.spill(points, colour, gloss.glow)
    return np.clip(lit, 0.0, 1.0)


def _diffuse(n: Array) -> Array:
    sky = 0.5 + 0.5 * n[:, 1]
    key = np.clip(n @ (KEY / np.linalg.norm(KEY)) * 0.75 + 0.25, 0, 1)
    return np.asarray(0.5 + 0.24 * sky + 0.36 * key)


def _reflection(n: Array, points: Array) -> Array:
    """The brightness a metal shows: bright sky, dark horizon, a lit floor, and studio panels around."""
    y = n[:, 1]
    sky = np.clip(y, 0, 1) ** 0.8
    horizon = np.exp(-(((y + 0.12) / 0.18) ** 2))
    panels = np.cos(3 * np.arctan2(n[:, 0], n[:, 2]) - 0.3 + 4.0 * points[:, 1])
    return np.asarray(0.8 + 0.36 * sky - 0.18 * horizon + 0.22 * panels * (1 - y**2))


def _highlights(n: Array) -> Array:
    total = np.zeros(len(n))
    for lamp in LAMPS:
        facing = np.clip(n @ (lamp / np.linalg.norm(lamp)), 0, 1)
        wide = ((facing * facing) ** 2) ** 2
        total += 0.85 * (wide * wide) ** 2 * wide + 0.18 * wide  # powers 40 and 8, without `pow`
    return np.clip(total, 0, 1)


class SelfShadow:
    """The model on a coarse grid, to ask how much sky a place sees."""

    def __init__(self, points: Array) -> None:
        self._low = points.min(axis=0) - 3.0 / CELLS
        self._shape = np.ceil((points.max(axis=0) - self._low) * CELLS).astype(int) + 4
        cells = self._cell_of(points)
        solid = np.zeros(self._shape, dtype=np.float32)
        solid[cells[:, 0], cells[:, 1], cells[:, 2]] = 1.0
        self._near = _blur(_blur(solid))
        above = np.cumsum(solid[:, ::-1], axis=1)[:, ::-1] - solid
        self._above = _blur(_blur(np.minimum(above, 3.0) / 3.0))

    def openness(self, points: Array, normals: Array) -> Array:
        """(N,) 1 in the open, towards 0 in creases and under overhangs."""
        crowded, covered = self._look_up((self._near, self._above), points + normals * (2.0 / CELLS))
        crowded = crowded / 0.3
        return np.asarray(1 - np.clip(0.55 * np.clip(crowded - 0.45, 0, 1) + 0.5 * covered, 0, 0.95))

    def spill(self, points: Array, colour: Array, glow: Array) -> Array:
        """(N, 3) light that glowing vertices throw on their surroundings."""
        cells = self._cell_of(points)
        bright = glow > 0.5
        seeds = np.zeros((*self._shape, 3), dtype=np.float32)
        c = cells[bright]
        seeds[c[:, 0], c[:, 1], c[:, 2]] = colour[bright]
        for _ in range(3):
            seeds = _blur(seeds)
        light = np.stack(self._look_up([seeds[..., k] for k in range(3)], points), axis=1)
        return np.asarray(np.clip(light * 0.9, 0, 0.28) * (1 - glow)[:, None])

    def _cell_of(self, points: Array) -> np.ndarray:
        return np.asarray(np.clip(((points - self._low) * CELLS).astype(int), 0, self._shape - 1))

    def _look_up(self, fields: Sequence[np.ndarray], points: Array) -> list[Array]:
        """(N,) trilinear values of each field at (N, 3) points."""
        at = np.clip((points - self._low) * CELLS - 0.5, 0, self._shape - 1.001).astype(np.float32)
        i = at.astype(np.int32)
        x, y, z = (at - i).T
        first = (i[:, 0] * self._shape[1] + i[:, 1]) * self._shape[2] + i[:, 2]
        flat = [np.ascontiguousarray(field).ravel() for field in fields]
        values = [np.zeros(len(points), dtype=np.float32) for _ in fields]
        for dx, dy, dz in np.ndindex(2, 2, 2):
            weight = (x if dx else 1 - x) * (y if dy else 1 - y) * (z if dz else 1 - z)
            corner = first + (dx * self._shape[1] + dy) * self._shape[2] + dz
            for k, field in enumerate(flat):
                values[k] += weight * field[corner]
        return [value.astype(float) for value in values]


def _blur(field: np.ndarray) -> np.ndarray:
    """A 1-2-1 blur along the first three axes."""
    for axis in range(3):
        before, after = np.roll(field, 1, axis=axis), np.roll(field, -1, axis=axis)
        field = (before + 2 * field + after) / 4
    return field
