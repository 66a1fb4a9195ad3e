"""The simulation's door: it lets in what a real axon lets in, and counts what it refuses."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import bittensor as bt
import httpx
import pytest
from peers import MINER, HeldClock, key, neuron, submission

from subnet17.errors import PeerError
from subnet17.localnet.simulate.door import Door, RefusedError
from subnet17.localnet.simulate.wire import Wire, reply
from subnet17.mining.protocol import PullTask, SubmitResults
from subnet17.mining.transport import Transport
from subnet17.settings import NetworkTable

NOW_S = 1_700_000_000.0
VALIDATOR = key("Validator0")
CALL_S = 12.0


async def request_of(at_s: float, *, submit: bool = False) -> httpx.Request:
    """What the real transport sends at a time."""
    sent: list[httpx.Request] = []

    async def host(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return reply(b"{}")

    client = httpx.AsyncClient(transport=Wire({neuron().address: host}))
    transport = Transport(MINER, NetworkTable(pull_timeout_s=CALL_S), clock=HeldClock(at_s), client=client)
    await (transport.submit(neuron(), submission()) if submit else transport.pull(neuron()))
    await client.aclose()
    return sent[0]


def resent(request: httpx.Request, **headers: str) -> httpx.Request:
    """The same request with other dendrite fields."""
    changed = {f"bt_header_dendrite_{name}": value for name, value in headers.items()}
    return httpx.Request(
        "POST", request.url, headers={**dict(request.headers), **changed}, content=request.content
    )


def axon_says(requests: list[httpx.Request], monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Which of these a real axon's check lets in, one after the other."""
    monkeypatch.setattr("bittensor.core.axon.time.time_ns", lambda: int(NOW_S * 1e9))
    axon: Any = SimpleNamespace(wallet=SimpleNamespace(hotkey=VALIDATOR), nonces={})

    def check(request: httpx.Request) -> bool:
        try:
            asyncio.run(bt.Axon.default_verify(axon, PullTask.from_headers(dict(request.headers))))
        except Exception:
            return False
        return True

    return [check(request) for request in requests]


def door_says(requests: list[httpx.Request], door: Door) -> list[bool]:
    def check(request: httpx.Request) -> bool:
        try:
            door.admit(PullTask, request, refuse=lambda _: None)
        except RefusedError:
            return False
        return True

    return [check(request) for request in requests]


@pytest.mark.parametrize("age_s", [-3600.0, 0.0, 15.9, 16.1, 3600.0])
def test_a_first_nonce_may_be_as_old_as_a_real_axon_allows(age_s: float, monkeypatch: Any) -> None:
    request = asyncio.run(request_of(NOW_S - age_s))
    door = Door(VALIDATOR.ss58_address, lambda: NOW_S)
    assert door_says([request], door) == axon_says([request], monkeypatch) == [age_s < 4.0 + CALL_S]
    assert door.refused["nonce age"] == (age_s >= 4.0 + CALL_S)


def test_what_is_forged_or_repeated_is_refused_as_by_a_real_axon(monkeypatch: Any) -> None:
    good, later = asyncio.run(request_of(NOW_S)), asyncio.run(request_of(NOW_S + 1))
    same_line = good.headers["bt_header_dendrite_uuid"]
    requests = [
        good,
        good,  # a replay
        resent(later, uuid=same_line),  # not what was signed
        resent(good, nonce=str(int(NOW_S * 1e9) + 5)),
        resent(later, hotkey=key("Other").ss58_address),
        resent(later, signature="0x00"),
        resent(later, signature="no hex"),
        later,
    ]
    door = Door(VALIDATOR.ss58_address, lambda: NOW_S)
    expected = [True, False, False, False, False, False, False, True]
    assert door_says(requests, door) == axon_says(requests, monkeypatch) == expected
    assert door.refused == {"nonce order": 1, "signature": 5}


def test_a_restarted_door_forgets_nonces_and_takes_fresh_ones_only() -> None:
    request = asyncio.run(request_of(NOW_S))
    now_s = NOW_S
    door = Door(VALIDATOR.ss58_address, lambda: now_s)
    assert door_says([request], door) == [True]
    door.forget()
    now_s += 60.0
    assert door_says([request], door) == [False]


def test_a_hotkey_that_is_not_served_is_turned_away_before_its_signature_is_looked_at() -> None:
    request = resent(asyncio.run(request_of(NOW_S, submit=True)), signature="0x00")
    door = Door(VALIDATOR.ss58_address, lambda: NOW_S)
    with pytest.raises(RefusedError, match="no task") as refused:
        door.admit(SubmitResults, request, refuse=lambda _: "no task")
    assert refused.value.status == 403
    assert not door.refused


async def test_nobody_listens_where_the_wire_has_no_host() -> None:
    transport = Transport(MINER, NetworkTable(), client=httpx.AsyncClient(transport=Wire({})))
    with pytest.raises(PeerError, match="nobody listens") as failed:
        await transport.pull(neuron())
    assert failed.value.detail["sent"] is False
