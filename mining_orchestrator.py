#!/usr/bin/env python3
"""One controller over all processes: `mining_orchestrator.py run | start | stop | restart | status`."""

import sys

from subnet17.ops.orchestrator_cli import main

if __name__ == "__main__":
    sys.exit(main())
