"""The optimizer's picture of a machine: what was measured, against the targets, and what follows.

Covers: taking the measures, and the facts for programs; report.py shows them to people. Each figure says
where it is from; what nobody measured is told as such. Changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from subnet17.errors import JournalError, S17Error
from subnet17.ops.tuning.benchmark import RunningServers
from subnet17.ops.tuning.history import History, find_journal, read_history
from subnet17.ops.tuning.proposals import MIN_TASKS, Proposal, Targets, propose
from subnet17.ops.tuning.samples import Figure, Sample, Terms
from subnet17.ops.tuning.space import PROFILES
from subnet17.ops.uptime import Day, read_uptime
from subnet17.settings import Settings

UPTIME_DAYS = 7
DEFAULT_THRESHOLD = 0.6


@dataclass
class Analysis:
    """All of it.

    Attributes:
        profile: In force; empty where the server could not be asked.
        samples: Of the benchmark, by profile.
        problem: Why the servers were not measured; None when they were.
        history: Of the journal; None where there is none: `no_history` says why.
        uptime: Of each process in the last days, as the orchestrator saw it; empty where none watched.
    """

    targets: Targets
    terms: Terms
    profile: str = ""
    backend: str = ""
    scorer: str = ""
    samples: dict[str, Sample] = field(default_factory=dict)
    problem: S17Error | None = None
    history: History | None = None
    no_history: str = ""
    uptime: dict[str, Day] = field(default_factory=dict)
    proposals: list[Proposal] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        history = self.history
        return {
            "profile": self.profile,
            "backend": self.backend,
            "scorer": self.scorer,
            "terms": asdict(self.terms),
            "targets": [row.as_json() for row in compare_with_targets(self)],
            "benchmark": {name: sample.as_json(self.terms) for name, sample in self.samples.items()},
            "not_measured": self.problem.message if self.problem else None,
            "journal": None
            if history is None
            else {
                "folder": history.folder,
                "hours": history.hours,
                "tasks": history.tasks,
                "acceptance": history.acceptance,
                "validators": [entry.as_json() for entry in history.validators.values()],
            },
            "no_journal": self.no_history or None,
            "market": history.market if history else None,
            "uptime": {name: day.model_dump() for name, day in self.uptime.items()},
            "proposals": [asdict(p) | {"needs_restart": p.needs_restart} for p in self.proposals],
        }


@dataclass(frozen=True)
class TargetRow:
    """One target beside what was measured.

    Attributes:
        met: None where nothing tells.
    """

    name: str
    target: str
    benchmark: Figure | None
    journal: Figure | None
    met: bool | None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        figures = {"benchmark": self.benchmark, "journal": self.journal}
        return {
            "name": self.name,
            "target": self.target,
            **{name: figure.as_json() if figure else None for name, figure in figures.items()},
            "met": self.met,
            "note": self.note,
        }


def read_journal(
    settings: Settings, *, hotkey: str, since_s: float, until_s: float
) -> tuple[History | None, str]:
    """The history, or why there is none."""
    try:
        folder = find_journal(settings.data_dir, hotkey)
        return read_history(folder, since_s=since_s, until_s=until_s), ""
    except JournalError as error:
        return None, error.message


def terms_of(settings: Settings, history: History | None) -> Terms:
    """By what samples are judged now."""
    factor = history.quality_factor if history else 1.0
    return Terms(target_s=settings.miner.target_generation_time, quality_factor=factor)


def fit_score_of(settings: Settings, history: History | None) -> float:
    """The score from which an asset would be submitted and accepted."""
    threshold = history.threshold if history and history.threshold is not None else DEFAULT_THRESHOLD
    return max(threshold, settings.miner.self_validation_min_score)


async def analyse(
    settings: Settings,
    servers: RunningServers,
    history: History | None,
    no_history: str,
    *,
    on_piece: Callable[[], None] = lambda: None,
) -> Analysis:
    """Measures and judges. Servers that can't be measured leave a `problem`, never an exception.

    Args:
        servers: The benchmark asks these.
        history: What the journal tells; `no_history` why it tells nothing.
        on_piece: Called after each request of the benchmark.
    """
    found = Analysis(Targets.of(settings), terms_of(settings, history), history=history)
    found.no_history = no_history
    found.uptime = read_uptime(settings).shares(days=UPTIME_DAYS, now_s=time.time())
    try:
        await servers.check()
        found.profile = await servers.profile()
        for profile in PROFILES:
            found.samples[profile] = await servers.measure(profile, on_piece=on_piece)
    except S17Error as error:
        found.problem = error
    found.backend, found.scorer = servers.backend, servers.scorer
    found.proposals = propose(
        settings,
        profile=found.profile,
        samples=found.samples,
        history=history,
        backend=found.backend,
        terms=found.terms,
    )
    return found


def compare_with_targets(found: Analysis) -> list[TargetRow]:
    """Each target; the journal's word counts where it has tasks enough, else the benchmark's."""
    history, targets = found.history, found.targets
    bench = found.samples.get(found.profile, Sample(()))
    tasks = history.sample if history else Sample(())
    times = bench.generation_s, tasks.generation_s
    scores = bench.score, tasks.score
    return [
        TargetRow(
            "generation",
            f"< {targets.generation_s:g} s",
            *times,
            _met(*times, lambda mean: mean < targets.generation_s),
        ),
        TargetRow(
            "quality",
            f"> {targets.quality:g}",
            *scores,
            _met(*scores, lambda mean: mean > targets.quality),
            f"by the {found.scorer} scorer" if found.scorer else "",
        ),
        _acceptance_row(history, targets),
        _uptime_row(found.uptime, targets),
    ]


def _met(bench: Figure | None, journal: Figure | None, holds: Callable[[float], bool]) -> bool | None:
    figure = journal if journal is not None and (journal.count >= MIN_TASKS or bench is None) else bench
    return holds(figure.mean) if figure else None


def _acceptance_row(history: History | None, targets: Targets) -> TargetRow:
    share = history.acceptance if history else None
    figure, note = None, "no validator has judged a result"
    if history is not None and share is not None:
        accepted, judged = (
            sum(v.accepted for v in history.validators.values()),
            sum(v.accepted + v.rejected for v in history.validators.values()),
        )
        figure = Figure(share, (share * (1 - share)) ** 0.5, judged)
        note = f"{accepted} of {judged} judged; {history.skipped} skipped"
    met = None if share is None else share > targets.acceptance
    return TargetRow("acceptance", f"> {targets.acceptance:.0%}", None, figure, met, note)


def _uptime_row(uptime: dict[str, Day], targets: Targets) -> TargetRow:
    shares = {name: day.healthy_s / day.watched_s for name, day in uptime.items() if day.watched_s > 0}
    if not shares:
        note = "nobody watched: only mining_orchestrator.py run counts it"
        return TargetRow("uptime", f"> {targets.uptime:.0%}", None, None, None, note)
    least = min(shares, key=lambda name: shares[name])
    watched_h = uptime[least].watched_s / 3600
    note = (
        f"{least} {shares[least]:.2%}, the least of {len(shares)}; the orchestrator watched {watched_h:.1f} h"
        f" in {UPTIME_DAYS} days"
    )
    return TargetRow("uptime", f"> {targets.uptime:.0%}", None, None, shares[least] > targets.uptime, note)
