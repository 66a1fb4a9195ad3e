"""A machine that runs short is told of, and the miner asked to hold back for as long as it lasts."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from subnet17.mining.hold import Hold
from subnet17.mining.metrics import Metrics
from subnet17.mining.status import create_app
from subnet17.ops.limits import Relief
from subnet17.ops.miner_hold import MinerHold
from subnet17.ops.monitor import HOLD_LOOKS, MachineLook, Monitor, read_last_look
from subnet17.ops.resources import Measure
from subnet17.settings import PROJECT_ROOT, Settings
from tests.peers import app_peer


class Page:
    """The miner's page: keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.status = 200
        self.port = 0
        self.heard = asyncio.Event()
        self.folder = Path()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length:")[1].split()[0])
                body = json.loads(await reader.readexactly(length))
                self.asked.append((head.split()[1], body | {"key": "x-api-key: k" in head.lower()}))
                self.heard.set()
                writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        writer.close()


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    page = Page()
    page.folder = tmp_path
    server = await asyncio.start_server(page.answer, "127.0.0.1", 0)
    page.port = server.sockets[0].getsockname()[1]
    yield page
    server.close()


class Sick:
    """A machine whose free disk is set by the test."""

    def __init__(self) -> None:
        self.free_bytes: float | None = 50e9
        self.broken = False

    def follow(self, settings: Settings) -> None:
        pass

    async def read(self) -> list[Measure]:
        if self.broken:
            raise RuntimeError("broken")
        return [Measure("disk_free_bytes", "/", self.free_bytes)]


def monitor_of(page: Page, machine: Sick, **operations: object) -> Monitor:
    given = {"alert_hold_s": 0, "resources_interval_s": 0.01, "data_dir": str(page.folder)} | operations
    tables = {"miner": {"port": page.port, "api_key": "k"}, "operations": given}
    return Monitor(Settings.model_validate(tables), machine=machine)


async def test_a_full_disk_holds_the_miner_until_there_is_room(page: Page) -> None:
    machine = Sick()
    monitor = monitor_of(page, machine)
    await monitor.sample()
    assert page.asked == []
    machine.free_bytes = 9e9
    assert {alert.name for alert in await monitor.sample()} == {"disk is full", "disk is running full"}
    assert await monitor.sample() == []
    (path, first), (_, second) = page.asked
    assert (path, first["tasks_at_once"], first["by"], first["key"]) == ("/hold/", 0, "resources", True)
    assert first["for_s"] > HOLD_LOOKS * 0.01  # type: ignore[operator]
    assert second == first
    look = read_last_look(Settings.model_validate({"operations": {"data_dir": str(page.folder)}}))
    assert look is not None
    assert look.relief == "no_new_tasks"
    assert look.alerts[0].startswith("disk is running full on /: disk_free_bytes is 9 GB")
    assert [measure.text for measure in look.measures] == ["disk free 9 GB on /"]
    machine.free_bytes = 12e9  # above the floor, below the early warning
    assert [alert.event for alert in await monitor.sample()] == ["over"]
    assert page.asked[-1][0] == "/resume/"
    await monitor.sample()
    assert len(page.asked) == 3


async def test_a_miner_that_did_not_hear_is_told_again(page: Page) -> None:
    machine = Sick()
    monitor = monitor_of(page, machine)
    machine.free_bytes, page.status = 1e9, 503
    await monitor.sample()
    page.status = 200
    await monitor.sample()
    machine.free_bytes, page.status = 50e9, 503
    await monitor.sample()
    page.status = 200
    await monitor.sample()
    await monitor.sample()
    assert [path for path, _ in page.asked] == ["/hold/", "/hold/", "/resume/", "/resume/"]


def test_a_look_of_long_ago_tells_nothing_of_now(tmp_path: Path) -> None:
    settings = Settings.model_validate({"operations": {"data_dir": str(tmp_path)}})
    assert read_last_look(settings) is None
    path = tmp_path / "orchestrator" / "machine.json"
    path.parent.mkdir()
    look = MachineLook(at_unix_s=time.time(), measures=[], alerts=[], relief="none", next_within_s=60)
    path.write_text(look.model_dump_json())
    assert read_last_look(settings) == look
    path.write_text(look.model_copy(update={"at_unix_s": time.time() - 61}).model_dump_json())
    assert read_last_look(settings) is None
    path.write_text("{")
    assert read_last_look(settings) is None


async def test_a_look_that_fails_ends_nothing(page: Page) -> None:
    machine = Sick()
    monitor = monitor_of(page, machine)
    machine.broken = True
    running = asyncio.create_task(monitor.run())
    await asyncio.sleep(0.05)
    machine.broken, machine.free_bytes = False, 1e9
    async with asyncio.timeout(60):
        await page.heard.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert page.asked[0][0] == "/hold/"


class Miner:
    """As much of a miner as its page shows."""

    def __init__(self) -> None:
        self.hold = Hold()
        self.metrics = Metrics()
        self.stopping = asyncio.Event()
        self.is_connected = True

    @property
    def reason_not_pulling(self) -> str:
        return self.hold.reason_not_to_pull

    def as_json(self) -> dict[str, object]:
        return {}


async def test_the_miners_own_page_does_what_it_is_asked() -> None:
    miner = Miner()
    async with app_peer(create_app(miner, api_key="k")) as port:
        settings = Settings.model_validate({"miner": {"port": port, "api_key": "k"}})
        asked = MinerHold(settings, hold_for_s=60)
        assert await asked.ask(Relief.NO_NEW_TASKS, "disk is full" + "!" * 1000)
        assert miner.reason_not_pulling.startswith("held by resources: disk is full!")
        assert await asked.ask(Relief.LESS_AT_ONCE, "GPU is hot")
        assert miner.hold.tasks_at_once == 1
        assert await asked.ask(Relief.NONE, "")
        assert miner.hold.as_json() == []
        await asked.aclose()


async def test_a_miner_that_was_started_elsewhere_is_found(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = MinerHold(Settings.model_validate({"miner": {"port": 9}}), hold_for_s=60)
    monkeypatch.setenv("S17_MINER__PORT", str(page.port))  # as a changed file would
    monkeypatch.setenv("S17_MINER__API_KEY", "k")
    assert not await asked.ask(Relief.NO_NEW_TASKS, "disk is full")
    assert await asked.ask(Relief.NO_NEW_TASKS, "disk is full")
    assert page.asked[-1][1]["key"]
    await asked.aclose()


async def test_the_watch_ends_well_when_told_to(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("S17_")} | {
        "S17_OPERATIONS__DATA_DIR": str(tmp_path),
        "S17_OPERATIONS__NETWORK_CHECK_HOSTS": "",
        "S17_OPERATIONS__TIME_SERVER": "",
        "S17_OPERATIONS__ALERT_HOLD_S": "0",
        "S17_OPERATIONS__MAX_MEMORY_PERCENT": "0.001",
        "S17_OPERATIONS__MAX_CPU_PERCENT": "100",
        "S17_OPERATIONS__MIN_FREE_DISK_BYTES": "0",  # whatever else the disk is filled with
        "S17_OPERATIONS__LOG_FORMAT": "json",
        "S17_MINER__PORT": "9",
    }
    watch = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "subnet17.ops.watch", env=env, cwd=PROJECT_ROOT, stderr=asyncio.subprocess.PIPE
    )
    assert watch.stderr is not None
    async with asyncio.timeout(60):
        line = json.loads(await watch.stderr.readline())
        watch.terminate()
        assert await watch.wait() == 0
    assert line["event"].startswith("memory is short: memory_percent is ")
