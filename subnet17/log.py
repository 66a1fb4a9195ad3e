"""Structured logs on stderr, for people (console) or for machines (JSON)."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

SECRET_KEYS = frozenset({"api_key", "signature", "mnemonic", "seed_phrase", "password", "data", "results"})
"""Never printed: credentials, signatures and base64 payloads."""
WIRE_LOGGERS = ("httpcore", "httpx")
"""At debug they print whole replies' headers, and a validator's reply repeats our signature."""


def configure_logging(*, service: str, level: str = "info", form: str = "console") -> None:
    """Sets up structlog and the standard library's root logger once, at a process's start.

    Args:
        service: Bound to every line.
        level: debug, info, warning or error.
        form: "console" or "json".
    """
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
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING if level != "debug" else logging.DEBUG)
    for name in WIRE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


def get_logger(**bound: Any) -> structlog.typing.FilteringBoundLogger:
    """A logger with these keys on each of its lines."""
    return structlog.get_logger(**bound)  # type: ignore[no-any-return]


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
