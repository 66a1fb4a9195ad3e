"""Writes tiny networks with random weights in the files that the reference scorer reads.

Covers: open_clip's folder with safetensors, LLM2CLIP's folder, quality_scorer.safetensors under the names of
its publishers, AlexNet as torchvision has it (at full width: LPIPS's real heads fit nothing else).
Does not cover: sensible scores.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import nn
from torchvision.models import alexnet
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, Dinov2Config, Dinov2Model

from subnet17.settings import ValidationTable

CLIP_CONFIG: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {
        "timm_model_name": "test_convnext",
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "mlp",
        "timm_drop_path": 0.1,
        "image_size": 256,
    },
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 336,
    "patch_size": 14,
}
DINO = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 518,
    "patch_size": 14,
}
OLD_NAMES = {
    ".attention.q_proj.": ".attention.attention.query.",
    ".attention.k_proj.": ".attention.attention.key.",
    ".attention.v_proj.": ".attention.attention.value.",
    ".attention.o_proj.": ".attention.output.dense.",
}


@dataclass
class TinyNetworks:
    """The networks as they were written, in float32, and the settings that find them."""

    clip: Any
    vision: Any
    backbone: Any
    head: nn.Linear
    alexnet: Any
    settings: ValidationTable


def write_tiny_networks(folder: Path) -> TinyNetworks:
    """Writes all four; a second or two."""
    torch.manual_seed(0)
    return TinyNetworks(
        clip=_write_clip(folder / "clip"),
        vision=_write_vision(folder / "vision"),
        **_write_quality(folder / "quality"),
        alexnet=_write_alexnet(folder / "lpips"),
        settings=ValidationTable(
            device="cpu",
            scorer="reference",
            text_alignment_model=str(folder / "clip"),
            image_alignment_model=str(folder / "vision"),
            quality_model=str(folder / "quality"),
            quality_backbone=str(folder / "quality"),
            lpips_model=str(folder / "lpips"),
        ),
    )


def _write_clip(folder: Path) -> Any:
    folder.mkdir(parents=True)
    model = _lively(CLIP(**json.loads(json.dumps(CLIP_CONFIG))))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP_CONFIG}))
    save_file(_contiguous(model), folder / "open_clip_model.safetensors")
    return model


def _write_vision(folder: Path) -> Any:
    folder.mkdir(parents=True)
    model = _lively(CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION, projection_dim=24)), spread=5.0)
    (folder / "config.json").write_text(json.dumps({"vision_config": VISION, "projection_dim": 24}))
    text_side = {"text_adapter.adaptor.0.weight": torch.zeros(2, 2), "logit_scale": torch.zeros(())}
    positions = {"vision_model.embeddings.position_ids": torch.arange(577)[None]}
    save_file(_contiguous(model) | text_side | positions, folder / "model.safetensors")
    return model


def _write_quality(folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True)
    backbone = _lively(Dinov2Model(Dinov2Config(**DINO)))
    head = nn.Linear(DINO["hidden_size"], 1).requires_grad_(False)
    weights = {f"backbone.{_old(name)}": value for name, value in _contiguous(backbone).items()}
    weights |= {f"score_head.{name}": value for name, value in head.state_dict().items()}
    weights |= {"emb_head.weight": torch.zeros(256, 32), "emb_head.bias": torch.zeros(256)}
    save_file(weights, folder / "quality_scorer.safetensors")
    (folder / "config.json").write_text(json.dumps(DINO))
    return {"backbone": backbone, "head": head}


def _write_alexnet(folder: Path) -> Any:
    folder.mkdir(parents=True)
    model = alexnet(weights=None).eval()
    kept = {name: value for name, value in _contiguous(model).items() if name.startswith("features.")}
    save_file(kept, folder / "alexnet.safetensors")
    return model


def _lively(model: Any, spread: float = 1.5) -> Any:
    """Random matrices of the size that trained ones have: freshly made ones hardly heed their inputs."""
    for name, value in model.named_parameters():
        if name.endswith("gamma"):  # a millionth when freshly made
            nn.init.ones_(value)
        elif value.ndim > 1 and "position" not in name:
            nn.init.normal_(value, std=spread / value[0].numel() ** 0.5)
    return model.eval().requires_grad_(False)


def _contiguous(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone().contiguous() for name, value in model.state_dict().items()}


def _old(name: str) -> str:
    for present, published in OLD_NAMES.items():
        name = name.replace(present, published)
    return name


def turning_views(count: int = 16, size_px: int = 518) -> NDArray[np.uint8]:
    """(count, size, size, 3): a spotted ball on white that turns; the last view is the first again."""
    y, x = (np.mgrid[:size_px, :size_px] + 0.5) / size_px * 2.6 - 1.3
    depth = np.sqrt(np.clip(1 - x * x - y * y, 0, None))
    views = []
    for turn in np.linspace(0, 2 * np.pi, count):
        around = np.arctan2(x, depth + 1e-9) + turn
        waves = [np.sin(3 * around + phase) * np.cos(4 * y + phase) for phase in (0.0, 1.0, 2.5)]
        colours = 0.55 + 0.35 * np.stack(waves, axis=-1) * depth[..., None]
        views.append(np.where((x * x + y * y < 1)[..., None], colours, 1.0))
    return (np.stack(views) * 255).astype(np.uint8)
