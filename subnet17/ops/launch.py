"""What ./start_mining.sh and ./stop_mining.sh do: `python -m subnet17.ops.launch start [--local] | stop`.

Covers what a start has beside the orchestrator's own (commands.py), which orders, starts and waits: PM2 as
the supervisor, ports, disk and wallet looked at before anything is started, a local subnet that begins
anew, and with it the wait until a validator accepted a result. Both can be repeated.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer
from rich.console import Console
from rich.markup import escape

from subnet17 import last_good
from subnet17.errors import ConfigError, PeerTimeoutError, S17Error
from subnet17.ops import pm2
from subnet17.ops.at_work import go_by_kept_pm2, look_at_all
from subnet17.ops.commands import (
    carry_out,
    check_run,
    check_running,
    stop_all,
    to_start,
    to_stop,
    told_when_interrupted,
)
from subnet17.ops.keeper import last_line
from subnet17.ops.orchestrator_status import make_report
from subnet17.ops.preflight import (
    LOCAL_MIN_FREE_BYTES,
    check_chain,
    check_disk,
    check_journal_disk,
    check_ports,
    check_wallet,
)
from subnet17.ops.processes import LOCAL_SUBNET, MINER, Process, list_processes, log_files_of
from subnet17.ops.state import Files
from subnet17.ops.supervisor import Seen
from subnet17.settings import PROJECT_ROOT, Settings, base_url

if TYPE_CHECKING:
    from subnet17.ops.accepted import Acceptance

ACCEPTED_TIMEOUT_S = 300.0
POLL_S = 0.5
ANSWER_S = 2.0
NAMES_SETTING = re.compile(r"\[(miner|generation|validation|network|operations)\] ")
"""What a miner says that only another setting, or a person, can mend."""
STAYS_S = 15.0
"""Such a reason then stays: the miner looks at its disk every 10 s, and makes room where it can."""
PM2 = "pm2"

cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console()


@cli.command()
def start(
    local: Annotated[bool, typer.Option(help="Embedded back ends and a local subnet.")] = False,
) -> None:
    """Starts what does not run yet and waits until all of it works."""
    _exit_with(lambda: _start_or_clear(last_good.load_to_start(), local=local))


@cli.command()
def stop() -> None:
    """Stops all processes of this project gracefully, the miner first; leaves other apps alone."""
    _exit_with(stop_all)


def _exit_with(action: Callable[[], bool]) -> None:
    try:
        if not action():
            raise typer.Exit(1)
    except (S17Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from None


def _start_or_clear(settings: Settings, *, local: bool) -> bool:
    """A start that fails before it started anything leaves no PM2 daemon behind that was not there before."""
    go_by_kept_pm2(settings)
    was_running = pm2.daemon_runs()
    try:
        return _start(settings, local=local)
    except BaseException:
        if not was_running and pm2.daemon_runs() and not pm2.list_apps():
            pm2.end_daemon()
        raise


def _start(settings: Settings, *, local: bool) -> bool:
    started_s = time.time()
    if settings.operations.supervisor == "own":
        raise ConfigError(
            "operations.supervisor is own, and this starts the processes under PM2: "
            "use mining_orchestrator.py run, or set it to auto"
        )
    pm2.find_pm2()
    files = Files(settings)
    check_run(files, local=local, supervisor=PM2)
    check_running(settings, files, local=local)
    processes = list_processes(settings, local=local)
    seen = _look(settings, processes, local=local)
    check_disk(LOCAL_MIN_FREE_BYTES if local else settings.operations.min_free_disk_bytes)
    check_journal_disk(settings, local=local)
    check_ports([p for p in processes if not seen[p.name].pid])
    missing = {p.name for p in processes if not seen[p.name].pid or seen[p.name].why_outdated(p, settings)}
    if MINER in missing and not local:
        check_chain(settings)
        check_wallet(settings)
    if LOCAL_SUBNET in missing:
        _begin_anew(settings, [name for name in (LOCAL_SUBNET, MINER) if seen[name].pid])
    names = [p.name for p in processes]
    healthy = carry_out(to_start, names, settings, local=local, supervisor=PM2)
    console.print(asyncio.run(make_report(settings, files)).as_table())
    if not healthy:
        return False
    if local:
        with told_when_interrupted():
            accepted = _wait_accepted(settings, started_s if missing else 0.0)
        _print_accepted(accepted, console)
    console.print(f"watch: {_shown_pm2()} logs   stop: ./stop_mining.sh", soft_wrap=True)
    return True


def _look(settings: Settings, processes: list[Process], *, local: bool) -> dict[str, Seen]:
    """Each process as whatever supervises it sees it."""
    seen = asyncio.run(look_at_all(settings, processes, local=local))
    return {p.name: Seen("stopped") for p in processes} | seen


def _begin_anew(settings: Settings, running: list[str]) -> None:
    """A local subnet that is started anew remembers nothing: its miner must not know its cooldowns either.

    Args:
        running: Of these two, those that run yet.
    """
    if running and not carry_out(to_stop, running, settings, local=True, supervisor=PM2):
        raise S17Error(f"{' and '.join(running)} of an earlier run can't be stopped")
    _set_ledger_aside(settings)
    _set_journals_aside(settings)


def _ledger_of(settings: Settings) -> Path:
    return settings.data_dir / "localnet" / "ledger.json"


def _set_ledger_aside(settings: Settings) -> None:
    ledger = _ledger_of(settings)
    if ledger.exists():
        ledger.replace(ledger.with_suffix(".previous.json"))


def _set_journals_aside(settings: Settings) -> None:
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


def _wait_accepted(settings: Settings, since_s: float) -> Acceptance:
    # here, not above: it loads bittensor, which makes folders in HOME, and a stop must need neither
    from subnet17.ops.accepted import find_acceptance  # noqa: PLC0415

    deadline_s = time.monotonic() + ACCEPTED_TIMEOUT_S
    miner = next(p for p in list_processes(settings, local=True) if p.name == MINER)
    reason, told_s = "", time.monotonic()
    with console.status("waiting until a validator accepts a result"):
        while (accepted := find_acceptance(_ledger_of(settings), since_s)) is None:
            now_s = time.monotonic()
            if (told := _reason_not_pulling(miner)) != reason:
                reason, told_s = told, now_s
                if reason:
                    console.print(f"the miner takes no tasks: {escape(reason)}", soft_wrap=True)
            if NAMES_SETTING.search(reason) and now_s > told_s + STAYS_S:
                raise S17Error(f"nothing will be accepted, the miner takes no tasks: {reason}")
            if now_s > deadline_s:
                said = reason or last_line(Path(log_files_of(miner, settings)[1]))
                raise PeerTimeoutError(
                    f"nothing was accepted within {ACCEPTED_TIMEOUT_S:.0f} s; the miner's last words: {said}"
                )
            time.sleep(POLL_S)
    return accepted


def _reason_not_pulling(miner: Process) -> str:
    """Why the miner takes no tasks, as its page says; empty when it does, or says nothing."""
    try:
        reply = httpx.get(f"{base_url(miner.host, miner.port)}/health/", timeout=ANSWER_S, trust_env=False)
        body = reply.json()
    except (httpx.HTTPError, ValueError):
        return ""
    return str(body.get("reason") or "") if isinstance(body, dict) else ""


def _print_accepted(accepted: Acceptance, console: Console) -> None:
    line = f"score {accepted.score:.3f} for {escape(repr(accepted.prompt))}"
    console.print(f"[green]accepted[/] by validator {accepted.validator}: {line}", soft_wrap=True)


def _shown_pm2() -> str:
    return "pm2" if not pm2.find_pm2().startswith(str(PROJECT_ROOT)) else "npx pm2"


if __name__ == "__main__":
    cli()
