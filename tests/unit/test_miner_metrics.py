"""The miner's figures and its status page."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from subnet17.errors import ConfigError
from subnet17.mining.feedback import Verdict
from subnet17.mining.hold import Hold
from subnet17.mining.metrics import Metrics
from subnet17.mining.status import create_app, serve_status
from subnet17.serving import connections
from subnet17.settings import MinerTable
from tests.ports import reserve_port


class Idle:
    """A miner that only reports."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.hold = Hold()
        self.stopping = asyncio.Event()
        self.is_connected = True
        self.reason_not_pulling = ""

    def as_json(self) -> dict[str, Any]:
        return {"metrics": self.metrics.as_json()}


def client(miner: Idle, api_key: str = "") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(miner, api_key=api_key))
    return httpx.AsyncClient(transport=transport, base_url="http://miner")


def test_figures_start_at_zero_without_dividing_by_it() -> None:
    assert set(Metrics().as_json().values()) == {0}


def test_figures_follow_what_happened() -> None:
    metrics = Metrics()
    for seconds in (2.0, 4.0, 6.0):
        metrics.generated(seconds)
    metrics.generation_failed()
    metrics.scored(0.6)
    metrics.scored(0.8)
    metrics.judged(Verdict.ACCEPTED, skip=False, reward=12.0)
    metrics.judged(Verdict.SKIP_OR_DUPLICATE, skip=True, reward=None)
    metrics.judged(Verdict.IGNORED_KEEP, skip=False, reward=13.0)
    figures = metrics.as_json()
    assert figures["generation_success_rate"] == 0.75
    assert figures["average_generation_s"] == 4.0
    assert figures["average_local_score"] == pytest.approx(0.7)
    assert figures["last_reward"] == 12.0
    assert (figures["tasks_processed"], figures["accepted"], figures["skipped"]) == (2, 1, 1)


async def test_the_page_shows_the_same_figures_to_people_and_to_prometheus() -> None:
    miner = Idle()
    miner.metrics.generated(3.0)
    async with client(miner) as http:
        assert (await http.get("/status/")).json()["metrics"]["average_generation_s"] == 3.0
        text = (await http.get("/metrics")).text
    assert "miner_generation_seconds 3.0" in text
    assert 'miner_events_total{event="generated"} 1.0' in text


async def test_waiting_for_a_server_is_healthy_a_missing_chain_is_not() -> None:
    miner = Idle()
    miner.reason_not_pulling = "generation server: down"
    async with client(miner) as http:
        reply = await http.get("/health/")
        assert (reply.status_code, reply.json()["reason"]) == (200, "generation server: down")
        miner.is_connected = False
        assert (await http.get("/health/")).status_code == 503


async def test_with_an_api_key_only_health_is_open() -> None:
    async with client(Idle(), api_key="k") as http:
        assert (await http.get("/health/")).status_code == 200
        assert (await http.get("/status/")).status_code == 401
        assert (await http.get("/metrics", headers={"X-API-Key": "no"})).json()["error"][
            "code"
        ] == "unauthorized"
        assert (await http.get("/status/", headers={"X-API-Key": "k"})).status_code == 200


async def test_a_taken_port_is_a_mistake_in_the_settings() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=str(port)):
            async with serve_status(Idle(), MinerTable(port=port)):
                pass


async def test_an_open_host_needs_an_api_key() -> None:
    with pytest.raises(ConfigError, match="api_key"):
        async with serve_status(Idle(), MinerTable(host="192.0.2.1")):
            pass


async def test_others_can_hold_the_miner_back_for_a_while_and_let_it_go_on() -> None:
    miner = Idle()
    async with client(miner) as http:
        body = {"by": "monitor", "tasks_at_once": 0, "reason": "the disk is full", "for_s": 60}
        assert (await http.post("/hold/", json=body)).json() == {"held": True}
        assert miner.hold.reason_not_to_pull == "held by monitor: the disk is full"
        assert (await http.post("/resume/", json={"by": "monitor"})).json() == {"ended": True}
        assert miner.hold.reason_not_to_pull == ""
        assert (await http.post("/hold/", json=body | {"for_s": 0})).status_code == 400


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"by": "me", "for_s": NaN}', "for_s: Input should be a finite number"),
        ('{"by": "me", "for_s": Infinity}', "for_s"),
        ('{"by": "me", "for_s": 1e999}', "for_s"),
        ('{"by": "me", "tasks_at_once": NaN, "for_s": 1}', "tasks_at_once"),
        ('{"by": "me"}', "for_s"),
        ('{"by": "me", "for_s": 1, "extra": 1}', "extra"),
        ("{", "JSON"),
        ("[" * 10_000, "body"),
    ],
)
async def test_a_hold_that_can_not_be_read_is_refused_as_the_servers_refuse(body: str, named: str) -> None:
    miner = Idle()
    async with client(miner) as http:
        reply = await http.post("/hold/", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["code"] == "invalid_input"
    assert named in error["message"]
    assert miner.hold.as_json() == []


async def test_a_large_body_is_refused_with_its_size_told_or_not() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3000):
            yield b" " * 1000

    async with client(Idle()) as http:
        for content in (b" " * 3_000_000, pieces()):
            reply = await http.post("/hold/", content=content, headers={"Content-Type": "application/json"})
            assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("start", [b"", b"GET /health/ HTTP/1.1\r\n"])
async def test_a_connection_whose_headers_do_not_end_is_closed(
    monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(connections, "HEADER_TIMEOUT_S", 0.2)
    port = reserve_port()
    async with serve_status(Idle(), MinerTable(port=port)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(start)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()


async def test_what_the_page_does_not_have_is_refused_as_the_servers_refuse() -> None:
    async with client(Idle()) as http:
        assert (await http.get("/none/")).json()["error"]["code"] == "not_found"
        assert (await http.get("/hold/")).json()["error"]["code"] == "method_not_allowed"


async def test_holding_needs_the_api_key() -> None:
    async with client(Idle(), api_key="k") as http:
        assert (await http.post("/hold/", json={"by": "x", "for_s": 1})).status_code == 401
        assert (await http.post("/resume/", json={"by": "x"})).status_code == 401
