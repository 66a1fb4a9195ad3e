"""Where LPIPS's weights lie: AlexNet's are torchvision's, the five linear heads come with torchmetrics.

Both are published as pickles only. Pickles can run code, so these two are read with `weights_only` after
their checksum was compared with the published files'; converted to safetensors they are taken as they are.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from subnet17.errors import UnavailableError
from subnet17.gpu.weight_files import fault_of
from subnet17.log import get_logger
from subnet17.settings import ValidationTable

URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
ALEXNET_SHA256 = "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"
HEADS_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
ALEXNET_FILES = ("alexnet.safetensors", "alexnet-owt-7be5be79.pth")
HEADS_FILES = ("lpips_alex.safetensors", "alex.pth")
IN_TORCHMETRICS = "functional/image/lpips_models"


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights and, if it is a pickle, the checksum it must have."""

    path: Path
    sha256: str


def find_lpips(settings: ValidationTable) -> tuple[WeightsFile, WeightsFile]:
    """AlexNet's file and the heads'.

    Each is looked for in the folder of the settings; AlexNet then where torchvision keeps it, from where
    it is fetched if need be; the heads then in the installed torchmetrics.

    Raises:
        UnavailableError: naming what is missing and where it was looked for.
    """
    folder = Path(settings.lpips_model).expanduser() if settings.lpips_model else None
    if folder is not None and not folder.is_dir():
        raise UnavailableError(f"there is no folder {folder} of LPIPS weights", folder=str(folder))
    return _find_alexnet(folder), _find_heads(folder)


def _find_alexnet(folder: Path | None) -> WeightsFile:
    kept = torch_home() / "hub" / "checkpoints"
    if found := _first(folder or kept, ALEXNET_FILES):
        return WeightsFile(found, ALEXNET_SHA256)
    if folder is not None:
        raise UnavailableError(
            f"{folder} holds neither {' nor '.join(ALEXNET_FILES)}; fix: download {URL} into it",
            folder=str(folder),
            missing=list(ALEXNET_FILES),
        )
    return WeightsFile(_fetch(kept / ALEXNET_FILES[-1]), ALEXNET_SHA256)


def _find_heads(folder: Path | None) -> WeightsFile:
    package = importlib.util.find_spec("torchmetrics")
    roots = (package.submodule_search_locations if package else None) or []
    places = [*([folder] if folder else []), *(Path(root) / IN_TORCHMETRICS for root in roots)]
    for place in places:
        if found := _first(place, HEADS_FILES):
            return WeightsFile(found, HEADS_SHA256)
    raise UnavailableError(
        f"LPIPS's heads ({' or '.join(HEADS_FILES)}) are in none of"
        f" {', '.join(map(str, places)) or 'no folder'}; fix: install torchmetrics, which brings them",
        missing=list(HEADS_FILES),
    )


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def torch_home() -> Path:
    """The folder of torch's downloads, told without importing torch."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser()


def _fetch(path: Path) -> Path:
    try:
        from torch.hub import download_url_to_file  # noqa: PLC0415 - only the GPU installation has it

        get_logger().info("fetching weights", source=URL)
        path.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(URL, str(path), hash_prefix=ALEXNET_SHA256, progress=False)
    except Exception as error:  # urllib, the file system, a wrong checksum, no torch
        raise UnavailableError(
            f"AlexNet's weights for LPIPS are not in {path.parent} and can't be fetched"
            f" ({type(error).__name__}); by hand: download {URL} into it",
            source=URL,
            cause=type(error).__name__,
        ) from error
    return path


def read_weights(file: WeightsFile) -> dict[str, Tensor]:
    """Name -> tensor, on the host.

    Raises:
        UnavailableError: a damaged file, or a pickle that is not the published one.
    """
    if file.path.suffix == ".safetensors":
        if fault := fault_of(file.path):
            raise UnavailableError(f"weights file {file.path} is damaged: {fault}", file=str(file.path))
        from safetensors.torch import load_file  # noqa: PLC0415 - only the GPU installation has it

        return dict(load_file(file.path))
    return _read_pickle(file)


def _read_pickle(file: WeightsFile) -> dict[str, Tensor]:
    import torch  # noqa: PLC0415 - only the GPU installation has it

    with file.path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != file.sha256:
            raise UnavailableError(
                f"{file.path} is not the published file: its SHA-256 is {found}, expected {file.sha256};"
                " delete it and fetch it again",
                file=str(file.path),
                sha256=found,
                expected=file.sha256,
            )
        opened.seek(0)  # the bytes that were checked are the bytes that are read
        weights: dict[str, Tensor] = torch.load(opened, map_location="cpu", weights_only=True)
    return weights
