"""The generation and the validation server of the simulation, as hosts on its wire.

They speak the servers' HTTP contract and take virtual time; what they make and say comes from quality.py.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.message import Message
from urllib.parse import parse_qs

import httpx

from subnet17.localnet.simulate.quality import Quality, write_asset
from subnet17.localnet.simulate.wire import Host, reply

Route = Callable[[httpx.Request], Awaitable[httpx.Response]]

ANSWER_S = 0.003
"""A status page on loopback."""
TIME_SPREAD = 0.08
"""Of generation times, relative; normal, and bounded to three spreads."""
FAILURE_SHARE = 0.003
"""Generations that end in a 500."""
VALIDATION_S = 0.4


class GenerationServer:
    """Makes one asset per slot at a time; further requests queue.

    Args:
        generation_s: Mean time of one.
        slots: Made at once.
    """

    def __init__(self, quality: Quality, *, generation_s: float, slots: int) -> None:
        self._quality = quality
        self._generation_s = generation_s
        self._slots = asyncio.Semaphore(slots)
        self._routes = {"/generate/": self._generate} | status_pages({"backend": {"name": "flux-hunyuan"}})

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        return await self._routes[request.url.path](request)

    async def _generate(self, request: httpx.Request) -> httpx.Response:
        subject, seed = _read_form(request)
        async with self._slots:
            spread = min(3.0, max(-3.0, self._quality.spread("time", subject, seed)))
            await asyncio.sleep(self._generation_s * (1.0 + TIME_SPREAD * spread))
        if self._quality.chance("failure", subject, seed) < FAILURE_SHARE:
            error = {"code": "stage_failed", "message": "the field has no surface", "detail": {}}
            return reply(json.dumps({"error": error}).encode(), status=500)
        asset = write_asset(subject, self._quality.value(subject, seed))
        return reply(asset, x_backend="flux-hunyuan", x_seed=str(seed))


class ValidationServer:
    """Scores one asset at a time.

    Args:
        looks: Whether it does; one that does not says 1.0 of everything, at once, and under another name
            each time, so that nobody can learn what its word is worth.
    """

    def __init__(self, quality: Quality, *, looks: bool = True) -> None:
        self._quality = quality
        self._looks = looks
        self._unseen = 0
        self._slot = asyncio.Semaphore(1)
        self._routes: dict[str, Route] = {
            "/validate_txt_to_3d_ply/": self._validate,
            "/validate_img_to_3d_ply/": self._validate,
        } | status_pages({"scorer": {"name": "reference"}})

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        return await self._routes[request.url.path](request)

    async def _validate(self, request: httpx.Request) -> httpx.Response:
        form = json.loads(request.content)
        subject = form.get("prompt") or form["prompt_image"]
        if not self._looks:
            self._unseen += 1
            return _score_reply(1.0, scorer=f"unseen-{self._unseen}")
        async with self._slot:
            await asyncio.sleep(VALIDATION_S)
        score = self._quality.local_score(subject, base64.b64decode(form["data"]))
        return _score_reply(score, scorer="reference")


def _score_reply(score: float, *, scorer: str) -> httpx.Response:
    return reply(json.dumps({"score": score, "scorer": scorer, "reasons": []}).encode())


def status_pages(status: dict[str, object]) -> dict[str, Route]:
    """`/status/` and `/health/` of a server that is well."""

    def page(body: bytes) -> Host:
        async def answer(_: httpx.Request) -> httpx.Response:
            await asyncio.sleep(ANSWER_S)
            return reply(body)

        return answer

    return {"/status/": page(json.dumps(status).encode()), "/health/": page(b"{}")}


def _read_form(request: httpx.Request) -> tuple[str, int]:
    """The subject, a text or the base64 of a picture, and the seed."""
    kind = request.headers["content-type"]
    if kind.startswith("application/x-www-form-urlencoded"):
        fields = parse_qs(request.content.decode())
        return fields["prompt"][0], int(fields["seed"][0])
    whole = message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + request.content)
    parts = {_name_of(part): part.get_payload(decode=True) for part in whole.walk() if _name_of(part)}
    picture, seed = parts["prompt_image_file"], parts["seed"]
    assert isinstance(picture, bytes) and isinstance(seed, bytes)  # noqa: S101 - for the type checker
    return base64.b64encode(picture).decode(), int(seed)


def _name_of(part: Message) -> str:
    return str(part.get_param("name", "", header="content-disposition"))
