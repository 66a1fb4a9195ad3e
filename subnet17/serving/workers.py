"""Processes that compute, so that the server never does: killed at a deadline, replaced after a crash.

The pool is pebble's: unlike concurrent.futures' it kills a worker that overruns and survives one that dies.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from multiprocessing.connection import wait as wait_for_any
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from subnet17.errors import DeadlineError, S17Error, StageError, UnavailableError
from subnet17.log import configure_logging, get_logger

R = TypeVar("R")

log = get_logger()

STARTUP_TIMEOUT_S = 300.0
"""Loading models and compiling kernels may take this long."""

RELOAD_PAUSE_S = 30.0
"""Between two tries to load."""

_load: Callable[[], None]
"""Worker side: prepares this process."""
_load_error: S17Error | None = None
"""Worker side: why `_load` failed; jobs raise it again until another try succeeds."""
_loaded_at_s = 0.0
"""Worker side: when `_load` was last tried."""


class WorkerPool:
    """`workers` spawned processes, each prepared by `load(*load_args)` before its first job.

    Args:
        load: Module-level function that prepares a worker (imports, models, kernels).
        load_args: Its pickled arguments.
        workers: How many processes.
        memory_bytes: Address-space limit of each (RLIMIT_AS); None for no limit (a CUDA process
            reserves far more address space than it uses).
        service: Name on the workers' log lines.
    """

    def __init__(
        self,
        load: Callable[..., None],
        load_args: tuple[Any, ...] = (),
        *,
        workers: int = 1,
        memory_bytes: int | None = None,
        service: str = "worker",
    ) -> None:
        self.workers = workers
        self.reason: str | None = "starting"
        self.deaths = 0
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=_prepare,
            initargs=(load, load_args, memory_bytes, service),
            context=multiprocessing.get_context("spawn"),
        )

    @property
    def ready(self) -> bool:
        """Whether a worker has been loaded and can take a job."""
        return self.reason is None

    def check_ready(self) -> None:
        """Raises `UnavailableError` with the reason while no worker is loaded."""
        if not self.ready:
            raise UnavailableError(f"not ready: {self.reason}", reason=self.reason, retry_after_s=5)

    async def keep_starting(self, *, pause_s: float = RELOAD_PAUSE_S) -> None:
        """Tries until a worker is loaded: what kept it from loading (memory, a card in use) may pass."""
        await self.start()
        while not self.ready:
            await asyncio.sleep(pause_s)
            await self.start()

    async def start(self) -> None:
        """Waits until a worker is loaded. A failed load leaves the pool up, not ready, with the reason."""
        try:
            # pebble's own limit counts from the first job on, not while a worker loads
            async with asyncio.timeout(STARTUP_TIMEOUT_S):
                await self._await(self._pool.schedule(_ensure_loaded, args=(0.0,)))
        except TimeoutError:
            self._refuse(f"a worker did not load within {STARTUP_TIMEOUT_S:.0f} s")
        except S17Error as error:
            self._refuse(error.message)
        else:
            self.reason = None

    def _refuse(self, reason: str) -> None:
        self.reason = reason
        log.error("worker can't start", reason=reason)

    async def run(self, job: Callable[..., R], *args: Any, timeout_s: float) -> R:
        """Runs `job(*args)` in a worker; kills that worker when it takes longer than `timeout_s`.

        Raises:
            S17Error: what the job raised.
            DeadlineError: it overran; its worker was killed and replaced.
            StageError: the worker died, or raised something that is not ours.
            UnavailableError: no worker is loaded.
        """
        self.check_ready()
        result: R = await self._await(self._pool.schedule(_run, args=(job, args), timeout=timeout_s))
        return result

    async def _await(self, future: Future[Any]) -> Any:
        try:
            return await asyncio.wrap_future(future)
        except S17Error:
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

    async def close(self) -> None:
        """Ends all workers, killing what still runs."""
        self.reason = "stopping"
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join(timeout=10)


def _prepare(
    load: Callable[..., None], load_args: tuple[Any, ...], memory_bytes: int | None, service: str
) -> None:
    global _load  # noqa: PLW0603 - one per process, written once
    configure_logging(service=service)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    _load = partial(load, *load_args)
    _try_load()


def _try_load() -> None:
    global _load_error, _loaded_at_s  # noqa: PLW0603
    _load_error = None
    try:
        _load()
    except S17Error as error:
        _load_error = error
    except Exception as error:
        # Raising here would make the pool replace the worker for ever; a stored error is reported instead.
        _load_error = UnavailableError(f"loading failed: {type(error).__name__}: {error}")
    _loaded_at_s = time.monotonic()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)  # a killed server must not leave a worker holding memory or a GPU


def _run(job: Callable[..., R], args: tuple[Any, ...]) -> R:
    _ensure_loaded()
    return job(*args)


def _ensure_loaded(pause_s: float = RELOAD_PAUSE_S) -> None:
    if _load_error is not None and time.monotonic() - _loaded_at_s >= pause_s:
        _try_load()
    if _load_error is not None:
        raise _load_error
