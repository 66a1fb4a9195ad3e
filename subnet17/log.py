"""Structured logs on stderr, for people (console) or for machines (JSON).

Where stderr ends is the supervisor's choice; `log_files.py` keeps the files behind it small.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TextIO

import structlog

SECRET_KEYS = frozenset({"api_key", "signature", "mnemonic", "seed_phrase", "password", "data", "results"})
"""Never printed: credentials, signatures and base64 payloads."""
WIRE_LOGGERS = ("httpcore", "httpx")
"""At debug they print whole replies' headers, and a validator's reply repeats our signature."""


@dataclass(frozen=True)
class LogStyle:
    """What is logged and how. Pickled: worker processes log as their server does.

    Attributes:
        level: debug, info, warning or error.
        form: "console" or "json".
    """

    level: str = "info"
    form: str = "console"


_style = LogStyle()


def configure_logging(*, service: str, level: str = "info", form: str = "console") -> None:
    """Sets up structlog and the standard library's root logger once, at a process's start.

    Args:
        service: Bound to every line.
        level: debug, info, warning or error.
        form: "console" or "json".
    """
    global _style  # noqa: PLW0603 - one per process
    _style = LogStyle(level, form)
    stream = _Unfailing(sys.stderr)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
        _hide_controls,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=28,
            exception_formatter=structlog.dev.plain_traceback,  # the default shows local variables
        )
    )
    if form == "json":
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=structlog.PrintLoggerFactory(stream),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_log_level(level)
    for name in WIRE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


def set_log_level(level: str) -> None:
    """Changes the least level of a process that logs already, for all its loggers."""
    global _style  # noqa: PLW0603 - one per process
    _style = replace(_style, level=level)
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(least))
    logging.getLogger().setLevel(logging.WARNING if level != "debug" else logging.DEBUG)


def log_style() -> LogStyle:
    """How this process logs, for the worker processes that it starts."""
    return _style


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """Puts these keys, such as `task` and `validator`, on each line logged within the block.

    Asyncio tasks that start inside the block carry them along; other tasks never see them.
    """
    with structlog.contextvars.bound_contextvars(**facts):
        yield


def get_logger(**bound: Any) -> structlog.typing.FilteringBoundLogger:
    """A logger with these keys on each of its lines."""
    return structlog.get_logger(**bound)  # type: ignore[no-any-return]


class _Unfailing:
    """A log line that can't be written (disk full, the supervisor that read it is gone) stops no work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def _hide_secrets(_: Any, __: str, event: Any) -> Any:
    for key in SECRET_KEYS & event.keys():
        event[key] = "<hidden>"
    return event


def _hide_controls(_: Any, __: str, event: Any) -> Any:
    """Prompts and errors come from others: none of it may steer the reader's terminal."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = "".join(c if c.isprintable() or c in "\n\r\t" else "\ufffd" for c in value)
    return event
