"""The miner's memory: every task's way, validators, nonces and the market, on disk before the next step.

Covers: a task's states pulled -> generated -> scored -> sending -> answered, keyed by validator and task id;
assets before the rows that name them; retention. Does not cover: the SQL (tables.py), what is done with a
task after a restart (resume.py), people's view of it (journal_cli.py: `python -m subnet17.mining.journal`).

One SQLite connection, used from one thread. A write that the disk refuses is tried again until it takes it:
no step may go ahead without, so its caller waits, and `trouble` says why while one does.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from subnet17.errors import JournalError
from subnet17.log import get_logger
from subnet17.mining.asset_store import AssetStore
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.database import ASSETS, mark_broken, open_database
from subnet17.mining.folder_claim import FolderClaim
from subnet17.mining.records import Answer, Judgement, Record, TaskState
from subnet17.mining.tables import Tables
from subnet17.mining.tasks import Assignment, Candidate, Score, Submission

log = get_logger()

RETRY_S = 1.0
MARKET_DAYS = 90.0
DAY_S = 86_400.0
FOLDER = "miner"

T = TypeVar("T")


class Journal:
    """See the module. Made by `Journal.open`.

    Attributes:
        broken: Set when the file turned out damaged: the process must end and start anew.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, claim: FolderClaim, *, clock: Clock
    ) -> None:
        self.folder = folder
        self.broken = asyncio.Event()
        self._connection = connection
        self._claim = claim
        self._tables = Tables(connection)
        self._assets = AssetStore(folder / ASSETS)
        self._refused: dict[object, str] = {}
        self._clock = clock
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal")

    @property
    def trouble(self) -> str:
        """Why a job waits that the disk has refused; empty when none does."""
        return next(iter(self._refused.values()), "")

    @classmethod
    def open(cls, folder: Path, *, clock: Clock = SYSTEM_CLOCK) -> Journal:
        """Opens the journal of a hotkey's folder; makes it where it is missing.

        A damaged one is moved aside, never deleted. Assets without a row go: a crash left them before the
        row was written, so nothing was decided on them. Hence the claim: another miner's are no leavings.

        Raises:
            JournalError: another process uses it, it is of a newer program, or the disk refuses.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(clock.wall_s()))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            claim = FolderClaim(folder)
            with ExitStack() as undoing:
                undoing.callback(claim.release)
                journal = cls(open_database(folder, stamp=stamp), folder, claim, clock=clock)
                swept = journal._assets.sweep(journal._tables.wanted())
                undoing.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise JournalError(
                f"the journal in {folder} can't be opened: {error}", folder=str(folder)
            ) from None
        if swept:
            log.info("assets without a task removed", files=swept)
        return journal

    async def aclose(self) -> None:
        """Closes the file; what runs is finished first."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._connection.close)
        self._executor.shutdown(wait=False)
        self._claim.release()

    async def pulled(self, assignment: Assignment, *, validator: Mapping[str, Any] | None = None) -> None:
        """A task was assigned to us; one in the journal begins anew, without what was handed in.

        Another one of this validator that is open is closed: it has forgotten it.

        Args:
            validator: What is known of the validator now, for `validators`.
        """
        now_s = self._clock.wall_s()

        def write() -> None:
            self._drop_assets(self._tables.put_task(assignment, now_s=now_s, validator=validator))

        await self._run(write)
        _tell(TaskState.PULLED, assignment)

    async def reopened(self, assignment: Assignment) -> None:
        """An answered task was handed out again, and what was decided will be handed in again: it is kept.

        Raises:
            JournalError: it was forgotten meanwhile.
        """
        now_s = self._clock.wall_s()
        await self._run(lambda: self._tables.put_reopened(assignment, now_s=now_s))

    async def generated(self, assignment: Assignment, candidate: Candidate) -> None:
        """A candidate was made. Its bytes are on disk before its row is."""
        now_s = self._clock.wall_s()

        def write() -> None:
            digest = self._assets.put(candidate.data)
            self._tables.put_candidate(assignment, candidate, digest, now_s=now_s)

        await self._run(write)
        _tell(TaskState.GENERATED, assignment, candidate=candidate.index)

    async def scored(self, assignment: Assignment, candidate: Candidate, score: Score) -> None:
        """A candidate that is in the journal got its local score."""
        now_s = self._clock.wall_s()
        await self._run(lambda: self._tables.put_score(assignment, candidate.index, score, now_s=now_s))
        _tell(TaskState.SCORED, assignment, candidate=candidate.index, score=round(score.value, 4))

    async def sending(self, submission: Submission) -> None:
        """An attempt to hand in begins: what was decided, and when, before a byte leaves."""
        now_s = self._clock.wall_s()
        attempt = await self._run(lambda: self._tables.put_attempt(submission, now_s=now_s))
        _tell(TaskState.SENDING, submission.assignment, attempt=attempt, skip=submission.is_skip)

    async def answered(
        self, submission: Submission, answer: Answer, *, validator: Mapping[str, Any] | None = None
    ) -> None:
        """A task ended: the verdict and what is known of its validator now, both or neither.

        What was handed in is kept, for a validator that forgets it; the other candidates' bytes go.
        """
        now_s = self._clock.wall_s()

        def write() -> None:
            losers = self._tables.put_answer(submission, answer, now_s=now_s, validator=validator)
            self._drop_assets(losers)

        await self._run(write)
        _tell(TaskState.ANSWERED, submission.assignment, verdict=answer.verdict)

    async def find(self, validator: str, task_id: str) -> Record | None:
        """What is known of a task."""
        return await self._run(lambda: self._tables.find(validator, task_id))

    async def unfinished(self) -> list[Record]:
        """Tasks without an answer, the oldest assignment first."""
        return await self._run(self._tables.unfinished)

    async def asset(self, digest: str) -> bytes:
        """The bytes of a draft.

        Raises:
            JournalError: they are gone, or have changed on disk.
        """
        return await self._run(lambda: self._assets.get(digest))

    async def judgements(self, *, limit: int = 10_000) -> list[Judgement]:
        """How the last tasks ended, the latest last."""
        return await self._run(lambda: self._tables.judgements(limit))

    async def scores(self, *, limit: int = 1000) -> list[tuple[float, ...]]:
        """What all candidates of a task scored, for the last answered tasks, the latest last."""
        return await self._run(lambda: self._tables.scores(limit))

    async def counts(self) -> dict[str, int]:
        """Tasks in the journal by state; of the answered ones by verdict."""
        return await self._run(self._tables.counts)

    async def save_validator(self, hotkey: str, row: Mapping[str, Any]) -> None:
        """Keeps what is known of a validator."""
        now_s = self._clock.wall_s()
        await self._run(lambda: self._tables.put_validator(hotkey, row, now_s=now_s))

    async def validators(self) -> dict[str, dict[str, Any]]:
        """What was kept of each validator, by hotkey."""
        return await self._run(self._tables.validators)

    async def reserve_nonces(self, up_to_ns: int) -> None:
        """Promises that nonces up to here count as used after a restart. Never goes back."""
        await self._run(lambda: self._tables.raise_nonce(up_to_ns))

    async def nonce_floor(self) -> int:
        """The last reserved nonce; 0 when none was."""
        return await self._run(self._tables.nonce)

    async def add_market(self, row: Mapping[str, Any]) -> None:
        """Keeps how we stand now; what is older than `MARKET_DAYS` goes."""
        now_s = self._clock.wall_s()
        before_s = now_s - MARKET_DAYS * DAY_S
        await self._run(lambda: self._tables.put_market(row, now_s=now_s, forget_before_s=before_s))

    async def market(self, since_s: float = 0.0) -> list[dict[str, Any]]:
        """How we stood since then (Unix seconds), the latest last; each row tells its `at_s`."""
        return await self._run(lambda: self._tables.market(since_s))

    async def free_bytes(self) -> int:
        """What is left on the journal's disk."""
        return await self._run(lambda: shutil.disk_usage(self.folder).free)

    async def prune(self, *, days: float, max_bytes: int) -> int:
        """Forgets answered tasks: those older than so many days, then the oldest while assets take too much.

        Returns:
            How many tasks went.
        """
        before_s = self._clock.wall_s() - days * DAY_S

        def forget() -> int:
            return self._drop(self._tables.forget_some(before_s=before_s, max_bytes=max_bytes))

        pruned = 0
        while batch := await self._run(forget):  # others get their turn in between
            pruned += batch
        return pruned

    async def make_room(self, wanted_bytes: int, *, keep_days: float) -> int:
        """Forgets the oldest answered tasks until their assets give so many bytes, but none so young.

        Returns:
            How many tasks went.
        """
        before_s = self._clock.wall_s() - keep_days * DAY_S

        def forget() -> int:
            return self._drop(self._tables.forget_for_room(before_s=before_s, wanted_bytes=wanted_bytes))

        return await self._run(forget)

    def _drop(self, forgotten: tuple[int, list[str]]) -> int:
        """The assets of tasks that were forgotten; how many tasks these were."""
        count, digests = forgotten
        self._drop_assets(digests)
        return count

    def _drop_assets(self, digests: list[str]) -> None:
        """After the rows went: a crash in between leaves files, which the next start sweeps."""
        for digest in digests:
            if digest and not self._tables.is_wanted(digest):
                self._assets.remove(digest)

    async def _run(self, job: Callable[[], T]) -> T:
        ticket = object()
        try:
            while True:
                try:
                    return await asyncio.get_running_loop().run_in_executor(self._executor, job)
                except (sqlite3.OperationalError, OSError) as error:
                    self._refuse(ticket, error)
                    await self._clock.sleep(RETRY_S)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # its subclasses tell of bugs, not of damage
                raise
            self.broken.set()
            with suppress(OSError):  # a disk that takes nothing: the process ends all the same
                mark_broken(self.folder)
            raise JournalError(f"the journal in {self.folder} is damaged: {error}") from None
        finally:
            self._refused.pop(ticket, None)

    def _refuse(self, ticket: object, error: Exception) -> None:
        if not self._refused:
            log.error("the journal can't be used", folder=str(self.folder), reason=str(error))
        self._refused[ticket] = f"the journal in {self.folder} can't be used: {error}"


def journal_folder(data_dir: Path, hotkey: str) -> Path:
    """Where the journal of a hotkey lies."""
    return data_dir / FOLDER / hotkey


def _tell(state: TaskState, assignment: Assignment, **facts: Any) -> None:
    log.info("journal", state=state.value, task=assignment.task_id, hotkey=assignment.validator, **facts)


if __name__ == "__main__":
    import sys

    from subnet17.mining.journal_cli import main

    sys.exit(main())
