#!/usr/bin/env python3
"""One prompt through both servers: asset, previews, score and timings in a folder."""

import typer

from subnet17.trials.runner import main

if __name__ == "__main__":
    typer.run(main)
