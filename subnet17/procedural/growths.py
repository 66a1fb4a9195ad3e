"""What grows on some four-legged animals only: quills, masks, ossicones, humps, horns, beaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from subnet17.procedural.shapes import ellipsoid, pair, scatter, sphere
from subnet17.procedural.sweeps import capsule, cone, lathe, tube

if TYPE_CHECKING:
    from subnet17.procedural.beasts import Beast


def _add_quills(beast: Beast) -> None:
    rng, g, y = beast.build.rng, beast.m.girth, beast.middle
    out = rng.normal(0, 1, (900, 3)) * [1, 1, 1.2] + [0, 0.55, -0.35]
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    out = out[out[:, 1] > -0.25 - 0.25 * (out[:, 2] < 0)]
    points = out * [0.98 * g, 0.98 * g, 0.8] + np.array([0, y, -0.04])
    lean = out + np.array([0, 0.1, -0.7])
    quill = cone(0.16, 1.0, sides=6).moved(y=0.35)
    sizes = rng.uniform(0.16, 0.26, len(points))
    back = ellipsoid(0.95 * g, 0.95 * g, 0.72).moved(y=y + 0.03, z=-0.06)
    beast.model.add("accent", back, part="back")
    shape = scatter(quill, points, directions=lean, sizes=sizes)
    beast.model.add(
        "accent", shape, part="spine", fade=("secondary", _tips(len(points), len(quill.vertices)))
    )


def _tips(copies: int, vertices: int) -> Callable[[np.ndarray], np.ndarray]:
    height = cone(0.16, 1.0, sides=6).vertices[:, 1] + 0.5
    return lambda p: np.tile(np.clip(1.4 * height - 0.5, 0, 0.9), copies)[: copies * vertices]


def _add_mask(beast: Beast) -> None:
    h, (_, y, z) = beast.head, beast.head_at
    patch = (
        ellipsoid(0.42 * h, 0.27 * h, 0.25 * h).turned("z", -22).moved(0.42 * h, y + 0.17 * h, z + 0.76 * h)
    )
    beast.model.add("accent", pair(patch), part="mask")


def _add_ossicones(beast: Beast) -> None:
    h = beast.head
    low, high = (0.3 * h, 0.75 * h, 0.0), (0.36 * h, 1.45 * h, -0.1 * h)
    beast.model.add("primary", pair(capsule(low, high, 0.1 * h)).at(beast.head_at), part="horn")
    beast.model.add("accent", pair(sphere(0.16 * h).at(high)).at(beast.head_at), part="horn")


def _add_humps(beast: Beast) -> None:
    y = beast.middle + 0.7 * beast.m.girth
    humps = [ellipsoid(0.2, 0.34, 0.2).moved(y=y, z=dz) for dz in (0.2, -0.25)]
    beast.model.add("primary", *humps, part="hump")


def _add_nose_horn(beast: Beast) -> None:
    h, (length, _) = beast.head, beast.m.muzzle
    for share, size in ((1.0, 1.5), (0.5, 0.8)):
        z = 0.55 * h + share * length
        horn = tube(
            [(0, 0, z), (0, 0.5 * size * h, z + 0.08), (0, size * h, z)], [0.24 * h * size, 0.15 * h, 0.01]
        )
        beast.model.add("sand bone", horn.at(beast.head_at).moved(y=0.1 * h - 0.25 * length), part="horn")


def _add_big_nose(beast: Beast) -> None:
    h = beast.head
    nose = ellipsoid(0.2 * h, 0.32 * h, 0.2 * h).at(beast.head_at).moved(y=-0.12 * h, z=0.98 * h)
    beast.model.add("ebony leather", nose, part="nose")


def _add_rings(beast: Beast) -> None:
    """A bushy tail in bands of two colours."""
    y, z = beast.middle + 0.1, -0.42 - 0.75 * beast.m.girth
    path = np.array([(0, y, z), (0, y + 0.02, z - 0.2), (0, y + 0.14, z - 0.42), (0, y + 0.38, z - 0.56)])
    tail = tube(path, [0.08, 0.13, 0.14, 0.05])
    bands = ("accent", lambda p: np.clip(np.sin((p[:, 1] - p[:, 2]) * 26) * 4, 0, 1))
    beast.model.add("primary", tail, part="tail", fade=bands)


def _add_beak(beast: Beast) -> None:
    h = beast.head
    hook = tube(
        [(0, -0.05 * h, 0.6 * h), (0, -0.02 * h, 1.25 * h), (0, -0.5 * h, 1.6 * h)],
        [0.42 * h, 0.34 * h, 0.03 * h],
    )
    beast.model.add("mustard plastic", hook.at(beast.head_at), part="beak")
    rng = beast.build.rng
    out = rng.normal(0, 1, (150, 3)) + np.array([0, 0.1, -0.5])
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    out = out[out[:, 2] < 0.35]
    points = beast.head_at + out * h * [0.85, 0.95, 0.8] - np.array([0, 0.35, 0.15]) * h
    feather = lathe([(0, -0.5), (0.2, -0.1), (0.16, 0.3), (0, 0.5)], sides=8).scaled(1, 1, 0.4)
    lean = out * 0.6 + [0, -0.8, -0.6]
    shape = scatter(feather, points, directions=lean, sizes=np.full(len(points), 0.75 * h))
    beast.model.add("secondary", shape, part="feather")


GROWTHS: dict[str, Callable[[Beast], None]] = {
    "quills": _add_quills, "mask": _add_mask, "ossicones": _add_ossicones, "humps": _add_humps,
    "nose horn": _add_nose_horn, "big nose": _add_big_nose, "rings": _add_rings, "beak": _add_beak,
}  # fmt: skip
"""By the name that `Measures.extra` uses."""
