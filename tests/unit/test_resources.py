"""What the machine is said to have left."""

from __future__ import annotations

import asyncio
import os
import struct
import threading
import time
from pathlib import Path
from typing import cast

import psutil
import pytest

from subnet17.gpu.monitor import GpuState
from subnet17.ops.resources import Machine, can_reach
from subnet17.ops.time_server import NTP_TO_UNIX_S, ask_skew, read_skew
from subnet17.settings import Settings
from tests.ports import reserve_port

CARD = GpuState(0, "card", 100, 75, 61, 99, power_w=210.5)


def settings(tmp_path: Path, **operations: object) -> Settings:
    folders = {"data_dir": str(tmp_path), "log_dir": str(tmp_path / "not" / "made")}
    return Settings.model_validate({"operations": folders | operations})


def values(machine: Machine) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in machine.read_local()}


def test_processor_memory_and_disk_are_this_machines(tmp_path: Path) -> None:
    read = values(Machine(settings(tmp_path), gpus=list))
    free = psutil.disk_usage(str(tmp_path)).free
    assert read["disk_free_bytes"] == pytest.approx(free, rel=0.2)
    assert 0 < (read["memory_percent"] or 0) <= 100
    assert "gpus_lost" not in read


def test_each_gpu_has_its_measures_and_one_that_goes_is_missed(tmp_path: Path) -> None:
    gpus = [[CARD, CARD], [CARD]]
    machine = Machine(settings(tmp_path), gpus=lambda: gpus.pop(0))
    first = values(machine)
    assert (first["vram_percent"], first["gpu_temperature_deg_c"], first["gpu_power_w"]) == (75, 61, 210.5)
    assert first["gpus_lost"] == 0
    assert values(machine)["gpus_lost"] == 1


def test_a_disk_that_cannot_be_asked_is_unknown_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise OSError("gone")

    monkeypatch.setattr(psutil, "disk_usage", fail)
    assert values(Machine(settings(tmp_path), gpus=list))["disk_free_bytes"] is None


async def test_the_network_is_there_when_one_host_answers() -> None:
    dead = f"127.0.0.1:{reserve_port()}"
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    alive = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        assert await can_reach([dead, alive])
    assert not await can_reach([dead])
    assert not await can_reach(["127.0.0.1:99999", f"{'x' * 64}.example:80"])


async def test_the_network_is_asked_now_and_then_only(tmp_path: Path) -> None:
    asked, now_s = [], [0.0]

    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    given = settings(tmp_path, network_check_hosts=[host], time_server="")
    machine = Machine(given, gpus=list, clock=lambda: now_s[0])
    async with server:
        for now_s[0] in (0.0, 15.0, 59.0, 61.0):
            read = {measure.name: measure.value for measure in await machine.read()}
            assert read["network_reachable"] == 1
    assert len(asked) == 2


async def test_on_a_local_subnet_nobody_outside_is_asked(tmp_path: Path) -> None:
    read = {m.name: m.value for m in await Machine(settings(tmp_path), local=True, gpus=list).read()}
    assert read.keys() == {"cpu_percent", "memory_percent", "disk_free_bytes"}
    assert 0 <= (read["cpu_percent"] or 0) <= 100


async def test_how_busy_it_was_is_counted_from_look_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    monkeypatch.setattr(psutil, "cpu_percent", lambda: threads.add(threading.get_ident()) or 50.0)
    machine = Machine(settings(tmp_path), local=True, gpus=list)
    for _ in range(3):
        await machine.read()
    assert threads == {threading.get_ident()}  # psutil measures since the last call of the same thread


class TimeServer(asyncio.DatagramProtocol):
    """Answers as a time server whose clock is `ahead_s` ahead of ours."""

    def __init__(self, ahead_s: float, stratum: int = 2) -> None:
        self.ahead_s, self.stratum = ahead_s, stratum

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now = int((time.time() + self.ahead_s + NTP_TO_UNIX_S) * 2**32)
        head = bytes([0x24, self.stratum]) + bytes(22)
        self.transport.sendto(head + data[40:48] + struct.pack("!QQ", now, now), addr)


async def ask(server: TimeServer) -> float:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        return await asyncio.to_thread(ask_skew, f"127.0.0.1:{port}", 60.0)
    finally:
        transport.close()


@pytest.mark.parametrize("ahead_s", [-5.0, 0.0, 120.0])
async def test_a_time_server_tells_how_far_our_clock_is_off(ahead_s: float) -> None:
    assert await ask(TimeServer(ahead_s)) == pytest.approx(ahead_s, abs=2.0)


async def test_a_time_server_that_does_not_know_the_time_is_not_believed() -> None:
    with pytest.raises(OSError, match="does not know"):
        await ask(TimeServer(0.0, stratum=16))


@pytest.mark.parametrize("server", ["127.0.0.1:99999", "127.0.0.1:ntp", "no.such.name.invalid"])
def test_an_address_that_cannot_be_asked_is_no_answer(server: str) -> None:
    with pytest.raises(OSError):
        ask_skew(server, 0.1)


@pytest.mark.parametrize("reply", [b"", b"x" * 47, bytes(48), b"\x24\x02" + bytes(46)])
def test_other_replies_are_refused(reply: bytes) -> None:
    with pytest.raises(OSError, match="time server"):
        read_skew(reply, os.urandom(8), sent_s=0, received_s=0)


def test_seconds_after_2036_are_read_in_the_new_era() -> None:
    sent_s = 2_100_000_000.0  # July 2036
    stamp = int((sent_s + NTP_TO_UNIX_S - 2**32) * 2**32)
    nonce = bytes(range(8))
    reply = b"\x24\x02" + bytes(22) + nonce + struct.pack("!QQ", stamp, stamp)
    assert read_skew(reply, nonce, sent_s=sent_s, received_s=sent_s) == pytest.approx(0, abs=1e-3)
