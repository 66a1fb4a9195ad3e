"""Thin shapes: fins, petals, leaves and the wings of insects.

They have vertices inside their outline, so that a `fade` can paint veins and borders on them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from subnet17.procedural.shapes import Array, Shape, grid, join, scatter
from subnet17.procedural.sweeps import curve

ROWS = 12


def lens(outline: ArrayLike, thickness: float, *, smooth: bool = True) -> Shape:
    """A flat (N, 2) outline in the XY plane, thick in its middle and sharp at its edge: a fin, a wing.

    The outline must be seen whole from the mean of its points; `smooth` rounds its corners.
    """
    p = np.asarray(outline, dtype=float)
    p = closed_curve(p, max(8 * len(p), 40)) if smooth else p
    middle, t = p.mean(axis=0), np.linspace(0, 1, ROWS)[:, None, None]
    flat = middle + (p - middle) * t
    z = np.broadcast_to(thickness / 2 * np.sqrt(np.maximum(1 - t[..., 0] ** 2, 0)), flat.shape[:2])
    x, y = np.moveaxis(flat, 2, 0)
    counter_clockwise = np.sum(p[:, 0] * np.roll(p[:, 1], -1) - np.roll(p[:, 0], -1) * p[:, 1]) > 0
    step = -1 if counter_clockwise else 1
    front = grid(np.stack([x, y, z], axis=-1)[:, ::step], close_columns=True)
    back = grid(np.stack([x, y, -z], axis=-1)[:, ::-step], close_columns=True)
    return join([front, back])


def closed_curve(points: ArrayLike, count: int) -> Array:
    """(count, K) points of a smooth closed line through (N, K) points."""
    p = np.asarray(points, dtype=float)
    n = len(p)
    around = curve(np.concatenate([p, p, p, p[:1]]), 3 * count + 1)
    return around[count : 2 * count] if n > 2 else around[:count]


def leaf(
    length: float,
    width: float,
    *,
    bend_deg: float = 40.0,
    fold: float = 0.15,
    widest: float = 0.45,
    rows: int = ROWS,
) -> Shape:
    """A leaf or petal from the origin: starts along +Y, bends towards +Z; its upper side faces -Z, then +Y.

    It has a little thickness: the two sides of a sheet without any would mix their colours when rendered.

    Args:
        length, width: Along the midrib, and across where it is widest.
        bend_deg: By how much it has turned at its tip.
        fold: How far the edges rise above the midrib, as a share of the width: a cupped petal.
        widest: Where along it is widest, 0..1.
        rows: Cells along it.
    """
    u, v = np.linspace(0, 1, rows + 1)[:, None], np.linspace(-1, 1, max(rows // 2, 2) + 1)[None]
    half = 0.5 * width * np.sin(np.pi * u ** (np.log(0.5) / np.log(widest))) ** 0.8
    angle = np.deg2rad(bend_deg) * u
    rib = np.cumsum(np.stack([0 * u, np.cos(angle), np.sin(angle)], axis=-1), axis=0) * (length / rows)
    above = np.stack([0 * u, np.sin(angle), -np.cos(angle)], axis=-1)
    lift = 2 * fold * half * np.abs(v) ** 1.5
    thick = 0.06 * half * (1 - v**2)
    flat = rib + np.stack([v * half, 0 * half * v, 0 * half * v], axis=-1)
    lower = grid(flat + above * (lift - thick)[..., None])
    upper = grid(flat + above * (lift + thick)[..., None])
    return join([lower, Shape(upper.vertices, upper.faces[:, ::-1])])


def frond(
    length: float, width: float, *, leaflets: int = 20, bend_deg: float = 100.0, slender: float = 0.22
) -> Shape:
    """A feathered leaf of a palm or fern: like `leaf`, with pairs of narrow leaflets along its rib."""
    t = np.linspace(0, 1, leaflets)
    angle = np.deg2rad(bend_deg) * t
    along = np.stack([0 * t, np.cos(angle), np.sin(angle)], axis=1)
    rib = np.cumsum(along, axis=0) * (length / leaflets)
    sizes = 0.5 * width * (0.35 + 0.65 * np.sin(np.pi * np.clip(0.15 + 0.8 * t, 0, 1)))
    blade = leaf(1.0, slender, bend_deg=35, fold=0.0, widest=0.35, rows=5)
    return join(
        scatter(blade, rib, directions=np.array([side, 0.0, 0.0]) + 0.55 * along, sizes=sizes)
        for side in (-1.0, 1.0)
    )
