#!/usr/bin/env python3
"""A mesh file as splats that the network takes."""

import typer

from subnet17.validation.convert_cli import main

if __name__ == "__main__":
    typer.run(main)
