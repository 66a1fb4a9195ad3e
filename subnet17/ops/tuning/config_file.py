"""Changes keys of mining.toml: comments and layout stay, the file is replaced whole, or not at all.

What can't be used is never written: the new file is validated with the environment first, and it must say the
same as the old one but for the changed keys. Values that a trial replaced for a while are kept beside the
data until it is over (`pending.json`), so that a killed optimizer's next run can put them back.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from subnet17.errors import ConfigError
from subnet17.ops.tuning.space import Value, value_of
from subnet17.settings import Settings, Sources
from subnet17.whole_file import write_whole

PENDING = "pending.json"


class ConfigFile:
    """The file that the running processes follow.

    Args:
        sources: Where it is, and the environment that comes before it.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.path = sources.path

    def settings(self) -> Settings:
        """As the file and the environment say now.

        Raises:
            ConfigError: they can't be used.
        """
        return self._sources.combine(self._sources.read())

    def values(self, names: list[str]) -> dict[str, Value | None]:
        """What the file itself says of `table.key`; None where it says nothing.

        Raises:
            ConfigError: it can't be read.
        """
        return _values(self._good() or b"", names, self.path)

    def content(self) -> bytes | None:
        """As it is; None where there is no file.

        Raises:
            ConfigError: it can't be read.
        """
        return self._sources.read()

    def write(self, changes: Mapping[str, Value | None]) -> None:
        """Sets keys; None takes a key out.

        Raises:
            ConfigError: the file is read-only or was changed meanwhile, a value is out of range, or the
                environment sets a key, which comes before the file.
        """
        before = self._good()
        content = _change(before or b"", changes, self.path)
        settings = self._sources.combine(content)
        for name, value in changes.items():
            if value is not None and (stands := value_of(settings, name)) != value:
                raise ConfigError(
                    f"{name} is {stands!r} by the environment, which comes before {self.path}", key=name
                )
        _check_writable(self.path)
        if self._sources.read() != before:
            raise ConfigError(f"{self.path} was changed by somebody else meanwhile", file=str(self.path))
        replace_file(self.path, content)

    def _good(self) -> bytes | None:
        """Its content, once it was found usable."""
        content = self._sources.read()
        self._sources.combine(content)
        return content


def replace_file(path: Path, content: bytes) -> None:
    """Puts a new file in the old one's place, with its owner and mode; durable when it returns.

    Raises:
        ConfigError: the folder can't be written.
    """
    path = path.resolve()  # a link stays a link
    new = path.with_name(f".{path.name}.new")
    try:
        write_whole(path, content, draft=new, prepare=partial(_take_owner, path))
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigError(f"can't write {path}: {error.strerror}", file=str(path)) from None


def _take_owner(path: Path, handle: int) -> None:
    if not path.exists():
        return
    facts = path.stat()
    os.fchmod(handle, stat.S_IMODE(facts.st_mode))
    if (facts.st_uid, facts.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(handle, facts.st_uid, facts.st_gid)


def keep_pending(folder: Path, file: ConfigFile, names: list[str]) -> None:
    """Notes what the file says before a trial of these keys.

    Raises:
        ConfigError: the file can't be used, or the note not be written.
    """
    file.values(names)
    text = (file.content() or b"").decode("utf-8")
    replace_file(folder / PENDING, json.dumps({"names": names, "text": text}).encode())


def end_pending(folder: Path) -> None:
    """The trial is over."""
    (folder / PENDING).unlink(missing_ok=True)


def restore_pending(folder: Path, file: ConfigFile) -> list[str]:
    """Puts back what a trial, also a killed one, left changed; gives back the keys.

    The whole file where nobody else has changed it since, else just the keys.

    Raises:
        ConfigError: the file can't be written.
    """
    try:
        pending = json.loads((folder / PENDING).read_bytes())
        names, text = list(pending["names"]), str(pending["text"]).encode()
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{folder / PENDING} can't be read: compare mining.toml with a backup, then delete it"
        ) from None
    if text and _change(text, file.values(names), file.path) == file.content():
        replace_file(file.path, text)
    else:
        file.write(_values(text, names, file.path))
    end_pending(folder)
    return sorted(names)


def _values(content: bytes, names: list[str], path: Path) -> dict[str, Value | None]:
    tree = _parse(content, path)
    found: dict[str, Value | None] = {}
    for name in names:
        table, key = name.split(".")
        found[name] = tree.get(table, {}).get(key)
    return found


def _change(content: bytes, changes: Mapping[str, Value | None], path: Path) -> bytes:
    wanted = _parse(content, path)
    unsafe = ConfigError(f"{path} is written in a way that can't be changed safely: change it by hand")
    try:
        document: Any = tomlkit.parse(content.decode("utf-8"))
        for name, value in changes.items():
            table, key = name.split(".")
            if value is not None:
                for tree in (wanted, document):
                    tree.setdefault(table, {})[key] = value
            elif key in wanted.get(table, {}):
                del wanted[table][key], document[table][key]
        changed: bytes = tomlkit.dumps(document).encode("utf-8")
    except (TOMLKitError, RecursionError):
        raise unsafe from None
    if _parse(changed, path) != wanted:
        raise unsafe
    return changed


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}"[:400], file=str(path)) from None


def _check_writable(path: Path) -> None:
    """Write protection is a wish, also where we are root."""
    if path.exists() and not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path} is read-only: chmod u+w {path}", file=str(path))
    if path.exists() and not os.access(path, os.W_OK):
        raise ConfigError(f"{path} can't be written by this user", file=str(path))
