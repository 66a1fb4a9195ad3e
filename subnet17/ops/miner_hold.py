"""Asks the miner, over HTTP, to take fewer tasks or none while the machine is short of something.

Each request holds for a while only and is renewed: a miner whose monitor is gone goes on by itself.
"""

from __future__ import annotations

from contextlib import suppress

import httpx

from subnet17.errors import ConfigError
from subnet17.log import get_logger
from subnet17.ops.limits import Relief
from subnet17.settings import Settings, base_url, load_settings

log = get_logger()

TIMEOUT_S = 5.0
HOLDER = "resources"
MAX_REASON_CHARS = 500
TASKS_AT_ONCE = {Relief.LESS_AT_ONCE: 1, Relief.NO_NEW_TASKS: 0}


class MinerHold:
    """Keeps the miner at what the standing alerts ask.

    Args:
        hold_for_s: How long one request holds.
    """

    def __init__(self, settings: Settings, *, hold_for_s: float) -> None:
        self._miner = settings.miner
        self.hold_for_s = hold_for_s
        # a proxy of the environment is for the outside, not for our own processes
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)
        self._holding = False
        self._failed = False

    async def ask(self, relief: Relief, reason: str) -> bool:
        """Asks for, renews or ends a hold.

        Args:
            relief: What is asked of the miner; NONE ends what was asked before.
            reason: Shown by the miner.

        Returns:
            Whether the miner does now what is asked.
        """
        if relief is Relief.NONE:
            if not self._holding:
                return True
            self._holding = not await self._post("/resume/", {"by": HOLDER})
            return not self._holding
        body = {
            "by": HOLDER,
            "tasks_at_once": TASKS_AT_ONCE[relief],
            "reason": reason[:MAX_REASON_CHARS],
            "for_s": self.hold_for_s,
        }
        held = await self._post("/hold/", body)
        self._holding = self._holding or held
        return held

    async def aclose(self) -> None:
        """Closes the connections; what was asked for last ends by itself."""
        await self._client.aclose()

    async def _post(self, path: str, body: dict[str, object]) -> bool:
        url = base_url(self._miner.host, self._miner.port)
        headers = {"X-API-Key": self._miner.api_key} if self._miner.api_key else {}
        try:
            reply = await self._client.post(url + path, json=body, headers=headers)
            why = "" if reply.is_success else f"status {reply.status_code}"
            is_another = reply.status_code == httpx.codes.UNAUTHORIZED
        except httpx.HTTPError as error:
            why, is_another = type(error).__name__, True
        if why and not self._failed:
            log.warning("the miner can't be asked to hold", path=path, reason=why)
        self._failed = bool(why)
        if is_another:  # a miner that was started since may listen elsewhere, or ask for another key
            with suppress(ConfigError):
                self._miner = load_settings().miner
        return not why
