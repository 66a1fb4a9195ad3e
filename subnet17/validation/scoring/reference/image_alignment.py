"""How well each view shows what a picture shows: the image tower of LLM2CLIP (OpenAI's ViT-L/14 at 336 px).

The repository carries Python code of its own for its text side. The image side is CLIP's vision model with a
projection, which transformers has: no foreign code runs, and none is fetched.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from subnet17.errors import UnavailableError
from subnet17.gpu.compiled_blocks import repeated_blocks
from subnet17.gpu.weights import resolve_weights
from subnet17.settings import ValidationTable
from subnet17.validation.scoring.reference.foreign import explained
from subnet17.validation.scoring.reference.kept import Kept
from subnet17.validation.scoring.reference.network import Network, in_batches
from subnet17.validation.scoring.reference.pictures import clip_input

SIDE_PX = 336
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
PARTS = ("vision_model.", "visual_projection.")
"""What is read of the file; the rest is its text side."""
UNSTORED = frozenset({"vision_model.embeddings.position_ids"})
"""Counted, not learned: old files hold it."""
ASSUMED_BYTES = 620 * 10**6


class ImageAlignment(Network):
    """Views and a picture to cosines.

    Args:
        tower: transformers' CLIPVisionModelWithProjection.
        device: Where it will run; in float16 on a GPU, as officially.
        compiled: Compile the layers while warming up.
        backend: Of `torch.compile`.
    """

    def __init__(
        self,
        tower: Any,
        device: torch.device,
        *,
        compiled: bool = False,
        backend: str | Any = "inductor",
    ) -> None:
        self._dtype = torch.float16 if device.type == "cuda" else torch.float32
        tower.to(self._dtype)
        blocks = repeated_blocks(tower)
        super().__init__([tower], device, blocks=blocks, compiled=compiled, backend=backend)
        self._tower = tower
        self._pictures: Kept[str] = Kept()
        self._embed_all = self.record(self._embed)

    def cosines(self, images: Tensor, picture: NDArray[np.uint8], batch: int) -> Tensor:
        """(N,) float32 of (N, H, W, 3) uint8 views, `batch` at a time, with an (H, W, 3) uint8 picture."""
        with self.running():
            wanted = self._pictures.get(_digest(picture), lambda: self._see(_as_batch(picture, self.device)))
            cosines: Tensor = in_batches(self._see, images, batch) @ wanted.T
        return cosines[:, 0].float()

    def rehearse(self, images: Tensor) -> None:
        """See `Network`."""
        self._pictures.clear()
        self.cosines(images, images[0].cpu().numpy(), len(images))

    def _see(self, images: Tensor) -> Tensor:
        # Prompts come in all sizes: what is recorded begins at the size that all have.
        embeddings: Tensor = self._embed_all(clip_input(images, SIDE_PX).to(self._dtype))
        return embeddings

    def _embed(self, pixels: Tensor) -> Tensor:
        embeddings: Tensor = self._tower(pixel_values=pixels).image_embeds
        unit: Tensor = embeddings / embeddings.norm(dim=-1, keepdim=True)
        return unit


def _digest(picture: NDArray[np.uint8]) -> str:
    pixels = hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=16)
    return f"{picture.shape} {pixels.hexdigest()}"


def _as_batch(picture: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(picture)).to(device)[None]


def find_image_alignment(settings: ValidationTable) -> Path:
    """The folder with configuration and weights.

    Raises:
        UnavailableError: missing, damaged, or not to be fetched.
    """
    return resolve_weights(
        settings.image_alignment_model,
        revision=settings.image_alignment_revision,
        patterns=[CONFIG_FILE, WEIGHTS_FILE],
        required=[CONFIG_FILE, WEIGHTS_FILE],
    )


def load_image_alignment(
    settings: ValidationTable, device: torch.device, *, compiled: bool = False
) -> ImageAlignment:
    """Reads the network on the host.

    Raises:
        UnavailableError: missing packages, or missing, damaged or unfitting weights.
    """
    folder = find_image_alignment(settings)
    with explained("the picture alignment network", folder):
        from safetensors import safe_open  # noqa: PLC0415 - only the GPU installation has it
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: PLC0415

        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        vision = {**config["vision_config"], "projection_dim": config["projection_dim"]}
        tower = CLIPVisionModelWithProjection(CLIPVisionConfig(**vision))
        with safe_open(folder / WEIGHTS_FILE, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(PARTS)]  # noqa: SIM118 - no mapping
            weights = {name: file.get_tensor(name) for name in names if name not in UNSTORED}
        _check_names(tower, weights, folder / WEIGHTS_FILE)
        tower.load_state_dict(weights)
        return ImageAlignment(tower, device, compiled=compiled)


def _check_names(tower: Any, weights: dict[str, Tensor], file: Path) -> None:
    missing = sorted(tower.state_dict().keys() - weights.keys())
    if missing:
        raise UnavailableError(
            f"{file} is not LLM2CLIP's image tower: {len(missing)} weights missing"
            f" ({', '.join(missing[:3])})",
            file=str(file),
            missing=missing[:20],
        )
