"""What the catalogue of families and the tables of words must hold."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from pathlib import Path

import pytest

from subnet17.procedural import families as package
from subnet17.procedural.colours import COLOURS, SAME_COLOUR, rgb
from subnet17.procedural.model import Build, Model, families, family
from subnet17.procedural.paint import FINISHES, MATERIALS, SAME_FINISH, SAME_MATERIAL
from subnet17.procedural.textures import OVERLAYS, TEXTURES

MODULES = sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def _declared() -> dict[str, str]:
    """Module by the name of every family that a source file of the catalogue declares."""
    found: dict[str, str] = {}
    for module in MODULES:
        source = importlib.import_module(f"{package.__name__}.{module}").__file__
        assert source is not None
        for name in re.findall(r'@family\(\s*"([^"]+)"', Path(source).read_text(encoding="utf-8")):
            assert name not in found, f"family {name!r} is in {found[name]}.py and in {module}.py"
            found[name] = module
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_the_catalogue_imports(module: str) -> None:
    imported = importlib.import_module(f"{package.__name__}.{module}")
    assert any(f.make.__module__ == imported.__name__ for f in families().values())


def test_every_declared_family_is_in_the_catalogue_once() -> None:
    assert sorted(_declared()) == sorted(families())
    assert all(name == family.name for name, family in families().items())
    assert len(families()) >= 40


def test_no_two_families_share_a_word() -> None:
    owners: dict[str, list[str]] = {}
    for name, known in families().items():
        for word in known.words:
            owners.setdefault(word, []).append(f"{name} ({known.make.__module__.rpartition('.')[2]}.py)")
    assert {word: names for word, names in owners.items() if len(names) > 1} == {}
    assert all(word == word.lower() for word in owners)


def test_a_clash_of_words_is_refused_and_names_both_families_and_their_modules() -> None:
    def make(build: Build) -> Model:
        return build.model()

    families()
    with pytest.raises(ValueError, match=r"'second chair'.*'chair'.*family 'chair'.*seating"):
        family("second chair", words=("throne chair", "chair"), primary="wood")(make)
    with pytest.raises(ValueError, match=r"'mug'.*family 'mug'"):
        family("mug", words=("unheard of mug",), primary="wood")(make)
    assert "second chair" not in families()


def test_there_are_at_least_forty_different_colour_words() -> None:
    values = [tuple(rgb(word)) for word in COLOURS]
    assert len(COLOURS) >= 40
    assert [value for value, uses in Counter(values).items() if uses > 1] == []
    assert set(SAME_COLOUR.values()) <= set(COLOURS)
    assert not set(SAME_COLOUR) & set(COLOURS)


def test_there_are_at_least_twelve_materials_and_each_has_its_texture() -> None:
    assert len(MATERIALS) >= 12
    assert len({(m.colour, m.texture, m.shine, m.metal, m.glow) for m in MATERIALS.values()}) >= 12
    assert {m.texture for m in MATERIALS.values()} <= set(TEXTURES)
    assert {m.colour for m in MATERIALS.values()} <= set(COLOURS)
    assert set(SAME_MATERIAL.values()) <= set(MATERIALS)


def test_every_finish_has_its_overlay() -> None:
    assert {overlay for overlay, _ in FINISHES.values()} <= set(OVERLAYS)
    assert set(SAME_FINISH.values()) <= set(FINISHES)
