"""Puts a validator on the wire: a real `bittensor.Axon`, bound to loopback only.

No postponed annotations here: Axon reads the handlers' annotations as classes.
Axon checks a call in this order: refuse (403), nonce and signature (401), handler.
"""

import errno
import logging
import socket
import threading
from dataclasses import dataclass
from typing import Any, Tuple  # noqa: UP035 - Axon compares a blacklist function's annotation with typing.Tuple

import bittensor as bt
from starlette.requests import Request

from subnet17.errors import ConfigError, PeerError
from subnet17.localnet.scoring import HttpScorer
from subnet17.localnet.validator import Validator
from subnet17.mining.protocol import GetVersion, PullTask, SubmitResults

HOST = "127.0.0.1"
PORTS = range(1025, 65535)
"""What Axon takes."""
VERSION = 1
GRACE_S = 10
"""Running calls may finish within this time when the subnet stops."""
JOIN_MARGIN_S = 2


@dataclass(frozen=True)
class Wallet:
    """What Axon needs of a wallet."""

    hotkey: Any


class LocalAxon:
    """One validator's server, in a thread of its own."""

    def __init__(
        self, validator: Validator, scorer: HttpScorer, *, keypair: Any, listener: socket.socket
    ) -> None:
        """
        Args:
            keypair: The validator's hotkey.
            listener: A socket already bound: Axon's own server would bind to all addresses.
        """
        self._validator = validator
        self._scorer = scorer
        self._listener = listener
        self._axon = _make_axon(keypair, listener.getsockname()[1])
        self._attach()
        self._thread = threading.Thread(target=self._serve, name=f"axon-{self.port}", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._axon.port)

    @property
    def alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Starts to serve."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Takes no more calls; running ones may finish within the grace time."""
        self._axon.fast_server.should_exit = True

    def join(self) -> None:
        """Returns when the last call has ended or the grace time is over."""
        if self.alive:
            self._thread.join(GRACE_S + JOIN_MARGIN_S)
        self._listener.close()

    def _serve(self) -> None:
        self._axon.fast_server.run(sockets=[self._listener])

    def _attach(self) -> None:
        validator, scorer = self._validator, self._scorer

        async def pull(synapse: PullTask, request: Request) -> PullTask:
            return validator.pull(synapse, miner=_caller(request))

        async def submit(synapse: SubmitResults, request: Request) -> SubmitResults:
            return await validator.submit(synapse, miner=_caller(request))

        async def get_version(synapse: GetVersion) -> GetVersion:
            synapse.version = VERSION
            try:
                synapse.validation_version = await scorer.fetch_version()
            except PeerError as error:
                synapse.validation_version = error.message
            return synapse

        def refuse_submit(synapse: SubmitResults) -> Tuple[bool, str]:  # noqa: UP006
            reason = validator.refuse(synapse.dendrite.hotkey or "")
            return reason is not None, reason or ""

        self._axon.attach(pull).attach(submit, blacklist_fn=refuse_submit).attach(get_version)


def bind(port: int) -> socket.socket:
    """A loopback socket for an axon.

    Raises:
        ConfigError: the port is taken or not allowed.
    """
    if port not in PORTS:
        raise ConfigError(f"port {port} is not one of {PORTS.start}..{PORTS.stop - 1}", port=port)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"can't be bound: {error.strerror}"
        raise ConfigError(f"port {port} on {HOST} {why}; choose others with --port", port=port) from None
    return listener


def silence_bittensor() -> None:
    """Its log lines on every refused call say less than ours."""
    logging.getLogger("bittensor").setLevel(logging.CRITICAL)


def _make_axon(keypair: Any, port: int) -> Any:
    axon = bt.Axon(
        wallet=Wallet(keypair),
        config=bt.Config(),  # an explicit one: the default would parse our command line
        ip=HOST,
        port=port,
        external_ip=HOST,  # an explicit one: the default would ask the internet
        external_port=port,
    )
    axon.fast_config.host = HOST
    axon.fast_config.timeout_graceful_shutdown = GRACE_S
    return axon


def _caller(request: Request) -> str:
    """The hotkey whose signature Axon has verified. The one in the body is only claimed."""
    return request.headers["bt_header_dendrite_hotkey"]
