"""Tables, stools, benches, sofas, thrones and beds."""

from __future__ import annotations

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, join, pair, ring, sphere
from subnet17.procedural.sweeps import capsule, cylinder, lathe, tube


def turned_leg(height: float, radius: float) -> Shape:
    """A leg as from a lathe, standing on y = 0."""
    profile = [(0, 0), (0.7, 0.0), (0.55, 0.08), (1.0, 0.2), (0.6, 0.32), (0.8, 0.55), (1.05, 0.75), (0.7,
        0.85), (1.0, 0.9),
               (1.0, 1.0), (0, 1.0)]  # fmt: skip
    return lathe([(r * radius, y * height) for r, y in profile])


@family("table", words=("table", "dining table", "coffee table", "desk", "round table", "side table"),
        primary="tan wood",
        secondary="brown wood")  # fmt: skip
def make_table(build: Build) -> Model:
    model = build.model()
    high = 0.5 if build.has("coffee", "low") else 0.95
    if build.has("round"):
        model.add("primary", cylinder(0.8, 0.09, bevel=0.03).moved(y=high), part="top")
        model.add(
            "secondary",
            turned_leg(high, 0.15),
            ring(tube([(0, 0.12, 0.1), (0, 0.1, 0.35), (0, 0.03, 0.5)], 0.06), 4),
            part="leg",
        )
    else:
        model.add("primary", box(1.8, 0.09, 1.0, bevel=0.03).moved(y=high), part="top")
        planks = [box(1.76, 0.012, 0.008).moved(y=high + 0.046, z=z) for z in (-0.25, 0.0, 0.25)]
        model.add("brown wood", join(planks))
        legs = [turned_leg(high - 0.04, 0.085).moved(x, 0, z) for x in (-0.76, 0.76) for z in (-0.38, 0.38)]
        model.add("secondary", join(legs), part="leg")
        rails = [pair(box(0.05, 0.14, 0.72, bevel=0.015).moved(x=0.76)), box(1.48, 0.14, 0.05,
            bevel=0.015).moved(z=0.38),
                 box(1.48, 0.14, 0.05, bevel=0.015).moved(z=-0.38)]  # fmt: skip
        model.add("secondary", *(rail.moved(y=high - 0.11) for rail in rails), part="frame")
    if build.has("desk"):
        model.add("primary", box(0.5, 0.6, 0.8, bevel=0.02).moved(0.55, high - 0.36), part="drawer")
        fronts = [
            box(0.42, 0.16, 0.03, bevel=0.012).moved(0.55, high - 0.16 - 0.19 * i, 0.41) for i in range(3)
        ]
        model.add("secondary", join(fronts), part="drawer")
        model.add(
            "brass",
            join(sphere(0.025).moved(0.55, high - 0.16 - 0.19 * i, 0.44) for i in range(3)),
            part="knob",
        )
    model.anchor("top", (0, high + 0.045, 0), size=0.95)
    return model


@family("stool", words=("stool", "bar stool", "footstool"), primary="tan wood", secondary="brown wood")
def make_stool(build: Build) -> Model:
    model = build.model()
    high = 1.35 if build.has("bar", "tall") else 0.4 if build.has("footstool") else 0.8
    model.add("primary", cylinder(0.4, 0.09, bevel=0.035).moved(y=high), part="seat")
    legs = [
        capsule((0.26, high, 0.0), (0.36, 0.04, 0.0), 0.05, 0.04).turned("y", 45 + 90 * i) for i in range(4)
    ]
    model.add("secondary", join(legs), part="leg")
    bar = capsule((0.32, 0.42 * high, 0.0), (0.0, 0.42 * high, 0.32), 0.025).turned("y", 45)
    model.add("secondary", ring(bar, 4))
    model.anchor("top", (0, high + 0.045, 0), size=0.7)
    return model


@family("bench", words=("bench", "park bench", "garden bench"), primary="tan wood", secondary="iron")
def make_bench(build: Build) -> Model:
    model = build.model()
    slats = [box(2.0, 0.055, 0.13, bevel=0.02).moved(y=0.6, z=-0.22 + 0.16 * i) for i in range(4)]
    back = [
        box(2.0, 0.13, 0.05, bevel=0.02).turned("x", -12).moved(y=0.78 + 0.18 * i, z=-0.34 - 0.04 * i)
        for i in range(3)
    ]
    model.add("primary", join(slats), part="seat")
    model.add("primary", join(back), part="back")
    side = [
        tube([(0.85, 0.02, 0.32), (0.85, 0.3, 0.26), (0.85, 0.57, 0.3)], 0.045),
        tube([(0.85, 0.02, -0.42), (0.85, 0.4, -0.28), (0.85, 0.62, -0.3), (0.85, 1.22, -0.45)], 0.045),
        tube([(0.85, 0.85, -0.36), (0.85, 0.88, 0.1), (0.85, 0.8, 0.32), (0.85, 0.58, 0.32)], 0.04),
        capsule((0.85, 0.57, -0.3), (0.85, 0.57, 0.3), 0.035),
    ]
    model.add("secondary", pair(join(side)), part="leg")
    model.anchor("top", (0, 0.63, 0.02), size=1.0)
    return model


@family("sofa", words=("sofa", "couch", "armchair", "loveseat", "settee"), primary="teal fabric",
        secondary="tan wood",
        accent="mustard fabric")  # fmt: skip
def make_sofa(build: Build) -> Model:
    model = build.model()
    seats = 1 if build.has("armchair") else 2 if build.has("loveseat") else 3
    width = 0.62 * seats
    model.add("primary", box(width + 0.4, 0.3, 0.95, bevel=0.08).moved(y=0.3), part="body")
    for i in range(seats):
        x = 0.62 * (i - (seats - 1) / 2)
        model.add("primary", box(0.61, 0.2, 0.78, bevel=0.08).moved(x, 0.53, 0.08), part="seat")
        model.add(
            "primary", box(0.6, 0.55, 0.26, bevel=0.11).turned("x", -10).moved(x, 0.82, -0.32), part="back"
        )
    model.add(
        "primary", box(width + 0.4, 0.75, 0.22, bevel=0.1).turned("x", -6).moved(y=0.66, z=-0.42), part="back"
    )
    model.add("primary", pair(box(0.24, 0.52, 0.98, bevel=0.11).moved(width / 2 + 0.12, 0.52)), part="arm")
    cushion = box(0.36, 0.36, 0.14, bevel=0.065).turned("x", -20).turned("z", 12)
    model.add("accent", cushion.moved(-0.62 * (seats - 1) / 2 - 0.1, 0.78, -0.08), part="pillow")
    model.add(
        "secondary",
        pair(join(cylinder(0.045, 0.16, top_radius=0.06).moved(width / 2, 0.08, z) for z in (-0.36, 0.36))),
        part="leg",
    )
    model.anchor("top", (0, 0.63, 0.05), size=0.9)
    return model


@family("throne", words=("throne",), primary="gold", secondary="crimson fabric", accent="ruby gem")
def make_throne(build: Build) -> Model:
    model = build.model()
    model.add(
        "primary", box(1.3, 0.14, 1.2, bevel=0.03).moved(y=0.07), box(1.1, 0.12, 1.0, bevel=0.03).moved(y=0.2)
    )
    model.add("primary", box(0.9, 0.42, 0.8, bevel=0.05).moved(y=0.46), part="body")
    model.add("secondary", box(0.76, 0.12, 0.74, bevel=0.055).moved(y=0.71, z=0.03), part="seat")
    model.add("primary", box(0.92, 1.5, 0.14, bevel=0.04).moved(y=1.35, z=-0.36), part="back")
    model.add("secondary", box(0.7, 1.15, 0.08, bevel=0.035).moved(y=1.32, z=-0.28), part="back")
    arms = [
        box(0.14, 0.1, 0.7, bevel=0.04).moved(0.47, 1.0, 0.0),
        turned_leg(0.55, 0.07).moved(0.47, 0.42, 0.3),
        sphere(0.09).moved(0.47, 1.0, 0.37),
    ]
    model.add("primary", pair(join(arms)), part="arm")
    spires = [turned_leg(0.5, 0.08).moved(0.42, 2.0, -0.36), sphere(0.09).moved(0.42, 2.52, -0.36)]
    model.add("primary", pair(join(spires)), part="spire")
    crest = (
        lathe([(0, -0.3), (0.26, 0), (0, 0.42)], smooth=False, sides=4)
        .scaled(1, 1, 0.4)
        .moved(y=2.15, z=-0.36)
    )
    model.add("primary", crest, part="spire")
    model.add(
        "accent", sphere(0.1).moved(y=2.17, z=-0.27), pair(sphere(0.045).moved(0.38, 1.95, -0.28)), part="gem"
    )
    model.anchor("top", (0, 0.78, 0), size=0.8)
    return model


@family(
    "bed",
    words=("bed", "double bed", "bunk"),
    primary="brown wood",
    secondary="azure fabric",
    accent="white fabric",
)
def make_bed(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(1.5, 0.2, 2.1, bevel=0.04).moved(y=0.3), part="frame")
    model.add("primary", box(1.56, 0.95, 0.1, bevel=0.04).moved(y=0.6, z=-1.05), box(1.56, 0.55, 0.1,
        bevel=0.04).moved(y=0.4, z=1.05),
              part="frame")  # fmt: skip
    model.add(
        "primary",
        *(sphere(0.08).moved(x, y, z) for x in (-0.76, 0.76) for y, z in ((1.1, -1.05), (0.7, 1.05))),
        part="frame",
    )
    model.add("accent", box(1.42, 0.22, 1.98, bevel=0.09).moved(y=0.48), part="mattress")
    model.add("secondary", box(1.48, 0.2, 1.35, bevel=0.09).moved(y=0.54, z=0.3), part="blanket")
    model.add(
        "accent",
        pair(box(0.56, 0.18, 0.36, bevel=0.085).turned("x", 14).moved(0.34, 0.66, -0.74)),
        part="pillow",
    )
    model.anchor("top", (0, 0.64, 0.2), size=1.3)
    return model
