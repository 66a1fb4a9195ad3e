"""Settings of every process: `mining.toml` < environment < command line.

Covers: the tree of all tables, and how it is loaded. The keys are in settings_tables.py, how the sources are
read in settings_sources.py, how a changed file is followed in reload.py.
A key is set in the file as `[generation] octree_resolution = 256`, in the environment as
`S17_GENERATION__OCTREE_RESOLUTION=256`, and a few also by the short names in `SHORT_NAMES`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, model_validator

from subnet17.settings_sources import (
    CONFIG_VARIABLE,
    Tree,
    explain,
    parse_config,
    read_config,
    read_environment,
)
from subnet17.settings_tables import (
    LIVE,
    SECRET,
    GenerationTable,
    MinerTable,
    NetworkTable,
    OperationsTable,
    ServerTable,
    Table,
    ValidationTable,
)

__all__ = [
    "LIVE",
    "PROJECT_ROOT",
    "SECRET",
    "SHORT_NAMES",
    "GenerationTable",
    "MinerTable",
    "NetworkTable",
    "OperationsTable",
    "ServerTable",
    "Settings",
    "Sources",
    "ValidationTable",
    "base_url",
    "known_keys",
    "load_settings",
    "table_of",
]

DEFAULT_CONFIG = "mining.toml"
PROJECT_ROOT = Path(__file__).resolve().parent.parent

SHORT_NAMES: dict[str, tuple[str, str]] = {
    "WALLET_NAME": ("miner", "wallet_name"),
    "HOTKEY_NAME": ("miner", "hotkey_name"),
    "MAX_CONCURRENT_GENERATIONS": ("miner", "max_concurrent_generations"),
    "SELF_VALIDATION_MIN_SCORE": ("miner", "self_validation_min_score"),
    "TARGET_GENERATION_TIME": ("miner", "target_generation_time"),
    "NUM_GENERATION_WORKERS": ("miner", "num_generation_workers"),
    "NUM_SUBMISSION_WORKERS": ("miner", "num_submission_workers"),
}
"""Environment names without the prefix, and where they go."""


class Settings(Table):
    """All tables. Frozen: a changed configuration is a new object."""

    miner: MinerTable = MinerTable()
    generation: GenerationTable = GenerationTable()
    validation: ValidationTable = ValidationTable()
    network: NetworkTable = NetworkTable()
    operations: OperationsTable = OperationsTable()

    @model_validator(mode="after")
    def _check_drain(self) -> Settings:
        if self.operations.kill_timeout_s <= self.miner.drain_timeout_s:
            raise ValueError("operations.kill_timeout_s must be longer than miner.drain_timeout_s")
        return self

    @property
    def data_dir(self) -> Path:
        """Absolute folder for state; relative settings are taken from the project's root."""
        return PROJECT_ROOT / Path(self.operations.data_dir).expanduser()

    @property
    def log_dir(self) -> Path:
        """Absolute folder of the log files; relative settings are taken from the project's root."""
        return PROJECT_ROOT / Path(self.operations.log_dir).expanduser()

    @property
    def generation_url(self) -> str:
        """Where the local generation server listens."""
        return base_url(self.generation.host, self.generation.port)

    @property
    def validation_url(self) -> str:
        """Where the validation server listens, unless the miner is pointed elsewhere."""
        return self.miner.validation_endpoint or base_url(self.validation.host, self.validation.port)

    @property
    def generation_urls(self) -> list[str]:
        """The generation endpoints the miner balances over."""
        return self.miner.generation_endpoints or [self.generation_url]


def base_url(host: str, port: int) -> str:
    """An address as a URL without a path; IPv6 ones need brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def load_settings(
    config: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Mapping[str, Any]] | None = None,
) -> Settings:
    """Reads and validates all three sources, see `Sources`.

    Raises:
        ConfigError: an unreadable file, an unknown key (with the nearest known one) or a value out of range.
    """
    sources = Sources(config, environ=environ, flags=flags)
    return sources.combine(sources.read())


class Sources:
    """The three sources: a file that may change, and the environment and command line, which don't.

    Args:
        config: A TOML file. None: `$S17_CONFIG`, else `mining.toml` in the project's root if it is there.
        environ: Defaults to the process's own.
        flags: `{table: {key: value}}` from the command line; values of None are "not given".
    """

    def __init__(
        self,
        config: str | Path | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._flags = {
            table: {key: value for key, value in keys.items() if value is not None}
            for table, keys in (flags or {}).items()
        }
        named = config or self._environ.get(CONFIG_VARIABLE)
        self._is_named = bool(named)
        self.path = Path(named) if named else PROJECT_ROOT / DEFAULT_CONFIG

    def read(self) -> bytes | None:
        """The file's content; None where there is none and none was asked for.

        Raises:
            ConfigError: it can't be read.
        """
        return read_config(self.path) if self._is_named or self.path.exists() else None

    def combine(self, content: bytes | None) -> Settings:
        """The settings, with this as the file's content.

        Raises:
            ConfigError: an unknown key or a value out of range, in any of the sources.
        """
        known = {table: known_keys(table) for table in Settings.model_fields}
        merged: Tree = {}
        for source in (
            {} if content is None else parse_config(content, self.path, known),
            read_environment(self._environ, known, SHORT_NAMES),
            self._flags,
        ):
            for table, keys in source.items():
                merged.setdefault(table, {}).update(keys)
        try:
            return Settings.model_validate(merged)
        except ValidationError as error:
            secrets = {table: known_keys(table, SECRET) for table in Settings.model_fields}
            raise explain(error, known, secrets) from None


def known_keys(table: str, mark: str = "") -> list[str]:
    """The keys of one table; with a mark, those that bear it."""
    fields = table_of(table).model_fields
    return [key for key, field in fields.items() if not mark or mark in field.metadata]


def table_of(name: str) -> type[BaseModel]:
    """The class of a table."""
    annotation = Settings.model_fields[name].annotation
    assert isinstance(annotation, type) and issubclass(annotation, BaseModel)  # noqa: S101 - for the type checker
    return annotation
