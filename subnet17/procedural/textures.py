"""Textures and overlays: colour as a function of place, from seeded noise.

Everything is measured in a finished model, whose longest side is 1. `grain` points are the positions with
the part's longest axis swapped to Y, so that wood and brushed metal follow the part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from subnet17.procedural import colours
from subnet17.procedural.noise import Noise
from subnet17.procedural.shapes import Array


@dataclass(frozen=True)
class Surface:
    """N places on a model: points, normals and grain (N, 3), and the noise to use."""

    points: Array
    normals: Array
    grain: Array
    noise: Noise

    def stretched(self, across: float, along: float) -> Array:
        """(N,) noise of frequency `across` the grain and `along` it."""
        return self.noise.at(self.grain * [across, along, across], 1.0)

    def wall(self) -> tuple[Array, Array]:
        """(N,) horizontal and vertical coordinate on whatever wall or roof a point lies on."""
        sideways = np.abs(self.normals[:, 0]) > np.abs(self.normals[:, 2])
        return np.where(sideways, self.points[:, 2], self.points[:, 0]), self.points[:, 1]


Texture = Callable[[Surface, Array], Array]
"""(surface, (N, 3) base colours) -> (N, 3) colours."""


def _lit(colour: Array, factor: Array) -> Array:
    return np.asarray(colour * factor[:, None])


def _mix(a: Array, b: Array, share: Array) -> Array:
    return np.asarray(a + (b - a) * np.clip(share, 0, 1)[:, None])


def _step(value: Array, low: float, high: float) -> Array:
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _plain(s: Surface, c: Array) -> Array:
    return _lit(c, 0.97 + 0.06 * s.noise.at(s.points, 9))


def _rough(s: Surface, c: Array) -> Array:
    return _lit(c, 0.84 + 0.18 * s.noise.at(s.points, 70) + 0.12 * s.noise.at(s.points, 12))


def _wood(s: Surface, c: Array) -> Array:
    rings = s.grain[:, 0] * 34 + s.grain[:, 2] * 21 + 5.0 * s.stretched(5, 1.6)
    lines = 0.5 + 0.5 * np.sin(2 * np.pi * rings)
    return _lit(c, 0.74 + 0.3 * lines * s.stretched(30, 4) + 0.22 * s.stretched(60, 5))


def _bark(s: Surface, c: Array) -> Array:
    ridges = np.abs(2 * s.stretched(38, 7) - 1)
    return _lit(c, 0.6 + 0.55 * ridges**0.6 + 0.2 * s.noise.at(s.points, 60))


def _brushed(s: Surface, c: Array) -> Array:
    return _lit(c, 0.9 + 0.2 * s.stretched(90, 5))


def _hammered(s: Surface, c: Array) -> Array:
    return _lit(c, 0.82 + 0.36 * s.noise.at(s.points, 40))


def _stone(s: Surface, c: Array) -> Array:
    speckle = s.noise.at(s.points, 95)
    return _lit(c, 0.72 + 0.34 * s.noise.cloudy(s.points, 10) + 0.24 * (speckle - 0.5))


def _marble(s: Surface, c: Array) -> Array:
    wave = s.points @ np.array([9.0, 5.0, 6.0]) + 5 * s.noise.cloudy(s.points, 4)
    vein = np.abs(np.sin(wave)) ** 0.35
    return _mix(c * 0.55, c, vein)


def _brick(s: Surface, c: Array) -> Array:
    u, v = s.wall()
    row = np.floor(v / 0.034)
    column = np.floor(u / 0.075 + 0.5 * (row % 2))
    gap_v = np.abs(v / 0.034 - row - 0.5) > 0.38
    gap_u = np.abs(u / 0.075 + 0.5 * (row % 2) - column - 0.5) > 0.43
    each = s.noise.at(np.stack([row, column, 0 * row], axis=1) * 0.37, 1.0)
    brick = _lit(c, 0.78 + 0.4 * each + 0.14 * (s.noise.at(s.points, 80) - 0.5))
    return _mix(brick, np.broadcast_to(c * 0.4 + 0.38, c.shape), np.where(gap_u | gap_v, 0.85, 0.0))


def _tiles(s: Surface, c: Array) -> Array:
    u, v = s.wall()
    row = np.floor(v / 0.032)
    shade = (v / 0.032 - row) * 0.45
    column = u / 0.04 + 0.5 * (row % 2)
    gap = np.abs(column - np.floor(column) - 0.5) > 0.42
    return _lit(c, (0.72 + shade + 0.16 * s.noise.at(s.points, 25)) * np.where(gap, 0.8, 1.0))


def _glass(s: Surface, c: Array) -> Array:
    edge = 1 - np.abs(s.normals[:, 2] * 0.6 + s.normals[:, 1] * 0.5)
    sky = _step(s.normals[:, 1] + 0.5 * np.sin(14 * (s.points @ np.array([1.0, 1.0, 0.4]))), 0.1, 0.9)
    return _mix(_lit(c, 0.8 + 0.2 * edge), np.full_like(c, 0.97), 0.15 + 0.3 * sky)


def _facets(s: Surface, c: Array) -> Array:
    turn = s.normals @ np.array([2.7, 1.9, 3.1])
    flat = 0.5 + 0.5 * np.sin(4 * turn)
    return _mix(_lit(c, 0.72 + 0.35 * flat), np.full_like(c, 0.98), 0.35 * flat**4)


def _ice(s: Surface, c: Array) -> Array:
    streak = _step(np.abs(s.noise.cloudy(s.points, 8) - 0.5), 0.0, 0.12)
    return _mix(np.full_like(c, 0.97), c, 0.35 + 0.6 * streak)


def _leather(s: Surface, c: Array) -> Array:
    return _lit(c, 0.8 + 0.22 * np.abs(2 * s.noise.at(s.points, 55) - 1) + 0.18 * s.noise.at(s.points, 9))


def _weave(s: Surface, c: Array) -> Array:
    u, v = s.wall()
    thread = np.sin(u * 2 * np.pi / 0.026) * np.sin(v * 2 * np.pi / 0.026)
    return _lit(c, 0.92 + 0.07 * thread + 0.08 * s.noise.at(s.points, 14))


def _wool(s: Surface, c: Array) -> Array:
    return _lit(c, 0.78 + 0.36 * s.noise.at(s.points, 42))


def _fur(s: Surface, c: Array) -> Array:
    strands = s.noise.at(s.points * [85, 30, 60], 1.0)
    return _lit(c, 0.8 + 0.26 * strands + 0.14 * s.noise.cloudy(s.points, 6))


def _feathers(s: Surface, c: Array) -> Array:
    u = np.arctan2(s.points[:, 0], s.points[:, 2] + 1e-9) * 7
    row = s.points[:, 1] / 0.04
    tip = np.abs(np.sin(np.pi * (u + 0.5 * np.floor(row))))
    return _lit(c, 0.78 + 0.3 * (row - np.floor(row)) * tip + 0.14 * s.noise.at(s.points, 40))


def _scales(s: Surface, c: Array) -> Array:
    row = s.points[:, 1] / 0.028
    across = (s.points[:, 0] + s.points[:, 2]) / 0.034 + 0.5 * np.floor(row)
    bump = np.abs(np.sin(np.pi * across)) * np.sqrt(row - np.floor(row))
    return _lit(c, 0.72 + 0.4 * bump + 0.1 * s.noise.at(s.points, 8))


def _straw(s: Surface, c: Array) -> Array:
    return _lit(c, 0.72 + 0.42 * s.stretched(85, 9))


def _leaves(s: Surface, c: Array) -> Array:
    hue = s.noise.at(s.points, 7)
    yellowish = np.clip(c * [1.25, 1.08, 0.7], 0, 1)
    return _lit(_mix(c, yellowish, hue * 0.6), 0.84 + 0.42 * s.noise.at(s.points, 38))


def _petal(s: Surface, c: Array) -> Array:
    return _mix(c, np.full_like(c, 0.97), 0.3 * s.stretched(24, 3))


def _fruit(s: Surface, c: Array) -> Array:
    warm = np.clip(c * [1.12, 1.3, 0.9] + [0.02, 0.06, 0.0], 0, 1)
    return _mix(c, warm, 0.6 * _step(s.noise.cloudy(s.points, 4), 0.45, 0.75))


def _crust(s: Surface, c: Array) -> Array:
    baked = _lit(c, 0.8 + 0.3 * s.noise.at(s.points, 45))
    return _mix(baked, c * [0.6, 0.45, 0.35], 0.65 * _step(s.noise.cloudy(s.points, 8), 0.5, 0.75))


def _lava(s: Surface, c: Array) -> Array:
    hot = _step(np.abs(s.noise.cloudy(s.points, 7) - 0.5), 0.14, 0.02) if len(c) else np.zeros(0)
    return _mix(
        np.broadcast_to(np.array([0.17, 0.1, 0.09]), c.shape), np.clip(c * [1.2, 1.9, 1.0], 0, 1), hot
    )


def _flame(s: Surface, c: Array) -> Array:
    height = s.points[:, 1] * 5 + s.noise.at(s.points, 14) * 1.4
    yellow = np.clip(c * 0.4 + [0.6, 0.5, 0.05], 0, 1)
    return _mix(c, yellow, 0.5 + 0.5 * np.sin(height * 3))


TEXTURES: dict[str, Texture] = {
    "plain": _plain, "rough": _rough, "wood": _wood, "bark": _bark, "brushed": _brushed,
    "hammered": _hammered, "stone": _stone, "marble": _marble, "brick": _brick, "tiles": _tiles,
    "glass": _glass, "facets": _facets, "ice": _ice, "leather": _leather, "weave": _weave, "wool": _wool,
    "fur": _fur, "feathers": _feathers, "scales": _scales, "straw": _straw, "leaves": _leaves,
    "petal": _petal, "fruit": _fruit, "crust": _crust, "lava": _lava, "flame": _flame,
}  # fmt: skip
"""By the name that `paint.MATERIALS` uses."""


def _rust(s: Surface, c: Array) -> Array:
    patch = _step(s.noise.cloudy(s.points, 7), 0.42, 0.58)
    speck = s.noise.at(s.points, 60)
    rust = _lit(np.broadcast_to(np.array([0.62, 0.3, 0.13]), c.shape), 0.6 + 0.7 * speck)
    return _mix(_lit(c, 0.85 + 0.15 * speck), rust, patch * 0.92)


def _wear(s: Surface, c: Array) -> Array:
    faded = c * 0.7 + c.mean(axis=1, keepdims=True) * 0.3
    scratched = _step(s.noise.cloudy(s.points, 14, offset=5), 0.56, 0.68)
    return _mix(_lit(faded, 0.78 + 0.22 * s.noise.cloudy(s.points, 5)), faded * 0.55, scratched * 0.7)


def _moss(s: Surface, c: Array) -> Array:
    patch = _step(s.noise.cloudy(s.points, 6, offset=9) + 0.22 * s.normals[:, 1], 0.5, 0.68)
    moss = _lit(np.broadcast_to(np.array([0.33, 0.45, 0.16]), c.shape), 0.65 + 0.6 * s.noise.at(s.points, 60))
    return _mix(_lit(c, 0.8 + 0.2 * s.noise.cloudy(s.points, 9)), moss, patch * 0.85)


def _dirt(s: Surface, c: Array) -> Array:
    low = np.clip(0.25 - s.points[:, 1], 0, 1)
    return _mix(
        c,
        np.broadcast_to(np.array([0.33, 0.25, 0.17]), c.shape),
        _step(s.noise.cloudy(s.points, 9) + 0.3 * low, 0.45, 0.75) * 0.8,
    )


def _cracks(s: Surface, c: Array) -> Array:
    return _lit(c, 0.4 + 0.6 * _step(np.abs(s.noise.cloudy(s.points, 6, offset=3) - 0.5), 0.0, 0.03))


def _stripes(s: Surface, c: Array) -> Array:
    band = np.sin(s.grain[:, 1] * 2 * np.pi / 0.13 + 1.2 * s.noise.at(s.points, 4))
    return _mix(c, _contrast(c), _step(band, -0.1, 0.1))


def _spots(s: Surface, c: Array) -> Array:
    return _mix(c, _contrast(c), _step(s.noise.at(s.points, 11, offset=7), 0.6, 0.66))


def _checks(s: Surface, c: Array) -> Array:
    u, v = s.wall()
    return _mix(c, _contrast(c), ((np.floor(u / 0.07) + np.floor(v / 0.07)) % 2).astype(float))


def _contrast(c: Array) -> Array:
    """A second colour that stands out: dark on light, light on dark."""
    return np.where(c.mean(axis=1, keepdims=True) > 0.42, c * 0.3, c * 0.3 + 0.65)


def _camo(s: Surface, c: Array) -> Array:
    field = s.noise.cloudy(s.points, 5)
    green = np.array([[0.29, 0.34, 0.18], [0.42, 0.42, 0.25], [0.2, 0.2, 0.15]])
    return np.asarray(green[(field > 0.46).astype(int) + (field > 0.57)] * np.ones_like(c))


def _rainbow(s: Surface, c: Array) -> Array:
    band = np.stack([colours.rgb(word) for word in colours.RAINBOW])
    at = np.clip((s.points[:, 1] + 0.5) * (len(band) - 1), 0, len(band) - 1.001)
    i = at.astype(int)
    return _mix(band[i], band[i + 1], at - i)


def _gradient(s: Surface, c: Array) -> Array:
    return _mix(c * 0.55, np.clip(c * 0.75 + 0.3, 0, 1), s.points[:, 1] + 0.5)


def _stars(s: Surface, c: Array) -> Array:
    return _mix(
        c * 0.6,
        np.broadcast_to(np.array([1.0, 0.95, 0.7]), c.shape),
        _step(s.noise.at(s.points, 34), 0.78, 0.84),
    )


def _snowcap(s: Surface, c: Array) -> Array:
    up = s.normals[:, 1] + 0.5 * (s.noise.cloudy(s.points, 9) - 0.5)
    return _mix(c, np.full_like(c, 0.95), _step(up, 0.3, 0.5))


def _burn(s: Surface, c: Array) -> Array:
    return _lit(c, 0.25 + 0.6 * s.noise.cloudy(s.points, 6))


def _same(s: Surface, c: Array) -> Array:
    return c


OVERLAYS: dict[str, Texture] = {
    "": _same, "rust": _rust, "wear": _wear, "moss": _moss, "dirt": _dirt, "cracks": _cracks,
    "stripes": _stripes, "spots": _spots, "checks": _checks, "camo": _camo, "rainbow": _rainbow,
    "stars": _stars, "snowcap": _snowcap, "burn": _burn, "gradient": _gradient, "paint": _same,
    "glow": _same,
}  # fmt: skip
"""By the name that `paint.FINISHES` uses. Glow and paint change the light and the shine, not the pattern."""
