"""The embedded generator over its vocabulary and the local subnet's prompts: seconds a piece, prompt to SPZ.

    python benchmarks/bench_procedural.py [--every 1]

One process, the code path of the server's worker, 100,000 splats; also how many prompts' words were all
understood.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from subnet17.generation.procedural_backend import generate, load  # noqa: E402
from subnet17.generation.request import GenerationRequest  # noqa: E402
from subnet17.procedural.model import families  # noqa: E402
from subnet17.settings import GenerationTable  # noqa: E402

TABLE = GenerationTable()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, help="take every n-th prompt")
    every = parser.parse_args().every
    load(TABLE)
    local = (REPO / "subnet17" / "localnet" / "prompts.txt").read_text(encoding="utf-8").splitlines()
    sets = {
        "one of each family": [f"a {family.words[0]}" for family in families().values()],
        "prompts of the local subnet": [line for line in local if line and not line.startswith("#")],
    }
    processor = platform.processor() or platform.machine()
    print(f"{processor}, Python {platform.python_version()}, {TABLE.splat_count} splats")
    for name, prompts in sets.items():
        measure(name, prompts[::every])


def measure(name: str, prompts: list[str]) -> None:
    spent: list[tuple[float, str]] = []
    understood = 0
    for prompt in prompts:
        started_s = time.perf_counter()
        asset = generate(GenerationRequest(prompt, None, 1, "spz", "balanced"), TABLE)
        spent.append((time.perf_counter() - started_s, prompt))
        understood += not asset.notes
    seconds = sorted(seconds for seconds, _ in spent)
    print(
        f"{name}: {len(prompts)} pieces, median {statistics.median(seconds):.3f} s, "
        f"95 % under {seconds[int(0.95 * (len(seconds) - 1))]:.3f} s, longest {max(spent)[0]:.3f} s "
        f"({max(spent)[1]}); no remarks on {understood} of them"
    )


if __name__ == "__main__":
    main()
