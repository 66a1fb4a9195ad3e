"""What must hold before the processes start: free ports, disk, a wallet. Each failure says how to mend it."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from subnet17.errors import ConfigError, WalletError
from subnet17.ops.processes import Process
from subnet17.settings import PROJECT_ROOT, Settings

LOCAL_MIN_FREE_BYTES = 500 * 10**6
"""The embedded back ends write little."""
FLOOR = "operations.min_free_disk_bytes"


def check_ports(processes: list[Process]) -> None:
    """Raises `ConfigError` naming the first port that another program holds."""
    for process in processes:
        for port in range(process.port, process.port + process.ports):
            if not _is_free(process.host, port):
                raise ConfigError(
                    f"port {port} ({process.name}) is in use by another program: stop it "
                    f"(ss -ltnp 'sport = :{port}' names it), or choose another port in mining.toml",
                    port=port,
                    process=process.name,
                )


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def check_disk(min_free_bytes: int, folder: Path = PROJECT_ROOT, *, by: str = FLOOR) -> None:
    """Raises `ConfigError` when the disk of a folder, which may not be there yet, has less left."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < min_free_bytes:
        raise ConfigError(
            f"disk of {there} has {free / 1e9:.1f} GB free, "
            f"at least {min_free_bytes / 1e9:.1f} GB are needed ({by})",
            measured_bytes=free,
            allowed_bytes=min_free_bytes,
        )


def check_journal_disk(settings: Settings, *, local: bool) -> None:
    """Raises `ConfigError` when a miner without a journal would find its disk too full to take on tasks.

    One that has a journal makes room by itself: it forgets its oldest tasks.
    """
    from subnet17.mining.housekeeping import LOCAL_SHARE  # noqa: PLC0415 - others need a port checked only

    folder = settings.data_dir / "miner"
    if local or not folder.exists():
        share, by = (LOCAL_SHARE, f"{LOCAL_SHARE:.0%} of {FLOOR}") if local else (1.0, FLOOR)
        check_disk(round(share * settings.operations.min_free_disk_bytes), folder, by=by)


def check_chain(settings: Settings) -> None:
    """Raises `ConfigError` when the settings name no chain that the miner could read."""
    from subnet17.mining.chain import open_chain  # noqa: PLC0415 - a local start needs none

    open_chain(settings.network)


def check_wallet(settings: Settings) -> None:
    """Raises `ConfigError` when the miner could not sign with its wallet, and says why."""
    from subnet17.mining.wallet import load_keypair  # noqa: PLC0415 - a local start needs none

    try:
        load_keypair(settings)
    except WalletError as error:
        raise ConfigError(error.message, **error.detail) from None
