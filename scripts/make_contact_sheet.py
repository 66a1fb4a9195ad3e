"""Draws docs/contact_sheet.png: 24 prompts by the embedded generator, seen by the validators' camera."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from subnet17.procedural.make import make_model  # noqa: E402
from subnet17.splat.cameras import fit_for_render, official_cameras  # noqa: E402
from subnet17.splat.from_mesh import mesh_to_splats  # noqa: E402
from subnet17.splat.rasterize_cpu import render_views  # noqa: E402
from subnet17.trials.contact_sheet import make_contact_sheet  # noqa: E402

SEED = 17
VIEW = 1
"""The view of the validators' single preview."""
PROMPTS = (
    "a cute cat wearing a wizard hat",
    "a rusty robot",
    "a detailed fantasy sword",
    "an ancient tree with glowing runes",
    "a red sports car",
    "a wooden chair",
    "a green dragon",
    "a knight holding a hammer",
    "a steam locomotive",
    "a white sailboat",
    "a stone lighthouse",
    "a hamburger",
    "a golden crown on a stand",
    "an acoustic guitar",
    "a blue ceramic teapot",
    "a treasure chest",
    "an owl wearing glasses",
    "a potted cactus",
    "a purple octopus",
    "a brass telescope",
    "a snowman with a top hat",
    "three red apples",
    "a windmill",
    "a pink donut with sprinkles",
)


def draw(prompt: str) -> bytes:
    """PNG of one prompt."""
    cloud = mesh_to_splats(make_model(prompt, seed=SEED).mesh, count=100_000, seed=SEED)
    image = render_views(fit_for_render(cloud), official_cameras().subset([VIEW])).images[0]
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG")
    return stream.getvalue()


def main() -> None:
    """Writes the picture."""
    cells = [
        (draw(prompt), prompt.replace(" wearing", "\nwearing").replace(" with", "\nwith"))
        for prompt in PROMPTS
    ]
    target = ROOT / "docs" / "contact_sheet.png"
    target.write_bytes(make_contact_sheet(cells, columns=6))
    print(f"{target}: {len(cells)} prompts, seed {SEED}")  # noqa: T201


if __name__ == "__main__":
    main()
