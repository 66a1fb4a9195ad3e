"""Requests that once hung a server or made it blame itself: each is refused as the caller's fault."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from PIL import Image
from starlette.types import Message

from subnet17.errors import InvalidInputError, S17Error, TooLargeError, UnsupportedMediaError
from subnet17.generation.request import JSON, URLENCODED, Received, parse_generation_request, receive
from subnet17.serving.error_answers import error_response
from subnet17.serving.http import create_service_app
from subnet17.serving.inputs import (
    JPEG_MAX_SCANS,
    JSON_MAX_COMMAS,
    PNG_MAX_PACKED,
    decode_base64,
    parse_json_object,
    read_image,
    shown,
)
from subnet17.serving.jobs import Jobs
from subnet17.serving.workers import WorkerPool
from subnet17.settings import ServerTable
from subnet17.validation.requests import parse_request
from tests.hostile_pictures import encode, jpeg_of_scans, png_of_profiles

HALF = "\ud800"
"""Half of a surrogate pair: JSON can name it, UTF-8 and most JSON readers can't."""
DEEP = b"[" * 900 + b"]" * 900


def body_of(error: S17Error) -> dict[str, Any]:
    """The error as a caller gets it, read by a strict reader."""
    text = bytes(error_response(error).body).decode("ascii")
    body: dict[str, Any] = json.loads(text)["error"]
    json.dumps(body, ensure_ascii=False).encode()  # raises for half a surrogate pair
    return body


def generation_error(body: bytes, media_type: str = JSON) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        parse_generation_request(Received(media_type, body), default_profile="balanced")
    return caught.value


@pytest.mark.parametrize(
    "fields",
    [
        {HALF: 1},
        {"prompt": HALF},
        {"prompt": "a", "seed": HALF},
        {"prompt": "a", "format": HALF},
        {"prompt": "a", "profile": HALF},
        {"prompt_image": HALF},
    ],
    ids=["name", "prompt", "seed", "format", "profile", "picture"],
)
def test_half_a_character_is_refused_in_an_answer_that_can_be_read(fields: dict[str, Any]) -> None:
    assert body_of(generation_error(json.dumps(fields).encode()))["message"]


def test_half_a_character_in_an_unknown_name_is_told_in_a_form_that_can_be_read() -> None:
    asked = parse_request(json.dumps({"prompt": "a", "data": "YWJj", HALF: 1}).encode(), "text")
    assert asked.ignored == (r"\ud800",)


@pytest.mark.parametrize("field", ["compression", "generate_preview", "preview_score_threshold"])
def test_a_deeply_nested_value_is_refused_by_its_type(field: str) -> None:
    body = b'{"prompt": "a", "data": "YWJj", "%s": %s}' % (field.encode(), DEEP)
    with pytest.raises(InvalidInputError):
        parse_request(body, "text")


@pytest.mark.parametrize("field", ["seed", "format", "profile"])
def test_a_deeply_nested_value_is_refused_by_the_generator_too(field: str) -> None:
    generation_error(b'{"prompt": "a", "%s": %s}' % (field.encode(), DEEP))


def test_what_is_shown_of_a_value_is_short_and_printable_whatever_it_is() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "a list"
    assert len(shown("x" * 10**6)) == 60
    assert shown("\x1b[2J\n").isprintable() and shown(HALF).isascii()
    assert shown(10**5000) == "a int"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 1000])
def test_base64_as_encoders_write_it_is_read(size: int) -> None:
    data = bytes(range(255, 255 - size % 200, -1)) + bytes(size - size % 200)
    assert decode_base64(base64.b64encode(data).decode(), field="f") == data


@pytest.mark.parametrize(
    "text",
    [
        *("QUJD=", "QUJD==", "QUJDYR==", "YR==", "YWJ=", "YQ", "YQ=", "YQ===", "A", "====", "="),
        *("QUJD\n", " QUJD", "QU-_", "QUJDÄ", "QQ==QUJD"),
    ],
)
def test_other_spellings_of_base64_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="base64"):
        decode_base64(text, field="f")


def test_json_of_a_million_parts_is_refused_before_it_is_parsed() -> None:
    sound = b"{" + b", ".join(b'"%d": 1' % i for i in range(JSON_MAX_COMMAS)) + b"}"
    assert len(parse_json_object(sound)) == JSON_MAX_COMMAS
    with pytest.raises(InvalidInputError, match="parts"):
        parse_json_object(b'{"a": [' + b"[]," * (JSON_MAX_COMMAS + 1) + b"[]]}")


def test_a_form_of_nothing_but_escapes_is_refused_before_it_is_parsed() -> None:
    assert "escaped" in generation_error(b"prompt=" + b"%41" * 10**5, URLENCODED).message
    longest = ("prompt=" + "%F0%9F%98%80" * 1024).encode()
    asked = parse_generation_request(Received(URLENCODED, longest), default_profile="balanced")
    assert asked.prompt == "\U0001f600" * 1024


async def received(content_type: str, body: bytes) -> Received:
    async def send() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode("latin-1"))]
    # With an app in its scope a request turns broken forms into HTTP errors, as in a server.
    return await receive(Request({"type": "http", "method": "POST", "headers": headers, "app": None}, send))


PART = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n%s\r\n--x--\r\n'


@pytest.mark.parametrize(
    "charset", ["punycode", "idna", "utf-7", "unicode_escape", "rot13", "none-such", "\xff"]
)
async def test_a_form_in_an_odd_encoding_is_refused(charset: str) -> None:
    """idna raised what nobody caught; punycode takes minutes for some MB, in the server's own process."""
    with pytest.raises(UnsupportedMediaError, match="charset"):
        await received(f"multipart/form-data; boundary=x; charset={charset}", PART % (b"a" * 100))


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", '; charset="UTF-8"', "; charset=utf8"])
async def test_a_form_in_utf8_is_taken(charset: str) -> None:
    form = await received(f"multipart/form-data; boundary=x{charset}", PART % "ä".encode())
    assert form.parts == (("prompt", "ä"),)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=y",
        "multipart/form-data; boundary=\xff",
    ],
)
@pytest.mark.parametrize("body", [b"", b"--x", PART % b"a", PART[:20], b"\r\n" * 1000, b"--y\r\n\r\n--y--"])
async def test_a_broken_form_is_the_callers_fault(content_type: str, body: bytes) -> None:
    try:
        form = await received(content_type, body)
    except InvalidInputError:
        return
    with pytest.raises(InvalidInputError):
        parse_generation_request(form, default_profile="balanced")


class QuietService:
    def __init__(self) -> None:
        self.jobs = Jobs(WorkerPool(int), ServerTable())

    def describe(self) -> dict[str, object]:
        return {}


def make_app() -> FastAPI:
    app = create_service_app(QuietService(), ServerTable(), title="quiet", max_body_bytes=1000)

    async def fail(request: Request) -> Response:
        await request.body()
        raise InvalidInputError(HALF, measured=float("nan"))

    app.add_api_route("/fail", fail, methods=["POST"], response_model=None)
    return app


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 21, "1001"])
async def test_a_declared_size_of_thousands_of_digits_is_a_large_one(length: str) -> None:
    transport = httpx.ASGITransport(app=make_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        reply = await client.post("/fail", content=b"x", headers={"content-length": length})
    assert reply.status_code == 413


async def test_an_error_that_json_has_no_form_for_is_still_told() -> None:
    transport = httpx.ASGITransport(app=make_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        reply = await client.post("/fail", content=b"x")
    assert reply.status_code == 400
    assert reply.json()["error"] == {"code": "invalid_input", "message": HALF, "detail": {}}


def test_a_progressive_jpeg_as_encoders_write_it_is_read() -> None:
    picture = encode(Image.new("RGB", (64, 64)), "JPEG", progressive=True)
    assert read_image(picture, field="f").size == (64, 64)


@pytest.mark.parametrize("form", ["JPEG", "MPO"])
def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded(form: str) -> None:
    assert read_image(jpeg_of_scans(0, form), field="f").size == (64, 64)
    with pytest.raises(TooLargeError, match="scans"):
        read_image(jpeg_of_scans(JPEG_MAX_SCANS, form), field="f")


def test_a_png_that_unpacks_to_much_besides_its_pixels_is_refused_before_it_is_opened() -> None:
    assert read_image(png_of_profiles(PNG_MAX_PACKED), field="f").size == (8, 8)
    with pytest.raises(TooLargeError, match="compressed chunks"):
        read_image(png_of_profiles(PNG_MAX_PACKED + 1), field="f")


def test_a_picture_of_a_billion_pixels_is_too_large_not_unknown() -> None:
    small = encode(Image.new("1", (8, 8)), "PNG")
    header = small[12:16] + (40_000).to_bytes(4, "big") * 2 + small[24:29]
    huge = small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]
    with pytest.raises(TooLargeError):
        read_image(huge, field="f")
