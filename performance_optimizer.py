#!/usr/bin/env python3
"""Measures, compares with the targets and the market, and proposes or applies settings."""

import sys

from subnet17.ops.tuning.cli import main

if __name__ == "__main__":
    sys.exit(main())
