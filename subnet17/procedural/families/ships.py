"""Boats, ships and submarines."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.mechanics import cloth, forward, hull, lying, propeller, sail, upright
from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, box, ellipsoid, join, pair, plate, sphere, torus
from subnet17.procedural.sweeps import body, capsule, cylinder, tube

BOAT = ((-0.9, 0.26, 0.16, -0.12), (-0.5, 0.36, 0.1, -0.2), (0.1, 0.4, 0.08, -0.22),
        (0.65, 0.26, 0.14, -0.18), (1.0, 0.01, 0.26, -0.02))  # fmt: skip
"""Stations of an open boat, see `mechanics.hull`."""


def _rail(edge: Array, thickness: float) -> Shape:
    return pair(tube(edge[::4], thickness))


@family("rowing boat", words=("rowing boat", "rowboat", "row boat", "canoe", "dinghy",
        "gondola", "kayak", "lifeboat"), primary="brown wood", secondary="tan wood",
        accent="auburn wood")  # fmt: skip
def make_rowing_boat(build: Build) -> Model:
    model = build.model()
    thin = 0.62 if build.has("canoe", "kayak", "gondola") else 1.0
    skin, _, edge = hull(np.array(BOAT) * [1, thin, 1, 1], fullness=0.5)
    inside = Shape(skin.vertices * [0.93, 0.9, 0.95], skin.faces[:, ::-1]).moved(y=0.035)
    model.add("primary", skin, part="hull", fade=("accent", _planks))
    model.add("secondary", inside, part="hull")
    model.add(
        "accent", _rail(edge, 0.03), box(0.5 * thin, 0.05, 0.05, bevel=0.02).moved(y=0.15, z=-0.9), part="rim"
    )
    for z, w in ((-0.55, 0.62), (0.02, 0.72), (0.5, 0.55)):
        model.add("secondary", box(w * thin, 0.04, 0.17, bevel=0.015).moved(y=0.05, z=z), part="seat")
    oar = capsule((0.15, 0.3, 0.1), (0.98, -0.14, -0.25), 0.024)
    paddle = ellipsoid(0.2, 0.022, 0.075).turned("z", -26).turned("y", 22).moved(1.04, -0.17, -0.28)
    model.add("secondary", pair(join([oar, paddle])), part="oar")
    lock = torus(0.035, 0.014).turned("z", 60).moved(0.4 * thin, 0.15, -0.01)
    model.add("charcoal iron", pair(lock))
    model.anchor("inside", (0, 0.06, 0), size=0.75)
    return model


def _planks(points: Array) -> Array:
    return np.asarray(np.clip(np.sin(points[:, 1] * 75) * 4 - 2.8, 0, 1))


@family("sailboat", words=("sailboat", "sailing boat", "boat", "yacht", "sail boat",
        "catamaran"), primary="blue paint", secondary="white fabric", accent="tan wood")  # fmt: skip
def make_sailboat(build: Build) -> Model:
    model = build.model()
    stations = [(-0.75, 0.2, 0.05, -0.1), (-0.4, 0.27, 0.03, -0.2), (0.1, 0.28, 0.03, -0.22),
        (0.55, 0.17, 0.07, -0.17), (0.9, 0.005, 0.14, 0.03)]  # fmt: skip
    skin, deck, edge = hull(stations, fullness=0.55)
    model.add("primary", skin, part="hull", fade=("white paint", _waterline))
    model.add("accent", deck, part="deck")
    model.add("white plastic", _rail(edge, 0.022), part="rim")
    model.add("white plastic", box(0.26, 0.12, 0.42, bevel=0.04).moved(y=0.09, z=0.12), part="cabin")
    model.add("navy glass", pair(ellipsoid(0.015, 0.03, 0.11).moved(0.13, 0.105, 0.12)), part="window")
    model.add("accent", cylinder(0.025, 1.75, top_radius=0.015).moved(y=0.9, z=0.1), part="mast")
    model.add("accent", capsule((0, 0.26, 0.1), (0.22, 0.26, -0.62), 0.018), part="mast")
    main = sail([(0.22, 0.3, -0.6), (0.0, 0.3, 0.07), (0, 1.7, 0.08), (0, 1.7, 0.07)], 0.0)
    model.add("secondary", _bellied(main, 0.13), part="sail")
    jib = sail([(0.14, 0.28, 0.16), (0, 0.2, 0.85), (0, 1.45, 0.14), (0, 1.45, 0.13)], 0.0)
    model.add("secondary", _bellied(jib, 0.1), part="sail")
    model.add(
        "red fabric",
        cloth(plate([(0, 1.72, 0.1), (0.08, 1.76, -0.1), (0.04, 1.84, -0.1), (0, 1.8, 0.1)])),
        part="flag",
    )
    model.add(
        "accent", upright([(-0.74, 0.02), (-0.84, -0.05), (-0.84, -0.25), (-0.72, -0.2)], 0.03), part="rudder"
    )
    model.anchor("inside", (0, 0.08, -0.4), size=0.4)
    return model


def _waterline(points: Array) -> Array:
    return np.asarray(np.clip(0.5 + (-0.09 - points[:, 1]) * 60, 0, 1))


def _bellied(cloth: Shape, depth: float) -> Shape:
    """The sail blown out towards +X, most in its lower middle."""
    v = cloth.vertices.copy()
    up = (v[:, 1] - v[:, 1].min()) / np.ptp(v[:, 1])
    low, high = v[:, 2].min(), v[:, 2].max()
    edge_low, edge_high = (
        low + (v[:, 2][np.argmax(v[:, 1])] - low) * up,
        high + (v[:, 2][np.argmax(v[:, 1])] - high) * up,
    )
    along = np.clip((v[:, 2] - edge_low) / np.maximum(edge_high - edge_low, 1e-6), 0, 1)
    v[:, 0] += depth * np.sin(np.pi * along) * np.sin(np.pi * (0.15 + 0.85 * up)) ** 0.7
    return Shape(v, cloth.faces)


SHIP = ((-0.95, 0.2, 0.22, -0.02), (-0.7, 0.27, 0.14, -0.2), (-0.1, 0.3, 0.06, -0.26),
        (0.45, 0.26, 0.1, -0.24), (0.8, 0.12, 0.2, -0.15), (0.98, 0.01, 0.28, 0.05))  # fmt: skip


@family("sailing ship", words=("pirate ship", "sailing ship", "galleon", "tall ship", "frigate",
        "caravel", "pirate boat", "schooner", "warship", "ghost ship"), primary="brown wood",
        secondary="cream fabric", accent="golden wood", trim="chocolate wood")  # fmt: skip
def make_sailing_ship(build: Build) -> Model:
    dark = build.has("ghost", "haunted")
    model = build.model(secondary="ash fabric" if dark else "cream fabric")
    skin, deck, edge = hull(SHIP, fullness=0.65)
    model.add("primary", skin, part="hull", fade=("trim", _wales))
    model.add("tan wood", deck, part="deck")
    model.add("accent", _rail(edge, 0.022), part="rim")
    model.add("primary", box(0.42, 0.24, 0.36, bevel=0.02).moved(y=0.28, z=-0.78), part="cabin")
    model.add("trim", box(0.47, 0.035, 0.42, bevel=0.015).moved(y=0.41, z=-0.78), part="deck")
    posts = [
        capsule((x, 0.42, -0.97 + 0.095 * k), (x, 0.5, -0.97 + 0.095 * k), 0.011)
        for x in (-0.22, 0.22)
        for k in range(5)
    ]
    rail = pair(capsule((0.22, 0.5, -0.98), (0.22, 0.5, -0.57), 0.014))
    model.add("accent", join(posts), rail, capsule((-0.22, 0.5, -0.98), (0.22, 0.5, -0.98), 0.014))
    windows = [box(0.07, 0.09, 0.02, bevel=0.005).moved(x, 0.3, -0.96) for x in (-0.13, 0, 0.13)]
    model.add("lemon light", *windows, part="window")
    ports = [box(0.02, 0.055, 0.06).moved(0.285, -0.02, z) for z in (-0.45, -0.22, 0.01, 0.24)]
    guns = [cylinder(0.02, 0.08).turned("z", 90).moved(0.3, -0.02, z) for z in (-0.45, -0.22, 0.01, 0.24)]
    model.add("black wood", pair(join(ports)))
    model.add("charcoal iron", pair(join(guns)), part="cannon")
    _add_rigging(model, pirate=build.has("pirate"))
    model.anchor("top", (0, 0.42, -0.78), size=0.4)
    return model


def _wales(points: Array) -> Array:
    belt = np.abs(points[:, 1] - 0.06 - 0.13 * points[:, 2] ** 2) < 0.025
    return np.asarray(np.maximum(belt, np.clip(0.5 + (-0.13 - points[:, 1]) * 60, 0, 1)))


def _add_rigging(model: Model, *, pirate: bool) -> None:
    masts = ((-0.55, 1.15, 0.3), (-0.02, 1.4, 0.4), (0.5, 1.2, 0.33))
    for z, top, half in masts:
        model.add("trim", cylinder(0.03, top, top_radius=0.016).moved(y=top / 2 + 0.05, z=z), part="mast")
        for low, high, wide in ((0.36, 0.68, 1.0), (0.72, 0.95, 0.75)):
            y0, y1 = low * top + 0.03, high * top + 0.03
            w = half * wide
            corners = [
                (-w, y0, z + 0.04),
                (w, y0, z + 0.04),
                (0.85 * w, y1, z + 0.04),
                (-0.85 * w, y1, z + 0.04),
            ]
            model.add("secondary", sail(corners, 0.13), part="sail")
            model.add(
                "trim", capsule((-0.95 * w, y1, z + 0.03), (0.95 * w, y1, z + 0.03), 0.014), part="mast"
            )
        lines = [capsule((0.27, 0.12, z + dz), (0.0, 0.9 * top, z), 0.006) for dz in (-0.14, -0.05, 0.05)]
        model.add("black fabric", pair(join(lines)), part="rope")
    model.add("trim", capsule((0, 0.2, 0.85), (0, 0.44, 1.38), 0.022), part="mast")
    jib = cloth(plate([(0, 1.0, 0.52), (0, 0.36, 0.6), (0, 0.46, 1.33), (0, 0.47, 1.33)]))
    model.add("secondary", jib, part="sail")
    model.add("trim", torus(0.07, 0.02).moved(y=1.12, z=-0.02), cylinder(0.075, 0.06).moved(y=1.08, z=-0.02))
    flag = sail([(0, 1.3, -0.03), (0.0, 1.3, -0.36), (0, 1.52, -0.36), (0, 1.52, -0.03)], 0.0)
    model.add("black fabric" if pirate else "red fabric", flag, part="flag")
    model.add("trim", capsule((0, 1.3, -0.02), (0, 1.54, -0.02), 0.011))
    if pirate:
        model.add(
            "white paint",
            pair(join([ellipsoid(0.014, 0.05, 0.045).moved(y=1.43, z=-0.2), _bones()])),
            part="emblem",
        )


def _bones() -> Shape:
    return join(
        capsule((0.006, 1.35, -0.2 + s * 0.08), (0.006, 1.42, -0.2 - s * 0.08), 0.011) for s in (-1, 1)
    )


@family("steamship", words=("ship", "steamship", "cruise ship", "ocean liner", "steamboat",
        "tugboat", "tug boat", "tug", "ferry", "fishing boat", "trawler", "motorboat",
        "cargo ship", "battleship"), primary="red paint", secondary="white plastic",
        accent="black paint")  # fmt: skip
def make_steamship(build: Build) -> Model:
    model = build.model()
    short = build.has("tugboat", "tug", "fishing", "trawler", "motorboat", "small", "cute")
    stretch = 0.75 if short else 1.15
    stations = np.array(SHIP) * [stretch, 1.15 if short else 0.85, 1, 1]
    skin, deck, edge = hull(stations, fullness=0.85)
    model.add("primary", skin, part="hull", fade=("accent", _boot_top))
    model.add("tan wood", deck, part="deck")
    model.add("secondary", _rail(edge, 0.025), part="rim")
    (_add_wheelhouse if short else _add_liner_decks)(model)
    model.add(
        "ash metal", cylinder(0.014, 0.5).moved(y=0.62 if short else 0.5, z=0.45 * stretch), part="mast"
    )
    if short:
        bumper = torus(0.07, 0.028).turned("z", 90)
        rings = [bumper.moved(0.345 - 0.02 * abs(z) * 4, 0.02, z) for z in (-0.35, -0.05, 0.22)]
        model.add("black rubber", pair(join(rings)), part="tyre")
    model.anchor("top", (0, 0.62, 0), size=0.4)
    return model


def _boot_top(points: Array) -> Array:
    return np.asarray(np.clip(0.5 + (-0.1 - points[:, 1]) * 60, 0, 1))


def _add_wheelhouse(model: Model) -> None:
    model.add("secondary", box(0.4, 0.22, 0.62, bevel=0.04).moved(y=0.18, z=-0.05), part="cabin")
    model.add("secondary", box(0.32, 0.26, 0.28, bevel=0.04).moved(y=0.4, z=0.1), part="cabin")
    model.add("primary", box(0.38, 0.04, 0.34, bevel=0.018).moved(y=0.54, z=0.1), part="roof")
    pane = box(0.02, 0.11, 0.1, bevel=0.008)
    model.add("navy glass", pair(join([pane.moved(0.158, 0.43, z) for z in (0.04, 0.165)])), part="window")
    front = box(0.1, 0.11, 0.02, bevel=0.008)
    model.add(
        "navy glass",
        *[front.moved(x, 0.43, z) for x in (-0.075, 0.075) for z in (0.24, -0.04)],
        part="window",
    )
    port = cylinder(0.045, 0.02, bevel=0.005).turned("z", 90)
    model.add("navy glass", pair(join([port.moved(0.2, 0.2, z) for z in (-0.25, -0.08, 0.1)])), part="window")
    _add_funnel(model, 0.095, -0.2, 0.26, 0.42)


def _add_funnel(model: Model, radius: float, z: float, low: float, height: float) -> None:
    model.add(
        "primary", cylinder(radius, height).turned("x", -6).moved(y=low + height / 2, z=z), part="chimney"
    )
    cap = (
        cylinder(radius * 1.06, 0.28 * height)
        .moved(y=0.42 * height)
        .turned("x", -6)
        .moved(y=low + height / 2, z=z)
    )
    model.add("accent", cap, part="chimney")
    band = (
        cylinder(radius * 1.04, 0.12 * height)
        .moved(y=0.12 * height)
        .turned("x", -6)
        .moved(y=low + height / 2, z=z)
    )
    model.add("secondary", band)


def _add_liner_decks(model: Model) -> None:
    for k, (wide, long) in enumerate(((0.44, 1.45), (0.38, 1.2), (0.3, 0.85))):
        y = 0.14 + 0.12 * k
        model.add("secondary", box(wide, 0.115, long, bevel=0.02).moved(y=y, z=-0.05), part="cabin")
        count = int(long / 0.11)
        row = [
            box(0.012, 0.045, 0.055).moved(wide / 2 + 0.002, y, z - 0.05)
            for z in np.linspace(-0.46 * long, 0.46 * long, count)
        ]
        model.add("navy glass", pair(join(row)), part="window")
    ports = [cylinder(0.02, 0.02).turned("z", 90).moved(0.262, -0.01, z) for z in np.linspace(-0.6, 0.45, 10)]
    model.add("cream paint", pair(join(ports)))
    model.add("secondary", box(0.42, 0.1, 0.1, bevel=0.02).moved(y=0.5, z=0.3), part="cabin")
    for z in (-0.36, -0.08, 0.18):
        _add_funnel(model, 0.075, z, 0.42, 0.34)


@family("submarine", words=("submarine", "sub", "u boat", "bathyscaphe"),
        primary="yellow paint", secondary="red plastic", accent="brass")  # fmt: skip
def make_submarine(build: Build) -> Model:
    model = build.model()
    stations = [(-0.95, 0, 0.05, 0.05), (-0.7, 0, 0.2, 0.2), (-0.2, 0, 0.33, 0.33),
        (0.35, 0, 0.34, 0.34), (0.72, 0, 0.24, 0.24), (0.9, 0, 0.06, 0.06)]  # fmt: skip
    model.add("primary", body(stations), part="hull", fade=("secondary", _keel))
    tower = body(
        [
            (-0.26, 0, 0.05, 0.15, 0.7),
            (-0.1, 0, 0.13, 0.15, 0.7),
            (0.12, 0, 0.14, 0.15, 0.7),
            (0.3, 0, 0.04, 0.15, 0.7),
        ]
    )
    model.add("primary", tower.moved(y=0.42, z=0.05), part="tower")
    model.add("secondary", box(0.24, 0.03, 0.5, bevel=0.015).moved(y=0.57, z=0.07))
    scope = tube([(0, 0.55, 0.12), (0, 0.82, 0.12), (0, 0.88, 0.14), (0, 0.88, 0.26)], 0.028)
    model.add("accent", scope, cylinder(0.045, 0.07).turned("x", 90).moved(y=0.88, z=0.27), part="periscope")
    model.add("accent", cylinder(0.012, 0.3).moved(y=0.68, z=-0.08), part="antenna")
    for z in (-0.2, 0.12, 0.44):
        port = torus(0.085, 0.024).turned("z", 90).moved(0.325 - 0.05 * (z > 0.4), 0.07, z)
        glass = ellipsoid(0.03, 0.08, 0.08).moved(0.325 - 0.05 * (z > 0.4), 0.07, z)
        model.add("accent", pair(port), part="rim")
        model.add("aqua glass", pair(glass), part="window")
    model.add("accent", torus(0.14, 0.03).turned("x", 90).moved(y=0.02, z=0.8), part="rim")
    model.add("aqua glass", ellipsoid(0.135, 0.135, 0.09).moved(y=0.02, z=0.8), part="window")
    fin = upright([(-0.55, 0.15), (-0.78, 0.38), (-0.95, 0.38), (-0.9, 0)], 0.05)
    model.add("secondary", fin, fin.turned("z", 180), fin.turned("z", 90), fin.turned("z", -90), part="fin")
    model.add(
        "secondary",
        pair(lying([(0.25, 0.6), (0.55, 0.5), (0.55, 0.36), (0.3, 0.36)], 0.045).moved(y=-0.05)),
        part="fin",
    )
    model.add(
        "accent", propeller(0.2, 4, width=0.15).moved(z=-1.0), sphere(0.05).moved(z=-1.0), part="propeller"
    )
    model.add("accent", forward([(0.07, -0.94), (0.06, -0.9)]))
    model.anchor("top", (0, 0.58, 0.05), size=0.3)
    return model


def _keel(points: Array) -> Array:
    return np.asarray(np.clip(0.5 + (-0.14 - points[:, 1]) * 50, 0, 1))


@family("longship", words=("longship", "viking ship", "viking boat", "drakkar",
        "viking longship", "dragon boat"), primary="brown wood", secondary="white fabric",
        accent="red fabric", trim="chocolate wood")  # fmt: skip
def make_longship(build: Build) -> Model:
    model = build.model()
    stations = [(-1.0, 0.01, 0.42, 0.2), (-0.8, 0.15, 0.16, -0.02), (-0.3, 0.27, 0.02, -0.18),
        (0.3, 0.27, 0.02, -0.18), (0.8, 0.15, 0.16, -0.02), (1.0, 0.01, 0.42, 0.2)]  # fmt: skip
    skin, deck, edge = hull(stations, fullness=0.45)
    model.add("primary", skin, part="hull", fade=("trim", _planks))
    model.add("tan wood", deck.moved(y=-0.06), part="deck")
    model.add("trim", _rail(edge, 0.024), part="rim")
    neck = [(0, 0.3, 0.96), (0, 0.55, 1.08), (0, 0.75, 1.0), (0, 0.84, 1.08), (0, 0.8, 1.22)]
    model.add("trim", tube(neck, [0.06, 0.05, 0.06, 0.075, 0.035]), part="head")
    model.add(
        "trim",
        tube([(0, 0.3, -0.96), (0, 0.6, -1.1), (0, 0.8, -1.0), (0, 0.72, -0.88)], [0.06, 0.05, 0.04, 0.02]),
    )
    model.add("red paint", pair(sphere(0.018).moved(0.05, 0.88, 1.08)), part="eye")
    model.add("trim", cylinder(0.03, 1.4, top_radius=0.02).moved(y=0.6), part="mast")
    cloth = sail([(-0.55, 0.38, 0.05), (0.55, 0.38, 0.05), (0.6, 1.2, 0.05), (-0.6, 1.2, 0.05)], 0.2)
    model.add("secondary", cloth, part="sail", fade=("accent", _sail_stripes))
    model.add("trim", capsule((-0.64, 1.2, 0.04), (0.64, 1.2, 0.04), 0.022), part="mast")
    shields = ("red paint", "golden paint", "blue paint")
    for k, z in enumerate(np.linspace(-0.6, 0.6, 7)):
        x = float(np.interp(abs(z), [0, 0.6], [0.28, 0.215]))
        y = float(np.interp(abs(z), [0, 0.6], [0.02, 0.09]))
        disc = ellipsoid(0.025, 0.085, 0.085).moved(x, y, z)
        model.add(shields[k % 3], pair(disc), part="shield")
        model.add("ash metal", pair(sphere(0.025).moved(x + 0.02, y, z)))
    oars = [capsule((0.2, 0.03, z), (0.62, -0.22, z - 0.08), 0.012) for z in np.linspace(-0.5, 0.5, 5)]
    model.add("tan wood", pair(join(oars)), part="oar")
    return model


def _sail_stripes(points: Array) -> Array:
    return np.asarray(np.clip(0.5 + 5 * np.sin(points[:, 0] * 2 * np.pi / 0.3), 0, 1))
