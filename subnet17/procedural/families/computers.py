"""Computers, laptops and televisions, and the screens and keys they share."""

from __future__ import annotations

from collections.abc import Callable

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, ellipsoid, join, pair, sphere, torus
from subnet17.procedural.sweeps import capsule, cylinder


def dial(radius: float, depth: float) -> Shape:
    """A round knob or lens that faces +Z."""
    return cylinder(radius, depth, bevel=0.25 * depth).turned("x", 90)


@family(
    "laptop",
    words=("laptop", "notebook computer", "laptop computer"),
    primary="metal",
    secondary="charcoal plastic",
    light="azure light",
)
def make_laptop(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(1.5, 0.07, 1.0, bevel=0.03).moved(y=0.04), part="body")
    _add_keys(model, 1.3, 0.46, 0.08, -0.14)
    model.add("secondary", box(0.42, 0.006, 0.26).moved(y=0.077, z=0.3), part="pad")

    def lid(shape: Shape) -> Shape:
        return shape.moved(y=0.5).turned("x", -18).moved(y=0.06, z=-0.49)

    model.add("primary", lid(box(1.5, 1.0, 0.05, bevel=0.024)), part="lid")
    model.add("secondary", lid(box(1.4, 0.9, 0.01).moved(z=0.026)), part="frame")
    add_screen(model, lid, 1.32, 0.8, 0.034)
    model.add("white plastic", lid(ellipsoid(0.1, 0.1, 0.012).moved(z=-0.028)), part="logo")
    model.anchor("top", (0, 0.08, 0.2), size=0.9)
    return model


def _add_keys(model: Model, width: float, depth: float, y: float, z: float) -> None:
    for row in range(5):
        count = 5 if row == 4 else 12
        for k in range(count):
            wide = 0.46 * width if row == 4 and k == 2 else width / 12 - 0.02
            x = (k - (count - 1) / 2) * width / (4.2 if row == 4 else 12) if row != 4 or k != 2 else 0.0
            if row == 4 and k in (1, 3):
                x *= 1.28
            key = box(wide, 0.02, depth / 5 - 0.02).moved(x, y, z + (row - 2) * depth / 5)
            model.add("secondary", key, part="key")


def add_screen(model: Model, place: Callable[[Shape], Shape], width: float, height: float, z: float) -> None:
    """A lit screen with a picture of a few windows; `place` moves shapes that face +Z around the origin."""
    model.add("light", place(box(width, height, 0.01).moved(z=z)), part="screen")
    for x, y, w, h, paint in (
        (-0.2, 0.1, 0.42, 0.5, "snow plastic"),
        (0.27, -0.05, 0.28, 0.42, "navy plastic"),
        (0.27, 0.3, 0.28, 0.16, "orange plastic"),
    ):
        model.add(paint, place(box(w * width, h * height, 0.008).moved(x * width, y * height, z + 0.006)))
    for k in range(4):
        model.add(
            "azure plastic",
            place(
                box((0.32 - 0.05 * (k % 2)) * width, 0.03, 0.006).moved(
                    -0.2 * width, (0.24 - 0.1 * k) * height, z + 0.012
                )
            ),
        )


@family("computer", words=("computer", "desktop computer", "personal computer", "monitor",
    "retro computer", "pc"), primary="ivory plastic", secondary="charcoal plastic",
    light="teal light")  # fmt: skip
def make_computer(build: Build) -> Model:
    retro = build.has("retro", "old", "vintage", "classic")
    model = build.model() if retro else build.model(primary="charcoal plastic", light="azure light")
    model.add("primary", box(1.3, 0.95, 0.14 if not retro else 0.5, bevel=0.05).moved(y=1.05), part="monitor")
    if retro:
        model.add(
            "primary",
            box(0.9, 0.7, 0.5, bevel=0.12).moved(y=1.05, z=-0.4),
            box(1.5, 0.3, 1.1, bevel=0.05).moved(y=0.35, z=-0.1),
            part="case",
        )
        model.add(
            "secondary",
            box(0.5, 0.05, 0.02).moved(0.35, 0.38, 0.455),
            box(0.5, 0.05, 0.02).moved(0.35, 0.28, 0.455),
            part="drive",
        )
    else:
        model.add(
            "secondary",
            capsule((0, 0.2, -0.05), (0, 0.7, -0.05), 0.07),
            cylinder(0.34, 0.05, bevel=0.02).moved(y=0.16),
            part="stand",
        )
        model.add("primary", box(0.36, 1.0, 0.9, bevel=0.04).moved(1.0, 0.62, -0.15), part="tower")
        model.add(
            "light",
            *(torus(0.1, 0.018).turned("x", 90).moved(1.0, y, 0.305) for y in (0.4, 0.68)),
            part="fan",
        )
    front = 0.08 if not retro else 0.26
    model.add("secondary", box(1.16, 0.8, 0.02).moved(y=1.07, z=front - 0.01), part="frame")
    add_screen(model, lambda s: s.moved(y=1.07), 1.06, 0.7, front)
    model.add(
        "primary",
        box(1.3, 0.06, 0.46, bevel=0.02).moved(y=0.17 if not retro else 0.23, z=0.72),
        part="keyboard",
    )
    _add_keys(model, 1.16, 0.38, 0.21 if not retro else 0.27, 0.72)
    model.add("primary", ellipsoid(0.1, 0.06, 0.15).moved(0.86, 0.18, 0.72), part="mouse")
    return model


@family("television", words=("television", "tv", "telly", "tv set"), primary="brown wood",
    secondary="charcoal plastic", accent="golden metal", light="aqua light")  # fmt: skip
def make_television(build: Build) -> Model:
    model = build.model()
    if build.has("modern", "flat"):
        model.add(
            "secondary",
            box(1.8, 1.05, 0.09, bevel=0.03).moved(y=0.75),
            box(0.7, 0.05, 0.4, bevel=0.02).moved(y=0.03),
            capsule((0, 0.05, 0), (0, 0.4, 0), 0.07),
            part="frame",
        )
        add_screen(model, lambda s: s.moved(y=0.75), 1.68, 0.94, 0.045)
        return model
    model.add("primary", box(1.5, 1.1, 0.7, bevel=0.09).moved(y=0.9), part="body")
    model.add("primary", box(1.1, 0.8, 0.3, bevel=0.1).moved(y=0.9, z=-0.42))
    model.add("secondary", box(1.0, 0.86, 0.06, bevel=0.03).moved(-0.16, 0.9, 0.34), part="frame")
    model.add("light", box(0.86, 0.72, 0.14, bevel=0.068).moved(-0.16, 0.9, 0.335), part="screen")
    model.add("secondary", box(0.26, 0.86, 0.03, bevel=0.012).moved(0.54, 0.9, 0.345), part="panel")
    model.add(
        "accent",
        dial(0.085, 0.08).moved(0.54, 1.18, 0.38),
        dial(0.085, 0.08).moved(0.54, 0.95, 0.38),
        part="dial",
    )
    model.add(
        "accent",
        *(box(0.18, 0.018, 0.02).moved(0.54, 0.58 + 0.05 * k, 0.365) for k in range(5)),
        part="grille",
    )
    legs = [
        capsule((x, 0.38, z), (1.2 * x, 0.02, 1.25 * z), 0.055, 0.035)
        for x in (-0.58, 0.58)
        for z in (-0.24, 0.24)
    ]
    model.add("primary", *legs, part="leg")
    model.add(
        "accent",
        pair(
            join(
                [
                    capsule((0.04, 1.45, -0.05), (0.5, 2.05, -0.12), 0.018),
                    sphere(0.04).moved(0.5, 2.05, -0.12),
                ]
            )
        ),
        ellipsoid(0.14, 0.06, 0.12).moved(y=1.46, z=-0.05),
        part="antenna",
    )
    model.anchor("top", (0, 1.45, 0), size=1.2)
    return model
