"""Vessels for food and drink: teapot, bowl, goblet, cauldron."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import (
    box,
    ellipsoid,
    pair,
    ring,
    scatter,
    sphere,
    torus,
)
from subnet17.procedural.sweeps import capsule, lathe, tube


@family("teapot", words=("teapot", "tea pot", "kettle", "tea kettle"), primary="azure ceramic",
    secondary="ginger straw", accent="golden metal")  # fmt: skip
def make_teapot(build: Build) -> Model:
    kettle = build.has("kettle")
    model = build.model(primary="copper", secondary="ebony wood", accent="brass") if kettle else build.model()
    model.add(
        "primary",
        lathe([(0, 0), (0.36, 0.0), (0.6, 0.22), (0.66, 0.46), (0.54, 0.74), (0.3, 0.88), (0.28, 0.9)]),
        part="body",
    )
    model.add("primary", torus(0.36, 0.04).moved(y=0.03), part="base")
    model.add("primary", lathe([(0.34, 0.86), (0.3, 0.92), (0.14, 1.0), (0, 1.02)]), part="lid")
    model.add("accent", torus(0.325, 0.028).moved(y=0.88), sphere(0.085).moved(y=1.08), part="knob")
    spout = [(0.5, 0.34, 0), (0.82, 0.46, 0), (0.9, 0.76, 0), (1.1, 0.96, 0)]
    model.add("primary", tube(spout, [0.2, 0.135, 0.095, 0.085]), part="spout")
    model.add("ebony paint", ellipsoid(0.06, 0.01, 0.055).turned("z", -42).moved(1.155, 1.03, 0))
    if kettle:
        loop = [(-0.42, 0.82, 0), (-0.46, 1.2, 0), (0, 1.46, 0), (0.46, 1.2, 0), (0.42, 0.82, 0)]
    else:
        loop = [(-0.52, 0.74, 0), (-0.86, 0.8, 0), (-1.0, 0.52, 0), (-0.84, 0.26, 0), (-0.56, 0.26, 0)]
    model.add("secondary", tube(loop, 0.07), part="handle")
    model.anchor("head_top", (0, 1.0, 0), size=0.7)
    model.anchor("eyes", (0, 0.55, 0.62), size=0.8)
    model.anchor("inside", (0, 0.85, 0), size=0.5)
    model.anchor("grip", (-0.95, 0.52, 0), size=0.14)
    return model


@family("bowl", words=("bowl", "dish", "soup bowl", "fruit bowl", "ramen", "noodles", "salad",
    "soup"), primary="white ceramic", secondary="red ceramic", accent="tan cream")  # fmt: skip
def make_bowl(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        lathe(
            [
                (0, 0.04),
                (0.3, 0.0),
                (0.34, 0.06),
                (0.58, 0.2),
                (0.78, 0.52),
                (0.8, 0.58),
                (0.75, 0.56),
                (0.52, 0.24),
                (0, 0.16),
            ]
        ),
        part="bowl",
    )
    model.add("secondary", torus(0.785, 0.028).moved(y=0.575), torus(0.7, 0.018).moved(y=0.38), part="rim")
    model.anchor("inside", (0, 0.5, 0), size=1.35)
    model.anchor("top", (0, 0.56, 0), size=1.2)
    if build.has("ramen", "noodles", "salad", "soup"):
        _serve(build, model, green=build.has("salad"), noodles=build.has("ramen", "noodles"))
    return model


def _serve(build: Build, model: Model, *, green: bool, noodles: bool) -> None:
    """Soup with noodles, egg and herbs, or salad, in a bowl."""
    model.add("lime leaves" if green else "accent", ellipsoid(0.72, 0.13, 0.72).moved(y=0.46), part="soup")
    if noodles:
        for k in range(16):
            a = build.rng.uniform(0, 6.3) + np.linspace(0, 3.2, 12)
            r = build.rng.uniform(0.1, 0.55)
            model.add(
                "lemon cream",
                tube(
                    np.stack(
                        [r * np.sin(a), 0.585 - 0.1 * r + 0.02 * np.sin(5 * a + k), r * np.cos(a)], axis=1
                    ),
                    0.032,
                ),
                part="noodle",
            )
    if not green:
        for x, z in ((0.3, 0.22), (0.08, 0.4)):
            model.add("snow ceramic", ellipsoid(0.19, 0.1, 0.15).moved(x, 0.6, z), part="egg")
            model.add("orange plastic", ellipsoid(0.09, 0.05, 0.085).moved(x, 0.672, z), part="yolk")
        model.add(
            "ebony leather", box(0.34, 0.5, 0.02).turned("x", -14).moved(-0.1, 0.72, -0.5), part="seaweed"
        )
    spots = build.rng.uniform(-0.5, 0.5, (26, 2))
    places = np.column_stack([spots[:, 0], 0.6 - 0.1 * np.hypot(*spots.T), spots[:, 1]])
    for k, paint in enumerate(("lime plastic", "red flesh" if green else "green plastic")):
        model.add(paint, scatter(torus(0.045 + 0.02 * green, 0.02), places[k::2]), part="topping")


@family("goblet", words=("goblet", "chalice", "grail", "holy grail", "trophy", "trophy cup",
    "wine glass"), primary="gold", secondary="ruby gem", accent="brown wood")  # fmt: skip
def make_goblet(build: Build) -> Model:
    trophy, glass = build.has("trophy"), build.has("glass")
    model = build.model(primary="aqua glass") if glass else build.model()
    base = 0.24 if trophy else 0.0
    cup = [(0, 0), (0.34, 0.0), (0.32, 0.05), (0.09, 0.14), (0.065, 0.4), (0.1, 0.46), (0.3, 0.58),
        (0.42, 0.85), (0.43, 1.2), (0.4, 1.2), (0.38, 0.86), (0.2, 0.64), (0, 0.6)]  # fmt: skip
    model.add("primary", lathe(cup).moved(y=base), part="cup")
    if not glass:
        model.add(
            "primary",
            torus(0.425, 0.03).moved(y=base + 1.19),
            torus(0.1, 0.045).moved(y=base + 0.3),
            torus(0.32, 0.03).moved(y=base + 0.03),
        )
        model.add(
            "secondary", ring(ellipsoid(0.055, 0.075, 0.03).moved(y=base + 0.95, z=0.425), 8), part="gem"
        )
    if trophy:
        handle = tube(
            [(0.42, 1.08, 0), (0.68, 1.12, 0), (0.7, 0.85, 0), (0.48, 0.68, 0), (0.3, 0.6, 0)], 0.045
        ).moved(y=base)
        model.add("primary", pair(handle), part="handle")
        model.add("accent", box(0.74, 0.26, 0.74, bevel=0.03).moved(y=0.12), part="base")
        model.add("golden metal", box(0.42, 0.13, 0.02, bevel=0.008).moved(y=0.12, z=0.375), part="label")
    model.anchor("grip", (0, base + 0.35, 0), size=0.18)
    model.anchor("inside", (0, base + 1.1, 0), size=0.75)
    return model


@family(
    "cauldron",
    words=("cauldron", "witch cauldron", "iron pot", "cooking pot"),
    primary="charcoal iron",
    secondary="iron",
    light="lime light",
)
def make_cauldron(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary",
        lathe(
            [
                (0, 0.14),
                (0.35, 0.18),
                (0.66, 0.5),
                (0.66, 0.78),
                (0.5, 0.98),
                (0.6, 1.06),
                (0.56, 1.08),
                (0.46, 1.0),
                (0.5, 0.9),
            ]
        ),
        part="pot",
    )
    model.add(
        "secondary",
        torus(0.585, 0.045).moved(y=1.06),
        pair(torus(0.13, 0.035).turned("x", 90).moved(0.72, 0.82, 0)),
        part="rim",
    )
    model.add("secondary", ring(capsule((0, 0.3, 0.42), (0, 0.03, 0.52), 0.075, 0.06), 3), part="foot")
    model.add("light", ellipsoid(0.52, 0.05, 0.52).moved(y=0.98), part="liquid")
    bubbles = [((0.18, 1.03, 0.12), 0.13), ((-0.2, 1.02, 0.18), 0.1), ((-0.08, 1.05, -0.2), 0.15),
        ((0.3, 1.0, -0.14), 0.08), ((0.05, 1.28, 0.02), 0.07), ((-0.26, 1.22, 0.0), 0.05)]  # fmt: skip
    model.add("light", *(sphere(r).at(c) for c, r in bubbles), part="bubble")
    model.anchor("inside", (0, 1.0, 0), size=1.0)
    return model
