"""Broadleaved trees, and mushrooms."""

from __future__ import annotations

import numpy as np

from subnet17.procedural.model import Build, Model, family
from subnet17.procedural.shapes import Array, Shape, ellipsoid, join, scatter, sphere
from subnet17.procedural.sweeps import blend, cone, lathe, tube

LEAF_PAINTS = {
    "cherry blossom tree": "pink petal", "cherry tree": "pink petal", "sakura": "pink petal",
        "maple tree": "orange leaves",
    "maple": "orange leaves", "autumn tree": "orange leaves", "apple tree": "green leaves",
        "willow": "lime leaves",
    "oak tree": "olive leaves", "oak": "olive leaves",
}  # fmt: skip


@family("tree", words=("tree", *LEAF_PAINTS), primary="green leaves", secondary="brown bark",
        accent="red plastic")  # fmt: skip
def make_tree(build: Build) -> Model:
    ancient = build.has("ancient", "old", "enchanted", "magical", "magic", "mystical", "fantasy")
    autumn = build.has("autumn", "fall")
    model = build.model(primary="orange leaves" if autumn else LEAF_PAINTS.get(build.word, "green leaves"))
    tips = _add_trunk(model, build, thick=0.33 if ancient else 0.17)
    if not build.has("dead", "bare", "winter", "leafless", "spooky", "haunted"):
        _add_crown(model, build, tips)
    if build.has("apple", "cherry") and not build.has("blossom"):
        points = _crown_points(build, tips, 40, 1.08)
        model.add("accent", scatter(sphere(0.055), points), part="fruit")
    model.anchor("top", (0, 2.3, 0), size=0.8)
    model.anchor("eyes", (0, 0.7, 0.26), size=0.4)
    return model


def _add_trunk(model: Model, build: Build, *, thick: float) -> Array:
    rng, bend = build.rng, build.vary(0.12, 0.9)
    spine = [(0, 0, 0), (bend, 0.45, 0.05), (-0.4 * bend, 0.9, -0.04), (0.05, 1.25, 0)]
    model.add("secondary", tube(spine, [1.45 * thick, thick, 0.85 * thick, 0.62 * thick]), part="trunk")
    wood = []
    for i in range(7):
        a = 2 * np.pi * (i + rng.uniform(-0.2, 0.2)) / 7
        out = np.array([np.cos(a), 0, np.sin(a)])
        path = [
            0.5 * thick * out + [0, 0.28, 0],
            1.5 * thick * out + [0, 0.1, 0],
            (2.4 * thick + 0.1) * out + [0, -0.02, 0],
        ]
        wood.append(tube(path, [0.5 * thick, 0.36 * thick, 0.1 * thick]))
    tips = []
    for i in range(8):
        a = 2 * np.pi * (i * 0.382 + rng.uniform(-0.05, 0.05))
        start = np.array([0.02, 0.72 + 0.07 * i, 0.0])
        reach = rng.uniform(0.55, 0.85) * (1.0 - 0.055 * i)
        out = np.array([np.cos(a), 0, np.sin(a)])
        end = start + reach * out + [0, rng.uniform(0.3, 0.55), 0]
        elbow = start + 0.5 * reach * out + [0, rng.uniform(0.0, 0.14), 0]
        wood.append(tube([start, elbow, end], [0.5 * thick, 0.32 * thick, 0.09 * thick]))
        for side in (-1, 1):
            twig = end + 0.3 * np.array(
                [np.cos(a + side * 0.9), rng.uniform(0.3, 0.8), np.sin(a + side * 0.9)]
            )
            wood.append(tube([elbow + 0.4 * (end - elbow), twig], [0.2 * thick, 0.04 * thick]))
            tips.append(twig)
        tips.append(end)
    model.add("secondary", join(wood), part="branch")
    return np.array([*tips, [0.05, 1.75, 0.0]])


def _crown_points(build: Build, tips: Array, count: int, spread: float) -> Array:
    """Places on the skin of the crown's puffs, not inside of them."""
    rng = build.rng
    out = rng.normal(0, 1, (count, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return np.asarray(tips[rng.integers(len(tips), size=count)] + out * 0.3 * spread)


def _add_crown(model: Model, build: Build, tips: Array) -> None:
    puffs = [
        (tuple(tip), float(r)) for tip, r in zip(tips, build.rng.uniform(0.2, 0.3, len(tips)), strict=True)
    ]
    model.add("primary", blend([*puffs, ((0.0, 1.55, 0.0), 0.45)], softness=0.08, cells=50), part="leaf")
    points = _crown_points(build, tips, 900, 1.0)
    leaf = ellipsoid(0.055, 0.012, 0.085)
    lean = build.rng.normal(0, 0.5, (len(points), 3)) + np.array([0, 1, 0])
    spin, sizes = build.rng.uniform(0, 360, len(points)), build.rng.uniform(0.7, 1.2, len(points))
    model.add("primary", scatter(_coarse(leaf), points, directions=lean, spin=spin, sizes=sizes), part="leaf")


def _coarse(leaf: Shape) -> Shape:
    """A leaf of few faces, since there are many of them."""
    x, y, z = leaf.bounds()[1]
    corners = np.array([[x, 0, 0], [0, 0, z], [-x, 0, 0], [0, 0, -z], [0, y, 0], [0, -y, 0]])
    faces = np.array([[0, 4, 1], [1, 4, 2], [2, 4, 3], [3, 4, 0], [1, 5, 0], [2, 5, 1], [3, 5, 2], [0, 5, 3]])
    return Shape(corners, faces[:, ::-1])


@family("mushroom", words=("mushroom", "toadstool", "fungus"), primary="red paint", secondary="cream plaster",
        accent="white plaster", grass="green grass")  # fmt: skip
def make_mushroom(build: Build) -> Model:
    model = build.model()
    if build.has("brown") or build.word == "fungus":
        model = build.model(primary="tan leather")
    sizes = [(1.0, (0.0, 0.0, 0.0)), (0.45, (0.62, 0.0, 0.25)), (0.34, (-0.5, 0.0, 0.38))]
    for scale, at in sizes:
        for role, shape, part in _mushroom_parts(build):
            model.add(role, shape.scaled(scale).at(at), part=part)
    blades = build.rng.uniform(-0.7, 0.7, (70, 3)) * [1, 0, 1]
    lean = build.rng.normal(0, 0.25, (70, 3)) * [1, 0, 1] + [0, 1, 0]
    model.add("grass", scatter(cone(0.028, 0.3, sides=5).moved(y=0.1), blades, directions=lean), part="grass")
    model.add("grass", ellipsoid(0.85, 0.06, 0.8), part="grass")
    model.anchor("eyes", (0, 0.42, 0.22), size=0.42)
    return model


def _mushroom_parts(build: Build) -> list[tuple[str, Shape, str]]:
    cap = lathe([(0.1, 0.68), (0.5, 0.66), (0.78, 0.7), (0.76, 0.86), (0.58, 1.12), (0.3, 1.27), (0, 1.32)])
    stem = lathe([(0, 0), (0.26, 0.0), (0.24, 0.15), (0.17, 0.45), (0.19, 0.7), (0, 0.72)])
    skirt = lathe([(0.18, 0.56), (0.32, 0.47), (0.31, 0.45), (0.18, 0.5)])
    spots = []
    for elevation, count, size in ((12, 7, 0.1), (38, 6, 0.12), (63, 4, 0.1), (90, 1, 0.12)):
        for k in range(count):
            e, a = np.deg2rad(elevation), 2 * np.pi * (k + elevation / 40) / count
            out = np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
            spots.append(
                ellipsoid(size, 0.03, size)
                .pointed(out * [1, 1.3, 1])
                .at(out * [0.74, 0.53, 0.74] + [0, 0.785, 0])
            )
    return [
        ("primary", cap, "cap"),
        ("secondary", stem, "stem"),
        ("secondary", skirt, "stem"),
        ("accent", join(spots), "spot"),
    ]
