"""Where settings come from: a TOML file and the environment, read as text by table and key.

Covers: what can't be read, isn't TOML, or has an unknown name, with the nearest known one. What the values
mean and may be is said in settings_tables.py.
"""

from __future__ import annotations

import difflib
import json
import os
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from subnet17.errors import ConfigError

PREFIX = "S17_"
CONFIG_VARIABLE = "S17_CONFIG"
MAX_CONFIG_BYTES = 64 * 2**10
"""All keys with their explanations fill a quarter of it; the parser's time can grow faster than the size."""
MAX_DOTS = 200
"""In a line: the parser takes half a minute for a name of as many parts as fit into a file."""

Tree = dict[str, dict[str, Any]]
"""Table -> key -> value."""
Known = Mapping[str, Sequence[str]]
"""Table -> its keys."""


def read_config(path: Path) -> bytes:
    """A configuration file's content.

    Raises:
        ConfigError: missing, no regular file, too large, or not to be read by this user.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:  # Path.open takes no opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{path} is not a regular file", file=str(path))
            content: bytes = file.read(MAX_CONFIG_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise ConfigError(f"can't read {path}: {_reason(error)}", file=str(path)) from None
    if len(content) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path} has more than {MAX_CONFIG_BYTES} bytes, the most allowed", file=str(path))
    return content


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe in the file's place would hold up its reader


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def parse_config(content: bytes, path: Path, known: Known) -> Tree:
    """The file's tables.

    Raises:
        ConfigError: not TOML, or a table that nobody knows.
    """
    if (dots := max(line.count(b".") for line in content.split(b"\n"))) > MAX_DOTS:
        raise ConfigError(f"{path} has a line of {dots} dots, at most {MAX_DOTS} are read", file=str(path))
    try:
        tree = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits; lists in lists in lists
        raise ConfigError(f"{path} is not valid TOML: {error}"[:400], file=str(path)) from None
    for name, table in tree.items():
        if name not in known:
            raise unknown_key(name, list(known), where=str(path))
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} is a table: write [{name}]", file=str(path), key=name)
    return tree


def read_environment(
    environ: Mapping[str, str], known: Known, short_names: Mapping[str, tuple[str, str]]
) -> Tree:
    """What the environment sets: `S17_TABLE__KEY`, and the short names below them.

    Raises:
        ConfigError: a variable with our prefix that names no table and key.
    """
    tree: Tree = {}
    for name, (table, key) in short_names.items():
        if name in environ:
            tree.setdefault(table, {})[key] = environ[name]
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE:
            continue
        table, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if table not in known or not key:
            raise _unknown_variable(name, known)
        tree.setdefault(table, {})[key] = value
    return tree


def _unknown_variable(name: str, known: Known) -> ConfigError:
    """Compared without the prefix, which makes any two alike."""
    names = [f"{table}__{key}".upper() for table, keys in known.items() for key in keys]
    alike = difflib.get_close_matches(name[:80].removeprefix(PREFIX).upper(), names, n=1)
    nearest = PREFIX + alike[0] if alike else None
    hint = f"did you mean {nearest}?" if nearest else f"names are {PREFIX}TABLE__KEY, as {PREFIX}MINER__PORT"
    return ConfigError(f"unknown key {name[:80]} in the environment; {hint}", key=name[:80], nearest=nearest)


def unknown_key(name: str, known: Sequence[str], *, where: str) -> ConfigError:
    """The error for a name that is not known, with the nearest one that is."""
    shown = name[:80]
    nearest = difflib.get_close_matches(shown, known, n=1, cutoff=0.4)
    hint = f"; did you mean {nearest[0]}?" if nearest else f"; known: {', '.join(sorted(known)[:12])}"
    return ConfigError(
        f"unknown key {shown} in {where}{hint}", key=shown, nearest=nearest[0] if nearest else None
    )


def explain(error: ValidationError, known: Known, secrets: Mapping[str, Sequence[str]]) -> ConfigError:
    """The first thing that is wrong with the values, in the words of the file.

    Args:
        error: What pydantic found.
        known: The keys of each table.
        secrets: Those whose value must not be shown.
    """
    first = error.errors()[0]
    location, reason = [str(part) for part in first["loc"]], first["msg"].removeprefix("Value error, ")
    if not location:
        return ConfigError(reason)
    table, *keys = location
    if first["type"] == "extra_forbidden":
        return unknown_key(location[-1], known[table] if keys else list(known), where=f"[{table}]")
    value = "<hidden>" if set(keys) & set(secrets[table]) else _shown(first["input"])
    return ConfigError(f"[{table}] {'.'.join(keys)} = {value}: {reason}", key=".".join(location))


def _shown(value: object) -> str:
    try:
        return json.dumps(value, default=str)[:80]
    except (ValueError, RecursionError):  # a number too long to be written in decimals
        return f"a {type(value).__name__}"
