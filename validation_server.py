"""Starts the validation server. See `validation_server.py --help` and docs/scoring.md."""

import typer

from subnet17.validation.cli import main

if __name__ == "__main__":
    typer.run(main)
