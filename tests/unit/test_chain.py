"""Where validators are found."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from peers import key, neuron

from subnet17.errors import ConfigError, PeerError
from subnet17.mining.chain import BittensorChain, StaticChain, neurons_of, open_chain, select_validators
from subnet17.settings import NetworkTable

NOWHERE = "0.0.0.0"  # noqa: S104 - what the chain says of neurons that do not serve


def entry(**changes: Any) -> dict[str, Any]:
    facts = {"uid": 0, "hotkey": "5A", "ip": "127.0.0.1", "port": 8091, "stake": 10000, "is_serving": True}
    return facts | changes


def write(path: Path, entries: object) -> Path:
    path.write_text(json.dumps(entries))
    return path


async def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "n.json", [entry()])
    chain = StaticChain(path)
    assert len(await chain.read()) == 1
    write(path, [entry(), entry(uid=1, hotkey="5B")])
    assert [n.uid for n in await chain.read()] == [0, 1]


@pytest.mark.parametrize("broken", ["", "{", '[{"uid": -1}]', '{"uid": 0}', "[" * 100_000, None])
async def test_a_broken_or_missing_file_keeps_the_last_good_one(tmp_path: Path, broken: str | None) -> None:
    path = write(tmp_path / "n.json", [entry()])
    chain = StaticChain(path)
    path.write_text(broken) if broken is not None else path.unlink()
    assert [n.hotkey for n in await chain.read()] == ["5A"]
    write(path, [entry(hotkey="5C")])
    assert [n.hotkey for n in await chain.read()] == ["5C"]


@pytest.mark.parametrize("content", ["nonsense", '[{"hotkey": "5A"}]', '[{"stake": NaN}]'])
def test_a_broken_file_at_the_start_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "n.json"
    path.write_text(content)
    with pytest.raises(ConfigError):
        StaticChain(path)


def test_a_missing_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        StaticChain(tmp_path / "n.json")


async def test_public_is_any_address_that_is_not_loopback(tmp_path: Path) -> None:
    path = write(tmp_path / "n.json", [entry(), entry(hotkey="5B", ip="::1")])
    chain = StaticChain(path)
    assert not chain.is_public
    write(path, [entry(), entry(ip="10.0.0.5", hotkey="5B")])
    await chain.read()
    assert chain.is_public


async def test_a_development_key_keeps_other_machines_out_for_good(tmp_path: Path) -> None:
    path = write(tmp_path / "n.json", [entry()])
    chain = StaticChain(path, loopback_only=True)
    write(path, [entry(ip="93.184.216.34")])
    assert [n.ip for n in await chain.read()] == ["127.0.0.1"]
    with pytest.raises(ConfigError, match="development key"):
        StaticChain(path, loopback_only=True)


def test_absence_from_a_static_list_proves_nothing(tmp_path: Path) -> None:
    chain = StaticChain(write(tmp_path / "n.json", [entry()]))
    assert chain.is_registered("5A") is True
    assert chain.is_registered("5Z") is None


def test_validators_serve_have_stake_a_sane_address_and_are_not_us() -> None:
    good = neuron()
    neurons = (
        good,
        neuron(name="V1", stake=999.0),
        neuron(name="V2").model_copy(update={"is_serving": False}),
        neuron(name="V3").model_copy(update={"ip": NOWHERE}),
        neuron(name="V4").model_copy(update={"ip": "validator.example"}),
        neuron(name="V5", port=0),
        neuron(name="V6", port=70_000),
        neuron(name="V7").model_copy(update={"ip": "224.0.0.1"}),
        neuron(name="Miner"),
    )
    own = key("Miner").ss58_address
    assert select_validators(neurons, own_hotkey=own, min_stake=1000.0) == (good,)


@dataclass
class Axon:
    ip: str
    port: int

    @property
    def is_serving(self) -> bool:
        return self.ip != NOWHERE


def metagraph() -> SimpleNamespace:
    return SimpleNamespace(
        uids=np.arange(4),
        hotkeys=["5A", "5B", "5C", ""],
        S=np.array([5000.0, 0.0, 2000.0, np.nan], np.float32),
        axons=[Axon("93.184.216.34", 8091), Axon(NOWHERE, 0), Axon("192.168.0.1", 80), Axon("x", 1)],
    )


def test_a_metagraph_becomes_neurons_and_odd_ones_are_left_out() -> None:
    neurons = neurons_of(metagraph())
    assert [n.hotkey for n in neurons] == ["5A", "5B", "5C"]
    assert neurons[0].stake == 5000.0
    assert [n.is_serving for n in neurons] == [True, False, True]


async def test_the_chain_cannot_steer_requests_into_a_private_network() -> None:
    chain = BittensorChain(NetworkTable(), fetch=metagraph)
    assert [n.hotkey for n in await chain.read()] == ["5A", "5B"]
    local = BittensorChain(NetworkTable(subtensor_network="local"), fetch=metagraph)
    assert [n.hotkey for n in await local.read()] == ["5A", "5B", "5C"]


async def test_registration_is_told_by_the_metagraph() -> None:
    chain = BittensorChain(NetworkTable(), fetch=metagraph)
    assert chain.is_registered("5A") is None
    await chain.read()
    assert chain.is_registered("5A") is True
    assert chain.is_registered("5Z") is False


async def test_a_failing_chain_keeps_the_last_neurons() -> None:
    answers: list[Any] = [OSError("no route"), metagraph(), ValueError("bad block")]

    def fetch() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    chain = BittensorChain(NetworkTable(), fetch=fetch)
    with pytest.raises(PeerError, match="no route"):
        await chain.read()
    first = await chain.read()
    assert await chain.read() == first


async def test_a_stuck_chain_is_left_and_not_asked_twice_at_a_time() -> None:
    release, calls = threading.Event(), []

    def fetch() -> Any:
        calls.append(1)
        release.wait(5)
        return metagraph()

    chain = BittensorChain(NetworkTable(), fetch=fetch, timeout_s=0.05)
    for _ in range(3):
        with pytest.raises(PeerError):
            await chain.read()
    assert len(calls) == 1
    release.set()


def test_an_unknown_chain_is_named() -> None:
    with pytest.raises(ConfigError, match="static:FILE"):
        open_chain(NetworkTable(chain="ethereum"))
