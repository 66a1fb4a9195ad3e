"""The families of nature, food, home and toys: sound geometry, the right words, the right places."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from subnet17.procedural.make import make_model
from subnet17.procedural.model import Build, Family, Model, families
from subnet17.procedural.prompt import understand
from subnet17.procedural.sheets import frond, leaf, lens

MODULES = frozenset((
    "sea_life", "swimmers", "insects", "crawlers", "plants", "flowers", "food", "sweets", "fruit",
    "groceries", "vessels", "tableware", "household", "furnishings", "electronics", "computers", "toys",
    "games", "curios", "treasures",
))  # fmt: skip
VARIANTS = (
    "squid", "tortoise", "hammerhead shark", "orca", "wasp", "beetle", "moth", "slug", "christmas tree",
    "fern", "aloe", "jack o lantern", "daisy", "pizza slice", "wedding cake", "pear", "tangerine",
    "bananas", "radish", "croissant", "toast", "baguette", "dragon egg", "easter egg", "kettle", "ramen",
    "salad", "trophy", "wine glass", "suitcase", "dresser", "alarm clock", "grandfather clock",
    "pocket watch", "painting", "hand mirror", "tome", "campfire", "retro computer", "smartphone",
    "soccer ball", "basketball", "bowling ball", "chess knight", "chess king", "chess bishop", "moon",
    "earth planet", "diamond", "snow globe", "coins", "medal", "sneaker", "parcel",
)  # fmt: skip
"""Names that make a family take another branch than its first name does."""


def _mine() -> Mapping[str, Family]:
    return {name: f for name, f in families().items() if f.make.__module__.rpartition(".")[2] in MODULES}


def _make(family: Family, seed: int, noun: str = "") -> Model:
    noun = noun or family.words[0]
    return family.make(Build(np.random.default_rng(seed), noun, frozenset(noun.split()), family.roles))


@cache
def _made(name: str, seed: int) -> Model:
    return _make(families()[name], seed)


def _digest(model: Model) -> str:
    total = hashlib.sha256()
    for part in model.parts:
        total.update(part.shape.vertices.tobytes() + part.shape.faces.tobytes() + repr(part.paint).encode())
    return total.hexdigest()


def _check(model: Model) -> None:
    for part in model.parts:
        vertices, faces = part.shape
        assert np.isfinite(vertices).all()
        assert faces.min() >= 0 and faces.max() < len(vertices)
        if part.fade is not None:
            assert len(part.fade) == len(vertices)
            assert np.isfinite(part.fade).all() and part.fade.min() >= 0 and part.fade.max() <= 1
        assert all(0 <= c <= 1 for c in part.paint.colour)
    size = np.ptp(model.bounds(), axis=0)
    assert 0.5 < size.max() < 6
    assert size.min() > 0.03 * size.max()


def test_there_are_many_kinds_of_things() -> None:
    assert len(_mine()) >= 40


@pytest.mark.parametrize("name", sorted(_mine()))
def test_a_family_makes_sound_shapes_with_any_seed(name: str) -> None:
    for seed in (1, 2):
        _check(_made(name, seed))


@pytest.mark.parametrize("noun", VARIANTS)
def test_a_variant_of_a_family_is_sound_and_not_the_usual_thing(noun: str) -> None:
    family = _mine()[understand(noun).family or ""]
    model = _make(family, 1, noun)
    _check(model)
    assert _digest(model) != _digest(_made(family.name, 1))


@pytest.mark.parametrize("name", sorted(_mine()))
def test_the_same_seed_makes_the_same_shapes(name: str) -> None:
    assert _digest(_make(families()[name], 1)) == _digest(_made(name, 1))


@pytest.mark.parametrize("name", sorted(_mine()))
def test_every_name_of_a_family_finds_it(name: str) -> None:
    for word in _mine()[name].words:
        assert understand(f"a {word}").family == name, word


@pytest.mark.parametrize("name", sorted(_mine()))
def test_a_family_has_something_for_the_first_colour_word(name: str) -> None:
    model = _made(name, 1)
    painted = sum(len(p.shape.faces) for p in model.parts if "primary" in (p.role, p.fade_role))
    assert painted > 0


@pytest.mark.parametrize("name", sorted(_mine()))
def test_anchors_lie_in_or_near_the_object(name: str) -> None:
    model = _made(name, 1)
    low, high = model.bounds()
    near = 0.25 * float((high - low).max())
    for anchor in model.anchors.values():
        assert anchor.size > 0
        assert (anchor.position > low - near).all() and (anchor.position < high + near).all()


@pytest.mark.parametrize("prompt", ["a diamond", "a red crab", "a pink donut", "a wooden crate", "a fern"])
def test_a_finished_object_has_many_faces_and_valid_colours(prompt: str) -> None:
    mesh = make_model(prompt, seed=1).mesh
    assert len(mesh.faces) > 2000
    assert np.isfinite(mesh.vertices).all()
    assert np.ptp(mesh.vertices, axis=0).max() == pytest.approx(1.0, abs=1e-6)
    assert mesh.visual.vertex_colors.dtype == np.uint8
    assert len(np.unique(mesh.visual.vertex_colors, axis=0)) > 50


@pytest.mark.parametrize(
    ("prompt", "family", "count"),
    [
        ("a slice of pepperoni pizza", "pizza", 1),
        ("a bunch of purple grapes", "grapes", 1),
        ("a stack of pancakes", "pancakes", 1),
        ("a pair of ivory dice", "dice", 1),
        ("a pair of round sunglasses", "glasses", 1),
        ("three pumpkins", "pumpkin", 3),
    ],
)
def test_portions_and_collectives_name_the_thing_itself(prompt: str, family: str, count: int) -> None:
    subject = understand(prompt).subject
    assert (subject.family, subject.count) == (family, count)


def test_of_a_wood_names_the_material_and_not_a_tree() -> None:
    understanding = understand("a rocking horse made of pine")
    assert (understanding.family, understanding.relations) == ("rocking horse", ())
    assert understand("a grandfather clock of oak").subject.materials == ("wood",)


def test_a_colour_word_repaints_the_rose_and_not_its_leaves() -> None:
    model = make_model("a blue rose", seed=1)
    assert not model.notes
    colours = model.mesh.visual.vertex_colors[:, :3].astype(int)
    upper = model.mesh.vertices[:, 1] > 0.3
    assert np.argmax(colours[upper].mean(axis=0)) == 2
    assert np.argmax(colours[model.mesh.vertices[:, 1] < -0.2].mean(axis=0)) == 1


def test_a_part_named_without_a_colour_keeps_its_pattern() -> None:
    plain, open_winged = (
        make_model(p, seed=1) for p in ("a monarch butterfly", "a monarch butterfly with open wings")
    )
    dark = [np.mean(m.mesh.visual.vertex_colors[:, :3].max(axis=1) < 70) for m in (plain, open_winged)]
    assert dark[1] == pytest.approx(dark[0], abs=0.1)
    assert dark[1] > 0.1


def test_a_lens_is_thick_in_its_middle_and_faces_outwards() -> None:
    outline = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    for points in (outline, outline[::-1]):
        shape = lens(points, 0.2, smooth=False)
        assert np.ptp(shape.vertices[:, 2]) == pytest.approx(0.2)
        a, b, c = (shape.vertices[shape.faces[:, k]] for k in range(3))
        volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6
        assert volume > 0.2


@pytest.mark.parametrize("bend_deg", [0.0, 60.0, 120.0])
def test_a_leaf_is_as_long_and_wide_as_asked(bend_deg: float) -> None:
    vertices = leaf(2.0, 0.5, bend_deg=bend_deg).vertices
    assert np.ptp(vertices[:, 0]) == pytest.approx(0.5, rel=0.05)
    assert np.linalg.norm(vertices, axis=1).max() <= 2.0 * 1.15
    assert (vertices[:, 2].max() > 0.5) == (bend_deg > 0)


def test_a_frond_has_leaflets_on_both_sides() -> None:
    vertices = frond(1.0, 0.4).vertices
    assert vertices[:, 0].min() < -0.1 and vertices[:, 0].max() > 0.1
