"""Is a process doing its work? Asked over HTTP, as anybody could.

Covers: silence; a queue whose work claims to run and does not advance; a small real request where nothing
else has proved for long that work can be done; a miner that could go on and does not. Not covered: how good
the work is. A check costs milliseconds; the real request costs a job, so it is rare and made of idle servers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import httpx

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.ops.processes import GENERATION, MINER, VALIDATION, Process
from subnet17.settings import ServerTable, Settings, base_url

ENDS = ("succeeded", "failed", "refused")
"""What counts a job that has ended. Others count callers who were sent away while one is stuck."""
PROGRESS = ("metrics", "tasks_in_work", "tasks_left_over", "submissions_waiting", "validators")
"""Parts of the miner's page that stand still when the mining does: free disk or a hold's time does not."""
JOB_SLACK_S = 30.0
"""A server ends a job at request_timeout_s by itself; one that runs so much longer is stuck."""

Outcome = Literal["healthy", "not_ready", "silent", "stuck"]


@dataclass(frozen=True)
class Health:
    """What a check found.

    Attributes:
        outcome: not_ready: it answers and says why it can't work, which a restart seldom mends;
            silent: no answer in time; stuck: it answers, but its work does not get done.
        why: For a person; empty when healthy.
    """

    outcome: Outcome
    why: str = ""

    @property
    def calls_for_restart(self) -> bool:
        """Whether only a new process can mend it, if it stays so."""
        return self.outcome in {"silent", "stuck"}


HEALTHY = Health("healthy")


class Probe(Protocol):
    """Checks one process; keeps what it saw to tell whether it advances. Made anew with each process."""

    async def check(self) -> Health:
        """One check, within the time allowed for an answer (a real request: for a job)."""


def make_probe(process: Process, settings: Settings, client: httpx.AsyncClient) -> Probe:
    """The check that fits a process."""
    # here, not above: the other commands need no numpy, and are asked for often
    from subnet17.ops.sample_work import ask_for_asset, ask_for_score  # noqa: PLC0415

    caller = Caller(process, client, settings.operations.health_timeout_s)
    if process.name == GENERATION:
        return ServerProbe(caller, settings.generation, settings, ask_for_asset)
    if process.name == VALIDATION:
        return ServerProbe(caller, settings.validation, settings, ask_for_score)
    if process.name == MINER:
        return MinerProbe(caller, settings)
    return AnswerProbe(caller)


class Caller:
    """Asks one process.

    Args:
        client: Shared by all.
        timeout_s: For an answer.
    """

    def __init__(self, process: Process, client: httpx.AsyncClient, timeout_s: float) -> None:
        self.url = base_url(process.host, process.port)
        self.client = client
        self._timeout_s = timeout_s

    async def get(self, path: str, api_key: str = "") -> httpx.Response:
        """The answer to a GET.

        Raises:
            PeerTimeoutError: none in time.
            PeerError: no connection.
        """
        headers = {"X-API-Key": api_key} if api_key else {}
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self.client.get(self.url + path, headers=headers)
        except TimeoutError:
            raise PeerTimeoutError(f"no answer to {path} within {self._timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise PeerError(f"no answer to {path}: {type(error).__name__}") from None

    async def health(self) -> Health:
        """What `/health/` says."""
        try:
            reply = await self.get("/health/")
        except PeerError as error:
            return Health("silent", error.message)
        if reply.status_code == httpx.codes.OK:
            return HEALTHY
        return Health(
            "not_ready", str(_object_of(reply).get("reason") or f"/health/ says {reply.status_code}")
        )

    async def answer(self) -> Health:
        """Whether it answers at all, whatever."""
        try:
            await self.get("/")
        except PeerError as error:
            return Health("silent", error.message)
        return HEALTHY

    async def status(self, api_key: str) -> dict[str, Any]:
        """What `/status/` says.

        Raises:
            PeerError: no answer, or not an object.
        """
        reply = await self.get("/status/", api_key)
        if reply.status_code != httpx.codes.OK or not (page := _object_of(reply)):
            raise PeerReplyError(f"/status/ says {reply.status_code}")
        return page


class AnswerProbe:
    """For a process without a page of its own: whatever it answers, it is alive."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def check(self) -> Health:
        """Any answer will do."""
        return await self._caller.answer()


class ServerProbe:
    """A generation or validation server.

    Args:
        table: The server's settings.
        ask: Makes a small real request.
        clock: Monotonic seconds; replaced in tests.
    """

    def __init__(
        self,
        caller: Caller,
        table: ServerTable,
        settings: Settings,
        ask: Callable[[httpx.AsyncClient, str, str], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._caller = caller
        self._table = table
        self._ask = ask
        self._clock = clock
        self._interval_s = settings.operations.work_check_interval_s
        if getattr(table, "idle_unload_s", 0.0):
            self._interval_s = (
                0.0  # an operator who wants idle models moved out does not want them called back
            )
        self._jobs: dict[str, int] = {}
        self._moved_s = self._proved_s = clock()

    async def check(self) -> Health:
        """Health page, progress of the queue and, seldom, a real request."""
        health = await self._caller.health()
        if health.outcome != "healthy":
            return health
        try:
            page = await self._caller.status(self._table.api_key)
            running, waiting = int(page["queue"]["running"]), int(page["queue"]["waiting"])
            jobs = {name: int(page["jobs"].get(name, 0)) for name in ENDS}
        except PeerTimeoutError as error:
            return Health("silent", error.message)
        except (PeerError, KeyError, TypeError, ValueError, AttributeError) as error:
            return Health("stuck", f"/status/ can't be used: {error}")
        self._note(jobs, running)
        still_s = self._clock() - self._moved_s
        if still_s > _job_limit_s(page, self._table) + JOB_SLACK_S:
            return Health("stuck", f"{running} jobs run and none has ended for {still_s:.0f} s")
        return await self._work() if not running and not waiting and self._is_due() else HEALTHY

    def _note(self, jobs: dict[str, int], running: int) -> None:
        now_s = self._clock()
        if not running or jobs != self._jobs:
            self._moved_s = now_s
        if self._jobs and jobs.get("succeeded") != self._jobs.get("succeeded"):
            self._proved_s = now_s
        self._jobs = jobs

    def _is_due(self) -> bool:
        return 0 < self._interval_s <= self._clock() - self._proved_s

    async def _work(self) -> Health:
        limit_s = self._table.request_timeout_s + JOB_SLACK_S
        try:
            async with asyncio.timeout(limit_s):
                await self._ask(self._caller.client, self._caller.url, self._table.api_key)
        except TimeoutError:
            return Health("stuck", f"a small request was not answered within {limit_s:.0f} s")
        except (PeerError, httpx.HTTPError, ValueError) as error:  # ValueError: an answer that can't be read
            return Health("stuck", f"a small request failed: {error or type(error).__name__}")
        self._proved_s = self._clock()
        return HEALTHY


def _job_limit_s(page: dict[str, Any], table: ServerTable) -> float:
    """How long a job may take: as the server says, which follows its file, else as the settings say."""
    settings = page.get("settings")
    live = settings.get("live", {}) if isinstance(settings, dict) else {}
    told = [value for key, value in live.items() if key.endswith(".request_timeout_s")]
    return max([table.request_timeout_s, *(float(value) for value in told)])


class MinerProbe:
    """The miner. Its page is served by the loop that mines, so an answer already says that this loop turns.

    A miner that says it pulls, and has work or a validator that is ready, moves its counters all the time.
    """

    def __init__(
        self, caller: Caller, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._caller = caller
        self._api_key = settings.miner.api_key
        self._stall_s = settings.operations.stall_timeout_s
        self._clock = clock
        self._counters: list[int] = []
        self._moved_s = clock()

    async def check(self) -> Health:
        """Health page, then whether the counters move."""
        health = await self._caller.health()
        if health.outcome != "healthy":
            return health
        try:
            page = await self._caller.status(self._api_key)
        except PeerTimeoutError as error:
            return Health("silent", error.message)
        except PeerError as error:
            return Health("stuck", error.message)
        now_s, counters = self._clock(), list(_whole_numbers([page.get(part) for part in PROGRESS]))
        if counters != self._counters or not _should_move(page):
            self._counters, self._moved_s = counters, now_s
        still_s = now_s - self._moved_s
        if still_s > self._stall_s:
            return Health("stuck", f"it could go on, and nothing has moved for {still_s:.0f} s")
        return HEALTHY


def _should_move(page: dict[str, Any]) -> bool:
    if not page.get("pulling"):
        return False
    if page.get("tasks_in_work") or page.get("submissions_waiting"):
        return True
    validators = [v for v in page.get("validators") or [] if isinstance(v, dict)]
    return any(v.get("ready_in_s") == 0 and not v.get("busy") for v in validators)


def _whole_numbers(page: Any) -> Iterator[int]:
    """All counters: what is measured, such as a time, is no whole number."""
    if isinstance(page, int) and not isinstance(page, bool):
        yield page
    elif isinstance(page, dict | list):
        for part in page.values() if isinstance(page, dict) else page:
            yield from _whole_numbers(part)


def _object_of(reply: httpx.Response) -> dict[str, Any]:
    try:
        tree = json.loads(reply.content)
    except ValueError:
        return {}
    return tree if isinstance(tree, dict) else {}
