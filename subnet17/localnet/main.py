"""The local subnet's command line: `python -m subnet17.localnet`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Sequence

from subnet17.errors import ConfigError, S17Error
from subnet17.localnet.subnet import LocalSubnet
from subnet17.log import configure_logging, get_logger
from subnet17.log_files import cap_log_files
from subnet17.reload import SettingsFollower
from subnet17.settings_uses import LOCAL_SUBNET

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
WATCH_INTERVAL_S = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM.

    Returns:
        0 when told to stop; 2 for a mistake in the settings or a port that is taken, as the servers do; 1 on
        any other failure.
    """
    given = _parser().parse_args(arguments)
    try:
        follower = SettingsFollower(LOCAL_SUBNET, given.config, flags=_flags(given))
        operations = follower.current.operations
        configure_logging(service="local-subnet", level=operations.log_level, form=operations.log_format)
        cap_log_files(operations.log_max_bytes, operations.log_backups)
        return serve(follower, fresh=given.fresh)
    except S17Error as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, ConfigError) else 1


def serve(follower: SettingsFollower, *, fresh: bool = False) -> int:
    """Runs the subnet in this process, from its main thread, until SIGINT or SIGTERM.

    Returns:
        The exit code: 1 when a validator ended by itself.

    Raises:
        ConfigError: a port is taken, or the ledger on disk can't be read.
        S17Error: the ledger or the chain file can't be written.
    """
    log = get_logger()
    settings = follower.current
    subnet = LocalSubnet(settings, fresh=fresh)
    told_to_stop = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: told_to_stop.set())
    with subnet:
        log.info(
            "local subnet is up",
            ports=[axon.port for axon in subnet.axons],
            chain=f"static:{subnet.neurons_path}",
            ledger=str(subnet.ledger_path),
            scored_by=settings.validation_url,
            time_scale=settings.network.local_time_scale,
        )
        # Slept, not waited for: a handler that sets an event its own thread waits for can block itself.
        while subnet.alive and not told_to_stop.is_set():
            time.sleep(WATCH_INTERVAL_S)
            follower.look()
        log.info("stopping")
    if told_to_stop.is_set():
        return 0
    log.error("a validator stopped serving by itself")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m subnet17.localnet", description="Runs validators on loopback to mine against."
    )
    parser.add_argument("--config", metavar="FILE", help="settings file (default: mining.toml)")
    parser.add_argument("--validators", type=int, metavar="N", help="how many validators to run")
    parser.add_argument("--port", type=int, metavar="P", help="port of the first; the others follow")
    parser.add_argument(
        "--time-scale", type=float, metavar="X", help="multiplies all cooldowns, 0 < X <= 1 (default: 1)"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="forget the tasks, cooldowns and records of earlier runs"
    )
    return parser


def _flags(given: argparse.Namespace) -> dict[str, dict[str, object]]:
    return {
        "network": {
            "local_validators": given.validators,
            "local_port": given.port,
            "local_time_scale": given.time_scale,
        }
    }
