#!/usr/bin/env python3
"""The generation server (FastAPI, port 8093): text or image in, 3D asset out."""

import typer

from subnet17.generation.cli import main

if __name__ == "__main__":
    typer.run(main)
