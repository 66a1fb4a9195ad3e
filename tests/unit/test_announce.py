"""Alerts reach a webhook and a command, and never hold anybody up."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from subnet17.ops import announce
from subnet17.ops.announce import Announcer, run_command
from subnet17.ops.limits import Alert, Relief

ALERT = Alert("raised", "disk is full", "/data", "disk_free_bytes", 9e9, 10e9, Relief.NO_NEW_TASKS, 0.0)


class Hook:
    """A webhook that answers each request with the next of its statuses; the last one stays."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[dict[str, object]] = []
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/secret-token"
        async with server:
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split()[0])
        self.bodies.append(json.loads(await reader.readexactly(length)))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


async def tell(hook: Hook, *alerts: Alert) -> tuple[Announcer, list[float]]:
    """Tells alerts; gives back the announcer and the pauses it made between its tries."""
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    async with hook.serving():
        announcer = Announcer(webhook_url=hook.url, sleep=sleep)
        running = asyncio.create_task(announcer.run())
        for alert in alerts:
            announcer.tell(alert)
        await announcer.flush(10)
        running.cancel()
    return announcer, pauses


async def test_a_webhook_gets_the_facts_and_a_line_for_a_person() -> None:
    hook = Hook(204)
    announcer, pauses = await tell(hook, ALERT)
    [body] = hook.bodies
    assert (body["event"], body["name"], body["subject"], body["value"]) == (
        "raised",
        "disk is full",
        "/data",
        9e9,
    )
    assert str(body["text"]).endswith(ALERT.message)
    assert body["content"] == body["text"]
    assert (announcer.dropped, pauses) == (0, [])


async def test_a_webhook_in_trouble_is_tried_again_with_growing_pauses() -> None:
    hook = Hook(503, 429, 200)
    announcer, pauses = await tell(hook, ALERT)
    assert (len(hook.bodies), announcer.dropped, pauses) == (3, 0, [1.0, 2.0])


async def test_tries_are_bounded_and_the_next_alert_gets_its_own() -> None:
    hook = Hook(500)
    announcer, _ = await tell(hook, ALERT, ALERT)
    assert (len(hook.bodies), announcer.dropped) == (6, 2)


async def test_what_a_webhook_refuses_is_not_repeated_and_its_address_not_logged() -> None:
    hook = Hook(404)
    with structlog.testing.capture_logs() as lines:
        announcer, _ = await tell(hook, ALERT)
    assert (len(hook.bodies), announcer.dropped) == (1, 1)
    assert "secret-token" not in json.dumps(lines)
    assert any(line.get("reason") == "status 404" for line in lines)


async def test_a_flood_of_alerts_waits_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    announcer = Announcer(webhook_url="http://127.0.0.1:9/")
    for _ in range(announce.WAITING + 5):  # nobody passes them on
        announcer.tell(ALERT)
    assert announcer.dropped == 5


async def test_the_command_gets_the_facts_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    said = tmp_path / "said.json"
    program = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    assert await run_command([sys.executable, "-c", program, str(said)], ALERT)
    env = json.loads(said.read_text())
    assert env["ALERT_NAME"] == "disk is full"
    assert env["ALERT_EVENT"] == "raised"
    assert env["ALERT_VALUE"] == "9000000000.0"
    assert env["ALERT_MESSAGE"] == ALERT.message
    assert "HF_TOKEN" not in env


async def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "lives"
    script = f"(while true; do date +%N > {mark}; sleep 0.05; done) & sleep 60"
    begun_s = time.monotonic()
    assert not await run_command(["sh", "-c", script], ALERT, timeout_s=3.0)  # by then it lives
    assert time.monotonic() - begun_s < 30
    last = mark.read_text()
    await asyncio.sleep(0.3)
    assert mark.read_text() == last


@pytest.mark.parametrize("command", [["/no/such/program"], ["sh", "-c", "exit 3"]])
async def test_a_command_that_fails_is_logged(command: list[str]) -> None:
    with structlog.testing.capture_logs() as lines:
        assert not await run_command(command, ALERT)
    assert [line["log_level"] for line in lines] == ["warning"]
