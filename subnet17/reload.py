"""Follows mining.toml while a process runs.

A changed file is read and validated whole, with the same environment and command line as at the start. Then
the keys that settings_tables.py marks as live take effect all at once; changes of others are shown as waiting
for a restart. A file that can't be used changes nothing: the last good settings stay, and the log and the
status page say why. So also when a supervisor starts a process anew meanwhile: it goes by the file that was
kept (last_good.py).

Every process does this by itself, so that none depends on another one to be told. Not covered: the
environment and the command line of a running process don't change.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from watchfiles import awatch

from subnet17 import last_good
from subnet17.errors import ConfigError
from subnet17.log import get_logger, set_log_level
from subnet17.settings import LIVE, SECRET, Settings, Sources, known_keys
from subnet17.settings_uses import list_keys

log = get_logger()

LOOK_S = 10.0
"""The file is looked at this often even if nothing is told of it: network mounts tell nothing."""
SETTLE_S = 0.25
"""A file counts as written when two looks this far apart find the same."""
SETTLE_LOOKS = 40
"""After so many looks that differ the file is taken as it is."""
HIDDEN = "<hidden>"

Content = bytes | str | None
"""Of the file; None: no file, and none was named; text: why it can't be read."""


class SettingsFollower:
    """The settings in force, and what is known of those that are not.

    Args:
        uses: What this process uses (settings_uses.py): other keys are none of its business.
        config, environ, flags: See `Sources`.

    Raises:
        ConfigError: what the file says at the start can't be used, and no supervisor starts this anew.
    """

    def __init__(
        self,
        uses: Sequence[str],
        config: str | Path | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._uses = uses
        self._sources = Sources(config, environ=environ, flags=flags)
        self._followers: list[Callable[[Settings], None]] = []
        self._reloads = 0
        self._error = ""
        self._content: Content = None
        self._is_supervised = last_good.STARTED_VARIABLE in (os.environ if environ is None else environ)
        self._current = self._in_file = self._begin()
        self._keep()

    def _begin(self) -> Settings:
        kept = last_good.recall(self._sources) if self._is_supervised else None
        try:
            self._content = self._sources.read()
            if kept is not None and last_good.is_blank(self._content):
                raise ConfigError(f"{self._sources.path} is {'gone' if self._content is None else 'empty'}")
            return self._sources.combine(self._content)
        except ConfigError as error:
            if kept is None:
                raise
            self._content = error.message if self._content is None else self._content
            self._error = error.message
            return kept

    def _keep(self) -> None:
        if self._is_supervised:
            last_good.keep(self._sources)

    @property
    def current(self) -> Settings:
        """The settings in force: never parts of two."""
        return self._current

    def add(self, follow: Callable[[Settings], None]) -> None:
        """Has `follow` called with each new settings object, in the thread that follows."""
        self._followers.append(follow)

    def look(self) -> None:
        """Reads the file once, and takes over what changed."""
        self._take(*self._examine(self._read()))

    async def watch(self) -> None:
        """Follows the file until it is cancelled."""
        logging.getLogger("watchfiles").setLevel(logging.WARNING)  # at debug it tells of each log line
        self._tell_error()
        while True:
            try:
                async for _ in awatch(
                    *self._folders(),
                    recursive=False,
                    watch_filter=None,
                    rust_timeout=int(LOOK_S * 1000),
                    yield_on_timeout=True,
                ):
                    await self._look_when_settled()
                    await asyncio.sleep(SETTLE_S)  # others may write into this folder all the time
            except (OSError, RuntimeError) as error:  # the folder is gone, or the system watches no more
                log.debug("the configuration's folder can't be watched", reason=str(error)[:200])
            await self._look_when_settled()
            await asyncio.sleep(LOOK_S)

    def as_json(self) -> dict[str, object]:
        """For the status page: never a secret."""
        return {
            "file": str(self._sources.path),
            "stamp": self._stamp(),
            "live": {f"{t}.{k}": getattr(getattr(self._current, t), k) for t, k in self._keys(LIVE)},
            "needs_restart": {
                name: {"running": running, "file": wanted}
                for name, running, wanted in self._differences(self._current, self._in_file)
            },
            "reloads": self._reloads,
            "error": self._error,
        }

    def _folders(self) -> set[Path]:
        """Where changes show: editors put a new file in the old one's place, links point elsewhere."""
        path = self._sources.path.absolute()
        return {path.parent, path.resolve().parent}

    async def _look_when_settled(self) -> None:
        content = await asyncio.to_thread(self._read)
        for _ in range(SETTLE_LOOKS):
            if content == self._content:
                return
            await asyncio.sleep(SETTLE_S)
            content, before = await asyncio.to_thread(self._read), content
            if content == before:
                break
        self._take(*await asyncio.to_thread(self._examine, content))

    def _read(self) -> Content:
        try:
            content = self._sources.read()
        except ConfigError as error:
            return error.message
        if content is None and self._content is not None:
            return f"{self._sources.path} is gone"
        if content is not None and last_good.is_blank(content) and self._content is not None:
            return f"{self._sources.path} is empty"  # most likely its writer has only begun
        return content

    def _examine(self, content: Content) -> tuple[Content, Settings | None, str]:
        """What the file asks for, or why it can't be used. Changes nothing: any thread may do it."""
        if content == self._content:
            return content, None, self._error
        if isinstance(content, str):
            return content, None, content
        try:
            return content, self._sources.combine(content), ""
        except ConfigError as error:
            return content, None, error.message
        except Exception as error:  # a bug in reading must not end what works with the last good settings
            log.exception("a configuration broke its reader", exc_info=error)
            return content, None, f"{self._sources.path} can't be used: {type(error).__name__}"

    def _take(self, content: Content, in_file: Settings | None, error: str) -> None:
        if content == self._content:
            return
        self._content = content
        if in_file is not None:
            try:
                current = _with_live_keys(self._current, in_file)
            except ConfigError as refused:
                error = refused.message
            else:
                self._swap(current, in_file)
        self._error = error
        self._tell_error()

    def _tell_error(self) -> None:
        if self._error:
            log.error("the configuration is not used, the last good settings stay", reason=self._error)

    def _swap(self, current: Settings, in_file: Settings) -> None:
        before, self._current, self._in_file = self._current, current, in_file
        changed = [f"{n}: {old!r} -> {new!r}" for n, old, new in self._differences(before, current)]
        waiting = [f"{n}: {old!r} -> {new!r}" for n, old, new in self._differences(current, in_file)]
        self._reloads += 1
        self._keep()
        set_log_level(current.operations.log_level)
        for follow in self._followers:
            try:
                follow(current)
            except Exception as error:  # a bug of ours; the others are told all the same
                log.exception("changed settings were not taken over whole: restart", exc_info=error)
        log.info("settings reloaded", changed=changed, stamp=self._stamp())
        if waiting:
            log.warning("settings wait for a restart", keys=waiting)

    def _keys(self, mark: str = "") -> list[tuple[str, str]]:
        return list_keys(self._uses, mark)

    def _differences(self, old: Settings, new: Settings) -> list[tuple[str, Any, Any]]:
        """Name, old and new value of each key of this process that differs."""
        found = []
        secrets = set(self._keys(SECRET))
        for table, key in self._keys():
            values = getattr(getattr(old, table), key), getattr(getattr(new, table), key)
            if values[0] != values[1]:
                found.append((f"{table}.{key}", *((HIDDEN, HIDDEN) if (table, key) in secrets else values)))
        return found

    def _stamp(self) -> str:
        """Short, and the same for the same settings in force; no secret goes into it."""
        shown = [pair for pair in self._keys() if pair not in self._keys(SECRET)]
        values = {f"{t}.{k}": getattr(getattr(self._current, t), k) for t, k in shown}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _with_live_keys(running: Settings, wanted: Settings) -> Settings:
    """The running settings with the wanted values of the live keys.

    Raises:
        ConfigError: they don't go together: a key beside them waits for a restart.
    """
    values, new = running.model_dump(), wanted.model_dump()
    for table in values:
        values[table] |= {key: new[table][key] for key in known_keys(table, LIVE)}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise ConfigError(f"needs a restart as a whole: {reason}") from None
