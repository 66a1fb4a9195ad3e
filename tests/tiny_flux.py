"""Writes tiny FLUX checkpoints with random weights, in the folders that the real ones have.

Covers: FLUX.1 schnell (no guidance input), FLUX.1 dev (guidance_embeds) and FLUX.2 klein, loaded by
`from_pretrained` in about a second. Does not cover: sensible pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    FluxPipeline,
    FluxTransformer2DModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
)

Kind = Literal["schnell", "dev", "klein"]

WORDS = ["a red ball", "a wooden chair", "a rusty robot with two arms", "on plain white ground, centred"]
QWEN_LAYERS = 28
"""klein reads the hidden states after layers 9, 18 and 27."""
UNKNOWN = "<unk>"
CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def write_tiny_flux(folder: Path, kind: Kind) -> Path:
    """Writes one checkpoint; draws 64 px pictures in well under a second."""
    torch.manual_seed(0)
    pipeline = build_tiny_klein() if kind == "klein" else build_tiny_flux(guidance=kind == "dev")
    with torch.no_grad():  # random weights hardly heed the prompt; these do
        pipeline.transformer.context_embedder.weight.mul_(30)
    pipeline.save_pretrained(folder)
    return folder


def build_tiny_flux(*, guidance: bool) -> Any:
    """A FLUX.1 pipeline: CLIP, T5, one block of each kind, a VAE of factor 8."""
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            shift=3.0 if guidance else 1.0, use_dynamic_shifting=guidance
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
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
        ),
        text_encoder_2=T5EncoderModel(
            T5Config(
                vocab_size=200,
                d_model=32,
                d_ff=64,
                d_kv=16,
                num_layers=2,
                num_heads=2,
                feed_forward_proj="gated-gelu",
            )
        ),
        tokenizer=_tokenizer("bpe", length=77),
        tokenizer_2=_tokenizer("unigram", length=512),
        transformer=FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=guidance,
        ),
        vae=AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8,) * 4,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=2,
            use_quant_conv=False,
            use_post_quant_conv=False,
            scaling_factor=0.3611,
            shift_factor=0.1159,
        ),
    )


def build_tiny_klein(*, distilled: bool = True) -> Any:
    """A FLUX.2 klein pipeline: Qwen3 of 28 layers, one block of each kind, the new VAE."""
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=200,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=QWEN_LAYERS,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                max_position_embeddings=512,
            )
        ),
        tokenizer=_tokenizer("bpe", length=512, chat=CHAT),
        transformer=Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        vae=AutoencoderKLFlux2(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8,) * 4,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=2,
        ),
        is_distilled=distilled,
    )


def _tokenizer(kind: Literal["bpe", "unigram"], *, length: int, chat: str | None = None) -> Any:
    special = ["<start>", "<pad>", "<end>", UNKNOWN]
    if kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer: Any = trainers.BpeTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=100, special_tokens=special, unk_token=UNKNOWN, show_progress=False
        )
    tokenizer.train_from_iterator(WORDS * 10, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), special, strict=True)),
        model_max_length=length,
    )
    wrapped.chat_template = chat
    return wrapped
