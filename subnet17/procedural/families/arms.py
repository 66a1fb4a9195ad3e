"""Shields, bows, staffs and wands."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import (
    Array,
    Shape,
    box,
    ellipsoid,
    grid,
    join,
    pair,
    ring,
    sphere,
    star,
    torus,
)
from subnet17.procedural.sweeps import capsule, cone, curve, cylinder, extrude, lathe, tube


@family("shield", words=("shield", "knight shield", "viking shield", "kite shield",
        "heater shield", "buckler"), primary="blue paint", secondary="steel", accent="gold")  # fmt: skip
def make_shield(build: Build) -> Model:
    round_ = build.has("round", "viking", "buckler", "wooden", "wood")
    model = build.model(primary="brown wood") if build.has("wooden", "viking") else build.model()
    if round_:
        dome = lathe([(0.95, -0.04), (0.93, 0.02), (0.6, 0.1), (0, 0.16)]).turned("x", 90)
        back = lathe([(0, 0.0), (0.94, -0.05)], smooth=False).turned("x", 90)
        model.add("primary", dome, part="face")
        model.add("brown wood", back, part="back")
        model.add("secondary", torus(0.94, 0.055).turned("x", 90), part="rim")
        rivet = sphere(0.035).moved(y=0.94, z=0.05)
        model.add("accent", ring(rivet, 16, axis="z"), part="rivet")
        model.add(
            "secondary",
            ellipsoid(0.24, 0.24, 0.16).moved(z=0.13),
            torus(0.25, 0.03).turned("x", 90).moved(z=0.14),
            part="boss",
        )
        model.add(
            "accent",
            ring(extrude(star(4, 0.16, 0.06), 0.05).moved(y=0.58, z=0.1), 4, axis="z"),
            part="emblem",
        )
    else:
        _add_heater(model)
    strap = [
        tube([(x, 0.25, -0.02), (x, 0.12, -0.16), (x, -0.12, -0.16), (x, -0.25, -0.02)], 0.04)
        for x in (-0.2, 0.2)
    ]
    model.add("brown leather", *strap, part="strap")
    model.anchor("grip", (0, 0, -0.12), size=0.3)
    return model


def _add_heater(model: Model) -> None:
    right = curve([(0, 1.0), (0.4, 0.93), (0.78, 1.0), (0.78, 0.3), (0.6, -0.35), (0, -1.05)], 30)
    rim = np.concatenate([right, (right * [-1, 1])[-2:0:-1]])
    t = np.linspace(0.02, 1, 14)[:, None, None]
    points = rim * t
    bulge = 0.2 * (1 - np.abs(points[..., 0] / 0.8) ** 1.6) - 0.1
    face = np.concatenate([points, bulge[..., None]], axis=2)
    model.add("primary", _skin(face[:, ::1]), part="face", fade=("accent", _cross))
    model.add("brown wood", _skin(face[:, ::-1] - [0, 0, 0.05]), part="back")
    edge = face[-1]
    model.add("secondary", tube(np.concatenate([edge, edge[:1]]), 0.05, smooth=False), part="rim")
    rivets = [sphere(0.03).at(p).moved(z=0.05) for p in edge[::4]]
    model.add("accent", *rivets, part="rivet")
    model.add(
        "accent",
        extrude(star(8, 0.2, 0.11), 0.06).moved(y=0.18, z=0.11),
        sphere(0.07).moved(y=0.18, z=0.14),
        part="emblem",
    )


def _skin(rows: Array) -> Shape:
    return grid(rows[::-1], close_columns=True)


def _cross(points: Array) -> Array:
    return np.asarray(
        np.maximum(np.abs(points[:, 0]) < 0.075, np.abs(points[:, 1] - 0.18) < 0.075), dtype=float
    )


@family("bow", words=("bow", "longbow", "elven bow", "hunting bow", "archery bow",
        "recurve bow"), primary="brown wood", secondary="chocolate leather", accent="gold",
        string="cream fabric")  # fmt: skip
def make_bow(build: Build) -> Model:
    model = build.model()
    limb = [
        (0, 0, 0),
        (0.06, 0.2, 0),
        (0.05, 0.5, 0),
        (-0.16, 0.85, 0),
        (-0.3, 1.05, 0),
        (-0.28, 1.2, 0),
        (-0.16, 1.28, 0),
    ]
    upper = tube(limb, [0.06, 0.058, 0.055, 0.048, 0.04, 0.034, 0.02])
    both = join([upper, upper.scaled(1, -1, 1)])
    model.add("primary", both.scaled(1, 1, 1.2), part="bow")
    model.add("secondary", tube([(0, -0.2, 0), (0.02, 0, 0), (0, 0.2, 0)], 0.078), part="grip")
    bands = [torus(r, 0.018).moved(x, y) for r, x, y in ((0.07, 0.05, 0.24), (0.06, 0.03, 0.55))]
    model.add(
        "accent",
        join(bands),
        join(bands).scaled(1, -1, 1),
        pair(sphere(0.03)).moved(-0.16, 1.28),
        sphere(0.03).moved(-0.16, -1.28),
        part="trim",
    )
    model.add("string", capsule((-0.28, 1.17, 0), (-0.28, -1.17, 0), 0.012), part="string")
    arrow = [capsule((-0.28, 0, 0), (0.85, 0, 0), 0.018)]
    model.add("tan wood", *arrow, part="arrow")
    model.add("ash metal", cone(0.05, 0.16).turned("z", -90).moved(0.92), part="arrow")
    vane = ring(box(0.2, 0.07, 0.012).moved(-0.14, 0.045), 3, axis="x")
    model.add("red feather", vane, part="feather")
    if build.has("elven", "decorative", "ornate", "fantasy"):
        leaf = ellipsoid(0.07, 0.15, 0.03)
        leaves = [
            leaf.turned("z", a).moved(x, y, 0.06)
            for a, x, y in ((35, 0.1, 0.35), (-30, 0.02, 0.62), (40, -0.12, 0.85), (-25, -0.2, 1.0))
        ]
        model.add(
            "green leaves", *leaves, join(leaves).scaled(1, -1, 1), join(leaves).scaled(1, 1, -1), part="leaf"
        )
    model.anchor("grip", (0, 0, 0), size=0.17)
    return model


@family("staff", words=("staff", "magic staff", "wizard staff", "mage staff", "druid staff",
        "scepter", "sceptre", "crook"), primary="brown wood", secondary="gold",
        accent="azure crystal", light="cyan light")  # fmt: skip
def make_staff(build: Build) -> Model:
    royal = build.has("scepter", "sceptre")
    model = build.model(primary="gold", accent="ruby gem") if royal else build.model()
    shaft = [(0, -1.2, 0), (0.02, -0.6, 0.01), (-0.02, 0.0, 0), (0.02, 0.5, 0), (0, 0.85, 0)]
    model.add("primary", tube(shaft, [0.045, 0.05, 0.052, 0.055, 0.075]), part="handle")
    claw = tube(
        [(0.04, 0.78, 0), (0.2, 0.95, 0), (0.25, 1.15, 0), (0.14, 1.36, 0)], [0.06, 0.055, 0.04, 0.015]
    )
    model.add("secondary" if royal else "primary", ring(claw, 4).turned("y", 45), part="claw")
    model.add(
        "secondary",
        torus(0.075, 0.028).moved(y=0.76),
        torus(0.06, 0.022).moved(y=0.5),
        torus(0.06, 0.022).moved(y=-0.9),
        part="band",
    )
    gem = lathe([(0, 0.82), (0.14, 0.98), (0.17, 1.14), (0.08, 1.36), (0, 1.46)], smooth=False, sides=7)
    model.add("accent", gem, part="crystal")
    model.add("secondary", ring(capsule((0.05, 0.5, 0), (0.05, 0.76, 0), 0.012), 6))
    model.anchor("grip", (0, -0.6, 0), size=0.14)
    return model


@family("wand", words=("wand", "magic wand", "wizard wand", "fairy wand"),
        primary="chocolate wood", secondary="gold", accent="yellow light")  # fmt: skip
def make_wand(build: Build) -> Model:
    model = build.model()
    model.add("primary", cylinder(0.075, 1.4, top_radius=0.045).moved(y=-0.1), part="handle")
    model.add(
        "secondary",
        torus(0.08, 0.035).moved(y=-0.42),
        torus(0.06, 0.03).moved(y=0.58),
        sphere(0.1).moved(y=-0.85),
        part="band",
    )
    model.add("primary", tube([(0, -0.8, 0), (0, -0.6, 0), (0, -0.42, 0)], [0.08, 0.1, 0.08]), part="handle")
    model.add("accent", extrude(star(5, 0.38, 0.17), 0.17, taper=0.7).moved(y=0.9), part="star")
    model.anchor("grip", (0, -0.6, 0), size=0.2)
    return model
