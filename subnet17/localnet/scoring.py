"""Asks the validation server what a result is worth."""

from __future__ import annotations

import math
from typing import Any

import httpx

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError
from subnet17.mining.protocol import COMPRESSION_SPZ, ImageTask, Task

ASSET_FAULTS = frozenset({400, 413, 422})
"""Replies that say the asset itself is unusable: a verdict of 0, not a fault of the validator."""


class HttpScorer:
    """Scores over HTTP, one connection per call: it must work from any event loop."""

    def __init__(self, url: str, *, timeout_s: float, api_key: str = "") -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {"X-API-Key": api_key} if api_key else {}

    async def score(self, task: Task, data: str) -> float:
        """The fidelity, 0..1, of a base64 SPZ; 0 when the server can't use it.

        Raises:
            PeerError: unreachable, too slow, a 5xx or any reply without a verdict.
        """
        route, field = (
            ("/validate_img_to_3d_ply/", "prompt_image")
            if isinstance(task, ImageTask)
            else ("/validate_txt_to_3d_ply/", "prompt")
        )
        body = {field: task.prompt, "data": data, "compression": COMPRESSION_SPZ}
        reply = await self._request("POST", route, json=body)
        if reply.status_code in ASSET_FAULTS:
            return 0.0
        if reply.status_code != 200:
            raise PeerReplyError(
                f"the validation server answered {reply.status_code}", status=reply.status_code
            )
        return _read_score(reply)

    async def fetch_version(self) -> str:
        """The validation server's version.

        Raises:
            PeerError: as for `score`.
        """
        reply = await self._request("GET", "/version/")
        if reply.status_code != 200:
            raise PeerReplyError(
                f"the validation server answered {reply.status_code}", status=reply.status_code
            )
        return reply.text.strip().strip('"')[:100]

    async def _request(self, method: str, route: str, **content: Any) -> httpx.Response:
        try:
            async with httpx.AsyncClient(
                timeout=self._timeout_s, headers=self._headers, trust_env=False
            ) as client:
                return await client.request(method, self._url + route, **content)
        except httpx.TimeoutException:
            raise PeerTimeoutError(f"the validation server gave no answer in {self._timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise PeerError(
                f"the validation server can't be asked: {error or type(error).__name__}"
            ) from None


def _read_score(reply: httpx.Response) -> float:
    try:
        score = float(reply.json()["score"])
    except (ValueError, KeyError, TypeError):
        raise PeerReplyError("the validation server's reply has no score") from None
    if not math.isfinite(score):
        raise PeerReplyError("the validation server's score is not a number")
    return score
