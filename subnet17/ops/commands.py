"""What an operator asks for: written as orders, done by a living `run`, else by this process, and waited for.

Used by the orchestrator's command line and by the start and stop scripts, so that one thing starts processes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any, TypeVar

from subnet17 import last_good
from subnet17.errors import ConfigError, S17Error
from subnet17.ops.at_work import choose_supervisor, find_at_work, look_at_all
from subnet17.ops.keeper import LEAST_START_S
from subnet17.ops.orchestrator import Orchestrator
from subnet17.ops.orchestrator_log import open_log
from subnet17.ops.orchestrator_status import make_report
from subnet17.ops.processes import LOCAL_SUBNET, Process, list_processes
from subnet17.ops.state import Files, Orders, State
from subnet17.ops.strays import find_strays, tell_of, wait_for_strays
from subnet17.ops.supervisor import Seen
from subnet17.settings import Settings

R = TypeVar("R")

POLL_S = 0.2
INTERRUPTED = (
    "interrupted: what was started goes on. ./stop_mining.sh stops it, mining_orchestrator.py status shows it"
)

Change = Callable[[Orders, Sequence[str]], None]
"""Changes the orders for the processes of these names."""


def to_start(orders: Orders, names: Sequence[str]) -> None:
    """Starts them, also out of a pause; those that run with the settings of now stay."""
    orders.stopped -= set(names)
    orders.starts |= dict.fromkeys(names, orders.number)


def to_restart(orders: Orders, names: Sequence[str]) -> None:
    """Stops them, the miner first, and starts them again."""
    orders.stopped -= set(names)
    orders.restarts |= dict.fromkeys(names, orders.number)


def to_stop(orders: Orders, names: Sequence[str]) -> None:
    """Stops them, the miner first; they stay down until they are started."""
    orders.stopped |= set(names)


def carry_out(
    change: Change, names: Sequence[str], settings: Settings, *, local: bool, supervisor: str = ""
) -> bool:
    """Orders something and waits until it is done.

    Args:
        names: The processes that it is about.
        local: With a local subnet.
        supervisor: What has to do it; empty: as the settings say.

    Returns:
        Whether all named processes are as they should be: healthy, or down.

    Raises:
        ConfigError: a `run` lives that keeps other processes, or under another supervisor; or processes of
            ours run where they can't be ordered, or as a local set-up where none is asked for.
        S17Error: a `run` lives and has not done it in time.
    """
    files = Files(settings)
    check_run(files, local=local, supervisor=supervisor)
    check_running(settings, files, local=local)
    with nullcontext() if change is to_stop else told_when_interrupted():
        return _order_and_wait(change, names, settings, files, local=local, supervisor=supervisor)


@contextmanager
def told_when_interrupted() -> Iterator[None]:
    """Whoever interrupts a start is told that what was started goes on; the signal then does as always."""

    def on_terminate(number: int, _: FrameType | None) -> None:
        signal.signal(number, before)
        print(INTERRUPTED, file=sys.stderr)  # noqa: T201
        os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, on_terminate)
    try:
        yield
    except KeyboardInterrupt:  # no handler for SIGINT: asyncio's own lets the tasks end, and not in mid-step
        print(INTERRUPTED, file=sys.stderr)  # noqa: T201
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _order_and_wait(
    change: Change, names: Sequence[str], settings: Settings, files: Files, *, local: bool, supervisor: str
) -> bool:
    orders = files.order(lambda orders: change(orders, names))
    timeout_s = _time_to_settle_s(settings, names)
    if not (files.holder and _wait_done(files, orders, names, timeout_s)):
        open_log(settings)
        doing = _obey(settings, files, local=local, supervisor=supervisor, timeout_s=timeout_s)
        if not run_to_end(doing):
            print(f"error: not settled after {timeout_s:.0f} s", file=sys.stderr)  # noqa: T201
    report = asyncio.run(make_report(settings, files))
    return report.all_are("down" if set(names) <= orders.stopped else "healthy", names)


def check_run(files: Files, *, local: bool, supervisor: str) -> None:
    """Raises `ConfigError` when a `run` lives that can't do what is to be ordered."""
    if not files.run_lives:
        return
    state, why = files.read_state(), ""
    if state.local != local:
        why = f"it keeps {'a local subnet' if state.local else 'the processes for a public network'}"
    elif supervisor and state.supervisor != supervisor:
        why = f"its supervisor is {state.supervisor}, not {supervisor}"
    if why:
        raise ConfigError(
            f"mining_orchestrator.py {files.holder} looks after the processes, and {why}: "
            "stop it first (./stop_mining.sh), or leave the start to it (mining_orchestrator.py start)"
        )


def check_running(settings: Settings, files: Files, *, local: bool) -> None:
    """Looks at what runs before anything is ordered where no `run` lives.

    Raises:
        ConfigError: processes of ours run where nobody here can order them; or a local subnet runs and the
            order is for the public network.
    """
    if files.run_lives:
        return
    before_s = time.time()
    processes = list_processes(settings, local=True)
    seen = asyncio.run(look_at_all(settings, processes, local=True))
    if strays := find_strays(settings, seen, before_s=before_s):
        raise ConfigError(tell_of(strays))
    if not local:
        check_mode(seen, processes)


def check_mode(seen: Mapping[str, Seen], processes: Iterable[Process]) -> None:
    """Raises `ConfigError` when any runs as in a local set-up: a forgotten flag is no wish to leave it.

    Args:
        seen: What runs.
        processes: As they would run with a local subnet.
    """
    running = [p.name for p in processes if _runs_locally(p, seen.get(p.name))]
    if running:
        raise ConfigError(
            f"a local set-up runs ({', '.join(running)}), and this order is for the public network: "
            "add --local, or stop first (./stop_mining.sh)",
            running=running,
        )


def _runs_locally(process: Process, seen: Seen | None) -> bool:
    if seen is None or not seen.pid:
        return False
    return process.name == LOCAL_SUBNET or bool(process.args and seen.args == process.args)


def _time_to_settle_s(settings: Settings, names: Sequence[str]) -> float:
    load_s = max(LEAST_START_S, settings.generation.load_timeout_s, settings.validation.load_timeout_s)
    return load_s + 2 * settings.operations.kill_timeout_s * len(names)


def _wait_done(files: Files, orders: Orders, names: Sequence[str], timeout_s: float) -> bool:
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


def _waiting_for(state: State, orders: Orders, names: Sequence[str], holder: str) -> str:
    if state.orders_done < orders.number:
        return f"{holder} to do it"
    return ", ".join(f"{n} ({state.of(n).doing})" for n in names if not state.is_settled([n]))


async def _obey(settings: Settings, files: Files, *, local: bool, supervisor: str, timeout_s: float) -> bool:
    """Carries out the orders as they are once nobody else acts: ours may have been withdrawn by then."""
    processes = list_processes(settings, local=local)
    wanted = supervisor or settings.operations.supervisor
    with files.acting("a command"):
        chosen = await choose_supervisor(settings, processes, local=local, wanted=wanted)
        orchestrator = Orchestrator(settings, processes, supervisor=chosen, files=files, local=local)
        return await orchestrator.obey(files.read_orders(), timeout_s)


def run_to_end(doing: Coroutine[Any, Any, R]) -> R:
    """Runs it; an error of ours out of a group of tasks is raised as itself."""
    try:
        return asyncio.run(doing)
    except ExceptionGroup as group:
        ours, others = group.split(S17Error)
        if ours is None or others is not None:
            raise
        raise _first_leaf(ours) from None


def _first_leaf(group: ExceptionGroup[S17Error]) -> S17Error:
    first = group.exceptions[0]
    return _first_leaf(first) if isinstance(first, ExceptionGroup) else first


def stop_all() -> bool:
    """Ends the orchestrator and stops all processes of this project under either supervisor, the miner first.

    Works also on a full disk, and while the configuration can't be used.

    Returns:
        False where something goes on that can't be ordered from here, which is told; and where nothing was
        found, but only the defaults said where to look.
    """
    settings, why = settings_to_look_with()
    files = Files(settings)
    try:
        files.order(_to_forget)
    except OSError as error:
        print(f"warning: can't write to {files.folder}: {error.strerror}", file=sys.stderr)  # noqa: T201
    processes = list_processes(settings, local=True)
    was_running = _end_others(files, 2 * settings.operations.kill_timeout_s * len(processes))
    open_log(settings)
    stopped = run_to_end(_stop_rest(settings, processes, files))
    if strays := wait_for_strays(settings):
        print(f"error: {tell_of(strays)}", file=sys.stderr)  # noqa: T201
        return False
    print("stopped all" if stopped or was_running else "nothing of ours was running")  # noqa: T201
    guessed = bool(why) and not last_good.is_kept()
    return bool(stopped or was_running or not guessed)


def _to_forget(orders: Orders) -> None:
    """What was ordered and is not done yet: a command that waits for its turn finds nothing left to do."""
    orders.stopped.clear()
    orders.starts.clear()
    orders.restarts.clear()


def _end_others(files: Files, within_s: float) -> bool:
    """Ends whoever acts, one after the other; returns whether there was one."""
    ended: set[str] = set()
    deadline_s = time.monotonic() + within_s
    while (holder := files.holder) and time.monotonic() < deadline_s:
        if holder not in ended and files.end_holder():
            ended.add(holder)
        time.sleep(POLL_S)
    return bool(ended)


async def _stop_rest(settings: Settings, processes: list[Process], files: Files) -> list[str]:
    """Stops what runs under either supervisor; returns the names."""
    names: list[str] = []
    with files.acting("stop", needs_writing=False):
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
        _forget_troubles(files)
    return names


def _forget_troubles(files: Files) -> None:
    """Whoever stops everything means the next start to start everything, and counts from there."""
    state = files.read_state()
    before = state.model_copy(deep=True)
    for process in state.processes.values():
        process.crashes.forget()
        process.restarts = 0
        process.doing, process.why = "down", "stopped"
    if state != before:
        files.save(state)


def settings_to_look_with() -> tuple[Settings, str]:
    """See `load_or_recall`; what is wrong is told, and stops nobody."""
    settings, why = last_good.load_or_recall()
    if why:
        print(f"warning: {why}", file=sys.stderr)  # noqa: T201
    return settings, why
