"""What `mining_orchestrator.py status` shows: what is remembered, what the supervisor sees, a check."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import httpx
import psutil
from rich.console import Group
from rich.table import Table
from rich.text import Text

from subnet17.ops.at_work import find_at_work
from subnet17.ops.children import Children
from subnet17.ops.health import Caller, Health
from subnet17.ops.monitor import MachineLook, read_last_look
from subnet17.ops.processes import LOCAL_SUBNET, Process, list_processes
from subnet17.ops.state import Files, ProcessState, State
from subnet17.ops.strays import Stray, find_strays
from subnet17.ops.supervisor import Seen
from subnet17.settings import Settings

HEALTHY = "healthy"
COLOURS = {HEALTHY: "green", "down": "dim", "starting": "yellow", "waiting": "yellow"}
CHECK_TIMEOUT_S = 5.0
OWN = Children.kind


@dataclass(frozen=True)
class Row:
    """One process.

    Attributes:
        status: healthy, starting, not ready, silent, restarting, aside, waiting, stopping or down; elsewhere:
            it runs where it can't be ordered from here.
        recent_failures: Within the window in which they are counted.
    """

    name: str
    status: str
    pid: int | None
    uptime_s: float | None
    restarts: int
    recent_failures: int
    address: str
    note: str


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        supervisor: What runs the processes; empty while none runs.
        orchestrator: The `run` or other command that acts now; empty when none does.
        machine: The last look at the machine; None where nobody watches it.
    """

    supervisor: str
    orchestrator: str
    rows: list[Row]
    machine: MachineLook | None

    @property
    def healthy(self) -> bool:
        """Whether every process is."""
        return all(row.status == HEALTHY for row in self.rows)

    def all_are(self, status: str, names: Iterable[str]) -> bool:
        """Whether these processes have that status."""
        return all(row.status == status for row in self.rows if row.name in names)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        machine = self.machine.model_dump(mode="json") if self.machine else None
        return {"healthy": self.healthy, **asdict(self), "machine": machine}

    def as_table(self) -> Group:
        """For people, in 80 columns; what there is to say of a process stands below, in full."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("process", "status", "pid", "up", "restarts", "address"):
            table.add_column(title, no_wrap=True)
        for row in self.rows:
            colour = COLOURS.get(row.status, "red")
            cells = (str(row.pid or "-"), _span(row.uptime_s), str(row.restarts), row.address)
            table.add_row(row.name, f"[{colour}]{row.status}[/]", *cells)
        who = f"orchestrator: {self.orchestrator or 'none'}, supervisor: {self.supervisor or 'none'}"
        if self.supervisor == OWN and not self.orchestrator:
            who += " (nobody restarts what crashes until mining_orchestrator.py run)"
        remarks = [line for row in self.rows if (line := _remark(row))]
        return Group(table, *map(Text, [*remarks, *_tell_of(self.machine), who]))


def _remark(row: Row) -> str:
    failures = f"recent failures: {row.recent_failures}" if row.recent_failures else ""
    said = "; ".join(part for part in (row.note, failures) if part)
    return f"{row.name}: {said}" if said else ""


def _tell_of(machine: MachineLook | None) -> list[str]:
    if machine is None:
        return []
    alerts = [f"alert: {message}" for message in machine.alerts]
    return [f"machine: {', '.join(measure.text for measure in machine.measures)}", *alerts]


async def make_report(settings: Settings, files: Files) -> Report:
    """Looks at everything; changes nothing, starts nothing.

    Raises:
        PeerError: PM2 fails.
    """
    began_s = time.time()
    state, holder = files.read_state(), files.holder
    if not holder:
        _forget_what_was_under_way(state)
    processes = list_processes(settings, local=True)
    at_work = await find_at_work(settings, processes, local=state.local)
    seen: dict[str, Seen] = {}
    for supervisor in at_work:
        seen |= await supervisor.look()
    strays = {stray.name: stray for stray in find_strays(settings, seen, before_s=began_s)}
    shown = [p for p in processes if p.name != LOCAL_SUBNET or p.name in {*seen, *strays} or state.local]
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, limits=limits) as client:
        looks = [
            _row_of_stray(p, strays[p.name]) if p.name in strays else _row(p, seen.get(p.name), state, client)
            for p in shown
        ]
        rows = await asyncio.gather(*looks)
    supervisors = " and ".join(s.kind for s in at_work)
    return Report(supervisors, holder, list(rows), read_last_look(settings))


def _forget_what_was_under_way(state: State) -> None:
    """Nobody goes on with what an orchestrator that has ended was doing: what is seen now counts alone."""
    for process in state.processes.values():
        if process.doing not in {"down", "aside"}:
            process.doing, process.why = "down", ""


async def _row(process: Process, seen: Seen | None, state: State, client: httpx.AsyncClient) -> Row:
    kept = state.processes.get(process.name, ProcessState())
    if seen is not None and seen.pid and kept.checked.pid == seen.pid:
        process = replace(process, host=kept.checked.host, port=kept.checked.port)
    status, note = await _judge(process, seen, kept, client)
    return Row(
        name=process.name,
        status=status,
        pid=(seen.pid or None) if seen else None,
        uptime_s=_uptime_s(seen.pid) if seen and seen.pid else None,
        restarts=max(kept.restarts, seen.restarts if seen else 0),
        recent_failures=len(kept.crashes.failed_s),
        address=_address_of(process),
        note=note,
    )


async def _row_of_stray(process: Process, stray: Stray) -> Row:
    uptime_s = _uptime_s(stray.pid)
    return Row(process.name, "elsewhere", stray.pid, uptime_s, 0, 0, _address_of(process), stray.why)


def _address_of(process: Process) -> str:
    last = process.port + process.ports - 1
    ports = f"{process.port}" if process.ports == 1 else f"{process.port}-{last}"
    return f"{process.host}:{ports}"


async def _judge(
    process: Process, seen: Seen | None, kept: ProcessState, client: httpx.AsyncClient
) -> tuple[str, str]:
    if seen is None or seen.life in {"stopped", "given_up"}:
        status = kept.doing if kept.doing in {"aside", "waiting", "starting"} else "down"
        return status, kept.why if kept.doing in {status, "down"} else ""
    if seen.life == "between":
        return "restarting", kept.crashes.last_failure
    health = await _check(process, client)
    if health.outcome == HEALTHY:
        return (HEALTHY, "") if kept.doing != "failing" else ("failing", kept.why)
    if kept.doing in {"starting", "stopping", "restarting"}:
        return kept.doing, health.why
    return health.outcome.replace("_", " "), health.why


async def _check(process: Process, client: httpx.AsyncClient) -> Health:
    caller = Caller(process, client, CHECK_TIMEOUT_S)
    return await (caller.health() if process.health_path else caller.answer())


def _uptime_s(pid: int) -> float | None:
    try:
        return round(time.time() - psutil.Process(pid).create_time(), 1)
    except psutil.Error:
        return None


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {s}s" if minutes else f"{s}s"
