"""Loading the hotkey, and what must not lie beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bittensor_wallet import Wallet
from bittensor_wallet.keyfile import keyfile_data_is_encrypted
from peers import key

from subnet17.errors import WalletError
from subnet17.mining.wallet import load_keypair
from subnet17.settings import MinerTable, NetworkTable, Settings

ENCRYPTED = [b"$NACL" + bytes(range(64)), b"$ANSIBLE_VAULT;1.1;AES256\n3038", b"gAAAAABf" + b"x" * 64]
"""Real ones take seconds to make: these begin the same."""


@pytest.fixture
def wallet(tmp_path: Path) -> Wallet:
    """A new wallet with a hotkey only."""
    made = Wallet(name="alice", hotkey="rig1", path=str(tmp_path))
    made.create_new_hotkey(use_password=False, overwrite=True, suppress=True)
    return made


def settings(path: Path, **network: str) -> Settings:
    miner = MinerTable(wallet_name="alice", hotkey_name="rig1", wallet_path=str(path))
    return Settings(miner=miner, network=NetworkTable(**network))  # type: ignore[arg-type]


def test_the_hotkey_alone_is_enough(wallet: Wallet, tmp_path: Path) -> None:
    assert load_keypair(settings(tmp_path)).ss58_address == wallet.hotkey.ss58_address


def test_a_missing_hotkey_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(WalletError, match=r"new_hotkey --wallet\.name alice --wallet\.hotkey rig1"):
        load_keypair(settings(tmp_path))


def test_an_unencrypted_coldkey_stops_the_start(wallet: Wallet, tmp_path: Path) -> None:
    wallet.create_new_coldkey(use_password=False, overwrite=True, suppress=True)
    with pytest.raises(WalletError, match="unencrypted coldkey") as caught:
        load_keypair(settings(tmp_path))
    assert "secretPhrase" not in str(caught.value.as_json())


@pytest.mark.parametrize("name", ["coldkey.bak", "coldkey_old", "coldkey.json"])
def test_a_copy_of_the_coldkey_in_clear_stops_the_start_too(
    wallet: Wallet, tmp_path: Path, name: str
) -> None:
    (tmp_path / "alice" / name).write_text('{"secretPhrase": "bottom drive obey"}')
    with pytest.raises(WalletError, match=name) as caught:
        load_keypair(settings(tmp_path))
    assert "bottom" not in str(caught.value.as_json())


def test_a_coldkey_in_the_hotkeys_place_is_refused(wallet: Wallet, tmp_path: Path) -> None:
    public = tmp_path / "alice" / "coldkeypub.txt"
    public.write_text(json.dumps({"ss58Address": wallet.hotkey.ss58_address}))
    with pytest.raises(WalletError, match="holds the coldkey itself"):
        load_keypair(settings(tmp_path))
    for other in ('{"ss58Address": "5Other"}', "{", "[]", ""):
        public.write_text(other)
        assert load_keypair(settings(tmp_path)).ss58_address == wallet.hotkey.ss58_address


@pytest.mark.parametrize("content", [b"", b'\n {"secretSeed": "0x00"}', b"0xdeadbeef"])
def test_anything_that_is_not_known_as_encrypted_counts_as_plain(
    wallet: Wallet, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "alice" / "coldkey").write_bytes(content)
    with pytest.raises(WalletError, match="unencrypted coldkey"):
        load_keypair(settings(tmp_path))


@pytest.mark.parametrize("content", ENCRYPTED)
def test_an_encrypted_coldkey_may_stay(wallet: Wallet, tmp_path: Path, content: bytes) -> None:
    assert keyfile_data_is_encrypted(content)
    (tmp_path / "alice" / "coldkey").write_bytes(content)
    (tmp_path / "alice" / "coldkeypub.txt").write_text("{}")
    assert load_keypair(settings(tmp_path)).ss58_address == wallet.hotkey.ss58_address


def test_an_encrypted_hotkey_is_refused_instead_of_asking_for_a_password(
    wallet: Wallet, tmp_path: Path
) -> None:
    path = tmp_path / "alice" / "hotkeys" / "rig1"
    path.write_bytes(ENCRYPTED[0])
    with pytest.raises(WalletError, match="encrypted"):
        load_keypair(settings(tmp_path))


def test_a_broken_hotkey_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "alice" / "hotkeys" / "rig1"
    path.parent.mkdir(parents=True)
    path.write_text("not a key")
    with pytest.raises(WalletError, match="can't be read"):
        load_keypair(settings(tmp_path))


def with_uri(uri: str, chain: str) -> Settings:
    return Settings(miner=MinerTable(wallet_uri=uri), network=NetworkTable(chain=chain))


def chain_file(tmp_path: Path, ip: str) -> str:
    path = tmp_path / "n.json"
    path.write_text(
        json.dumps([{"uid": 0, "hotkey": "5A", "ip": ip, "port": 1, "stake": 1, "is_serving": True}])
    )
    return f"static:{path}"


def test_a_development_key_works_on_loopback(tmp_path: Path) -> None:
    loaded = load_keypair(with_uri("//Alice", chain_file(tmp_path, "127.0.0.1")))
    assert loaded.ss58_address == key("Alice").ss58_address


@pytest.mark.parametrize("chain", ["bittensor", "public", "missing"])
def test_a_development_key_is_refused_anywhere_else(tmp_path: Path, chain: str) -> None:
    where = {"public": chain_file(tmp_path, "93.184.216.34"), "missing": f"static:{tmp_path}/none.json"}
    with pytest.raises(WalletError):
        load_keypair(with_uri("//Alice", where.get(chain, chain)))


@pytest.mark.parametrize("secret", ["bottom drive obey lake curtain smoke", "0x" + "5e" * 32])
def test_a_secret_given_as_development_key_is_refused_and_not_repeated(tmp_path: Path, secret: str) -> None:
    with pytest.raises(WalletError, match="development key") as caught:
        load_keypair(with_uri(secret, chain_file(tmp_path, "127.0.0.1")))
    assert secret not in str(caught.value.as_json())
