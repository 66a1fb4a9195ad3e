"""What is made of prompts and pictures."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from subnet17.errors import InvalidInputError
from subnet17.procedural.finish import MOST_FACES
from subnet17.procedural.make import Made, compose_model, make_model, make_model_from_image
from subnet17.procedural.model import Build, Model, families
from subnet17.procedural.prompt import nouns, understand
from subnet17.procedural.shapes import weld
from subnet17.procedural.sweeps import cylinder
from subnet17.procedural.tessellate import cut_long_edges, drop_slivers

NAMES = sorted(families())
README_PROMPTS = [
    "a cute cat wearing a wizard hat",
    "a rusty robot",
    "a detailed fantasy sword",
    "an ancient tree with glowing runes",
    "a red sports car",
    "a wooden chair",
]


def _build(name: str, seed: int) -> Model:
    family = families()[name]
    word = family.words[0]
    return family.make(Build(np.random.default_rng(seed), word, frozenset(word.split()), family.roles))


def _check_mesh(made: Made) -> None:
    mesh = made.mesh
    assert np.isfinite(mesh.vertices).all()
    assert 2_000 < len(mesh.faces) <= 150_000
    low, high = mesh.bounds
    assert float((high - low).max()) == pytest.approx(1.0)
    assert np.allclose(low + high, 0.0, atol=1e-9)
    colours = np.asarray(mesh.visual.vertex_colors)
    assert colours.shape == (len(mesh.vertices), 4)
    assert (colours[:, 3] == 255).all()
    assert colours[:, :3].std() > 3


@pytest.mark.parametrize("name", NAMES)
def test_every_family_builds_a_sound_model(name: str) -> None:
    for seed in (1, 2):
        model = _build(name, seed)
        low, high = model.bounds()
        extent = high - low
        assert np.isfinite(extent).all()
        assert float(extent.max()) > 0
        assert float(np.sort(extent)[1]) > 0.02 * float(extent.max())
        for part in model.parts:
            assert part.shape.faces.min() >= 0
            assert part.shape.faces.max() < len(part.shape.vertices)
            assert part.fade is None or len(part.fade) == len(part.shape.vertices)


def test_no_family_is_finer_than_the_face_budget_before_it_is_tessellated() -> None:
    counts = {name: sum(len(p.shape.faces) for p in _build(name, 1).parts) for name in NAMES}
    assert {name: count for name, count in counts.items() if count > MOST_FACES} == {}


def test_cutting_spends_the_face_budget_on_the_longest_edges_and_opens_no_crack() -> None:
    closed = drop_slivers(weld(cylinder(0.5, 1.0, sides=64)))
    vertices, faces = cut_long_edges(closed.vertices, closed.faces, 0.001, most_faces=20_000)
    sides = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    _, uses = np.unique(sides, axis=0, return_counts=True)
    assert len(closed.faces) < 10_000 < len(faces) <= 20_000
    assert (uses == 2).all()
    length = np.linalg.norm(vertices[sides[:, 0]] - vertices[sides[:, 1]], axis=1)
    assert length.max() < 3 * np.median(length)


@pytest.mark.parametrize("name", NAMES[::12])
def test_a_family_becomes_a_fine_coloured_mesh(name: str) -> None:
    _check_mesh(make_model(families()[name].words[0], seed=3))


@pytest.mark.parametrize("prompt", README_PROMPTS)
def test_the_readme_prompts_are_understood_and_made(prompt: str) -> None:
    made = make_model(prompt, seed=1)
    _check_mesh(made)
    assert made.notes == []
    assert made.understanding is not None
    assert made.understanding.known_share == 1.0


def test_every_word_of_every_family_finds_it() -> None:
    for words, name in nouns().items():
        assert understand("the " + " ".join(words)).family == name, words


def _digest(prompt: str, seed: int) -> str:
    mesh = make_model(prompt, seed=seed).mesh
    parts = (mesh.vertices, mesh.faces, mesh.visual.vertex_colors)
    return hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts)).hexdigest()


def test_the_same_prompt_and_seed_give_the_same_bytes_in_another_process() -> None:
    prompt = "two mossy mushrooms with spikes on a rock"
    code = f"from tests.unit.test_procedural_models import _digest; print(_digest({prompt!r}, 7))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "99"},
    )
    assert run.stdout.strip() == _digest(prompt, 7)


def test_another_seed_gives_another_object() -> None:
    assert _digest("a tree", 1) != _digest("a tree", 2)


@pytest.mark.parametrize(("word", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
@pytest.mark.parametrize("subject", ["chair", "sports car", "robot", "cat", "house", "mug"])
def test_a_colour_word_becomes_the_dominant_colour(word: str, channel: int, subject: str) -> None:
    model, _, _ = compose_model(f"a {word} {subject}", seed=1)
    painted = np.array([p.paint.colour for p in model.parts if p.role == "primary"])
    assert (painted.argmax(axis=1) == channel).all()
    assert len(painted) > 0


def test_a_colour_word_reaches_the_mesh() -> None:
    means = [
        np.asarray(make_model(f"a {c} mug", seed=1).mesh.visual.vertex_colors)[:, :3].mean(axis=0)
        for c in ("red", "blue")
    ]
    assert means[0][0] > means[0][2] + 40
    assert means[1][2] > means[1][0] + 40


def test_a_material_word_changes_the_main_material_but_not_tyres() -> None:
    model, _, _ = compose_model("a wooden car", seed=1)
    materials = {p.role: p.paint.material for p in model.parts}
    assert materials["primary"] == "wood"
    assert materials["dark"] == "rubber"


def test_a_part_is_painted_by_its_name() -> None:
    model, _, notes = compose_model("a red car with white wheels", seed=1)
    wheels = [p.paint.colour for p in model.parts if p.name == "wheel"]
    assert notes == []
    assert wheels
    assert all(min(colour) > 0.9 for colour in wheels)


@pytest.mark.parametrize(
    ("prompt", "copies"), [("a mug", 1), ("two mugs", 2), ("three mugs", 3), ("five mugs", 5)]
)
def test_counts_make_copies_side_by_side(prompt: str, copies: int) -> None:
    model, _, _ = compose_model(prompt, seed=1)
    bodies = [p.shape.bounds().mean(axis=0) for p in model.parts if p.name == "handle"]
    assert len(bodies) == copies
    distances = [np.linalg.norm(a - b) for i, a in enumerate(bodies) for b in bodies[:i]]
    assert all(d > 0.5 for d in distances)


def _part(model: Model, name: str) -> np.ndarray:
    return np.concatenate([p.shape.vertices for p in model.parts if p.name == name])


@pytest.mark.parametrize("subject", ["cat", "dog", "dragon", "robot", "penguin", "man"])
def test_a_hat_sits_on_the_head(subject: str) -> None:
    model, _, notes = compose_model(f"a {subject} wearing a wizard hat", seed=1)
    hat, head = _part(model, "hat"), _part(model, "eye")
    assert notes == []
    assert hat[:, 1].min() > head[:, 1].mean()
    assert abs(hat[:, 0].mean() - head[:, 0].mean()) < 0.2
    assert hat[:, 1].max() == pytest.approx(model.bounds()[1, 1])


def test_a_support_is_under_the_subject() -> None:
    model, _, notes = compose_model("a cat on a skateboard", seed=1)
    assert notes == []
    assert _part(model, "deck")[:, 1].max() < _part(model, "head")[:, 1].min()


def test_runes_lie_on_the_trunk_and_glow() -> None:
    plain, _, _ = compose_model("a tree", seed=1)
    model, _, _ = compose_model("a tree with glowing runes", seed=1)
    runes = [p for p in model.parts if p.name == "rune"]
    assert len(model.parts) == len(plain.parts) + 1
    assert "glowing" in runes[0].paint.finishes
    assert runes[0].shape.bounds()[1, 1] < model.bounds()[1, 1]


def test_without_takes_a_part_away() -> None:
    model, _, _ = compose_model("a cat without a tail", seed=1)
    assert "tail" not in {p.name for p in model.parts}


def test_an_unknown_subject_becomes_an_abstract_object_in_the_known_colour() -> None:
    made = make_model("a green flurble", seed=1)
    _check_mesh(made)
    assert made.notes == ["unknown word 'flurble': made an abstract object in its place"]
    model, _, _ = compose_model("a green flurble", seed=1)
    assert all(np.argmax(p.paint.colour) == 1 for p in model.parts if p.role == "primary")


def test_what_is_not_known_is_said() -> None:
    assert make_model("a zorpy chair", seed=1).notes == ["unknown word 'zorpy': left out"]
    assert "flurble" in make_model("a chair with a flurble", seed=1).notes[0]


def _drawing(background: tuple[int, ...], mode: str) -> Image.Image:
    image = Image.new(mode, (300, 200), background)
    ImageDraw.Draw(image).ellipse((50, 60, 250, 140), fill=(220, 30, 30, 255)[: len(background)])
    return image


@pytest.mark.parametrize(
    ("background", "mode"), [((255, 255, 255), "RGB"), ((0, 0, 0, 0), "RGBA"), ((40, 90, 40), "RGB")]
)
def test_a_picture_becomes_its_silhouette_in_its_colours(background: tuple[int, ...], mode: str) -> None:
    made = make_model_from_image(_drawing(background, mode), seed=1)
    _check_mesh(made)
    extent = made.mesh.extents
    assert extent[1] / extent[0] == pytest.approx(0.4, abs=0.06)
    assert 0.1 < extent[2] / extent[0] < 0.6
    red, green, blue = np.asarray(made.mesh.visual.vertex_colors)[:, :3].mean(axis=0)
    assert red > 2 * max(green, blue)
    assert "silhouette" in made.notes[0]


@pytest.mark.parametrize(
    "image",
    [Image.new("RGB", (64, 64), "white"), Image.new("RGBA", (64, 64), (0, 0, 0, 0)), Image.new("L", (1, 1))],
)
def test_a_picture_without_an_object_is_refused(image: Image.Image) -> None:
    with pytest.raises(InvalidInputError):
        make_model_from_image(image, seed=1)


@pytest.mark.parametrize(
    ("vessel", "contents"), [("bowl", "of apples"), ("vase", "with flowers"), ("basket", "full of mushrooms")]
)
def test_a_vessel_is_filled_at_its_mouth(vessel: str, contents: str) -> None:
    empty, _, _ = compose_model(f"a {vessel}", seed=1)
    model, _, notes = compose_model(f"a {vessel} {contents}", seed=1)
    added = np.concatenate([p.shape.vertices for p in model.parts[len(empty.parts) :]])
    mouth = empty.place("inside").position
    assert notes == []
    assert np.allclose(added[:, [0, 2]].mean(axis=0), mouth[[0, 2]], atol=0.2)
    assert added[:, 1].max() > mouth[1]


def _added(prompt: str, plain: str) -> np.ndarray:
    model, _, notes = compose_model(prompt, seed=1)
    without, _, _ = compose_model(plain, seed=1)
    assert notes == []
    known = {p.name for p in without.parts}
    return np.concatenate([p.shape.vertices for p in model.parts if p.name not in known])


def test_an_emblem_is_a_flat_relief_on_the_front() -> None:
    relief, shield = _added("a shield with a lion emblem", "a shield"), compose_model("a shield", seed=1)[0]
    low, high = shield.bounds()
    assert (relief.min(axis=0)[:2] > low[:2]).all()
    assert (relief.max(axis=0)[:2] < high[:2]).all()
    assert np.ptp(relief[:, 2]) < 0.4 * np.ptp(relief[:, 1])
    assert relief[:, 2].max() > high[2]


def test_what_is_on_top_stands_there() -> None:
    bird = _part(compose_model("a pedestal with an eagle on top", seed=1)[0], "beak")
    pedestal = compose_model("a pedestal", seed=1)[0]
    assert bird[:, 1].min() > pedestal.bounds()[1, 1]
    assert abs(bird[:, 0].mean() - pedestal.bounds()[:, 0].mean()) < 0.2


def test_a_shield_and_a_sword_go_into_different_hands() -> None:
    model, _, notes = compose_model("a knight holding a sword and a shield", seed=1)
    assert notes == []
    assert _part(model, "blade")[:, 0].max() < 0 < _part(model, "face")[:, 0].min()
    assert "sword" not in {p.name for p in model.parts}


@pytest.mark.parametrize("weapon", ["spear", "sword", "axe", "staff", "bow", "hammer"])
def test_what_is_held_does_not_reach_through_the_floor(weapon: str) -> None:
    floor = compose_model("a wizard", seed=1)[0].bounds()[0, 1]
    model, _, notes = compose_model(f"a wizard holding a {weapon}", seed=1)
    assert notes == []
    assert model.bounds()[0, 1] >= floor - 1e-9
