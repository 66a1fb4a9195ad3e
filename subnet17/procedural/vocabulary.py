"""The words that are understood besides families, colours, materials and finishes."""

from __future__ import annotations

from collections.abc import Iterator


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = _words("""
    a an the some this that these those my your his her its their our one's of very really quite so
""")
"""Words that carry nothing here."""

REQUESTS = _words("""
    generate create make render draw design build show give me please image picture photo model 3d asset
    object mesh rendering isolated centered centred white background plain high quality hd 4k 8k resolution
    game ready prop view full body standing single by it is are and or to for as at from which who has have
""")
"""How people ask rather than what for; ignored wherever a noun is not needed."""

STYLES = _words("""
    cute adorable kawaii chibi cartoon cartoony cartoonish stylized stylised realistic detailed intricate
    ornate simple minimalist minimal modern futuristic scifi sci fi cyberpunk steampunk fantasy magical
    magic mystical medieval gothic victorian viking egyptian asian japanese chinese roman greek western
    tropical winter summer autumn spring christmas halloween spooky scary evil creepy haunted friendly happy
    sad angry funny silly cool epic legendary heroic royal noble elegant fancy beautiful pretty lovely
    classic traditional retro low poly lowpoly voxel blocky geometric abstract smooth rough soft hard heavy
    sharp curved round square flat open closed empty full filled wild domestic baby young adult male female
    sporty sports racing military combat battle war ceremonial decorative handmade homemade fresh ripe
    delicious tasty sweet hot cold wet dry fast flying walking running sitting sleeping jumping swimming
    dancing smiling big-eyed double single twin hanging floating toy miniature mini robotic mechanical
    electric electronic digital alien sacred holy cursed demonic angelic undead skeletal ghostly elven
    dwarven orcish powerful strong muscular armored armoured winged horned hooded masked bearded bald long-
    haired curly spiky thorny carved woven twisted solved crouching jeweled dripping eucalyptus
""")
"""Adjectives a family may read with `Build.has`; one that it doesn't read changes nothing."""

SIZES = {
    "big": (1, 1, 1), "large": (1, 1, 1), "huge": (1, 1, 1), "giant": (1, 1, 1), "gigantic": (1, 1, 1),
    "massive": (1.1, 1, 1.1), "small": (1, 1, 1), "little": (1, 1, 1), "tiny": (1, 1, 1),
    "tall": (1, 1.25, 1), "towering": (1, 1.35, 1), "high": (1, 1.15, 1), "short": (1, 0.8, 1),
    "low": (1, 0.85, 1), "long": (1, 1, 1.25), "wide": (1.25, 1, 1), "broad": (1.2, 1, 1),
    "narrow": (0.8, 1, 1), "thin": (0.75, 1, 0.75), "slim": (0.8, 1, 0.8), "slender": (0.8, 1.05, 0.8),
    "skinny": (0.75, 1.05, 0.75), "fat": (1.25, 1, 1.25), "chubby": (1.18, 1, 1.18),
    "thick": (1.15, 1, 1.15), "stout": (1.2, 0.92, 1.2), "plump": (1.18, 1, 1.18),
}  # fmt: skip
"""Stretch along (x, y, z) by word. Plain size words mean nothing for an object that is fitted."""

NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "couple": 2,
    "pair": 2, "trio": 3, "several": 4, "few": 3, "group": 4, "bunch": 5, "pile": 6, "stack": 4, "set": 3,
    "dozen": 9, "many": 6, "row": 4, "cluster": 5, "single": 1, "one": 1,
}  # fmt: skip
MOST_COPIES = 9

EFFIGIES = {"statue": "stone", "sculpture": "stone", "figurine": "ceramic", "bust": "marble", "idol": "gold"}
"""Nouns that turn another noun into a likeness of it, and of what."""

MATERIAL_NOUNS = {
    "robot": "metal", "robotic": "metal", "mechanical": "metal", "cyborg": "metal", "toy": "plastic",
    "mecha": "metal", "skeleton": "bone", "snowy": "snow",
}  # fmt: skip
"""Nouns and adjectives that tell a material when another noun follows: "robot dog", "toy car"."""

RELATIONS: dict[tuple[str, ...], str] = {
    ("wearing",): "wearing", ("wears",): "wearing", ("dressed", "in"): "wearing",
    ("dressed", "as"): "wearing", ("clad", "in"): "wearing", ("holding",): "holding", ("holds",): "holding",
    ("carrying",): "holding", ("wielding",): "holding", ("gripping",): "holding", ("with",): "with",
    ("having",): "with", ("has",): "with", ("featuring",): "with", ("decorated", "with"): "with",
    ("adorned", "with"): "with", ("and",): "and", ("topped", "with"): "topped", ("topped", "by"): "topped",
    ("surrounded", "by"): "with",
    ("filled", "with"): "filled", ("full", "of"): "filled", ("engraved", "with"): "with",
    ("covered", "in"): "covered", ("covered", "with"): "covered", ("on", "top", "of"): "on",
    ("sitting", "on"): "on", ("standing", "on"): "on", ("resting", "on"): "on", ("riding",): "on",
    ("riding", "on"): "on", ("perched", "on"): "on", ("hanging", "from"): "on",
    ("crouching", "on"): "on", ("on",): "on", ("atop",): "on", ("upon",): "on",
    ("in",): "in", ("inside",): "in", ("sitting", "in"): "in", ("growing", "in"): "in",
    ("made", "of"): "made of", ("made", "out", "of"): "made of", ("made", "from"): "made of",
    ("built", "from"): "made of", ("carved", "from"): "made of", ("built", "of"): "made of",
    ("carved", "out", "of"): "made of", ("made", "entirely", "of"): "made of", ("of",): "of",
    ("without",): "without", ("next", "to"): "and", ("beside",): "and", ("near",): "and",
    ("under",): "under",
}  # fmt: skip
"""How a phrase joins the subject. Longest match wins."""

COVERINGS = {
    "moss": "mossy", "vine": "mossy", "ivy": "mossy", "rust": "rusty", "snow": "snowy", "dust": "dirty",
    "mud": "dirty", "dirt": "dirty", "crack": "cracked", "spot": "spotted", "dot": "spotted",
    "stripe": "striped", "star": "starry", "scratch": "worn", "paint": "painted", "gold": "gold",
    "ice": "ice", "frost": "snowy", "fur": "fur", "feather": "feather", "scale": "scales",
    "leather": "leather", "grass": "grass", "chocolate": "chocolate", "glow": "glowing",
}  # fmt: skip
"""What "with stripes" or "covered in moss" does: a finish or a material."""

PARTS = _words("""
    lace sprinkle seed hoop dial strap page cover lock rind flame candle sucker pot wrapper saddle
    rune symbol glyph engraving marking spike thorn flame fire flower blossom gem jewel gemstone led wheel
    tire tyre rim door window windshield roof hood bumper leg arm hand foot paw hoof head face eye ear nose
    snout muzzle beak mane tail wing fin horn antler tusk trunk neck back belly chest body hair beard
    moustache mustache seat cushion backrest armrest handle blade hilt guard pommel edge scabbard string
    trim stripe lid cap cork label shade bulb base stand rope sail mast deck hull wall chimney tower turret
    gate brick stone leaf branch root bark crown petal stem fruit icing frosting cherry topping crust screen
    button key knob panel pipe light headlight headlamp lamp spot shirt jacket coat suit dress skirt pants
    trousers jeans boot shoe glove belt robe tunic sleeve buckle visor plume cross emblem pattern skin fur
    feather scale claw tooth fang tongue joint bolt rivet gear antenna eyebrow whisker collar drawer shelf
    frame mattress pillow blanket curtain ribbon bow spout rudder propeller cockpit fuselage nozzle flag
    pole chain oar grip track runner tray funnel crest logo insignia
""")
"""Names of parts; which of them an object has, only the object knows."""

ALWAYS_PAIRED = _words("""
    glasses sunglasses scissors pants trousers jeans shorts goggles tongs pliers tweezers
""")
IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth", "geese": "goose",
    "mice": "mouse", "people": "person", "oxen": "ox", "wolves": "wolf", "knives": "knife",
    "leaves": "leaf", "loaves": "loaf", "shelves": "shelf", "elves": "elf", "dwarves": "dwarf",
    "cacti": "cactus", "dice": "die", "scarves": "scarf", "fungi": "mushroom", "hooves": "hoof",
    "wolfs": "wolf", "calves": "calf",
}  # fmt: skip


def singulars(word: str) -> Iterator[str]:
    """The word itself and what it might be the plural of, likeliest first."""
    yield word
    if word in IRREGULAR:
        yield IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        yield word[:-3] + "y"
    if word.endswith("es") and len(word) > 3:
        yield word[:-2]
    if word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        yield word[:-1]
