"""Wheels, propellers, hulls, sails and flat sheets: what many machines share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from subnet17.procedural.model import Model
from subnet17.procedural.shapes import Array, Shape, ellipsoid, grid, join, pair, ring
from subnet17.procedural.sweeps import capsule, curve, cylinder, extrude, lathe
from subnet17.procedural.tessellate import vertex_normals


def lying(outline: ArrayLike, thickness: float, *, taper: float = 0.96) -> Shape:
    """A flat sheet in the XZ plane, centred in Y, from an (N, 2) outline of (x, z): wings, decks."""
    return extrude(outline, thickness, taper=taper).turned("x", 90)


def upright(outline: ArrayLike, thickness: float, *, taper: float = 0.96) -> Shape:
    """A flat sheet in the YZ plane, centred in X, from an (N, 2) outline of (z, y): tail fins, rudders."""
    return extrude(outline, thickness, taper=taper).turned("y", -90)


def forward(profile: ArrayLike, *, smooth: bool = True, sides: int | None = None) -> Shape:
    """A (radius, z) profile, listed from back to front, turned about the Z axis: engines, barrels."""
    return lathe(profile, smooth=smooth, sides=sides).turned("x", 90)


def sideways(shape: Shape) -> Shape:
    """A shape that stands along Y, laid along X: axles, rollers, wheels."""
    return shape.turned("z", 90)


def tyre(radius: float, width: float, *, depth: float = 0.3) -> Shape:
    """A tyre about the X axis; `depth` is its height from rim to tread, as a share of the radius."""
    inner, half, round_ = radius * (1 - depth), width / 2, 0.25 * width
    profile = [
        (inner, -half * 0.8),
        (radius - round_, -half),
        (radius, -half + round_),
        (radius, half - round_),
        (radius - round_, half),
        (inner, half * 0.8),
        (inner, -half * 0.8),
    ]
    return sideways(lathe(profile, smooth=False))


def disc_rim(radius: float, width: float) -> Shape:
    """A closed wheel disc with a hub about the X axis, to fill a tyre."""
    hub = cylinder(0.3 * radius, 1.15 * width, bevel=0.08 * radius)
    return sideways(join([cylinder(radius, 0.7 * width, bevel=0.1 * width), hub]))


def spokes(radius: float, count: int, thickness: float) -> Shape:
    """Spokes about the X axis, from a hub to the radius."""
    hub = sideways(cylinder(max(0.13 * radius, 2 * thickness), 6 * thickness, bevel=thickness))
    return join([hub, ring(capsule((0, 0, 0), (0, radius, 0), thickness), count, axis="x")])


def propeller(radius: float, blades: int, *, width: float = 0.1) -> Shape:
    """Blades in the XY plane that turn about Z."""
    blade = ellipsoid(width / 2, radius / 2, width / 5).turned("y", 25).moved(y=radius / 2)
    return ring(blade, blades, axis="z")


def hull(stations: ArrayLike, *, fullness: float = 0.6) -> tuple[Shape, Shape, Array]:
    """A ship's outside, its flat deck, and the edge where they meet.

    Args:
        stations: (N, 4) rows of (z, half_width, deck_y, keel_y) from the stern to the bow.
        fullness: 0 a sharp V, 1 a round bilge.

    Returns:
        (hull, deck, (R, 3) points along the deck's edge at x > 0).
    """
    s = curve(stations, 48)
    z, wide, deck, keel = (s[:, k : k + 1] for k in range(4))
    wide = np.maximum(wide, 0.004)
    across = np.linspace(-1, 1, 33)[None]
    power = 1 + 2.2 * fullness
    y = keel + (deck - keel) * np.abs(across) ** power
    skin = grid(np.stack(np.broadcast_arrays(wide * across, y, z), axis=-1))
    lid = grid(np.stack(np.broadcast_arrays(-wide * across, deck, z), axis=-1)[:, ::4])
    end = np.stack(np.broadcast_arrays(wide * across, y, z), axis=-1)[0]
    transom = grid(
        np.stack([end, np.stack([end[:, 0], 0 * end[:, 1] + deck[0], end[:, 2]], axis=1)])[:, ::-1]
    )
    return join([skin, transom]), lid, np.concatenate([wide, deck, z], axis=1)


def stepped(profile: ArrayLike, *, depth: float = 1.0) -> Shape:
    """A square (half_width, y) profile from bottom to top, hard-edged: steps, plinths, bands of a tower.

    `depth` makes it oblong: the half depth is `depth` times the half width, step by step.
    """
    p = np.asarray(profile, dtype=float) * [np.sqrt(2.0), 1.0]
    return lathe(p, smooth=False, sides=4).turned("y", 45).scaled(1, 1, depth)


def block(
    start: float, width: float, low: float, high: float, radius: float = 0.0, *, top: float = 0.0
) -> Shape:
    """The outer face of one rounded stone in a round wall, or in a dome when `top` is its radius.

    Args:
        start, width: Angles about Y, radians, from +Z.
        low, high: Heights; in a dome angles above the horizon, radians.
        radius: Of the wall.
        top: Radius of the dome; 0 for an upright wall.
    """
    u, v = np.linspace(0, 1, 7)[None], np.linspace(0, 1, 5)[:, None]
    rim = np.minimum(np.minimum(u, 1 - u) * 6, np.minimum(v, 1 - v) * 5)
    bulge = 0.05 * np.minimum(rim, 1) ** 0.5 - 0.01
    turn, rise = start + width * (0.03 + 0.94 * u), low + (high - low) * (0.04 + 0.92 * v)
    across = (top + bulge) * np.cos(rise) if top else radius + bulge
    y = (top + bulge) * np.sin(rise) if top else rise
    return grid(np.stack(np.broadcast_arrays(across * np.sin(turn), y, across * np.cos(turn)), axis=-1))


def sail(corners: ArrayLike, belly: float) -> Shape:
    """A cloth through (4, 3) corners, bulging along Z; two corners may coincide."""
    a, b, c, d = np.asarray(corners, dtype=float)
    u, v = np.linspace(0, 1, 36)[None, :, None], np.linspace(0, 1, 18)[:, None, None]
    points = (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v
    bulge = belly * np.sin(np.pi * u) ** 0.8 * np.sin(np.pi * np.clip(0.1 + 0.8 * v, 0, 1)) ** 0.8
    return cloth(grid(points + bulge * np.array([0.0, 0.0, 1.0])))


def cloth(sheet: Shape, thickness: float = 0.024) -> Shape:
    """A sheet with a back at a distance, so that the light of one side does not show on the other."""
    offset = vertex_normals(sheet) * thickness / 2
    return join(
        [Shape(sheet.vertices + offset, sheet.faces), Shape(sheet.vertices - offset, sheet.faces[:, ::-1])]
    )


def add_wheels(
    model: Model, places: list[tuple[float, float]], radius: float, width: float, rim: str
) -> None:
    """Tyres and rims on both sides, at each (x, z); the wheels stand on y = 0."""
    for x, z in places:
        model.add("black rubber", pair(tyre(radius, width).moved(x, radius, z)), part="wheel")
        model.add(rim, pair(disc_rim(0.7 * radius, width).moved(x, radius, z)), part="rim")


def add_lights(model: Model, x: float, y: float, front: float, back: float) -> None:
    """Two headlights at z = `front`, two tail lights at z = `back`."""
    model.add("lemon light", pair(ellipsoid(0.06, 0.06, 0.025).moved(x, y, front)), part="headlight")
    model.add("ruby gem", pair(ellipsoid(0.05, 0.05, 0.025).moved(x, y, back)), part="light")
