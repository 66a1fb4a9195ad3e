"""Generation and validation servers of the crash trials: real HTTP, quick answers, and all calls on record.

No two calls get the same asset, not even with the same seed: an asset that was made again is seen.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import time
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ASSET_BYTES = 8192
GENERATION_S = (0.01, 0.06)
VALIDATION_S = (0.005, 0.04)
LOW_SHARE = 0.1
"""Of assets that nobody would submit."""


@dataclass(frozen=True)
class Call:
    """One asset that was made.

    Attributes:
        at_s: When the request came, on the monotonic clock.
    """

    at_s: float
    seed: int
    sha256: str
    score: float


class StandIns:
    """Both servers in one app."""

    def __init__(self, rng: random.Random) -> None:
        self.calls: list[Call] = []
        self._rng = rng

    def app(self) -> Starlette:
        """The routes."""
        status = {"backend": "flux-hunyuan", "scorer": "reference"}
        return Starlette(
            routes=[
                Route("/status/", lambda _: JSONResponse(status)),
                Route("/health/", lambda _: JSONResponse({})),
                Route("/generate/", self._generate, methods=["POST"]),
                Route("/validate_txt_to_3d_ply/", self._validate, methods=["POST"]),
                Route("/validate_img_to_3d_ply/", self._validate, methods=["POST"]),
            ]
        )

    async def _generate(self, request: Request) -> Response:
        at_s = time.monotonic()
        try:
            async with request.form() as form:
                seed = int(str(form["seed"]))
        except ClientDisconnect:  # killed in the middle of it
            return Response(status_code=400)
        asset = ZSTD_MAGIC + f"{seed}/{len(self.calls)}/".encode() + self._rng.randbytes(ASSET_BYTES)
        self.calls.append(Call(at_s, seed, hashlib.sha256(asset).hexdigest(), score_of(asset)))
        await asyncio.sleep(self._rng.uniform(*GENERATION_S))
        return Response(asset, headers={"X-Backend": "flux-hunyuan"})

    async def _validate(self, request: Request) -> Response:
        try:
            asset = base64.b64decode((await request.json())["data"])
        except ClientDisconnect:
            return Response(status_code=400)
        await asyncio.sleep(self._rng.uniform(*VALIDATION_S))
        return JSONResponse({"score": score_of(asset), "scorer": "reference", "reasons": []})


def score_of(asset: bytes) -> float:
    """The same for the miner and for the validators: 0.72 to 0.98, a few at 0.3."""
    share = int.from_bytes(hashlib.sha256(asset).digest()[:4], "big") / 2**32
    return 0.3 if share < LOW_SHARE else round(0.72 + 0.26 * share, 4)
