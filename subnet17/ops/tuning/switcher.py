"""When to switch the profile: slowly, for good reason, and back when real work turned out worse.

    a challenger must measure better in `CONFIRMATIONS` rounds in a row, beyond noise;
    a profile stays for `MIN_STAY_S`, twice as long for each switch of the last day: five a day at the most;
    once `MIN_TASKS` real tasks were answered after a switch they are held against those before it: when they
        are worth less, beyond noise, it is taken back, and that profile is barred, twice as long each time.

So a machine or a market that swings fast moves little, and a profile that only looks better in the benchmark
costs a number of switches that grows with the logarithm of time.
Pure: told what was measured, it says what to do. All times are Unix seconds, for it outlives its process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from subnet17.ops.tuning.proposals import best_profile
from subnet17.ops.tuning.samples import Sample, Terms, compare

CONFIRMATIONS = 2
MIN_STAY_S = 3600.0
MIN_TASKS = 8
DAY_S = 86_400.0
TRIAL_S = 12 * 3600.0
"""A switch that had no tasks to be judged by until then stands."""
BAR_S = 4 * 3600.0
MAX_BAR_S = 7 * 86_400.0


class Trial(BaseModel):
    """A switch that real work has not judged yet."""

    previous: str
    before: Sample


class SwitchState(BaseModel):
    """What the switcher remembers.

    Attributes:
        profile: In force, as far as it knows.
        since_s: When that began.
        switched_s: When it was switched, also back, in the last day.
        challenger: Measured better last, so often in a row.
        reverts: How often in a row a profile was taken back.
    """

    profile: str = ""
    since_s: float = 0.0
    switched_s: list[float] = Field(default_factory=list)
    challenger: str = ""
    confirmations: int = 0
    trial: Trial | None = None
    barred_until_s: dict[str, float] = Field(default_factory=dict)
    reverts: dict[str, int] = Field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What to do, and why."""

    kind: Literal["stay", "switch", "revert"]
    profile: str
    why: str


def decide(
    state: SwitchState,
    *,
    now_s: float,
    profile: str,
    samples: Mapping[str, Sample],
    real: Sample,
    terms: Terms,
) -> Decision:
    """One round. Changes the state as if the decision was carried out: keep a copy where it may fail.

    Args:
        profile: In force.
        samples: Of the benchmark, by profile.
        real: The tasks answered since this profile began.
        terms: By which to judge.
    """
    if profile != state.profile:
        _begin(state, profile, now_s, trial=None)
        return Decision("stay", profile, "somebody chose it: its time begins now")
    if state.trial is not None and (verdict := _judge(state, state.trial, now_s, real, terms)):
        return verdict
    return _challenge(state, now_s, samples, real, terms)


def _judge(state: SwitchState, trial: Trial, now_s: float, real: Sample, terms: Terms) -> Decision | None:
    """What real work says of the last switch; None while it says nothing against it."""
    profile = state.profile
    if min(len(real.pieces), len(trial.before.pieces)) < MIN_TASKS:
        if now_s - state.since_s > TRIAL_S:
            state.trial = None
        return None
    state.trial = None
    if not compare(real, trial.before, terms).is_worse:
        state.reverts[profile] = 0
        return None
    times = state.reverts.get(profile, 0)
    state.reverts[profile] = times + 1
    state.barred_until_s[profile] = now_s + min(MAX_BAR_S, BAR_S * 2.0 ** min(times, 20))
    new, old = real.worth(terms), trial.before.worth(terms)
    state.switched_s.append(now_s)
    _begin(state, trial.previous, now_s, trial=None)
    return Decision("revert", trial.previous, f"real tasks are worth {new} with {profile}, {old} before")


def _challenge(
    state: SwitchState, now_s: float, samples: Mapping[str, Sample], real: Sample, terms: Terms
) -> Decision:
    allowed = {
        name: sample
        for name, sample in samples.items()
        if name == state.profile or state.barred_until_s.get(name, 0.0) <= now_s
    }
    best = best_profile(state.profile, allowed, terms)
    state.confirmations = state.confirmations + 1 if best == state.challenger else 1
    state.challenger = best
    if best == state.profile:
        return Decision("stay", best, "nothing measured better")
    if state.confirmations < CONFIRMATIONS:
        return Decision("stay", state.profile, f"{best} measured better, once")
    if (left_s := _stay_s(state, now_s) - (now_s - state.since_s)) > 0:
        return Decision("stay", state.profile, f"{best} measured better; no switch for {left_s:.0f} s")
    new, old = allowed[best].worth(terms), allowed[state.profile].worth(terms)
    state.switched_s.append(now_s)
    _begin(state, best, now_s, trial=Trial(previous=state.profile, before=real))
    return Decision("switch", best, f"worth {new} against {old} in {CONFIRMATIONS} benchmarks in a row")


def _stay_s(state: SwitchState, now_s: float) -> float:
    """How long the profile in force stays at least."""
    state.switched_s = [at_s for at_s in state.switched_s if 0 <= now_s - at_s < DAY_S]
    return MIN_STAY_S * 2.0 ** len(state.switched_s)


def _begin(state: SwitchState, profile: str, now_s: float, *, trial: Trial | None) -> None:
    state.profile, state.since_s, state.trial = profile, now_s, trial
    state.challenger, state.confirmations = "", 0
