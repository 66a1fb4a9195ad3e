"""The colours a prompt asks for, and whether they can be seen."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.paint import MATERIALS, as_tuple
from subnet17.procedural.prompt import Colour, Thing, Understanding
from subnet17.validation.scoring.likeness import LIGHTNESS_WEIGHT
from subnet17.validation.scoring.ramps import rise
from subnet17.validation.scoring.silhouettes import Silhouettes, to_lab

NEAR_DELTA_E = 30.0
"""A pixel this close to a colour word's colour may be called by it."""
SEEN_SHARE = 0.12
"""A colour on this share of the object is there."""


def asked_colours(understanding: Understanding) -> list[Colour]:
    """sRGB colours of the colour words, and of materials where a thing has no colour word."""
    things = [understanding.subject, *(relation.thing for relation in understanding.relations)]
    return [colour for thing in things for colour in _colours_of(thing)]


def _colours_of(thing: Thing) -> list[Colour]:
    return list(thing.colours) or [as_tuple(MATERIALS[material].colour) for material in thing.materials]


def colour_presence(seen: Silhouettes, colours: list[Colour]) -> float:
    """How surely each of the colours is seen, 0..1, averaged; the first counts as much as the last."""
    weights = np.array([LIGHTNESS_WEIGHT, 1.0, 1.0], np.float32)
    pixels = seen.lab[seen.alphas > 0.5] * weights
    if not len(pixels):
        return 0.0
    wanted = to_lab(np.asarray(colours, np.float32)) * weights
    distances = np.linalg.norm(pixels[:, None] - wanted[None], axis=2)
    shares = (distances < NEAR_DELTA_E).mean(axis=0)
    return float(
        np.mean([rise(float(share), low=-0.5 * SEEN_SHARE, high=1.5 * SEEN_SHARE) for share in shares])
    )
