"""The orchestrator's command line: `mining_orchestrator.py run | start | stop | restart | status`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from subnet17 import last_good
from subnet17.ending import end_on_signals
from subnet17.errors import ConfigError, S17Error
from subnet17.log import configure_logging, get_logger
from subnet17.ops.at_work import choose_supervisor, look_at_all
from subnet17.ops.commands import (
    Change,
    carry_out,
    check_mode,
    run_to_end,
    settings_to_look_with,
    stop_all,
    to_restart,
    to_start,
    to_stop,
)
from subnet17.ops.monitor import Monitor
from subnet17.ops.orchestrator import Orchestrator
from subnet17.ops.orchestrator_log import cap_log, open_log
from subnet17.ops.orchestrator_status import make_report
from subnet17.ops.processes import find_name, list_processes
from subnet17.ops.state import Files
from subnet17.ops.tuning.watch import profile_watchers
from subnet17.ops.uptime import UptimeWatch
from subnet17.reload import SettingsFollower
from subnet17.settings import Settings, Sources
from subnet17.settings_uses import ORCHESTRATOR

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2

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
    last_good.load_to_start()
    follower = SettingsFollower(ORCHESTRATOR)
    open_log(follower.current)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal may go, the work goes on
    return run_to_end(_run(follower, local=local))


@cli.command()
def start(process: Named = None, local: Local = False) -> int:
    """Starts processes, also out of a pause, and waits until they are healthy."""
    return _command(to_start, process, last_good.load_to_start(), local=local)


@cli.command()
def restart(process: Named = None) -> int:
    """Stops processes gracefully, the miner first, starts them again and waits until they are healthy."""
    return _command(to_restart, process, last_good.load_to_start())


@cli.command()
def stop(process: Named = None) -> int:
    """Stops processes gracefully, the miner first. Without a name: all, and the orchestrator."""
    if not process:
        return EXIT_OK if stop_all() else EXIT_FAILURE
    return _command(to_stop, process, settings_to_look_with()[0])


@cli.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> int:
    """Shows all processes. Exit code 0: all are healthy; 1: one is not."""
    settings, _ = settings_to_look_with()
    report = asyncio.run(make_report(settings, Files(settings)))
    if as_json:
        print(json.dumps(report.as_json(), indent=2))  # noqa: T201
    else:
        Console().print(report.as_table())
    return EXIT_OK if report.healthy else EXIT_FAILURE


async def _run(follower: SettingsFollower, *, local: bool) -> int:
    settings = follower.current
    files = Files(settings)
    ending = asyncio.Event()
    end_on_signals(ending)  # the other processes go on
    with files.acting("run"):
        processes = list_processes(settings, local=local)
        if not local:
            as_local = list_processes(settings, local=True)
            check_mode(await look_at_all(settings, as_local, local=True), as_local)
        supervisor = await choose_supervisor(
            settings, processes, local=local, wanted=settings.operations.supervisor
        )
        monitor = Monitor(settings, local=local)
        log.info("orchestrator", supervisor=supervisor.kind, pid=os.getpid(), local=local)
        orchestrator = Orchestrator(
            settings,
            processes,
            supervisor=supervisor,
            files=files,
            local=local,
            watchers=[
                partial(cap_log, settings),
                monitor.run,
                follower.watch,
                UptimeWatch(settings).run,
                *profile_watchers(settings),
            ],
        )
        for follow in (monitor.follow, orchestrator.follow, lambda _: last_good.keep(Sources())):
            follower.add(follow)
        await orchestrator.run(ending)
        log.info("orchestrator ends")
    return EXIT_OK


def _command(
    change: Change, given: list[str] | None, settings: Settings, *, local: bool | None = None
) -> int:
    """Orders something and waits until it is done.

    Args:
        given: Names of processes; None for all.
        local: With a local subnet; where processes are named or it is None, as it was last time.
    """
    files = Files(settings)
    if given or local is None or (not local and files.run_lives):
        local = files.read_state().local
    known = [p.name for p in list_processes(settings, local=local)]
    names = [find_name(name, known) for name in given] if given else known
    done = carry_out(change, names, settings, local=local)
    Console().print(asyncio.run(make_report(settings, files)).as_table())
    return EXIT_OK if done else EXIT_FAILURE


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
    except Exception as error:
        if (show := getattr(error, "show", None)) is not None:  # a usage error of the command line itself
            show()
            return EXIT_USAGE
        log.exception("the orchestrator broke; the processes go on")
        return EXIT_FAILURE


def _tell(error: S17Error | OSError) -> int:
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILURE
