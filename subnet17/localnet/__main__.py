"""Runs the local subnet: `python -m subnet17.localnet`."""

from __future__ import annotations

import sys

from subnet17.localnet.main import main

sys.exit(main())
