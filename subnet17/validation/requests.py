"""The bodies of the validation routes: strict JSON in, one small frozen object out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from subnet17.errors import InvalidInputError, UnknownFormatError
from subnet17.serving.inputs import (
    check_prompt,
    decode_base64,
    load_image,
    parse_json_object,
    shown,
    shown_name,
)

RAW_PLY = 0
SPZ = 2
PREVIEW_SCORE_THRESHOLD = 0.6
STRIP_PX = 256

Kind = Literal["text", "image", "duel"]

KNOWN_FIELDS = frozenset(
    {
        "prompt",
        "prompt_image",
        "data",
        "compression",
        "generate_single_preview",
        "generate_preview",
        "generate_grid_preview",
        "generate_turntable",
        "preview_score_threshold",
    }
)
"""Others are ignored, as the validators do, but told in the answer: one of them may be a misspelt name."""


@dataclass(frozen=True)
class ValidationRequest:
    """What the caller wants scored, and against what.

    Attributes:
        data: The asset's bytes as sent: a raw PLY or an SPZ stream, see `compression`.
        prompt: Text the asset should show; None where a picture or nothing is given.
        prompt_image: (H, W, 3) uint8 RGB, see `flatten_on_white`; None without one.
        preview_score_threshold: Previews are made above this score; below 0: whatever the score.
        ignored: Names of fields that mean nothing here.
    """

    data: bytes
    compression: int
    prompt: str | None
    prompt_image: NDArray[np.uint8] | None = None
    single_preview: bool = False
    grid_preview: bool = False
    turntable: bool = False
    preview_score_threshold: float = PREVIEW_SCORE_THRESHOLD
    ignored: tuple[str, ...] = ()


def parse_request(body: bytes, kind: Kind) -> ValidationRequest:
    """Reads one body.

    Raises:
        InvalidInputError: not a JSON object, or a field of the wrong type or range.
    """
    fields = parse_json_object(body)
    single = _read(fields, "generate_single_preview", _as_bool, False)
    return ValidationRequest(
        data=decode_base64(fields.get("data"), field="data"),
        compression=_read(fields, "compression", _as_compression, RAW_PLY),
        prompt=check_prompt(fields.get("prompt")) if kind == "text" else None,
        prompt_image=_read_prompt_image(fields) if kind == "image" else None,
        single_preview=_read(fields, "generate_preview", _as_bool, single),
        grid_preview=_read(fields, "generate_grid_preview", _as_bool, False),
        turntable=_read(fields, "generate_turntable", _as_bool, False),
        preview_score_threshold=_read(
            fields, "preview_score_threshold", _as_threshold, PREVIEW_SCORE_THRESHOLD
        ),
        ignored=tuple(sorted(shown_name(name) for name in fields.keys() - KNOWN_FIELDS)[:8]),
    )


def _read(fields: dict[str, Any], name: str, convert: Callable[[str, Any], Any], default: Any) -> Any:
    return convert(name, fields[name]) if fields.get(name) is not None else default


def _as_bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name} is {shown(value)}, expected true or false", field=name)
    return value


def _as_compression(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in {RAW_PLY, SPZ}:
        raise UnknownFormatError(
            f"{name} is {shown(value)}, expected 0 (raw PLY) or 2 (SPZ)", field=name, allowed=[RAW_PLY, SPZ]
        )
    return value


def _as_threshold(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1 <= value <= 1:
        raise InvalidInputError(f"{name} is {shown(value)}, expected a number in -1..1", field=name)
    return float(value)


def _read_prompt_image(fields: dict[str, Any]) -> NDArray[np.uint8]:
    picture = load_image(
        decode_base64(fields.get("prompt_image"), field="prompt_image"), field="prompt_image"
    )
    return flatten_on_white(picture)


def flatten_on_white(picture: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a picture of any mode, as the validators see it.

    RGBA is composited on white; of a palette or of greys what is transparent shows its colour all the same.
    In strips: whole copies of a picture of the largest size would take five times its memory.
    """
    flat = np.empty((picture.height, picture.width, 3), np.uint8)
    picture.info.pop("transparency", None)  # means nothing here, and Pillow would warn of it
    for top in range(0, picture.height, STRIP_PX):
        strip = picture.crop((0, top, picture.width, min(top + STRIP_PX, picture.height)))
        if strip.mode == "RGBA":
            strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
        flat[top : top + STRIP_PX] = np.asarray(strip.convert("RGB"))
    return flat
