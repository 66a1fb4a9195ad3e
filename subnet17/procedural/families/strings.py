"""Stringed instruments: guitars, violins, harps."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, grid, join, pair, ring, sphere, torus
from subnet17.procedural.sweeps import capsule, curve, cylinder, extrude, lathe, tube


def _sound_box(outline: Array, depth: float) -> tuple[Shape, Shape, Array]:
    """(sides and back, front, rim) of a string instrument's body, from a closed (N, 2) outline."""
    closed = curve(outline, 72)[:-1]
    middle = closed.mean(axis=0)
    t = np.linspace(0.02, 1, 10)[:, None, None]
    flat = middle + (closed - middle) * t
    arch = 0.035 * (1 - t[..., 0] ** 2) * np.ones(len(closed))
    front = grid(np.concatenate([flat, (depth / 2 + arch)[..., None]], axis=2)[::-1], close_columns=True)
    back = grid(np.concatenate([flat, (-depth / 2 - arch)[..., None]], axis=2), close_columns=True)
    levels = [np.column_stack([closed, np.full(len(closed), z)]) for z in (-depth / 2, depth / 2)]
    side = grid(np.stack(levels), close_columns=True)
    return join([back, side]), front, levels[1]


def _mirrored(half: list[tuple[float, float]]) -> Array:
    """A closed outline, counter-clockwise, from its right half (bottom to top)."""
    right = np.array(half)
    return np.concatenate([right, (right * [-1, 1])[::-1], right[:1]])


GUITAR = [
    (0.06, -0.98),
    (0.35, -0.92),
    (0.47, -0.66),
    (0.42, -0.38),
    (0.29, -0.18),
    (0.31, 0.02),
    (0.34, 0.18),
    (0.24, 0.33),
    (0.06, 0.37),
]
VIOLIN = [
    (0.05, -0.92),
    (0.27, -0.86),
    (0.4, -0.64),
    (0.37, -0.42),
    (0.22, -0.24),
    (0.22, -0.06),
    (0.3, 0.08),
    (0.29, 0.24),
    (0.17, 0.36),
    (0.05, 0.39),
]


@family("guitar", words=("guitar", "acoustic guitar", "classical guitar", "electric guitar",
        "bass guitar", "ukulele"), primary="ginger wood", secondary="auburn wood",
        accent="chocolate wood")  # fmt: skip
def make_guitar(build: Build) -> Model:
    if build.has("electric", "bass"):
        return _electric_guitar(build)
    model = build.model()
    shell, front, rim = _sound_box(_mirrored(GUITAR), 0.26)
    model.add("secondary", shell, part="side")
    model.add("primary", front, part="body")
    edge = np.concatenate([rim, rim[:1]])
    model.add("cream plastic", tube(edge, 0.014, smooth=False), part="trim")
    model.add("black wood", cylinder(0.15, 0.012).turned("x", 90).moved(y=-0.12, z=0.163), part="hole")
    model.add(
        "accent",
        torus(0.16, 0.02).turned("x", 90).scaled(1, 1, 0.5).moved(y=-0.12, z=0.165),
        box(0.36, 0.07, 0.05, bevel=0.02).moved(y=-0.62, z=0.175),
        part="bridge",
    )
    _add_neck(model, top=1.35, width=0.1, z=0.14)
    _add_strings(model, -0.62, 1.3, 0.035, 0.21, 6)
    model.anchor("grip", (0, 0.7, 0.1), size=0.16)
    return model


def _add_neck(model: Model, *, top: float, width: float, z: float) -> None:
    low = 0.05
    neck = box(width, top - low, 0.08, bevel=0.025).moved(y=(top + low) / 2, z=z)
    board = box(width * 1.02, top - low - 0.02, 0.03, bevel=0.008).moved(y=(top + low) / 2, z=z + 0.045)
    model.add("secondary", neck, part="neck")
    model.add("accent", board, part="neck")
    frets = [
        box(width * 1.04, 0.012, 0.035).moved(y=float(y), z=z + 0.047)
        for y in top - (top - low) * (1 - 0.9 ** np.arange(1, 15)) * 1.2
    ]
    model.add("ash metal", *frets, part="fret")
    head = extrude(
        [(-0.06, 0), (0.06, 0), (0.1, 0.1), (0.09, 0.33), (-0.09, 0.33), (-0.1, 0.1)], 0.06
    ).turned("x", -10)
    model.add("secondary", head.moved(y=top - 0.02, z=z), part="head")
    pegs = [
        capsule((0.08, top + 0.08 + 0.09 * k, z - 0.02), (0.16, top + 0.08 + 0.09 * k, z - 0.02), 0.022)
        for k in range(3)
    ]
    model.add("ivory plastic", pair(join(pegs)), part="peg")


def _add_strings(model: Model, low: float, high: float, half: float, z: float, count: int) -> None:
    lines = [capsule((x, low, z), (x * 0.85, high, z - 0.01), 0.005) for x in np.linspace(-half, half, count)]
    model.add("snow plastic", join(lines), part="string")


def _electric_guitar(build: Build) -> Model:
    model = build.model(primary="red paint", secondary="tan wood", accent="chocolate wood")
    half = [(0.0, -0.92), (0.3, -0.88), (0.42, -0.62), (0.36, -0.36), (0.28, -0.16),
        (0.36, 0.08), (0.36, 0.36), (0.24, 0.28), (0.14, 0.06), (-0.12, 0.02), (-0.22, 0.2),
        (-0.34, 0.22), (-0.34, 0.02), (-0.26, -0.18), (-0.34, -0.42), (-0.4, -0.66),
        (-0.26, -0.88)]  # fmt: skip
    outline = curve([*half, half[0]], 90)[:-1]
    model.add("primary", extrude(outline, 0.17, taper=0.95), part="body")
    guard = curve(
        [(-0.18, -0.7), (0.2, -0.72), (0.24, -0.3), (0.2, 0.0), (-0.14, 0.0), (-0.16, -0.35), (-0.18, -0.7)],
        40,
    )[:-1]
    model.add("white plastic", extrude(guard, 0.02).moved(z=0.09), part="guard")
    for y in (-0.1, -0.28, -0.46):
        model.add("black plastic", box(0.2, 0.07, 0.05, bevel=0.015).moved(0.02, y, 0.11), part="pickup")
    model.add("ash metal", box(0.22, 0.09, 0.06, bevel=0.02).moved(0.02, -0.62, 0.11), part="bridge")
    knobs = [
        cylinder(0.04, 0.05, bevel=0.01).turned("x", 90).moved(x, y, 0.12)
        for x, y in ((0.24, -0.52), (0.28, -0.66), (0.2, -0.76))
    ]
    model.add("ivory plastic", *knobs, part="knob")
    _add_neck(model, top=1.35, width=0.1, z=0.08)
    _add_strings(model, -0.62, 1.3, 0.035, 0.155, 6)
    model.anchor("grip", (0, 0.7, 0.08), size=0.16)
    return model


@family("violin", words=("violin", "fiddle", "cello", "viola", "double bass"),
        primary="auburn wood", secondary="chestnut wood", accent="black wood")  # fmt: skip
def make_violin(build: Build) -> Model:
    model = build.model()
    shell, front, rim = _sound_box(_mirrored(VIOLIN), 0.2)
    model.add("secondary", shell, part="side")
    model.add("primary", front, part="body")
    model.add("accent", tube(np.concatenate([rim, rim[:1]]), 0.012, smooth=False), part="trim")
    hole = tube(
        [
            (0.17, -0.42, 0.13),
            (0.12, -0.36, 0.135),
            (0.14, -0.24, 0.135),
            (0.15, -0.14, 0.13),
            (0.1, -0.08, 0.135),
        ],
        [0.022, 0.014, 0.014, 0.014, 0.022],
    )
    model.add("accent", pair(hole), part="hole")
    board = extrude([(-0.06, -0.12), (0.06, -0.12), (0.04, 0.98), (-0.04, 0.98)], 0.04).moved(z=0.19)
    tail = extrude([(-0.04, -0.88), (0.04, -0.88), (0.07, -0.5), (-0.07, -0.5)], 0.035).moved(z=0.165)
    model.add("accent", board, tail, ellipsoid(0.12, 0.06, 0.05).moved(0.12, -0.86, 0.13), part="board")
    model.add("tan wood", box(0.17, 0.03, 0.11, bevel=0.01).moved(y=-0.26, z=0.17), part="bridge")
    model.add(
        "secondary", tube([(0, 0.3, 0.1), (0, 0.7, 0.13), (0, 1.05, 0.13)], [0.075, 0.055, 0.05]), part="neck"
    )
    t = np.linspace(0, 2.2 * np.pi, 30)
    scroll = np.stack(
        [0 * t, 1.25 + (0.1 - 0.012 * t) * np.sin(t - 0.5), 0.1 + (0.1 - 0.012 * t) * np.cos(t - 0.5)], axis=1
    )
    model.add(
        "secondary",
        tube(scroll, 0.045, smooth=False),
        box(0.09, 0.22, 0.09, bevel=0.03).moved(y=1.12, z=0.12),
        part="scroll",
    )
    model.add(
        "accent",
        pair(join([capsule((0.04, y, 0.12), (0.16, y, 0.12), 0.02) for y in (1.08, 1.18)])),
        part="peg",
    )
    _add_strings(model, -0.52, 1.02, 0.03, 0.225, 4)
    bow = [
        capsule((0.62, -0.9, 0.05), (0.62, 1.1, 0.05), 0.024),
        box(0.06, 0.1, 0.07, bevel=0.015).moved(0.58, -0.82, 0.05),
    ]
    model.add("secondary", *bow, part="bow")
    model.add("ivory hair", box(0.014, 1.85, 0.03).moved(0.555, 0.12, 0.05), part="bow")
    model.add("accent", box(0.09, 0.05, 0.05, bevel=0.012).moved(0.59, 1.06, 0.05), part="bow")
    model.anchor("grip", (0, 0.65, 0.1), size=0.14)
    return model


@family(
    "harp",
    words=("harp", "lyre"),
    primary="gold",
    secondary="brown wood",
    accent="snow plastic",
)
def make_harp(build: Build) -> Model:
    if build.has("lyre"):
        return _lyre(build)
    model = build.model()
    base, top, head = np.array([0.42, -0.95, 0]), np.array([-0.5, 0.55, 0]), np.array([0.72, 0.85, 0])
    model.add(
        "primary",
        tube(
            [base + np.array([0.06, 0.02, 0]), (0.72, -0.3, 0), (0.76, 0.4, 0), head],
            [0.075, 0.08, 0.07, 0.1],
        ),
        part="pillar",
    )
    neck = [(-0.52, 0.56, 0), (-0.25, 0.78, 0), (0.05, 0.72, 0), (0.38, 0.86, 0), (0.72, 0.98, 0)]
    model.add("primary", tube(neck, [0.07, 0.09, 0.075, 0.085, 0.11]), part="neck")
    model.add(
        "secondary",
        tube([base, (base + top) / 2, top], [0.24, 0.17, 0.09]).scaled(1, 1, 1.1),
        part="soundbox",
    )
    scroll = [
        torus(0.1, 0.045).turned("x", 90).moved(-0.55, 0.63),
        torus(0.11, 0.05).turned("x", 90).moved(0.82, 1.02),
    ]
    model.add("primary", *scroll, part="scroll")
    model.add(
        "primary",
        box(0.72, 0.12, 0.42, bevel=0.05).moved(0.45, -1.05),
        *[sphere(0.07).moved(0.45 + x, -1.12, z) for x in (-0.28, 0.28) for z in (-0.15, 0.15)],
        part="base",
    )
    spine, lines = curve(neck, 16)[1:-1], []
    for t, end in zip(np.linspace(0.1, 0.94, 14), spine, strict=True):
        start = top + (base - top) * t
        lines.append(capsule(start + np.array([0.06, 0.06, 0]), end, 0.008))
    model.add("accent", join(lines), part="string")
    return model


def _lyre(build: Build) -> Model:
    model = build.model()
    arm = [(0.1, -0.75, 0), (0.5, -0.6, 0), (0.5, -0.1, 0), (0.36, 0.4, 0), (0.5, 0.85, 0)]
    model.add("primary", pair(tube(arm, [0.12, 0.12, 0.09, 0.075, 0.05])), part="arm")
    model.add(
        "primary",
        capsule((-0.5, 0.62, 0), (0.5, 0.62, 0), 0.05),
        pair(torus(0.09, 0.04).turned("x", 90).moved(0.57, 0.9)),
        part="bar",
    )
    model.add(
        "secondary",
        ellipsoid(0.5, 0.25, 0.16).moved(y=-0.68),
        box(0.5, 0.09, 0.22, bevel=0.03).moved(y=-0.95),
        part="soundbox",
    )
    lines = [capsule((x, -0.55, 0.06), (x * 1.2, 0.62, 0.05), 0.01) for x in np.linspace(-0.22, 0.22, 7)]
    model.add("accent", join(lines), part="string")
    model.anchor("grip", (0.48, -0.1, 0), size=0.2)
    return model


@family("banjo", words=("banjo", "bluegrass banjo"), primary="cream leather",
        secondary="brown wood", accent="ash steel")  # fmt: skip
def make_banjo(build: Build) -> Model:
    model = build.model()
    model.add("primary", lathe([(0.45, 0.1), (0, 0.1)], smooth=False).turned("x", 90), part="skin")
    model.add(
        "secondary", lathe([(0, -0.12), (0.4, -0.1), (0.46, 0.0), (0.46, 0.08)]).turned("x", 90), part="body"
    )
    model.add("accent", torus(0.46, 0.035).turned("x", 90).moved(z=0.09), part="rim")
    bracket = join([capsule((0, 0.48, 0.1), (0, 0.48, -0.06), 0.02), sphere(0.03).moved(y=0.48, z=0.1)])
    model.add("accent", ring(bracket, 16, axis="z"), part="bolt")
    model.add("brown wood", box(0.16, 0.03, 0.07, bevel=0.01).moved(y=-0.15, z=0.12), part="bridge")
    parts = Model({**model.roles, "accent": "chocolate wood"})
    _add_neck(parts, top=1.1, width=0.1, z=0.08)
    _add_strings(parts, -0.4, 1.05, 0.035, 0.155, 5)
    model.include(parts.placed((0, 0.36, 0)))
    model.anchor("grip", (0, 0.9, 0.08), size=0.16)
    return model.placed((0, -0.5, 0))
