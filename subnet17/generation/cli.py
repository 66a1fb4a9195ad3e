"""The generation server's command line."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from subnet17.addresses import check_guarded
from subnet17.errors import S17Error
from subnet17.generation.app import create_app
from subnet17.generation.backends import choose_backend
from subnet17.log import configure_logging, get_logger
from subnet17.log_files import cap_log_files
from subnet17.reload import SettingsFollower
from subnet17.serving.run import exit_with, serve
from subnet17.settings_uses import GENERATION_SERVER


def main(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    config: Annotated[str | None, typer.Option(help="A mining.toml.")] = None,
    backend: Annotated[
        Literal["auto", "procedural", "flux-hunyuan"] | None, typer.Option(help="What generates.")
    ] = None,
) -> None:
    """Generates 3D assets from text or pictures: POST /generate/, GET /health/ /status/ /metrics."""
    try:
        flags = {"host": host, "port": port, "backend": backend}
        follower = SettingsFollower(GENERATION_SERVER, config, flags={"generation": flags})
        settings = follower.current
        operations, table = settings.operations, settings.generation
        configure_logging(service="generation", level=operations.log_level, form=operations.log_format)
        cap_log_files(operations.log_max_bytes, operations.log_backups)
        check_guarded(table.host, api_key=table.api_key, allow_without_key=table.allow_without_key)
        chosen = choose_backend(table, data_dir=settings.data_dir)
        get_logger().info(
            "starting", backend=chosen.name, why=chosen.reason, url=f"http://{table.host}:{table.port}"
        )
        code = serve(
            create_app(table, backend=chosen, follower=follower),
            host=table.host,
            port=table.port,
            api_key=table.api_key,
            allow_without_key=table.allow_without_key,
        )
    except S17Error as error:
        code = exit_with(error)
    raise typer.Exit(code)
