"""The watch over the machine as a process of its own, where no orchestrator runs it.

`python -m subnet17.ops.watch`, until SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import suppress

from subnet17.errors import S17Error
from subnet17.log import configure_logging
from subnet17.ops.monitor import Monitor
from subnet17.reload import SettingsFollower
from subnet17.settings_uses import ORCHESTRATOR


def main(arguments: list[str] | None = None) -> int:
    """Watches until SIGINT or SIGTERM; 2 for settings that can't be used, or for any argument."""
    argparse.ArgumentParser(
        prog="python -m subnet17.ops.watch",
        description="Watches over the machine until SIGINT or SIGTERM, where no orchestrator does.",
    ).parse_args(arguments)
    try:
        follower = SettingsFollower(ORCHESTRATOR)
    except S17Error as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    operations = follower.current.operations
    configure_logging(service="watch", level=operations.log_level, form=operations.log_format)
    asyncio.run(_watch(follower))
    return 0


async def _watch(follower: SettingsFollower) -> None:
    monitor = Monitor(follower.current)
    follower.add(monitor.follow)
    watching = asyncio.gather(monitor.run(), follower.watch())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, watching.cancel)
    with suppress(asyncio.CancelledError):
        await watching


if __name__ == "__main__":
    sys.exit(main())
