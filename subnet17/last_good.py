"""The last configuration file that could be used, kept for the day on which mining.toml can't be.

With it `stop` and `status` find the processes, and a process that crashes comes back: a slip in the file must
not end what runs. A start by hand asks for a file that is right. It is a copy of the file, readable by its
owner alone, beside the setup's own notes and not in `data_dir`, which is one of the things to be found.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from subnet17.errors import ConfigError
from subnet17.settings import PROJECT_ROOT, Settings, Sources, load_settings
from subnet17.settings_sources import read_config

FOLDER = PROJECT_ROOT / ".tools" / "last_good"
STARTED_VARIABLE = "SUBNET17_SETTINGS"
"""Given by a supervisor to what it starts: which settings these were."""


def keep(sources: Sources | None = None) -> None:
    """Keeps the file as it is now, if it can be used. Neither a full disk nor a read-only one is an error.

    No file, or nothing in it, takes no copy's place: an editor on a full disk leaves just that, and so does
    one that has only begun to write.

    Args:
        sources: Of a process that follows the file. None: of a start by hand.
    """
    sources = sources or Sources()
    with suppress(ConfigError, OSError):
        content = sources.read()
        sources.combine(content)
        if content is None or is_blank(content):
            return
        path = _path(sources)
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        with open(new, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(content)
        new.replace(path)


def load_to_start() -> Settings:
    """The settings for a start by hand, which keeps their file; tells where there is none.

    Raises:
        ConfigError: see `load_unless_lost`.
    """
    settings = load_unless_lost()
    if missing := _missing(path := Sources().path):
        print(f"note: {path} is {missing}: the defaults and the environment count", file=sys.stderr)  # noqa: T201
    keep()
    return settings


def load_unless_lost() -> Settings:
    """The settings, as `load_settings` reads them.

    Raises:
        ConfigError: they can't be used; or the file is gone or empty, and what it said was kept: the defaults
            would be another wallet, other ports and another folder than those of the last start.
    """
    sources = Sources()
    if (missing := _missing(sources.path)) and _is_kept(sources):
        file, copy = (shlex.quote(str(path)) for path in (sources.path.absolute(), _path(sources)))
        raise ConfigError(
            f"{sources.path} is {missing}; what it said at the last start is kept: "
            f"put it back (cp {copy} {file}), or delete the copy to start with the defaults (rm {copy})",
            file=str(sources.path),
            copy=str(_path(sources)),
        )
    return load_settings()


def _missing(path: Path) -> str:
    """How the file is missing: gone or empty. Nothing when it is not, or when that can't be told."""
    try:
        path.stat()  # whose errors tell more
        return "empty" if is_blank(read_config(path)) else ""
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    except (OSError, ConfigError, ValueError):
        return ""


def is_blank(content: bytes | None) -> bool:
    """Whether there is no file, or nothing in it."""
    return content is None or not content.strip()


def recall(sources: Sources) -> Settings | None:
    """The settings of the file that was kept, with the other sources as they are; None without one."""
    with suppress(ConfigError, OSError):
        return sources.combine(_path(sources).read_bytes())
    return None


def load_or_recall() -> tuple[Settings, str]:
    """The settings; where they can't be read, the last good ones or the defaults.

    Returns:
        The settings, and why they are not what was asked for; empty when they are.
    """
    try:
        return load_unless_lost(), ""
    except ConfigError as error:
        settings, origin = _recall()
        return settings, f"{error}; going by {origin}, with data_dir {settings.data_dir}"


def is_kept() -> bool:
    """Whether there is a last good file of this configuration."""
    return _is_kept(Sources())


def _is_kept(sources: Sources) -> bool:
    try:
        return not is_blank(_path(sources).read_bytes())  # earlier versions kept empty ones as well
    except OSError:
        return False


def _recall() -> tuple[Settings, str]:
    config = Sources().path
    for environ in (dict(os.environ), {}):  # the mistake may be in the environment
        if (settings := recall(Sources(config, environ=environ))) is not None:
            return settings, "the settings of the last start"
    with suppress(ConfigError):
        return Sources(environ=os.environ).combine(None), "the defaults and the environment"
    return Settings(), "the defaults"


def _path(sources: Sources) -> Path:
    """One file for each configuration that this checkout is run with."""
    config = sources.path.absolute()
    return FOLDER / f"{hashlib.sha256(str(config).encode()).hexdigest()[:16]}.toml"
