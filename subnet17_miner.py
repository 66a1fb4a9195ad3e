"""Mines Subnet 17: `python subnet17_miner.py --help`."""

import sys

from subnet17.mining.cli import main

if __name__ == "__main__":
    sys.exit(main())
