"""Which back end generates, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from subnet17.errors import ConfigError
from subnet17.generation import flux_hunyuan_backend, procedural_backend
from subnet17.generation.asset import GeneratedAsset
from subnet17.generation.request import (
    GenerationRequest,
    Received,
    parse_generation_request,
)
from subnet17.settings import PROJECT_ROOT, GenerationTable


@dataclass(frozen=True)
class Backend:
    """Module-level functions that a worker process runs.

    Attributes:
        name: Sent as X-Backend.
        reason: Why this one was chosen, for the log, `/status/` and `/health/`.
        load: Prepares a worker; takes `args`.
        generate: Takes a request and the settings that it came under.
        args: Pickled arguments of `load`.
        workers: How many processes it wants; None: as many as the settings say.
        limits_memory: Whether their address space is limited. CUDA reserves far more of it than it uses.
    """

    name: str
    reason: str
    load: Callable[..., None]
    generate: Callable[[GenerationRequest, GenerationTable], GeneratedAsset]
    args: tuple[Any, ...]
    workers: int | None = None
    limits_memory: bool = True


def answer(
    backend: Backend, received: Received, settings: GenerationTable
) -> tuple[GenerationRequest, GeneratedAsset]:
    """One job, in a worker: what was asked for, and the asset.

    Raises:
        S17Error: the request can't be parsed, or a stage failed.
    """
    asked = parse_generation_request(received, default_profile=settings.profile)
    return replace(asked, image=None), backend.generate(asked, settings)  # no picture is sent back


def choose_backend(settings: GenerationTable, *, data_dir: Path = PROJECT_ROOT / "data") -> Backend:
    """The back end that the settings ask for, or for `auto` the best one that this machine can run.

    Args:
        settings: The server's table.
        data_dir: Where the GPU back end keeps compiled kernels and locks.

    Raises:
        ConfigError: flux-hunyuan is asked for and can't run here.
    """
    if settings.backend == "procedural":
        return _procedural(settings, "chosen by the settings")
    if settings.backend == "flux-hunyuan":
        if missing := flux_hunyuan_backend.missing_packages():
            raise ConfigError(
                f"backend flux-hunyuan needs {', '.join(missing)}: run ./setup_mining_environment.sh --gpu",
                key="generation.backend",
                missing=missing,
            )
        return _flux_hunyuan(settings, "chosen by the settings", data_dir)
    if why_not := flux_hunyuan_backend.why_not(settings):
        return _procedural(settings, f"auto: no flux-hunyuan, {why_not}")
    return _flux_hunyuan(settings, "auto: a GPU with enough memory and all packages are there", data_dir)


def _procedural(settings: GenerationTable, reason: str) -> Backend:
    return Backend(
        name=procedural_backend.NAME,
        reason=reason,
        load=procedural_backend.load,
        generate=procedural_backend.generate,
        args=(settings,),
    )


def _flux_hunyuan(settings: GenerationTable, reason: str, data_dir: Path) -> Backend:
    devices = flux_hunyuan_backend.devices_of(settings)
    if not devices:
        raise ConfigError("generation.device names no device, expected such as cuda or cuda:0,cuda:1")
    return Backend(
        name=flux_hunyuan_backend.NAME,
        reason=reason,
        load=flux_hunyuan_backend.load,
        generate=flux_hunyuan_backend.generate,
        args=(settings, data_dir),
        workers=len(devices),
        limits_memory=False,
    )
