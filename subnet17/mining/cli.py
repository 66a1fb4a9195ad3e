"""The miner's command line: bittensor's flag names, our settings."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from subnet17.ending import end_on_signals
from subnet17.errors import ConfigError, S17Error, WalletError
from subnet17.log import configure_logging, get_logger
from subnet17.log_files import cap_log_files
from subnet17.reload import SettingsFollower
from subnet17.settings_uses import MINER

log = get_logger()

EXIT_USAGE = 2
EXIT_FAILURE = 1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def mine(  # noqa: PLR0917 - typer calls it by name
    config: Annotated[Path | None, typer.Option("--config", help="mining.toml")] = None,
    chain: Annotated[str | None, typer.Option("--chain", help="bittensor, or static:neurons.json")] = None,
    wallet_name: Annotated[str | None, typer.Option("--wallet.name")] = None,
    wallet_hotkey: Annotated[str | None, typer.Option("--wallet.hotkey")] = None,
    wallet_path: Annotated[str | None, typer.Option("--wallet.path")] = None,
    wallet_uri: Annotated[
        str | None,
        typer.Option("--wallet.uri", help="Development key, such as //Alice; loopback chains only."),
    ] = None,
    network: Annotated[str | None, typer.Option("--subtensor.network")] = None,
    chain_endpoint: Annotated[str | None, typer.Option("--subtensor.chain_endpoint")] = None,
    netuid: Annotated[int | None, typer.Option("--netuid")] = None,
    debug: Annotated[bool, typer.Option("--logging.debug")] = False,
    endpoints: Annotated[
        list[str] | None,
        typer.Option("--generation.endpoint", "--generation.endpoints", help="Repeatable; comma lists too."),
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Of the status page.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Of the status page.")] = None,
) -> None:
    """Mines Subnet 17: pulls tasks, generates, self-validates, submits."""
    flags: dict[str, dict[str, Any]] = {
        "miner": {
            "wallet_name": wallet_name,
            "hotkey_name": wallet_hotkey,
            "wallet_path": wallet_path,
            "wallet_uri": wallet_uri,
            "generation_endpoints": ",".join(endpoints) if endpoints else None,
            "host": host,
            "port": port,
        },
        "network": {
            "chain": chain,
            "subtensor_network": network,
            "chain_endpoint": chain_endpoint,
            "netuid": netuid,
        },
        "operations": {"log_level": "debug" if debug else None},
    }
    follower = SettingsFollower(MINER, config, flags=flags)
    operations = follower.current.operations
    configure_logging(service="subnet17-miner", level=operations.log_level, form=operations.log_format)
    cap_log_files(operations.log_max_bytes, operations.log_backups)
    asyncio.run(run_miner(follower))


async def run_miner(follower: SettingsFollower) -> None:
    """Mines until SIGINT or SIGTERM; a second signal ends the process at once.

    Raises:
        ConfigError, WalletError: it can't be started like this.
        UnavailableError: another process mines with this hotkey.
        JournalError: the journal can't be used, or another process uses it.
    """
    stopping = asyncio.Event()
    end_on_signals(stopping)  # before the imports below, which take seconds
    # bittensor reads sys.argv when this is unset, and takes a second to import: not for --help.
    os.environ["BT_NO_PARSE_CLI_ARGS"] = "1"
    from subnet17.mining.chain import open_chain  # noqa: PLC0415
    from subnet17.mining.claim import claim_hotkey  # noqa: PLC0415
    from subnet17.mining.journal import Journal, journal_folder  # noqa: PLC0415
    from subnet17.mining.miner import Miner  # noqa: PLC0415
    from subnet17.mining.nonces import Nonces  # noqa: PLC0415
    from subnet17.mining.servers import Servers  # noqa: PLC0415
    from subnet17.mining.status import serve_status  # noqa: PLC0415
    from subnet17.mining.transport import Transport  # noqa: PLC0415
    from subnet17.mining.wallet import load_keypair  # noqa: PLC0415

    settings = follower.current
    keypair = load_keypair(settings)
    hotkey = keypair.ss58_address
    folder = journal_folder(settings.data_dir, hotkey)
    chain = open_chain(settings.network, loopback_only=bool(settings.miner.wallet_uri), folder=folder)
    claim_hotkey(hotkey, chain.names)
    async with AsyncExitStack() as closing:
        journal = Journal.open(folder)
        closing.push_async_callback(journal.aclose)
        nonces = Nonces(floor=await journal.nonce_floor(), reserve=journal.reserve_nonces)
        nonces.recall(await journal.validators())
        transport = Transport(keypair, settings.network, nonces=nonces)
        closing.push_async_callback(transport.aclose)
        servers = Servers(settings)
        closing.push_async_callback(servers.aclose)
        miner = Miner(
            settings, transport=transport, chain=chain, servers=servers, journal=journal, stopping=stopping
        )
        follower.add(miner.follow)
        closing.callback(asyncio.create_task(follower.watch(), name="settings").cancel)
        log.info("miner starts", hotkey=hotkey, chain=settings.network.chain, journal=str(folder))
        async with serve_status(miner, settings.miner, follower=follower):
            await miner.run()


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; expected errors become one line on stderr.

    Returns:
        0 after an orderly stop, 2 for a mistake in the settings, the command line or the wallet, 1 otherwise.
    """
    try:
        command = typer.main.get_command(app)
        return int(command.main(arguments, prog_name="subnet17_miner.py", standalone_mode=False) or 0)
    except S17Error as error:
        _print(f"error: {error.message}")
        return EXIT_USAGE if isinstance(error, ConfigError | WalletError) else EXIT_FAILURE
    except Exception as error:
        if (show := getattr(error, "show", None)) is not None:  # a usage error of the command line itself
            show()
            return EXIT_USAGE
        log.exception("the miner broke")
        return EXIT_FAILURE


def _print(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - a fatal error belongs on stderr whatever the log format
