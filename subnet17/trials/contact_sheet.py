"""Many previews on one picture, captioned."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw, ImageFont

CELL_PX = 260
CAPTION_PX = 44
MARGIN_PX = 8
INK = (40, 40, 40)
HIGHLIGHT = (24, 140, 70)


def make_contact_sheet(
    pictures: list[tuple[bytes | None, str]], *, highlight: int | None = None, columns: int | None = None
) -> bytes:
    """A PNG with one cell per picture.

    Args:
        pictures: (PNG bytes or None for none, caption of up to two lines).
        highlight: Index of the cell that gets a frame.
        columns: Default: about square.
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * CELL_PX, rows * (CELL_PX + CAPTION_PX)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for index, (data, caption) in enumerate(pictures):
        left, top = (index % columns) * CELL_PX, (index // columns) * (CELL_PX + CAPTION_PX)
        if data is not None:
            side_px = CELL_PX - 2 * MARGIN_PX
            picture = (
                Image.open(io.BytesIO(data))
                .convert("RGB")
                .resize((side_px, side_px), Image.Resampling.LANCZOS)
            )
            sheet.paste(picture, (left + MARGIN_PX, top + MARGIN_PX))
        colour = HIGHLIGHT if index == highlight else INK
        draw.multiline_text((left + MARGIN_PX, top + CELL_PX), caption, fill=colour, font=font)
        if index == highlight:
            corner = (left + CELL_PX - 3, top + CELL_PX + CAPTION_PX - 3)
            draw.rectangle(((left + 2, top + 2), corner), outline=HIGHLIGHT, width=3)
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
