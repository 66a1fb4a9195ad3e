"""A hundred thousand damaged requests: refused or answered, never a fault of ours, within memory and time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

FLOOD = Path(__file__).resolve().parents[1] / "hostile_flood.py"
SEEDS = (17, 18)
PER_SEED = 50_000
GROWTH_BYTES = 256 * 2**20
SLOWEST_CPU_S = 1.0


def start(seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", str(FLOOD), str(seed), str(PER_SEED)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )


@pytest.mark.timeout(900)
def test_no_damaged_request_is_a_fault_of_ours() -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory limit needs /proc/self/statm")
    ended = [(child, *child.communicate()) for child in [start(seed) for seed in SEEDS]]
    for child, _, errors in ended:
        assert child.returncode == 0, errors[-3000:]
    told = [json.loads(output) for _, output, _ in ended]
    outcomes: dict[str, Counter[str]] = {}
    for one in told:
        assert one["growth_bytes"] <= GROWTH_BYTES
        assert one["slowest_s"] <= SLOWEST_CPU_S, one[
            "slowest_kind"
        ]  # of the processor's time, not the wall's
        for kind, tally in one["outcomes"].items():
            outcomes.setdefault(kind, Counter()).update(tally)
    assert sum(tally.total() for tally in outcomes.values()) >= 100_000
    for kind, tally in outcomes.items():
        if kind != "bomb":
            # Of one kind only they would mean that damage, or the checks, reach nothing.
            assert tally["read"] >= 20 and tally["refused"] >= 20, f"{kind}: {tally}"
