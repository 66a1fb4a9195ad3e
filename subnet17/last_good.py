"""Settings to stop and to look with while mining.toml can't be used: a slip in it must not keep all running.

A start keeps what finds the processes again: folders, addresses, times to wait; nothing secret. It lies
beside the setup's own notes and not in `data_dir`, which is one of the things to be found. Not covered:
starting, which asks for a configuration that is right.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from subnet17.errors import ConfigError
from subnet17.settings import PROJECT_ROOT, Settings, Sources, load_settings
from subnet17.settings_sources import CONFIG_VARIABLE

FOLDER = PROJECT_ROOT / ".tools" / "last_good"
KEPT: dict[str, set[str]] = {
    "operations": {"data_dir", "log_dir", "orchestrator_log", "supervisor", "kill_timeout_s"},
    "miner": {"host", "port", "drain_timeout_s"},
    "generation": {"host", "port"},
    "validation": {"host", "port"},
    "network": {"local_port", "local_validators"},
}


def keep() -> None:
    """Notes what the file says now. Not the environment, which is read anew and may differ next time."""
    config = {n: v for n, v in os.environ.items() if n == CONFIG_VARIABLE}
    with suppress(ConfigError, OSError):  # it is good in this environment alone; a disk full or read-only
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(_as_toml(load_settings(environ=config)), encoding="utf-8")
        new.replace(path)


def load_or_recall() -> tuple[Settings, str]:
    """The settings; where they can't be read, the last good ones or the defaults.

    Returns:
        The settings, and why they are not what was asked for; empty when they are.
    """
    try:
        return load_settings(), ""
    except ConfigError as error:
        settings, origin = _recall()
        return settings, f"{error}; going by {origin}, with data_dir {settings.data_dir}"


def is_kept() -> bool:
    """Whether there are last good settings of this configuration."""
    return _path().is_file()


def _recall() -> tuple[Settings, str]:
    for environ in (dict(os.environ), {}):  # the mistake may be in the environment
        with suppress(ConfigError):
            return load_settings(_path(), environ=environ), "the settings of the last start"
    with suppress(ConfigError):
        return Sources(environ=os.environ).combine(None), "the defaults and the environment"
    return Settings(), "the defaults"


def _as_toml(settings: Settings) -> str:
    tables = settings.model_dump(include=KEPT)
    # a JSON string or number is one of TOML too
    lines = {name: [f"{k} = {json.dumps(v)}" for k, v in keys.items()] for name, keys in tables.items()}
    return "\n".join(line for name, body in lines.items() for line in (f"[{name}]", *body)) + "\n"


def _path() -> Path:
    """One file for each configuration that this checkout is run with."""
    config = Sources().path.absolute()
    return FOLDER / f"{hashlib.sha256(str(config).encode()).hexdigest()[:16]}.toml"
