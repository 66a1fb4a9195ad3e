"""How well each view shows what a text says: open_clip's convnext_large_d, trained on LAION-2B.

The image tower runs under autocast in float16 on a GPU, as officially, so the cosines themselves are
float16 numbers there. On the CPU everything after the preprocessing is float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from subnet17.errors import UnavailableError
from subnet17.gpu.weights import resolve_weights
from subnet17.settings import ValidationTable
from subnet17.validation.scoring.reference.foreign import explained
from subnet17.validation.scoring.reference.kept import Kept
from subnet17.validation.scoring.reference.network import Network, in_batches
from subnet17.validation.scoring.reference.pictures import clip_input

SIDE_PX = 224
CONFIG_FILE = "open_clip_config.json"
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
"""The first one that is there is read."""
KEYS = ("embed_dim", "vision_cfg", "text_cfg", "quick_gelu")
TOKENIZED_AS = "convnext_large_d"
BLOCK = "ConvNeXtBlock"
ASSUMED_BYTES = 1_200 * 10**6

Tokenizer = Callable[[str], Tensor]


class TextAlignment(Network):
    """Views and a text to cosines.

    Args:
        clip: open_clip's CLIP.
        tokenizer: Text to (1, L) int64.
        device: Where it will run.
        compiled: Compile the image tower's blocks while warming up.
        backend: Of `torch.compile`.
    """

    def __init__(
        self,
        clip: Any,
        tokenizer: Tokenizer,
        device: torch.device,
        *,
        compiled: bool = False,
        backend: str | Any = "inductor",
    ) -> None:
        blocks = [module for module in clip.visual.modules() if type(module).__name__ == BLOCK]
        for block in blocks:
            # Does nothing but while training, and its rate, another in each block, would keep them apart:
            # blocks that differ in a constant are compiled one by one.
            block.drop_path = nn.Identity()
        super().__init__([clip], device, blocks=blocks, compiled=compiled, backend=backend)
        if device.type == "cuda":
            halve_products(clip.visual)
        self._clip = clip
        self._tokenizer = tokenizer
        self._texts: Kept[str] = Kept()
        self._see_all = self.record(self._see)
        self._read_tokens = self.record(self._read)

    def cosines(self, images: Tensor, prompt: str, batch: int) -> Tensor:
        """(N,) float32 of (N, H, W, 3) uint8 views, `batch` at a time."""
        with self.running():
            text = self._texts.get(prompt, lambda: self._encode(prompt))
            cosines: Tensor = in_batches(self._see_all, images, batch) @ text.T
        return cosines[:, 0].float()

    def rehearse(self, images: Tensor) -> None:
        """See `Network`."""
        self._texts.clear()
        self.cosines(images, "a red ball", len(images))

    def _encode(self, prompt: str) -> Tensor:
        features: Tensor = self._read_tokens(self._tokenizer(prompt).to(self.device))
        return features

    def _see(self, images: Tensor) -> Tensor:
        pixels = clip_input(images, SIDE_PX)
        if self.device.type != "cuda":
            pixels = pixels.float()
        with self._half():
            return _unit(self._clip.encode_image(pixels))

    def _read(self, tokens: Tensor) -> Tensor:
        with self._half():
            return _unit(self._clip.encode_text(tokens))

    def _half(self) -> AbstractContextManager[Any]:
        return torch.autocast("cuda", torch.float16) if self.device.type == "cuda" else nullcontext()


def _unit(features: Tensor) -> Tensor:
    """Of length 1, in the features' own precision."""
    unit: Tensor = features / features.norm(dim=-1, keepdim=True)
    return unit.to(features.dtype)


def halve_products(tower: nn.Module) -> None:
    """What autocast would round to float16 at every call is kept so; the sums between stay float32."""
    for module in tower.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.half()


def find_text_alignment(settings: ValidationTable) -> Path:
    """The folder with configuration and weights.

    Raises:
        UnavailableError: missing, damaged, or not to be fetched.
    """
    return resolve_weights(
        settings.text_alignment_model,
        revision=settings.text_alignment_revision,
        patterns=[CONFIG_FILE, *WEIGHT_FILES],
        required=[CONFIG_FILE, "open_clip*model.safetensors"],
    )


def load_text_alignment(
    settings: ValidationTable, device: torch.device, *, compiled: bool = False
) -> TextAlignment:
    """Reads the network on the host.

    Raises:
        UnavailableError: missing packages, or missing, damaged or unfitting weights.
    """
    folder = find_text_alignment(settings)
    with explained("the text alignment network", folder):
        import open_clip  # noqa: PLC0415 - takes seconds, and only the GPU installation has it
        from open_clip.model import CLIP  # noqa: PLC0415

        clip = CLIP(**_read_config(folder / CONFIG_FILE))
        weights = next(folder / name for name in WEIGHT_FILES if (folder / name).is_file())
        open_clip.load_checkpoint(clip, str(weights), strict=True)
        context_length = clip.context_length
        tokenizer = open_clip.get_tokenizer(TOKENIZED_AS, context_length=context_length)
        return TextAlignment(clip, tokenizer, device, compiled=compiled)


def _read_config(file: Path) -> dict[str, Any]:
    """The model's own part. A configuration is data: it must not choose what is downloaded or run."""
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["model_cfg"]
    vision, text = config["vision_cfg"], config["text_cfg"]
    foreign = [name for name in ("hf_model_name", "hf_tokenizer_name") if text.get(name)]
    if foreign or not str(vision.get("timm_model_name", "")).isidentifier():
        raise UnavailableError(f"{file} is no configuration of a ConvNeXt CLIP", file=str(file))
    vision["timm_model_pretrained"] = False
    return {key: config[key] for key in KEYS if key in config}
