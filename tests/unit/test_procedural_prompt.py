"""What is understood of prompts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subnet17.procedural.prompt import Thing, understand


def _relations(prompt: str) -> list[tuple[str, str]]:
    return [(r.kind, r.thing.noun) for r in understand(prompt).relations]


def _related(prompt: str, noun: str) -> Thing:
    return next(r.thing for r in understand(prompt).relations if r.thing.noun == noun)


@pytest.mark.parametrize(
    ("prompt", "family", "noun"),
    [
        ("a red sports car", "car", "sports car"),
        ("Sports cars", "car", "sports car"),
        ("a wooden chair", "chair", "chair"),
        ("an ancient tree with glowing runes", "tree", "tree"),
        ("a coffee mug", "mug", "coffee mug"),
        ("generate a 3D model of a cat", "cat", "cat"),
        ("two knights", "person", "knight"),
        ("a detailed fantasy sword", "sword", "sword"),
        ("an orange cat", "cat", "cat"),
        ("a cat, fluffy and orange", "cat", "cat"),
        ("a stone castle", "castle", "castle"),
        ("a flurble", None, "flurble"),
        ("a stone flurble", None, "flurble"),
        ("an orange rock", "rock", "rock"),
        ("a picture of a cat", "cat", "cat"),
        ("a suit of armor", "armor", "suit of armor"),
    ],
)
def test_the_head_noun_is_the_longest_last_known_noun(prompt: str, family: str | None, noun: str) -> None:
    read = understand(prompt)
    assert (read.family, read.subject.noun) == (family, noun)


@pytest.mark.parametrize(
    ("prompt", "colours"),
    [
        ("a red chair", ("red",)),
        ("a dark red chair", ("red",)),
        ("a black and white cat", ("black", "white")),
        ("a chair in blue", ("blue",)),
        ("a chair, green", ("green",)),
        ("a cat wearing a blue wizard hat", ()),
    ],
)
def test_colours_are_bound_to_the_subject(prompt: str, colours: tuple[str, ...]) -> None:
    assert understand(prompt).subject.colour_words == colours


def test_colours_of_an_accessory_stay_with_it() -> None:
    read = understand("an orange cat wearing a blue wizard hat")
    assert read.subject.colour_words == ("orange",)
    assert _related("an orange cat wearing a blue wizard hat", "wizard hat").colour_words == ("blue",)


def test_a_shade_changes_the_colour_it_stands_before() -> None:
    dark, plain = (understand(p).subject.colours[0] for p in ("a dark red chair", "a red chair"))
    assert sum(dark) < sum(plain)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat wearing a wizard hat", [("wearing", "wizard hat")]),
        ("a cat with wings and a crown", [("with", "wing"), ("with", "crown")]),
        ("a robot holding a sword", [("holding", "sword")]),
        ("a cat sitting on a chair", [("on", "chair")]),
        ("a red car with white wheels", [("with", "wheel")]),
        ("a knight in armor", [("wearing", "armor")]),
        ("a dog and a cat", [("and", "cat")]),
        ("a dragon statue", [("on", "pedestal")]),
        ("a statue of a dragon", [("on", "pedestal")]),
        ("a man in a blue suit", [("with", "suit")]),
        ("a bowl of apples", [("filled", "apple")]),
        ("a totem pole with an eagle on top", [("topped", "eagle")]),
        ("a totem pole with an eagle on the top", [("topped", "eagle")]),
        ("a cat on top of a chair", [("on", "chair")]),
        ("a shield with a lion emblem", [("with", "emblem")]),
        ("a snowman with a carrot nose", [("with", "nose")]),
        ("an elven bow decorated with leaves", [("with", "leaf")]),
        ("a key of blackened iron", []),
        ("a chair made of gold", []),
        ("a chair covered in moss", []),
    ],
)
def test_relations_are_read(prompt: str, expected: list[tuple[str, str]]) -> None:
    assert _relations(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "material"),
    [
        ("a chair made of gold", "gold"),
        ("a wooden chair", "wood"),
        ("a dragon statue", "stone"),
        ("a golden cat statue", "gold"),
        ("robot dog", "metal"),
        ("a key of blackened iron", "iron"),
    ],
)
def test_materials_are_read(prompt: str, material: str) -> None:
    assert material in understand(prompt).subject.materials


def test_a_part_after_a_noun_is_the_head_and_remembers_its_likeness() -> None:
    emblem = _related("a shield with a lion emblem", "emblem")
    assert (emblem.likeness, emblem.family) == ("lion", None)
    assert understand("a shield with a lion emblem").unknown_words == ()
    assert _related("a cat with a carrot", "carrot").likeness == ""


@pytest.mark.parametrize(
    ("prompt", "finish"),
    [
        ("a rusty robot", "rusty"),
        ("a chair covered in moss", "mossy"),
        ("an old house", "worn"),
        ("a cat with stripes", "striped"),
    ],
)
def test_finishes_are_read(prompt: str, finish: str) -> None:
    assert finish in understand(prompt).subject.finishes


@pytest.mark.parametrize(
    ("prompt", "count"),
    [
        ("two cats", 2),
        ("a pair of mugs", 2),
        ("5 chairs", 5),
        ("a cat", 1),
        ("mushrooms", 3),
        ("a hundred and 400 cats", 9),
    ],
)
def test_counts_are_read_and_bounded(prompt: str, count: int) -> None:
    assert understand(prompt).subject.count == count


def test_unknown_words_are_listed_once_and_lower_the_known_share() -> None:
    read = understand("a zorpy zorpy red chair")
    assert read.unknown_words == ("zorpy",)
    assert read.known_share == pytest.approx(2 / 3)
    assert understand("a red chair").known_share == 1.0
    assert understand("flurble").known_share == 0.0


def test_an_empty_prompt_is_an_unknown_subject() -> None:
    assert understand("").family is None
    assert understand("   ,,, ").unknown_words == ()


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=1024))
def test_any_text_is_read_without_an_error(prompt: str) -> None:
    read = understand(prompt)
    assert 0.0 <= read.known_share <= 1.0
    assert 1 <= read.subject.count <= 9


_WORDS = st.sampled_from(
    ["a", "red", "cat", "wearing", "hat", "with", "and", "on", "in", "made", "of", "gold", "two", "chairs"]
) | st.sampled_from(
    ["moss", "statue", "covered", "glowing", "runes", ",", "without", "robot", "suit", "bunch"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_WORDS, min_size=1, max_size=24).map(" ".join))
def test_any_order_of_known_words_is_read_without_an_error(prompt: str) -> None:
    assert 0.0 <= understand(prompt).known_share <= 1.0
