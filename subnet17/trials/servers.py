"""A plain client of the two running servers, for tools that do one thing after the other."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from subnet17.errors import PeerError, PeerReplyError, PeerTimeoutError, S17Error, UnavailableError
from subnet17.settings import Settings

HEALTH_TIMEOUT_S = 5.0
COMPRESSION_SPZ = 2


class RunningServers:
    """The generation and the validation server of these settings.

    Args:
        settings: Addresses, keys and time limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.generation_url = settings.generation_urls[0].rstrip("/")
        self.validation_url = settings.validation_url.rstrip("/")
        self._client = httpx.Client(trust_env=False)

    def check(self) -> None:
        """Asks both whether they are ready.

        Raises:
            UnavailableError: one is not; says how to start it.
        """
        for name, url in (("generation", self.generation_url), ("validation", self.validation_url)):
            try:
                reply = self._client.get(f"{url}/health/", timeout=HEALTH_TIMEOUT_S)
                reason = "" if reply.is_success else str(_json_of(reply).get("reason") or reply.status_code)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                reason = f"no answer ({type(error).__name__})"
            if reason:
                raise UnavailableError(
                    f"the {name} server at {url} is not ready: {reason}. Start it with ./start_mining.sh "
                    f"(or --local), or alone: python {name}_server.py",
                    server=name,
                    url=url,
                )

    def generate(self, prompt: str, *, seed: int, asset_format: str) -> tuple[bytes, httpx.Headers]:
        """One asset and the reply's headers (X-Backend, X-Notes, X-Generation-Time, ...)."""
        reply = self._post(
            f"{self.generation_url}/generate/",
            self._settings.miner.generation_timeout_s,
            self._settings.generation.api_key,
            data={"prompt": prompt, "seed": str(seed), "format": asset_format},
        )
        return reply.content, reply.headers

    def validate(self, prompt: str, spz: bytes) -> dict[str, Any]:
        """The validation server's answer for an SPZ, with both previews whatever the score."""
        reply = self._post(
            f"{self.validation_url}/validate_txt_to_3d_ply/",
            self._settings.miner.validation_timeout_s,
            self._settings.validation.api_key,
            json={
                "prompt": prompt,
                "data": base64.b64encode(spz).decode("ascii"),
                "compression": COMPRESSION_SPZ,
                "generate_single_preview": True,
                "generate_grid_preview": True,
                "preview_score_threshold": -1.0,
            },
        )
        return _json_of(reply)

    def _post(self, url: str, timeout_s: float, api_key: str, **content: Any) -> httpx.Response:
        headers = {"X-API-Key": api_key} if api_key else {}
        try:
            reply = self._client.post(url, timeout=timeout_s, headers=headers, **content)
        except httpx.TimeoutException:
            raise PeerTimeoutError(f"{url} did not answer within {timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise PeerError(f"{url}: {type(error).__name__} {error}") from None
        if not reply.is_success:
            raise _as_error(reply)
        return reply


def _json_of(reply: httpx.Response) -> dict[str, Any]:
    try:
        tree = reply.json()
    except ValueError:
        tree = None
    if not isinstance(tree, dict):
        raise PeerReplyError(f"{reply.url} did not answer with a JSON object")
    return tree


def _as_error(reply: httpx.Response) -> S17Error:
    try:
        message = str(reply.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = reply.text[:200]
    return PeerError(f"{reply.url} answered {reply.status_code}: {message}", http_status=reply.status_code)
