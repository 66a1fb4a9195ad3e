"""Which scorer and renderer this server uses, and why."""

from __future__ import annotations

from dataclasses import dataclass

from subnet17.errors import ConfigError

NO_REFERENCE = "the reference scorer needs torch and network weights, which this version does not have yet"
NO_CUDA = "the CUDA renderer needs torch and gsplat, which this version does not have yet"


@dataclass(frozen=True)
class Choice:
    """A back end and one sentence on why it was taken."""

    name: str
    reason: str


def choose_scorer(wanted: str) -> Choice:
    """Resolves `auto`, `embedded` or `reference`.

    Raises:
        ConfigError: `reference`, naming what is missing.
    """
    if wanted == "reference":
        raise ConfigError(f"scorer reference is not available: {NO_REFERENCE}", key="scorer", value=wanted)
    if wanted == "embedded":
        return Choice("embedded", "asked for")
    return Choice("embedded", f"auto: {NO_REFERENCE}")


def choose_renderer(wanted: str) -> Choice:
    """Resolves `auto`, `cpu` or `cuda`.

    Raises:
        ConfigError: `cuda`, naming what is missing.
    """
    if wanted == "cuda":
        raise ConfigError(f"renderer cuda is not available: {NO_CUDA}", key="renderer", value=wanted)
    if wanted == "cpu":
        return Choice("cpu", "asked for")
    return Choice("cpu", f"auto: {NO_CUDA}")
