"""People: knights, wizards, astronauts, pirates, ninjas, kings, and everyday folk."""

from __future__ import annotations

from dataclasses import dataclass

from subnet17.procedural.figure import Figure
from subnet17.procedural.model import Build, Model, family


@dataclass(frozen=True)
class Outfit:
    """What a person wears: paints of shirt, trousers, trim and boots; hair; and more by name."""

    shirt: str
    trousers: str
    trim: str
    boots: str = "chocolate leather"
    hair: str = "brown hair"
    extras: tuple[str, ...] = ()


OUTFITS: dict[str, Outfit] = {
    "man": Outfit("azure fabric", "navy fabric", "brown leather"),
    "woman": Outfit("rose fabric", "navy fabric", "brown leather", extras=("long hair",)),
    "boy": Outfit("red fabric", "blue fabric", "white rubber", "white rubber"),
    "girl": Outfit("yellow fabric", "pink fabric", "white rubber", "white rubber", "auburn hair",
        ("long hair", "skirt")),
    "knight": Outfit("steel", "slate steel", "gold", "steel", extras=("full helmet", "shoulders", "belt",
        "sword")),
    "warrior": Outfit("brown leather", "khaki fabric", "iron", extras=("shoulders", "belt", "beard",
        "sword")),
    "viking": Outfit("brown fur", "khaki fabric", "iron", hair="ginger hair", extras=("beard", "belt",
        "horned", "cape")),
    "wizard": Outfit("indigo fabric", "indigo fabric", "gold", hair="white hair", extras=("robe",
        "long beard", "wizard hat", "staff", "belt")),
    "witch": Outfit("black fabric", "black fabric", "purple fabric", hair="ginger hair", extras=("robe",
        "long hair", "wizard hat", "belt")),
    "king": Outfit("crimson fabric", "maroon fabric", "gold", hair="brown hair", extras=("crown", "cape",
        "beard", "belt")),
    "queen": Outfit("purple fabric", "purple fabric", "gold", hair="blond hair", extras=("crown", "robe",
        "long hair")),
    "princess": Outfit("pink fabric", "pink fabric", "gold", hair="blond hair", extras=("crown", "robe",
        "long hair")),
    "ninja": Outfit("charcoal fabric", "black fabric", "crimson fabric", hair="black fabric",
        extras=("hood",
        "belt", "sword")),
    "samurai": Outfit("crimson leather", "charcoal fabric", "gold", extras=("shoulders", "belt", "sword",
        "horned")),
    "pirate": Outfit("crimson fabric", "charcoal fabric", "gold", "black leather", extras=("top hat",
        "belt", "beard", "sword")),
    "astronaut": Outfit("white fabric", "white fabric", "orange rubber", "ash rubber",
        extras=("bubble helmet", "pack")),
    "soldier": Outfit("olive fabric", "olive fabric", "khaki leather", "black leather",
        extras=("round helmet", "belt", "pack")),
    "superhero": Outfit("blue fabric", "blue fabric", "red fabric", "red rubber", "black hair", ("cape",
        "belt", "emblem")),
    "elf": Outfit("emerald fabric", "olive fabric", "gold", hair="blond hair", extras=("belt",
        "pointed ears", "cape", "long hair")),
    "gnome": Outfit("blue fabric", "brown fabric", "mustard leather", hair="white hair",
        extras=("long beard", "gnome hat", "belt")),
    "farmer": Outfit("red fabric", "blue fabric", "brown leather", extras=("straw hat", "belt")),
    "cowboy": Outfit("tan fabric", "blue fabric", "brown leather", extras=("cowboy hat", "belt")),
    "chef": Outfit("white fabric", "charcoal fabric", "red fabric", extras=("chef hat",)),
    "zombie": Outfit("slate fabric", "brown fabric", "brown leather", hair="charcoal hair",
        extras=("green skin",)),
    "goblin": Outfit("brown leather", "khaki fabric", "iron", extras=("green skin", "pointed ears", "bald",
        "belt")),
    "orc": Outfit("brown leather", "charcoal fabric", "iron", extras=("green skin", "shoulders", "bald",
        "belt", "tusks")),
    "alien": Outfit("teal rubber", "teal rubber", "silver", extras=("green skin", "bald", "big eyes")),
}  # fmt: skip

SAME_OUTFIT = {
    "person": "man", "human": "man", "guy": "man", "lady": "woman", "child": "boy", "kid": "boy",
    "paladin": "knight", "mage": "wizard", "sorcerer": "wizard", "warlock": "wizard", "prince": "king",
    "spaceman": "astronaut", "cosmonaut": "astronaut", "barbarian": "viking", "gladiator": "warrior",
    "hero": "superhero", "dwarf": "gnome", "sorceress": "witch", "archer": "elf", "fairy": "princess",
    "businessman": "man", "philosopher": "man",
    "doctor": "chef", "monk": "ninja", "action figure": "superhero", "troll": "orc",
    "character": "man", "figure": "man", "doll": "girl", "santa": "gnome", "santa claus": "gnome",
    "assassin": "ninja", "crusader": "knight", "adventurer": "warrior", "hobbit": "boy",
}  # fmt: skip


@family("person", words=(*OUTFITS, *SAME_OUTFIT), primary="azure fabric", secondary="navy fabric",
        accent="brown leather", skin="peach skin", hair="brown hair", boots="chocolate leather")  # fmt: skip
def make_person(build: Build) -> Model:
    outfit = OUTFITS.get(SAME_OUTFIT.get(build.word, build.word), OUTFITS["man"])
    red = build.has("santa")
    model = build.model(
        primary="red fabric" if red else outfit.shirt,
        secondary="red fabric" if red else outfit.trousers,
        accent=outfit.trim,
        skin="lime skin"
        if "green skin" in outfit.extras
        else build.pick(("peach skin", "tan skin", "chestnut skin")),
        hair="white hair" if build.has("old", "elderly") else outfit.hair,
        boots=outfit.boots,
    )
    short = build.word in {"gnome", "dwarf", "boy", "girl", "child", "kid", "goblin", "hobbit", "santa"}
    cute = short or build.has("cute", "chibi", "toy", "kawaii", "cartoon")
    figure = Figure(model, 1.6 if cute else 1.2)
    figure.add_body(robe="robe" in outfit.extras)
    figure.add_head(big_eyes="big eyes" in outfit.extras)
    for extra in outfit.extras:
        adder = getattr(figure, "add_" + extra.replace(" ", "_"), None)
        if adder is not None:
            adder()
    if not {"bald", "hood", "full helmet", "bubble helmet"} & set(outfit.extras):
        figure.add_hair()
    for name in ("wizard hat", "crown", "top hat", "cowboy hat"):
        if name in outfit.extras:
            figure.put_on(name)
    return model
