"""The wire to validators, against real sockets that misbehave."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import pytest
from peers import MINER, HeldClock, hang, key, neuron, pour, raw_peer, replying, reset, submission

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.mining.clock import Clock
from subnet17.mining.protocol import PullTask, submit_message
from subnet17.mining.transport import Reply, Transport
from subnet17.settings import NetworkTable
from tests.ports import reserve_port

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def make_transport(clock: Clock | None = None, *, timeout_s: float = 0.4) -> Transport:
    network = NetworkTable(pull_timeout_s=timeout_s, submit_timeout_s=timeout_s)
    return Transport(MINER, network, clock=clock or Clock())


async def pull_from(answer: Answer, *, timeout_s: float = 60.0) -> Reply[PullTask]:
    transport = make_transport(timeout_s=timeout_s)
    try:
        async with raw_peer(answer) as port:
            return await transport.pull(neuron(port))
    finally:
        await transport.aclose()


def as_json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


async def test_a_hanging_validator_is_left_after_the_timeout() -> None:
    with pytest.raises(PeerTimeoutError) as caught:
        await pull_from(hang, timeout_s=1.0)
    assert caught.value.detail["sent"] is True


async def test_a_dripping_validator_is_left_after_the_timeout() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    with pytest.raises(PeerTimeoutError):
        await pull_from(drip, timeout_s=0.3)


async def test_a_reset_is_ambiguous() -> None:
    with pytest.raises(PeerTimeoutError) as caught:
        await pull_from(reset)
    assert caught.value.detail == {"sent": True}


async def test_a_refused_connection_is_known_not_to_be_sent() -> None:
    transport = make_transport()
    with pytest.raises(PeerError) as caught:
        await transport.pull(neuron(reserve_port()))
    assert not isinstance(caught.value, PeerTimeoutError)
    assert caught.value.detail["sent"] is False
    await transport.aclose()


async def test_a_flood_is_cut_off_at_the_cap() -> None:
    with pytest.raises(PeerReplyError, match="more than"):
        await pull_from(pour)


async def test_a_large_picture_is_not_a_flood() -> None:
    task = {"type": "image", "id": "1", "prompt": "A" * 4_000_000}
    reply = await pull_from(replying(as_json(task=task)))
    assert reply.synapse.task is not None
    assert len(reply.synapse.task.prompt) == 4_000_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[1]",
        b"\xff\xfe",
        b'{"validation_threshold": NaN}',
        b'{"validation_threshold": -Infinity}',
        b'{"validation_threshold": 1e999}',
        b'{"cooldown_until": 1' + b"0" * 30 + b"}",
        b'{"cooldown_until": 1' + b"0" * 6000 + b"}",
        b'{"task": "do it"}',
        b'{"task": {"type": "text", "id": 5, "prompt": []}}',
        b'{"task": {"type": "text", "id": "1", "prompt": "half a pair: \\ud800"}}',
        b'{"task": {"type": "text", "id": "\\udfff", "prompt": "p"}}',
        b'{"validation_threshold": "NaN"}',
        b'{"validation_threshold": "-inf"}',
        b'{"cooldown_until": "1' + b"0" * 30 + b'"}',
        b'{"cooldown_until": 9223372036854775808}',
        b'{"cooldown_until": "soon"}',
        b"[" * 100_000,
        b'{"task":' * 100_000,
    ],
)
async def test_garbage_is_a_reply_error(body: bytes) -> None:
    with pytest.raises(PeerReplyError):
        await pull_from(replying(body))


async def test_a_compressed_reply_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    with pytest.raises(PeerReplyError, match="compressed"):
        await pull_from(replying(bomb, headers="content-encoding: gzip\r\n"))


@pytest.mark.parametrize("status", [301, 401, 403, 404, 500, 503])
async def test_an_http_error_keeps_its_status_and_message(status: int) -> None:
    body = as_json(message="no task\x1b[31m assigned" + " x" * 1000)
    with pytest.raises(PeerError) as caught:
        await pull_from(replying(body, status=f"{status} Nope"))
    assert caught.value.detail["status"] == status
    assert "no task[31m assigned" in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    "secret",
    ["0x" + "5e" * 64, base64.b64encode(bytes(range(64))).decode(), base64.b64encode(b"a" * 9000).decode()],
)
async def test_a_refusal_that_repeats_our_signature_or_result_hides_it(secret: str) -> None:
    body = as_json(message=f"Signature mismatch with 17.{MINER.ss58_address}: {secret}")
    with pytest.raises(PeerError) as caught:
        await pull_from(replying(body, status="401 Unauthorized"))
    assert secret[:20] not in str(caught.value.as_json())
    assert f"mismatch with 17.{MINER.ss58_address}: <hidden>" in caught.value.message


async def test_a_validators_versions_are_told() -> None:
    transport = make_transport(timeout_s=60.0)
    async with raw_peer(replying(as_json(version=7, validation_version="2.0.1", surprise=1))) as port:
        answer = (await transport.get_version(neuron(port))).synapse
    assert (answer.version, answer.validation_version) == (7, "2.0.1")
    await transport.aclose()


async def test_a_host_that_does_not_answer_is_left_before_the_call_ends() -> None:
    # Nothing answers in TEST-NET; where it can't even be routed, connecting fails at once.
    network = NetworkTable(connect_timeout_s=0.2, pull_timeout_s=30.0)
    transport = Transport(MINER, network)
    async with asyncio.timeout(10.0):
        with pytest.raises(PeerError) as caught:
            await transport.pull(neuron().model_copy(update={"ip": "192.0.2.1"}))
    assert caught.value.detail["sent"] is False
    await transport.aclose()


async def test_a_validator_that_reads_nothing_is_left_when_writing_stalls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def read_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.pause_reading()
        await asyncio.sleep(30)

    monkeypatch.setattr("subnet17.mining.transport.WRITE_STALL_S", 0.2)
    transport = make_transport(timeout_s=60.0)
    large = submission(results="A" * 2**24)
    async with raw_peer(read_nothing) as port, asyncio.timeout(60.0):
        with pytest.raises(PeerTimeoutError, match="WriteTimeout"):
            await transport.submit(neuron(port), large)
    await transport.aclose()


async def test_a_task_without_a_known_type_is_text_and_unknown_fields_are_ignored() -> None:
    body = as_json(task={"type": "video", "id": "1", "prompt": "p"}, surprise=1, axon={"port": "x"})
    reply = await pull_from(replying(body))
    assert reply.synapse.task is not None
    assert reply.synapse.task.type == "text"


@pytest.mark.parametrize("offset_s", [-3600, 0, 3600])
async def test_clock_skew_is_read_off_the_date_header(offset_s: int) -> None:
    before_s = time.time()
    date = formatdate(before_s + offset_s, usegmt=True)
    reply = await pull_from(replying(b"{}", headers=f"date: {date}\r\n"))
    took_s = time.time() - before_s
    assert reply.skew_s is not None
    assert offset_s - 1.0 - took_s <= reply.skew_s <= offset_s + took_s  # whole seconds, and as it was then


@pytest.mark.parametrize("header", ["", "date: yesterday\r\n", "date: Mon, 99 Foo 99999 99:99:99 GMT\r\n"])
async def test_no_usable_date_is_no_skew(header: str) -> None:
    assert (await pull_from(replying(b"{}", headers=header))).skew_s is None


async def sent_by(call: Callable[[Transport, int], Awaitable[Any]], transport: Transport) -> dict[str, Any]:
    """The headers and the JSON body that a call puts on the wire."""
    got: dict[str, Any] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        got["line"] = lines[0]
        got.update({k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:] if line)})
        got["json"] = json.loads(await reader.readexactly(int(got["content-length"])))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()

    async with raw_peer(answer) as port:
        await call(transport, port)
    return got


async def test_a_pull_is_signed_as_axons_expect_it() -> None:
    transport = make_transport(timeout_s=60.0)
    got = await sent_by(lambda t, port: t.pull(neuron(port)), transport)
    assert got["line"] == "POST /PullTask HTTP/1.1"
    assert got["name"] == "PullTask"
    assert float(got["timeout"]) == 60.0
    prefix = "bt_header_dendrite_"
    message = (
        f"{got[prefix + 'nonce']}.{MINER.ss58_address}.{neuron().hotkey}.{got[prefix + 'uuid']}."
        f"{got['computed_body_hash']}"
    )
    assert got[prefix + "hotkey"] == MINER.ss58_address
    assert MINER.verify(message, got[prefix + "signature"])
    assert got["bt_header_axon_hotkey"] == neuron().hotkey


async def test_a_submit_carries_the_declaration_signed_for_this_validator() -> None:
    transport = make_transport(timeout_s=60.0)
    parcel = submission()
    body = (await sent_by(lambda t, port: t.submit(neuron(port), parcel), transport))["json"]
    assert body["task_id"] == "task-1"
    assert body["results"] == parcel.results
    assert (body["data_format"], body["data_ver"], body["compression"]) == ("ply", 0, 2)
    message = submit_message(
        submit_time_ns=body["submit_time"],
        prompt="a red chair",
        validator_hotkey=key("Validator0").ss58_address,
        miner_hotkey=MINER.ss58_address,
    )
    assert MINER.verify(message, base64.b64decode(body["signature"]))


async def test_nonces_increase_even_when_the_clock_steps_back() -> None:
    clock = HeldClock()
    transport = make_transport(clock, timeout_s=60.0)
    nonces = []
    for step_s in (0.0, 0.0, -3600.0, 1.0, 7200.0):
        clock.now_s += step_s
        got = await sent_by(lambda t, port: t.pull(neuron(port)), transport)
        nonces.append(int(got["bt_header_dendrite_nonce"]))
    assert nonces == sorted(set(nonces))


async def test_a_repeated_submit_is_signed_afresh() -> None:
    transport = make_transport(timeout_s=60.0)
    bodies = [
        (await sent_by(lambda t, port: t.submit(neuron(port), submission()), transport))["json"]
        for _ in range(2)
    ]
    assert bodies[0]["results"] == bodies[1]["results"]
    assert bodies[0]["submit_time"] < bodies[1]["submit_time"]
    assert bodies[0]["signature"] != bodies[1]["signature"]


async def test_one_hanging_validator_does_not_delay_another() -> None:
    transport = make_transport(timeout_s=60.0)
    async with raw_peer(hang) as stuck, raw_peer(replying(b"{}")) as good:
        slow = asyncio.create_task(transport.pull(neuron(stuck)))
        for _ in range(20):
            await transport.pull(neuron(good))
        assert not slow.done()
        slow.cancel()
    await transport.aclose()
