"""Writes a tiny Hunyuan3D-Paint with random weights, in the folders and file formats of the published one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from subnet17.generation.colour.paint_checkpoint import DELIGHT, PAINT
from tests.tiny_flux import build_tiny_flux


def write_tiny_paint(root: Path) -> Path:
    """Writes both folders; the painter's networks as pickles, as published."""
    from hy3dgen.texgen.hunyuanpaint.unet.modules import UNet2p5DConditionModel  # noqa: PLC0415

    torch.manual_seed(0)
    StableDiffusionInstructPix2PixPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config()),
        tokenizer=build_tiny_flux(guidance=False).tokenizer,
        unet=_unet(in_channels=8, cross_attention_dim=32),
        scheduler=EulerAncestralDiscreteScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(root / DELIGHT)
    views = _unet(in_channels=4, cross_attention_dim=1024)
    (root / PAINT / "scheduler").mkdir(parents=True)
    EulerAncestralDiscreteScheduler(prediction_type="v_prediction").save_pretrained(
        root / PAINT / "scheduler"
    )
    _vae().save_pretrained(root / PAINT / "vae", safe_serialization=False)
    (root / PAINT / "unet").mkdir()
    (root / PAINT / "unet" / "config.json").write_text(json.dumps(dict(views.config), default=str))
    weights = UNet2p5DConditionModel(views).state_dict()
    torch.save(weights, root / PAINT / "unet" / "diffusion_pytorch_model.bin")
    return root


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=200,
        hidden_size=32,
        intermediate_size=32,
        num_attention_heads=2,
        num_hidden_layers=1,
        projection_dim=32,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8, 8, 8, 8],
        norm_num_groups=4,
    )


def _unet(**changed: Any) -> UNet2DConditionModel:
    # the painter adds a class embedding of 1280, which is four times the first block's channels
    return UNet2DConditionModel(
        sample_size=64,
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
        block_out_channels=[320, 32],
        layers_per_block=1,
        attention_head_dim=8,
        norm_num_groups=8,
        **changed,
    )
