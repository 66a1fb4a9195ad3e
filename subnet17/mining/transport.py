"""The wire to validators: signed requests out, capped and checked replies in.

Covers: signing, time limits, reply limits, and a table of foreign errors to ours. Does not cover: nonces
(nonces.py), what is in a reply's body (replies.py), when to send and what a reply means (validators.py,
courier.py, feedback.py). Never retries by itself.

Time limits by phase: connecting has its own, short one, since a host that is there answers within a round
trip; a write that moves no byte ends the call after `WRITE_STALL_S`; the reply may take as long as the whole
call, since a validator is silent while it validates; and the whole call ends after its own limit, however
the bytes drip.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

import bittensor as bt
import httpx
from bittensor.core.settings import version_as_int

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.mining.chain import Neuron
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.nonces import Nonces
from subnet17.mining.protocol import GetVersion, PullTask, SubmitResults, sign_submit
from subnet17.mining.replies import message_in, read_reply
from subnet17.mining.tasks import Submission
from subnet17.settings import NetworkTable

WRITE_STALL_S = 30.0
"""A submit's megabytes may take long on a thin line, but some always move."""
KEEPALIVE_S = 4.0
"""An axon closes an idle connection after 5 s; a request just then would look like a lost reply."""
PULL_REPLY_BYTES = 8 * 2**20
"""An image task carries its picture: refusing a large one would block that validator for ever."""
SUBMIT_REPLY_BYTES = 256 * 2**10
"""On top of what was sent: some validators echo it."""
VERSION_REPLY_BYTES = 64 * 2**10
ERROR_BODY_BYTES = 2048
JSON_HEADER = {"Content-Type": "application/json"}

S = TypeVar("S", bound=bt.Synapse)


@dataclass(frozen=True)
class Reply(Generic[S]):
    """A validator's answer.

    Attributes:
        synapse: Only the protocol's own fields, validated.
        skew_s: The validator's clock minus ours, at least (its Date header has whole seconds); None: no Date.
        elapsed_s: From sending to the last byte.
    """

    synapse: S
    skew_s: float | None
    elapsed_s: float


class Transport:
    """One long-lived client for all validators.

    Args:
        keypair: The miner's hotkey; signs every request.
        network: Time limits.
        client: Replaces the HTTP client in tests.
        nonces: With a memory of earlier runs; without one, this run's only.
    """

    def __init__(
        self,
        keypair: Any,
        network: NetworkTable,
        *,
        clock: Clock = SYSTEM_CLOCK,
        client: httpx.AsyncClient | None = None,
        nonces: Nonces | None = None,
    ) -> None:
        self.hotkey: str = keypair.ss58_address
        self.nonces = nonces or Nonces(clock)
        self._keypair = keypair
        self._network = network
        self._clock = clock
        self._client = client or httpx.AsyncClient(
            trust_env=False,  # a proxy from the environment must not see or alter signed traffic
            follow_redirects=False,
            limits=httpx.Limits(
                max_connections=256, max_keepalive_connections=64, keepalive_expiry=KEEPALIVE_S
            ),
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def pull(self, validator: Neuron) -> Reply[PullTask]:
        """Asks for a task.

        Raises:
            PeerTimeoutError: no whole answer in time, or the connection broke: a task may have been assigned.
            PeerError: not reachable, or an HTTP error (`detail["status"]`).
            PeerReplyError: an answer outside the protocol.
        """
        return await self._call(validator, PullTask(), self._network.pull_timeout_s, PULL_REPLY_BYTES)

    async def submit(self, validator: Neuron, submission: Submission) -> Reply[SubmitResults]:
        """Hands in a result or a skip, signed now.

        Raises:
            PeerTimeoutError: as in `pull`: the result may have been accepted.
            PeerError: `detail["sent"]` is False when nothing left this machine.
            PeerReplyError: as in `pull`.
        """
        submit_time_ns = await self.nonces.next(validator.hotkey)
        synapse = SubmitResults(
            task_id=submission.assignment.task_id,
            results=submission.results,
            submit_time=submit_time_ns,
            signature=sign_submit(
                self._keypair,
                submit_time_ns=submit_time_ns,
                prompt=submission.assignment.prompt,
                validator_hotkey=validator.hotkey,
            ),
        )
        cap_bytes = SUBMIT_REPLY_BYTES + len(submission.results)
        return await self._call(validator, synapse, self._network.submit_timeout_s, cap_bytes)

    async def get_version(self, validator: Neuron) -> Reply[GetVersion]:
        """Asks for the versions of a validator's software.

        Raises:
            PeerError: as in `pull`, without consequences.
        """
        return await self._call(validator, GetVersion(), self._network.pull_timeout_s, VERSION_REPLY_BYTES)

    async def _sign(self, validator: Neuron, synapse: S, timeout_s: float) -> S:
        nonce, uuid = await self.nonces.next(validator.hotkey), self.nonces.uuid_for(validator.hotkey)
        message = f"{nonce}.{self.hotkey}.{validator.hotkey}.{uuid}.{synapse.body_hash}"
        synapse.timeout = timeout_s
        synapse.axon = bt.TerminalInfo(ip=validator.ip, port=validator.port, hotkey=validator.hotkey)
        synapse.dendrite = bt.TerminalInfo(
            ip="0.0.0.0",  # noqa: S104 - "not told": validators read the address off the connection
            version=version_as_int,
            nonce=nonce,
            uuid=uuid,
            hotkey=self.hotkey,
            signature=f"0x{self._keypair.sign(message.encode()).hex()}",
        )
        return synapse

    async def _call(self, validator: Neuron, synapse: S, timeout_s: float, cap_bytes: int) -> Reply[S]:
        await self._sign(validator, synapse, timeout_s)
        name = type(synapse).__name__
        started_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(timeout_s):
                status, headers, body = await self._exchange(validator, synapse, timeout_s, cap_bytes)
        except (TimeoutError, httpx.HTTPError, OSError) as error:
            raise _as_ours(error, name, validator) from None
        elapsed_s = self._clock.monotonic_s() - started_s
        skew_s = self._skew_s(headers)
        self.nonces.note_skew(validator.hotkey, skew_s, elapsed_s=elapsed_s)
        if status != httpx.codes.OK:
            raise PeerError(
                f"{name} at {validator.address}: HTTP {status} {message_in(body)}".rstrip(),
                status=status,
                sent=True,
                skew_s=skew_s,
                elapsed_s=elapsed_s,
            )
        return Reply(read_reply(type(synapse), body, validator), skew_s, elapsed_s)

    async def _exchange(
        self, validator: Neuron, synapse: bt.Synapse, timeout_s: float, cap_bytes: int
    ) -> tuple[int, httpx.Headers, bytes]:
        request = self._client.build_request(
            "POST",
            f"http://{validator.address}/{type(synapse).__name__}",
            headers={**synapse.to_headers(), **JSON_HEADER, "Accept-Encoding": "identity"},
            content=synapse.model_dump_json(),  # pydantic writes a megabyte five times as fast as json
            timeout=httpx.Timeout(
                timeout_s,
                connect=min(self._network.connect_timeout_s, timeout_s),
                write=min(WRITE_STALL_S, timeout_s),
            ),
        )
        response = await self._client.send(request, stream=True)
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise PeerReplyError(f"{validator.address} sent a compressed reply", sent=True)
            if response.status_code != httpx.codes.OK:
                body = await _read_some(response, ERROR_BODY_BYTES)
            else:
                body = await _read_all(response, cap_bytes, validator)
            return response.status_code, response.headers, body
        finally:
            await response.aclose()

    def _skew_s(self, headers: httpx.Headers) -> float | None:
        try:
            date_s = parsedate_to_datetime(headers["date"]).timestamp()
        except (KeyError, ValueError, TypeError, OverflowError):
            return None
        return date_s - self._clock.wall_s()


async def _read_all(response: httpx.Response, cap_bytes: int, validator: Neuron) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > cap_bytes:
            raise PeerReplyError(
                f"{validator.address} sent more than {cap_bytes} bytes", allowed_bytes=cap_bytes, sent=True
            )
    return bytes(body)


async def _read_some(response: httpx.Response, cap_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= cap_bytes:
            break
    return bytes(body[:cap_bytes])


NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Failures before the first byte left: the validator can't have acted."""


def _as_ours(error: Exception, name: str, validator: Neuron) -> PeerError:
    what = f"{name} at {validator.address}: {type(error).__name__} {error}".rstrip()
    if isinstance(error, NOT_SENT):
        return PeerError(what, sent=False)
    return PeerTimeoutError(what, sent=True)
