"""Whether our hotkey is registered, told as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from subnet17.mining import registration
from tests.peers import key


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert registration.main() == 0
    return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "neurons.json"
    neuron = {"uid": 0, "ip": "127.0.0.1", "port": 8091, "stake": 10_000, "is_serving": True}
    file.write_text(json.dumps([neuron | {"hotkey": key("Alice").ss58_address}]))
    monkeypatch.setenv("S17_NETWORK__CHAIN", f"static:{file}")
    monkeypatch.setenv("S17_MINER__WALLET_PATH", str(tmp_path / "wallets"))
    return file


def test_a_hotkey_of_the_chain_is_told_with_its_name(
    chain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("S17_MINER__WALLET_URI", "//Alice")
    answer = told(capsys)
    assert answer["usable"]
    assert key("Alice").ss58_address in answer["why"]


def test_a_wallet_that_cannot_be_used_is_told_apart_from_a_chain_that_cannot_be_read(
    chain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = told(capsys)
    assert (answer["registered"], answer["usable"]) == (None, False)
    assert "hotkey" in answer["why"]
    monkeypatch.setenv("S17_NETWORK__CHAIN", "static:/no/such/file")
    monkeypatch.setenv("S17_MINER__WALLET_URI", "//Alice")
    assert told(capsys)["registered"] is None
