"""The validation server's command line."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from subnet17.addresses import check_guarded
from subnet17.errors import S17Error
from subnet17.log import configure_logging, get_logger
from subnet17.log_files import cap_log_files
from subnet17.reload import SettingsFollower
from subnet17.serving.run import exit_with, serve
from subnet17.settings_uses import VALIDATION_SERVER
from subnet17.validation.app import create_app
from subnet17.validation.choice import choose


def main(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    config: Annotated[str | None, typer.Option(help="A mining.toml.")] = None,
    scorer: Annotated[
        Literal["auto", "embedded", "reference"] | None, typer.Option(help="What scores.")
    ] = None,
    renderer: Annotated[Literal["auto", "cpu", "cuda"] | None, typer.Option(help="What renders.")] = None,
) -> None:
    """Scores 3D assets: POST /validate_txt_to_3d_ply/ /validate_img_to_3d_ply/ /render_duel_view/."""
    try:
        flags = {"host": host, "port": port, "scorer": scorer, "renderer": renderer}
        follower = SettingsFollower(VALIDATION_SERVER, config, flags={"validation": flags})
        settings = follower.current
        operations, table = settings.operations, settings.validation
        configure_logging(service="validation", level=operations.log_level, form=operations.log_format)
        cap_log_files(operations.log_max_bytes, operations.log_backups)
        check_guarded(table.host, api_key=table.api_key, allow_without_key=table.allow_without_key)
        scored_by, rendered_by = choose(table)
        get_logger().info(
            "starting",
            scorer=scored_by.name,
            scorer_reason=scored_by.reason,
            renderer=rendered_by.name,
            renderer_reason=rendered_by.reason,
            url=f"http://{table.host}:{table.port}",
        )
        app = create_app(
            table,
            scorer=scored_by,
            renderer=rendered_by,
            data_dir=settings.data_dir,
            follower=follower,
        )
        code = serve(
            app,
            host=table.host,
            port=table.port,
            api_key=table.api_key,
            allow_without_key=table.allow_without_key,
        )
    except S17Error as error:
        code = exit_with(error)
    raise typer.Exit(code)
