"""Inside a worker process: prepares it, runs its jobs, tells the server of itself, follows its settings."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_any
from typing import Any, TypeVar

from pebble import CONSTS

from subnet17.deadline import Deadline
from subnet17.errors import DeviceLostError, S17Error, UnavailableError
from subnet17.log import LogStyle, configure_logging, get_logger, log_style, set_log_level
from subnet17.serving.board import Board
from subnet17.settings import Settings

R = TypeVar("R")

RELOAD_PAUSE_S = 30.0
"""Between two tries to load."""
MAX_NEWS_BYTES = 4000
"""Up to PIPE_BUF (4096) a write is whole or not done at all: workers share a pipe without a lock."""
IDLE_JOB_S = 24 * 3600.0
"""Deadline where no job runs."""
LOCK_TIMEOUT_S = 5.0
"""Workers take turns to fetch jobs, under a lock. Where one was killed just then the next ones wait so long
for it, and end; after two the pool is made anew."""
FOLLOW_S = 1.0
"""Between two looks of an idle worker at the settings."""


@dataclass(frozen=True)
class Preparation:
    """What a worker needs to start. Pickled.

    Attributes:
        load: Prepares the process: imports, models, kernels.
        memory_bytes: Address-space limit (RLIMIT_AS); None for no limit.
        service: Name on the log lines.
        news: Where `tell` writes.
        style: How it logs.
        board: Where the server posts its settings whenever they change.
    """

    load: Callable[[], None]
    memory_bytes: int | None
    service: str
    news: Connection
    style: LogStyle
    board: Board


@dataclass(frozen=True)
class NotLoaded:
    """Given back instead of a result: this worker could not load and has not begun the job.

    Attributes:
        error: Why.
    """

    error: S17Error


_load: Callable[[], None]
GIVE_UP_SHARE = 0.95
"""Of a job's time: a job that gives up between two stages keeps its process and its loaded models."""

_load_error: S17Error | None = None
"""Why `_load` failed; jobs raise copies until another try succeeds."""
_loaded_at_s = 0.0
"""When `_load` was last tried."""
_connection: Connection | None = None
_news: dict[str, Any] = {}
_news_lock = threading.Lock()
_job_deadline: Deadline | None = None
_at_work = threading.RLock()
"""Held while a worker loads or a job runs: settings change between jobs."""
_board: Board | None = None
_seen = 0
"""Number of the newest message taken from the board."""
_settings: Settings | None = None
"""From the board; None while the server's first ones stand."""
_followers: list[Callable[[Settings], None]] = []


def prepare(preparation: Preparation) -> None:
    """Runs first in a new worker."""
    global _load, _connection, _board  # noqa: PLW0603 - one per process, written once
    CONSTS.channel_lock_timeout = LOCK_TIMEOUT_S
    style = preparation.style
    configure_logging(service=preparation.service, level=style.level, form=style.form)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if preparation.memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (preparation.memory_bytes, preparation.memory_bytes))
    _load = preparation.load
    _connection = preparation.news
    _board = preparation.board
    os.set_blocking(_connection.fileno(), False)
    _try_load()
    threading.Thread(target=_follow_forever, name="settings", daemon=True).start()


def run(job: Callable[..., R], args: tuple[Any, ...], timeout_s: float) -> R | NotLoaded:
    """Runs one job; one that would overrun `timeout_s` is killed by the server."""
    global _job_deadline  # noqa: PLW0603
    try:
        ensure_loaded()
    except DeviceLostError:
        raise
    except S17Error as error:
        return NotLoaded(error)
    with _at_work:
        _follow()
        _job_deadline = Deadline.after(GIVE_UP_SHARE * timeout_s)
        tell({"working": True})
        try:
            return job(*args)
        finally:
            _job_deadline = None
            tell({"working": False})


def job_deadline() -> Deadline:
    """When the job that this process runs had better give up by itself: soon after it is killed."""
    return _job_deadline or Deadline.after(IDLE_JOB_S)


def add_follower(follow: Callable[[Settings], None]) -> None:
    """Has `follow` called with the server's settings when they change, never while a job runs."""
    _followers.append(follow)
    if _settings is not None:
        follow(_settings)


def _follow() -> None:
    """Takes over settings that are new; holds `_at_work`."""
    global _seen, _settings  # noqa: PLW0603
    posted = _board.read(after=_seen) if _board else None
    if posted is None:
        return
    _seen, settings = posted
    _settings = settings
    if settings.operations.log_level != log_style().level:
        set_log_level(settings.operations.log_level)
    for follow in _followers:
        follow(settings)


def _follow_forever() -> None:
    while True:
        time.sleep(FOLLOW_S)
        if _at_work.acquire(blocking=False):  # a worker that is busy follows before its next job
            try:
                _follow()
            finally:
                _at_work.release()


def tell(news: dict[str, Any]) -> None:
    """Merges `news` into what the server shows of this worker. Never blocks; from any thread.

    Args:
        news: JSON-serialisable, a few hundred bytes; what does not fit into a pipe's atomic write is dropped.
    """
    with _news_lock:
        _news.update(news)
        message = json.dumps({"pid": os.getpid(), **_news}).encode()
        if _connection is None:
            return
        if len(message) > MAX_NEWS_BYTES:
            get_logger().warning("news are too long to be told", size_bytes=len(message))
            return
        try:
            _connection.send_bytes(message)
        except OSError:
            return  # nobody has read for long, or the server is gone: the next news will tell it all


def ensure_loaded(pause_s: float = RELOAD_PAUSE_S) -> None:
    """Tries again to load, `pause_s` after the last failure.

    Raises:
        S17Error: loading has failed.
    """
    if _load_error is not None and time.monotonic() - _loaded_at_s >= pause_s:
        _try_load()
    if _load_error is not None:
        raise copy.copy(_load_error)  # one raised again and again would keep what every job brought


def _try_load() -> None:
    global _load_error, _loaded_at_s  # noqa: PLW0603
    _load_error = None
    tell({"state": "loading"})
    try:
        with _at_work:
            _load()
    except S17Error as error:
        _load_error = error
    except Exception as error:
        # Raising here would make the pool replace the worker for ever; a stored error is reported instead.
        get_logger().exception("loading failed", exc_info=error)
        _load_error = UnavailableError(f"loading failed: {type(error).__name__}: {error}")
    _loaded_at_s = time.monotonic()
    tell({"state": "ready" if _load_error is None else "failed"})


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)  # a killed server must not leave a worker holding memory or a GPU
