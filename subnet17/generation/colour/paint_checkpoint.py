"""Reads Hunyuan3D-Paint from disk into hy3dgen's texture pipeline, on the host.

Covers: the folders `hunyuan3d-delight-v2-0` and `hunyuan3d-paint-v2-0` of tencent/Hunyuan3D-2, as safetensors
that lie on this machine; nothing is fetched. The second one is published as pickles, which are never read
here: paint_pickles.py rewrites them once.
Does not cover: the turbo variant of the painter, Hunyuan3D-2.1's.

Not hy3dgen's own `from_pretrained`: it reads pickles, puts both networks straight onto the first GPU, and
has diffusers run code from a folder, which current versions refuse (0.42 does) unless told to trust it.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from subnet17.errors import UnavailableError
from subnet17.generation.shape.hunyuan_checkpoint import import_hy3dgen, precision_for
from subnet17.gpu.weights import PINNED, resolve_weights
from subnet17.settings import GenerationTable

DELIGHT = "hunyuan3d-delight-v2-0"
PAINT = "hunyuan3d-paint-v2-0"
DELIGHT_PARTS = ("unet", "vae", "text_encoder")
PAINT_PARTS = ("unet", "vae")
"""Its text encoder is not used: what it would say was learned as a constant."""
NEEDED = ("xatlas", "cv2", "einops", "custom_rasterizer", "hy3dgen.texgen.pipelines")
UNET_FILE = "diffusion_pytorch_model.safetensors"
COMPILED_PARTS_FIX = (
    "run ./setup_mining_environment.sh --gpu; custom_rasterizer comes from"
    " https://github.com/Tencent-Hunyuan/Hunyuan3D-2: clone it and, with the CUDA toolkit of torch's own"
    " version, `pip install --no-build-isolation ./Hunyuan3D-2/hy3dgen/texgen/custom_rasterizer`"
)

T = TypeVar("T")


def import_texgen() -> Any:
    """hy3dgen's module of texture pipelines.

    Raises:
        UnavailableError: it, or the compiled package that it draws with, can't be imported.
    """
    import_hy3dgen()
    for name in NEEDED:
        try:
            module = importlib.import_module(name)
        except Exception as error:  # compiled for another torch, it fails in ways of its own
            raise UnavailableError(
                f"Hunyuan3D-Paint can't run, {name} can't be imported ({type(error).__name__}:"
                f" {str(error)[:200]}): {COMPILED_PARTS_FIX}",
                missing=name,
            ) from error
    return module


def find_paint(settings: GenerationTable) -> Path:
    """The folder that holds both networks' folders; only looks, and fetches nothing.

    Raises:
        UnavailableError: files are missing or damaged, with the commands that bring them.
    """
    parts = [f"{DELIGHT}/{part}" for part in DELIGHT_PARTS] + [f"{PAINT}/{part}" for part in PAINT_PARTS]
    try:
        return resolve_weights(
            settings.model_path,
            revision=settings.shape_revision,
            patterns=[f"{part}/*" for part in parts],
            required=[*(f"{part}/*.safetensors" for part in parts), f"{PAINT}/unet/config.json"],
            fetch=fetch_nothing,
        )
    except UnavailableError as error:
        raise UnavailableError(
            f"Hunyuan3D-Paint's weights are not there ({error.message}): {weights_fix(settings)}",
            **error.detail,
        ) from None


def fetch_nothing(source: str, **asked: Any) -> str:
    """Stands in for `huggingface_hub.snapshot_download`: looks into the cache only."""
    hub = importlib.import_module("huggingface_hub")
    return str(hub.snapshot_download(source, **(asked | {"local_files_only": True})))


def weights_fix(settings: GenerationTable) -> str:
    """How to get the weights."""
    source = settings.model_path
    revision = settings.shape_revision or PINNED.get(source, "main")
    fetched = f"`hf download {source} --revision {revision} --include '{DELIGHT}/*' --include '{PAINT}/*'`"
    if Path(source).expanduser().is_dir():
        fetched = f"copy {DELIGHT} and {PAINT} into {source}"
    return f"{fetched}, then `python -m subnet17.generation.colour.paint_pickles`"


def load_paint(settings: GenerationTable, device: torch.device) -> Any:
    """hy3dgen's `Hunyuan3DPaintPipeline`, to run on `device`, its weights on the host.

    Raises:
        UnavailableError: code or weights are missing, damaged or something else.
    """
    texgen, folder = import_texgen(), find_paint(settings)
    try:
        return _build(texgen, folder, device)
    except Exception as error:  # foreign code reading foreign files: its errors are of any kind
        raise UnavailableError(
            f"{folder} can't be read as Hunyuan3D-Paint: {type(error).__name__}: {str(error)[:300]}",
            folder=str(folder),
        ) from error


def _build(texgen: Any, folder: Path, device: torch.device) -> Any:
    config = texgen.Hunyuan3DTexGenConfig(str(folder / DELIGHT), str(folder / PAINT))
    config.device = str(device)
    dtype = precision_for(device)
    delight = _without_init(
        texgen.Light_Shadow_Remover,
        device=config.device,
        cfg_image=1.5,
        cfg_text=1.0,
        pipeline=_read_delight(folder / DELIGHT, dtype),
    )
    views = _without_init(
        texgen.Multiview_Diffusion_Net,
        device=config.device,
        view_size=512,
        pipeline=_read_views(folder / PAINT, dtype),
    )
    render = texgen.MeshRender(
        default_resolution=config.render_size, texture_size=config.texture_size, device=config.device
    )
    models = {"delight_model": delight, "multiview_model": views}
    return _without_init(texgen.Hunyuan3DPaintPipeline, config=config, models=models, render=render)


def _without_init(kind: type[T], **fields: Any) -> T:
    """One of hy3dgen's objects; their constructors do nothing but load and set these fields."""
    made = kind.__new__(kind)
    vars(made).update(fields)
    return made


def _read_delight(folder: Path, dtype: torch.dtype) -> Any:
    import diffusers  # noqa: PLC0415 - slow to import

    pipeline = diffusers.StableDiffusionInstructPix2PixPipeline.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, safety_checker=None, local_files_only=True
    )
    pipeline.scheduler = diffusers.EulerAncestralDiscreteScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _read_views(folder: Path, dtype: torch.dtype) -> Any:
    import diffusers  # noqa: PLC0415 - slow to import

    kind = importlib.import_module("hy3dgen.texgen.hunyuanpaint.pipeline").HunyuanPaintPipeline
    pipeline = kind(
        vae=diffusers.AutoencoderKL.from_pretrained(folder / "vae", dtype=dtype, use_safetensors=True),
        text_encoder=None,
        tokenizer=None,
        unet=_read_views_unet(folder / "unet", dtype),
        scheduler=diffusers.EulerAncestralDiscreteScheduler.from_pretrained(
            folder / "scheduler", timestep_spacing="trailing"
        ),
        feature_extractor=None,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _read_views_unet(folder: Path, dtype: torch.dtype) -> nn.Module:
    from accelerate import init_empty_weights  # noqa: PLC0415 - part of the GPU installation
    from diffusers import UNet2DConditionModel  # noqa: PLC0415 - slow to import
    from safetensors.torch import load_file  # noqa: PLC0415 - part of the GPU installation

    kind = importlib.import_module("hy3dgen.texgen.hunyuanpaint.unet.modules").UNet2p5DConditionModel
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    with init_empty_weights(include_buffers=False):
        unet: nn.Module = kind(UNet2DConditionModel.from_config(config))
    unet.load_state_dict(load_file(folder / UNET_FILE), assign=True)
    return unet.to(dtype).eval().requires_grad_(False)
