"""A miner killed at any moment loses no result and breaks no rule: its successor goes on from the journal.

The kill: the event loop stops between two of its steps, and nothing of the first life runs any more, not even
a `finally`. Tried are the steps of a first life of a minute around which something was written, sent or made,
and some of the others.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import structlog
from peers import SPZ, memory_folder, neuron
from simulated import SimulatedServers, SimulatedTransport, SimulatedValidator, simulated_chain

from subnet17.localnet.virtual_time import VIRTUAL_CLOCK, VirtualLoop
from subnet17.mining.database import open_for_reading
from subnet17.mining.journal import Journal
from subnet17.mining.miner import Miner
from subnet17.settings import MinerTable, OperationsTable, Settings

FIRST_LIFE_S = 60.0
SECOND_LIFE_S = 3000.0
STRIDE = 10
_graves: list[Any] = []
"""Lives that were cut off: were they collected, their coroutines would be closed, and clean up."""


class Killed(BaseException):
    """The process is gone."""


class MortalLoop(VirtualLoop):
    """Ends after so many steps; counts what happens in each.

    Args:
        now_s: When it begins.
        events: Tells how much has happened so far.
    """

    def __init__(self, now_s: float, *, steps: int, events: Callable[[], int]) -> None:
        super().__init__()
        self.now_s = now_s
        self.history: list[int] = []
        self._steps = steps
        self._events = events

    def _run_once(self) -> None:
        if len(self.history) >= self._steps:
            raise Killed
        super()._run_once()  # type: ignore[misc] - asyncio's own step
        self.history.append(self._events())


class World:
    """What outlives the miner: validator, servers and disk."""

    def __init__(self, folder: Path, *, fault: str = "", scores: tuple[float, ...] = (0.8,)) -> None:
        self.folder = folder
        self.validator = SimulatedValidator(fault=fault)
        self.servers = SimulatedServers(12.0, list(scores))
        self.now_s = 0.0

    def events(self) -> int:
        """Grows with everything that can be seen from outside of the miner."""
        validator, journal = self.validator, self._journal
        writes = journal._connection.total_changes if journal else 0
        return writes + validator.given + len(validator.settled) + len(self.servers.made)

    def live(self, main: Callable[[Miner], Any], *, steps: int = 10**9) -> list[int]:
        """One life of the miner; what had happened after each of its steps."""
        self._journal: Journal | None = None
        loop = MortalLoop(self.now_s, steps=steps, events=self.events)

        async def run() -> None:
            self._journal = Journal.open(self.folder, clock=VIRTUAL_CLOCK)
            await main(self._miner(self._journal))

        asyncio.set_event_loop(None)
        task = loop.create_task(run())
        try:
            loop.run_until_complete(task)
        except Killed:
            _graves.append((loop, task))
        self.now_s = loop.now_s
        if self._journal is not None:
            self._journal._connection.close()
            self._journal._claim.release()
        return loop.history

    def _miner(self, journal: Journal) -> Miner:
        peer = neuron()
        transport: Any = SimulatedTransport({peer.hotkey: self.validator})
        servers: Any = self.servers
        return Miner(
            Settings(miner=MinerTable(), operations=OperationsTable(min_free_disk_bytes=0)),
            transport=transport,
            chain=simulated_chain((peer,)),
            servers=servers,
            journal=journal,
            clock=VIRTUAL_CLOCK,
            rng=random.Random(1),
        )

    def durable(self) -> set[tuple[str, int]]:
        """The candidates in the journal."""
        if not (self.folder / "journal.sqlite").exists():
            return set()
        rows = open_for_reading(self.folder).execute("SELECT task_id, number FROM candidate")
        return {(row["task_id"], row["number"]) for row in rows}

    def assert_nothing_was_lost(self) -> None:
        """Every task but the last is settled once, in order, with bytes that were made for it."""
        validator = self.validator
        assert (validator.violations, validator.double, validator.rejected) == (0, 0, 0)
        tasks = [task for task, _ in validator.settled]
        given = [f"{id(validator)}-{number}" for number in range(1, validator.given + 1)]
        assert tasks in (given, given[:-1])
        for task, results in validator.settled:
            data = base64.b64decode(results)
            assert not data or data[len(SPZ) :].decode().startswith(f"{task}/")


async def first_life(miner: Miner) -> None:
    """Mines until it is killed."""
    running = asyncio.create_task(miner.run())
    await asyncio.sleep(FIRST_LIFE_S)
    miner.stopping.set()
    await running


def second_life(world: World) -> Callable[[Miner], Any]:
    """Mines until two tasks are settled, and ends in order."""

    async def main(miner: Miner) -> None:
        running = asyncio.create_task(miner.run())
        for _ in range(int(SECOND_LIFE_S / 5.0)):
            await asyncio.sleep(5.0)
            if len(world.validator.settled) >= 2 or running.done():
                break
        miner.stopping.set()
        await running

    return main


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    gc.disable()
    yield
    gc.enable()
    structlog.reset_defaults()


@pytest.mark.parametrize("course", ["accepted", "skipped", "reply lost"])
def test_a_kill_at_any_step_loses_nothing_and_nothing_is_made_or_paid_twice(course: str) -> None:
    facts: dict[str, Any] = {
        "accepted": {"scores": (0.8, 0.75)},
        "skipped": {"scores": (0.3,)},
        "reply lost": {"fault": "loses replies"},
    }[course]
    with memory_folder() as folder:
        history = World(folder, **facts).live(first_life)
    changed = [step for step, (a, b) in enumerate(pairwise(history), 1) if a != b]
    around = {step + offset for step in changed for offset in (0, 1)}
    for step in sorted(around | set(range(1, len(history), STRIDE))):
        with memory_folder() as folder:
            world = World(folder, **facts)
            world.live(first_life, steps=step)
            durable, made = world.durable(), len(world.servers.made)
            world.live(second_life(world))
            world.assert_nothing_was_lost()
            assert len(world.validator.settled) >= 2, f"killed at step {step}"
            assert not durable & set(world.servers.made[made:]), f"made again, killed at step {step}"
