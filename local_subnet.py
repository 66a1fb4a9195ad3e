"""Runs the local subnet: real axons on loopback with development keys, and a ledger."""

import sys

from subnet17.localnet.main import main

if __name__ == "__main__":
    sys.exit(main())
