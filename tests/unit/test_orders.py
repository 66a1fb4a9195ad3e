"""Orders, order of start and the supervisor's failures, with processes that exist in the test alone."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from subnet17.errors import PeerError
from subnet17.ops import commands, keeper, orchestrator
from subnet17.ops.health import HEALTHY, Health
from subnet17.ops.orchestrator import Orchestrator
from subnet17.ops.processes import GENERATION, MINER, VALIDATION, Process, fingerprint, list_processes
from subnet17.ops.state import Files
from subnet17.ops.supervisor import Seen
from subnet17.settings import OperationsTable, Settings

KEEPERS_KEYS = {
    *("health_interval_s", "health_timeout_s", "health_failures", "work_check_interval_s"),
    *("stall_timeout_s", "crash_loop_failures", "crash_loop_window_s", "crash_loop_pause_s"),
}
LOADING = Health("not_ready", "loading")


class Machine:
    """A supervisor and the processes that it runs; each check finds what the test says."""

    kind = "own"

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.health: dict[str, Health] = {}
        self.done: list[tuple[str, str]] = []
        self.fail_next = ""
        """Which call fails the next time."""
        self.holding: asyncio.Event | None = None
        """What a stop waits for."""

    async def look(self) -> dict[str, Seen]:
        self._fail("look")
        return dict(self.seen)

    async def start(self, process: Process, settings: Settings) -> None:
        self._fail("start")
        self.done.append(("start", process.name))
        self.seen[process.name] = Seen(
            "up", os.getpid(), args=process.args, settings=fingerprint(process, settings)
        )

    async def stop(self, process: Process, *, within_s: float | None = None) -> None:
        self._fail("stop")
        self.done.append(("stop", process.name))
        if self.holding is not None:
            await self.holding.wait()
        self.seen.pop(process.name, None)

    async def clear(self) -> None: ...

    async def tend(self) -> None:
        await asyncio.Event().wait()

    def _fail(self, call: str) -> None:
        if self.fail_next == call:
            self.fail_next = ""
            raise PeerError("pm2 did not answer")


class House:
    """A `run` over such processes."""

    def __init__(self, folder: Path, machine: Machine, **operations: Any) -> None:
        table = OperationsTable(data_dir=str(folder), **({"health_interval_s": 0.05} | operations))
        self.settings = Settings(operations=table)
        self.files = Files(self.settings)
        self.machine = machine
        self.orchestrator = Orchestrator(
            self.settings,
            list_processes(self.settings, local=False),
            supervisor=machine,
            files=self.files,
            local=False,
        )

    def order(self, change: commands.Change, *names: str) -> None:
        self.files.order(lambda orders: change(orders, names))

    def doing(self) -> dict[str, str]:
        return {name: str(state.doing) for name, state in self.orchestrator.state.processes.items()}

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(60):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"never came: {self.doing()}, {self.machine.done}")

    async def wait_until_is(self, **doing: str) -> None:
        wanted = {name.replace("_", "-"): value for name, value in doing.items()}
        await self.wait_for(lambda: wanted.items() <= self.doing().items())


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()

    class Probe:
        def __init__(self, process: Process) -> None:
            self.name = process.name

        async def check(self) -> Health:
            return made.health.get(self.name, HEALTHY)

    monkeypatch.setattr(keeper, "make_probe", lambda process, *_: Probe(process))
    monkeypatch.setattr(keeper, "check_ports", lambda _: None)
    monkeypatch.setattr(keeper.Keeper, "_is_starting", lambda keeper, pid: pid != keeper._state.proved_pid)
    monkeypatch.setattr(orchestrator, "ORDERS_S", 0.01)
    monkeypatch.setattr(orchestrator, "ORDERS_AGAIN_S", 0.05)
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("S17_OPERATIONS__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("S17_OPERATIONS__HEALTH_INTERVAL_S", "0.05")
    return tmp_path


@asynccontextmanager
async def running(house: House) -> AsyncIterator[House]:
    ending = asyncio.Event()
    run = asyncio.create_task(house.orchestrator.run(ending))
    try:
        yield house
        assert not run.done(), run.exception()
    finally:
        ending.set()
        async with asyncio.timeout(60):
            await run


async def test_the_miner_starts_also_when_an_order_replaces_what_it_waits_for(
    folder: Path, machine: Machine
) -> None:
    machine.health[GENERATION] = LOADING
    async with running(House(folder, machine)) as house:
        await house.wait_until_is(generation_server="starting", subnet17_miner="waiting")
        house.order(commands.to_restart, GENERATION)
        await house.wait_for(lambda: machine.done.count(("start", GENERATION)) == 2)
        assert house.doing()[MINER] == "waiting"
        house.order(commands.to_stop, GENERATION)
        await house.wait_until_is(generation_server="down", subnet17_miner="healthy")


@pytest.mark.parametrize("state", ["waiting", "aside"])
async def test_a_stop_counts_also_for_what_does_not_run(state: str, folder: Path, machine: Machine) -> None:
    machine.health[GENERATION if state == "waiting" else MINER] = LOADING
    async with running(House(folder, machine, crash_loop_pause_s=0.3)) as house:
        if state == "aside":
            await house.wait_until_is(subnet17_miner="starting")
            crashes = house.orchestrator.state.of(MINER).crashes
            crashes.failed_s = [time.time()] * 5
            await house.wait_until_is(subnet17_miner="aside")
        else:
            await house.wait_until_is(generation_server="starting", subnet17_miner="waiting")
        started = machine.done.count(("start", MINER))
        house.order(commands.to_stop, MINER)
        await house.wait_until_is(subnet17_miner="down")
        machine.health.clear()
        await house.wait_until_is(generation_server="healthy")
        await asyncio.sleep(0.5)  # the pause is over
        assert house.doing()[MINER] == "down"
        assert machine.done.count(("start", MINER)) == started


async def test_a_later_stop_outdoes_a_start_that_is_still_to_be_done(folder: Path, machine: Machine) -> None:
    async with running(House(folder, machine)) as house:
        await house.wait_until_is(subnet17_miner="healthy")
        machine.holding = asyncio.Event()
        house.order(commands.to_restart, MINER)
        await house.wait_until_is(subnet17_miner="stopping")
        house.order(commands.to_restart, GENERATION)
        house.order(commands.to_stop, GENERATION)
        machine.holding.set()
        await house.wait_until_is(generation_server="down", subnet17_miner="healthy")
        assert GENERATION not in machine.seen


@pytest.mark.parametrize("call", ["look", "stop", "start"])
async def test_a_supervisor_that_fails_once_ends_nothing_and_the_order_is_done(
    call: str, folder: Path, machine: Machine
) -> None:
    async with running(House(folder, machine)) as house:
        await house.wait_until_is(subnet17_miner="healthy")
        machine.fail_next = call
        house.order(commands.to_restart, VALIDATION)
        await house.wait_for(lambda: machine.done.count(("start", VALIDATION)) == 2)
        await house.wait_until_is(validation_server="healthy", subnet17_miner="healthy")
        assert not machine.fail_next


async def test_a_process_that_its_supervisor_took_along_is_started_anew(
    folder: Path, machine: Machine
) -> None:
    async with running(House(folder, machine)) as house:
        await house.wait_until_is(subnet17_miner="healthy")
        machine.seen[MINER] = Seen("lost")
        await house.wait_for(lambda: machine.done.count(("start", MINER)) == 2)
        del machine.seen[GENERATION]  # somebody took it off the list, and is asked no questions
        await house.wait_until_is(generation_server="down", subnet17_miner="healthy")


async def test_what_a_changed_file_started_is_not_started_again_by_the_next_run(
    folder: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(House(folder, machine)) as house:
        await house.wait_until_is(subnet17_miner="healthy")
        monkeypatch.setenv("S17_GENERATION__WORKERS", "2")  # as a changed file would
        house.order(commands.to_restart, GENERATION)
        await house.wait_for(lambda: machine.done.count(("start", GENERATION)) == 2)
        await house.wait_until_is(generation_server="healthy")
        kept = dict(machine.seen)
    machine.seen, machine.done = kept, []
    async with running(House(folder, machine)) as house:
        await house.wait_until_is(subnet17_miner="healthy")
    assert [what for what in machine.done if what[0] == "start"] == []


async def test_a_command_that_waited_for_its_turn_does_not_do_what_was_withdrawn(
    folder: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(folder, machine)

    async def choose(*_: object, **__: object) -> Machine:
        return machine

    monkeypatch.setattr(commands, "choose_supervisor", choose)
    for withdrawn in (False, True):
        machine.done.clear()
        house.order(commands.to_restart, GENERATION)
        if withdrawn:
            house.files.order(commands._to_forget)
        doing = commands._obey(house.settings, house.files, local=False, supervisor="", timeout_s=60)
        assert await doing
        assert ("start", GENERATION) in machine.done or withdrawn
    assert machine.done == []


def test_an_error_of_ours_in_a_group_of_tasks_is_told_as_itself() -> None:
    async def fail() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10))
            raise PeerError("pm2 did not answer")

    with pytest.raises(PeerError, match="did not answer"):
        commands.run_to_end(fail())


async def test_changed_checks_are_followed(folder: Path, machine: Machine) -> None:
    async with running(House(folder, machine, health_failures=100)) as house:
        await house.wait_until_is(subnet17_miner="healthy")
        machine.health[MINER] = Health("stuck", "nothing moves")
        await house.wait_until_is(subnet17_miner="failing")
        changed = house.settings.operations.model_copy(
            update={"health_failures": 1, "crash_loop_failures": 2, "crash_loop_pause_s": 7.0}
        )
        house.orchestrator.follow(house.settings.model_copy(update={"operations": changed}))
        await house.wait_until_is(subnet17_miner="aside")
        crashes = house.orchestrator.state.of(MINER).crashes
        assert crashes.aside_until_s is not None


def test_each_key_that_keepers_follow_reaches_them() -> None:
    """What a keeper checks by is made of the settings anew: none of them is copied at its start."""
    settings = Settings()
    made: list[OperationsTable] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper, "make_probe", lambda _, settings, __: made.append(settings.operations))
        process = list_processes(settings, local=False)[0]
        nothing: Any = None
        kept = keeper.Keeper(
            process,
            describe=lambda: (process, settings),
            supervisor=nothing,
            state=nothing,
            save=nothing,
            client=nothing,
            waits_for=list,
        )
        kept._probe = nothing
        kept.follow(settings.operations)
        assert made == []  # there is no process yet
        kept._probe = object()  # type: ignore[assignment]
        kept.follow(settings.operations)
        assert made == []  # nothing has changed: the probe remembers since when nothing moves
        changed = settings.operations.model_copy(
            update=dict.fromkeys(KEEPERS_KEYS, 9)  # bounds don't matter here
        )
        kept.follow(changed)
    assert made == [changed]
    assert (kept._limits.failures, kept._limits.window_s, kept._limits.pause_s) == (9, 9, 9)
    assert kept._settings.operations is changed
    assert kept._soon_s == 1.0
