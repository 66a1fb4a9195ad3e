"""Client of our two servers: generation and validation.

Covers: the requests of one candidate, the servers' errors as ours, capped replies, failover between
endpoints, health and identity checks. Does not cover: how often to try (worker.py).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
from typing import Any

import httpx
import stamina
from pydantic_core import to_json

from subnet17.deadline import TIMEOUT_HEADER
from subnet17.errors import (
    DeadlineError,
    InvalidInputError,
    OverloadedError,
    PeerError,
    PeerReplyError,
    PeerTimeoutError,
    S17Error,
    StageError,
    UnauthorizedError,
    UnavailableError,
)
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.endpoints import Endpoint, Pool
from subnet17.mining.protocol import COMPRESSION_SPZ
from subnet17.mining.tasks import Assignment, Candidate, Score
from subnet17.settings import Settings

ASSET_CAP_BYTES = 64 * 2**20
JSON_CAP_BYTES = 16 * 2**20
CONNECT_TIMEOUT_S = 3.0
CHECK_TIMEOUT_S = 5.0
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""How an SPZ of this subnet begins: the whole stream is one zstd frame."""
FAILOVER_ON = (PeerError, UnavailableError, OverloadedError, DeadlineError)
MAX_RETRY_AFTER_S = 60.0


class Servers:
    """The generation endpoints and the validation server.

    Args:
        settings: Addresses, API keys and time limits.
        clock: Measures the work.
        client: Replaces the HTTP client in the simulation.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK, client: httpx.AsyncClient | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._slots = asyncio.Semaphore(settings.miner.max_concurrent_generations)
        self._client = client or httpx.AsyncClient(trust_env=False, follow_redirects=False)
        self.generation = Pool([Endpoint(url.rstrip("/")) for url in settings.generation_urls], clock)
        self.validation = Pool([Endpoint(settings.validation_url.rstrip("/"))], clock)

    def follow(self, settings: Settings) -> None:
        """Takes over changed time limits, for requests that begin from now on."""
        self._settings = settings

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    @property
    def scorer(self) -> str:
        """What the validation server says it scores with; empty before it was asked."""
        return next((e.identity for e in self.validation.endpoints if e.identity), "")

    @property
    def candidate_s(self) -> float:
        """What generation and validation of one candidate take, as measured."""
        generation_s = self.generation.speed_s or self._settings.miner.target_generation_time
        return generation_s + self.validation.speed_s

    @property
    def candidate_late_s(self) -> float:
        """The same, nearly always at the most."""
        generation_s = self.generation.late_s or self._settings.miner.target_generation_time
        return generation_s + self.validation.late_s

    @property
    def trouble(self) -> str:
        """Why no candidate can be made and scored now; empty when one can."""
        for pool, name in ((self.generation, "generation"), (self.validation, "validation")):
            if not pool.usable:
                first = pool.endpoints[0]
                return f"{name} server: {first.reason or f'{first.url} rests after failures'}"
        return ""

    async def generate(self, assignment: Assignment, *, index: int, seed: int) -> Candidate:
        """Makes one candidate.

        Raises:
            InvalidInputError: the task can't be done: the server refused it, or its picture is no base64.
            PeerError, UnavailableError, OverloadedError: no endpoint did it, for the moment.
            StageError, DeadlineError: the work failed on the server, or took too long.
        """
        form, files = _form_of(assignment, seed)
        most_s = self._settings.miner.generation_timeout_s
        async with self._slots:
            async for attempt in stamina.retry_context(
                on=FAILOVER_ON,
                attempts=len(self.generation.endpoints),
                timeout=None,  # each try has its own; stamina's would end before a hanging one does
                wait_initial=0.05,
                wait_max=0.2,
            ):
                with attempt, self.generation.lease() as endpoint:
                    started_s = self._clock.monotonic_s()
                    limit_s = self.generation.limit_s(endpoint, most_s)
                    headers = _key_header(self._settings.generation.api_key)
                    data, reply_headers = await self._post(
                        f"{endpoint.url}/generate/",
                        limit_s,
                        ASSET_CAP_BYTES,
                        data=form,
                        files=files,
                        headers=headers | {TIMEOUT_HEADER: f"{limit_s:g}"},
                    )
                    if not data.startswith(ZSTD_MAGIC):
                        raise PeerReplyError(f"{endpoint.url} did not send SPZ: {data[:4]!r}")
                    backend = reply_headers.get("x-backend", "") or endpoint.identity
                    return Candidate(index, seed, data, backend, self._clock.monotonic_s() - started_s)
        raise AssertionError("retry_context either returns or raises")

    async def score(self, assignment: Assignment, candidate: Candidate) -> Score:
        """Scores a candidate as the validators do.

        Raises:
            InvalidInputError: the server refuses the prompt.
            PeerError, UnavailableError, OverloadedError, StageError, DeadlineError: no score, for the moment.
        """
        image = assignment.kind == "image"
        route = "validate_img_to_3d_ply" if image else "validate_txt_to_3d_ply"
        body = {
            "prompt_image" if image else "prompt": assignment.prompt,
            "data": base64.b64encode(candidate.data).decode("ascii"),
            "compression": COMPRESSION_SPZ,
        }
        limit_s = self._settings.miner.validation_timeout_s
        headers = _key_header(self._settings.validation.api_key) | {
            TIMEOUT_HEADER: f"{limit_s:g}",
            "Content-Type": "application/json",
        }
        content = to_json(body)  # five times as fast as json on a megabyte
        with self.validation.lease() as endpoint:
            started_s = self._clock.monotonic_s()
            url = f"{endpoint.url}/{route}/"
            reply, _ = await self._post(url, limit_s, JSON_CAP_BYTES, content=content, headers=headers)
            tree = _json_object(reply, url)
            return _read_score(tree, endpoint, self._clock.monotonic_s() - started_s)

    async def check(self) -> None:
        """Asks every server whether it is ready and what it is; the answers are kept in the pools."""
        settings = self._settings
        checks = [self._check(e, "backend", settings.generation.api_key) for e in self.generation.endpoints]
        checks += [self._check(e, "scorer", settings.validation.api_key) for e in self.validation.endpoints]
        await asyncio.gather(*checks)

    async def _check(self, endpoint: Endpoint, identity_key: str, api_key: str) -> None:
        try:
            body, _ = await self._get(f"{endpoint.url}/status/", _key_header(api_key))
            endpoint.identity = _name_of(_json_object(body, endpoint.url).get(identity_key))
            await self._get(f"{endpoint.url}/health/", _key_header(api_key))
        except S17Error as error:
            endpoint.healthy, endpoint.reason = False, error.message
        else:
            endpoint.healthy, endpoint.reason = True, ""

    async def _get(self, url: str, headers: dict[str, str]) -> tuple[bytes, httpx.Headers]:
        return await self._exchange("GET", url, CHECK_TIMEOUT_S, JSON_CAP_BYTES, headers=headers)

    async def _post(self, url: str, limit_s: float, cap: int, **content: Any) -> tuple[bytes, httpx.Headers]:
        return await self._exchange("POST", url, limit_s, cap, **content)

    async def _exchange(
        self, method: str, url: str, limit_s: float, cap_bytes: int, **content: Any
    ) -> tuple[bytes, httpx.Headers]:
        timeout = httpx.Timeout(limit_s, connect=min(CONNECT_TIMEOUT_S, limit_s))
        try:
            async with (
                asyncio.timeout(limit_s),
                self._client.stream(method, url, timeout=timeout, **content) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > cap_bytes:
                        raise PeerReplyError(
                            f"{url} sent more than {cap_bytes} bytes", allowed_bytes=cap_bytes
                        )
        except (TimeoutError, httpx.TimeoutException):
            raise PeerTimeoutError(f"{url} did not answer within {limit_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise PeerError(f"{url}: {type(error).__name__} {error}") from None
        if response.status_code != httpx.codes.OK:
            raise _error_of(response, bytes(body), url)
        return bytes(body), response.headers


def _form_of(assignment: Assignment, seed: int) -> tuple[dict[str, str], dict[str, Any] | None]:
    form = {"seed": str(seed), "format": "spz"}
    if assignment.kind == "text":
        return form | {"prompt": assignment.prompt}, None
    try:
        picture = base64.b64decode(assignment.prompt, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(f"the task's picture is not base64: {error}") from None
    return form, {"prompt_image_file": ("prompt", picture, "application/octet-stream")}


def _key_header(api_key: str) -> dict[str, str]:
    return {"X-API-Key": api_key} if api_key else {}


def _json_object(body: bytes, url: str) -> dict[str, Any]:
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PeerReplyError(f"{url} did not send JSON: {error}"[:200]) from None
    if not isinstance(tree, dict):
        raise PeerReplyError(f"{url} sent a JSON {type(tree).__name__}, expected an object")
    return tree


def _name_of(value: object) -> str:
    """A back end's or scorer's name: plain, or in an object that also says why it was chosen."""
    return str(value.get("name", "") if isinstance(value, dict) else value or "")


def _read_score(tree: dict[str, Any], endpoint: Endpoint, elapsed_s: float) -> Score:
    value = tree.get("score")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PeerReplyError(f"{endpoint.url} sent the score {value!r}")
    reasons = tree.get("reasons") or []
    codes = tuple(str(r.get("code", r) if isinstance(r, dict) else r) for r in reasons)
    scorer = _name_of(tree.get("scorer")) or endpoint.identity
    return Score(float(value), scorer, codes, elapsed_s)


def _error_of(response: httpx.Response, body: bytes, url: str) -> S17Error:
    try:
        tree = json.loads(body)
        told = tree.get("error") or {"message": tree["reason"]}  # the second: a health page
        message, detail, code = str(told["message"])[:300], told.get("detail"), told.get("code")
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
        message, detail, code = f"HTTP {response.status_code}", None, None
    kind = DeadlineError if code == DeadlineError.code else _kind_of(response.status_code)
    return kind(
        f"{url}: {message}",
        http_status=response.status_code,
        retry_after_s=_retry_after_s(response),
        server_detail=detail,
    )


def _kind_of(status: int) -> type[S17Error]:
    kinds: dict[int, type[S17Error]] = {
        400: InvalidInputError,
        413: InvalidInputError,
        415: InvalidInputError,
        422: InvalidInputError,
        401: UnauthorizedError,
        429: OverloadedError,
        503: UnavailableError,
        504: PeerTimeoutError,
        500: StageError,
    }
    return kinds.get(status, PeerError)


def _retry_after_s(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return min(float(text), MAX_RETRY_AFTER_S) if text.isdigit() else None
