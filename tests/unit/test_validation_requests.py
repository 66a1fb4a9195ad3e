"""What the validation routes take for a request."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from subnet17.errors import InvalidInputError, TooLargeError
from subnet17.validation.requests import flatten_on_white, parse_request

DATA = base64.b64encode(b"asset").decode()


def body(**fields: Any) -> bytes:
    return json.dumps({"prompt": "a chair", "data": DATA} | fields).encode()


def png(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_defaults_are_the_official_ones() -> None:
    request = parse_request(body(), "text")
    assert (request.data, request.compression, request.prompt) == (b"asset", 0, "a chair")
    assert (request.single_preview, request.grid_preview) == (False, False)
    assert request.preview_score_threshold == 0.6
    assert request.prompt_image is None


@pytest.mark.parametrize("name", ["generate_single_preview", "generate_preview"])
def test_both_names_of_the_single_preview_work(name: str) -> None:
    assert parse_request(body(**{name: True}), "text").single_preview


def test_fields_that_other_clients_send_are_ignored_and_told() -> None:
    request = parse_request(body(data_ver=0, compresion=2), "text")
    assert (request.prompt, request.compression) == ("a chair", 0)
    assert request.ignored == ("compresion", "data_ver")


def test_a_prompt_of_the_longest_length_is_taken_and_one_more_is_not() -> None:
    assert len(parse_request(body(prompt="x" * 1024), "text").prompt or "") == 1024
    with pytest.raises(InvalidInputError, match="1025"):
        parse_request(body(prompt="x" * 1025), "text")


def test_a_duel_view_needs_no_prompt() -> None:
    assert parse_request(json.dumps({"data": DATA}).encode(), "duel").prompt is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.1, 1.1, True, "0.5", [0.5]])
def test_a_threshold_outside_its_range_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match="preview_score_threshold"):
        parse_request(body(preview_score_threshold=value), "text")


def test_transparency_is_composited_on_white() -> None:
    half_black = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert flatten_on_white(half_black)[0, 0] == pytest.approx([127, 127, 127], abs=1)
    request = parse_request(body(prompt_image=png(Image.new("RGBA", (5, 4), (9, 9, 9, 0)))), "image")
    assert request.prompt_image is not None
    assert np.array_equal(request.prompt_image, np.full((4, 5, 3), 255, np.uint8))


def picture_of(mode: str) -> Image.Image:
    noise = np.random.default_rng(3).integers(0, 256, (300, 20, 4), np.uint8)
    return Image.fromarray(noise).convert(mode)


@pytest.mark.filterwarnings("ignore:Palette images")
@pytest.mark.parametrize(
    ("form", "mode", "transparency"),
    [
        ("PNG", "RGBA", None),
        ("PNG", "RGB", (1, 2, 3)),
        ("PNG", "P", 3),
        ("PNG", "P", bytes(range(256))),
        ("PNG", "L", 7),
        ("PNG", "LA", None),
        ("PNG", "1", None),
        ("JPEG", "CMYK", None),
        ("WEBP", "RGBA", None),
    ],
)
def test_a_prompt_picture_of_any_mode_is_what_the_validators_see(
    form: str, mode: str, transparency: object
) -> None:
    """Theirs composites pictures of four bands on white and takes the colours of the others as they are."""
    options = {} if transparency is None else {"transparency": transparency}
    stream = io.BytesIO()
    picture_of(mode).save(stream, form, **options)
    theirs = Image.open(stream)
    if len(theirs.getbands()) == 4:
        rgba = theirs.convert("RGBA")
        theirs = Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba)
    text = base64.b64encode(stream.getvalue()).decode()
    ours = parse_request(body(prompt_image=text), "image").prompt_image
    assert ours is not None
    assert np.array_equal(ours, np.asarray(theirs.convert("RGB")))


def test_a_picture_is_measured_before_it_is_decoded() -> None:
    with pytest.raises(TooLargeError, match="5000x1"):
        parse_request(body(prompt_image=png(Image.new("RGB", (5000, 1)))), "image")
