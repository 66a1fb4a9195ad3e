"""The journal: what is durable when, what a crash leaves, what is forgotten, what a broken disk does."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from peers import SPZ, HeldClock, assignment, submission

from subnet17.errors import JournalError
from subnet17.mining import tables
from subnet17.mining.clock import Clock
from subnet17.mining.database import ASSETS, NAME, VERSION, open_for_reading
from subnet17.mining.journal import DAY_S, Journal
from subnet17.mining.records import CLOSED, Answer, Record, TaskState
from subnet17.mining.resume import recall_submission
from subnet17.mining.tasks import Assignment, Candidate, Score

TASK = assignment(assigned_at_s=1_700_000_000.0)
ACCEPTED = Answer("accepted", fidelity=0.82, reward=12.5, cooldown_until_s=1_700_000_300)


def candidate(index: int = 0, data: bytes = SPZ) -> Candidate:
    return Candidate(index, 100 + index, data, "flux-hunyuan", 2.5)


def score(value: float = 0.8) -> Score:
    return Score(value, "reference", ("too_small", "odd"), 0.3)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = Journal.open(tmp_path, clock=HeldClock())
    yield opened
    await opened.aclose()


async def reopened(journal: Journal) -> Journal:
    """What a new process finds; the old connection is left as a killed process leaves it."""
    journal._claim.release()
    return Journal.open(journal.folder, clock=HeldClock())


async def record_in(journal: Journal, task: Assignment = TASK) -> Record:
    found = await journal.find(task.validator, task.task_id)
    assert found is not None
    return found


async def through(journal: Journal, task: Assignment, *, data: bytes = SPZ, value: float = 0.8) -> None:
    """A task's whole way to an accepted result."""
    made = candidate(data=data)
    parcel = submission(assignment=task, index=0)
    await journal.pulled(task)
    await journal.generated(task, made)
    await journal.scored(task, made, score(value))
    await journal.sending(parcel)
    await journal.answered(parcel, ACCEPTED)


def files_in(journal: Journal) -> list[str]:
    return sorted(path.name for path in (journal.folder / ASSETS).glob("*/*"))


def set_aside(folder: Path) -> list[bytes]:
    """The journals that were moved aside, then their assets."""
    return [
        path.read_bytes() for place in (NAME, f"{ASSETS}/*/*") for path in folder.glob(f"broken-*/{place}")
    ]


async def test_each_state_is_there_for_the_next_process(journal: Journal) -> None:
    first, second = candidate(0), candidate(1, SPZ + b"better")
    parcel = submission(assignment=TASK, index=1, reason="it is good", candidates=2)

    async def seen() -> Record:
        other = await reopened(journal)
        found = await record_in(other)
        await other.aclose()
        return found

    await journal.pulled(TASK)
    pulled = await seen()
    assert (pulled.state, pulled.drafts, pulled.answer) == (TaskState.PULLED, (), None)
    assert pulled.assignment == TASK
    await journal.generated(TASK, first)
    made = await seen()
    assert made.state is TaskState.GENERATED
    assert made.drafts[0].score is None
    assert await journal.asset(made.drafts[0].sha256) == first.data
    await journal.scored(TASK, first, score())
    assert (await seen()).drafts[0].score == score()
    await journal.generated(TASK, second)
    await journal.scored(TASK, second, score(0.9))
    await journal.sending(parcel)
    sending = await seen()
    assert sending.state is TaskState.SENDING
    assert (sending.chosen, sending.attempts, sending.reason, sending.candidates) == (1, 1, "it is good", 2)
    assert sending.sent_at_s == 1_700_000_000.0
    assert sending.chosen_draft is not None
    assert await journal.asset(sending.chosen_draft.sha256) == second.data
    await journal.sending(parcel)
    assert (await seen()).attempts == 2
    await journal.answered(parcel, ACCEPTED)
    answered = await seen()
    assert (answered.state, answered.answer) == (TaskState.ANSWERED, ACCEPTED)


async def test_a_skip_is_a_decision_without_a_draft(journal: Journal) -> None:
    skip = submission(assignment=TASK, results="", index=None)
    await journal.pulled(TASK)
    await journal.sending(skip)
    found = await record_in(journal)
    assert (found.state, found.chosen, found.chosen_draft) == (TaskState.SENDING, None, None)


async def test_an_answer_keeps_what_was_handed_in_and_drops_the_other_bytes(journal: Journal) -> None:
    parcel = submission(assignment=TASK, index=1)
    await journal.pulled(TASK)
    for made in (candidate(0), candidate(1, SPZ + b"better")):
        await journal.generated(TASK, made)
        await journal.scored(TASK, made, score())
    await journal.sending(parcel)
    assert len(files_in(journal)) == 2
    await journal.answered(parcel, ACCEPTED)
    loser, winner = (await record_in(journal)).drafts
    assert loser.sha256 == ""
    assert files_in(journal) == [f"{winner.sha256}.spz"]


async def test_bytes_that_two_tasks_share_stay_while_one_names_them(journal: Journal) -> None:
    other = assignment(task_id="task-2", validator="5Other")
    await journal.pulled(TASK)
    await journal.generated(TASK, candidate())
    await through(journal, other)
    assert len(files_in(journal)) == 1
    await journal.answered(submission(assignment=TASK, results="", index=None), Answer("skip_or_duplicate"))
    assert len(files_in(journal)) == 1
    assert await journal.asset((await record_in(journal, other)).drafts[0].sha256) == SPZ


async def test_verdict_and_validator_row_come_together_or_not_at_all(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel = submission(assignment=TASK, results="", index=None)
    await journal.pulled(TASK, validator={"turn": 1})
    await journal.sending(parcel)
    with pytest.raises(TypeError):
        await journal.answered(parcel, ACCEPTED, validator={"turn": object()})
    assert (await record_in(journal)).state is TaskState.SENDING
    assert await journal.validators() == {TASK.validator: {"turn": 1}}
    await journal.answered(parcel, ACCEPTED, validator={"turn": 2})
    assert (await record_in(journal)).answer == ACCEPTED
    assert await journal.validators() == {TASK.validator: {"turn": 2}}


async def test_an_answered_task_that_is_handed_in_again_counts_its_attempts_anew(journal: Journal) -> None:
    await through(journal, TASK)
    await journal.sending(submission(assignment=TASK, index=0))
    found = await record_in(journal)
    assert (found.state, found.attempts, found.answer) == (TaskState.SENDING, 1, None)
    assert [r.assignment.task_id for r in await journal.unfinished()] == ["task-1"]


async def test_a_task_that_begins_anew_lists_what_was_handed_in_without_its_bytes(journal: Journal) -> None:
    await through(journal, TASK)
    await journal.pulled(TASK)
    found = await record_in(journal)
    assert (found.state, found.chosen, found.attempts, found.answer) == (TaskState.PULLED, None, 0, None)
    assert [(d.index, d.sha256) for d in found.drafts] == [(0, "")]
    assert files_in(journal) == []


async def test_a_task_that_begins_anew_keeps_drafts_that_were_never_handed_in(journal: Journal) -> None:
    await journal.pulled(TASK)
    await journal.generated(TASK, candidate())
    await journal.pulled(assignment(task_id="task-2"))
    await journal.pulled(TASK)
    (draft,) = (await record_in(journal)).drafts
    assert await journal.asset(draft.sha256) == SPZ


async def test_unfinished_tasks_come_in_the_order_of_their_assignment(journal: Journal) -> None:
    for number, at_s in ((1, 30.0), (2, 10.0), (3, 20.0)):
        task = assignment(task_id=f"task-{number}", validator=f"5{number}", assigned_at_s=at_s)
        await journal.pulled(task)
    await through(journal, assignment(task_id="done"))
    assert [r.assignment.task_id for r in await journal.unfinished()] == ["task-2", "task-3", "task-1"]
    assert await journal.counts() == {"pulled": 3, "accepted": 1}


async def test_a_picture_leaves_the_journal_with_the_answer_a_text_stays(journal: Journal) -> None:
    picture = assignment(task_id="task-2", kind="image", prompt="aW1hZ2U=")
    await through(journal, picture)
    await through(journal, TASK)
    assert (await record_in(journal, picture)).assignment.prompt == ""
    assert (await record_in(journal)).assignment.prompt == TASK.prompt


async def test_a_picture_that_is_handed_in_once_more_can_be_signed_after_a_crash(journal: Journal) -> None:
    picture = assignment(task_id="task-2", kind="image", prompt="aW1hZ2U=")
    await through(journal, picture)
    await journal.sending(submission(assignment=picture, index=0))
    (left,) = await (await reopened(journal)).unfinished()
    assert left.assignment.prompt == picture.prompt


async def test_judgements_tell_how_the_last_tasks_ended_the_latest_last(journal: Journal) -> None:
    clock: Any = journal._clock
    for number, (value, verdict) in enumerate(((0.8, "accepted"), (0.6, "rejected"))):
        task = assignment(task_id=str(number))
        await through(journal, task, value=value)
        clock.now_s += 1
        await journal.answered(submission(assignment=task, index=0), Answer(verdict, fidelity=value - 0.1))
    skip = submission(assignment=TASK, results="", index=None)
    await journal.pulled(TASK)
    await journal.sending(skip)
    clock.now_s += 1
    await journal.answered(skip, Answer("skip_or_duplicate"))
    found = await journal.judgements()
    assert [(j.score, j.verdict, j.fidelity) for j in found] == [
        (0.8, "accepted", pytest.approx(0.7)),
        (0.6, "rejected", pytest.approx(0.5)),
        (None, "skip_or_duplicate", None),
    ]
    assert (found[0].validator, found[0].threshold, found[0].scorer) == (TASK.validator, 0.6, "reference")
    assert await journal.judgements(limit=1) == found[-1:]


async def test_scores_are_told_task_by_task(journal: Journal) -> None:
    clock: Any = journal._clock
    for number, values in enumerate(((0.5, 0.75), (0.6,))):
        task = assignment(task_id=str(number))
        await journal.pulled(task)
        for index, value in enumerate(values):
            await journal.generated(task, candidate(index))
            await journal.scored(task, candidate(index), score(value))
        await journal.answered(submission(assignment=task, index=0), ACCEPTED)
        clock.now_s += 1
    assert [tuple(sorted(scores)) for scores in await journal.scores()] == [(0.5, 0.75), (0.6,)]


async def test_a_new_task_closes_the_one_that_its_validator_forgot_and_keeps_its_bytes(
    journal: Journal,
) -> None:
    other = assignment(task_id="task-2", validator="5Other")
    await journal.pulled(other)
    await journal.pulled(TASK)
    await journal.generated(TASK, candidate())
    await journal.pulled(assignment(task_id="task-3"))
    closed = await record_in(journal)
    assert (closed.state, closed.answer) == (TaskState.ANSWERED, Answer(CLOSED))
    assert await journal.asset(closed.drafts[0].sha256) == SPZ
    assert (await record_in(journal, other)).state is TaskState.PULLED


@pytest.mark.parametrize(("chosen", "kept"), [(None, 1), (2, 2)])
async def test_a_task_that_is_closed_by_a_newer_one_keeps_one_asset_and_no_picture(
    journal: Journal, chosen: int | None, kept: int
) -> None:
    picture = assignment(kind="image", prompt="aW1hZ2U=")
    await journal.pulled(picture)
    for index, value in enumerate((0.5, 0.9, 0.7)):
        await journal.generated(picture, candidate(index, SPZ + bytes([index])))
        await journal.scored(picture, candidate(index), score(value))
    if chosen is not None:
        await journal.sending(submission(assignment=picture, index=chosen))
    await journal.pulled(assignment(task_id="task-2"))
    closed = await record_in(journal, picture)
    assert (closed.answer, closed.assignment.prompt) == (Answer(CLOSED), "")
    assert [draft.index for draft in closed.drafts if draft.sha256] == [kept]
    assert await journal.asset(closed.drafts[kept].sha256) == SPZ + bytes([kept])
    assert len(files_in(journal)) == 1


async def test_a_step_of_a_task_that_was_never_pulled_is_refused(journal: Journal) -> None:
    with pytest.raises(JournalError, match="never `pulled`"):
        await journal.generated(TASK, candidate())
    assert len(files_in(journal)) == 1
    assert files_in(await reopened(journal)) == []


async def test_files_without_a_row_and_drafts_go_at_the_start(journal: Journal) -> None:
    await journal.pulled(TASK)
    await journal.generated(TASK, candidate())
    (wanted,) = files_in(journal)
    for name in ("orphan.spz", f"{wanted}.draft", "half.draft"):
        (journal.folder / ASSETS / wanted[:2] / name).write_bytes(b"x")
    assert files_in(await reopened(journal)) == [wanted]


async def test_an_asset_that_changed_or_went_is_told(journal: Journal) -> None:
    await journal.pulled(TASK)
    await journal.generated(TASK, candidate())
    digest = (await record_in(journal)).drafts[0].sha256
    path = journal.folder / ASSETS / digest[:2] / f"{digest}.spz"
    path.write_bytes(b"rotten")
    with pytest.raises(JournalError, match="changed"):
        await journal.asset(digest)
    path.unlink()
    with pytest.raises(JournalError, match="gone"):
        await journal.asset(digest)


async def test_an_asset_on_a_bad_place_of_the_disk_is_given_up_and_not_waited_for(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal.pulled(TASK)
    await journal.generated(TASK, candidate())
    digest = (await record_in(journal)).drafts[0].sha256

    def read_bytes(_: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    async with asyncio.timeout(10.0):
        with pytest.raises(JournalError, match="Input/output"):
            await journal.asset(digest)
    assert not journal.trouble


async def test_old_answered_tasks_are_forgotten_with_their_bytes_open_ones_never(journal: Journal) -> None:
    clock: Any = journal._clock
    await through(journal, assignment(task_id="old"), data=SPZ + b"old")
    await journal.pulled(assignment(task_id="open", validator="5Other"))
    clock.now_s += 10 * DAY_S
    await through(journal, assignment(task_id="new"), data=SPZ + b"new")
    assert await journal.prune(days=9, max_bytes=10**9) == 1
    assert await journal.find(TASK.validator, "old") is None
    assert len(files_in(journal)) == 1
    assert await journal.counts() == {"accepted": 1, "pulled": 1}


async def test_an_old_task_that_is_open_once_more_is_not_forgotten_and_survives_a_crash(
    journal: Journal,
) -> None:
    picture = assignment(kind="image", prompt="aGk=")
    await through(journal, picture)
    journal._clock.now_s += 20 * DAY_S  # type: ignore[attr-defined]
    await journal.reopened(picture)
    assert await journal.prune(days=14.0, max_bytes=0) == 0
    other = await reopened(journal)
    (record,) = await other.unfinished()
    assert (record.state, record.assignment.prompt) == (TaskState.SENDING, "aGk=")
    parcel = await recall_submission(other, record, picture)
    assert parcel is not None
    assert parcel.results == base64.b64encode(SPZ).decode()
    await other.aclose()


async def test_a_task_that_was_forgotten_can_not_be_open_once_more(journal: Journal) -> None:
    await through(journal, TASK)
    await journal.prune(days=14.0, max_bytes=0)
    with pytest.raises(JournalError, match="not in the journal"):
        await journal.reopened(TASK)


async def test_beyond_the_bytes_the_oldest_answered_tasks_go_first(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PRUNE_BATCH", 4)
    clock: Any = journal._clock
    for number in range(30):
        await through(journal, assignment(task_id=str(number)), data=SPZ + f"{number:04}".encode())
        clock.now_s += 1
    room = 10 * len(SPZ + b"0000")
    assert await journal.prune(days=99, max_bytes=room + 3) == 20
    kept = [row["task_id"] for row in open_for_reading(journal.folder).execute("SELECT task_id FROM task")]
    assert sorted(kept) == [str(number) for number in range(20, 30)]
    assert len(files_in(journal)) == 10


async def test_the_nonce_floor_never_goes_back(journal: Journal) -> None:
    assert await journal.nonce_floor() == 0
    await journal.reserve_nonces(2**62)
    await journal.reserve_nonces(5)
    assert await (await reopened(journal)).nonce_floor() == 2**62


async def test_the_market_is_kept_for_a_while(journal: Journal) -> None:
    clock: Any = journal._clock
    await journal.add_market({"rank": 3})
    clock.now_s += DAY_S
    await journal.add_market({"rank": 2})
    start_s = clock.now_s - DAY_S
    assert [row["rank"] for row in await journal.market()] == [3, 2]
    assert await journal.market(start_s + 1) == [{"rank": 2, "at_s": start_s + DAY_S}]
    clock.now_s += 90 * DAY_S
    await journal.add_market({"rank": 1})
    assert [row["rank"] for row in await journal.market()] == [2, 1]


async def test_a_newer_journal_is_refused_by_name_and_left_alone(journal: Journal) -> None:
    path = journal.folder / NAME
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(JournalError, match=f"schema {VERSION + 1}"):
        await reopened(journal)
    with pytest.raises(JournalError, match=f"schema {VERSION + 1}"):
        open_for_reading(journal.folder)
    assert path.exists()


@pytest.mark.parametrize("damage", ["garbage", "page"])
async def test_a_broken_journal_is_moved_aside_with_its_assets_and_a_new_one_begins(
    tmp_path: Path, damage: str
) -> None:
    journal = Journal.open(tmp_path, clock=HeldClock())
    for number in range(50):
        await through(journal, assignment(task_id=str(number)))
    await journal.aclose()
    path = tmp_path / NAME
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content[:100] = b"?" * 100
    else:
        content[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with structlog.testing.capture_logs() as lines:
        fresh = Journal.open(tmp_path, clock=HeldClock())
    (line,) = [line for line in lines if line["log_level"] == "error"]
    aside = Path(line["moved_to"])
    assert (aside / NAME).read_bytes() == content
    assert len(list((aside / ASSETS).glob("*/*"))) == 1
    assert await fresh.counts() == {}
    await through(fresh, TASK)
    await fresh.aclose()


@pytest.mark.parametrize("moved", range(3))
async def test_a_crash_while_a_broken_journal_is_moved_aside_loses_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    journal = Journal.open(tmp_path, clock=HeldClock())
    await through(journal, TASK)
    await journal.aclose()
    broken = b"?" * 8192
    (tmp_path / NAME).write_bytes(broken)
    rename, names = Path.rename, []

    def crash(path: Path, target: Path) -> Path:
        names.append(path.name)
        if len(names) > moved:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "rename", crash)
        Journal.open(tmp_path, clock=HeldClock())
    fresh = Journal.open(tmp_path, clock=HeldClock())
    assert await fresh.counts() == {}
    assert not files_in(fresh)
    assert set_aside(tmp_path) == [broken, SPZ]
    await through(fresh, TASK)
    await fresh.aclose()
    later = Journal.open(tmp_path, clock=HeldClock())
    assert await later.counts() == {"accepted": 1}
    await later.aclose()


async def test_damage_ends_the_process_also_where_the_disk_takes_no_mark(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(journal._tables, "put_task", fail)
    monkeypatch.setattr("subnet17.mining.journal.mark_broken", refuse)
    with pytest.raises(JournalError, match="malformed"):
        await journal.pulled(TASK)
    assert journal.broken.is_set()


async def test_damage_that_shows_while_mining_is_set_aside_at_the_next_start(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(journal._tables, "put_task", fail)
    with pytest.raises(JournalError, match="malformed"):
        await journal.pulled(TASK)
    assert journal.broken.is_set()
    again = await reopened(journal)
    assert [path.name for path in journal.folder.glob("broken-*")] == ["broken-20231114T221320Z"]
    await through(again, TASK)


async def test_a_step_waits_while_the_disk_is_full_and_goes_on_after(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError(28, "No space left on device"), sqlite3.OperationalError("database or disk is full")]
    put = journal._assets.put

    def full(data: bytes) -> str:
        if failures:
            raise failures.pop()
        return put(data)

    monkeypatch.setattr(journal._assets, "put", full)
    await journal.pulled(TASK)
    troubles: list[str] = []

    async def sleep(_: float) -> None:
        troubles.append(journal.trouble)
        await asyncio.sleep(0)

    journal._clock = Clock(wall_s=lambda: 0.0, sleep=sleep)
    await journal.generated(TASK, candidate())
    assert ["full" in troubles[0], "No space" in troubles[1], journal.trouble] == [True, True, ""]
    assert (await record_in(journal)).state is TaskState.GENERATED


async def test_a_read_that_succeeds_does_not_hide_that_the_disk_takes_no_write(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError(28, "No space left on device")]
    put = journal._assets.put
    monkeypatch.setattr(journal._assets, "put", lambda data: refuse() if failures else put(data))
    await journal.pulled(TASK)
    troubles: list[str] = []

    def refuse() -> str:
        raise failures.pop()

    async def sleep(_: float) -> None:
        await journal.counts()
        troubles.append(journal.trouble)

    journal._clock = Clock(wall_s=lambda: 0.0, sleep=sleep)
    await journal.generated(TASK, candidate())
    assert ["No space" in trouble for trouble in troubles] == [True]
    assert journal.trouble == ""


async def test_a_reader_beside_the_miner_changes_nothing(journal: Journal) -> None:
    await through(journal, TASK)
    reader = open_for_reading(journal.folder)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM task")
    assert await journal.counts() == {"accepted": 1}


async def test_a_journal_can_be_read_when_no_miner_runs(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, clock=HeldClock())
    await through(journal, TASK)
    await journal.aclose()
    assert [row["task_id"] for row in open_for_reading(tmp_path).execute("SELECT task_id FROM task")] == [
        "task-1"
    ]


async def test_free_room_is_told(journal: Journal) -> None:
    assert await journal.free_bytes() > 0
