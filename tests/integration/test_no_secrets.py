"""What a miner writes at debug level, when all goes well and when it does not: no key, signature or asset.

No postponed annotations here: Axon reads the handlers' annotations as classes.
"""

import asyncio
import base64
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bittensor_wallet import Wallet
from fake_validator import FakeValidator
from peers import FakeGeneration, FakeValidation, app_peer

from subnet17.mining.protocol import ImageTask
from subnet17.settings import PROJECT_ROOT
from tests.ports import reserve_port

ASSET = b"\x28\xb5\x2f\xfd" + random.Random(5).randbytes(3000)
PICTURE = b"\x89PNG\r\n\x1a\n" + random.Random(6).randbytes(3000)
API_KEY = "a key that only the operator knows"
SHOWN = 24
"""So many characters of a secret, from wherever in it, are one too many."""


class Recording(FakeValidator):
    """Remembers every signature; fails once with what an axon says of a signature that does not match."""

    def __init__(self) -> None:
        super().__init__(cooldown_s=1)
        self.signatures: list[str] = []

    def pull(self, synapse: Any) -> Any:
        self.signatures.append(synapse.dendrite.signature)
        if len(self.signatures) == 1:
            self.task = ImageTask(id="with a picture", prompt=base64.b64encode(PICTURE).decode())  # type: ignore[assignment]
        if len(self.signatures) == 4:
            raise RuntimeError(f"Signature mismatch with x and {synapse.dendrite.signature}")
        return super().pull(synapse)

    def submit(self, synapse: Any) -> Any:
        self.signatures += [synapse.dendrite.signature, synapse.signature]
        return super().submit(synapse)


def parts(secret: bytes) -> set[str]:
    """Pieces by which a log would give it away: base64, hexadecimal, Python's way to print bytes."""
    wholes = [base64.b64encode(secret).decode(), secret.hex(), repr(secret)[2:-1]]
    return {whole[start : start + SHOWN] for whole in wholes for start in (0, len(whole) // 2)}


def pieces(secret: str) -> set[str]:
    return {secret.removeprefix("0x")[start : start + SHOWN] for start in (0, 40)}


@pytest.fixture
def wallet(tmp_path: Path) -> Wallet:
    made = Wallet(name="alice", hotkey="rig1", path=str(tmp_path / "wallets"))
    made.create_new_hotkey(use_password=False, overwrite=True, suppress=True)
    return made


def start(folder: Path, validator: FakeValidator, generation: int, validation: int, form: str) -> Any:
    chain = folder / "neurons.json"
    chain.write_text(json.dumps([validator.as_neuron()]))
    port = reserve_port()
    settings = {
        "S17_MINER__GENERATION_ENDPOINTS": f"http://127.0.0.1:{generation}",
        "S17_MINER__VALIDATION_ENDPOINT": f"http://127.0.0.1:{validation}",
        "S17_MINER__WALLET_PATH": str(folder / "wallets"),
        "S17_MINER__API_KEY": API_KEY,
        "S17_NETWORK__LOCAL_TIME_SCALE": "0.01",
        "S17_NETWORK__COOLDOWN_MARGIN_S": "0",
        "S17_NETWORK__PULL_INTERVAL_S": "0.5",
        "S17_OPERATIONS__DATA_DIR": str(folder / "data"),
        "S17_OPERATIONS__LOG_FORMAT": form,
    }
    flags = ["--chain", f"static:{chain}", "--wallet.name", "alice", "--wallet.hotkey", "rig1"]
    return subprocess.Popen(
        [sys.executable, "subnet17_miner.py", *flags, "--port", str(port), "--logging.debug"],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)} | settings,
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )


async def mine(folder: Path, validator: Recording, form: str) -> str:
    """A picture, texts, a crash after acceptance, an ignored submit, a refused pull; then the log."""
    generation = FakeGeneration(
        data=ASSET, fail=[(500, {"error": {"code": "stage_failed", "message": "no"}})]
    )
    validator.answers = ["", "crash", "busy", ""]
    async with app_peer(generation.app()) as first, app_peer(FakeValidation().app()) as second:
        miner = start(folder, validator, first, second, form)
        try:
            async with asyncio.timeout(180):
                while len(validator.accepted) < 4:
                    assert miner.poll() is None, (folder / "log").read_text()
                    await asyncio.sleep(0.1)
            miner.send_signal(signal.SIGTERM)
            await asyncio.to_thread(miner.wait, 90)
        finally:
            miner.kill()
            miner.wait()
    return (folder / "log").read_text()


@pytest.mark.parametrize("form", ["console", "json"])
async def test_neither_a_log_at_debug_level_nor_the_journal_gives_a_secret_away(
    tmp_path: Path, wallet: Wallet, form: str
) -> None:
    key = json.loads((tmp_path / "wallets/alice/hotkeys/rig1").read_text())
    keys = {key["secretPhrase"], key["secretSeed"].removeprefix("0x"), key["privateKey"].removeprefix("0x")}
    with Recording() as validator:
        log = await mine(tmp_path, validator, form)
    signatures = set().union(*(pieces(signature) for signature in validator.signatures))
    assert validator.accepted[0][0] == "with a picture"
    assert "debug" in log
    shown = parts(ASSET) | parts(PICTURE) | signatures | keys | {API_KEY}
    assert [secret for secret in shown if secret in log] == []
    (journal,) = (tmp_path / "data").rglob("journal.sqlite")
    with closing(sqlite3.connect(journal)) as database:
        dump = "\n".join(database.iterdump())
    assert "with a picture" in dump
    assert [secret for secret in signatures | keys if secret in dump] == []
