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
JSON_MAX_COMMAS = 10_000
"""Of a body: the few fields that are known need some, and base64 has none. Millions of them, which parts of
lists and objects need, would take a parser seconds and gigabytes."""
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP")
IMAGE_MAX_PX = 4096
"""Longest side of a picture, checked before its pixels are decoded."""
JPEG_MAX_SCANS = 100
"""Encoders write 10 at most. Each costs a pass over all pixels, for some 30 bytes."""
PNG_MAX_PACKED = 20
"""Compressed chunks of a PNG besides its pixels, a colour profile and texts: a KB may unpack to a MB."""
_START_OF_SCAN = b"\xff\xda"
_PNG = b"\x89PNG"
_PACKED_CHUNKS = (b"iCCP", b"zTXt", b"iTXt")

REPLACEMENT = "\ufffd"
"""What decoders put in place of bytes that are not UTF-8."""


def parse_json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object. Large ones take long and much memory: parse those in a worker.

    Raises:
        InvalidInputError: not JSON, not an object, or made of too many parts.
    """
    if (commas := body.count(b",")) > JSON_MAX_COMMAS:
        raise InvalidInputError(
            f"body is JSON of more than {commas} parts, at most {JSON_MAX_COMMAS} are read",
            measured=commas,
            allowed=JSON_MAX_COMMAS,
        )
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"body is not valid JSON: {error}"[:200]) from None
    if not isinstance(fields, dict):
        raise InvalidInputError(f"body is a JSON {type(fields).__name__}, expected an object")
    return fields


def shown(value: object, limit: int = 60) -> str:
    """What a caller sent, as a message may repeat it: short, printable, whatever it is."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        text = f"a {type(value).__name__}"
    return text.encode("utf-8", "backslashreplace").decode()[:limit]


def shown_name(name: str, limit: int = 60) -> str:
    """A name that a caller made up, in a form that any JSON reader takes: no halves of surrogate pairs."""
    return name[:limit].encode("utf-8", "backslashreplace").decode()


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
    """Strict base64: the standard alphabet, and of a value's spellings the one that encoders write.

    Raises:
        InvalidInputError: not text, empty, or not base64.
    """
    if not isinstance(text, str) or not text:
        raise InvalidInputError(f"{field} is missing or empty, expected base64 text", field=field)
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(f"{field} is not base64: {error}", field=field) from None
    if len(text) % 4 or text[-4:] != base64.b64encode(decoded[(len(decoded) - 1) // 3 * 3 :]).decode():
        # Python reads over padding that is too long, and over bits in the last character that mean nothing.
        raise InvalidInputError(f"{field} is not base64: it does not end as an encoder ends it", field=field)
    return decoded


def read_image(data: bytes, *, field: str) -> Image.Image:
    """Decodes a PNG, JPEG or WebP to RGB, or RGBA if any of it is transparent; raises as `load_image`."""
    image = load_image(data, field=field)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    try:
        return image if image.mode == mode else image.convert(mode)  # even to its own mode it would copy
    except Exception as error:
        raise _undecodable(field, error) from None


def load_image(data: bytes, *, field: str) -> Image.Image:
    """Decodes a PNG, JPEG or WebP, in the mode in which it is stored; raises as `open_image`.

    Raises:
        InvalidInputError: the pixels can't be decoded.
    """
    image = open_image(data, field=field)
    try:
        image.load()
    except Exception as error:
        raise _undecodable(field, error) from None
    return image


def _undecodable(field: str, error: Exception) -> InvalidInputError:
    return InvalidInputError(f"{field} can't be decoded: {type(error).__name__}", field=field)


def open_image(data: bytes, *, field: str, formats: tuple[str, ...] = IMAGE_FORMATS) -> Image.Image:
    """Looks at a picture without decoding its pixels: its format, and what they would cost.

    Args:
        data: The file.
        field: What messages call it.
        formats: Some of `IMAGE_FORMATS`. Pillow knows others, of which some start programs of the system.

    Raises:
        UnknownFormatError: another format, or none.
        TooLargeError: a side over 4096 px, more than 100 scans of a JPEG, or 20 packed chunks of a PNG.
    """
    _check_packed(data, field)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of big pictures; the limit below refuses them
            image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise TooLargeError(
            f"{field} is too large, at most {IMAGE_MAX_PX} px a side are allowed: {error}"[:200],
            field=field,
            allowed_px=IMAGE_MAX_PX,
        ) from None
    except Exception:
        raise UnknownFormatError(
            f"{field} is not a picture of a known format; known: {', '.join(formats)}", field=field
        ) from None
    _check_size(image, field)
    _check_scans(image, data, field)
    return image


def count_packed(data: bytes) -> int:
    """Compressed chunks of a PNG besides its pixels; pixels look like one by chance in every GB."""
    return sum(data.count(kind) for kind in _PACKED_CHUNKS) if data.startswith(_PNG) else 0


def _check_packed(data: bytes, field: str) -> None:
    packed = count_packed(data)
    if packed > PNG_MAX_PACKED:
        raise TooLargeError(
            f"{field} is a PNG of {packed} compressed chunks besides its pixels, "
            f"at most {PNG_MAX_PACKED} are read",
            field=field,
            measured_chunks=packed,
            allowed_chunks=PNG_MAX_PACKED,
        )


def _check_size(image: Image.Image, field: str) -> None:
    if max(image.size) > IMAGE_MAX_PX:
        raise TooLargeError(
            f"{field} is {image.width}x{image.height} px, at most {IMAGE_MAX_PX} px a side are allowed",
            field=field,
            measured_px=max(image.size),
            allowed_px=IMAGE_MAX_PX,
        )


def _check_scans(image: Image.Image, data: bytes, field: str) -> None:
    # MPO is what Pillow calls a JPEG with further pictures behind it.
    scans = data.count(_START_OF_SCAN) if image.format in {"JPEG", "MPO"} else 0
    if scans > JPEG_MAX_SCANS:
        raise TooLargeError(
            f"{field} is a JPEG of {scans} scans, at most {JPEG_MAX_SCANS} are decoded",
            field=field,
            measured_scans=scans,
            allowed_scans=JPEG_MAX_SCANS,
        )
