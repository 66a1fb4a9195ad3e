"""The miner's hotkey, and nothing else of the wallet."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from subnet17.errors import ConfigError, WalletError
from subnet17.log import get_logger
from subnet17.mining.chain import STATIC_PREFIX, StaticChain
from subnet17.settings import MinerTable, Settings

log = get_logger()

ENCRYPTED_PREFIXES = (b"$NACL", b"$ANSIBLE_VAULT", b"gAAAAA")
"""How bittensor's encrypted key files begin: NaCl, and its two older methods."""

DEVELOPMENT_PREFIX = "//"
"""Keys derived from the phrase that all development chains share."""


def load_keypair(settings: Settings) -> Any:
    """The keypair that signs for the miner.

    Raises:
        WalletError: no usable hotkey, an unencrypted coldkey beside it, or a development key where others
            could see what it signs.
    """
    if settings.miner.wallet_uri:
        return _development_key(settings)
    return _hotkey(settings.miner)


def _development_key(settings: Settings) -> Any:
    from bittensor_wallet import Keypair  # noqa: PLC0415 - mining starts without it on other paths

    chain, uri = settings.network.chain, settings.miner.wallet_uri
    if not uri.startswith(DEVELOPMENT_PREFIX):  # not repeated: it may be somebody's secret phrase
        raise WalletError(f"wallet.uri must be a development key such as {DEVELOPMENT_PREFIX}Alice")
    if not chain.startswith(STATIC_PREFIX):
        raise WalletError(
            "wallet.uri is a development key known to everybody: it works with --chain static:FILE only"
        )
    try:
        StaticChain(Path(chain.removeprefix(STATIC_PREFIX)).expanduser(), loopback_only=True)
    except ConfigError as error:
        raise WalletError(f"wallet.uri needs a chain of loopback addresses: {error.message}") from None
    try:
        return Keypair.create_from_uri(uri)
    except Exception as error:  # the native library raises its own untyped errors
        raise WalletError(f"wallet.uri {uri!r} is not a key: {error}") from None


def _hotkey(miner: MinerTable) -> Any:
    from bittensor_wallet import Wallet  # noqa: PLC0415

    folder = Path(miner.wallet_path).expanduser() / miner.wallet_name
    hotkey_file = folder / "hotkeys" / miner.hotkey_name
    _refuse_plain_coldkey(folder)
    content = _read_hotkey_file(hotkey_file, miner)
    if content.startswith(ENCRYPTED_PREFIXES):
        raise WalletError(
            f"hotkey {hotkey_file} is encrypted, a miner without a terminal can't ask for a password"
        )
    if hotkey_file.stat().st_mode & 0o077:
        log.warning(
            "hotkey file is open to other users", path=str(hotkey_file), fix=f"chmod 600 {hotkey_file}"
        )
    try:
        wallet = Wallet(name=miner.wallet_name, hotkey=miner.hotkey_name, path=str(folder.parent))
        keypair = wallet.hotkey
    except Exception as error:  # the native library raises its own untyped errors
        raise WalletError(f"hotkey {hotkey_file} can't be read: {type(error).__name__}") from None
    _refuse_coldkey_as_hotkey(folder, hotkey_file, keypair.ss58_address)
    return keypair


def _read_hotkey_file(path: Path, miner: MinerTable) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        names = f"--wallet.name {miner.wallet_name} --wallet.hotkey {miner.hotkey_name}"
        if miner.wallet_path != MinerTable().wallet_path:
            names += f" --wallet.path {shlex.quote(str(path.parents[2]))}"
        raise WalletError(
            f"no hotkey at {path}. Create one: btcli wallet new_hotkey {names} "
            f"(or copy the hotkeys folder of an existing wallet; never the coldkey)",
            path=str(path),
        ) from None
    except OSError as error:
        raise WalletError(f"hotkey {path} can't be read: {error.strerror}", path=str(path)) from None


def _refuse_plain_coldkey(folder: Path) -> None:
    """A coldkey moves funds. Mining never needs it, and in clear it must not be on a mining machine."""
    for path in [folder / "coldkey", *_copies_of_coldkey(folder)]:
        try:
            with path.open("rb") as file:
                head = file.read(64).lstrip()
        except FileNotFoundError:
            continue
        except OSError as error:
            # A folder, or a file that even we can't read, can't be told from a key in clear.
            raise WalletError(f"coldkey {path} can't be checked: {error.strerror}", path=str(path)) from None
        if not head.startswith(ENCRYPTED_PREFIXES):
            raise WalletError(
                f"an unencrypted coldkey lies at {path}: move it off this machine (coldkeypub.txt may stay) "
                f"or encrypt it; only the hotkey is needed here",
                path=str(path),
            )


def _copies_of_coldkey(folder: Path) -> list[Path]:
    """What people make before they change something: coldkey.bak, coldkey_old."""
    copies = (p for p in folder.glob("coldkey?*") if not p.name.startswith("coldkeypub"))
    return sorted(p for p in copies if p.is_file())


def _refuse_coldkey_as_hotkey(folder: Path, hotkey_file: Path, address: str) -> None:
    """Where the coldkey's public half lies beside the hotkey, the two must differ."""
    try:
        public = json.loads((folder / "coldkeypub.txt").read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    if isinstance(public, dict) and public.get("ss58Address") == address:
        raise WalletError(
            f"{hotkey_file} holds the coldkey itself: it must never sign for a miner. Create a hotkey: "
            "btcli wallet new_hotkey",
            path=str(hotkey_file),
        )
