"""Starts and stops the processes under PM2: `python -m subnet17.ops.launch start [--local] | stop`.

Covers: preflight, start of what does not run yet, waiting until healthy and, with a local subnet, until a
validator accepted a result; stop in the reverse order, the miner first. Both can be repeated.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from subnet17.errors import ConfigError, PeerTimeoutError, S17Error
from subnet17.ops import last_good, pm2
from subnet17.ops.accepted import Acceptance, find_acceptance
from subnet17.ops.children import Children
from subnet17.ops.orchestrator_cli import stop_all
from subnet17.ops.preflight import LOCAL_MIN_FREE_BYTES, check_disk, check_ports
from subnet17.ops.processes import LOCAL_SUBNET, MINER, Process, list_processes, stop_order
from subnet17.ops.state import Files, Orders
from subnet17.ops.supervisor import why_outdated
from subnet17.settings import PROJECT_ROOT, Settings, load_settings

HEALTHY_TIMEOUT_S = 300.0
ACCEPTED_TIMEOUT_S = 300.0
POLL_S = 0.5
LOG_TAIL_BYTES = 64 * 1024
CRASH_LOOP_RESTARTS = 3
"""A process that PM2 restarted this often before it was ever healthy is told as broken."""

cli = typer.Typer(add_completion=False, no_args_is_help=True)
console = Console()


@cli.command()
def start(
    local: Annotated[bool, typer.Option(help="Embedded back ends and a local subnet.")] = False,
) -> None:
    """Starts what does not run yet and waits until all of it works."""
    _exit_with(lambda: _start_or_clear(load_settings(), local=local))


@cli.command()
def stop() -> None:
    """Stops all processes of this project gracefully, the miner first; leaves other apps alone."""
    _exit_with(stop_all)


def _exit_with(action: Callable[[], int | None]) -> None:
    try:
        if code := action():
            raise typer.Exit(code)
    except S17Error as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from None


def _start_or_clear(settings: Settings, *, local: bool) -> None:
    """A start that fails before it started anything leaves no PM2 daemon behind that was not there before."""
    was_running = pm2.daemon_runs()
    try:
        _start(settings, local=local)
    except BaseException:
        if not was_running and pm2.daemon_runs() and not pm2.list_apps():
            pm2.end_daemon()
        raise


def _start(settings: Settings, *, local: bool) -> None:
    started_s = time.time()
    last_good.keep()
    _refuse_beside_own_supervision(settings)
    processes = list_processes(settings, local=local)
    _stop_outdated(processes, settings, local=local)
    running = pm2.list_apps()
    missing = [p for p in processes if not (p.name in running and running[p.name].online)]
    check_disk(LOCAL_MIN_FREE_BYTES if local else settings.operations.min_free_disk_bytes)
    check_ports(missing)
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    names = [p.name for p in missing]
    if LOCAL_SUBNET in names:
        _set_ledger_aside(settings)
    if LOCAL_SUBNET in names and MINER in names:
        _set_journals_aside(settings)
    servers = [p for p in missing if p.name != MINER]
    # Models are fetched and compiled before a server is ready; the embedded back ends take seconds.
    load_s = max(settings.generation.load_timeout_s, settings.validation.load_timeout_s)
    timeout_s = HEALTHY_TIMEOUT_S if local else max(HEALTHY_TIMEOUT_S, load_s)
    _start_and_wait(servers, timeout_s, local=local)
    # the miner needs what the others offer
    _start_and_wait([p for p in missing if p.name == MINER], timeout_s, local=local)
    if not missing:
        console.print("all processes run already")
    _wait_healthy(processes, timeout_s)
    _withdraw_stops(Files(settings), {p.name for p in processes})
    _print_table(processes)
    if local:
        since_s = started_s if missing else 0.0
        accepted = _wait_accepted(_ledger_of(settings), since_s)
        _print_accepted(accepted, console)
    console.print(f"watch: {_shown_pm2()} logs   stop: ./stop_mining.sh", soft_wrap=True)


def _refuse_beside_own_supervision(settings: Settings) -> None:
    """One supervisor only: what runs under the orchestrator's own is not PM2's."""
    if running := list(asyncio.run(Children(settings, list_processes(settings, local=True)).look())):
        raise ConfigError(
            f"{', '.join(running)}: running already, under the orchestrator's own supervision: "
            "mining_orchestrator.py looks after them; ./stop_mining.sh makes room for PM2",
            running=running,
        )


def _withdraw_stops(files: Files, names: set[str]) -> None:
    """The orchestrator looks again after what the operator had stopped, instead of stopping it once more."""
    if not names & files.read_orders().stopped:
        return

    def change(orders: Orders) -> None:
        orders.starts |= dict.fromkeys(names & orders.stopped, orders.number)
        orders.stopped -= names

    files.order(change)


def _print_accepted(accepted: Acceptance, console: Console) -> None:
    line = f"score {accepted.score:.3f} for {escape(repr(accepted.prompt))}"
    console.print(f"[green]accepted[/] by validator {accepted.validator}: {line}", soft_wrap=True)


def _start_and_wait(processes: list[Process], timeout_s: float, *, local: bool) -> None:
    if processes:
        console.print(f"starting {', '.join(p.name for p in processes)}")
        pm2.start_apps([p.name for p in processes], local=local)
        _wait_healthy(processes, timeout_s)


def _ledger_of(settings: Settings) -> Path:
    return settings.data_dir / "localnet" / "ledger.json"


def _set_ledger_aside(settings: Settings) -> None:
    """A subnet started anew remembers nothing: else its miner might sit out an earlier run's cooldown."""
    ledger = _ledger_of(settings)
    if ledger.exists():
        ledger.replace(ledger.with_suffix(".previous.json"))


def _set_journals_aside(settings: Settings) -> None:
    """The same of its miner: the journal of an earlier run knows cooldowns of validators that forgot them."""
    try:
        neurons = json.loads((settings.data_dir / "localnet" / "neurons.json").read_bytes())
        miners = [neuron["hotkey"] for neuron in neurons if not neuron["is_serving"]]
    except (OSError, ValueError, KeyError, TypeError):
        return  # there was no earlier run
    for hotkey in miners:
        journal = settings.data_dir / "miner" / hotkey
        previous = journal.with_suffix(".previous")
        if journal.is_dir():
            shutil.rmtree(previous, ignore_errors=True)
            journal.rename(previous)


def _stop_outdated(processes: list[Process], settings: Settings, *, local: bool) -> None:
    """Apps of ours that run in the other mode or with other settings than those of now are started anew."""
    wanted = {p.name: p for p in processes}
    apps = pm2.list_apps()
    for name in _stop_order(settings):
        if (app := apps.get(name)) is None:
            continue
        if not app.ours:
            raise ConfigError(
                f"PM2 already runs an app {name} from {app.cwd}: stop it there, or use another PM2_HOME",
                name=name,
            )
        if why := _why_stop(app, wanted.get(name), settings):
            console.print(f"stopping {name}: {why}")
            pm2.delete_app(name)


def _why_stop(app: pm2.Pm2App, wanted: Process | None, settings: Settings) -> str:
    if not app.online:
        return f"it is {app.status}"
    if wanted is None:
        return "it belongs to a local subnet"
    return why_outdated(app.args, app.settings, wanted, settings)


def _wait_healthy(processes: list[Process], timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    waiting = list(processes)
    with console.status("waiting until all are healthy"):
        while waiting := [p for p in waiting if not _is_healthy(p)]:
            apps = pm2.list_apps()
            for process in waiting:
                app = apps.get(process.name)
                if app and (app.status == "errored" or app.restarts >= CRASH_LOOP_RESTARTS):
                    raise S17Error(f"{process.name} does not stay up: {_last_lines(process.name)}")
            if time.monotonic() > deadline_s:
                names = ", ".join(p.name for p in waiting)
                raise PeerTimeoutError(
                    f"not healthy after {timeout_s:.0f} s: {names}; {_last_lines(waiting[0].name)}"
                )
            time.sleep(POLL_S)


def _is_healthy(process: Process) -> bool:
    if process.health_url is None:
        return _accepts_connections(process)
    try:
        # a proxy of the environment is for the outside, not for our own processes
        reply = httpx.get(process.health_url, timeout=5.0, trust_env=False)
        return reply.status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _accepts_connections(process: Process) -> bool:
    try:
        with socket.create_connection((process.host, process.port), timeout=1.0):
            return True
    except OSError:
        return False


def _last_lines(name: str, count: int = 5) -> str:
    path = load_settings().log_dir / f"{name}.err.log"
    lines: list[str] = []
    if path.exists():
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()[-count:]
    return f"last lines of {path}:\n" + "\n".join(lines)


def _wait_accepted(ledger: Path, since_s: float) -> Acceptance:
    deadline_s = time.monotonic() + ACCEPTED_TIMEOUT_S
    with console.status("waiting until a validator accepts a result"):
        while (accepted := find_acceptance(ledger, since_s)) is None:
            if time.monotonic() > deadline_s:
                last = _last_lines(MINER)
                raise PeerTimeoutError(f"nothing was accepted within {ACCEPTED_TIMEOUT_S:.0f} s; {last}")
            time.sleep(POLL_S)
    return accepted


def _print_table(processes: list[Process]) -> None:
    apps = pm2.list_apps()
    table = Table("process", "status", "pid", "restarts", "address")
    for process in processes:
        app = apps[process.name]
        last = process.port + process.ports - 1
        ports = f"{process.port}" if process.ports == 1 else f"{process.port}-{last}"
        table.add_row(process.name, app.status, str(app.pid), str(app.restarts), f"{process.host}:{ports}")
    console.print(table)


def _shown_pm2() -> str:
    return "pm2" if not pm2.find_pm2().startswith(str(PROJECT_ROOT)) else "npx pm2"


def _stop_order(settings: Settings) -> list[str]:
    return [p.name for p in stop_order(list_processes(settings, local=True))]


if __name__ == "__main__":
    cli()
