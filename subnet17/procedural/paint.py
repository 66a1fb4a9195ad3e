"""What a surface is made of: materials and finishes as data, textures as functions.

A paint is written as words, `"[shade] [colour] [finish...] material"`: "dark red metal", "brown fur",
"rusty iron", "glowing cyan". The order is free; what is missing comes from the material.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from subnet17.procedural import colours


@dataclass(frozen=True)
class Material:
    """How a substance looks.

    Attributes:
        colour: The colour word it has by itself.
        texture: Name of a function in `textures.TEXTURES`.
        shine: Strength of highlights, 0 matt .. 1 mirror-like.
        metal: Reflects surroundings in its own colour.
        glow: Share of the colour that needs no light.
    """

    colour: str
    texture: str = "plain"
    shine: float = 0.15
    metal: bool = False
    glow: float = 0.0


MATERIALS: dict[str, Material] = {
    "paint": Material("red", "plain", 0.45), "plastic": Material("azure", "plain", 0.5),
    "rubber": Material("black", "rough", 0.05), "wood": Material("brown", "wood", 0.12),
    "bark": Material("brown", "bark", 0.0), "metal": Material("ash", "brushed", 0.6, metal=True),
    "steel": Material("pewter", "brushed", 0.75, metal=True),
    "iron": Material("charcoal", "hammered", 0.35, metal=True),
    "gold": Material("golden", "plain", 0.9, metal=True),
    "silver": Material("snow", "plain", 0.9, metal=True),
    "bronze": Material("chestnut", "hammered", 0.6, metal=True),
    "copper": Material("ginger", "brushed", 0.7, metal=True),
    "brass": Material("mustard", "plain", 0.75, metal=True),
    "chrome": Material("snow", "plain", 1.0, metal=True), "stone": Material("grey", "stone", 0.02),
    "concrete": Material("ash", "stone", 0.0), "marble": Material("white", "marble", 0.4),
    "brick": Material("chestnut", "brick", 0.0), "tile": Material("auburn", "tiles", 0.1),
    "plaster": Material("cream", "rough", 0.0), "clay": Material("coral", "rough", 0.05),
    "ceramic": Material("white", "plain", 0.6), "porcelain": Material("snow", "plain", 0.8),
    "glass": Material("aqua", "glass", 0.9), "crystal": Material("lavender", "facets", 0.9, glow=0.15),
    "gem": Material("ruby", "facets", 1.0, glow=0.12), "ice": Material("aqua", "ice", 0.8, glow=0.12),
    "snow": Material("snow", "rough", 0.05), "leather": Material("chestnut", "leather", 0.2),
    "fabric": Material("blue", "weave", 0.0), "cloth": Material("blue", "weave", 0.0),
    "wool": Material("cream", "wool", 0.0), "fur": Material("tan", "fur", 0.0),
    "hair": Material("brown", "fur", 0.1), "feather": Material("brown", "feathers", 0.05),
    "skin": Material("peach", "plain", 0.08), "hide": Material("grey", "leather", 0.05),
    "scales": Material("green", "scales", 0.3), "bone": Material("ivory", "rough", 0.1),
    "paper": Material("white", "plain", 0.0), "cardboard": Material("tan", "rough", 0.0),
    "straw": Material("sand", "straw", 0.0), "leaves": Material("green", "leaves", 0.1),
    "grass": Material("green", "leaves", 0.0), "petal": Material("pink", "petal", 0.1),
    "earth": Material("chocolate", "stone", 0.0), "flesh": Material("red", "fruit", 0.3),
    "crust": Material("tan", "crust", 0.05), "cream": Material("cream", "plain", 0.15),
    "chocolate": Material("chocolate", "plain", 0.3), "wax": Material("cream", "plain", 0.2, glow=0.1),
    "water": Material("azure", "ice", 0.8), "lava": Material("scarlet", "lava", 0.0, glow=0.7),
    "light": Material("lemon", "plain", 0.0, glow=1.0), "flame": Material("orange", "flame", 0.0, glow=1.0),
    "obsidian": Material("black", "facets", 0.9), "diamond": Material("snow", "facets", 1.0, glow=0.2),
    "lego": Material("red", "plain", 0.6),
}  # fmt: skip
"""Materials by name."""

SAME_MATERIAL = {
    "wooden": "wood", "oak": "wood", "pine": "wood", "bamboo": "wood", "timber": "wood", "metallic": "metal",
    "aluminum": "metal", "aluminium": "metal", "tin": "metal", "titanium": "steel", "platinum": "silver",
    "stainless": "steel", "chromed": "chrome", "granite": "stone", "sandstone": "stone", "rock": "stone",
    "cobblestone": "stone", "rocky": "stone", "cement": "concrete", "glassy": "glass", "icy": "ice",
    "frozen": "ice", "crystalline": "crystal", "amethyst": "crystal", "quartz": "crystal",
    "leathery": "leather", "velvet": "fabric", "silk": "fabric", "cotton": "fabric", "plush": "wool",
    "woolen": "wool", "woollen": "wool", "knitted": "wool", "knit": "wool", "felt": "wool", "furry": "fur",
    "fluffy": "fur", "earthenware": "clay", "pottery": "clay", "gilded": "gold", "ivory": "bone",
    "papier": "paper", "origami": "paper", "feathered": "feather", "scaly": "scales",
    "stoneware": "ceramic", "denim": "fabric", "gemstone": "gem", "jeweled": "gem",
    "fiery": "lava", "zinc": "metal",
    "molten": "lava", "wicker": "straw", "iron-clad": "iron",
}  # fmt: skip
"""Adjectives and kinds that mean one of the materials."""

FINISHES: dict[str, tuple[str, float]] = {
    "rusty": ("rust", -0.6), "worn": ("wear", -0.3), "shiny": ("", 0.5), "mossy": ("moss", -0.3),
    "glowing": ("glow", 0.0), "painted": ("paint", 0.2), "polished": ("", 0.6), "matte": ("", -1.0),
    "striped": ("stripes", 0.0), "spotted": ("spots", 0.0), "dirty": ("dirt", -0.4),
    "cracked": ("cracks", -0.2), "snowy": ("snowcap", 0.0), "rainbow": ("rainbow", 0.0),
    "checkered": ("checks", 0.0), "camouflage": ("camo", -0.2), "starry": ("stars", 0.1),
    "burnt": ("burn", -0.3), "weathered": ("wear", -0.3), "gradient": ("gradient", 0.0),
}  # fmt: skip
"""(function in `textures.OVERLAYS`, what it adds to the shine) by name."""

SAME_FINISH = {
    "old": "worn", "ancient": "mossy", "antique": "worn", "vintage": "worn", "rusted": "rusty",
    "rustic": "worn", "corroded": "rusty", "battered": "worn", "aged": "worn", "glossy": "shiny",
    "gleaming": "shiny", "sleek": "shiny", "glittering": "shiny", "sparkling": "shiny", "shining": "shiny",
    "mossed": "mossy", "overgrown": "mossy", "luminous": "glowing", "neon": "glowing", "radiant": "glowing",
    "glow": "glowing", "bioluminescent": "glowing", "stripy": "striped", "stripes": "striped",
    "spotty": "spotted", "dotted": "spotted", "polka": "spotted", "spots": "spotted", "muddy": "dirty",
    "dusty": "dirty", "damaged": "cracked", "broken": "cracked", "snow-covered": "snowy",
    "multicolored": "rainbow", "multicoloured": "rainbow", "colorful": "rainbow", "colourful": "rainbow",
    "checked": "checkered", "plaid": "checkered", "camo": "camouflage", "matt": "matte", "charred": "burnt",
    "burned": "burnt", "iridescent": "rainbow", "starlit": "starry", "ruined": "cracked", "shabby": "worn",
    "lustrous": "polished", "mirrored": "polished", "enchanted": "glowing",
    "blackened": "burnt", "scorched": "burnt", "dented": "worn", "faded": "worn",
    "tartan": "checkered",
}  # fmt: skip
"""Other words for the same finishes."""


@dataclass(frozen=True)
class Paint:
    """A material in a colour with finishes.

    Attributes:
        colour: (r, g, b) sRGB in 0..1.
        material: Key of `MATERIALS`.
        finishes: Keys of `FINISHES`, applied in this order.
    """

    colour: tuple[float, float, float]
    material: str
    finishes: tuple[str, ...] = ()

    def coloured(self, colour: tuple[float, float, float]) -> Paint:
        """The same surface in another colour."""
        return replace(self, colour=colour)

    def made_of(self, material: str, *, keep_colour: bool) -> Paint:
        """The same part in another material, in that material's own colour unless the colour is to stay."""
        own = as_tuple(MATERIALS[material].colour)
        return replace(self, material=material, colour=self.colour if keep_colour else own)

    def finished(self, finishes: tuple[str, ...]) -> Paint:
        """The same surface with more finishes."""
        return replace(self, finishes=tuple(dict.fromkeys(self.finishes + finishes)))


def as_tuple(colour: str, shade: str = "") -> tuple[float, float, float]:
    """sRGB of a colour word as a plain tuple."""
    r, g, b = colours.rgb(colour, shade=shade)
    return float(r), float(g), float(b)


def as_material(word: str) -> str | None:
    """The material a word means, if any."""
    word = SAME_MATERIAL.get(word, word)
    return word if word in MATERIALS else None


def as_finish(word: str) -> str | None:
    """The finish a word means, if any."""
    word = SAME_FINISH.get(word, word)
    return word if word in FINISHES else None


@lru_cache(maxsize=512)
def parse_paint(words: str) -> Paint:
    """Reads a paint written as words.

    Raises:
        ValueError: a word is no shade, colour, finish or material. Families are code: this is a bug in one.
    """
    colour, shade, material, finishes = "", "", "", []
    *before, last = words.split()
    for word in [*before, last]:
        if word is last and as_material(word):
            material = as_material(word) or ""
        elif colours.is_colour(word):
            colour = word
        elif word in colours.SHADES:
            shade = word
        elif as_finish(word):
            finishes.append(as_finish(word) or "")
        elif as_material(word):
            material = as_material(word) or ""
        else:
            raise ValueError(f"paint {words!r}: {word!r} is no colour, shade, finish or material")
    material = material or "paint"
    return Paint(as_tuple(colour or MATERIALS[material].colour, shade), material, tuple(finishes))
