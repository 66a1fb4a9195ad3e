"""`convert_mesh.py`: a mesh file as splats, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from subnet17.errors import S17Error, TooLargeError
from subnet17.serving.run import exit_with
from subnet17.splat.from_mesh import MIN_SPLATS
from subnet17.validation.convert import (
    DEFAULT_SPLATS,
    MAX_MESH_BYTES,
    MAX_SPLATS,
    convert_mesh,
    read_format,
)


def main(
    mesh: Annotated[Path, typer.Argument(help="A PLY mesh, GLB or OBJ.")],
    output: Annotated[Path, typer.Argument(help="Where the splats go: a name that ends in .ply or .spz.")],
    splats: Annotated[int, typer.Option(min=MIN_SPLATS, max=MAX_SPLATS)] = DEFAULT_SPLATS,
) -> None:
    """Covers a mesh with splats that the network takes."""
    try:
        asset_format = read_format(output.suffix.lower().removeprefix("."))
        if mesh.stat().st_size > MAX_MESH_BYTES:
            raise TooLargeError(f"{mesh} has {mesh.stat().st_size} bytes, at most {MAX_MESH_BYTES} are read")
        made = convert_mesh(mesh.read_bytes(), asset_format, splats)
        output.write_bytes(made.data)
    except (S17Error, OSError) as error:
        raise typer.Exit(exit_with(error)) from None
    spent_s = sum(made.timings_s.values())
    Console().print(
        f"{output}: {made.splats} splats of {made.faces} faces, {len(made.data)} bytes, {spent_s:.1f} s",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
