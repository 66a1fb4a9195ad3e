"""The table of a simulation, and what it says about the miner's promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from subnet17.localnet.ledger import Kind
from subnet17.localnet.rules import Rules
from subnet17.localnet.simulate.outcome import WINDOW_S, Outcome
from subnet17.localnet.simulate.policies import OURS, Policy

MOST_ACCEPTS = int(WINDOW_S / Rules().task_cooldown_s)
KINDS: tuple[Kind, ...] = ("accepted", "rejected", "skipped", "violations")

Results = Mapping[Policy, Sequence[Outcome]]


def total_reward(outcomes: Sequence[Outcome]) -> float:
    """What a miner earns: each validator's reward, weighed by its share of the stake."""
    stake = sum(outcome.stake for outcome in outcomes)
    return sum(outcome.reward * outcome.stake for outcome in outcomes) / stake


def least_accepts(outcomes: Sequence[Outcome]) -> int | None:
    """The poorest 4 h at any healthy validator; None when there was no whole window."""
    return min((count for o in outcomes if o.healthy for count in o.windows), default=None)


def broken_promises(results: Results) -> list[str]:
    """What must never happen and did, one sentence each.

    A baseline may break a cooldown: where a reply is lost, only a rejection nobody expected can cause that.
    """
    broken = []
    for policy, outcomes in results.items():
        for outcome in outcomes:
            where = f"policy {policy.name}, validator {outcome.temper}"
            if policy is OURS and (count := outcome.count("violations")):
                broken.append(f"{where}: {count} cooldown violations, allowed 0")
            if outcome.bad_signatures:
                broken.append(f"{where}: {outcome.bad_signatures} bad signatures, allowed 0")
    return broken


def policy_table(results: Results) -> Table:
    """One line for each policy."""
    table = Table(title="Policies, all validators together")
    for name in ("policy", *KINDS, "bad signatures", f"least of {MOST_ACCEPTS} per 4 h", "reward", "ratio"):
        table.add_column(name, justify="left" if name == "policy" else "right")
    own = total_reward(results[OURS]) if OURS in results else None
    for policy, outcomes in results.items():
        reward = total_reward(outcomes)
        least = least_accepts(outcomes)
        table.add_row(
            policy.name,
            *(str(sum(o.count(kind) for o in outcomes)) for kind in KINDS),
            str(sum(o.bad_signatures for o in outcomes)),
            "-" if least is None else str(least),
            f"{reward:.0f}",
            f"{reward / own:.3f}" if own else "-",
        )
    return table


def validator_table(policy: Policy, outcomes: Sequence[Outcome]) -> Table:
    """One line for each validator under a policy."""
    table = Table(title=f"{policy.name}: {policy.title}")
    names = ("validator", "stake", *KINDS, "bad signatures", "late nonces", "per 4 h", "rating", "reward")
    for name in names:
        table.add_column(name, justify="left" if name in {"validator", "per 4 h"} else "right")
    for outcome in outcomes:
        table.add_row(
            f"{outcome.temper} *" if outcome.healthy else outcome.temper,
            f"{outcome.stake:.0f}",
            *(str(outcome.count(kind)) for kind in KINDS),
            str(outcome.bad_signatures),
            str(outcome.bad_nonces),
            " ".join(str(count) for count in outcome.windows) or "-",
            f"{outcome.rating:.0f}" if outcome.rating else "-",
            f"{outcome.reward:.0f}",
        )
    return table
