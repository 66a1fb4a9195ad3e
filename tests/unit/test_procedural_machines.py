"""Machines, buildings, weapons, tools and instruments: every family makes a whole, coloured object."""

from __future__ import annotations

import numpy as np
import pytest

from subnet17.procedural import finish
from subnet17.procedural.finish import finish_mesh
from subnet17.procedural.make import make_model
from subnet17.procedural.model import Build, Model, families
from subnet17.procedural.prompt import understand

AIRCRAFT = ("airplane", "fighter jet", "biplane", "helicopter", "hot air balloon")
SPACECRAFT = ("rocket", "space shuttle", "spaceship", "ufo")
SHIPS = ("rowing boat", "sailboat", "sailing ship", "steamship", "submarine", "longship")
VEHICLES = ("locomotive", "tank", "tractor", "cart", "bicycle", "motorcycle", "scooter")
BUILDINGS = ("lighthouse", "windmill", "skyscraper", "watchtower", "temple", "church", "pagoda", "well")
HAULERS = ("bus", "fire engine", "bulldozer", "rover", "go-kart", "sled", "carriage", "wheelbarrow")
LANDMARKS = ("bridge", "tent", "pyramid", "igloo", "arch", "fountain", "totem pole")
HELD = ("axe", "hammer", "warhammer", "dagger", "spear", "shield", "bow", "staff", "wand", "pistol", "wrench",
        "screwdriver", "saw", "shovel", "pickaxe", "key", "guitar", "violin", "trumpet", "bell",
        "banjo", "saxophone", "drill")  # fmt: skip
OTHERS = ("cannon", "anvil", "padlock", "anchor", "gear", "telescope", "piano", "drum", "harp", "accordion",
          "toolbox")  # fmt: skip
ALL = AIRCRAFT + SPACECRAFT + SHIPS + VEHICLES + HAULERS + BUILDINGS + LANDMARKS + HELD + OTHERS

LENGTHWISE = ("airplane", "fighter jet", "space shuttle", "sailing ship", "steamship", "submarine",
              "longship", "locomotive", "tank", "tractor", "bicycle", "motorcycle", "scooter",
              "cannon", "pistol")  # fmt: skip
"""Their front is at one end of their longest horizontal side."""


def _build(name: str, seed: int, word: str = "") -> Model:
    family = families()[name]
    word = word or family.words[0]
    rng = np.random.default_rng(seed)
    return family.make(Build(rng, word, frozenset(word.split()), family.roles))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", ALL)
def test_family_makes_a_finite_coloured_mesh_of_unit_size(
    name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "EDGE_LIMITS", (0.06, 0.06))  # coarse texture: a tenth of the time
    mesh = finish_mesh(_build(name, seed), seed=seed)
    assert np.isfinite(mesh.vertices).all()
    assert len(mesh.faces) > 2000
    assert mesh.faces.min() >= 0
    assert mesh.faces.max() < len(mesh.vertices)
    sides = np.ptp(mesh.vertices, axis=0)
    assert sides.max() == pytest.approx(1.0, abs=1e-3)
    assert sides.min() > 0.02
    rgba = mesh.visual.vertex_colors
    assert rgba.dtype == np.uint8
    assert (rgba[:, 3] == 255).all()
    assert rgba[:, :3].std(axis=0).max() > 3  # shaded and painted, not one flat colour


@pytest.mark.parametrize("name", ALL)
def test_same_seed_gives_the_same_parts(name: str) -> None:
    once, again = _build(name, 7), _build(name, 7)
    assert len(once.parts) == len(again.parts)
    for a, b in zip(once.parts, again.parts, strict=True):
        assert a.paint == b.paint
        np.testing.assert_array_equal(a.shape.vertices, b.shape.vertices)
        np.testing.assert_array_equal(a.shape.faces, b.shape.faces)


@pytest.mark.parametrize("name", ALL)
def test_every_name_of_a_family_leads_to_it_and_builds(name: str) -> None:
    for word in families()[name].words:
        assert understand(f"a detailed {word}").family == name
        model = _build(name, 3, word)
        assert all(np.isfinite(part.shape.vertices).all() for part in model.parts)


@pytest.mark.parametrize("name", ALL)
def test_primary_parts_are_large_enough_to_show_the_first_colour_of_a_prompt(name: str) -> None:
    parts = _build(name, 1).parts
    areas = {part.role: 0.0 for part in parts}
    for part in parts:
        a, b, c = (part.shape.vertices[part.shape.faces[:, k]] for k in range(3))
        areas[part.role] += float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())
    assert areas["primary"] > 0.1 * sum(areas.values())


@pytest.mark.parametrize("name", HELD)
def test_what_is_held_says_where_and_by_what_thickness(name: str) -> None:
    model = _build(name, 1)
    grip, size = model.anchors["grip"], float(np.ptp(model.bounds(), axis=0).max())
    low, high = model.bounds()
    assert (grip.position > low - 0.1 * size).all()
    assert (grip.position < high + 0.1 * size).all()
    assert 0.03 * size < grip.size < 0.35 * size


@pytest.mark.parametrize("name", LENGTHWISE)
def test_long_machines_point_towards_the_front(name: str) -> None:
    low, high = _build(name, 1).bounds()
    assert high[2] - low[2] > 0.9 * (high[0] - low[0])


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a green farm tractor with large rear wheels", "tractor"),
        ("a pirate ship with black sails", "sailing ship"),
        ("a silver space shuttle", "space shuttle"),
        ("a wizard's staff", "staff"),
        ("two battle axes", "axe"),
        ("knives", "dagger"),
    ],
)
def test_prompt_names_the_family(prompt: str, name: str) -> None:
    assert understand(prompt).family == name


def test_named_parts_take_their_own_colour() -> None:
    plain = make_model("a pirate ship", seed=5).mesh.visual.vertex_colors[:, :3].astype(float)
    black = (
        make_model("a pirate ship with black sails", seed=5).mesh.visual.vertex_colors[:, :3].astype(float)
    )
    assert (black.mean(axis=1) < 70).mean() > (plain.mean(axis=1) < 70).mean() + 0.1
