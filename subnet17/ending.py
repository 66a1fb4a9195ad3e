"""How a process of ours is asked to end: by SIGINT or SIGTERM, once in order, twice at once.

Does not cover: the servers, whose signals uvicorn handles (serving/run.py).
"""

from __future__ import annotations

import asyncio
import os
import signal


def end_on_signals(ending: asyncio.Event) -> None:
    """Sets `ending` at the first signal; a second one ends this process at once. Needs a running loop."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if ending.is_set():
            os._exit(128 + number)
        ending.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
