"""Prompt pictures drawn at the start: plain coloured silhouettes, so that none has to be shipped.

Covers: enough variety for image tasks to differ. Does not cover: photographs, shading or perspective.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from PIL import Image, ImageDraw

SIZE_PX = 512
OVERSAMPLING = 2
BACKGROUND = (245, 245, 245)
DARK = (45, 45, 50)
COLOURS = {
    "red": (200, 40, 40),
    "blue": (45, 90, 200),
    "green": (40, 150, 70),
    "orange": (235, 140, 30),
    "purple": (130, 70, 170),
}

Colour = tuple[int, int, int]
Draw = Callable[["Canvas", Colour], None]


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn object: its name with an article, and the PNG as base64."""

    title: str
    png_base64: str


class Canvas:
    """A square with x to the right and y down, both 0..100, drawn larger and then reduced."""

    def __init__(self) -> None:
        side_px = SIZE_PX * OVERSAMPLING
        self._image = Image.new("RGB", (side_px, side_px), BACKGROUND)
        self._pen = ImageDraw.Draw(self._image)
        self._scale = side_px / 100

    def polygon(self, colour: Colour, *points: tuple[float, float]) -> None:
        """Fills a polygon."""
        self._pen.polygon([(x * self._scale, y * self._scale) for x, y in points], fill=colour)

    def box(self, colour: Colour, left: float, top: float, right: float, bottom: float) -> None:
        """Fills a rectangle with rounded corners."""
        self._pen.rounded_rectangle(
            [v * self._scale for v in (left, top, right, bottom)], radius=2 * self._scale, fill=colour
        )

    def ellipse(self, colour: Colour, x: float, y: float, radius_x: float, radius_y: float) -> None:
        """Fills an ellipse around (x, y)."""
        edges = (x - radius_x, y - radius_y, x + radius_x, y + radius_y)
        self._pen.ellipse([v * self._scale for v in edges], fill=colour)

    def ring(self, colour: Colour, x: float, y: float, radius: float, width: float) -> None:
        """Draws a circle's line."""
        edges = (x - radius, y - radius, x + radius, y + radius)
        self._pen.ellipse([v * self._scale for v in edges], outline=colour, width=round(width * self._scale))

    def encode(self) -> str:
        """Base64 of the PNG, SIZE_PX on a side."""
        buffer = io.BytesIO()
        self._image.reduce(OVERSAMPLING).save(buffer, format="PNG")
        return base64.b64encode(buffer.getvalue()).decode("ascii")


def draw_pictures() -> list[Picture]:
    """Every object in every colour."""
    return [
        _draw_picture(f"{colour} {name}", draw, COLOURS[colour])
        for (name, draw), colour in product(OBJECTS.items(), COLOURS)
    ]


def _draw_picture(name: str, draw: Draw, colour: Colour) -> Picture:
    canvas = Canvas()
    draw(canvas, colour)
    article = "an" if name[0] in "aeiou" else "a"
    return Picture(f"{article} {name}", canvas.encode())


def _darker(colour: Colour) -> Colour:
    red, green, blue = (round(channel * 0.6) for channel in colour)
    return red, green, blue


def _mug(canvas: Canvas, colour: Colour) -> None:
    canvas.ring(_darker(colour), 68, 52, 16, 6)
    canvas.box(colour, 28, 28, 68, 80)
    canvas.ellipse(_darker(colour), 48, 30, 20, 5)


def _car(canvas: Canvas, colour: Colour) -> None:
    canvas.polygon(_darker(colour), (28, 48), (38, 32), (64, 32), (76, 48))
    canvas.box(colour, 12, 46, 90, 64)
    for x in (30, 72):
        canvas.ellipse(DARK, x, 66, 9, 9)
        canvas.ellipse(BACKGROUND, x, 66, 4, 4)


def _tree(canvas: Canvas, colour: Colour) -> None:
    canvas.box((110, 75, 45), 45, 60, 55, 90)
    for x, y, radius in ((50, 32, 22), (34, 48, 17), (66, 48, 17)):
        canvas.ellipse(colour, x, y, radius, radius)


def _fish(canvas: Canvas, colour: Colour) -> None:
    canvas.polygon(_darker(colour), (70, 50), (92, 32), (92, 68))
    canvas.ellipse(colour, 44, 50, 34, 20)
    canvas.ellipse(BACKGROUND, 24, 45, 4, 4)
    canvas.ellipse(DARK, 23, 45, 2, 2)


def _house(canvas: Canvas, colour: Colour) -> None:
    canvas.box((225, 205, 170), 24, 46, 76, 88)
    canvas.polygon(colour, (16, 48), (50, 16), (84, 48))
    canvas.box(_darker(colour), 44, 64, 56, 88)
    for x in (30, 60):
        canvas.box((120, 170, 210), x, 54, x + 10, 62)


def _star(canvas: Canvas, colour: Colour) -> None:
    corners = [(40 if i % 2 == 0 else 17, math.radians(36 * i - 90)) for i in range(10)]
    canvas.polygon(colour, *((50 + r * math.cos(a), 50 + r * math.sin(a)) for r, a in corners))


def _mushroom(canvas: Canvas, colour: Colour) -> None:
    canvas.box((235, 220, 195), 42, 48, 58, 86)
    canvas.ellipse(colour, 50, 42, 32, 22)
    for x, y in ((36, 40), (50, 30), (64, 42)):
        canvas.ellipse(BACKGROUND, x, y, 5, 4)


def _sailing_boat(canvas: Canvas, colour: Colour) -> None:
    canvas.box(DARK, 48, 16, 51, 68)
    canvas.polygon(colour, (53, 18), (53, 62), (82, 62))
    canvas.polygon(_darker(colour), (46, 26), (46, 62), (24, 62))
    canvas.polygon((120, 80, 50), (18, 68), (86, 68), (74, 84), (30, 84))


def _chair(canvas: Canvas, colour: Colour) -> None:
    canvas.box(colour, 28, 14, 36, 54)
    canvas.box(colour, 28, 48, 72, 58)
    for x in (28, 66):
        canvas.box(_darker(colour), x, 56, x + 6, 90)


def _robot(canvas: Canvas, colour: Colour) -> None:
    canvas.box(colour, 34, 14, 66, 38)
    canvas.box(_darker(colour), 28, 42, 72, 74)
    for x in (40, 54):
        canvas.ellipse(BACKGROUND, x + 3, 26, 4, 4)
        canvas.box(colour, x - 2, 74, x + 8, 92)
    for x in (18, 74):
        canvas.box(colour, x, 44, x + 8, 70)


OBJECTS: dict[str, Draw] = {
    "mug": _mug,
    "car": _car,
    "tree": _tree,
    "fish": _fish,
    "house": _house,
    "star": _star,
    "mushroom": _mushroom,
    "sailing boat": _sailing_boat,
    "chair": _chair,
    "robot": _robot,
}
