"""Faces and other things that many creatures share."""

from __future__ import annotations

from subnet17.procedural.model import Model
from subnet17.procedural.shapes import Shape, ellipsoid, join, pair, sphere
from subnet17.procedural.sweeps import capsule, cone

Point = tuple[float, float, float]


def add_eyes(
    model: Model, centre: Point, radius: float, *, iris: str = "brown paint", slit: bool = False
) -> None:
    """Two eyes at (+-x, y, z) that look towards +Z and a little outwards.

    Args:
        model: Gets the parts "eye", "pupil" and a white glint.
        centre: Middle of the left eye, x > 0.
        radius: Of the eyeball.
        iris: Paint of the eye.
        slit: A cat's pupil.
    """
    x, y, z = centre
    out = 0.35 * radius
    model.add(iris, pair(sphere(radius).at(centre)), part="eye")
    pupil = ellipsoid(radius * (0.26 if slit else 0.6), radius * 0.68, radius * 0.35)
    model.add("black plastic", pair(pupil.moved(x + 0.6 * out, y, z + 0.78 * radius)), part="pupil")
    glint = sphere(0.2 * radius).moved(y=y + 0.35 * radius, z=z + 1.02 * radius)
    model.add("white light", glint.moved(x=x + 0.9 * out), glint.moved(x=-x + 0.3 * out))


def ears(centre: Point, size: Point, lean_deg: float, *, forward_deg: float = 0.0) -> Shape:
    """Two pointed ears; `centre` is the base of the left one, `size` its (width, height, thickness)."""
    ear = cone(0.5, 1.0).moved(y=0.5).scaled(*size).turned("x", forward_deg).turned("z", -lean_deg).at(centre)
    return pair(ear)


def round_ears(centre: Point, radius: float, *, thickness: float = 0.4) -> Shape:
    """Two round ears that face the front."""
    return pair(ellipsoid(radius, radius, radius * thickness).at(centre))


def horns(centre: Point, radius: float, height: float, lean_deg: float) -> Shape:
    """Two straight horns."""
    return pair(cone(radius, height).moved(y=height / 2).turned("z", -lean_deg).at(centre))


def whiskers(centre: Point, length: float, thickness: float) -> Shape:
    """Three on each side."""
    x, y, z = centre
    return pair(
        join(
            capsule(centre, (x + length, y + dy * length, z - 0.2 * length), thickness)
            for dy in (-0.25, 0.0, 0.25)
        )
    )
