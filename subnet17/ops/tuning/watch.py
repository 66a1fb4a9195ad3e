"""Measures from time to time and switches the profile, see switcher.py. Runs for ever.

Covers: the rounds, and what is remembered between them and over restarts. A round in which the servers are
busy or can't be measured changes nothing and is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from subnet17.errors import S17Error
from subnet17.log import get_logger, set_log_level
from subnet17.ops.tuning.analysis import fit_score_of, read_journal, terms_of
from subnet17.ops.tuning.benchmark import REQUESTS, RunningServers
from subnet17.ops.tuning.config_file import (
    ConfigFile,
    end_pending,
    keep_pending,
    replace_file,
    restore_pending,
)
from subnet17.ops.tuning.samples import Sample, Terms
from subnet17.ops.tuning.space import PROFILE, PROFILES
from subnet17.ops.tuning.switcher import Decision, SwitchState, decide
from subnet17.ops.tuning.trial import FOLDER, alone
from subnet17.settings import Settings, Sources

log = get_logger()

INTERVAL_S = 1800.0
RETRY_S = 120.0
SETTLE_S = 120.0
"""Tasks answered within this time after a switch may have been made before it."""
MOST_TASKS = 50
"""The last so many stand for what a profile is worth."""
STATE = "watch.json"


@dataclass(frozen=True)
class Look:
    """What one round sees.

    Attributes:
        profile: In force.
        samples: Of the benchmark, by profile.
        real: Tasks answered since this profile began.
    """

    profile: str
    samples: Mapping[str, Sample]
    real: Sample
    terms: Terms


class Machine(Protocol):
    """What is measured and switched."""

    async def look(self, since_s: float) -> Look: ...

    async def switch(self, profile: str) -> None: ...


class Watch:
    """See the module.

    Args:
        machine: The real one, or a simulated one.
        folder: Of the optimizer's own files.
        clock: Unix seconds; replaced in tests.
    """

    def __init__(self, machine: Machine, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._machine = machine
        self._folder = folder
        self._clock = clock
        self.state = _read_state(folder / STATE)

    async def run(self, interval_s: float = INTERVAL_S) -> None:
        """Rounds until it is cancelled. One that fails is logged and tried again soon."""
        failure = ""
        while True:
            try:
                await self.round()
                failure = ""
            except S17Error as error:
                if error.message != failure:  # servers may be busy for hours
                    log.warning("no round of the optimizer", why=error.message)
                failure = error.message
            except Exception as error:
                log.exception("a round of the optimizer broke")
                failure = str(error) or type(error).__name__
            await asyncio.sleep(min(interval_s, RETRY_S) if failure else interval_s)

    async def round(self) -> Decision:
        """One look, and what follows from it.

        Raises:
            S17Error: nothing could be measured, or the change did not come into force. Nothing has changed.
        """
        with alone(self._folder):
            look = await self._machine.look(self.state.since_s)
            state = self.state.model_copy(deep=True)
            decision = decide(
                state,
                now_s=self._clock(),
                profile=look.profile,
                samples=look.samples,
                real=look.real,
                terms=look.terms,
            )
            if decision.kind != "stay":
                await self._machine.switch(decision.profile)
            self.state = state
            replace_file(self._folder / STATE, state.model_dump_json(indent=1).encode())
        log.info("optimizer", decision=decision.kind, profile=decision.profile, why=decision.why)
        return decision


class RealMachine:
    """The running servers, the miner's journal and mining.toml, all read anew in each round.

    Args:
        sources: Where the settings come from.
        hotkey: Whose journal; empty: the one written last.
        force: Measure also when there is other work.
    """

    def __init__(
        self, sources: Sources, *, hotkey: str = "", force: bool = False, requests: int = REQUESTS
    ) -> None:
        self._file = ConfigFile(sources)
        self._hotkey = hotkey
        self._force = force
        self._requests = requests

    async def look(self, since_s: float) -> Look:
        """See `Machine`.

        Raises:
            S17Error: the servers can't be measured now.
        """
        settings = self._file.settings()
        set_log_level(settings.operations.log_level)
        restore_pending(settings.data_dir / FOLDER, self._file)
        history, _ = await asyncio.to_thread(
            read_journal, settings, hotkey=self._hotkey, since_s=since_s + SETTLE_S, until_s=time.time()
        )
        fit_score = fit_score_of(settings, history)
        async with RunningServers(
            settings, fit_score=fit_score, requests=self._requests, force=self._force
        ) as servers:
            await servers.check()
            profile = await servers.profile()
            samples = {name: await servers.measure(name) for name in PROFILES}
        real = history.sample.pieces[-MOST_TASKS:] if history else ()
        return Look(profile, samples, Sample(real), terms_of(settings, history))

    async def switch(self, profile: str) -> None:
        """See `Machine`.

        Raises:
            S17Error: the file can't be changed, or the server does not follow; then the file is as it was.
        """
        settings = self._file.settings()
        folder = settings.data_dir / FOLDER
        await switch_profile(settings, self._file, folder, profile)


async def switch_profile(settings: Settings, file: ConfigFile, folder: Path, profile: str) -> None:
    """Writes the profile and waits until the server works by it.

    Raises:
        S17Error: the file can't be changed, or the server does not follow; then the file is as it was.
    """
    keep_pending(folder, file, [PROFILE])
    try:
        file.write({PROFILE: profile})
        async with RunningServers(settings, fit_score=0.0) as servers:
            await servers.in_force({PROFILE: profile})
    except BaseException:
        restore_pending(folder, file)
        raise
    end_pending(folder)


def profile_watchers(settings: Settings) -> list[Callable[[], Awaitable[None]]]:
    """What the orchestrator runs beside its work: this watch, where the settings ask for it."""
    if not settings.operations.auto_profile:
        return []
    return [Watch(RealMachine(Sources()), settings.data_dir / FOLDER).run]


def _read_state(path: Path) -> SwitchState:
    try:
        return SwitchState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return SwitchState()
    except (OSError, ValidationError) as error:
        log.warning(
            "the optimizer's memory can't be read, it begins anew", file=str(path), why=str(error)[:200]
        )
        return SwitchState()
