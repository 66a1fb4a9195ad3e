"""Checks of what callers send: prompts, base64, pictures. Used by both servers."""

from __future__ import annotations

import base64
import binascii
import io
import json
import unicodedata
import warnings
from typing import Any

from PIL import Image

from subnet17.errors import InvalidInputError, TooLargeError, UnknownFormatError

PROMPT_MAX_CHARS = 1024
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP")
IMAGE_MAX_PX = 4096
"""Longest side of a picture, checked before its pixels are decoded."""

REPLACEMENT = "\ufffd"
"""What decoders put in place of bytes that are not UTF-8."""


def parse_json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object. Large ones take long and much memory: parse those in a worker.

    Raises:
        InvalidInputError: not JSON, or not an object.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"body is not valid JSON: {error}"[:200]) from None
    if not isinstance(fields, dict):
        raise InvalidInputError(f"body is a JSON {type(fields).__name__}, expected an object")
    return fields


def check_prompt(prompt: object) -> str:
    """The prompt without surrounding white space.

    Raises:
        InvalidInputError: not text, empty, longer than 1024 characters, or with control characters.
    """
    if not isinstance(prompt, str):
        raise InvalidInputError(f"prompt is a {type(prompt).__name__}, expected text", field="prompt")
    if len(prompt) > PROMPT_MAX_CHARS:
        raise InvalidInputError(
            f"prompt has {len(prompt)} characters, at most {PROMPT_MAX_CHARS} are allowed",
            field="prompt",
            measured=len(prompt),
            allowed=PROMPT_MAX_CHARS,
        )
    stripped = prompt.strip()
    if not stripped:
        raise InvalidInputError("prompt is empty, expected 1 to 1024 characters", field="prompt")
    for position, char in enumerate(stripped):
        if char == REPLACEMENT or (unicodedata.category(char) in {"Cc", "Cs"} and char not in "\t\n\r"):
            raise InvalidInputError(
                f"prompt is not plain text: character U+{ord(char):04X} at position {position}",
                field="prompt",
                position=position,
            )
    return stripped


def decode_base64(text: object, *, field: str) -> bytes:
    """Strict base64: the standard alphabet, correct padding, nothing else.

    Raises:
        InvalidInputError: not text, empty, or not base64.
    """
    if not isinstance(text, str) or not text:
        raise InvalidInputError(f"{field} is missing or empty, expected base64 text", field=field)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(f"{field} is not base64: {error}", field=field) from None


def read_image(data: bytes, *, field: str) -> Image.Image:
    """Decodes a PNG, JPEG or WebP to RGB or RGBA.

    Raises:
        UnknownFormatError: another format, or none.
        TooLargeError: a side over 4096 px.
        InvalidInputError: the pixels can't be decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of big pictures; the limit below refuses them
            image = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    except Exception:
        raise UnknownFormatError(
            f"{field} is not a picture of a known format; known: {', '.join(IMAGE_FORMATS)}", field=field
        ) from None
    if max(image.size) > IMAGE_MAX_PX:
        raise TooLargeError(
            f"{field} is {image.width}x{image.height} px, at most {IMAGE_MAX_PX} px a side are allowed",
            field=field,
            measured_px=max(image.size),
            allowed_px=IMAGE_MAX_PX,
        )
    try:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    except Exception as error:
        raise InvalidInputError(f"{field} can't be decoded: {type(error).__name__}", field=field) from None
