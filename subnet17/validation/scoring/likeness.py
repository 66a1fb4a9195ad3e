"""How alike two objects are from all sides, whichever way each of them is turned."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from subnet17.validation.scoring.quality import Float32
from subnet17.validation.scoring.silhouettes import Silhouettes

LIGHTNESS_WEIGHT = 0.6
"""Of a difference in lightness, which light and shadow change, against one in hue or chroma."""
SAME_DELTA_E = 28.0
"""Root mean square colour difference at which two objects are half alike in colour."""


class Likeness(NamedTuple):
    """Each in 0..1: overlap of the silhouettes, and nearness of the colours where they overlap."""

    shape: float
    colour: float


def compare(object_: Silhouettes, others: list[Silhouettes]) -> list[Likeness]:
    """Likeness of one object with each of several, at the turn about Y that fits best.

    All have the same V views, evenly spaced. Shape is the Tanimoto coefficient of the silhouettes,
    <a, b> / (<a, a> + <b, b> - <a, b>); colour is 1 / (1 + (d / 28)²) with d the root mean square
    distance in CIELAB over the overlap. Both are means over the views.
    """
    shape, colour = view_matrices(object_, others)
    return [_best_turn(s, c) for s, c in zip(shape, colour, strict=True)]


def view_matrices(object_: Silhouettes, others: list[Silhouettes]) -> tuple[Float32, Float32]:
    """(N, V, W) shape and colour likeness of each of V views with each of W views of N others."""
    views, sides = len(object_.alphas), len(others[0].alphas)
    a, x = _flatten(object_)
    b, y = (np.concatenate(parts) for parts in zip(*(_flatten(o) for o in others), strict=True))
    overlap = a @ b.T
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None]
    shape = overlap / np.maximum(squares - overlap, 1e-6)
    distances = _mean_square_delta_e(a, x, b, y, overlap)
    colour = np.asarray(1 / (1 + distances / SAME_DELTA_E**2), np.float32)
    by_other = (views, len(others), sides)
    return shape.reshape(by_other).swapaxes(0, 1), colour.reshape(by_other).swapaxes(0, 1)


def _flatten(silhouettes: Silhouettes) -> tuple[Float32, Float32]:
    """(V, P) coverage and (V, P, 3) weighted CIELAB."""
    views = len(silhouettes.alphas)
    weights = np.array([LIGHTNESS_WEIGHT, 1.0, 1.0], np.float32)
    return silhouettes.alphas.reshape(views, -1), (silhouettes.lab * weights).reshape(views, -1, 3)


def _mean_square_delta_e(a: Float32, x: Float32, b: Float32, y: Float32, overlap: Float32) -> Float32:
    """(V, W) mean of |x - y|² over the pixels, weighted by a b; expanded into matrix products."""
    total = (a * (x * x).sum(axis=2)) @ b.T + a @ (b * (y * y).sum(axis=2)).T
    for channel in range(3):
        total -= 2 * (a * x[..., channel]) @ (b * y[..., channel]).T
    return np.asarray(np.maximum(total, 0) / np.maximum(overlap, 1e-6))


def _best_turn(shape: Float32, colour: Float32) -> Likeness:
    sides = len(shape)
    view = np.arange(sides)
    turned = [(view + turn) % sides for turn in range(sides)]
    found = [Likeness(float(shape[view, t].mean()), float(colour[view, t].mean())) for t in turned]
    return max(found, key=lambda likeness: likeness.shape + 0.5 * likeness.colour)
