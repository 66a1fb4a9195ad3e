"""The simulation's command line: the policies side by side, each in a process of its own."""

from __future__ import annotations

import argparse
import atexit
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle, islice
from pathlib import Path

from rich.console import Console

from subnet17.localnet.simulate.day import Plan, simulate
from subnet17.localnet.simulate.outcome import Outcome
from subnet17.localnet.simulate.policies import POLICIES, Policy
from subnet17.localnet.simulate.report import broken_promises, policy_table, validator_table
from subnet17.localnet.simulate.tempers import CATALOGUE, MIXED
from subnet17.log import configure_logging

TABLE_COLUMNS = 150
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - the disk's speed is no part of the simulation


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulates and prints.

    Returns:
        0; 1 when the miner broke a cooldown or a signature was bad; 2 for a mistake in the command line.
    """
    given = _parser().parse_args(arguments)
    plan = Plan(
        tempers=[CATALOGUE[name] for name in islice(cycle(given.tempers), given.validators)],
        seed=given.seed,
        hours=given.hours,
        generation_s=given.generation_s,
        slots=given.slots,
    )
    policies = [policy for policy in POLICIES if policy.name in given.policies]
    results = dict(zip(policies, run_all(policies, plan, log_level=given.log_level), strict=True))
    console = Console(width=TABLE_COLUMNS)
    console.print(
        f"{plan.hours:g} h, {len(plan.tempers)} validators, generations of {plan.generation_s:g} s "
        f"in {plan.slots} slots, seed {plan.seed}"
    )
    for policy, outcomes in results.items():
        console.print(validator_table(policy, outcomes))
    console.print("* healthy: gives every cycle to a miner that makes no mistake")
    console.print(policy_table(results))
    broken = broken_promises(results)
    for sentence in broken:
        print(f"error: {sentence}", file=sys.stderr)  # noqa: T201
    return 1 if broken else 0


def run_all(policies: Sequence[Policy], plan: Plan, *, log_level: str = "error") -> list[list[Outcome]]:
    """The outcomes of each policy; as many at once as there are processors."""
    workers = min(len(policies), os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        jobs = [pool.submit(_run, policy, plan, log_level) for policy in policies]
        return [job.result() for job in jobs]


def _run(policy: Policy, plan: Plan, log_level: str) -> list[Outcome]:
    configure_logging(service=f"simulation-{policy.name}", level=log_level)
    where = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    try:
        with tempfile.TemporaryDirectory(prefix="s17-simulation-", dir=where) as folder:
            return simulate(policy, plan, Path(folder))
    finally:
        atexit._run_exitfuncs()  # skipped by multiprocessing; bittensor's log thread needs its own


def _parser() -> argparse.ArgumentParser:
    names = [policy.name for policy in POLICIES]
    parser = argparse.ArgumentParser(
        prog="python -m subnet17.localnet.simulate", description="Mines for a day in virtual time."
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same table")
    parser.add_argument("--hours", type=_within(0.1, 1000.0), default=24.0, metavar="H")
    parser.add_argument("--validators", type=int, choices=range(1, 41), default=8, metavar="1..40")
    parser.add_argument(
        "--tempers",
        nargs="+",
        choices=CATALOGUE,
        default=[temper.name for temper in MIXED],
        metavar="NAME",
        help=f"dealt to the validators in turn; of: {', '.join(CATALOGUE)}",
    )
    parser.add_argument(
        "--generation-s", type=_within(0.1, 600.0), default=20.0, metavar="S", help="mean time of one"
    )
    parser.add_argument("--slots", type=int, choices=range(1, 65), default=2, metavar="1..64")
    parser.add_argument("--policies", nargs="+", choices=names, default=names)
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="error")
    return parser


def _within(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not within {least:g}..{most:g}")
        return value

    return number
