"""Which background removal is used, and how an object is framed for the shape model."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from subnet17.errors import ConfigError, InvalidInputError, S17Error, UnavailableError
from subnet17.generation.picture.plain_ground import PlainBackground
from subnet17.log import get_logger
from subnet17.settings import GenerationTable

NETWORKS = {
    "u2net.onnx": "u2net_custom",
    "u2netp.onnx": "u2net_custom",
    "u2net_human_seg.onnx": "u2net_custom",
    "silueta.onnx": "u2net_custom",
    "isnet-general-use.onnx": "dis_custom",
    "isnet-anime.onnx": "dis_custom",
    "ben2-base.onnx": "ben_custom",
}
"""Weights as rembg names them -> its session that reads a given file, and so never downloads one."""

SEEN = 8
"""Alpha, of 255, from which a pixel counts as seen."""
LEAST_SHARE = 0.001
"""Of the picture that an object must cover."""
LEAST_PX = 16
"""And pixels that it must have."""
MOST_SIDE_PX = 2048
"""Larger pictures are made smaller first: twice what a framed one has, a quarter of the work at 4096."""
LEAST_SIDE_PX = 8
"""Of a framed object: a needle is made that thick, since the shape model refuses less as noise."""


class Background(Protocol):
    """Takes the background away.

    Attributes:
        name: For logs and `/status/`.
    """

    name: str

    def __call__(self, image: Image.Image) -> Image.Image:
        """RGBA of the same size.

        Raises:
            InvalidInputError: it can't be done with this picture.
        """


class NetworkBackground:
    """A segmentation network through rembg, from weights on this machine.

    Args:
        weights: An .onnx file of rembg's.
        open_session: Stands in for `rembg.new_session` in tests.

    Raises:
        UnavailableError: rembg is missing, or the file is none of its networks.
    """

    name = "network"

    def __init__(self, weights: Path, *, open_session: Callable[..., Any] | None = None) -> None:
        kind = NETWORKS.get(weights.name)
        if kind is None:
            raise UnavailableError(
                f"{weights} is no known network; known: {', '.join(NETWORKS)}", file=str(weights)
            )
        if not weights.is_file():
            raise UnavailableError(f"background weights {weights} are missing", file=str(weights))
        os.environ["U2NET_HOME"] = str(weights.absolute().parent)  # rembg reads files in its own folder only
        try:
            self._session = (open_session or _rembg().new_session)(kind, model_path=str(weights.absolute()))
        except S17Error:
            raise
        except Exception as error:  # onnxruntime has no common base of its errors
            raise UnavailableError(
                f"background weights {weights} can't be loaded: {type(error).__name__}", file=str(weights)
            ) from error

    def __call__(self, image: Image.Image) -> Image.Image:
        """RGBA with the network's mask; see `Background`."""
        mask = self._session.predict(image.convert("RGB"))[0]
        cut = image.convert("RGB")
        cut.putalpha(mask.convert("L").resize(image.size))
        return cut


class PlainFirst:
    """By colour where the ground is plain, which is exact and takes milliseconds; else by the network."""

    name = "plain, else network"

    def __init__(self, plain: Background, network: Background) -> None:
        self._plain = plain
        self._network = network

    def __call__(self, image: Image.Image) -> Image.Image:
        """See `Background`."""
        try:
            return self._plain(image)
        except InvalidInputError as refusal:
            get_logger().info("background is not plain", measured=refusal.detail.get("measured"))
            return self._network(image)


def choose_background(settings: GenerationTable) -> tuple[Background, str]:
    """What removes the background, and why.

    Raises:
        ConfigError: a network is asked for without naming its weights.
        UnavailableError: a network is asked for and can't be loaded.
    """
    plain = PlainBackground()
    if settings.background == "plain":
        return plain, "chosen by the settings"
    if not settings.background_model:
        if settings.background == "network":
            raise ConfigError(
                "generation.background is network, but generation.background_model names no weights: give an"
                f" .onnx file ({', '.join(NETWORKS)}) or its folder",
                key="generation.background_model",
            )
        return plain, "auto: no network, background_model is empty"
    try:
        network = NetworkBackground(_find_weights(Path(settings.background_model).expanduser()))
    except UnavailableError as error:
        if settings.background == "network":
            raise
        get_logger().warning("no network for backgrounds", why=error.message)
        return plain, f"auto: {error.message}"
    if settings.background == "network":
        return network, "chosen by the settings"
    return PlainFirst(plain, network), "auto: plain grounds by colour, others by the network"


def cut_out(image: Image.Image, remover: Background) -> tuple[Image.Image, list[str]]:
    """RGBA of an object, and notes: a picture that already has a useful alpha channel keeps it.

    Smaller than the picture where that has more than 2048 pixels along a side.

    Raises:
        InvalidInputError: the picture is clear all over, or the remover refuses it.
    """
    if max(image.size) > MOST_SIDE_PX:
        image = image.copy()
        image.thumbnail((MOST_SIDE_PX, MOST_SIDE_PX))
    if has_useful_alpha(image):
        return image.convert("RGBA"), ["background: the picture's own transparency"]
    if image.has_transparency_data:
        _seen(image.convert("RGBA"))  # what lies under clear pixels was not meant to be seen
    return remover(image), [f"background: {remover.name}"]


def has_useful_alpha(image: Image.Image) -> bool:
    """Whether transparency tells object from ground: some of the picture is clear, and some is not."""
    if not image.has_transparency_data:
        return False
    seen = float((np.asarray(image.convert("RGBA"))[..., 3] >= SEEN).mean())
    return LEAST_SHARE < seen < 1 - LEAST_SHARE


def frame(image: Image.Image, size_px: int, border: float = 0.15) -> Image.Image:
    """The object centred in a square, its longer side filling `1 - border` of it.

    As Hunyuan3D's image processor does it, so that its own framing finds nothing left to move.

    Args:
        image: RGBA.
        size_px: Side of the square.
        border: 0 to less than 1, both margins together.

    Returns:
        RGBA, clear outside of the object.

    Raises:
        InvalidInputError: nothing is to be seen in the picture.
    """
    seen = _seen(image)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    scale = size_px * (1 - border) / max(box[2] - box[0], box[3] - box[1])
    width = max(LEAST_SIDE_PX, math.floor((box[2] - box[0]) * scale))
    height = max(LEAST_SIDE_PX, math.floor((box[3] - box[1]) * scale))
    # Pillow weighs colours by alpha when it resizes RGBa: clear pixels must not darken the edge.
    small = image.convert("RGBa").resize((width, height), Image.Resampling.LANCZOS, box=box).convert("RGBA")
    square = Image.new("RGBA", (size_px, size_px), (255, 255, 255, 0))
    square.paste(small, ((size_px - width) // 2, (size_px - height) // 2))
    return square


def _seen(image: Image.Image) -> npt.NDArray[np.bool_]:
    """(H, W) pixels of an RGBA picture that show its object.

    Raises:
        InvalidInputError: too few.
    """
    seen = np.asarray(image)[..., 3] >= SEEN
    least_px = math.ceil(max(LEAST_PX, LEAST_SHARE * seen.size))
    if seen.sum() < least_px:
        raise InvalidInputError(
            f"the picture shows nothing: {seen.sum()} of its {seen.size} pixels are object,"
            f" {least_px} are needed",
            kind="empty",
            measured=int(seen.sum()),
            allowed=least_px,
        )
    return seen


def _find_weights(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [path / name for name in NETWORKS if (path / name).is_file()]
    if not found:
        raise UnavailableError(
            f"{path} holds no background weights; known: {', '.join(NETWORKS)}", folder=str(path)
        )
    return found[0]


def _rembg() -> Any:
    try:
        import rembg  # noqa: PLC0415 - takes seconds, and only the GPU installation has it
    except (ImportError, SystemExit) as error:  # rembg exits the process where onnxruntime is missing
        raise UnavailableError(f"rembg can't be imported: {error}") from None
    return rembg
