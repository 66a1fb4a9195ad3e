"""Large things of a home: bookshelf, wardrobe, fireplace."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, ellipsoid, join, pair, ring, sphere
from subnet17.procedural.sweeps import capsule, lathe

SPINES = ("red leather", "azure leather", "green leather", "mustard leather", "purple leather",
    "brown leather", "cream leather", )  # fmt: skip


def book(width: float, height: float, depth: float) -> tuple[Shape, Shape]:
    """(cover, pages) of a closed book standing upright, its spine towards +Z."""
    cover = [
        box(width, height, 0.02).moved(z=depth / 2),
        pair(box(0.02, height, depth).moved(x=width / 2 - 0.01)),
    ]
    return join(cover), box(width - 0.04, height - 0.05, depth - 0.03)


@family("bookshelf", words=("bookshelf", "bookcase", "book shelf", "shelf", "shelves"), primary="brown wood",
        secondary="dark brown wood")  # fmt: skip
def make_bookshelf(build: Build) -> Model:
    model = build.model()
    model.add("primary", pair(box(0.07, 1.9, 0.46, bevel=0.012).moved(0.6, 0.97)), part="frame")
    model.add(
        "primary",
        *(box(1.2, 0.06, 0.44, bevel=0.012).moved(y=0.1 + 0.44 * k) for k in range(5)),
        part="shelf",
    )
    model.add(
        "primary",
        box(1.36, 0.09, 0.5, bevel=0.025).moved(y=1.93),
        box(1.3, 0.1, 0.44).moved(y=0.05),
        part="frame",
    )
    model.add("secondary", box(1.2, 1.8, 0.02).moved(y=0.98, z=-0.21), part="back")
    for k in range(4):
        _fill_shelf(build, model, 0.13 + 0.44 * k, leave=k == 2)
    model.anchor("top", (0, 1.97, 0), size=1.1)
    return model


def _fill_shelf(build: Build, model: Model, floor: float, *, leave: bool) -> None:
    x, end = -0.55, 0.12 if leave else 0.52
    while x < end:
        width, height = build.rng.uniform(0.06, 0.12), build.rng.uniform(0.26, 0.36)
        cover, pages = book(width, height, 0.3)
        place = (x + width / 2, floor + height / 2, 0.02)
        model.add(build.pick(SPINES), cover.at(place), part="book")
        model.add("cream paper", pages.at(place))
        x += width + 0.006
    if leave:
        model.add(
            "azure ceramic",
            lathe([(0, 0), (0.08, 0), (0.12, 0.12), (0.05, 0.22), (0.08, 0.27)]).moved(0.36, floor, 0.03),
        )


@family("wardrobe", words=("wardrobe", "cupboard", "closet", "armoire", "cabinet", "dresser",
    "drawer"), primary="tan wood", secondary="brown wood", accent="brass", glass="aqua glass")  # fmt: skip
def make_wardrobe(build: Build) -> Model:
    model = build.model()
    low = build.has("dresser", "drawer", "cabinet")
    high = 1.05 if low else 1.9
    model.add("primary", box(1.3, high, 0.62, bevel=0.02).moved(y=0.12 + high / 2), part="body")
    model.add(
        "secondary",
        box(1.44, 0.1, 0.72, bevel=0.035).moved(y=high + 0.14),
        box(1.38, 0.12, 0.68, bevel=0.03).moved(y=0.15),
        part="trim",
    )
    model.add(
        "secondary",
        *(sphere(0.09).moved(x, 0.07, z) for x in (-0.56, 0.56) for z in (-0.24, 0.24)),
        part="leg",
    )
    if low:
        for k in range(3):
            front = box(1.16, 0.26, 0.05, bevel=0.02).moved(y=0.39 + 0.31 * k, z=0.315)
            model.add("secondary", front, part="drawer")
            model.add("accent", pair(sphere(0.045).moved(0.32, 0.39 + 0.31 * k, 0.37)), part="knob")
    else:
        for side in (-1, 1):
            model.add(
                "secondary", box(0.58, 1.62, 0.05, bevel=0.02).moved(0.31 * side, 1.06, 0.31), part="door"
            )
            model.add(
                "primary",
                *(box(0.42, 0.66, 0.05, bevel=0.02).moved(0.31 * side, y, 0.325) for y in (0.66, 1.45)),
                part="panel",
            )
        model.add("accent", pair(capsule((0.06, 0.98, 0.36), (0.06, 1.14, 0.36), 0.022)), part="handle")
    if build.has("mirrored"):
        model.add("glass", pair(box(0.46, 1.45, 0.03).moved(0.31, 1.06, 0.34)), part="mirror")
    model.anchor("top", (0, high + 0.19, 0), size=1.1)
    return model


@family("fireplace", words=("fireplace", "hearth", "campfire", "bonfire", "fire pit"),
    primary="grey brick", secondary="brown wood", light="orange flame")  # fmt: skip
def make_fireplace(build: Build) -> Model:
    camp = build.has("campfire", "bonfire", "pit")
    model = build.model(primary="grey stone") if camp else build.model(primary="chestnut brick")
    if camp:
        stones = [
            ellipsoid(build.vary(0.2), build.vary(0.15), build.vary(0.17))
            .turned("y", 50 * k)
            .moved(0.78 * np.sin(k * 0.571), 0.1, 0.78 * np.cos(k * 0.571))
            for k in range(11)
        ]
        model.add("primary", *stones, part="stone")
        model.add("secondary", ring(capsule((0, 0.06, 0.62), (0, 0.66, 0.05), 0.095, 0.08), 6), part="log")
        model.add("charcoal earth", ellipsoid(0.62, 0.08, 0.62), part="ash")
    else:
        model.add(
            "primary",
            pair(box(0.32, 1.1, 0.62).moved(0.6, 0.6)),
            box(1.52, 0.3, 0.62).moved(y=1.25),
            box(1.52, 1.2, 0.08).moved(y=0.65, z=-0.28),
            part="brick",
        )
        model.add("primary", box(1.0, 0.95, 0.5).moved(y=1.85, z=-0.06), part="chimney")
        model.add("secondary", box(1.8, 0.12, 0.78, bevel=0.03).moved(y=1.44, z=0.03), part="mantel")
        model.add("ash stone", box(1.76, 0.1, 1.0, bevel=0.03).moved(y=0.05, z=0.14), part="hearth")
        model.add("ebony brick", box(0.9, 1.0, 0.02).moved(y=0.6, z=-0.22))
        model.add(
            "secondary",
            *(
                capsule((-0.3, y, z), (0.3, y, z + d), 0.085)
                for y, z, d in ((0.2, 0.06, 0.1), (0.2, -0.12, 0.0), (0.34, 0.0, -0.1))
            ),
            part="log",
        )
    tongue = lathe([(0, 0), (0.16, 0.12), (0.15, 0.3), (0.07, 0.52), (0, 0.75)])
    spots = [(0.0, 0.0, 1.25), (0.2, 0.08, 0.85), (-0.2, 0.05, 0.95), (0.06, -0.16, 0.9), (-0.1, 0.18, 0.7)]
    size = 1.15 if camp else 0.82
    model.add(
        "light",
        *(tongue.scaled(s * size).turned("z", -25 * x).moved(x, 0.24, z - 0.02) for x, z, s in spots),
        part="flame",
    )
    model.anchor("top", (0, 1.5, 0.05), size=1.4)
    return model
