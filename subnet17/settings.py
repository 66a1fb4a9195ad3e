"""Settings of every process: `mining.toml` < environment < command line.

Covers: one typed tree with a table per process, unknown keys refused with the nearest known name.
A key is set in the file as `[generation] octree_resolution = 256`, in the environment as
`S17_GENERATION__OCTREE_RESOLUTION=256`, and a few also by the short names in `SHORT_NAMES`.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from subnet17.errors import ConfigError

PREFIX = "S17_"
DEFAULT_CONFIG = "mining.toml"
CONFIG_VARIABLE = "S17_CONFIG"
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

Port = Annotated[int, Field(ge=1, le=65535)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, protected_namespaces=())


class ServerTable(_Table):
    """What both servers share."""

    host: str = "127.0.0.1"
    api_key: str = Field("", description="Required in X-API-Key on a host that is not loopback.")
    workers: int = Field(1, ge=1, le=16, description="Worker processes that do the computing.")
    worker_memory_bytes: int = Field(
        6 * 2**30, ge=2**28, description="Address-space limit of one CPU worker."
    )
    max_concurrent_requests: int = Field(
        8, ge=1, le=1024, description="Admitted requests: running and queued."
    )
    request_timeout_s: Seconds = 120.0
    circuit_breaker_failure_threshold: int = Field(
        5, ge=1, le=1000, description="Server faults in the window before the breaker may open."
    )


class GenerationTable(ServerTable):
    """The generation server."""

    port: Port = 8093
    backend: Literal["auto", "procedural", "flux-hunyuan"] = "auto"
    profile: Literal["speed", "balanced", "quality"] = "balanced"
    splat_count: int = Field(100_000, ge=7000, le=2_000_000, description="Splats of a procedural asset.")
    text_to_image_model: str = "black-forest-labs/FLUX.1-schnell"
    image_steps: int = Field(4, ge=1, le=100)
    image_size_px: int = Field(512, ge=64, le=2048)
    model_path: str = "tencent/Hunyuan3D-2"
    subfolder: str = "hunyuan3d-dit-v2-0"
    num_inference_steps: int = Field(30, ge=1, le=200)
    octree_resolution: int = Field(384, ge=16, le=1024)
    mc_algo: Literal["mc", "dmc"] = "mc"
    device: str = "cuda"
    memory_cleanup_threshold: Fraction = 0.9


class ValidationTable(ServerTable):
    """The validation server."""

    port: Port = 8094
    scorer: Literal["auto", "embedded", "reference"] = "auto"
    renderer: Literal["auto", "cpu", "cuda"] = "auto"
    max_body_bytes: int = Field(128 * 2**20, ge=2**16)
    max_asset_bytes: int = Field(512 * 2**20, ge=2**16, description="Of one asset after decompression.")


class MinerTable(_Table):
    """The miner."""

    wallet_name: str = "default"
    hotkey_name: str = "default"
    wallet_path: str = "~/.bittensor/wallets"
    wallet_uri: str = Field("", description="A development key such as //Alice; static loopback chains only.")
    host: str = "127.0.0.1"
    api_key: str = Field("", description="Required by the status page on a host that is not loopback.")
    port: Port = 8095
    generation_endpoints: list[str] = Field(default_factory=list, description="Empty: the local server.")
    validation_endpoint: str = Field("", description="Empty: the local server.")
    max_concurrent_generations: int = Field(2, ge=1, le=64)
    num_generation_workers: int = Field(2, ge=1, le=64)
    num_submission_workers: int = Field(3, ge=1, le=64)
    self_validation_min_score: Fraction = 0.7
    competitive_score_threshold: Fraction = Field(
        0.8, description="A best score below it is told as not competitive."
    )
    max_candidates: int = Field(4, ge=1, le=64, description="Candidates made for one task at the most.")
    target_generation_time: Seconds = 5.0
    metrics_interval_s: Seconds = 300.0
    generation_timeout_s: Seconds = 120.0
    validation_timeout_s: Seconds = 60.0
    drain_timeout_s: Seconds = 25.0
    min_validator_stake: float = Field(1000.0, ge=0)
    allow_embedded_on_public_network: bool = False

    @field_validator("generation_endpoints", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )


class NetworkTable(_Table):
    """The chain, the timings of the protocol, and the local subnet that stands in for it."""

    netuid: int = Field(17, ge=0)
    chain: str = Field("bittensor", description="bittensor, or static:neurons.json")
    subtensor_network: str = "finney"
    chain_endpoint: str = ""
    metagraph_refresh_s: Seconds = 600.0
    pull_timeout_s: Seconds = 12.0
    submit_timeout_s: Seconds = 300.0
    pull_interval_s: Seconds = Field(10.0, description="Pause between pulls when a validator has no task.")
    cooldown_margin_s: float = Field(
        2.0, ge=0, description="Waited beyond cooldown_until on the validator's clock."
    )
    local_validators: int = Field(2, ge=1, le=64)
    local_port: Port = Field(8101, description="First validator; the others follow.")
    local_time_scale: float = Field(1.0, gt=0, le=1, description="Multiplies the local subnet's cooldowns.")
    local_image_share: Fraction = Field(0.2, description="Share of image tasks the local subnet gives out.")


class OperationsTable(_Table):
    """Logs, data and supervision."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    log_dir: str = "logs"
    data_dir: str = "data"
    min_free_disk_bytes: int = Field(10 * 10**9, ge=0)
    max_restarts: int = Field(50, ge=0)
    kill_timeout_s: Seconds = 40.0


class Settings(_Table):
    """All tables. Frozen: a changed configuration is a new object."""

    miner: MinerTable = MinerTable()
    generation: GenerationTable = GenerationTable()
    validation: ValidationTable = ValidationTable()
    network: NetworkTable = NetworkTable()
    operations: OperationsTable = OperationsTable()

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
        return f"http://{self.generation.host}:{self.generation.port}"

    @property
    def validation_url(self) -> str:
        """Where the validation server listens, unless the miner is pointed elsewhere."""
        return self.miner.validation_endpoint or f"http://{self.validation.host}:{self.validation.port}"

    @property
    def generation_urls(self) -> list[str]:
        """The generation endpoints the miner balances over."""
        return self.miner.generation_endpoints or [self.generation_url]


def load_settings(
    config: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Mapping[str, Any]] | None = None,
) -> Settings:
    """Reads and validates all three sources.

    Args:
        config: A TOML file. None: `$S17_CONFIG`, else `mining.toml` in the project's root if it is there.
        environ: Defaults to the process's own.
        flags: `{table: {key: value}}` from the command line; values of None are "not given".

    Raises:
        ConfigError: an unreadable file, an unknown key (with the nearest known one) or a value out of range.
    """
    environ = os.environ if environ is None else environ
    merged: dict[str, dict[str, Any]] = {}
    given_flags = {t: {k: v for k, v in keys.items() if v is not None} for t, keys in (flags or {}).items()}
    for source in (_from_file(config, environ), _from_environment(environ), given_flags):
        for table, keys in source.items():
            merged.setdefault(table, {}).update(keys)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise _explain(error) from None


def _from_file(config: str | Path | None, environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    named = config or environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else PROJECT_ROOT / DEFAULT_CONFIG
    if not named and not path.exists():
        return {}
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"can't read {path}: {error.strerror}", file=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", file=str(path)) from None
    for name, table in tree.items():
        if name in Settings.model_fields and not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} is a table: write [{name}]", file=str(path), key=name)
        if name not in Settings.model_fields:
            raise _unknown(name, list(Settings.model_fields), where=str(path))
    return tree


def _from_environment(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    tree: dict[str, dict[str, Any]] = {}
    for name, (table, key) in SHORT_NAMES.items():
        if name in environ:
            tree.setdefault(table, {})[key] = environ[name]
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE:
            continue
        table, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if table not in Settings.model_fields or not key:
            raise _unknown(name, _environment_names(), where="the environment")
        tree.setdefault(table, {})[key] = value
    return tree


def _environment_names() -> list[str]:
    return [f"{PREFIX}{t}__{k}".upper() for t in Settings.model_fields for k in known_keys(t)]


def known_keys(table: str) -> list[str]:
    """The keys of one table."""
    annotation = Settings.model_fields[table].annotation
    assert isinstance(annotation, type) and issubclass(annotation, BaseModel)  # noqa: S101 - for the type checker
    return list(annotation.model_fields)


def _unknown(name: str, known: list[str], *, where: str) -> ConfigError:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"; did you mean {nearest[0]}?" if nearest else f"; known: {', '.join(sorted(known)[:12])}"
    return ConfigError(
        f"unknown key {name} in {where}{hint}", key=name, nearest=nearest[0] if nearest else None
    )


def _explain(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = known_keys(location[0]) if len(location) > 1 else list(Settings.model_fields)
        return _unknown(location[-1], known, where=f"[{location[0]}]")
    shown = json.dumps(first["input"], default=str)[:80]
    return ConfigError(
        f"[{location[0]}] {'.'.join(location[1:])} = {shown}: {first['msg']}", key=".".join(location)
    )
