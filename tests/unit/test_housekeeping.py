"""The journal's room: what is forgotten, and when a full disk stops pulling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from peers import HeldClock, assignment, submission

from subnet17.errors import JournalError
from subnet17.mining import housekeeping
from subnet17.mining.database import ASSETS
from subnet17.mining.housekeeping import Housekeeping
from subnet17.mining.journal import DAY_S, Journal
from subnet17.mining.records import Answer
from subnet17.mining.tasks import Candidate
from subnet17.settings import OperationsTable, Settings

SETTINGS = Settings(operations=OperationsTable(min_free_disk_bytes=10_000_000_000))


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = Journal.open(tmp_path, clock=HeldClock())
    yield opened
    await opened.aclose()


async def looked(journal: Journal, free_bytes: int | Callable[[], int], *, public: bool) -> Housekeeping:
    """After one look at a disk with so much left."""
    clock: Any = HeldClock()
    slept = asyncio.Event()

    async def sleep(_: float) -> None:
        slept.set()
        await asyncio.Event().wait()

    clock.sleep = sleep

    async def free() -> int:
        return free_bytes if isinstance(free_bytes, int) else free_bytes()

    journal.free_bytes = free  # type: ignore[method-assign]
    chain: Any = SimpleNamespace(is_public=public)
    keeper = Housekeeping(journal, chain, SETTINGS, clock=clock)
    running = asyncio.create_task(keeper.run())
    await slept.wait()
    running.cancel()
    return keeper


@pytest.mark.parametrize(
    ("free_bytes", "public", "stops"),
    [
        (10_000_000_000, True, False),
        (9_999_999_999, True, True),
        (200_000_000, False, False),
        (199_999_999, False, True),
    ],
)
async def test_a_full_disk_stops_pulling_earlier_on_a_public_network(
    journal: Journal, free_bytes: int, public: bool, stops: bool
) -> None:
    reason = (await looked(journal, free_bytes, public=public)).reason_not_to_pull
    assert bool(reason) is stops
    assert not stops or "min_free_disk_bytes" in reason


async def fill(journal: Journal, count: int, *, age_days: float) -> None:
    """So many accepted tasks, each with an asset of 1 KB."""
    clock: Any = journal._clock
    clock.now_s -= age_days * DAY_S
    for number in range(count):
        task = assignment(task_id=f"{age_days}/{number}")
        parcel = submission(assignment=task, index=0)
        await journal.pulled(task)
        data = f"{age_days}/{number}".encode().ljust(1000)
        await journal.generated(task, Candidate(0, 7, data, "flux-hunyuan", 1.0))
        await journal.sending(parcel)
        await journal.answered(parcel, Answer("accepted", 0.8))
        clock.now_s += 1.0
    clock.now_s += age_days * DAY_S - count


@pytest.mark.parametrize(
    ("free_bytes", "left", "stops"), [(1000, 8, False), (0, 8, False), (-1500, 6, False), (-9000, 4, True)]
)
async def test_below_the_floor_the_oldest_answered_tasks_go_but_none_of_the_last_day(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, free_bytes: int, left: int, stops: bool
) -> None:
    """The floor lies at 0 here, the room beyond it at 500."""
    await fill(journal, 4, age_days=3.0)
    await fill(journal, 4, age_days=0.5)
    floor = SETTINGS.operations.min_free_disk_bytes
    monkeypatch.setattr(housekeeping, "ROOM_SHARE", 500 / floor)

    def assets_bytes() -> int:
        return sum(path.stat().st_size for path in (journal.folder / ASSETS).glob("*/*"))

    before = assets_bytes()
    keeper = await looked(journal, lambda: floor + free_bytes + before - assets_bytes(), public=True)
    assert await journal.counts() == {"accepted": left}
    assert bool(keeper.reason_not_to_pull) is stops


async def test_a_journal_that_cannot_be_written_stops_pulling(journal: Journal) -> None:
    keeper = await looked(journal, 10**12, public=True)
    assert keeper.reason_not_to_pull == ""
    journal._refuse(object(), OSError("the disk is broken"))
    assert "the disk is broken" in keeper.reason_not_to_pull


async def test_a_damaged_journal_ends_the_miner(journal: Journal) -> None:
    chain: Any = SimpleNamespace(is_public=True)
    journal.broken.set()
    with pytest.raises(JournalError, match="damaged"):
        await Housekeeping(journal, chain, SETTINGS, clock=HeldClock()).run()


async def test_the_page_counts_the_journals_tasks(journal: Journal) -> None:
    told = (await looked(journal, 10**12, public=True)).as_json()
    assert told == {"folder": str(journal.folder), "tasks": {}, "free_bytes": 10**12, "trouble": ""}
