"""Small things of a home: clocks, mirrors, candles, umbrellas, books."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, ellipsoid, grid, join, pair, ring, sphere, torus
from subnet17.procedural.sweeps import capsule, cone, curve, cylinder, extrude, lathe, tube


@family("clock", words=("clock", "wall clock", "alarm clock", "pocket watch", "grandfather clock",
    "watch", "stopwatch"), primary="gold", accent="black metal", dial="ivory paper")  # fmt: skip
def make_clock(build: Build) -> Model:
    if build.has("grandfather"):
        return _grandfather(build)
    alarm, pocket = build.has("alarm"), build.has("pocket", "watch", "stopwatch")
    model = build.model(primary="red metal" if alarm else "gold")
    _add_dial(model, 0.62, 0.0)
    case = lathe([(0, -0.16), (0.5, -0.16), (0.68, -0.1), (0.72, 0.04), (0.66, 0.14), (0.6, 0.1)])
    model.add("primary", case.turned("x", 90), part="case")
    model.add("primary", cylinder(0.55, 0.01).turned("x", 90).moved(z=-0.165))
    if alarm:
        bell = lathe([(0.22, 0), (0.2, 0.12), (0.08, 0.2), (0, 0.21)]).turned("z", -32).moved(0.42, 0.66)
        model.add("primary", pair(bell), part="bell")
        model.add(
            "accent",
            pair(capsule((0.36, 0.55, 0), (0.44, 0.7, 0), 0.03)),
            pair(capsule((0.36, -0.55, 0), (0.5, -0.82, 0), 0.055, 0.07)),
            part="leg",
        )
        model.add("accent", tube([(-0.3, 0.9, 0), (0, 1.08, 0), (0.3, 0.9, 0)], 0.035), part="handle")
        model.add("accent", sphere(0.07).moved(y=0.84), capsule((0, 0.7, 0), (0, 0.84, 0), 0.025))
    if pocket:
        model.add(
            "primary",
            cylinder(0.09, 0.14, bevel=0.03).moved(y=0.77),
            torus(0.14, 0.03).turned("x", 90).moved(y=0.93),
            part="crown",
        )
        chain = curve(
            np.array([(0, 1.05, 0), (0.3, 1.2, 0), (0.62, 1.0, 0), (0.95, 0.6, 0), (0.9, 0.1, 0)]), 22
        )
        links = [
            torus(0.05, 0.018).scaled(1, 1, 1.3).turned("x", 90 * (k % 2)).at(p) for k, p in enumerate(chain)
        ]
        model.add("primary", *links, part="chain")
    model.anchor("eyes", (0, 0.1, 0.16), size=0.9)
    model.anchor("head_top", (0, 0.7, 0), size=0.8)
    return model


def _add_dial(model: Model, radius: float, y: float) -> None:
    """A clock face towards +Z around (0, y, 0.1) that shows ten past ten."""
    face = Model(model.roles)
    face.add("dial", cylinder(radius, 0.04).turned("x", 90), part="face")
    for k in range(12):
        long = 0.16 if k % 3 == 0 else 0.09
        face.add(
            "accent",
            box(0.045, long, 0.02).moved(y=0.86 * radius - long / 2, z=0.025).turned("z", 30 * k),
            part="mark",
        )
    for angle, long, thick in ((55, 0.46, 0.06), (-62, 0.68, 0.042)):
        hand = (
            box(thick, long * radius, 0.02, bevel=0.008)
            .moved(y=0.42 * long * radius, z=0.045)
            .turned("z", -angle)
        )
        face.add("accent", hand, part="hand")
    face.add("accent", cylinder(0.05, 0.05).turned("x", 90).moved(z=0.05))
    model.include(face.placed((0, y, 0.08)))


def _grandfather(build: Build) -> Model:
    model = build.model(primary="dark brown wood")
    for width, height, depth, y in ((0.72, 0.44, 0.5, 0.25), (0.5, 1.1, 0.38, 1.0), (0.7, 0.66, 0.46, 1.84)):
        model.add("primary", box(width, height, depth, bevel=0.03).moved(y=y), part="case")
    for width, y in ((0.8, 0.05), (0.76, 0.46), (0.74, 1.53), (0.82, 2.16)):
        model.add("primary", box(width, 0.08, 0.52, bevel=0.03).moved(y=y), part="trim")
    model.add(
        "primary",
        extrude([(-0.36, 0), (0.36, 0), (0.2, 0.12), (0, 0.28), (-0.2, 0.12)], 0.3).moved(y=2.2),
        sphere(0.07).moved(y=2.52),
    )
    model.add("ebony wood", box(0.34, 0.86, 0.02).moved(y=1.0, z=0.19))
    model.add(
        "brass",
        capsule((0, 1.36, 0.21), (0, 0.78, 0.21), 0.02),
        cylinder(0.12, 0.03, bevel=0.01).turned("x", 90).moved(y=0.74, z=0.21),
        part="pendulum",
    )
    face = Model(model.roles)
    _add_dial(face, 0.62, 0.0)
    model.include(face.placed((0, 1.84, 0.19), scale=0.44))
    model.add("brass", torus(0.28, 0.025).turned("x", 90).moved(y=1.84, z=0.24), part="rim")
    return model


@family("mirror", words=("mirror", "hand mirror", "magic mirror", "picture frame", "painting"),
    primary="gold", secondary="brown wood", accent="aqua glass")  # fmt: skip
def make_mirror(build: Build) -> Model:
    model = build.model()
    if build.has("painting", "picture"):
        _add_picture(model)
        return model
    model.add("accent", ellipsoid(0.52, 0.76, 0.03).moved(z=0.03), part="glass")
    model.add(
        "primary",
        torus(0.56, 0.075).turned("x", 90).scaled(1, 1.42, 1),
        torus(0.49, 0.03).turned("x", 90).scaled(1, 1.45, 1.4),
        part="frame",
    )
    a = np.arange(22) * 2 * np.pi / 22
    beads = [sphere(0.06).moved(0.64 * np.sin(t), 0.88 * np.cos(t), 0.02) for t in a]
    model.add("primary", *beads, part="frame")
    model.add("secondary", ellipsoid(0.53, 0.77, 0.03).moved(z=-0.04), part="back")
    if build.has("hand"):
        model.add(
            "primary",
            capsule((0, -0.86, 0), (0, -1.6, 0), 0.08, 0.06),
            sphere(0.1).moved(y=-1.64),
            part="handle",
        )
        model.anchor("grip", (0, -1.3, 0), size=0.16)
        return model
    curl = tube([(0, 0.9, 0), (0.2, 1.02, 0), (0.3, 0.92, 0), (0.22, 0.86, 0)], [0.06, 0.05, 0.04, 0.03])
    model.add("primary", pair(curl), ellipsoid(0.1, 0.15, 0.06).moved(y=1.02), part="frame")
    model.add(
        "primary",
        pair(capsule((0.4, -0.7, 0), (0.62, -1.1, 0.16), 0.05)),
        capsule((0, -0.6, -0.06), (0, -1.1, -0.42), 0.045),
        part="leg",
    )
    return model


def _add_picture(model: Model) -> None:
    for x, y, width, height in (
        (0, 0.56, 1.5, 0.16),
        (0, -0.56, 1.5, 0.16),
        (0.67, 0, 0.16, 1.2),
        (-0.67, 0, 0.16, 1.2),
    ):
        model.add("primary", box(width, height, 0.14, bevel=0.04).moved(x, y), part="frame")
    model.add("azure paint", box(1.2, 0.98, 0.05), part="picture")
    model.add(
        "green paint",
        extrude([(-0.6, -0.48), (0.6, -0.48), (0.6, -0.1), (0.3, 0.02), (-0.1, -0.2), (-0.6, -0.05)], 0.06),
    )
    model.add("snow paint", extrude([(-0.55, -0.1), (-0.1, -0.2), (-0.3, 0.22)], 0.055), part="picture")
    model.add("lemon paint", cylinder(0.11, 0.06).turned("x", 90).moved(0.3, 0.26))
    model.add("secondary", box(1.3, 1.08, 0.02).moved(z=-0.04))


@family(
    "candle",
    words=("candle", "candlestick", "candle holder", "candelabra"),
    primary="cream wax",
    secondary="brass",
    light="orange flame",
)
def make_candle(build: Build) -> Model:
    model = build.model()
    model.add(
        "secondary",
        lathe([(0, 0), (0.5, 0.0), (0.55, 0.08), (0.5, 0.1), (0.44, 0.05), (0, 0.05)]),
        part="holder",
    )
    model.add(
        "secondary",
        cylinder(0.28, 0.12, bevel=0.03).moved(y=0.1),
        torus(0.14, 0.03).turned("x", 90).moved(x=0.64, y=0.1),
        part="holder",
    )
    a = np.linspace(0, 2 * np.pi, 72, endpoint=False)[None]
    edge = 1.02 + 0.05 * np.sin(3 * a) + 0.03 * np.sin(7 * a)
    rows = [(0.22, 0.1), (0.21, 0.6), (0.215, 0.95), (0.21, 1.0), (0.16, 0.98), (0.0, 0.93)]
    wax = np.stack([np.concatenate([r * np.sin(a), y * edge, r * np.cos(a)]).T for r, y in rows])
    model.add("primary", grid(wax, close_columns=True), part="candle")
    drips = [capsule((0.205 * np.sin(t), 0.98, 0.205 * np.cos(t)), (0.225 * np.sin(t), low,
        0.225 * np.cos(t)), 0.045, 0.06) for t, low in ((0.3, 0.55), (1.3, 0.75), (2.5, 0.4), (3.6,
        0.68), (4.6, 0.5), (5.6, 0.8))]  # fmt: skip
    model.add("primary", *drips, ellipsoid(0.3, 0.06, 0.3).moved(y=0.15), part="candle")
    model.add("ebony wood", capsule((0, 0.93, 0), (0.01, 1.08, 0), 0.02))
    model.add("light", lathe([(0, 1.05), (0.06, 1.1), (0.1, 1.2), (0.06, 1.36), (0, 1.54)]), part="flame")
    model.anchor("grip", (0.66, 0.1, 0), size=0.1)
    return model


@family(
    "umbrella", words=("umbrella", "parasol"), primary="red fabric", secondary="brown wood", accent="steel"
)
def make_umbrella(build: Build) -> Model:
    model = build.model()
    rows, ribs = 14, 8
    t, a = np.linspace(0, 1, rows)[::-1, None], np.linspace(0, 2 * np.pi, ribs * 10, endpoint=False)[None]
    sag = np.abs(np.sin(ribs * a / 2))
    r = np.sin(t * 1.25) / np.sin(1.25) * (1 - 0.06 * sag * t)
    y = 1.45 + 0.56 * np.cos(t * 1.5) - 0.03 * sag * t + 0.05 * sag * t**4
    dome = grid(np.stack([r * np.sin(a), y + 0 * a, r * np.cos(a)], axis=-1), close_columns=True)
    inner = Shape(dome.vertices * [0.985, 1, 0.985] - [0, 0.02, 0], dome.faces[:, ::-1])
    model.add("primary", dome, inner, part="canopy")
    rib = [(0, 2.02, 0), (0, 1.86, 0.53), (0, 1.47, 1.0)]
    model.add(
        "accent",
        ring(tube(rib, 0.012), ribs),
        ring(capsule((0, 1.3, 0.02), (0, 1.8, 0.6), 0.012), ribs),
        part="rib",
    )
    model.add(
        "secondary", capsule((0, 0.3, 0), (0, 2.12, 0), 0.032), cone(0.04, 0.16).moved(y=2.12), part="pole"
    )
    hook = [(0, 0.32, 0), (0, 0.12, 0), (0.1, 0.0, 0), (0.22, 0.06, 0), (0.23, 0.16, 0)]
    model.add("secondary", tube(hook, 0.05), part="handle")
    model.anchor("grip", (0, 0.34, 0), size=0.1)
    return model


@family("book", words=("book", "spell book", "spellbook", "magic book", "tome", "grimoire",
    "notebook", "diary"), primary="crimson leather", secondary="cream paper",
    accent="golden metal")  # fmt: skip
def make_book(build: Build) -> Model:
    model = build.model()
    if build.has("open"):
        _add_open_book(model)
        return model
    parts = Model(model.roles)
    parts.add("primary", pair(box(0.06, 1.5, 1.08, bevel=0.02).moved(x=0.17)), part="cover")
    spine = tube(
        [(0, -0.75, 0.48), (0, 0.75, 0.48)],
        0.19,
        section=[(np.cos(t), 0.6 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 24, endpoint=False)],
        round_ends=False,
    )
    parts.add("primary", spine, part="cover")
    parts.add("secondary", box(0.3, 1.4, 0.98).moved(z=-0.01), part="page")
    parts.add(
        "accent",
        *(torus(0.195, 0.02).scaled(1, 1.4, 0.62).moved(y=y, z=0.48) for y in (-0.5, -0.2, 0.2, 0.5)),
        part="band",
    )
    corners = [box(0.42, 0.22, 0.22, bevel=0.03).moved(0, y, -0.45) for y in (-0.66, 0.66)]
    parts.add("accent", *corners, part="corner")
    for side in (-1, 1):
        parts.add("accent", torus(0.2, 0.03).turned("z", 90).moved(x=0.205 * side), part="emblem")
        parts.add(
            "accent",
            lathe([(0, -0.13), (0.13, 0), (0, 0.13)], smooth=False, sides=4)
            .scaled(0.3, 1, 1)
            .moved(x=0.205 * side),
        )
    if build.has("spell", "spellbook", "magic", "tome", "grimoire", "diary", "locked"):
        parts.add(
            "accent",
            box(0.44, 0.2, 0.1, bevel=0.03).moved(z=-0.52),
            box(0.2, 0.26, 0.08, bevel=0.03).moved(z=-0.58),
            part="lock",
        )
    model.include(parts.placed((0, 0.75, 0), turn_deg=-55))
    model.anchor("grip", (0, 0.4, 0), size=0.3)
    model.anchor("top", (0, 1.5, 0), size=0.7)
    return model


def _add_open_book(model: Model) -> None:
    x = np.linspace(0, 1, 20)
    y = 0.2 * np.sin(np.pi * np.minimum(x * 1.15 + 0.1, 1)) + 0.05
    rim = np.concatenate([np.stack([x, y], axis=1), [[1.0, 0.0], [0.0, 0.0]]])
    model.add("secondary", pair(extrude(rim, 1.3)), part="page")
    model.add("primary", box(2.14, 0.05, 1.42, bevel=0.02).moved(y=-0.03), part="cover")
    lines = [box(0.62, 0.012, 0.016).moved(0.5, 0.235, -0.45 + 0.15 * k) for k in range(7)]
    model.add("charcoal paper", pair(join(lines)))
    model.add("accent", box(0.08, 0.014, 1.5).moved(y=0.09), part="ribbon")
