"""Which keys each process uses: it follows these, and is started anew for a change of these alone.

Each entry is a whole table, or one key as `table.key`.
"""

from __future__ import annotations

from collections.abc import Sequence

from subnet17.settings import Settings, known_keys

EVERY_PROCESS = tuple(
    f"operations.{key}" for key in ("log_level", "log_format", "log_max_bytes", "log_backups", "data_dir")
)
GENERATION_SERVER = ("generation", *EVERY_PROCESS)
VALIDATION_SERVER = ("validation", *EVERY_PROCESS)
MINER = (
    "miner",
    "network",
    *(f"{server}.{key}" for server in ("generation", "validation") for key in ("host", "port", "api_key")),
    "operations.min_free_disk_bytes",
    *EVERY_PROCESS,
)
LOCAL_SUBNET = (
    *(f"network.local_{what}" for what in ("validators", "port", "time_scale", "image_share")),
    *(f"validation.{key}" for key in ("host", "port", "api_key")),
    "miner.wallet_uri",
    "miner.validation_endpoint",
    *EVERY_PROCESS,
)
ORCHESTRATOR = ("operations",)


def list_keys(uses: Sequence[str], mark: str = "") -> list[tuple[str, str]]:
    """Table and name of each of these keys; with a mark (LIVE, SECRET), of those that bear it."""
    return [
        (table, key)
        for table in Settings.model_fields
        for key in known_keys(table, mark)
        if table in uses or f"{table}.{key}" in uses
    ]
