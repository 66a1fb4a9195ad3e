"""Processes that compute, so that the server never does: killed at a deadline, replaced after a crash.

The pool is pebble's: unlike concurrent.futures' it kills a worker that overruns and survives one that dies at
work. It does not survive one that dies idle or while it loads; then the pool is made anew. Nor does it notice
one that hangs while it is idle: `untaken.py` does, and it is killed here.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from subnet17.deadline import Deadline
from subnet17.errors import (
    DeadlineError,
    DeviceLostError,
    QueuedTooLongError,
    S17Error,
    StageError,
    UnavailableError,
)
from subnet17.log import get_logger, log_style
from subnet17.serving.board import Board
from subnet17.serving.untaken import LOOK_S, TAKE_WITHIN_S, Untaken
from subnet17.serving.worker_process import (
    RELOAD_PAUSE_S,
    NotLoaded,
    Preparation,
    ensure_loaded,
    prepare,
    run,
)
from subnet17.settings import Settings

R = TypeVar("R")

log = get_logger()

STARTUP_TIMEOUT_S = 300.0
"""Loading models and compiling kernels may take this long where nothing else is said."""
WATCH_S = 0.5
"""Between two looks at whether a worker is left."""
START_SLACK_S = 0.5
"""A job that no worker has taken this long after its deadline is dropped."""
OFFER_AGAIN_S = 0.1
"""A job that a worker gave back, since it could not load, is offered again after this time."""


class WorkerPool:
    """`workers` spawned processes, each prepared by `load(*load_args)` before its first job.

    Args:
        load: Module-level function that prepares a worker (imports, models, kernels).
        load_args: Its pickled arguments.
        workers: How many processes.
        memory_bytes: Address-space limit of each (RLIMIT_AS); None for no limit (a CUDA process
            reserves far more address space than it uses).
        load_timeout_s: A worker that has not loaded by then is killed and another one tries.
        service: Name on the workers' log lines.
    """

    def __init__(
        self,
        load: Callable[..., None],
        load_args: tuple[Any, ...] = (),
        *,
        workers: int = 1,
        memory_bytes: int | None = None,
        load_timeout_s: float = STARTUP_TIMEOUT_S,
        service: str = "worker",
    ) -> None:
        self.workers = workers
        self.deaths = 0
        self.lost = False
        self.on_lost: Callable[[], None] = lambda: None
        self._load_timeout_s = load_timeout_s
        self._reason: str | None = "starting"
        self._news: dict[int, dict[str, Any]] = {}
        self._reader, self._writer = multiprocessing.Pipe(duplex=False)
        self._board = Board()
        self._preparation = Preparation(
            partial(load, *load_args), memory_bytes, service, self._writer, log_style(), self._board
        )
        self._mending = asyncio.Lock()
        self._untaken = Untaken()
        self._death_is_counted = False
        self._pool = self._make_pool()

    def _make_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self.workers,
            initializer=prepare,
            initargs=(self._preparation,),
            context=multiprocessing.get_context("spawn"),
        )

    @property
    def reason(self) -> str | None:
        """Why no job can be taken now; None when one can."""
        if self._reason is None and not self._in_state("ready"):
            return "a worker died, another one is loading"
        return self._reason

    @property
    def ready(self) -> bool:
        """Whether a worker has been loaded and can take a job."""
        return self.reason is None

    @property
    def news(self) -> list[dict[str, Any]]:
        """The last that each living worker has told (`worker_process.tell`), with its `pid` and `state`."""
        while not self._reader.closed and self._reader.poll(0):
            message = json.loads(self._reader.recv_bytes())
            self._news[message["pid"]] = message
        self._news = {pid: news for pid, news in self._news.items() if _is_alive(pid)}
        return list(self._news.values())

    def _in_state(self, state: str) -> list[int]:
        return [news["pid"] for news in self.news if news["state"] == state]

    def follow(self, settings: Settings) -> None:
        """Has all workers, those that are born later too, follow these settings where they can."""
        self._board.post(settings)

    def check_ready(self) -> None:
        """Raises `UnavailableError` with the reason until a worker was loaded, and when none can be.

        Lets a job pass whose worker has just died: it waits for the next one, up to its deadline.
        """
        if self._reason is not None:
            raise UnavailableError(f"not ready: {self._reason}", reason=self._reason, retry_after_s=5)

    async def keep_ready(self) -> None:
        """Loads, and loads again whenever no worker is left, until it is cancelled or the device is lost.

        Kills workers that take no job meanwhile.
        """
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep_loaded())
            both.create_task(self._keep_taking())

    async def _keep_loaded(self) -> None:
        while not self.lost:
            await self.keep_starting()
            while self.ready:  # noqa: ASYNC110 - a process's death sets no event
                await asyncio.sleep(WATCH_S)

    async def _keep_taking(self) -> None:
        while not self.lost:
            await asyncio.sleep(LOOK_S)
            news = self.news
            working = [told["pid"] for told in news if told.get("working")]
            # one that could not load should take a job too, and gives it back
            idle = [told["pid"] for told in news if told["state"] != "loading" and not told.get("working")]
            for pid in self._untaken.look(idle=idle, working=len(working)):
                self._kill_idle(pid)

    def _kill_idle(self, pid: int) -> None:
        log.error("a worker that takes no job is killed", worker_pid=pid, within_s=TAKE_WITHIN_S)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._news.pop(pid, None)
        self.deaths += 1
        self._death_is_counted = True  # the pool breaks of it, where no other worker is at work

    async def keep_starting(self, *, pause_s: float = RELOAD_PAUSE_S) -> None:
        """Tries until a worker is loaded: what kept it from loading (memory, a card in use) may pass."""
        await self.start()
        while not self.ready and not self.lost:
            await asyncio.sleep(pause_s)
            await self.start()

    async def start(self) -> None:
        """Waits until a worker is loaded. A failed load leaves the pool up, not ready, with the reason."""
        try:
            # pebble's own limit counts from the first job on, not while a worker loads
            async with asyncio.timeout(self._load_timeout_s):
                await self._call(lambda _: (ensure_loaded, 0.0))
        except TimeoutError:
            self._refuse(f"a worker did not load within {self._load_timeout_s:.0f} s")
            for pid in self._in_state("loading"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        except S17Error as error:
            if self._in_state("ready"):  # with several devices one that fails leaves the others to work
                self._set_reason(None)
            else:
                self._refuse(error.message)
        else:
            self._set_reason(None)

    async def _schedule(self, *call: Any, timeout_s: float | None = None) -> Future[Any]:
        """Hands `call` (a function and its arguments) to the pool, which is made anew if it broke.

        Raises:
            StageError: the system gives no processes, or not what they need (threads, files, memory).
            UnavailableError: the pool was closed.
        """
        async with self._mending:
            try:
                return self._pool.schedule(call[0], args=call[1:], timeout=timeout_s)
            except (RuntimeError, OSError):
                if self._reason == "stopping":
                    raise UnavailableError("not ready: stopping") from None
                if not self._death_is_counted:
                    self.deaths += 1
                self._death_is_counted = False
                try:
                    await asyncio.to_thread(self._stop)
                    self._pool = self._make_pool()
                    return self._pool.schedule(call[0], args=call[1:], timeout=timeout_s)
                except (RuntimeError, OSError) as error:
                    raise StageError(f"no worker can be started: {error}", stage="worker") from None

    def _refuse(self, reason: str) -> None:
        self._set_reason(reason)
        log.error("worker can't start", reason=reason)

    def _set_reason(self, reason: str | None) -> None:
        if not self.lost and self._reason != "stopping":
            self._reason = reason

    async def run(self, job: Callable[..., R], *args: Any, timeout_s: float) -> R:
        """Runs `job(*args)` in a worker; kills that worker when it takes longer than `timeout_s`.

        Raises:
            S17Error: what the job raised.
            DeadlineError: it overran, and its worker was killed and replaced.
            QueuedTooLongError: no worker took it in time.
            DeviceLostError: the device needs a new server process; `on_lost` was called.
            StageError: the worker died, or raised something that is not ours.
            UnavailableError: no worker is loaded.
        """
        self.check_ready()
        deadline = Deadline.after(timeout_s)
        while True:
            result: R | NotLoaded = await self._call(lambda left_s: (run, job, args, left_s), deadline)
            if not isinstance(result, NotLoaded):
                self._death_is_counted = False  # this pool did not break of it
                self._set_reason(None)  # a `start` beside it may have met a worker that died
                return result
            if not self._in_state("ready"):
                raise result.error
            await asyncio.sleep(OFFER_AGAIN_S)

    async def _call(self, call: Callable[[float], tuple[Any, ...]], deadline: Deadline | None = None) -> Any:
        """Has a worker do what `call` gives for the seconds left; offers it once more, to a new pool."""
        try:
            return await self._offer(call, deadline)
        except BrokenProcessPool:
            # An idle worker had died, unnoticed yet. A pool breaks only while no job runs: this one did not.
            pass
        try:
            return await self._offer(call, deadline)
        except BrokenProcessPool:
            raise StageError("the worker processes die before they are loaded", stage="worker") from None
        except QueuedTooLongError:
            raise QueuedTooLongError(
                "no worker was loaded before the deadline: the last one died or was killed for taking no job",
                stage="queue",
            ) from None

    async def _offer(self, call: Callable[[float], tuple[Any, ...]], deadline: Deadline | None) -> Any:
        if deadline is None:
            return await self._await(await self._schedule(*call(0.0)), None)
        left_s = deadline.check("a loaded worker", QueuedTooLongError)
        return await self._await(await self._schedule(*call(left_s), timeout_s=left_s), left_s)

    async def _await(self, future: Future[Any], timeout_s: float | None) -> Any:
        start_within_s = None if timeout_s is None else timeout_s + START_SLACK_S
        wrapped = asyncio.wrap_future(future)
        with self._untaken.offered(future):
            try:
                await asyncio.wait([wrapped], timeout=start_within_s)
                if not wrapped.done() and not future.running():
                    raise self._untaken_error()
                return await self._translate(wrapped)
            finally:
                wrapped.cancel()  # does nothing to what is done

    def _untaken_error(self) -> QueuedTooLongError:
        if self._in_state("ready"):
            why = f"a loaded worker took no job; it is killed when it takes none for {TAKE_WITHIN_S:.0f} s"
        else:
            why = "no worker was loaded before the deadline"
        return QueuedTooLongError(why, stage="queue")

    async def _translate(self, wrapped: asyncio.Future[Any]) -> Any:
        try:
            return await wrapped
        except DeviceLostError as error:
            self._lose(error)
            raise
        except (S17Error, BrokenProcessPool):
            raise
        except TimeoutError:
            self.deaths += 1
            raise DeadlineError(
                "the job overran its deadline; its worker was replaced", stage="work"
            ) from None
        except ProcessExpired as error:
            self.deaths += 1
            raise StageError(
                f"a worker process died (exit code {error.exitcode})",
                stage="worker",
                exit_code=error.exitcode,
            ) from None
        except MemoryError:
            raise StageError("a worker process ran out of memory", stage="worker", kind="memory") from None
        except Exception as error:
            log.error("a job raised an unexpected error", trace=getattr(error, "traceback", repr(error)))
            raise StageError(f"{type(error).__name__} in a worker process", stage="worker") from error

    def _lose(self, error: DeviceLostError) -> None:
        """A new worker of this server might not get the device back; the supervisor starts all anew."""
        if not self.lost:
            log.critical("the device is lost, the server ends", why=error.message)
            self._reason = error.message
            self.lost = True
            self.on_lost()

    async def close(self) -> None:
        """Ends all workers, killing what still runs."""
        self._reason = "stopping"
        await asyncio.to_thread(self._stop)
        self._reader.close()
        self._writer.close()

    def _stop(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        # pebble unlinks its locks twice where its own threads have met a dead worker and closed already
        with suppress(AttributeError):
            self._pool.join(timeout=10)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:  # gone, or its number belongs to another user's process now
        return False
    return True
