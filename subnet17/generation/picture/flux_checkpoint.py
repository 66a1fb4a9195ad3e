"""Reads a FLUX checkpoint from disk into a diffusers pipeline on the CPU; nothing is prepared for speed here.

Covers: FluxPipeline (FLUX.1 schnell, dev) and Flux2KleinPipeline (FLUX.2 klein), told apart by their index.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from subnet17.errors import UnavailableError
from subnet17.gpu.weight_files import check_weight_files
from subnet17.gpu.weights import resolve_weights
from subnet17.settings import GenerationTable

PATTERNS = ("model_index.json", "*/*.json", "*/*.safetensors", "*/*.txt", "*/*.model", "*/*.jinja")
"""The diffusers folders only: the same weights also lie in the repository's root, in one file of 24 GB."""
REQUIRED = ("model_index.json",)

PIPELINES = ("FluxPipeline", "Flux2KleinPipeline")
WEIGHTLESS = ("scheduler", "tokenizer", "tokenizer_2", "feature_extractor", "image_encoder")
"""Parts that have no weights, or that text to image does without."""


def load_flux(settings: GenerationTable) -> Any:
    """The pipeline that the settings name, on the CPU.

    In bfloat16 where the models will run on a GPU, as they were trained; in float32 elsewhere, where bfloat16
    is slow.

    Raises:
        UnavailableError: no or damaged weights, another kind of model, missing packages, too little memory.
    """
    folder = resolve_weights(
        settings.text_to_image_model,
        revision=settings.text_to_image_revision,
        patterns=PATTERNS,
        required=REQUIRED,
    )
    name = read_pipeline_class(folder)
    try:
        import diffusers  # noqa: PLC0415 - takes seconds, and only the GPU installation has it
        import torch  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            f"{error.name} is not installed: run ./setup_mining_environment.sh --gpu"
        ) from None
    quieten(diffusers)
    dtype = torch.float32 if settings.device == "cpu" else torch.bfloat16
    try:
        return getattr(diffusers, name).from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True
        )
    except MemoryError:
        raise UnavailableError(
            f"not enough host memory to load {settings.text_to_image_model}",
            kind="memory",
            folder=str(folder),
        ) from None
    except Exception as error:  # config and weights that don't fit each other fail in a dozen ways
        raise UnavailableError(
            f"can't load {name} from {folder}: {type(error).__name__}: {str(error).splitlines()[:1]}"[:400],
            folder=str(folder),
            cause=type(error).__name__,
        ) from error


def read_pipeline_class(folder: Path) -> str:
    """The pipeline's class as model_index.json names it, with every part's files checked.

    Raises:
        UnavailableError: unreadable, a class that is not text to image of FLUX, or a part without files.
    """
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        name = index["_class_name"]
        parts = [part for part, value in index.items() if isinstance(value, list) and value[0] is not None]
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise UnavailableError(f"{path} can't be read as a diffusers index", file=str(path)) from None
    if name not in PIPELINES:
        raise UnavailableError(
            f"{folder} holds a {str(name)[:60]}, expected {' or '.join(PIPELINES)}:"
            " set generation.text_to_image_model to a FLUX checkpoint",
            found=str(name)[:60],
            allowed=list(PIPELINES),
        )
    weighty = [part for part in parts if part not in WEIGHTLESS]
    required = [f"{part}/*.safetensors" for part in weighty] + [f"{part}/config.json" for part in weighty]
    check_weight_files(folder, PATTERNS, required, fix="fetch the checkpoint again, whole")
    return str(name)


def quieten(diffusers: Any) -> None:
    """No progress bars, and no warnings that repeat a user's prompt."""
    import transformers  # noqa: PLC0415 - diffusers has imported it

    libraries: list[Any] = [diffusers, transformers]
    for library in libraries:
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
