"""Mugs, cups, bottles, potions, vases and jars."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import join, pair, sphere, torus
from subnet17.procedural.sweeps import cylinder, lathe, tube


@family("mug", words=("mug", "cup", "coffee mug", "coffee cup", "tea cup", "teacup", "beer mug", "tankard",),
        primary="white ceramic", secondary="chocolate water", accent="azure ceramic")  # fmt: skip
def make_mug(build: Build) -> Model:
    model = build.model(
        **({"primary": "tan wood", "secondary": "cream wool"} if build.has("beer", "tankard") else {})
    )
    tea = build.has("tea", "teacup")
    wide = 0.62 if tea else 0.5
    outer = [
        (0, 0.0),
        (0.3 if tea else 0.44, 0.0),
        (0.36 if tea else 0.5, 0.06),
        (wide, 0.5),
        (wide, 1.0 if not tea else 0.75),
    ]
    inner = [(wide - 0.06, 1.02 if not tea else 0.77), (wide - 0.07, 0.5), (0.25, 0.1), (0, 0.09)]
    model.add("primary", lathe([*outer, *inner], smooth=tea), part="body")
    top = 0.65 if tea else 0.88
    model.add("secondary", lathe([(0, top + 0.01), (wide - 0.075, top)], smooth=False), part="coffee")
    handle = [
        (wide - 0.04, 0.82 * top + 0.1, 0),
        (wide + 0.28, 0.78 * top + 0.08, 0),
        (wide + 0.3, 0.45 * top, 0),
        (wide - 0.06, 0.25 * top, 0),
    ]
    model.add("primary", tube(handle, 0.065), part="handle")
    model.add(
        "accent",
        torus(wide, 0.022).moved(y=0.22),
        torus(wide, 0.022).moved(y=1.0 if not tea else 0.75),
        part="trim",
    )
    if build.has("beer", "tankard"):
        foam = [sphere(0.14).moved(0.3 * np.cos(a), 1.02, 0.3 * np.sin(a)) for a in np.arange(7) * 0.9]
        model.add("secondary", join([*foam, sphere(0.24).moved(y=1.0)]), part="foam")
    if tea:
        model.add(
            "primary",
            lathe([(0, -0.08), (0.4, -0.07), (0.85, 0.04), (0.88, 0.08), (0.4, -0.02), (0, 0.0)]),
            part="saucer",
        )
    model.anchor("inside", (0, top, 0), size=1.6 * wide)
    model.anchor("grip", (wide + 0.2, 0.5 * top, 0), size=0.2)
    return model


@family("bottle", words=("bottle", "wine bottle", "potion", "potion bottle", "flask", "glass bottle",
        "beer bottle", "vial", "water bottle"),
        primary="emerald glass", secondary="tan wood", accent="cream paper")  # fmt: skip
def make_bottle(build: Build) -> Model:
    if build.has("potion", "flask", "vial"):
        model = build.model(primary="violet crystal", accent="gold")
        profile = [
            (0, 0),
            (0.3, 0.0),
            (0.5, 0.25),
            (0.48, 0.55),
            (0.2, 0.85),
            (0.15, 1.1),
            (0.2, 1.14),
            (0.2, 1.2),
            (0.13, 1.2),
            (0.12, 1.0),
        ]
        model.add("primary", lathe(profile), part="body")
        model.add("accent", torus(0.17, 0.04).moved(y=0.92), torus(0.19, 0.035).moved(y=1.16), part="trim")
        bubbles = [
            sphere(r).moved(x, y, z)
            for x, y, z, r in ((0.3, 0.5, 0.33, 0.05), (-0.2, 0.3, 0.45, 0.06), (0.1, 0.65, 0.36, 0.035))
        ]
        model.add("white light", join(bubbles), part="bubble")
        cork = 1.25
    else:
        model = build.model()
        profile = [(0, 0.05), (0.2, 0.0), (0.3, 0.03), (0.31, 0.1), (0.31, 0.95), (0.24, 1.18), (0.11,
            1.36), (0.1, 1.7), (0.13, 1.72),
                   (0.13, 1.78), (0.08, 1.78), (0.07, 1.5)]  # fmt: skip
        model.add("primary", lathe(profile), part="body")
        model.add("accent", cylinder(0.317, 0.5).moved(y=0.55), part="label")
        model.add("secondary", cylinder(0.3185, 0.12).moved(y=0.62), part="label")
        cork = 1.8
    model.add("secondary", cylinder(0.11, 0.18, top_radius=0.12, bevel=0.03).moved(y=cork), part="cork")
    model.anchor("grip", (0, 0.75 * cork, 0), size=0.25)
    return model


@family("vase", words=("vase", "urn", "amphora", "jug", "pitcher", "flower vase"),
        primary="azure porcelain", secondary="white porcelain",
        accent="gold")  # fmt: skip
def make_vase(build: Build) -> Model:
    model = build.model()
    belly, neck = build.vary(0.52, 0.12), build.vary(0.2, 0.12)
    profile = [(0, 0), (0.28, 0.0), (0.3, 0.06), (belly, 0.62), (0.4, 1.0), (neck, 1.22), (neck, 1.38),
        (0.33, 1.58), (0.28, 1.58),
               (neck - 0.05, 1.36), (0, 1.1)]  # fmt: skip
    model.add(
        "primary",
        lathe(profile),
        part="body",
        fade=("secondary", lambda p: np.clip(np.sin(p[:, 1] * 19) * 5 - 3.4, 0, 1)),
    )
    waves = [sphere(0.045).moved(0, 0.62, belly + 0.0).turned("y", 30 * i) for i in range(12)]
    model.add("secondary", join(waves), part="dot")
    model.add(
        "accent",
        torus(0.32, 0.03).moved(y=1.58),
        torus(neck + 0.02, 0.03).moved(y=1.24),
        torus(0.29, 0.03).moved(y=0.03),
        part="trim",
    )
    if build.has("amphora", "jug", "pitcher", "urn"):
        grip = tube([(neck, 1.35, 0), (0.52, 1.32, 0), (0.58, 1.0, 0), (0.42, 0.9, 0)], 0.05)
        model.add("primary", pair(grip) if not build.has("jug", "pitcher") else grip, part="handle")
    model.anchor("inside", (0, 1.5, 0), size=0.45)
    return model


@family(
    "jar",
    words=("jar", "glass jar", "mason jar", "cookie jar", "honey jar"),
    primary="aqua glass",
    secondary="tan wood",
)
def make_jar(build: Build) -> Model:
    model = build.model()
    back = lathe([(0, 0), (0.5, 0.0), (0.55, 0.1), (0.55, 0.9), (0.42, 1.08), (0.42, 1.2)])
    model.add("primary", back, torus(0.43, 0.03).moved(y=1.1), part="body")
    model.add("secondary", cylinder(0.47, 0.18, bevel=0.04).moved(y=1.24), part="lid")
    model.anchor("inside", (0, 1.2, 0), size=0.9)
    return model
