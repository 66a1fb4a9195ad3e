"""Which back end generates, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from subnet17.errors import ConfigError
from subnet17.generation import procedural_backend
from subnet17.generation.asset import GeneratedAsset
from subnet17.generation.request import (
    GenerationRequest,
    Profile,
    Received,
    parse_generation_request,
)
from subnet17.settings import GenerationTable


@dataclass(frozen=True)
class Backend:
    """Module-level functions that a worker process runs.

    Attributes:
        name: Sent as X-Backend.
        reason: Why this one was chosen, for the log, `/status/` and `/health/`.
        load: Prepares a worker; takes `args`.
        generate: Takes a request and `args`.
        args: Pickled settings of the back end.
    """

    name: str
    reason: str
    load: Callable[..., None]
    generate: Callable[..., GeneratedAsset]
    args: tuple[Any, ...]


def answer(
    backend: Backend, received: Received, default_profile: Profile
) -> tuple[GenerationRequest, GeneratedAsset]:
    """One job, in a worker: what was asked for, and the asset.

    Raises:
        S17Error: the request can't be parsed, or a stage failed.
    """
    asked = parse_generation_request(received, default_profile=default_profile)
    return replace(asked, image=None), backend.generate(asked, *backend.args)  # no picture is sent back


def choose_backend(settings: GenerationTable) -> Backend:
    """The back end that the settings ask for.

    Raises:
        ConfigError: it is not part of this version.
    """
    if settings.backend == "flux-hunyuan":
        raise ConfigError(
            "backend flux-hunyuan is not part of this version yet: use procedural or auto",
            key="generation.backend",
            allowed=["auto", "procedural"],
        )
    reason = (
        "chosen by the settings"
        if settings.backend == "procedural"
        else "auto: this version has no other back end"
    )
    return Backend(
        name=procedural_backend.NAME,
        reason=reason,
        load=procedural_backend.load,
        generate=procedural_backend.generate,
        args=(settings.splat_count,),
    )
