"""What the logs show, and what they never do."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from subnet17.log import LogStyle, about, configure_logging, get_logger, log_style


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leaves the logging of the other tests as it was."""
    root, wire = logging.getLogger(), [logging.getLogger(name) for name in ("httpcore", "httpx")]
    handlers, levels = root.handlers[:], [logger.level for logger in (root, *wire)]
    yield
    root.handlers[:] = handlers
    for logger, level in zip((root, *wire), levels, strict=True):
        logger.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_secrets_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="test", form="json")
    get_logger().info("asked", api_key="k3y", signature="0xabc", task="t-1")
    line = json.loads(capsys.readouterr().err)
    assert (line["api_key"], line["signature"], line["task"]) == ("<hidden>", "<hidden>", "t-1")
    assert line["service"] == "test"


def test_a_prompt_cannot_steer_the_terminal_or_fake_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="test")
    get_logger().info("task", task="a\x1b[2Jb", prompt="one\ntwo \x1b[31m \u202e")
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert "\x1b" not in written
    assert "\u202e" not in written


def test_debug_does_not_print_the_wire_where_signatures_are(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="test", level="debug")
    logging.getLogger("httpcore.http11").debug("receive_response_headers.complete 0xsigned")
    logging.getLogger("other").debug("heard")
    written = capsys.readouterr().err
    assert "heard" in written
    assert "0xsigned" not in written


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_local_variables(capsys: pytest.CaptureFixture[str], form: str) -> None:
    configure_logging(service="test", form=form)
    secret = "-".join(["held", "in", "a", "local"])
    try:
        int(secret[:0])
    except ValueError:
        get_logger().exception("broke")
    written = capsys.readouterr().err
    assert "ValueError" in written
    assert secret not in written


async def test_each_task_logs_under_its_own_name(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="test", form="json")

    async def work(task: str) -> None:
        with about(task=task, validator=7):
            await asyncio.sleep(0)
            get_logger().info("worked", named=task)

    await asyncio.gather(work("a"), work("b"))
    get_logger().info("idle")
    *worked, idle = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["task"], line["validator"]) for line in worked] == [("a", 7), ("b", 7)]
    assert all(line["task"] == line["named"] for line in worked)
    assert "task" not in idle


class _Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "disk full")


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_line_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(sys, "stderr", _Full())
    configure_logging(service="test", form=form)
    get_logger().info("one")
    logging.getLogger("library").warning("two")


def test_worker_processes_are_told_how_their_server_logs() -> None:
    configure_logging(service="test", level="debug", form="json")
    assert log_style() == LogStyle("debug", "json")
