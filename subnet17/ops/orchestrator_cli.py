"""The orchestrator's command line.

Commands write what the operator wants; whoever holds the lock makes it so: a living `run`, else the command.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console

from subnet17.ending import end_on_signals
from subnet17.errors import ConfigError, S17Error
from subnet17.log import configure_logging, get_logger
from subnet17.log_files import rotate
from subnet17.ops import last_good
from subnet17.ops.at_work import choose_supervisor, find_at_work
from subnet17.ops.keeper import LEAST_START_S
from subnet17.ops.monitor import Monitor
from subnet17.ops.orchestrator import Orchestrator
from subnet17.ops.orchestrator_status import Report, make_report
from subnet17.ops.preflight import LOCAL_MIN_FREE_BYTES, check_disk
from subnet17.ops.processes import Process, find_name, list_processes
from subnet17.ops.state import Files, Orders, State
from subnet17.ops.tuning.watch import profile_watchers
from subnet17.ops.uptime import UptimeWatch
from subnet17.reload import SettingsFollower
from subnet17.settings import PROJECT_ROOT, Settings, load_settings
from subnet17.settings_uses import ORCHESTRATOR

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
POLL_S = 0.2
CAP_LOG_S = 2.0

cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
log = get_logger()

Named = Annotated[
    list[str] | None,
    typer.Option(
        "--process", help="Name, such as generation_server or generation-server; repeatable. None: all."
    ),
]
Local = Annotated[bool, typer.Option("--local", help="Embedded back ends and a local subnet.")]


@cli.command()
def run(local: Local = False) -> int:
    """Keeps all processes up until SIGINT or SIGTERM. Adopts what runs already."""
    follower = SettingsFollower(ORCHESTRATOR)
    last_good.keep()
    _copy_stderr(follower.current)
    _configure_logging(follower.current)
    return asyncio.run(_run(follower, local=local))


@cli.command()
def start(process: Named = None, local: Local = False) -> int:
    """Starts processes, also out of a pause, and waits until they are healthy."""

    def change(orders: Orders, names: list[str]) -> None:
        orders.stopped -= set(names)
        orders.starts |= dict.fromkeys(names, orders.number)

    return _command(process, local, change)


@cli.command()
def restart(process: Named = None) -> int:
    """Stops processes gracefully, the miner first, starts them again and waits until they are healthy."""

    def change(orders: Orders, names: list[str]) -> None:
        orders.stopped -= set(names)
        orders.restarts |= dict.fromkeys(names, orders.number)

    return _command(process, None, change)


@cli.command()
def stop(process: Named = None) -> int:
    """Stops processes gracefully, the miner first. Without a name: all, and the orchestrator."""
    if not process:
        return stop_all()

    def change(orders: Orders, names: list[str]) -> None:
        orders.stopped |= set(names)

    return _command(process, None, change, settings=_settings_to_look_with()[0])


@cli.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> int:
    """Shows all processes. Exit code 0: all are healthy; 1: one is not."""
    settings, _ = _settings_to_look_with()
    report = asyncio.run(make_report(settings, Files(settings)))
    if as_json:
        print(json.dumps(report.as_json(), indent=2))  # noqa: T201
    else:
        _show(report)
    return EXIT_OK if report.healthy else EXIT_FAILURE


async def _run(follower: SettingsFollower, *, local: bool) -> int:
    settings = follower.current
    files = Files(settings)
    ending = asyncio.Event()
    end_on_signals(ending)  # the other processes go on
    with files.acting("run"):
        check_disk(LOCAL_MIN_FREE_BYTES if local else settings.operations.min_free_disk_bytes)
        processes = list_processes(settings, local=local)
        supervisor = await choose_supervisor(settings, processes, local=local)
        monitor = Monitor(settings, local=local)
        follower.add(monitor.follow)
        log.info("orchestrator", supervisor=supervisor.kind, pid=os.getpid(), local=local)
        orchestrator = Orchestrator(
            settings,
            processes,
            supervisor=supervisor,
            files=files,
            local=local,
            watchers=[
                partial(_cap_log, settings),
                monitor.run,
                follower.watch,
                UptimeWatch(settings).run,
                *profile_watchers(settings),
            ],
        )
        await orchestrator.run(ending)
        log.info("orchestrator ends")
    return EXIT_OK


def _settings_to_look_with() -> tuple[Settings, str]:
    """See `load_or_recall`; what is wrong is told, and stops nobody."""
    settings, why = last_good.load_or_recall()
    if why:
        print(f"warning: {why}", file=sys.stderr)  # noqa: T201
    return settings, why


def _command(
    given: list[str] | None,
    local: bool | None,
    change: Callable[[Orders, list[str]], None],
    *,
    settings: Settings | None = None,
) -> int:
    """Orders something and waits until it is done.

    Args:
        given: Names of processes; None for all.
        local: With a local subnet; where processes are named or it is None, as it was last time.
        settings: None: as they are now, for a command that starts something.
    """
    if settings is None:
        settings = load_settings()
        last_good.keep()
    files = Files(settings)
    as_before = files.read_state().local
    local = as_before if given or local is None else local
    processes = list_processes(settings, local=local)
    known = [p.name for p in processes]
    names = [find_name(name, known) for name in given] if given else known
    orders = files.order(lambda orders: change(orders, names))
    timeout_s = _time_to_settle_s(settings, names)
    if not (files.holder and _wait_done(files, orders, names, timeout_s)):
        _copy_stderr(settings)
        _configure_logging(settings)
        if not asyncio.run(_obey(settings, processes, files, orders, local=local, timeout_s=timeout_s)):
            print(f"error: not settled after {timeout_s:.0f} s", file=sys.stderr)  # noqa: T201
    report = asyncio.run(make_report(settings, files))
    _show(report)
    wanted = "down" if set(names) <= orders.stopped else "healthy"
    return EXIT_OK if all(r.status == wanted for r in report.rows if r.name in names) else EXIT_FAILURE


def _time_to_settle_s(settings: Settings, names: list[str]) -> float:
    load_s = max(LEAST_START_S, settings.generation.load_timeout_s, settings.validation.load_timeout_s)
    return load_s + 2 * settings.operations.kill_timeout_s * len(names)


def _wait_done(files: Files, orders: Orders, names: list[str], timeout_s: float) -> bool:
    """Waits for the living `run`, telling for what; False when it has ended without having done it."""
    deadline_s = time.monotonic() + timeout_s
    told = ""
    while time.monotonic() < deadline_s:
        alive, state = files.holder, files.read_state()
        if state.orders_done >= orders.number and state.is_settled(names):
            return True
        if not alive:
            return False
        if (waiting := _waiting_for(state, orders, names, alive)) != told:
            told = waiting
            print(f"waiting for {waiting}", file=sys.stderr)  # noqa: T201
        time.sleep(POLL_S)
    raise S17Error(
        f"{', '.join(names)}: not settled after {timeout_s:.0f} s; see {files.folder / 'state.json'}"
    )


def _waiting_for(state: State, orders: Orders, names: list[str], holder: str) -> str:
    if state.orders_done < orders.number:
        return f"{holder} to do it"
    return ", ".join(f"{n} ({state.of(n).doing})" for n in names if not state.is_settled([n]))


async def _obey(
    settings: Settings,
    processes: list[Process],
    files: Files,
    orders: Orders,
    *,
    local: bool,
    timeout_s: float,
) -> bool:
    with files.acting("a command"):
        supervisor = await choose_supervisor(settings, processes, local=local)
        orchestrator = Orchestrator(settings, processes, supervisor=supervisor, files=files, local=local)
        return await orchestrator.obey(orders, timeout_s)


def stop_all() -> int:
    """Ends the orchestrator and stops all processes of this project under either supervisor, the miner first.

    Works also on a full disk, and while the configuration can't be used.

    Returns:
        1 where nothing was found, but only the defaults said where to look.
    """
    settings, why = _settings_to_look_with()
    files = Files(settings)
    try:
        files.order(lambda orders: orders.stopped.clear())
    except OSError as error:
        print(f"warning: can't write to {files.folder}: {error.strerror}", file=sys.stderr)  # noqa: T201
    processes = list_processes(settings, local=True)
    was_running = files.end_holder()
    deadline_s = time.monotonic() + 2 * settings.operations.kill_timeout_s * len(processes)
    while files.holder and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    _copy_stderr(settings)
    _configure_logging(settings)
    stopped = asyncio.run(_stop_rest(settings, processes, files))
    print("stopped all" if stopped or was_running else "nothing of ours was running")  # noqa: T201
    guessed = bool(why) and not last_good.is_kept()
    return EXIT_FAILURE if guessed and not (stopped or was_running) else EXIT_OK


async def _stop_rest(settings: Settings, processes: list[Process], files: Files) -> list[str]:
    """Stops what runs under either supervisor; returns the names."""
    names: list[str] = []
    with files.acting("stop"):
        state = files.read_state()
        for supervisor in await find_at_work(settings, processes, local=True):
            seen = await supervisor.look()
            running = [p for p in processes if p.name in seen and seen[p.name].life != "stopped"]
            orchestrator = Orchestrator(
                settings, processes, supervisor=supervisor, files=files, local=state.local
            )
            orchestrator.state.orders_done = files.read_orders().number
            await orchestrator.stop(running)
            await supervisor.clear()
            names += [p.name for p in running]
    return names


def _show(report: Report) -> None:
    Console().print(report.as_table())


class _Copied:
    """stderr, copied into the log file: also the trace of what nobody expected."""

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        self._stream, self._file = stream, file

    def write(self, text: str) -> int:
        with suppress(OSError):  # a full disk
            self._file.write(text)
        return self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _copy_stderr(settings: Settings) -> None:
    path = _log_path(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:  # looking after the processes matters more than a log of it
        print(f"warning: can't write {path}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return
    sys.stderr = _Copied(sys.stderr, file)


def _log_path(settings: Settings) -> Path:
    return PROJECT_ROOT / Path(settings.operations.orchestrator_log).expanduser()


async def _cap_log(settings: Settings) -> None:
    operations = settings.operations
    while True:
        rotate(_log_path(settings), operations.log_max_bytes, operations.log_backups)
        await asyncio.sleep(CAP_LOG_S)


def _configure_logging(settings: Settings) -> None:
    operations = settings.operations
    configure_logging(service="orchestrator", level=operations.log_level, form=operations.log_format)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; expected errors become one line on stderr.

    Returns:
        0 done (status: all healthy), 1 failed (status: not all healthy), 2 a mistake in the settings or the
        command line, or another orchestrator is at work.
    """
    # before anything is logged: structlog's own default shows local variables, and the settings hold secrets
    configure_logging(service="orchestrator")
    try:
        command = typer.main.get_command(cli)
        return int(command.main(arguments, prog_name="mining_orchestrator.py", standalone_mode=False) or 0)
    except (S17Error, OSError) as error:
        return _tell(error)
    except ExceptionGroup as group:
        ours, others = group.split(S17Error)
        if others is None and ours is not None:
            return max(_tell(error) for error in _leaves(ours))
        log.exception("the orchestrator broke; the processes go on")
        return EXIT_FAILURE
    except Exception as error:
        if (show := getattr(error, "show", None)) is not None:  # a usage error of the command line itself
            show()
            return EXIT_USAGE
        log.exception("the orchestrator broke; the processes go on")
        return EXIT_FAILURE


def _leaves(group: ExceptionGroup[S17Error]) -> list[S17Error]:
    return [leaf for e in group.exceptions for leaf in (_leaves(e) if isinstance(e, ExceptionGroup) else [e])]


def _tell(error: S17Error | OSError) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILURE
