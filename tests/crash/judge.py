"""What the crashes cost: the subnet's ledger and the servers' own record against what the miner had logged.

A candidate counts as durable from the line that says `generated`. From then on it must never be made again,
and what its task is settled with must be at least as good. The ledger alone says what was accepted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from lives import Life, Line
from stand_ins import Call

from subnet17.localnet.ledger import Entry, Kind, Record
from subnet17.mining.strategy import seed_for

MAX_INDEX = 64
MIN_SCORE = 0.7
"""The miner's `self_validation_min_score`: below it a skip loses nothing."""
SETTLED: tuple[Kind, ...] = ("accepted", "skipped", "rejected", "failed", "bad_signatures")
FORBIDDEN: tuple[Kind, ...] = (
    "violations",
    "bad_signatures",
    "rejected",
    "failed",
    "duplicate",
    "unregistered",
)


@dataclass
class Findings:
    """Of one round, or of many added up.

    Attributes:
        kills: By what the kill waited for.
        died_after: By the last state that was logged before the death.
        made_again: Candidates that were made twice, rightly: the first one had not become durable.
        locked: Submits that came within the validation lock: ignored, and without a price.
        complaints: What must not be. Empty when nothing was lost or paid twice and no rule was broken.
    """

    kills: Counter[str] = field(default_factory=Counter)
    died_after: Counter[str] = field(default_factory=Counter)
    tasks: int = 0
    accepted: int = 0
    skipped: int = 0
    candidates: int = 0
    made_again: int = 0
    locked: int = 0
    refused: int = 0
    lost: int = 0
    regenerated: int = 0
    accepted_twice: int = 0
    violations: int = 0
    unfinished: int = 0
    complaints: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Adds another round's figures."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def as_json(self) -> dict[str, Any]:
        """Plain types."""
        return {n: dict(value) if isinstance(value, Counter) else value for n, value in vars(self).items()}

    @classmethod
    def of_json(cls, tree: dict[str, Any]) -> Findings:
        """The opposite of `as_json`."""
        return cls(**tree | {name: Counter(tree[name]) for name in ("kills", "died_after")})


def judge(record: Record, calls: list[Call], lives: list[Life], *, hotkey: str) -> Findings:
    """Compares the three.

    Args:
        record: The subnet's ledger, once all tasks given out before the last kill should be settled.
        calls: Of the generation server.
        lives: Of the miner, the last one not killed.
        hotkey: The miner's.
    """
    findings = Findings(candidates=len(calls))
    entries = _entries(record)
    by_seed: dict[int, list[Call]] = defaultdict(list)
    for call in calls:
        by_seed[call.seed].append(call)
    _count_deaths(findings, lives)
    _check_rules(findings, record, lives)
    lines: dict[str, list[Line]] = defaultdict(list)
    for life in lives:
        for line in life.lines:
            if line.state:
                lines[line.task].append(line)
    for task, kinds in entries.items():
        seeds = {index: seed_for(hotkey, task, index) for index in range(MAX_INDEX)}
        made = {index: by_seed[seed] for index, seed in seeds.items() if seed in by_seed}
        _judge_task(findings, task, kinds, made, lines[task])
    findings.unfinished += _unfinished(findings, entries, lives)
    return findings


def _entries(record: Record) -> dict[str, dict[str, list[Entry]]]:
    """task -> kind -> entries."""
    tree: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for page in record.validators:
        for kind, entries in page.entries.items():
            for entry in entries:
                if entry.task_id is not None:
                    tree[entry.task_id][kind].append(entry)
    return tree


def _count_deaths(findings: Findings, lives: list[Life]) -> None:
    for life in lives:
        if life.killed_s is not None:
            states = [line.state for line in life.lines if line.state]
            findings.died_after[states[-1] if states else "start"] += 1


def _check_rules(findings: Findings, record: Record, lives: list[Life]) -> None:
    for kind in FORBIDDEN:
        if count := record.count(kind):
            findings.complaints.append(f"{count} x {kind}")
    findings.violations += record.count("violations")
    ignored = [e for page in record.validators for e in page.entries.get("ignored", [])]
    findings.locked += sum(e.reason == "validation lock" for e in ignored)
    if wrong := [e for e in ignored if e.reason != "validation lock"]:
        findings.complaints.append(f"{len(wrong)} x ignored: {wrong[0].reason}")
    findings.refused += record.count("refused")
    # A miner that dies between the validator's settling and its own record must ask once more; no other may.
    excuses = sum(_died_sending(life) for life in lives)
    if record.count("refused") > excuses:
        findings.complaints.append(f"{record.count('refused')} x refused, {excuses} could be explained")


def _died_sending(life: Life) -> int:
    """Tasks whose submit may have been under way at the death."""
    if life.killed_s is None:
        return 0
    last = {line.task: line.state for line in life.lines if line.state}
    return sum(state in {"scored", "sending"} for state in last.values())


def _judge_task(
    findings: Findings,
    task: str,
    kinds: dict[str, list[Entry]],
    made: dict[int, list[Call]],
    lines: list[Line],
) -> None:
    findings.tasks += 1
    findings.accepted += len(kinds["accepted"])
    findings.skipped += len(kinds["skipped"])
    findings.made_again += sum(len(calls) - 1 for calls in made.values())
    durable = _durable(made, lines)
    for index, call in durable.items():
        if again := [c for c in made[index] if c.at_s > call.at_s]:
            findings.regenerated += len(again)
            findings.complaints.append(f"task {task}: candidate {index} was made again after it was durable")
    settled = [entry for kind in SETTLED for entry in kinds[kind]]
    if len(settled) > 1:
        findings.accepted_twice += len(kinds["accepted"]) - 1
        findings.complaints.append(f"task {task} was settled {len(settled)} times")
    best = max((call.score for call in durable.values()), default=0.0)
    if kinds["skipped"] and best >= MIN_SCORE:
        findings.lost += 1
        findings.complaints.append(f"task {task} was skipped, a durable result of {best} lay there")
    for entry in kinds["accepted"]:
        last = {calls[-1].sha256: calls[-1].score for calls in made.values()}
        score = last.get(entry.results_sha256 or "")
        if score is None:
            findings.lost += 1
            findings.complaints.append(f"task {task}: what was accepted is not what was made last")
        elif score < best:
            findings.lost += 1
            findings.complaints.append(f"task {task}: {score} was accepted, a durable {best} lay there")


def _durable(made: dict[int, list[Call]], lines: list[Line]) -> dict[int, Call]:
    """index -> the call whose asset was logged as durable; the first one, should there be several."""
    durable: dict[int, Call] = {}
    for line in lines:
        if line.state == "generated":
            index = int(line.fields["candidate"])
            durable.setdefault(index, [c for c in made[index] if c.at_s < line.at_s][-1])
    return durable


def _unfinished(findings: Findings, entries: dict[str, dict[str, list[Entry]]], lives: list[Life]) -> int:
    """Tasks in the miner's hands before its last life that nobody settled."""
    known = {line.task for life in lives[:-1] for line in life.lines if line.state}
    unfinished = [t for t in known if not any(entries[t][kind] for kind in SETTLED)]
    findings.complaints += [f"task {task} was never settled" for task in unfinished]
    return len(unfinished)
