"""What to change, by what was measured: a profile where one measured better, else one step of a knob.

A profile is proposed on figures taken side by side. A knob's step is a rule's guess: it is told as expected
and not measured, until it was tried (trial.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from subnet17.ops.tuning.history import History
from subnet17.ops.tuning.samples import Sample, Terms, compare
from subnet17.ops.tuning.space import (
    KNOBS,
    PROFILE,
    PROFILES,
    Changes,
    is_live,
    knobs_of,
    value_of,
)
from subnet17.settings import Settings

ACCEPTANCE = 0.9
UPTIME = 0.99
HEADROOM = 0.5
"""Of the time target: below it there is time for more work."""
MANY = 0.1
"""Share of tasks from which skips, or rejections, are worth a change."""
MIN_TASKS = 10
"""Fewer of them tell nothing of a miner's settings."""
SLACK_S = 2.0
"""Of the free time of a task: for pull, submission and what takes longer than usual."""


@dataclass(frozen=True)
class Targets:
    """What is to be reached.

    Attributes:
        generation_s: At most.
        quality: Score, at least; so are the shares of accepted results and of healthy time.
    """

    generation_s: float
    quality: float
    acceptance: float = ACCEPTANCE
    uptime: float = UPTIME

    @classmethod
    def of(cls, settings: Settings) -> Targets:
        """As the settings say."""
        return cls(settings.miner.target_generation_time, settings.miner.competitive_score_threshold)


@dataclass(frozen=True)
class Proposal:
    """Some keys to change.

    Attributes:
        was: What they are now.
        why: By what measure or rule.
        evidence: What is known of the effect: figures, or that it is expected and not measured.
    """

    changes: Changes
    was: Changes
    why: str
    evidence: str

    @property
    def is_measurable(self) -> bool:
        """Whether a benchmark of the servers can tell its effect at once."""
        return all(name.startswith("generation.") and is_live(name) for name in self.changes)

    @property
    def needs_restart(self) -> bool:
        """Whether running processes don't follow it."""
        return not all(is_live(name) for name in self.changes)


EXPECTED = "expected, not measured"


def propose(
    settings: Settings,
    *,
    profile: str,
    samples: Mapping[str, Sample],
    history: History | None,
    backend: str,
    terms: Terms,
) -> list[Proposal]:
    """All that follows from the measures; nothing where nothing was measured.

    Args:
        profile: In force.
        samples: Of the benchmark, by profile.
        history: Of the journal.
        backend: The generator.
    """
    found: list[Proposal] = []
    if profile in samples:
        found += _profile(profile, samples, terms) or _generation(
            settings, profile, samples[profile], backend
        )
    if history is not None and history.tasks >= MIN_TASKS:
        found += _miner(settings, history)
    return found


def best_profile(profile: str, samples: Mapping[str, Sample], terms: Terms) -> str:
    """The profile that measured better than the one in force, beyond noise; that one itself if none did."""
    better = [
        (difference.mean, name)
        for name in PROFILES
        if name != profile
        and name in samples
        and (difference := compare(samples[name], samples[profile], terms)).is_better
    ]
    return max(better)[1] if better else profile


def _profile(profile: str, samples: Mapping[str, Sample], terms: Terms) -> list[Proposal]:
    best = best_profile(profile, samples, terms)
    if best == profile:
        return []
    new, old = samples[best].worth(terms), samples[profile].worth(terms)
    return [
        Proposal(
            {PROFILE: best},
            {PROFILE: profile},
            "it is worth more in this benchmark",
            f"measured side by side, idle: worth {new} against {old}; in real work not measured",
        )
    ]


def _generation(settings: Settings, profile: str, sample: Sample, backend: str) -> list[Proposal]:
    """One step less work where it takes too long, one more where quality lacks and time is left."""
    targets = Targets.of(settings)
    taken_s, score = sample.generation_s, sample.score
    if taken_s is None or score is None:
        return []
    if taken_s.mean > targets.generation_s:
        return _step(settings, backend, -1, f"{taken_s} s takes longer than {targets.generation_s:g} s")
    if score.mean < targets.quality and taken_s.mean < HEADROOM * targets.generation_s:
        return _step(settings, backend, 1, f"the score of {score} is below {targets.quality:g}, time is left")
    return []


def _step(settings: Settings, backend: str, steps: int, why: str) -> list[Proposal]:
    for knob in knobs_of("generation", backend):
        value = value_of(settings, knob.name)
        assert not isinstance(value, str)  # noqa: S101 - for the type checker
        if (moved := knob.moved(value, steps)) is not None:
            return [Proposal({knob.name: moved}, {knob.name: value}, why, EXPECTED)]
    return []


def _miner(settings: Settings, history: History) -> list[Proposal]:
    found: list[Proposal] = []
    least = settings.miner.self_validation_min_score
    skipped = history.skipped / history.tasks
    threshold = history.threshold or 0.0
    acceptance = history.acceptance
    name = "miner.self_validation_min_score"
    if skipped > MANY and least > threshold >= KNOBS[name].low:
        why = f"{skipped:.0%} of the tasks were skipped, and validators ask for {threshold:g} only"
        found.append(Proposal({name: threshold}, {name: least}, why, EXPECTED))
    moved = KNOBS[name].moved(least, 1)
    if moved is not None and acceptance is not None and acceptance < ACCEPTANCE and skipped <= MANY:
        why = f"{acceptance:.0%} of what was submitted was accepted"
        found.append(Proposal({name: moved}, {name: least}, why, EXPECTED))
    return found + _candidates(settings, history)


def _candidates(settings: Settings, history: History) -> list[Proposal]:
    name, most = "miner.max_candidates", settings.miner.max_candidates
    score = history.sample.score
    if not history.candidate_s or history.free_s is None or score is None:
        return []
    fitting = int((history.free_s - SLACK_S) / history.candidate_s)
    if fitting <= most or score.mean >= settings.miner.competitive_score_threshold:
        return []
    if (moved := KNOBS[name].moved(most, 1)) is None:
        return []
    why = f"{fitting} candidates of {history.candidate_s:.2g} s fit into the free {history.free_s:g} s"
    return [Proposal({name: moved}, {name: most}, why, EXPECTED)]
