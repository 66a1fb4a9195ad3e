"""What an axon checks before a validator hears of a request: what is asked, who asks, nonce and signature.

The order and the rules are bittensor's (`Axon.default_verify`), with a clock that the simulation moves.
Counts what it refuses: an honest miner's signature never is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Literal, TypeVar

import bittensor as bt
import httpx

NONCE_WINDOW_S = 4.0
"""How old a first nonce may be, beyond the request's own time limit."""

Fault = Literal["signature", "nonce order", "nonce age", "message"]
S = TypeVar("S", bound=bt.Synapse)


class RefusedError(Exception):
    """The request does not get in; `status` and `message` are the reply."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Door:
    """One validator's axon, without its server.

    Args:
        hotkey: The validator's.
        clock: Unix seconds on its own clock.
    """

    def __init__(self, hotkey: str, clock: Callable[[], float]) -> None:
        self.refused: Counter[Fault] = Counter()
        self._hotkey = hotkey
        self._clock = clock
        self._nonces: dict[str, int] = {}

    def forget(self) -> None:
        """A restart: nonces live in memory."""
        self._nonces.clear()

    def admit(self, kind: type[S], request: httpx.Request, *, refuse: Callable[[str], str | None]) -> S:
        """The message of a request that may be answered.

        Args:
            refuse: Says of a claimed hotkey why it is not served: asked before the signature is checked.

        Raises:
            RefusedError: 400, 403 or 401.
        """
        try:
            head = kind.from_headers(dict(request.headers))
            message: S = kind.model_validate(json.loads(request.content))
        except ValueError as error:
            raise self._refusal("message", 400, str(error)[:200]) from None
        hotkey = head.dendrite.hotkey or ""
        if reason := refuse(hotkey):
            raise RefusedError(403, reason)
        self._check_nonce(head)
        if head.computed_body_hash != message.body_hash or not self._is_signed(head):
            raise self._refusal("signature", 401, "Signature mismatch")
        self._nonces[f"{hotkey}:{head.dendrite.uuid}"] = head.dendrite.nonce
        return message

    def _check_nonce(self, head: bt.Synapse) -> None:
        nonce = head.dendrite.nonce
        if nonce is None:
            raise self._refusal("message", 401, "Missing Nonce")
        last = self._nonces.get(f"{head.dendrite.hotkey}:{head.dendrite.uuid}")
        if last is not None and nonce <= last:
            raise self._refusal("nonce order", 401, "Nonce is too old, a newer one was last processed")
        oldest_s = self._clock() - NONCE_WINDOW_S - (head.timeout or 0.0)
        if last is None and nonce <= oldest_s * 1e9:
            raise self._refusal("nonce age", 401, f"Nonce is too old: {oldest_s - nonce / 1e9:.2f} s late")

    def _is_signed(self, head: bt.Synapse) -> bool:
        sender = head.dendrite
        text = f"{sender.nonce}.{sender.hotkey}.{self._hotkey}.{sender.uuid}.{head.computed_body_hash}"
        try:
            return bool(bt.Keypair(ss58_address=sender.hotkey).verify(text, sender.signature))
        except (ValueError, TypeError):
            return False

    def _refusal(self, fault: Fault, status: int, message: str) -> RefusedError:
        self.refused[fault] += 1
        return RefusedError(status, message)
