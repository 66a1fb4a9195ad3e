"""Seeded three-dimensional value noise, the grain of every texture."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.shapes import Array

SIZE = 32
"""Lattice points per axis before the noise repeats; a power of two."""


class Noise:
    """Smooth random fields over space, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._lattice = np.random.default_rng(seed).random(SIZE**3, dtype=np.float32)

    def at(self, points: Array, frequency: float, *, offset: float = 0.0) -> Array:
        """(N,) values in 0..1 at (N, 3) points, with `frequency` lattice cells per unit."""
        p = points.astype(np.float32) * np.float32(frequency) + np.float32(offset + 1000.0)
        i = np.floor(p).astype(np.int32)
        t = p - i
        t = t * t * (3 - 2 * t)
        low, high = i & (SIZE - 1), (i + 1) & (SIZE - 1)
        x, y, z = ((low[:, k] * w, high[:, k] * w) for k, w in enumerate((SIZE * SIZE, SIZE, 1)))
        value = np.zeros(len(p), dtype=np.float32)
        for xi, wx in zip(x, (1 - t[:, 0], t[:, 0]), strict=True):
            for yi, wy in zip(y, (1 - t[:, 1], t[:, 1]), strict=True):
                row = xi + yi
                value += (
                    wx
                    * wy
                    * (self._lattice[row + z[0]] * (1 - t[:, 2]) + self._lattice[row + z[1]] * t[:, 2])
                )
        return value.astype(np.float64)

    def cloudy(self, points: Array, frequency: float, *, offset: float = 0.0) -> Array:
        """(N,) values in 0..1: three octaves, for patches of rust, moss and cloud."""
        total = self.at(points, frequency, offset=offset)
        total = total + 0.5 * self.at(points, 2 * frequency, offset=offset + 11)
        total = total + 0.25 * self.at(points, 4 * frequency, offset=offset + 23)
        return np.asarray(total / 1.75)
