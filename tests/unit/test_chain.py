"""Where validators are found."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import structlog
from bittensor.core import settings as bt_settings
from bittensor.core.chain_data.metagraph_info import MetagraphInfo, MetagraphInfoParams
from peers import key, neuron

from subnet17.errors import ConfigError, PeerError
from subnet17.mining.chain import NETWORKS, StaticChain, open_chain, select_validators
from subnet17.mining.metagraph import BittensorChain, facts_of, neurons_of
from subnet17.mining.patience import MAX_STUCK
from subnet17.settings import NetworkTable

NOWHERE = "0.0.0.0"  # noqa: S104 - what the chain says of neurons that do not serve


def entry(**changes: Any) -> dict[str, Any]:
    facts = {"uid": 0, "hotkey": "5A", "ip": "127.0.0.1", "port": 8091, "stake": 10000, "is_serving": True}
    return facts | changes


def write(path: Path, entries: object) -> Path:
    path.write_text(json.dumps(entries))
    return path


def test_the_networks_known_by_name_are_those_of_bittensor() -> None:
    assert sorted(bt_settings.NETWORKS) == list(NETWORKS)


@pytest.mark.parametrize(("name", "hint"), [("nowhere", "known: archive, finney"), ("finey", "mean finney?")])
def test_a_network_that_nobody_knows_is_refused(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_chain(NetworkTable(subtensor_network=name))
    assert f"no network is called {name!r}" in refused.value.message
    assert hint in refused.value.message


@pytest.mark.parametrize("name", [*NETWORKS, "ws://10.0.0.1:9944", "wss://node.example.org", "mynode:9944"])
def test_networks_known_by_name_and_nodes_by_address_are_opened(name: str) -> None:
    assert open_chain(NetworkTable(subtensor_network=name)).is_public
    assert open_chain(NetworkTable(subtensor_network="finney", chain_endpoint=name)).is_public


async def test_a_chain_that_does_not_answer_is_named() -> None:
    def fail() -> None:
        raise ConnectionError("[Errno -2] Name or service not known")

    network = NetworkTable(chain_endpoint="ws://nowhere.test:9944")
    with pytest.raises(PeerError, match=r"at ws://nowhere\.test:9944 can't be read: ConnectionError"):
        await BittensorChain(network, fetch=fail).read()


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


@pytest.mark.parametrize(
    ("field", "odd"),
    [("axons", None), ("axons", SimpleNamespace(ip="1.2.3.4", port=None)), ("hotkeys", None), ("S", None)],
)
def test_one_neuron_that_makes_no_sense_does_not_hide_the_others(field: str, odd: object) -> None:
    graph = metagraph()
    before = neurons_of(graph)
    getattr(graph, field)[0] = odd
    assert neurons_of(graph) == before[1:]


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


def rich_metagraph() -> SimpleNamespace:
    """With all that bittensor 10.5.0 fills in."""
    rich = metagraph()
    rich.incentive = np.array([0.25, 0.75, np.nan, 0.0], np.float32)
    rich.emission = np.array([10.0, 30.0, 0.0, 0.0], np.float32)
    rich.validator_permit = np.array([True, False, False, False])
    rich.pruning_score = [0.5, 0.25, 0.0]  # shorter than it should be
    rich.block_at_registration = [100, 7_000, 0, 0]
    rich.block = np.array([7_200])
    rich.hparams = SimpleNamespace(immunity_period=5000)
    rich.max_uids = 256
    return rich


def test_what_the_metagraph_tells_beyond_addresses_is_taken_where_it_is_there() -> None:
    first, second, third = neurons_of(rich_metagraph())
    assert (first.incentive, first.emission, first.pruning_score) == (0.25, 10.0, 0.5)
    assert (first.validator_permit, first.registered_block) == (True, 100)
    assert second.validator_permit is False
    assert third.incentive is None
    assert neurons_of(metagraph())[0].incentive is None
    facts = facts_of(rich_metagraph(), read_at_s=5.0)
    assert (facts.block, facts.immunity_blocks, facts.max_neurons) == (7_200, 5000, 256)
    assert facts_of(metagraph(), read_at_s=5.0).block is None


def test_a_real_metagraph_of_bittensor_has_what_is_read() -> None:
    from bittensor.core.metagraph import Metagraph  # noqa: PLC0415 - heavy

    empty = Metagraph(netuid=17, network="finney", sync=False)
    assert neurons_of(empty) == ()
    for name in ("uids", "hotkeys", "S", "axons", "incentive", "emission", "validator_permit", "block"):
        assert hasattr(empty, name), name
    for name in ("pruning_score", "block_at_registration", "max_uids"):
        assert name in MetagraphInfo.__dataclass_fields__, name
    assert "immunity_period" in MetagraphInfoParams.__dataclass_fields__


async def until_made(calls: list[int], count: int) -> None:
    """So many calls and no more: the thread that makes the last one may be slow to begin."""
    async with asyncio.timeout(60):
        while len(calls) < count:  # noqa: ASYNC110 - threads set no event of the loop
            await asyncio.sleep(0.01)
    assert len(calls) == count


def broken() -> Any:
    raise OSError("no route")


async def test_the_last_good_metagraph_on_disk_serves_a_start_without_the_chain(tmp_path: Path) -> None:
    wall_s = 1_000_000.0
    settings = NetworkTable(metagraph_max_age_s=3600)
    before = BittensorChain(settings, folder=tmp_path, fetch=rich_metagraph, wall_s=lambda: wall_s)
    neurons = await before.read()
    chain = BittensorChain(settings, folder=tmp_path, fetch=broken, wall_s=lambda: wall_s + 3599)
    with structlog.testing.capture_logs() as lines:
        assert await chain.read() == neurons
    assert [line["age_s"] for line in lines] == [3599]
    assert chain.facts == before.facts
    assert chain.is_registered("5A") is True
    assert chain.refresh_s == 30.0
    assert before.refresh_s == settings.metagraph_refresh_s


async def test_a_metagraph_that_is_too_old_or_of_another_network_is_not_used(tmp_path: Path) -> None:
    wall_s = 1_000_000.0
    settings = NetworkTable(metagraph_max_age_s=3600)
    await BittensorChain(settings, folder=tmp_path, fetch=metagraph, wall_s=lambda: wall_s).read()
    later = BittensorChain(settings, folder=tmp_path, fetch=broken, wall_s=lambda: wall_s + 3601)
    with structlog.testing.capture_logs() as lines, pytest.raises(PeerError, match="no route"):
        await later.read()
    assert [line["age_s"] for line in lines] == [3601]
    test_network = NetworkTable(subtensor_network="test")
    other = BittensorChain(test_network, folder=tmp_path, fetch=broken, wall_s=lambda: wall_s)
    with pytest.raises(PeerError, match="no route"):
        await other.read()


@pytest.mark.parametrize("content", [b"", b"{", b'{"neurons": [5]}', b"\xff\xfe", b"[" * 100_000])
async def test_a_broken_file_on_disk_is_told_and_not_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metagraph-17.json").write_bytes(content)
    with structlog.testing.capture_logs() as lines, pytest.raises(PeerError):
        await BittensorChain(NetworkTable(), folder=tmp_path, fetch=broken).read()
    assert [line["event"] for line in lines] == ["the metagraph on disk can't be read"]


async def test_a_metagraph_without_neurons_replaces_no_good_one(tmp_path: Path) -> None:
    empty = SimpleNamespace(uids=[], hotkeys=[], S=[], axons=[])
    answers = [metagraph(), empty]
    chain = BittensorChain(NetworkTable(), folder=tmp_path, fetch=lambda: answers.pop(0))
    first = await chain.read()
    assert await chain.read() == first
    again = BittensorChain(NetworkTable(), folder=tmp_path, fetch=broken)
    assert await again.read() == first


async def test_a_folder_that_cannot_be_written_does_not_stop_the_mining(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    chain = BittensorChain(NetworkTable(), folder=tmp_path / "file", fetch=metagraph)
    assert len(await chain.read()) == 2


async def test_a_read_that_is_stuck_for_long_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release, calls = threading.Event(), []

    def fetch() -> Any:
        calls.append(1)
        if len(calls) < 3:
            release.wait(60)
        return metagraph()

    monkeypatch.setattr("subnet17.mining.patience.STUCK_S", 0.0)
    chain = BittensorChain(NetworkTable(), fetch=fetch, timeout_s=0.05)
    for _ in range(2):
        with pytest.raises(PeerError):
            await chain.read()
    chain._timeout_s = 30.0  # this one answers, however busy the machine is
    assert len(await chain.read()) == 2
    release.set()


async def test_reads_that_hang_all_day_leave_some_for_when_the_chain_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, now_s = threading.Event(), 0.0

    def fetch() -> Any:
        release.wait(60)
        return metagraph()

    clock = SimpleNamespace(monotonic=lambda: now_s)
    monkeypatch.setattr("subnet17.mining.patience.time", clock)
    chain = BittensorChain(NetworkTable(), fetch=fetch, timeout_s=0.005)
    while now_s < 86_400.0:
        with pytest.raises(PeerError):
            await chain.read()
        now_s += 600.0
    release.set()
    chain._timeout_s = 30.0
    now_s += 86_400.0
    assert len(await chain.read()) == 2


async def test_so_many_reads_may_be_stuck_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    release, calls = threading.Event(), []

    def fetch() -> Any:
        calls.append(1)
        release.wait(60)
        return metagraph()

    monkeypatch.setattr("subnet17.mining.patience.STUCK_S", 0.0)
    chain = BittensorChain(NetworkTable(), fetch=fetch, timeout_s=0.005)
    for _ in range(MAX_STUCK + 5):
        with pytest.raises(PeerError):
            await chain.read()
    await until_made(calls, MAX_STUCK + 1)
    release.set()


def test_a_static_file_may_tell_the_standing_too_and_is_named_by_its_path_and_by_whom_it_lists(
    tmp_path: Path,
) -> None:
    entries = [entry(incentive=0.5, pruning_score=0.1, registered_block=3, validator_permit=True)]
    chain = StaticChain(write(tmp_path / "n.json", entries))
    copy = StaticChain(write(tmp_path / "copy.json", entries))
    other = StaticChain(write(tmp_path / "other.json", [entry(port=9)]))
    assert len(set(chain.names) & set(copy.names)) == 1
    assert not set(chain.names) & set(other.names)
    empty = [StaticChain(write(tmp_path / f"{i}.json", [entry(is_serving=False)])) for i in range(2)]
    assert not set(empty[0].names) & set(empty[1].names)


async def test_a_stuck_chain_is_left_and_not_asked_twice_at_a_time() -> None:
    release, calls = threading.Event(), []

    def fetch() -> Any:
        calls.append(1)
        release.wait(60)
        return metagraph()

    chain = BittensorChain(NetworkTable(), fetch=fetch, timeout_s=0.05)
    for _ in range(3):
        with pytest.raises(PeerError):
            await chain.read()
    await until_made(calls, 1)
    release.set()


def test_an_unknown_chain_is_named() -> None:
    with pytest.raises(ConfigError, match="static:FILE"):
        open_chain(NetworkTable(chain="ethereum"))
