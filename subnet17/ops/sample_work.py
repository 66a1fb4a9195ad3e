"""The smallest real request for each server: proves that the way from request to result works."""

from __future__ import annotations

import base64

import httpx
import numpy as np

from subnet17.errors import PeerReplyError
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.spz import encode_spz

PROMPT = "a red ball"
SEED = 17
SPLATS = 7000
"""Validators refuse fewer."""
COMPRESSION_SPZ = 2
BUSY = frozenset({429, 503})
"""It has other work, or has just become not ready: says nothing that `/health/` does not."""


async def ask_for_asset(client: httpx.AsyncClient, url: str, api_key: str) -> None:
    """Has a small asset generated.

    Raises:
        PeerReplyError: an error, or no asset.
        httpx.HTTPError: no answer.
    """
    body = {"prompt": PROMPT, "seed": SEED, "format": "spz", "profile": "speed"}
    reply = await client.post(f"{url}/generate/", json=body, headers=_headers(api_key))
    if reply.status_code in BUSY:
        return
    _check(reply)
    if not reply.content or int(reply.headers.get("X-Splats", 0)) < SPLATS:
        raise PeerReplyError(
            f"an asset of {len(reply.content)} bytes, {reply.headers.get('X-Splats')} splats"
        )


async def ask_for_score(client: httpx.AsyncClient, url: str, api_key: str) -> None:
    """Has a small asset scored.

    Raises:
        PeerReplyError: an error, or no score.
        httpx.HTTPError: no answer.
    """
    body = {
        "prompt": PROMPT,
        "data": base64.b64encode(make_ball()).decode("ascii"),
        "compression": COMPRESSION_SPZ,
    }
    reply = await client.post(f"{url}/validate_txt_to_3d_ply/", json=body, headers=_headers(api_key))
    if reply.status_code in BUSY:
        return
    _check(reply)
    score = reply.json().get("score")
    if not isinstance(score, int | float) or not 0 <= score <= 1:
        raise PeerReplyError(f"the score {score!r}, expected 0 to 1")


def make_ball() -> bytes:
    """A red ball of splats as SPZ."""
    turn = np.arange(SPLATS) * np.pi * (3 - np.sqrt(5))
    y = np.linspace(-1, 1, SPLATS)
    ring = np.sqrt(1 - y * y)
    cloud = GaussianCloud.from_activated(
        means=0.4 * np.stack([ring * np.cos(turn), y, ring * np.sin(turn)], axis=1).astype(np.float32),
        scales=np.full((SPLATS, 3), 0.01, np.float32),
        quats=np.tile(np.array([1, 0, 0, 0], np.float32), (SPLATS, 1)),
        opacities=np.full(SPLATS, 0.95, np.float32),
        rgb=np.tile(np.array([0.8, 0.1, 0.1], np.float32), (SPLATS, 1)),
    )
    return encode_spz(cloud)


def _headers(api_key: str) -> dict[str, str]:
    return {"X-API-Key": api_key} if api_key else {}


def _check(reply: httpx.Response) -> None:
    if reply.status_code != httpx.codes.OK:
        raise PeerReplyError(f"{reply.status_code}: {reply.text[:200]}")
