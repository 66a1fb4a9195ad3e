"""Four-legged animals, each a row of measures."""

from __future__ import annotations

from subnet17.procedural.beasts import Beast, Measures
from subnet17.procedural.model import Build, Model, family

KINDS: dict[str, Measures] = {
    "dog": Measures(0.62, 0.3, 0.095, (0.42, 0.26), 0.25, (0.26, 0.12), "floppy", "thin",
                     ("tan fur", "white fur", "brown fur")),
    "wolf": Measures(0.72, 0.31, 0.09, (0.4, 0.36), 0.24, (0.32, 0.11), "pointed", "bushy",
                     ("slate fur", "ash fur", "charcoal fur")),
    "fox": Measures(0.55, 0.25, 0.07, (0.34, 0.3), 0.22, (0.3, 0.085), "pointed", "bushy",
                     ("ginger fur", "white fur", "ebony fur")),
    "horse": Measures(1.0, 0.33, 0.085, (0.78, 0.44), 0.19, (0.42, 0.13), "pointed", "hair",
                     ("chestnut hair", "brown hair", "ebony hair"), ("mane", "hooves")),
    "cow": Measures(0.72, 0.42, 0.1, (0.24, 0.42), 0.24, (0.3, 0.17), "floppy", "tuft",
                     ("white hair", "pink skin", "ebony hair"), ("horns", "hooves"), "patches"),
    "elephant": Measures(0.75, 0.55, 0.2, (0.36, 0.42), 0.38, (0.0, 0.0), "huge", "tuft",
                     ("grey hide", "ash hide", "slate hide"), ("trunk",)),
    "lion": Measures(0.68, 0.33, 0.105, (0.36, 0.34), 0.27, (0.2, 0.15), "round", "tuft",
                     ("tan fur", "cream fur", "chestnut fur"), ("lion mane",)),
    "bear": Measures(0.55, 0.47, 0.16, (0.3, 0.38), 0.31, (0.22, 0.15), "round", "short",
                     ("brown fur", "tan fur", "chocolate fur")),
    "pig": Measures(0.4, 0.4, 0.1, (0.14, 0.42), 0.29, (0.2, 0.15), "pointed", "curl",
                     ("pink skin", "rose skin", "salmon skin"), ("hooves",)),
    "sheep": Measures(0.5, 0.38, 0.07, (0.3, 0.42), 0.2, (0.2, 0.11), "floppy", "short",
                     ("cream wool", "charcoal hair", "ebony hair"), ("wool",)),
    "deer": Measures(0.95, 0.27, 0.06, (0.66, 0.34), 0.17, (0.28, 0.09), "pointed", "short",
                     ("tan fur", "cream fur", "brown fur"), ("antlers", "hooves"), "belly"),
    "tiger": Measures(0.64, 0.33, 0.11, (0.32, 0.36), 0.27, (0.18, 0.15), "round", "thin",
                     ("orange fur", "white fur", "ebony fur"), (), "stripes"),
    "zebra": Measures(0.88, 0.33, 0.08, (0.66, 0.4), 0.19, (0.38, 0.12), "pointed", "tuft",
                     ("white hair", "ash hair", "ebony hair"), ("mane", "hooves"), "stripes"),
    "giraffe": Measures(1.15, 0.33, 0.085, (1.5, 0.3), 0.19, (0.34, 0.11), "pointed", "tuft",
                     ("sand hair", "cream hair", "chestnut hair"), ("ossicones", "hooves"), "patches"),
    "llama": Measures(0.62, 0.34, 0.085, (0.8, 0.14), 0.2, (0.2, 0.1), "pointed", "short",
                     ("cream wool", "white wool", "tan wool"), ("hooves",)),
    "camel": Measures(0.95, 0.36, 0.085, (0.5, 0.5), 0.2, (0.3, 0.12), "round", "tuft",
                     ("tan fur", "sand fur", "brown fur"), ("humps", "hooves")),
    "donkey": Measures(0.72, 0.33, 0.085, (0.55, 0.4), 0.2, (0.36, 0.13), "long", "tuft",
                     ("ash hair", "white hair", "charcoal hair"), ("mane", "hooves")),
    "rabbit": Measures(0.24, 0.36, 0.1, (0.36, 0.12), 0.3, (0.12, 0.15), "long", "puff",
                     ("ash fur", "white fur", "tan fur")),
    "hedgehog": Measures(0.16, 0.42, 0.08, (-0.02, 0.22), 0.28, (0.26, 0.09), "round", "short",
                     ("tan fur", "cream fur", "chocolate bone"), ("quills",)),
    "raccoon": Measures(0.38, 0.32, 0.09, (0.24, 0.24), 0.29, (0.24, 0.1), "round", "short",
                     ("grey fur", "white fur", "ebony fur"), ("mask", "rings")),
    "koala": Measures(0.3, 0.4, 0.12, (0.26, 0.14), 0.36, (0.0, 0.1), "large", "short",
                     ("grey fur", "white fur", "ash fur"), ("big nose",)),
    "sloth": Measures(0.42, 0.36, 0.11, (0.2, 0.16), 0.3, (0.12, 0.13), "floppy", "short",
                     ("brown fur", "cream fur", "chocolate fur"), ("mask",)),
    "hippo": Measures(0.36, 0.55, 0.17, (0.1, 0.34), 0.34, (0.42, 0.32), "round", "short",
                     ("slate hide", "ash hide", "grey hide")),
    "rhino": Measures(0.46, 0.5, 0.16, (0.05, 0.5), 0.28, (0.42, 0.19), "pointed", "tuft",
                     ("ash hide", "grey hide", "slate hide"), ("nose horn",)),
    "griffin": Measures(0.68, 0.33, 0.105, (0.52, 0.3), 0.25, (0.0, 0.0), "pointed", "tuft",
                     ("tan fur", "white feather", "chestnut fur"), ("beak",)),
    "mouse": Measures(0.16, 0.3, 0.06, (0.12, 0.14), 0.27, (0.26, 0.07), "large", "thin",
                     ("ash fur", "cream fur", "rose skin")),
    "chameleon": Measures(0.3, 0.26, 0.065, (0.06, 0.18), 0.24, (0.26, 0.14), "crest", "curl",
                     ("lime scales", "mint scales", "emerald scales"), (), "stripes"),
    "squirrel": Measures(0.26, 0.28, 0.08, (0.34, 0.14), 0.26, (0.2, 0.1), "pointed", "plume",
                     ("ginger fur", "cream fur", "chestnut fur")),
}  # fmt: skip

SAME_KIND = {
    "puppy": "dog", "hound": "dog", "corgi": "dog", "husky": "wolf", "pony": "horse", "stallion": "horse",
    "unicorn": "horse", "pegasus": "horse", "bull": "cow", "mammoth": "elephant", "cub": "bear",
    "polar bear": "bear", "panda": "bear", "piglet": "pig", "boar": "pig", "lamb": "sheep", "goat": "sheep",
    "reindeer": "deer", "stag": "deer", "moose": "deer", "lioness": "lion", "foal": "horse", "calf": "cow",
    "leopard": "tiger", "bunny": "rabbit", "hare": "rabbit", "porcupine": "hedgehog", "alpaca": "llama",
    "gryphon": "griffin", "hippogriff": "griffin", "hippopotamus": "hippo", "rhinoceros": "rhino",
    "badger": "raccoon", "mule": "donkey", "rat": "mouse", "hamster": "mouse", "chipmunk": "squirrel",
}  # fmt: skip
"""Other animals that are made like one of `KINDS`."""

OWN_PAINTS = {
    "unicorn": ("white hair", "lavender hair", "pink hair"),
    "pegasus": ("white hair", "ivory hair", "cream hair"),
    "polar bear": ("snow fur", "white fur", "ash fur"), "panda": ("white fur", "white fur", "black fur"),
    "husky": ("slate fur", "white fur", "charcoal fur"), "goat": ("white hair", "cream hair", "ash hair"),
    "corgi": ("ginger fur", "white fur", "tan fur"),
    "mammoth": ("auburn fur", "brown fur", "chocolate fur"),
    "bull": ("chocolate hair", "brown hair", "ebony hair"),
    "boar": ("brown hair", "chocolate hair", "ebony hair"),
}  # fmt: skip


@family("quadruped", words=(*KINDS, *SAME_KIND), primary="tan fur", secondary="cream fur", accent="brown fur")
def make_quadruped(build: Build) -> Model:
    kind = SAME_KIND.get(build.word, build.word)
    measures = KINDS.get(kind, KINDS["dog"])
    primary, secondary, accent = OWN_PAINTS.get(build.word, measures.paints)
    model = build.model(primary=primary, secondary=secondary, accent=accent)
    cute = build.has("cute", "puppy", "baby", "lamb", "cub", "piglet", "adorable", "chibi", "kawaii")
    short = 0.6 if build.has("corgi") else 0.8 if cute else 1.0
    Beast(model, measures, short, 1.35 if cute else 1.0, build).add_all()
    return model
