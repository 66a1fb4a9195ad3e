"""Runs the simulation: `python -m subnet17.localnet.simulate`."""

from __future__ import annotations

import sys

from subnet17.localnet.simulate.cli import main

if __name__ == "__main__":  # each policy runs in a process of its own, which imports this module
    sys.exit(main())
