"""Colour words and their sRGB values."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.shapes import Array

COLOURS: dict[str, str] = {
    "red": "d0211c", "crimson": "a8152c", "scarlet": "e0301e", "maroon": "6e1423", "burgundy": "6d1a36",
    "ruby": "b0103a", "orange": "f07d1a", "coral": "f2795f", "salmon": "ef8f7c", "peach": "f7bd94",
    "amber": "f2a516", "yellow": "f5cc1b", "lemon": "f6e04a", "golden": "dba826", "mustard": "c99a1d",
    "green": "2f9a3f", "lime": "8fce2b", "olive": "6f7527", "emerald": "119a5f", "mint": "98dcb5",
    "jade": "2ba577", "teal": "15808a", "turquoise": "2fc3bd", "cyan": "20bcd8", "aqua": "48d2d4",
    "blue": "2260cc", "navy": "1a2a5e", "azure": "2f8ff0", "sapphire": "1746ad", "cobalt": "1c4bb5",
    "indigo": "41329b", "purple": "7a2fae", "violet": "8a45cf", "lavender": "b7a2e6", "lilac": "c6a5de",
    "magenta": "cf2b9c", "fuchsia": "e035b0", "pink": "f283b2", "rose": "e0567f", "plum": "7c3268",
    "brown": "7a4a28", "chocolate": "56301b", "chestnut": "80401f", "tan": "cfa874", "beige": "dfcda9",
    "khaki": "b5a66e", "cream": "f3e6c4", "ivory": "f0e8d2", "sand": "dcc28e", "ginger": "d07f37",
    "auburn": "8a3b1f", "blond": "e3c16f", "black": "23242a", "ebony": "2b2422", "charcoal": "3a3e45",
    "grey": "85898f", "ash": "a5a6a3", "slate": "5d6b7a", "pewter": "a3abb3", "white": "eeeeea",
    "snow": "eef2f4",
}  # fmt: skip
"""Hex sRGB by word. Black and white keep some room, so that shading shows on them."""

SAME_COLOUR = {
    "gray": "grey", "blonde": "blond", "brunette": "brown", "tangerine": "orange", "cherry": "red",
    "sky": "azure", "skyblue": "azure", "reddish": "red", "bluish": "blue", "greenish": "green",
    "ochre": "mustard", "terracotta": "coral", "mahogany": "auburn", "caramel": "tan", "copperred": "auburn",
    "aquamarine": "turquoise", "mauve": "lilac", "vermilion": "scarlet", "pearl": "ivory", "onyx": "black",
}  # fmt: skip
"""Other words for the same colours."""

SHADES: dict[str, tuple[float, float]] = {
    "dark": (0.62, 0.0), "deep": (0.7, 0.0), "light": (1.0, 0.4), "pale": (1.0, 0.55), "pastel": (1.0, 0.5),
    "bright": (1.08, 0.05), "vivid": (1.05, 0.0), "neon": (1.15, 0.1), "dull": (0.85, 0.12),
}  # fmt: skip
"""What a word before a colour does: (brightness factor, share of white)."""

RAINBOW = ("red", "orange", "yellow", "green", "azure", "indigo", "violet")


def is_colour(word: str) -> bool:
    """Whether `word` names a colour."""
    return word in COLOURS or word in SAME_COLOUR


def rgb(word: str, *, shade: str = "") -> Array:
    """(3,) sRGB in 0..1 of a colour word, after an optional word of `SHADES`.

    Raises:
        KeyError: the word names no colour.
    """
    value = COLOURS[SAME_COLOUR.get(word, word)]
    colour = np.array([int(value[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    factor, white = SHADES.get(shade, (1.0, 0.0))
    return np.clip(colour * factor * (1 - white) + white * 0.95, 0.0, 1.0)
