"""Full-size FLUX.1-schnell and Hunyuan3D-2 with random weights: as large and as slow as the trained ones.

For measuring where the weights can't be had. Built on the GPU, where filling 20 billion weights takes
seconds. Random weights make no shape, so an analytic field is laid over what the decoder answers: the decoder
does all its work, and the surface has about the area and the detail of a real asset.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

MODELS = "hy3dgen.shapegen."
DINO_GIANT = {
    "hidden_size": 1536,
    "num_hidden_layers": 40,
    "num_attention_heads": 24,
    "mlp_ratio": 4,
    "use_swiglu_ffn": True,
    "image_size": 518,
    "patch_size": 14,
}
DENOISER = {
    "in_channels": 64,
    "context_in_dim": 1536,
    "hidden_size": 1024,
    "mlp_ratio": 4.0,
    "num_heads": 16,
    "depth": 16,
    "depth_single_blocks": 32,
    "axes_dim": [64],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": False,
}
SHAPE_VAE = {
    "num_latents": 3072,
    "embed_dim": 64,
    "num_freqs": 8,
    "include_pi": False,
    "heads": 16,
    "width": 1024,
    "num_decoder_layers": 16,
    "qkv_bias": False,
    "qk_norm": True,
    "scale_factor": 0.9990943042622529,
}


def stand_in_for_pymeshlab() -> None:
    """hy3dgen imports it for its mesh clean-up, which nothing here runs."""
    try:
        import pymeshlab  # noqa: F401
    except ImportError:
        module = types.ModuleType("pymeshlab")
        module.MeshSet = object  # type: ignore[attr-defined]
        sys.modules["pymeshlab"] = module


def on_gpu(make: Callable[[], Any], dtype: torch.dtype) -> Any:
    """A module built on the GPU in `dtype`, its weights as the constructor draws them."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("cuda"):
            module: nn.Module = make()
    finally:
        torch.set_default_dtype(before)
    return module.to("cuda", dtype).eval().requires_grad_(False)


def random_flux() -> Any:
    """FLUX.1-schnell in bfloat16 on the GPU: 12 billion weights, T5-XXL, CLIP-L, the VAE."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    from tests.tiny_flux import _tokenizer

    t5 = T5Config(
        vocab_size=32128,
        d_model=4096,
        d_ff=10240,
        d_kv=64,
        num_layers=24,
        num_heads=64,
        feed_forward_proj="gated-gelu",
        is_encoder_decoder=False,
        use_cache=False,
    )
    clip = CLIPTextConfig(
        hidden_size=768,
        intermediate_size=3072,
        num_attention_heads=12,
        num_hidden_layers=12,
        projection_dim=768,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    vae = {
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "block_out_channels": [128, 256, 512, 512],
        "layers_per_block": 2,
        "latent_channels": 16,
        "sample_size": 1024,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
    }
    half = torch.bfloat16
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=on_gpu(lambda: CLIPTextModel(clip), half),
        text_encoder_2=on_gpu(lambda: T5EncoderModel(t5), half),
        tokenizer=_tokenizer("bpe", length=77),
        tokenizer_2=_tokenizer("unigram", length=512),
        transformer=on_gpu(lambda: FluxTransformer2DModel(guidance_embeds=False), half),
        vae=on_gpu(lambda: AutoencoderKL(**vae), half),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def random_hunyuan() -> Any:
    """Hunyuan3D-2's standard shape pipeline in float16 on the GPU: 1.1 + 1.1 billion weights and the VAE."""
    stand_in_for_pymeshlab()
    from hy3dgen.shapegen import pipelines

    def part(name: str, params: dict[str, Any]) -> Any:
        config = {"target": MODELS + name, "params": params}
        return on_gpu(lambda: pipelines.instantiate_from_config(config), torch.float16)

    encoder = {"type": "DinoImageEncoder", "kwargs": {"config": DINO_GIANT, "image_size": 518}}
    build = pipelines.instantiate_from_config
    return pipelines.Hunyuan3DDiTFlowMatchingPipeline(
        model=part("models.Hunyuan3DDiT", DENOISER),
        vae=part("models.ShapeVAE", SHAPE_VAE),
        conditioner=part("models.SingleImageEncoder", {"main_image_encoder": encoder}),
        scheduler=build(
            {
                "target": MODELS + "schedulers.FlowMatchEulerDiscreteScheduler",
                "params": {"num_train_timesteps": 1000},
            }
        ),
        image_processor=build(
            {
                "target": MODELS + "preprocessors.ImageProcessorV2",
                "params": {"size": 512, "border_ratio": 0.15},
            }
        ),
        device="cuda",
        dtype=torch.float16,
    )


def bumpy_ball(points: Tensor) -> Tensor:
    """(..., 3) -> (...) float32, about as steep as hy3dgen's logits: a ball with ripples, area about 9."""
    points = points.float()
    ripples = (12 * points).sin().prod(dim=-1)
    return (30 * (0.8 - points.norm(dim=-1) + 0.05 * ripples)).clamp(-1.02, 1.02)


def lay_over(answers: Tensor, points: Tensor) -> Tensor:
    """The analytic field, after the decoder's answers have been waited for."""
    return bumpy_ball(points) + 0 * torch.nan_to_num(answers.float())
