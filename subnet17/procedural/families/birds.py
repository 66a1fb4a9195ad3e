"""Birds: owls, parrots, eagles, chickens, ducks, penguins."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.anatomy import add_eyes, ears
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, ellipsoid, join, pair, scatter
from subnet17.procedural.sweeps import blend, body, capsule, lathe, tube

PAINTS = {
    "owl": ("brown feather", "cream feather", "chestnut feather"),
    "eagle": ("chocolate feather", "white feather", "brown feather"),
    "parrot": ("red feather", "yellow feather", "blue feather"),
    "chicken": ("white feather", "cream feather", "ivory feather"),
    "rooster": ("auburn feather", "orange feather", "emerald feather"),
    "duck": ("yellow feather", "lemon feather", "mustard feather"),
    "penguin": ("black feather", "white feather", "charcoal feather"),
    "crow": ("black feather", "charcoal feather", "black feather"),
    "flamingo": ("pink feather", "rose feather", "fuchsia feather"),
    "peacock": ("cobalt feather", "teal feather", "emerald feather"),
    "bird": ("azure feather", "cream feather", "navy feather"),
}
"""(primary, secondary, accent) by bird."""

SAME_BIRD = {
    "robin": "bird", "sparrow": "bird", "bluebird": "bird", "canary": "duck", "raven": "crow",
    "hawk": "eagle", "falcon": "eagle", "hen": "chicken", "chick": "duck", "duckling": "duck",
        "phoenix": "parrot",
    "macaw": "parrot", "pigeon": "crow", "dove": "chicken", "goose": "chicken",
}  # fmt: skip


@family(
    "bird",
    words=(*PAINTS, *SAME_BIRD),
    primary="azure feather",
    secondary="cream feather",
    accent="navy feather",
)
def make_bird(build: Build) -> Model:
    kind = SAME_BIRD.get(build.word, build.word)
    primary, secondary, accent = PAINTS.get(kind, PAINTS["bird"])
    model = build.model(primary=primary, secondary=secondary, accent=accent)
    upright = kind in {"owl", "penguin"}
    head_y = 1.25 if upright else 1.18
    _add_body(model, upright=upright, head_y=head_y)
    _add_head(model, kind, head_y, 0.17 if upright else 0.36)
    _add_wings(model, kind, upright=upright)
    _add_feet(model, kind)
    if kind == "peacock":
        _add_fan(model)
    z = 0.17 if upright else 0.36
    model.anchor("head_top", (0, head_y + 0.3, z - 0.05), size=0.58)
    model.anchor("eyes", (0, head_y + 0.06, z + 0.3), size=0.6)
    model.anchor("neck", (0, head_y - 0.28, z - 0.08), size=0.55)
    model.anchor("back", (0, 0.8, -0.25), size=0.7)
    return model


def _add_body(model: Model, *, upright: bool, head_y: float) -> None:
    def chest(p: Array) -> Array:
        return np.asarray(
            np.clip((p[:, 2] - 0.12 - 0.1 * (p[:, 1] - 0.6)) * 9, 0, 1) * (p[:, 1] < head_y - 0.22)
        )

    if upright:
        trunk = blend([((0, 0.48, 0), (0, 0.95, 0.06), 0.4, 0.34), ((0, head_y, 0.13), 0.32)], softness=0.07)
        tail = capsule((0, 0.3, -0.25), (0, 0.1, -0.5), 0.16, 0.08)
    else:
        trunk = blend(
            [((0, 0.55, -0.2), (0, 0.72, 0.16), 0.27, 0.34), ((0, 0.8, 0.22), (0, head_y, 0.33), 0.25, 0.27)],
            softness=0.08,
        )
        tail = ellipsoid(0.16, 0.05, 0.36).turned("x", 14).moved(y=0.55, z=-0.68)
    model.add("primary", trunk, part="body", fade=("secondary", chest))
    model.add("accent", tail, part="tail")


def _add_head(model: Model, kind: str, y: float, z: float) -> None:
    beak_paint = "orange plastic" if kind != "crow" else "charcoal plastic"
    if kind == "owl":
        model.add(
            "secondary", pair(ellipsoid(0.17, 0.18, 0.07).turned("y", 18).moved(0.145, y + 0.05, z + 0.235))
        )
        model.add("primary", ears((0.2, y + 0.2, z - 0.02), (0.16, 0.26, 0.12), 22), part="ear")
    if kind in {"duck", "penguin", "chicken"}:
        wide = 0.13 if kind == "duck" else 0.07
        beak = body(
            [(0, 0, wide, 0.075), (0.14, -0.01, wide, 0.045), (0.27, 0.0, 0.6 * wide, 0.02)], sides=20
        )
        model.add(beak_paint, beak.moved(0, y - 0.05, z + 0.2), part="beak")
    else:
        hook = tube([(0, 0.02, 0.2), (0, 0.01, 0.36), (0, -0.1, 0.42)], [0.09, 0.065, 0.012])
        model.add(
            "mustard plastic" if kind != "crow" else beak_paint, hook.moved(0, y - 0.03, z), part="beak"
        )
    if kind in {"chicken", "rooster"}:
        comb = join(ellipsoid(0.035, 0.1, 0.07).moved(0, y + 0.3, z - 0.1 + 0.1 * i) for i in range(3))
        model.add("red skin", comb, ellipsoid(0.035, 0.09, 0.04).moved(0, y - 0.2, z + 0.26), part="comb")
    iris = {"owl": "amber paint", "eagle": "amber paint", "penguin": "white paint"}.get(
        kind, "chocolate paint"
    )
    side, radius = (0.145, 0.1) if kind == "owl" else (0.19, 0.058)
    add_eyes(model, (side, y + 0.06, z + (0.235 if kind == "owl" else 0.175)), radius, iris=iris)


def _add_wings(model: Model, kind: str, *, upright: bool) -> None:
    if kind == "penguin" or not upright:
        wing = ellipsoid(0.07, 0.2 if not upright else 0.42, 0.42 if not upright else 0.16)
        wing = wing.turned("z", 8).moved(0.37, 0.68, -0.1 if not upright else 0.05)
        model.add("accent", pair(wing), part="wing")
    feather = ellipsoid(0.07, 0.24, 0.022).moved(y=-0.18)
    t = np.linspace(0, 1, 14)
    if upright and kind != "penguin":
        points = np.stack([0.37 + 0.06 * np.sin(t * 3), 1.0 - 0.5 * t, 0.16 - 0.3 * t], axis=1)
        lean = np.stack([0.1 + 0 * t, np.ones(14), 0.3 + 0 * t], axis=1)
    else:
        points = np.stack([0.4 + 0 * t, 0.78 - 0.14 * t, 0.15 - 0.5 * t], axis=1)
        lean = np.stack([0.02 + 0 * t, 0.3 + 0 * t, np.ones(14)], axis=1)
    if kind != "penguin":
        spin = np.full(14, 90.0)
        model.add("accent", pair(scatter(feather, points, directions=lean, spin=spin)), part="wing")


def _add_fan(model: Model) -> None:
    """An upright wheel of tail feathers with an eye on each, and a crest."""
    plume = lathe([(0, 0), (0.05, 0.2), (0.09, 0.75), (0, 1.0)], sides=8).scaled(1, 1, 0.25)
    eye = lathe([(0, -0.015), (0.075, 0.0), (0, 0.015)]).turned("x", 90)
    for length, z, count in ((1.5, -0.62, 21), (1.12, -0.55, 17), (0.78, -0.48, 13)):
        angles = np.deg2rad(np.linspace(-95, 95, count))
        out = np.stack([np.sin(angles), np.cos(angles), np.full(count, -0.12)], axis=1)
        root = np.array([0.0, 0.55, z])
        model.add("accent", scatter(plume, root + 0 * out, directions=out, sizes=length), part="tail")
        tips = root + 0.84 * length * out + [0, 0, 0.03]
        for paint, size in (("golden feather", 1.0), ("turquoise feather", 0.72), ("navy feather", 0.4)):
            spot = scatter(eye, tips + np.array([0, 0, 0.03 - 0.02 * size]), sizes=size)
            model.add(paint, spot, part="tail")
    crest = [capsule((0, 1.42, 0.33), (x, 1.68, 0.3), 0.012) for x in (-0.12, -0.04, 0.04, 0.12)]
    beads = [ellipsoid(0.03, 0.03, 0.03).moved(x, 1.69, 0.3) for x in (-0.12, -0.04, 0.04, 0.12)]
    model.add("accent", *crest, *beads, part="crest")


def _add_feet(model: Model, kind: str) -> None:
    long = 0.5 if kind == "flamingo" else 0.0
    toe = [
        capsule((0.15, 0.03 - long, 0.08), (0.15 + dx, 0.02 - long, 0.3), 0.04, 0.025)
        for dx in (-0.1, 0, 0.1)
    ]
    leg = capsule((0.15, 0.35, 0.02), (0.15, 0.04 - long, 0.08), 0.045)
    model.add("orange plastic", pair(join([leg, *toe])), part="foot")
