"""Tells as JSON whether our hotkey is registered: `python -m subnet17.mining.registration`."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from subnet17.errors import S17Error, WalletError
from subnet17.settings import load_settings


def main() -> int:
    """Prints `{"registered": true|false|null, "why": "…", "usable": …}`; null: it could not be found out."""
    os.environ["BT_NO_PARSE_CLI_ARGS"] = "1"
    registered: bool | None = None
    usable = True
    try:
        registered, why = asyncio.run(_ask())
    except S17Error as error:
        why, usable = error.message, not isinstance(error, WalletError)
    except Exception as error:  # the chain's libraries raise their own
        why = f"{type(error).__name__}: {error}"
    sys.stdout.write("\n" + json.dumps({"registered": registered, "why": why, "usable": usable}) + "\n")
    return 0


async def _ask() -> tuple[bool | None, str]:
    from subnet17.mining.chain import open_chain  # noqa: PLC0415 - takes a second
    from subnet17.mining.wallet import load_keypair  # noqa: PLC0415

    settings = load_settings()
    hotkey = load_keypair(settings).ss58_address
    chain = open_chain(settings.network)
    await chain.read()
    where = f"subnet {settings.network.netuid} of {settings.network.subtensor_network}"
    return chain.is_registered(hotkey), f"{hotkey} on {where}"


if __name__ == "__main__":
    sys.exit(main())
