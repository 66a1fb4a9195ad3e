"""The local subnet: validators, their chain file and their ledger, started and stopped together."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import bittensor as bt

from subnet17.errors import ConfigError, S17Error
from subnet17.localnet.axon import HOST, LocalAxon, bind, silence_bittensor
from subnet17.localnet.ledger import Ledger, Page, read_record, restore_page
from subnet17.localnet.pictures import draw_pictures
from subnet17.localnet.rules import Rules
from subnet17.localnet.scoring import HttpScorer
from subnet17.localnet.tasks import TaskDeck, load_prompts
from subnet17.localnet.validator import Validator
from subnet17.settings import Settings
from subnet17.whole_file import write_whole

DEFAULT_MINER_URI = "//Miner"
VALIDATOR_STAKE = 10_000.0


class LocalSubnet:
    """N validators on loopback and one registered miner, all with development keys."""

    def __init__(self, settings: Settings, *, fresh: bool = False) -> None:
        """Binds the ports and restores or opens the ledger; `start` serves.

        Args:
            fresh: Forget what an earlier run left: tasks, cooldowns, records.

        Raises:
            ConfigError: a port is taken, or the ledger on disk can't be read.
            S17Error: the ledger can't be written.
        """
        silence_bittensor()
        folder = settings.data_dir / "localnet"
        self.neurons_path = folder / "neurons.json"
        self.ledger_path = folder / "ledger.json"
        keypairs = [_dev_key(f"//Validator{uid}") for uid in range(settings.network.local_validators)]
        record = None if fresh else read_record(self.ledger_path)
        listeners = _bind_all(settings.network.local_port, len(keypairs))
        pages = [restore_page(record, uid=uid, hotkey=key.ss58_address) for uid, key in enumerate(keypairs)]
        self.miner_hotkey = str(_dev_key(settings.miner.wallet_uri or DEFAULT_MINER_URI).ss58_address)
        self._neurons = _list_neurons(pages, listeners, self.miner_hotkey)
        with _telling(self.ledger_path):
            ledger = Ledger(self.ledger_path, pages, time_scale=settings.network.local_time_scale)
        deal = _dealer(settings)
        registered = frozenset(neuron["hotkey"] for neuron in self._neurons)
        rules = Rules().scaled(settings.network.local_time_scale)
        scorer = _make_scorer(settings)
        self.axons = [
            LocalAxon(
                Validator(
                    page, registered=registered, rules=rules, deck=deal(), scorer=scorer, ledger=ledger
                ),
                scorer,
                keypair=keypair,
                listener=listener,
            )
            for page, keypair, listener in zip(pages, keypairs, listeners, strict=True)
        ]

    @property
    def alive(self) -> bool:
        """Whether every validator still serves."""
        return all(axon.alive for axon in self.axons)

    def start(self) -> None:
        """Serves, then writes the chain file: a miner that sees it can call at once.

        Raises:
            S17Error: it can't be written; nothing serves any more.
        """
        for axon in self.axons:
            axon.start()
        try:
            with _telling(self.neurons_path):
                write_whole(self.neurons_path, json.dumps(self._neurons, indent=2) + "\n")
        except S17Error:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops all validators; running calls may finish."""
        for axon in self.axons:
            axon.ask_to_stop()
        for axon in self.axons:
            axon.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """What keeps a file from being written is one line for a person."""
    try:
        yield
    except OSError as error:
        raise S17Error(f"can't write {path}: {error.strerror}", path=str(path)) from None


def _dev_key(uri: str) -> Any:
    return bt.Keypair.create_from_uri(uri)


def _bind_all(first_port: int, count: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    try:
        for port in range(first_port, first_port + count):
            listeners.append(bind(port))
    except ConfigError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _list_neurons(
    pages: list[Page], listeners: list[socket.socket], miner_hotkey: str
) -> list[dict[str, Any]]:
    validators = [
        _neuron(page.uid, page.hotkey, listener.getsockname()[1], VALIDATOR_STAKE)
        for page, listener in zip(pages, listeners, strict=True)
    ]
    return [*validators, _neuron(len(validators), miner_hotkey, 0, 0.0)]


def _neuron(uid: int, hotkey: str, port: int, stake: float) -> dict[str, Any]:
    return {"uid": uid, "hotkey": hotkey, "ip": HOST, "port": port, "stake": stake, "is_serving": port != 0}


def _dealer(settings: Settings) -> Callable[[], TaskDeck]:
    prompts, share = load_prompts(), settings.network.local_image_share
    pictures = draw_pictures() if share > 0 else []
    return lambda: TaskDeck(prompts, pictures, image_share=share, rng=random.Random())


def _make_scorer(settings: Settings) -> HttpScorer:
    return HttpScorer(
        settings.validation_url,
        timeout_s=settings.validation.request_timeout_s,
        api_key=settings.validation.api_key,
    )
