"""How a FLUX pipeline is made fast and small on a given card: precision, fused projections, compilation.

Everything works in place and block by block where the block lies, or on the plan's device and back: a
transformer of 24 GB in bfloat16 never lies on the card as a whole, and one that is already there stays there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from subnet17.errors import ConfigError
from subnet17.log import get_logger
from subnet17.settings import GenerationTable

FP8_CAPABILITY = (8, 9)
"""Ada and later multiply in fp8."""

SMALL_CARD_BYTES = 40 * 2**30
"""Below it the text encoder is quantised too; larger cards keep bfloat16: it is exact, and faster."""

FP8_ALIGN = 16
"""Both sides of a matrix that the fp8 kernels take are multiples of it."""

Precision = Literal["full", "fp8"]


@dataclass(frozen=True)
class Plan:
    """What is done to the modules.

    Attributes:
        device: Where blocks are quantised, and where the models run.
        image: Of the transformer's linear layers: fp8 weights, and activations quantised as they come.
        text: Of the text encoder's: fp8 weights only, to save memory.
        compile: Compile the repeated blocks and the VAE's decoder.
        compile_backend: Of `torch.compile`; tests count graphs with one of their own.
    """

    device: str
    image: Precision = "full"
    text: Precision = "full"
    compile: bool = False
    compile_backend: str | Callable[..., Any] = "inductor"


def choose_plan(settings: GenerationTable) -> Plan:
    """What suits the settings' card.

    Raises:
        ConfigError: fp8 is asked for where it can't be computed.
    """
    device = settings.device
    if torch.device(device).type != "cuda":
        _refuse_fp8(settings, f"device {device} is no NVIDIA GPU")
        return Plan(device)
    capability = torch.cuda.get_device_capability(device)
    if capability < FP8_CAPABILITY:
        _refuse_fp8(
            settings, f"this GPU has compute capability {capability[0]}.{capability[1]}, fp8 needs 8.9"
        )
    fp8 = settings.weights_precision != "bf16" and capability >= FP8_CAPABILITY
    card_bytes = settings.vram_limit_bytes or torch.cuda.get_device_properties(device).total_memory
    return Plan(
        device,
        image="fp8" if fp8 else "full",
        text="fp8" if fp8 and card_bytes < SMALL_CARD_BYTES else "full",
        compile=settings.compile,
    )


def _refuse_fp8(settings: GenerationTable, why: str) -> None:
    if settings.weights_precision == "fp8":
        raise ConfigError(
            f"generation.weights_precision is fp8, but {why}: use auto or bf16",
            key="generation.weights_precision",
        )


def prepare_text(pipeline: Any, plan: Plan) -> None:
    """Quantises (and then compiles) the large text encoder of `pipeline`, in place."""
    blocks = list(text_blocks(pipeline))
    if plan.text == "fp8":
        config = _config("weight_only")
        for block in blocks:
            _convert(block, plan.device, config)
    if plan.compile:
        for block in blocks:
            block.compile(backend=plan.compile_backend, dynamic=False)


def prepare_image(pipeline: Any, plan: Plan) -> None:
    """Fuses, quantises and compiles the transformer and the VAE's decoder of `pipeline`, in place."""
    transformer = pipeline.transformer
    config = _config("dynamic") if plan.image == "fp8" else None
    for block in image_blocks(transformer):
        _convert(block, plan.device, config, fuse=True)
    if plan.compile:
        how: dict[str, Any] = {"backend": plan.compile_backend, "fullgraph": True, "dynamic": False}
        transformer.compile_repeated_blocks(**how)
        pipeline.vae.decoder.compile(**how)
    get_logger().info("picture model prepared", weights=plan.image, compiled=plan.compile)


def image_blocks(transformer: nn.Module) -> Iterator[nn.Module]:
    """The transformer's repeated blocks, which hold nearly all of its weights."""
    yield from transformer.transformer_blocks  # type: ignore[misc]
    yield from transformer.single_transformer_blocks  # type: ignore[misc]


def text_blocks(pipeline: Any) -> Iterator[nn.Module]:
    """The repeated blocks of T5, or of Qwen; CLIP is small and stays as it is."""
    t5 = getattr(pipeline, "text_encoder_2", None)
    yield from t5.encoder.block if t5 is not None else pipeline.text_encoder.model.layers


def _convert(block: nn.Module, device: str, config: Any, *, fuse: bool = False) -> None:
    home = next(block.parameters()).device
    if config is not None:
        block.to(device)
    if fuse:
        fuse_projections(block)
    if config is not None:
        from torchao.quantization import quantize_  # noqa: PLC0415 - only where something is quantised

        quantize_(block, config, filter_fn=fits_fp8)
    block.to(home)


def fuse_projections(block: nn.Module) -> None:
    """One matrix for query, key and value, in every attention of a block; the three are dropped."""
    for module in block.modules():
        if not getattr(module, "_supports_qkv_fusion", False) or getattr(module, "fused_projections", True):
            continue
        module.fuse_projections()  # type: ignore[operator]
        for name in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj"):
            if getattr(module, name, None) is not None:
                delattr(module, name)


def fits_fp8(module: nn.Module, _: str = "") -> bool:
    """Whether the fp8 kernels take this layer, and it is not in fp8 yet: preparing may be tried again."""
    return (
        isinstance(module, nn.Linear)
        and not hasattr(module.weight, "__tensor_flatten__")
        and module.in_features % FP8_ALIGN == 0
        and module.out_features % FP8_ALIGN == 0
    )


def _config(kind: Literal["dynamic", "weight_only"]) -> Any:
    from torchao.quantization import (  # noqa: PLC0415 - takes seconds, and bf16 does without
        Float8DynamicActivationFloat8WeightConfig,
        Float8WeightOnlyConfig,
        PerRow,
    )

    if kind == "weight_only":
        return Float8WeightOnlyConfig(set_inductor_config=False)
    return Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), set_inductor_config=False)
