"""The one list of processes: names, scripts, flags, ports, restart policy. PM2 reads it as JSON.

`python -m subnet17.ops.processes [--local]` prints what ecosystem.config.js hands to PM2.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import sys
from dataclasses import dataclass

from subnet17 import settings_uses
from subnet17.errors import ConfigError, S17Error
from subnet17.last_good import STARTED_VARIABLE, load_unless_lost, recall
from subnet17.log_files import LOG_FILES_VARIABLE
from subnet17.settings import (
    LIVE,
    PROJECT_ROOT,
    SHORT_NAMES,
    Settings,
    Sources,
    base_url,
)
from subnet17.settings_sources import CONFIG_VARIABLE, PREFIX

GENERATION = "generation-server"
VALIDATION = "validation-server"
MINER = "subnet17-miner"
LOCAL_SUBNET = "local-subnet"

LOCAL_MINER_KEY = "//Miner"
SUPERVISION = ("operations.log_dir", "operations.kill_timeout_s", "operations.max_restarts")
"""What its supervisor is told for it when it starts."""
MIN_UPTIME_S = 30
"""A process that ends sooner counts as a failed start."""
FIRST_RESTART_DELAY_MS = 200
"""Doubled by PM2 after each failed start, up to 15 s."""


@dataclass(frozen=True)
class Process:
    """One supervised process.

    Attributes:
        name: As PM2 shows it.
        script: Entry point in the project's root.
        args: Its command line.
        host: Where it listens.
        port: Its first port.
        ports: How many ports from `port` on it takes.
        health_path: Route that answers 200 once it is ready; None where it has none.
        uses: Which settings it reads (settings_uses.py).
    """

    name: str
    script: str
    args: tuple[str, ...]
    host: str
    port: int
    ports: int = 1
    health_path: str | None = "/health/"
    uses: tuple[str, ...] = ()

    @property
    def health_url(self) -> str | None:
        """Where to ask whether it is ready."""
        return f"{base_url(self.host, self.port)}{self.health_path}" if self.health_path else None


def list_processes(settings: Settings, *, local: bool) -> list[Process]:
    """All processes in the order in which they start; `stop_order` gives that in which they stop.

    Args:
        settings: Where each listens.
        local: The embedded back ends and a local subnet instead of the public network.
    """
    generation, validation, miner = settings.generation, settings.validation, settings.miner
    backend = ("--backend", "procedural") if local else ()
    scorer = ("--scorer", "embedded", "--renderer", "cpu") if local else ()
    chain = ("--chain", f"static:{neurons_file(settings)}", "--wallet.uri", LOCAL_MINER_KEY) if local else ()
    processes = [
        Process(
            VALIDATION,
            "validation_server.py",
            scorer,
            validation.host,
            validation.port,
            uses=settings_uses.VALIDATION_SERVER,
        ),
        Process(
            GENERATION,
            "generation_server.py",
            backend,
            generation.host,
            generation.port,
            uses=settings_uses.GENERATION_SERVER,
        ),
    ]
    if local:
        processes.append(
            Process(
                LOCAL_SUBNET,
                "local_subnet.py",
                (),
                "127.0.0.1",
                settings.network.local_port,
                settings.network.local_validators,
                health_path=None,
                uses=settings_uses.LOCAL_SUBNET,
            )
        )
    return [
        *processes,
        Process(MINER, "subnet17_miner.py", chain, miner.host, miner.port, uses=settings_uses.MINER),
    ]


def stop_order(processes: list[Process]) -> list[Process]:
    """The miner first: while it drains it needs the servers, and the validators to hand in to."""
    last = [p for p in processes if p.name == LOCAL_SUBNET]
    return [p for p in reversed(processes) if p.name != LOCAL_SUBNET] + last


def neurons_file(settings: Settings) -> str:
    """The static chain that the local subnet writes and the miner reads."""
    return str(settings.data_dir / "localnet" / "neurons.json")


def fingerprint(process: Process, settings: Settings) -> str:
    """Short, and the same for settings that need no restart of the process; tells nothing of their values.

    A running process follows the live keys in its file, but not in the environment of its start.
    """
    uses = (*process.uses, *SUPERVISION)
    live = set(settings_uses.list_keys(uses, LIVE))
    fixed = [pair for pair in settings_uses.list_keys(uses) if pair not in live]
    values = {f"{table}.{key}": getattr(getattr(settings, table), key) for table, key in fixed}
    given = {name: value for name, value in os.environ.items() if _key_of(name) in live}
    content = json.dumps([values, given], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _key_of(variable: str) -> tuple[str, str]:
    """Table and key that an environment variable sets, if it is one of ours."""
    if variable in SHORT_NAMES:
        return SHORT_NAMES[variable]
    table, _, key = variable.removeprefix(PREFIX).lower().partition("__")
    return (table, key) if variable.startswith(PREFIX) else ("", "")


def log_files_of(process: Process, settings: Settings) -> list[str]:
    """Where its stdout and its stderr go."""
    return [str(settings.log_dir / f"{process.name}.{stream}.log") for stream in ("out", "err")]


def environment_of(process: Process, settings: Settings) -> dict[str, str]:
    """What it gets beside the environment of whoever starts it."""
    config = {CONFIG_VARIABLE: os.environ[CONFIG_VARIABLE]} if CONFIG_VARIABLE in os.environ else {}
    return {
        "PYTHONUNBUFFERED": "1",
        STARTED_VARIABLE: fingerprint(process, settings),
        LOG_FILES_VARIABLE: os.pathsep.join(log_files_of(process, settings)),
        **config,
    }


def find_name(given: str, known: list[str]) -> str:
    """A process's name as PM2 shows it, from that or its script's (generation_server, with or without .py).

    Raises:
        ConfigError: none of the known ones is called so.
    """
    name = given.removesuffix(".py").replace("_", "-")
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(known)}"
        raise ConfigError(f"no process is called {given}; {hint}", given=given, known=known)
    return name


def as_pm2_app(process: Process, settings: Settings) -> dict[str, object]:
    """One entry of PM2's `apps`."""
    operations = settings.operations
    out_file, error_file = log_files_of(process, settings)
    return {
        "name": process.name,
        "script": process.script,
        "interpreter": sys.executable,
        "args": list(process.args),
        "cwd": str(PROJECT_ROOT),
        "env": environment_of(process, settings),
        "kill_timeout": int(operations.kill_timeout_s * 1000),
        "min_uptime": MIN_UPTIME_S * 1000,
        "max_restarts": operations.max_restarts,
        "exp_backoff_restart_delay": FIRST_RESTART_DELAY_MS,
        "out_file": out_file,
        "error_file": error_file,
        "merge_logs": True,
    }


def main() -> int:
    """Prints PM2's `apps` as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--local", action="store_true", help="with a local subnet, on the embedded back ends")
    local = parser.parse_args().local
    try:
        settings = load_unless_lost()
    except S17Error as error:
        # a start by hand asks for a file that is right; a supervisor brings back what has run
        kept = recall(Sources()) if STARTED_VARIABLE in os.environ else None
        if kept is None:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
            return 2
        settings = kept
    apps = [as_pm2_app(process, settings) for process in list_processes(settings, local=local)]
    print(json.dumps(apps, indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
