#!/usr/bin/env python3
"""Several seeds of one prompt, the best of them, and a summary."""

import typer

from subnet17.trials.competition import main

if __name__ == "__main__":
    typer.run(main)
