"""Houses, cottages, barns, huts, tree houses; castles and towers."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, ellipsoid, join, pair, ring, sphere
from subnet17.procedural.sweeps import cone, cylinder, extrude, lathe, tube


def gable(width: float, height: float, depth: float, *, over: float = 0.14) -> tuple[Shape, Shape]:
    """(roof slabs, the two gable walls) over a box of this width and depth; the ridge runs along X."""
    half = depth / 2
    slope = float(np.hypot(half + over, height * (1 + over / half)))
    angle = float(np.rad2deg(np.arctan2(height, half)))
    slab = (
        box(width + 2 * over, 0.08, slope, bevel=0.02)
        .moved(z=slope / 2)
        .turned("x", angle)
        .moved(y=height + 0.02)
    )
    wall = extrude([(-half, 0), (half, 0), (0, height)], width - 0.02).turned("y", 90)
    return join([slab, slab.turned("y", 180)]), wall


def window(width: float, height: float) -> list[tuple[str, Shape, str]]:
    """Frame, panes and sill of a window that faces +Z, centred."""
    bars = [
        box(width, 0.035, 0.05),
        box(0.035, height, 0.05),
        box(width + 0.08, 0.05, 0.12, bevel=0.015).moved(y=-height / 2),
    ]
    rim = [
        box(width + 0.08, 0.05, 0.06).moved(y=height / 2),
        pair(box(0.05, height + 0.05, 0.06).moved(x=width / 2)),
    ]
    return [("glass", box(width, height, 0.02), "window"), ("accent", join([*bars, *rim]), "frame")]


def _door(width: float, height: float) -> list[tuple[str, Shape, str]]:
    planks = [
        box(width / 4 - 0.008, height, 0.06, bevel=0.01).moved(width * (i - 1.5) / 4, height / 2)
        for i in range(4)
    ]
    rim = [
        pair(box(0.06, height + 0.06, 0.09).moved(width / 2 + 0.02, height / 2)),
        box(width + 0.16, 0.07, 0.1).moved(y=height + 0.02),
    ]
    return [
        ("door", join(planks), "door"),
        ("accent", join(rim), "frame"),
        ("brass", sphere(0.03).moved(width * 0.34, height * 0.48, 0.05), "knob"),
    ]


def _add(
    model: Model, pieces: list[tuple[str, Shape, str]], x: float, y: float, z: float, turn_deg: float = 0.0
) -> None:
    for role, shape, part in pieces:
        model.add(role, shape.turned("y", turn_deg).moved(x, y, z), part=part)


@family("house", words=("house", "cottage", "cabin", "hut", "home", "farmhouse", "barn", "shed", "mansion",
        "villa", "log cabin"),
        primary="cream plaster", secondary="auburn tile", accent="brown wood", door="chestnut wood",
        glass="azure glass", chimney="chestnut brick", ground="green grass")  # fmt: skip
def make_house(build: Build) -> Model:
    wooden = build.has("cabin", "log", "hut", "shed")
    roles = (
        {"primary": "tan wood", "secondary": "brown straw" if build.has("hut") else "brown wood"}
        if wooden
        else {}
    )
    if build.has("barn"):
        roles = {"primary": "crimson wood", "secondary": "slate tile", "accent": "white wood"}
    model = build.model(**roles)
    wide = 2.3 if build.has("mansion", "villa", "barn") else 1.7
    high = 1.45 if build.has("mansion", "villa") else 0.95
    _add_walls(model, wide, high, logs=build.has("log", "cabin"))
    _add_openings(model, wide, high, front=0.75 if build.has("log", "cabin") else 0.67)
    model.add(
        "chimney", box(0.26, 0.8, 0.26, bevel=0.01).moved(0.28 * wide, high + 0.62, -0.25), part="chimney"
    )
    model.add(
        "chimney", box(0.34, 0.07, 0.34, bevel=0.015).moved(0.28 * wide, high + 1.03, -0.25), part="chimney"
    )
    model.add("ground", ellipsoid(0.78 * wide, 0.06, 1.15), part="ground")
    model.add(
        "grey stone",
        join(ellipsoid(0.16, 0.03, 0.09).moved(0.03 * (-1) ** i, 0.06, 0.78 + 0.17 * i) for i in range(2)),
    )
    for x in (-0.36 * wide, 0.36 * wide, 0.2 * wide):
        model.add("ground", sphere(0.17).scaled(1.1, 0.85, 0.9).moved(x, 0.13, 0.82), part="bush")
    model.anchor("top", (0, high + 0.75, 0), size=0.8)
    return model


def _add_walls(model: Model, wide: float, high: float, *, logs: bool) -> None:
    model.add("primary", box(wide, high, 1.3).moved(y=high / 2), part="wall")
    roof, ends = gable(wide, 0.75, 1.3)
    model.add("secondary", roof.moved(y=high), part="roof")
    model.add("primary", ends.moved(y=high), part="wall")
    if logs:
        count = int(high / 0.14)
        beams = [
            cylinder(0.075, wide + 0.24).turned("z", 90).moved(0, 0.08 + 0.14 * i, z)
            for i in range(count)
            for z in (-0.65, 0.65)
        ]
        sides = [
            cylinder(0.075, 1.54).turned("x", 90).moved(x, 0.15 + 0.14 * i, 0)
            for i in range(count)
            for x in (-wide / 2, wide / 2)
        ]
        model.add("primary", join([*beams, *sides]), part="wall")
    else:
        corners = [
            box(0.1, high, 0.1, bevel=0.015).moved(x, high / 2, z)
            for x in (-wide / 2, wide / 2)
            for z in (-0.65, 0.65)
        ]
        model.add(
            "accent", join(corners), box(wide + 0.08, 0.1, 1.38, bevel=0.015).moved(y=0.06), part="beam"
        )


def _add_openings(model: Model, wide: float, high: float, *, front: float) -> None:
    _add(model, _door(0.36, 0.68), 0, 0.06, front)
    rows = (0.55, 1.1) if high > 1.2 else (0.55,)
    for y in rows:
        for x in (-0.31 * wide, 0.31 * wide):
            _add(model, window(0.32, 0.34), x, y, front)
            _add(model, window(0.32, 0.34), x, y, -front, 180)
        for turn, x in ((90, wide / 2 + front - 0.65), (-90, -wide / 2 - front + 0.65)):
            _add(model, window(0.36, 0.34), x, y, 0, turn)
    for turn, x in ((90, wide / 2), (-90, -wide / 2)):
        _add(model, window(0.2, 0.22), x, high + 0.25, 0, turn)


def _battlements(radius: float, y: float, count: int) -> Shape:
    return ring(box(0.13, 0.16, 0.1, bevel=0.015).moved(y=y, z=radius), count)


def _tower(radius: float, height: float, *, roof: bool) -> list[tuple[str, Shape, str]]:
    wall = lathe(
        [
            (radius * 1.12, 0),
            (radius, 0.25),
            (radius, height),
            (radius * 1.2, height + 0.12),
            (radius * 1.2, height + 0.3),
        ],
        smooth=False,
    )
    pieces = [("primary", wall, "wall"), ("primary", _battlements(radius * 1.17, height + 0.36, 9), "wall")]
    pieces.append(("primary", cylinder(radius * 1.15, 0.05).moved(y=height + 0.22), "wall"))
    if roof:
        top = lathe(
            [(radius * 1.35, height + 0.42), (radius * 0.7, height + 0.95), (0.02, height + 1.6)],
            smooth=False,
        )
        pieces += [("secondary", top, "roof"), ("primary", cylinder(radius * 0.95,
            0.3).moved(y=height + 0.4), "wall"),
                   ("accent", cylinder(0.015, 0.4).moved(y=height + 1.75), "pole"),
                   ("accent", extrude([(0, 0), (0.34, 0.1), (0, 0.2)], 0.02).moved(0, height + 1.74),
                       "flag")]  # fmt: skip
    slits = [box(0.07, 0.22, 0.06, bevel=0.02).moved(0, y, radius * 1.0).turned("y",
        a) for y in (0.45 * height, 0.8 * height)
             for a in (0, 90, 180, 270)]  # fmt: skip
    pieces.append(("glass", join(slits), "window"))
    return pieces


@family("castle", words=("castle", "fortress", "palace", "medieval castle", "citadel"), primary="ash stone",
        secondary="azure tile",
        accent="red fabric", door="brown wood", glass="charcoal glass", ground="green grass")  # fmt: skip
def make_castle(build: Build) -> Model:
    model = build.model(
        **(
            {"primary": "charcoal stone", "secondary": "indigo tile"}
            if build.has("haunted", "evil", "spooky", "dark")
            else {}
        )
    )
    for x, z in ((-1, -0.9), (1, -0.9), (-1, 0.9), (1, 0.9)):
        _add(model, _tower(0.3, 1.3, roof=True), x, 0, z)
    for z in (-0.9, 0.9):
        model.add("primary", box(1.9, 0.95, 0.2).moved(y=0.475, z=z), part="wall")
        model.add(
            "primary",
            join(box(0.14, 0.14, 0.2, bevel=0.015).moved(-0.84 + 0.24 * i, 1.01, z) for i in range(8)),
            part="wall",
        )
    model.add("primary", pair(box(0.2, 0.95, 1.7).moved(1.0, 0.475)), part="wall")
    model.add(
        "primary",
        pair(join(box(0.2, 0.14, 0.14, bevel=0.015).moved(1.0, 1.01, -0.72 + 0.24 * i) for i in range(7))),
        part="wall",
    )
    model.add("primary", box(0.95, 1.7, 0.85).moved(y=0.85, z=-0.15), part="wall")
    model.add(
        "primary",
        join(
            box(0.14, 0.14, 0.1, bevel=0.015).moved(-0.42 + 0.21 * i, 1.76, z)
            for i in range(5)
            for z in (-0.53, 0.23)
        ),
    )
    _add(model, _tower(0.3, 2.0, roof=True), 0.0, 0, -0.2)
    _add(model, _tower(0.2, 1.1, roof=False), 0.36, 0, 0.98)
    _add(model, _tower(0.2, 1.1, roof=False), -0.36, 0, 0.98)
    gate = extrude(
        [(-0.2, 0), (0.2, 0), (0.2, 0.42), (0.14, 0.58), (0, 0.66), (-0.14, 0.58), (-0.2, 0.42)], 0.06
    )
    model.add("door", gate.moved(z=1.01), part="door")
    bars = [box(0.02, 0.62, 0.02).moved(-0.14 + 0.07 * i, 0.31, 1.05) for i in range(5)]
    model.add("iron", join(bars), part="gate")
    for side in (-0.28, 0.28):
        _add(model, window(0.14, 0.26), side, 1.3, 0.29)
        _add(model, window(0.14, 0.26), side, 1.3, -0.59, 180)
    model.add("ground", ellipsoid(1.75, 0.1, 1.65), part="ground")
    return model


@family("tower", words=("tower", "wizard tower", "stone tower", "turret", "mage tower"),
        primary="ash stone", secondary="indigo tile",
        accent="red fabric", door="brown wood", glass="charcoal glass", ground="green grass")  # fmt: skip
def make_tower(build: Build) -> Model:
    model = build.model(
        **({"glass": "lemon light"} if build.has("wizard", "mage", "magic", "enchanted") else {})
    )
    _add(model, _tower(0.5, 2.4, roof=True), 0, 0, 0)
    _add(model, _door(0.34, 0.6), 0, 0.05, 0.5)
    for turn, y in ((35, 1.2), (-60, 1.75), (150, 1.4)):
        frame = [(role, shape.moved(y=y, z=0.51), part) for role, shape, part in window(0.2, 0.3)]
        _add(model, frame, 0, 0, 0, turn)
    if build.has("wizard", "mage"):
        side = lathe([(0.02, 1.45), (0.24, 1.75), (0.24, 2.15)], smooth=False).moved(0.56, 0, 0.1)
        cap = cone(0.33, 0.7).moved(0.56, 2.48, 0.1)
        model.add("primary", side, part="wall")
        model.add("secondary", cap, part="roof")
    model.add("ground", ellipsoid(0.95, 0.09, 0.95), part="ground")
    ivy = tube(
        [(0.45, 0.0, 0.35), (0.3, 0.6, 0.44), (0.46, 1.1, 0.25), (0.4, 1.6, 0.33)], [0.07, 0.06, 0.05, 0.02]
    )
    model.add("ground", ivy, part="ivy")
    model.anchor("top", (0, 2.75, 0), size=0.8)
    return model
