"""Reads a Hunyuan3D-2 shape checkpoint from disk into hy3dgen's pipeline, on the host.

Covers: the variants of tencent/Hunyuan3D-2 and Hunyuan3D-2mini (standard, fast, turbo), copies of them, and
another shape decoder beside them (`hunyuan3d-vae-v2-0-turbo`); vision weights under the names that they were
published with, which transformers has since renamed.
Does not cover: the multi-view variants, pickled checkpoints.

Not hy3dgen's own `from_pretrained`: it downloads unpinned, fills 2.5 billion weights with random numbers
before it overwrites them, holds them in float32 meanwhile, and fails on the renamed vision layers.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from subnet17.errors import UnavailableError
from subnet17.gpu.vision_names import renamed_vision_weights
from subnet17.gpu.weights import resolve_weights
from subnet17.settings import PROJECT_ROOT, GenerationTable

CONFIG_FILE = "config.yaml"
WEIGHT_FILES = ("model.fp16.safetensors", "model.safetensors")
"""The first one that is there is read; only the first is fetched."""
PIPELINE = "Hunyuan3DDiTFlowMatchingPipeline"
CLONE = "Hunyuan3D-2"
NEEDED = ("yaml", "safetensors", "accelerate", "hy3dgen.shapegen.pipelines")
"""Imported in this order; the last one imports many more."""
UNUSED_PARTS = ("encoder", "pre_kl")
"""Of a shape autoencoder: they turn meshes into latents. The clone's modules have them, the package's don't,
nor do the files of shape models."""
Weights = dict[str, Tensor]


def load_hunyuan(settings: GenerationTable) -> Any:
    """The pipeline of `settings`, its weights as in the files and on the host.

    Raises:
        UnavailableError: hy3dgen or the weights are missing, damaged or not a shape model.
    """
    pipelines = import_hy3dgen()
    folder = _find(settings, settings.subfolder)
    decoder_folder = _find(settings, settings.vae_subfolder) if settings.vae_subfolder else None
    try:
        return _build(pipelines, folder, decoder_folder)
    except Exception as error:  # foreign code reading foreign files: its errors are of any kind
        raise UnavailableError(
            f"{folder} can't be read as a Hunyuan3D-2 shape model: {type(error).__name__}:"
            f" {str(error)[:300]}",
            folder=str(folder),
            vae_folder=str(decoder_folder or ""),
        ) from error


def import_hy3dgen() -> Any:
    """hy3dgen's module of shape pipelines: installed, or from a clone inside or beside the project.

    Raises:
        UnavailableError: neither is there, or one of its own requirements is missing.
    """
    clones = [folder / CLONE for folder in (PROJECT_ROOT, PROJECT_ROOT.parent)]
    if importlib.util.find_spec("hy3dgen") is None:
        sys.path.extend(str(clone) for clone in clones if (clone / "hy3dgen").is_dir())
    try:
        *_, module = [importlib.import_module(name) for name in NEEDED]
    except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: a torchvision for another torch
        missing = getattr(error, "name", None) or f"a library ({error})"
        raise UnavailableError(
            f"the shape model can't run, {missing} is not installed or can't be imported: run"
            f" ./setup_mining_environment.sh --gpu, or clone {CLONE} into {PROJECT_ROOT} and install what it"
            " requires",
            missing=missing,
        ) from error
    _hush()
    return module


def _hush() -> None:
    # Importing it gives its logger a handler of its own, which prints every line twice and none as JSON.
    logger = logging.getLogger("hy3dgen.shapgen")
    logger.handlers.clear()
    logger.setLevel(logging.WARNING)


def _find(settings: GenerationTable, subfolder: str) -> Path:
    root = resolve_weights(
        settings.model_path,
        revision=settings.shape_revision,
        patterns=[f"{subfolder}/{CONFIG_FILE}", f"{subfolder}/{WEIGHT_FILES[0]}"],
        required=[f"{subfolder}/{CONFIG_FILE}", f"{subfolder}/model*.safetensors"],
    )
    return root / subfolder


def _build(pipelines: Any, folder: Path, decoder_folder: Path | None) -> Any:
    config = _read_config(folder)
    weights = _read_parts(folder)
    parts = {
        name: _make_module(pipelines, config[name], weights[name])
        for name in ("model", "conditioner", "vae")
        if name != "vae" or decoder_folder is None
    }
    if decoder_folder is not None:
        parts["vae"] = _make_module(pipelines, _read_config(decoder_folder), _read(decoder_folder))
    return getattr(pipelines, PIPELINE)(
        **parts,
        scheduler=_make(pipelines, config["scheduler"]),
        image_processor=_make(pipelines, config["image_processor"]),
        device="cpu",
        dtype=next(parts["model"].parameters()).dtype,
    )


def _make(pipelines: Any, config: dict[str, Any]) -> Any:
    if not str(config["target"]).startswith("hy3dgen."):
        # A configuration is data: it must not choose what code runs.
        raise ValueError(f"target {config['target']!r} is not a part of hy3dgen")
    return pipelines.instantiate_from_config(config)


def _make_module(pipelines: Any, config: dict[str, Any], weights: Weights) -> nn.Module:
    """A module that takes its tensors from `weights` instead of copying them.

    Parameters are made without memory; buffers are not in the file (frequencies) and are made as usual.
    """
    from accelerate import init_empty_weights  # noqa: PLC0415 - part of the GPU installation

    with init_empty_weights(include_buffers=False):
        module: nn.Module = _make(pipelines, config)
    for part in UNUSED_PARTS:
        if hasattr(module, part):
            delattr(module, part)
    used = {name: tensor for name, tensor in weights.items() if name.partition(".")[0] not in UNUSED_PARTS}
    module.load_state_dict(renamed_vision_weights(used, module.state_dict().keys()), assign=True)
    return module.eval().requires_grad_(False)


def _read_config(folder: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - part of the GPU installation

    config = yaml.safe_load((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{CONFIG_FILE} is not a table")
    return config


def _read(folder: Path) -> Weights:
    from safetensors.torch import load_file  # noqa: PLC0415 - part of the GPU installation

    name = next(name for name in WEIGHT_FILES if (folder / name).is_file())
    weights: Weights = load_file(folder / name)  # mapped, not read: pages come in as they are copied
    return weights


def _read_parts(folder: Path) -> dict[str, Weights]:
    parts: dict[str, Weights] = defaultdict(dict)
    for name, tensor in _read(folder).items():
        part, _, inner = name.partition(".")
        parts[part][inner] = tensor
    return dict(parts)


def precision_for(device: torch.device) -> torch.dtype:
    """What the models compute in: half as published on a GPU, single on a CPU, which has no fast half."""
    return torch.float16 if device.type == "cuda" else torch.float32
