"""Cannons, pistols and blasters."""

from __future__ import annotations

from subnet17.procedural.mechanics import forward, sideways, spokes
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import box, join, pair, ring, sphere, torus
from subnet17.procedural.sweeps import capsule, curve, cylinder, extrude, tube


@family("cannon", words=("cannon", "artillery"), primary="charcoal iron",
        secondary="brown wood", accent="brass")  # fmt: skip
def make_cannon(build: Build) -> Model:
    model = build.model()
    barrel = [(0, -0.85), (0.08, -0.83), (0.1, -0.77), (0.05, -0.72), (0.22, -0.66),
        (0.27, -0.6), (0.27, -0.2), (0.23, 0.1), (0.18, 0.75), (0.24, 0.88), (0.25, 0.95),
        (0.13, 0.95), (0.12, 0.6)]  # fmt: skip
    tilt, lift = -9, 0.72
    model.add("primary", forward(barrel).turned("x", tilt).moved(y=lift), part="barrel")
    rings = [
        torus(r, 0.03).turned("x", 90).moved(z=z)
        for r, z in ((0.265, -0.55), (0.26, -0.18), (0.215, 0.2), (0.19, 0.6))
    ]
    model.add("accent", join(rings).turned("x", tilt).moved(y=lift), part="band")
    cheek = extrude(
        [
            (-0.95, 0.12),
            (-0.75, 0.32),
            (-0.1, 0.52),
            (0.0, 0.72),
            (0.3, 0.72),
            (0.42, 0.45),
            (0.3, 0.3),
            (-0.4, 0.25),
            (-0.9, 0.0),
        ],
        0.1,
    )
    model.add(
        "secondary",
        pair(cheek.turned("y", -90).moved(x=0.29)),
        box(0.5, 0.1, 0.16, bevel=0.02).moved(y=0.32, z=0.2),
        part="carriage",
    )
    model.add("secondary", box(0.5, 0.1, 0.14, bevel=0.02).moved(y=0.16, z=-0.8), part="carriage")
    rim = join([torus(0.36, 0.055).turned("z", 90), spokes(0.36, 10, 0.032)])
    model.add("secondary", pair(rim.moved(0.46, 0.41, 0.14)), part="wheel")
    model.add("primary", pair(torus(0.405, 0.02).turned("z", 90).moved(0.46, 0.41, 0.14)), part="rim")
    model.add(
        "primary",
        sideways(cylinder(0.05, 1.1)).moved(y=0.41, z=0.14),
        sideways(cylinder(0.06, 0.7)).moved(y=0.7, z=0.14),
    )
    return model


@family("pistol", words=("pistol", "gun", "handgun", "revolver", "blaster", "ray gun", "raygun",
        "laser gun", "flintlock", "laser pistol"), primary="slate steel",
        secondary="brown wood", accent="charcoal metal", light="lime light")  # fmt: skip
def make_pistol(build: Build) -> Model:
    if build.has("blaster", "ray", "raygun", "laser", "alien", "futuristic", "sci-fi", "scifi"):
        return _blaster(build)
    model = build.model()
    revolver = build.has("revolver", "western", "flintlock", "old", "antique")
    outline = [(-0.38, 0.02), (-0.52, -0.62), (-0.28, -0.66), (-0.1, 0.0)]
    handle = curve([*outline, outline[0]], 40)[:-1]
    model.add("secondary", extrude(handle, 0.2, taper=0.86).turned("y", -90), part="handle")
    if revolver:
        model.add(
            "primary",
            forward(
                [(0.075, 0.1), (0.07, 0.95), (0.09, 0.96), (0.09, 1.0), (0.045, 1.0), (0.04, 0.8)],
                smooth=False,
            ).moved(y=0.2),
            part="barrel",
        )
        model.add(
            "primary",
            box(0.14, 0.3, 0.5, bevel=0.04).moved(y=0.13, z=-0.12),
            box(0.05, 0.07, 0.9, bevel=0.02).moved(y=0.3, z=0.4),
            part="body",
        )
        drum = join(
            [
                cylinder(0.16, 0.34, bevel=0.02).turned("x", 90),
                ring(cylinder(0.045, 0.36).turned("x", 90).moved(y=0.13), 6, axis="z"),
            ]
        )
        model.add("accent", drum.moved(y=0.16, z=-0.05), part="cylinder")
        model.add("accent", tube([(0, 0.2, -0.36), (0, 0.34, -0.42), (0, 0.38, -0.52)], 0.04), part="hammer")
    else:
        model.add("primary", box(0.2, 0.26, 1.35, bevel=0.04).moved(y=0.2, z=0.2), part="body")
        model.add("accent", box(0.17, 0.14, 1.0, bevel=0.03).moved(y=0.03, z=0.12), part="frame")
        grooves = [box(0.215, 0.2, 0.02).moved(y=0.21, z=-0.4 + 0.05 * k) for k in range(5)]
        model.add("accent", *grooves, cylinder(0.07, 0.06).turned("x", 90).moved(y=0.22, z=0.87))
        model.add(
            "black metal",
            cylinder(0.045, 0.07).turned("x", 90).moved(y=0.22, z=0.875),
            box(0.03, 0.05, 0.05).moved(y=0.35, z=0.8),
            box(0.1, 0.05, 0.06).moved(y=0.35, z=-0.4),
            part="sight",
        )
    guard = tube([(0, -0.02, 0.3), (0, -0.26, 0.24), (0, -0.3, 0.02), (0, -0.16, -0.16)], 0.03)
    model.add("accent", guard, tube([(0, 0, 0.06), (0, -0.12, 0.1), (0, -0.2, 0.06)], 0.026), part="trigger")
    model.anchor("grip", (0, -0.35, -0.38), size=0.26)
    return model


def _blaster(build: Build) -> Model:
    model = build.model(primary="red paint", secondary="ash metal", accent="golden paint")
    body = [(0, -0.62), (0.14, -0.58), (0.25, -0.35), (0.27, -0.1), (0.18, 0.2), (0.1, 0.35), (0.09, 0.7)]
    model.add("primary", forward(body).moved(y=0.2), part="body")
    rings = [(0.2, 0.32), (0.17, 0.47), (0.14, 0.61)]
    model.add("accent", *[torus(r, 0.035).turned("x", 90).moved(y=0.2, z=z) for r, z in rings], part="ring")
    model.add(
        "light",
        sphere(0.11).moved(y=0.2, z=0.8),
        *[sphere(0.06).moved(s * 0.24, 0.22, -0.2) for s in (-1, 1)],
        part="light",
    )
    outline = [(-0.4, 0.05), (-0.52, -0.55), (-0.27, -0.6), (-0.12, 0.0)]
    handle = curve([*outline, outline[0]], 40)[:-1]
    model.add("secondary", extrude(handle, 0.2, taper=0.86).turned("y", -90), part="handle")
    fin = extrude([(-0.55, 0.35), (-0.2, 0.45), (-0.45, 0.7), (-0.68, 0.68)], 0.06).turned("y", -90)
    model.add("accent", fin, part="fin")
    guard = tube([(0, 0.0, 0.16), (0, -0.2, 0.14), (0, -0.24, -0.04), (0, -0.14, -0.16)], 0.03)
    model.add("secondary", guard, tube([(0, 0, 0), (0, -0.1, 0.03), (0, -0.15, 0)], 0.026), part="trigger")
    model.add("secondary", capsule((0, 0.46, -0.3), (0, 0.5, 0.1), 0.035), part="sight")
    model.anchor("grip", (0, -0.3, -0.36), size=0.26)
    return model
