"""Rewrites Hunyuan3D-Paint's published pickles as safetensors, once.

Run as `python -m subnet17.generation.colour.paint_pickles`. Reads with torch's `weights_only`, which makes
tensors and runs no code of the file. The pickles stay where they are and are not read again. Needs twice as
much host memory as the largest file, which has 4 GB.
"""

from __future__ import annotations

from pathlib import Path

import torch

from subnet17.errors import S17Error, UnavailableError
from subnet17.generation.colour.paint_checkpoint import PAINT, PAINT_PARTS, fetch_nothing, weights_fix
from subnet17.gpu.weights import resolve_weights
from subnet17.settings import GenerationTable, load_settings

PICKLES = "*.bin"


def rewrite_pickles(settings: GenerationTable) -> list[Path]:
    """Writes a safetensors file beside each pickle that has none; the files written.

    Raises:
        UnavailableError: the folder is not there, or a pickle holds more than tensors.
    """
    root = _find(settings)
    pickles = [path for part in PAINT_PARTS for path in sorted((root / PAINT / part).glob(PICKLES))]
    return [_rewrite(path) for path in pickles if not path.with_suffix(".safetensors").exists()]


def _find(settings: GenerationTable) -> Path:
    config = f"{PAINT}/unet/config.json"
    try:
        return resolve_weights(
            settings.model_path,
            revision=settings.shape_revision,
            patterns=[config],
            required=[config],
            fetch=fetch_nothing,
        )
    except UnavailableError as error:
        raise UnavailableError(f"{error.message}; first: {weights_fix(settings)}") from None


def _rewrite(path: Path) -> Path:
    from safetensors.torch import save_file  # noqa: PLC0415 - part of the GPU installation

    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    except Exception as error:  # a foreign file: errors of any kind
        raise UnavailableError(f"{path} can't be read: {type(error).__name__}: {str(error)[:200]}") from error
    written, part = path.with_suffix(".safetensors"), path.with_suffix(".safetensors.part")
    save_file(tensors, part, metadata={"format": "pt"})
    return part.replace(written)


def main() -> None:
    """Does it for the model that the settings name."""
    try:
        written = rewrite_pickles(load_settings().generation)
    except S17Error as error:
        raise SystemExit(error.message) from None
    print("\n".join(f"wrote {path}" for path in written) or "nothing to do")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
