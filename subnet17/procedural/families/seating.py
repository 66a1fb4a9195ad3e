"""Things to sit on and at: chairs, stools, benches, sofas, tables."""

from __future__ import annotations

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Shape, box, join, pair
from subnet17.procedural.sweeps import capsule, tube


def _legs(width: float, depth: float, height: float, thickness: float, *, splay: float = 0.0) -> Shape:
    corners = [(x * width, z * depth) for x in (-0.5, 0.5) for z in (-0.5, 0.5)]
    return join(
        capsule((x, height, z), (x * (1 + splay), thickness, z * (1 + splay)), thickness, thickness * 0.75)
        for x, z in corners
    )


@family("chair", words=("chair", "dining chair", "kitchen chair"), primary="tan wood", secondary="brown wood")
def make_chair(build: Build) -> Model:
    model = build.model()
    model.add("primary", box(0.95, 0.09, 0.9, bevel=0.035).moved(y=0.92), part="seat")
    model.add("secondary", _legs(0.8, 0.74, 0.9, 0.055, splay=0.08), part="leg")
    model.add("secondary", box(0.74, 0.05, 0.05, bevel=0.015).moved(y=0.38, z=0.4))
    model.add("secondary", pair(box(0.05, 0.05, 0.74, bevel=0.015).moved(x=0.42, y=0.46)))
    posts = pair(tube([(0.4, 0.92, -0.39), (0.41, 1.5, -0.42), (0.4, 2.05, -0.54)], 0.055))
    model.add("secondary", posts, part="back")
    slats = [
        box(0.8, 0.14, 0.05, bevel=0.02).turned("x", -9).moved(y=y, z=z)
        for y, z in ((1.45, -0.42), (1.9, -0.5))
    ]
    model.add("primary", *slats, part="back")
    for x in (-0.2, 0.0, 0.2):
        model.add("primary", capsule((x, 0.96, -0.4), (x, 1.85, -0.49), 0.028))
    model.anchor("top", (0, 0.97, 0.02), size=0.7)
    model.anchor("head_top", (0, 2.02, -0.52), size=0.5)
    return model
