"""Writes tiny Hunyuan3D-2 shape checkpoints with random weights, in the published format.

Covers: config.yaml + model.fp16.safetensors, with the vision weights under their published names; every
variant of the denoiser's guidance, the scheduler and the shape decoder. Does not cover: sensible shapes.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

SUBFOLDER = "hunyuan3d-dit-v2-0"
HY3DGEN = "hy3dgen.shapegen."
VISION = {
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "image_size": 56,
    "patch_size": 14,
    "mlp_ratio": 2,
    "use_swiglu_ffn": True,  # as the giant vision model of the real checkpoints
}
DENOISER = {
    "in_channels": 8,
    "context_in_dim": 32,
    "hidden_size": 32,
    "mlp_ratio": 2.0,
    "num_heads": 2,
    "depth": 2,
    "depth_single_blocks": 2,
    "axes_dim": [16],
    "qkv_bias": True,
}
DECODER = {
    "num_latents": 24,
    "embed_dim": 8,
    "width": 32,
    "heads": 4,
    "num_decoder_layers": 2,
    "num_freqs": 4,
    "include_pi": False,
    "qkv_bias": False,
    "qk_norm": True,
    "scale_factor": 0.9,
}
SCHEDULERS = {
    "euler": {
        "target": HY3DGEN + "schedulers.FlowMatchEulerDiscreteScheduler",
        "params": {"num_train_timesteps": 1000, "shift": 2.0},
    },
    "consistency": {
        "target": HY3DGEN + "schedulers.ConsistencyFlowMatchEulerDiscreteScheduler",
        "params": {"num_train_timesteps": 1000, "pcm_timesteps": 50},
    },
}


def shape_config(*, scheduler: str = "euler", guidance_embed: bool = False, **decoder: Any) -> dict[str, Any]:
    """The config.yaml of a variant; `decoder` overrides keys of `DECODER`."""
    encoder = {"type": "DinoImageEncoder", "kwargs": {"config": VISION, "image_size": 56}}
    return {
        "model": {
            "target": HY3DGEN + "models.Hunyuan3DDiT",
            "params": {**DENOISER, "guidance_embed": guidance_embed},
        },
        "vae": {"target": HY3DGEN + "models.ShapeVAE", "params": {**DECODER, **decoder}},
        "conditioner": {
            "target": HY3DGEN + "models.SingleImageEncoder",
            "params": {"main_image_encoder": encoder},
        },
        "scheduler": SCHEDULERS[scheduler],
        "image_processor": {
            "target": HY3DGEN + "preprocessors.ImageProcessorV2",
            "params": {"size": 64, "border_ratio": 0.15},
        },
    }


def write_shape_model(folder: Path, config: dict[str, Any] | None = None, *, published: bool = True) -> Path:
    """Writes a checkpoint of random weights into `folder`.

    Args:
        folder: Made if need be.
        config: From `shape_config`.
        published: Vision weights under their published names; otherwise as the installed library calls them.
    """
    config = config or shape_config()
    weights = {
        f"{part}.{name}": tensor
        for part in ("model", "vae", "conditioner")
        for name, tensor in random_weights(config[part]).items()
    }
    if published:
        weights = with_published_names(weights)
    return _write(folder, config, weights)


def write_decoder(folder: Path, **decoder: Any) -> Path:
    """Writes a shape decoder on its own, as `hunyuan3d-vae-v2-0-turbo` is: no prefix before the names."""
    config = shape_config(**decoder)["vae"]
    return _write(folder, config, random_weights(config))


def random_weights(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The same half-precision weights at every call, large enough that outputs differ from point to point."""
    from hy3dgen.shapegen.pipelines import instantiate_from_config  # noqa: PLC0415 - only some tests need it

    with torch.random.fork_rng():
        torch.manual_seed(7)
        weights = instantiate_from_config(copy.deepcopy(config)).state_dict()
        return {name: (tensor + 0.2 * torch.randn(tensor.shape)).half() for name, tensor in weights.items()}


def with_published_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Vision weights as transformers called them when the checkpoints were published."""
    renamed = {
        ".attention.q_proj.": ".attention.attention.query.",
        ".attention.k_proj.": ".attention.attention.key.",
        ".attention.v_proj.": ".attention.attention.value.",
        ".attention.o_proj.": ".attention.output.dense.",
        ".mlp.down_proj.": ".mlp.weights_out.",
    }
    result = {}
    for name, tensor in weights.items():
        if ".mlp.up_proj." in name:
            continue
        if ".mlp.gate_proj." in name:
            up = weights[name.replace("gate", "up")]
            result[name.replace("gate_proj", "weights_in")] = torch.cat((tensor, up))
            continue
        for new, old in renamed.items():
            if name.startswith("conditioner."):
                name = name.replace(new, old)  # noqa: PLW2901 - at most one of them applies
        result[name] = tensor
    return result


def _write(folder: Path, config: dict[str, Any], weights: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    save_file(
        {name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.fp16.safetensors"
    )
    return folder
