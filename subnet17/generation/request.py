"""What a caller of `/generate/` asks for, read from a form or from JSON.

In two steps: the server receives the body, a worker parses it. A body of some MB can keep a parser busy for
seconds, in which the server would answer nobody.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args
from urllib.parse import parse_qsl

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from subnet17.errors import InvalidInputError, UnknownFormatError, UnsupportedMediaError
from subnet17.serving.http import media_type_of
from subnet17.serving.inputs import check_prompt, decode_base64, parse_json_object, shown, shown_name

AssetFormat = Literal["ply", "spz", "glb", "mesh_ply"]
Profile = Literal["speed", "balanced", "quality"]

MAX_SEED = 2**63 - 1
MAX_IMAGE_BYTES = 8 * 2**20
MAX_BODY_BYTES = 12 * 2**20
"""An image of 8 MiB in base64, and the other fields."""

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
CHARSETS = frozenset({"utf-8", "utf8"})

PROMPT_ESCAPES = 20_000
"""Percent signs that a form may have beside one in 16 bytes: base64 needs one in 30, a prompt of 1024
characters 12,288 at most. Each costs a parser 0.6 microseconds."""

FIELDS = frozenset({"prompt", "prompt_image", "prompt_image_file", "seed", "format", "profile"})


@dataclass(frozen=True)
class Received:
    """A body as it came, picklable.

    Attributes:
        media_type: Its content type, one of the three that are taken.
        body: The bytes of JSON or of a urlencoded form; empty for a multipart form.
        parts: The fields of a multipart form: text, or a file's bytes.
    """

    media_type: str
    body: bytes = b""
    parts: tuple[tuple[str, str | bytes], ...] = ()


@dataclass(frozen=True)
class GenerationRequest:
    """One checked request; exactly one of `prompt` and `image` is set.

    Attributes:
        prompt: Text, 1 to 1024 characters.
        image: An encoded picture, not yet decoded.
        seed: 0 to 2**63 - 1.
        format: ply and spz hold Gaussian splats, glb and mesh_ply the mesh.
        profile: How much work to put in.
    """

    prompt: str | None
    image: bytes | None
    seed: int
    format: AssetFormat
    profile: Profile


async def receive(request: Request) -> Received:
    """Reads a body to its end.

    Raises:
        UnsupportedMediaError: neither a urlencoded form, a multipart form nor JSON.
        InvalidInputError: a multipart form that is broken or has too many parts.
    """
    media_type = media_type_of(request)
    if media_type in {JSON, URLENCODED}:
        return Received(media_type, body=await request.body())
    if media_type != MULTIPART:
        raise UnsupportedMediaError(
            f"content type is {media_type[:80]!r}, expected {URLENCODED}, {MULTIPART} or {JSON}"
        )
    _check_charset(request.headers.get("content-type", ""))
    parts: list[tuple[str, str | bytes]] = []
    try:
        async with request.form(
            max_files=1, max_fields=len(FIELDS), max_part_size=MAX_IMAGE_BYTES * 4 // 3 + 4
        ) as form:
            for name, value in form.multi_items():
                parts.append((name, await value.read() if isinstance(value, UploadFile) else value))
    except HTTPException as error:
        raise InvalidInputError(f"form can't be read: {error.detail}") from None
    return Received(media_type, parts=tuple(parts))


def _check_charset(content_type: str) -> None:
    """Refuses a form in another encoding: Python knows dozens, and some take minutes for a few MB."""
    _, parameters = parse_options_header(content_type)
    charset = parameters.get(b"charset", b"utf-8").decode("latin-1").lower()
    if charset not in CHARSETS:
        raise UnsupportedMediaError(f"charset is {shown(charset, 40)}, only UTF-8 is read")


def parse_generation_request(received: Received, *, default_profile: Profile) -> GenerationRequest:
    """Checks every field; runs in a worker.

    Raises:
        InvalidInputError: a field is unknown, missing, repeated, out of range or of the wrong type.
    """
    fields = _parse_fields(received)
    unknown = sorted(set(fields) - FIELDS)
    if unknown:
        raise InvalidInputError(
            f"unknown field {shown(unknown[0])}; known: {', '.join(sorted(FIELDS))}",
            field=shown_name(unknown[0]),
        )
    image = _read_image_bytes(fields)
    if (image is None) == (fields.get("prompt") is None):
        raise InvalidInputError(
            "give exactly one of prompt and prompt_image (or prompt_image_file)", field="prompt"
        )
    return GenerationRequest(
        prompt=None if image is not None else check_prompt(fields["prompt"]),
        image=image,
        seed=_read_seed(fields.get("seed")),
        format=cast(AssetFormat, _read_choice(fields, "format", get_args(AssetFormat), "ply")),
        profile=cast(Profile, _read_choice(fields, "profile", get_args(Profile), default_profile)),
    )


def _parse_fields(received: Received) -> dict[str, Any]:
    if received.media_type == JSON:
        return parse_json_object(received.body)
    pairs: list[tuple[str, Any]] = list(received.parts)
    if received.media_type == URLENCODED:
        _check_escapes(received.body)
        try:
            text = received.body.decode("latin-1")  # what is not ASCII must be percent-encoded UTF-8
            pairs = [*parse_qsl(text, keep_blank_values=True, max_num_fields=len(FIELDS))]
        except ValueError as error:
            raise InvalidInputError(f"form can't be read: {error}") from None
    names = [name for name, _ in pairs]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise InvalidInputError(
            f"field {shown(repeated[0])} is given more than once", field=shown_name(repeated[0])
        )
    return dict(pairs)


def _check_escapes(body: bytes) -> None:
    escapes, allowed = body.count(b"%"), PROMPT_ESCAPES + len(body) // 16
    if escapes > allowed:
        raise InvalidInputError(
            f"form has {escapes} escaped bytes, at most {allowed} are read", measured=escapes, allowed=allowed
        )


def _read_image_bytes(fields: dict[str, Any]) -> bytes | None:
    data, text = fields.get("prompt_image_file"), fields.get("prompt_image")
    if data is not None and text is not None:
        raise InvalidInputError("give prompt_image or prompt_image_file, not both", field="prompt_image")
    if text is not None:
        data = decode_base64(text, field="prompt_image")
    if data is None:
        return None
    if not isinstance(data, bytes):
        raise InvalidInputError("prompt_image_file is not a file part", field="prompt_image_file")
    if not 0 < len(data) <= MAX_IMAGE_BYTES:
        raise InvalidInputError(
            f"picture has {len(data)} bytes, 1 to {MAX_IMAGE_BYTES} are allowed", field="prompt_image"
        )
    return data


def _read_seed(value: object) -> int:
    if value is None or value == "":
        return secrets.randbelow(2**31)
    try:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError
        seed = int(value)
    except ValueError:
        raise InvalidInputError(f"seed is {shown(value)}, expected a whole number", field="seed") from None
    if not 0 <= seed <= MAX_SEED:
        raise InvalidInputError(f"seed is {shown(seed, 40)}, allowed are 0 to {MAX_SEED}", field="seed")
    return seed


def _read_choice(fields: dict[str, Any], field: str, allowed: tuple[str, ...], default: str) -> str:
    value = fields.get(field) or default
    if value in allowed:
        return str(value)
    raise UnknownFormatError(
        f"{field} is {shown(value)}, known: {', '.join(allowed)}", field=field, allowed=list(allowed)
    )
