"""What the local subnet asks for."""

from __future__ import annotations

import base64
import io
import random

import pytest
from PIL import Image

from subnet17.localnet.pictures import BACKGROUND, COLOURS, OBJECTS, Picture, draw_pictures
from subnet17.localnet.tasks import TaskDeck, load_prompts
from subnet17.mining.protocol import ImageTask, TextTask


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return draw_pictures()


def _open(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.png_base64, validate=True)))


def test_prompts_are_many_different_and_short() -> None:
    prompts = load_prompts()
    assert len(prompts) >= 150
    assert len(set(prompts)) == len(prompts)
    assert all(5 <= len(prompt) <= 100 and prompt == prompt.strip() for prompt in prompts)


@pytest.mark.parametrize(
    "prompt",
    [
        "a cute cat wearing a wizard hat",
        "a rusty robot",
        "a detailed fantasy sword",
        "an ancient tree with glowing runes",
        "a red sports car",
        "a wooden chair",
    ],
)
def test_the_documented_examples_are_among_the_prompts(prompt: str) -> None:
    assert prompt in load_prompts()


def test_every_picture_shows_something_of_its_own(pictures: list[Picture]) -> None:
    assert len({picture.png_base64 for picture in pictures}) == len(OBJECTS) * len(COLOURS)
    assert len({picture.title for picture in pictures}) == len(pictures)


def test_pictures_are_512_px_with_an_object_on_a_plain_ground(pictures: list[Picture]) -> None:
    for picture in pictures[:: len(COLOURS)]:
        image = _open(picture)
        assert (image.format, image.size, image.mode) == ("PNG", (512, 512), "RGB")
        ground = sum(pixel == BACKGROUND for pixel in image.get_flattened_data())
        assert 0.3 < ground / 512**2 < 0.95
        assert all(
            image.getpixel(corner) == BACKGROUND for corner in ((0, 0), (511, 0), (0, 511), (511, 511))
        )


def test_nothing_comes_again_before_everything_was_dealt() -> None:
    deck = TaskDeck(["a", "b", "c"], [], image_share=0, rng=random.Random(1))
    dealt = [deck.deal()[0].prompt for _ in range(6)]
    assert sorted(dealt[:3]) == sorted(dealt[3:]) == ["a", "b", "c"]


def test_task_ids_are_unique() -> None:
    deck = TaskDeck(["a"], [], image_share=0, rng=random.Random(1))
    assert len({deck.deal()[0].id for _ in range(50)}) == 50


def test_about_the_given_share_are_pictures() -> None:
    deck = TaskDeck(["a"], [Picture("a mug", "cG5n")], image_share=0.2, rng=random.Random(1))
    dealt = [deck.deal() for _ in range(1000)]
    images = [title for task, title in dealt if isinstance(task, ImageTask)]
    texts = [title for task, title in dealt if isinstance(task, TextTask)]
    assert 150 < len(images) < 250
    assert set(images) == {"picture of a mug"}
    assert set(texts) == {"a"}
