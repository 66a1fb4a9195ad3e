"""Tells alerts: to the log, a webhook, a command of the operator's choice. Nobody waits for any of them.

The log gets each alert at once. Webhook and command get them in order from a bounded queue; what does not
fit, or what a webhook refuses or does not take in three tries, is dropped and said in the log.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import httpx

from subnet17.log import get_logger
from subnet17.ops.limits import Alert

log = get_logger()

WAITING = 100
TRIES = 3
FIRST_PAUSE_S = 1.0
"""Doubled after each failed try."""
WEBHOOK_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 10.0
PASSED_ON = ("PATH", "HOME", "USER", "LANG")
"""All that the command gets of our environment: keys and tokens are none of its business."""


class Announcer:
    """Tells alerts until it is closed.

    Args:
        webhook_url: Gets each alert as JSON by POST; empty: none. May hold a secret, so it is never logged.
        command: Program and arguments, run for each alert; empty: none.
        sleep: Replaced in tests.
    """

    def __init__(
        self,
        *,
        webhook_url: str = "",
        command: Sequence[str] = (),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.change(webhook_url=webhook_url, command=command)
        self._sleep = sleep
        self._waiting: asyncio.Queue[Alert] = asyncio.Queue(WAITING)
        self.dropped = 0

    def change(self, *, webhook_url: str, command: Sequence[str]) -> None:
        """Tells others from now on: see `Announcer`."""
        self._webhook_url = webhook_url
        self._command = list(command)

    def tell(self, alert: Alert) -> None:
        """Logs an alert and queues it for the others. Returns at once."""
        say = log.info if alert.event == "over" else log.warning
        say(alert.message, alert=alert.event, relief=alert.relief.name.lower())
        if not self._webhook_url and not self._command:
            return
        try:
            self._waiting.put_nowait(alert)
        except asyncio.QueueFull:
            self.dropped += 1
            log.warning("alert not passed on: too many wait", name=alert.name)

    async def run(self) -> None:
        """Passes alerts on until it is cancelled."""
        async with httpx.AsyncClient(timeout=WEBHOOK_TIMEOUT_S) as client:
            while True:
                await self._pass_on(await self._waiting.get(), client)
                self._waiting.task_done()

    async def flush(self, timeout_s: float) -> None:
        """Waits until all that was told is passed on, at most so long. For an orderly end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._waiting.join()

    async def _pass_on(self, alert: Alert, client: httpx.AsyncClient) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                if self._webhook_url:
                    group.create_task(self._post(alert, client))
                if self._command:
                    group.create_task(run_command(self._command, alert))
        except* Exception as errors:
            log.exception("alert not passed on", name=alert.name, exc_info=errors)
            self.dropped += 1

    async def _post(self, alert: Alert, client: httpx.AsyncClient) -> None:
        # Slack and Mattermost show "text", Discord "content"; others read the facts.
        facts = alert.as_json() | {"host": platform.node(), "at_unix_s": round(time.time(), 3)}
        body = {
            "text": f"{platform.node()}: {alert.message}",
            "content": f"{platform.node()}: {alert.message}",
        }
        why = ""
        for number in range(TRIES):
            if number:
                await self._sleep(FIRST_PAUSE_S * 2 ** (number - 1))
            try:
                reply = await client.post(self._webhook_url, json=facts | body)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                why = type(error).__name__
                continue
            if reply.is_success:
                return
            why = f"status {reply.status_code}"
            if reply.is_client_error and reply.status_code not in {408, 429}:
                break  # it will not like it better a second time
        self.dropped += 1
        log.warning("the webhook did not take an alert", name=alert.name, reason=why)


async def run_command(command: Sequence[str], alert: Alert, timeout_s: float = COMMAND_TIMEOUT_S) -> bool:
    """Runs the operator's command with the alert's facts as ALERT_… in its environment.

    Returns:
        Whether it ended well and in time; anything else is logged.
    """
    facts = {f"ALERT_{name.upper()}": str(value) for name, value in alert.as_json().items()}
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | facts
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=env, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        log.warning("the alert command can't be run", command=command[0], reason=error.strerror)
        return False
    try:
        async with asyncio.timeout(timeout_s):
            code = await process.wait()
    except TimeoutError:
        log.warning("the alert command took too long", command=command[0], limit_s=timeout_s)
        return False
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with all that it started
            await process.wait()
    if code:
        log.warning("the alert command failed", command=command[0], exit_code=code)
    return code == 0
