"""A short benchmark of the running servers: a few real requests to each, timed and scored.

The same prompts and seeds each time, so that two runs can be compared piece by piece; the first request of a
run is not counted. Measured at the first generation endpoint, over HTTP, one request at a time: what a
machine gives when it has nothing else to do. Not covered: how it behaves when several ask at once.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx

from subnet17.errors import OverloadedError, PeerError, PeerReplyError, UnavailableError
from subnet17.ops.tuning.samples import Piece, Sample
from subnet17.ops.tuning.space import Changes
from subnet17.settings import Settings, base_url

PROMPTS = (
    "a red wooden chair",
    "a rusty robot",
    "a blue ceramic teapot",
    "an ancient tree with thick roots",
    "a green sports car",
    "a stone tower with a pointed roof",
    "a sword with a golden handle",
    "a ripe pineapple",
)
SEED = 17
REQUESTS = 4
COMPRESSION_SPZ = 2
STATUS_TIMEOUT_S = 10.0
IN_FORCE_S = 15.0
"""A server takes over a changed file within a second, ten where the system tells of no changes."""
LOOK_S = 0.25
TRIES = 2
"""For a sample that nobody else's jobs spoil."""


class RunningServers:
    """The two servers of these settings. Use as a context.

    Args:
        fit_score: From which an asset would be submitted.
        requests: Pieces in a sample, 2 to 8.
        force: Measure also beside the work of others.
    """

    def __init__(
        self, settings: Settings, *, fit_score: float, requests: int = REQUESTS, force: bool = False
    ) -> None:
        self._settings = settings
        self._fit_score = fit_score
        self._requests = requests
        self._force = force
        self._generation_url = settings.generation_urls[0].rstrip("/")
        self._validation_url = settings.validation_url.rstrip("/")
        # a proxy of the environment is for the outside, not for our own processes
        self._client = httpx.AsyncClient(trust_env=False)
        self.backend = ""
        self.scorer = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def check(self) -> None:
        """Asks both whether they can be measured now.

        Raises:
            UnavailableError: one is down or not ready.
            OverloadedError: one has work of others.
        """
        for name, url in (("generation", self._generation_url), ("validation", self._validation_url)):
            page = await self._status(name, url)
            if not page.get("ready"):
                raise UnavailableError(
                    f"the {name} server at {url} is not ready: {page.get('reason') or 'it does not say why'}"
                )
            queue = page.get("queue")
            if not isinstance(queue, dict):
                raise UnavailableError(f"the {name} server at {url} does not tell its queue")
            at_work = int(queue.get("running", 0)) + int(queue.get("waiting", 0))
            if at_work and not self._force:
                raise OverloadedError(
                    f"the {name} server has {at_work} jobs: measured now, they would spoil the times and be"
                    " held up themselves; --force does it all the same",
                    jobs=at_work,
                )
            self.backend = str(page.get("backend") or self.backend)
            self.scorer = str(page.get("scorer") or self.scorer)

    async def measure(self, profile: str = "", *, on_piece: Callable[[], None] = lambda: None) -> Sample:
        """Makes and scores the sample's pieces; a failed one counts as 0.

        Args:
            profile: Asked for with each request; empty: the server's own, as its settings say.
            on_piece: Called after each request.

        Raises:
            PeerError: not one request succeeded.
            OverloadedError: others had jobs meanwhile, each time: the figures would be theirs too.
        """
        for _ in range(TRIES):
            sample = await self._sample(profile, on_piece)
            if not sample.others or self._force:
                return sample
        raise OverloadedError(
            f"{sample.others} jobs of others ran meanwhile and would spoil the figures; --force takes them",
            jobs=sample.others,
        )

    async def _sample(self, profile: str, on_piece: Callable[[], None]) -> Sample:
        before = await self._jobs()
        await self._piece(PROMPTS[0], SEED, profile)
        on_piece()
        pieces: list[Piece] = []
        errors: list[str] = []
        for number, prompt in enumerate(PROMPTS[: self._requests]):
            piece, error = await self._piece(prompt, SEED + number, profile)
            pieces.append(piece)
            errors += [error] if error else []
            on_piece()
        if len(errors) == len(pieces):
            raise PeerError(f"not one of {len(pieces)} requests succeeded: {errors[0]}")
        others = max(0, await self._jobs() - before - len(pieces) - 1)
        return Sample(tuple(pieces), others)

    async def in_force(self, changes: Changes) -> None:
        """Waits until the generation server works by these live keys.

        Raises:
            PeerError: it does not follow.
        """
        deadline_s = time.monotonic() + IN_FORCE_S
        while True:
            told = (await self._status("generation", self._generation_url)).get("settings") or {}
            live = told.get("live", {})
            if all(live.get(name) == value for name, value in changes.items()):
                return
            if time.monotonic() > deadline_s:
                stands = {name: live.get(name) for name in changes}
                raise PeerError(
                    f"the generation server did not take over {changes} within {IN_FORCE_S:g} s: it works by"
                    f" {stands}, its file is {told.get('file')}, its last error {told.get('error')!r}; its"
                    " environment and command line come before the file"
                )
            await asyncio.sleep(LOOK_S)

    async def profile(self) -> str:
        """The profile in force.

        Raises:
            PeerError: the server does not tell.
        """
        told = (await self._status("generation", self._generation_url)).get("settings") or {}
        profile = told.get("live", {}).get("generation.profile")
        if not isinstance(profile, str):
            raise PeerReplyError("the generation server does not tell its profile in /status/")
        return profile

    async def miner_pulls(self) -> bool:
        """Whether a miner with these settings takes tasks now; False where none answers."""
        miner = self._settings.miner
        try:
            reply = await self._client.get(f"{base_url(miner.host, miner.port)}/health/", timeout=5.0)
            return bool(reply.json().get("pulling"))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
            return False

    async def _piece(self, prompt: str, seed: int, profile: str) -> tuple[Piece, str]:
        name = f"{prompt}#{seed}"
        started_s = time.perf_counter()
        try:
            spz = await self._generate(prompt, seed, profile)
            spent_s = time.perf_counter() - started_s
            score = await self._score(prompt, spz)
        except PeerError as error:
            return Piece(name, time.perf_counter() - started_s, 0.0, fit=False), error.message
        return Piece(name, spent_s, score, fit=score >= self._fit_score), ""

    async def _generate(self, prompt: str, seed: int, profile: str) -> bytes:
        body: dict[str, Any] = {"prompt": prompt, "seed": seed, "format": "spz"}
        reply = await self._ask(
            f"{self._generation_url}/generate/",
            self._settings.miner.generation_timeout_s,
            self._settings.generation.api_key,
            body | ({"profile": profile} if profile else {}),
        )
        return reply.content

    async def _score(self, prompt: str, spz: bytes) -> float:
        reply = await self._ask(
            f"{self._validation_url}/validate_txt_to_3d_ply/",
            self._settings.miner.validation_timeout_s,
            self._settings.validation.api_key,
            {
                "prompt": prompt,
                "data": base64.b64encode(spz).decode("ascii"),
                "compression": COMPRESSION_SPZ,
            },
        )
        try:
            answer = reply.json()
            score = float(answer["score"])
        except (ValueError, KeyError, TypeError):
            raise PeerReplyError("the validation server answered without a score") from None
        if not 0 <= score <= 1:
            raise PeerReplyError(f"the validation server answered with a score of {score}")
        self.scorer = str(answer.get("scorer") or self.scorer)
        return 0.0 if answer.get("reasons") else score

    async def _ask(self, url: str, timeout_s: float, api_key: str, body: dict[str, Any]) -> httpx.Response:
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._client.post(url, json=body, headers=_headers(api_key), timeout=timeout_s)
        except TimeoutError:
            raise PeerError(f"{url} did not answer within {timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise PeerError(f"{url}: {type(error).__name__}") from None
        if not reply.is_success:
            raise PeerError(f"{url} answered {reply.status_code}: {reply.text[:200]}")
        return reply

    async def _jobs(self) -> int:
        jobs = (await self._status("generation", self._generation_url)).get("jobs")
        return sum(int(count) for count in jobs.values()) if isinstance(jobs, dict) else 0

    async def _status(self, name: str, url: str) -> dict[str, Any]:
        table = self._settings.generation if name == "generation" else self._settings.validation
        try:
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                reply = await self._client.get(f"{url}/status/", headers=_headers(table.api_key))
            page = reply.json() if reply.is_success else None
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(
                f"the {name} server at {url} does not answer ({type(error).__name__}): start it with"
                " ./start_mining.sh"
            ) from None
        except ValueError:
            page = None
        if not isinstance(page, dict):
            raise UnavailableError(f"the {name} server at {url} answered /status/ with {reply.status_code}")
        return page


def _headers(api_key: str) -> dict[str, str]:
    return {"X-API-Key": api_key} if api_key else {}
