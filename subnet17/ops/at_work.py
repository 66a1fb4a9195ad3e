"""Which supervisor is in charge: the one that runs something already, else the one the settings ask for.

PM2 is asked where the last start left it, whatever HOME and PM2_HOME are now.
"""

from __future__ import annotations

import sys

from subnet17.errors import ConfigError
from subnet17.ops import pm2
from subnet17.ops.children import Children
from subnet17.ops.processes import Process, list_processes
from subnet17.ops.state import Files
from subnet17.ops.supervisor import Pm2Supervisor, Seen, Supervisor
from subnet17.settings import Settings


async def find_at_work(settings: Settings, processes: list[Process], *, local: bool) -> list[Supervisor]:
    """Those that run any process of ours now, PM2 first. Starts no PM2 to find out.

    Args:
        processes: As they would be started now; the others of a local run are looked for too.
        local: With a local subnet.

    Raises:
        ConfigError: another checkout's app has one of our names in PM2.
        PeerError: PM2 fails.
    """
    go_by_kept_pm2(settings)
    candidates: list[Supervisor] = [_make("own", settings, processes, local=local)]
    if pm2.is_usable() and pm2.daemon_runs():
        candidates.insert(0, _make("pm2", settings, processes, local=local))
    return [supervisor for supervisor in candidates if await supervisor.look()]


async def look_at_all(settings: Settings, processes: list[Process], *, local: bool) -> dict[str, Seen]:
    """Each process of ours as whatever runs it sees it; raises as `find_at_work` does."""
    seen: dict[str, Seen] = {}
    for supervisor in await find_at_work(settings, processes, local=local):
        seen |= await supervisor.look()
    return seen


def go_by_kept_pm2(settings: Settings) -> None:
    """See `pm2.go_by`; whoever asked for another PM2 is told."""
    if pm2.is_usable() and (notice := pm2.go_by(Files(settings).read_state().pm2_home)):
        print(f"notice: {notice}", file=sys.stderr)  # noqa: T201


async def choose_supervisor(
    settings: Settings, processes: list[Process], *, local: bool, wanted: str
) -> Supervisor:
    """The one that starts processes from now on.

    Args:
        wanted: pm2, own, or auto: what runs something already, else PM2 where it is installed.

    Raises:
        ConfigError: something runs under another one than is wanted; or there is no PM2.
        PeerError: PM2 fails.
    """
    at_work = await find_at_work(settings, processes, local=local)
    kinds = [supervisor.kind for supervisor in at_work]
    if len(at_work) > 1 or (at_work and wanted not in {"auto", *kinds}):
        raise ConfigError(
            f"processes run already under the supervisor {' and '.join(kinds)}, wanted is {wanted}: "
            "stop them first (mining_orchestrator.py stop)",
            running=kinds,
            wanted=wanted,
        )
    if at_work:
        return at_work[0]
    if wanted == "pm2":
        pm2.find_pm2()
    elif wanted == "auto":
        wanted = "pm2" if pm2.is_usable() else "own"
    return _make(wanted, settings, processes, local=local)


def _make(kind: str, settings: Settings, processes: list[Process], *, local: bool) -> Supervisor:
    names = {p.name for p in processes}
    known = [*processes, *(p for p in list_processes(settings, local=True) if p.name not in names)]
    if kind == "pm2":
        return Pm2Supervisor(settings, known, local=local)
    return Children(settings, known)
