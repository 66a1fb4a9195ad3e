"""The judge of the crash trials: each kind of loss, made up, is seen."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from judge import Findings, judge
from lives import Line
from stand_ins import Call

from subnet17.localnet.ledger import Entry, Kind, Page, Record
from subnet17.mining.strategy import seed_for

HOTKEY, TASK = "5Miner", "task-1"


def line(at_s: float, state: str, **facts: Any) -> Line:
    return Line(at_s, {"state": state, "task": TASK, **facts})


def call(at_s: float, name: str, *, score: float = 0.9, index: int = 0) -> Call:
    return Call(at_s, seed_for(HOTKEY, TASK, index), name, score)


def ledger(*events: tuple[Kind, str | None]) -> Record:
    page = Page(uid=0, hotkey="5Validator")
    for kind, digest in (("assigned", None), *events):
        page.add(kind, Entry(at_s=1.0, miner=HOTKEY, task_id=TASK, results_sha256=digest))
    return Record(time_scale=1.0, validators=[page])


def life(*lines: Line, killed_s: float | None = None) -> Any:
    return SimpleNamespace(lines=list(lines), killed_s=killed_s)


ALL_STATES = (
    line(1, "pulled"),
    line(3, "generated", candidate=0),
    line(4, "scored", candidate=0),
    line(5, "sending"),
    line(6, "answered"),
)


def look(record: Record, calls: list[Call], *lives: Any) -> Findings:
    return judge(record, calls, list(lives), hotkey=HOTKEY)


def test_a_task_that_came_through_is_no_complaint() -> None:
    found = look(ledger(("accepted", "a")), [call(2, "a")], life(*ALL_STATES))
    assert found.complaints == []
    assert (found.tasks, found.accepted, found.candidates) == (1, 1, 1)


def test_what_was_not_yet_durable_may_be_made_again() -> None:
    first = life(line(1, "pulled"), killed_s=2.5)
    second = life(line(6, "generated", candidate=0), line(7, "sending"), line(8, "answered"))
    found = look(ledger(("accepted", "b")), [call(2, "a"), call(5, "b")], first, second)
    assert found.complaints == []
    assert found.made_again == 1
    assert found.died_after == {"pulled": 1}


def test_a_durable_candidate_that_is_made_again_is_seen() -> None:
    lives = [life(*ALL_STATES[:2], killed_s=3.5), life(line(7, "sending"), line(8, "answered"))]
    found = look(ledger(("accepted", "b")), [call(2, "a"), call(5, "b")], *lives)
    assert found.regenerated == 1
    assert "made again after it was durable" in found.complaints[0]


@pytest.mark.parametrize(
    "event", [("skipped", None), ("accepted", "poor")], ids=["skipped", "a worse one accepted"]
)
def test_a_durable_result_that_was_not_used_is_seen(event: tuple[Kind, str | None]) -> None:
    lives = [life(*ALL_STATES[:2], killed_s=3.5), life(line(7, "sending"), line(8, "answered"))]
    calls = [call(2, "a", score=0.9), call(5, "poor", score=0.75, index=1)]
    assert look(ledger(event), calls, *lives).lost == 1


def test_an_asset_of_nobody_is_seen() -> None:
    assert look(ledger(("accepted", "x")), [call(2, "a")], life(*ALL_STATES)).lost == 1


def test_a_task_that_is_paid_twice_is_seen() -> None:
    found = look(ledger(("accepted", "a"), ("accepted", "a")), [call(2, "a")], life(*ALL_STATES))
    assert found.accepted_twice == 1
    assert found.complaints


def test_a_task_that_nobody_settles_is_seen() -> None:
    found = look(ledger(), [call(2, "a")], life(*ALL_STATES[:3], killed_s=4.5), life())
    assert found.unfinished == 1


@pytest.mark.parametrize("kind", ["violations", "bad_signatures", "rejected", "duplicate", "refused"])
def test_a_broken_rule_is_seen(kind: Kind) -> None:
    record = ledger(("accepted", "a"))
    record.validators[0].add(kind, Entry(at_s=2.0, miner=HOTKEY))
    assert look(record, [call(2, "a")], life(*ALL_STATES)).complaints


def test_a_miner_that_died_while_sending_may_be_refused_once() -> None:
    record = ledger(("accepted", "a"))
    record.validators[0].add("refused", Entry(at_s=9.0, miner=HOTKEY))
    lives = [life(*ALL_STATES[:4], killed_s=5.5), life(line(8, "sending"), line(9, "answered"))]
    assert look(record, [call(2, "a")], *lives).complaints == []


def test_findings_survive_the_file_they_are_kept_in_and_add_up() -> None:
    found = Findings(kills=Counter(pulled=2), died_after=Counter(scored=1), lost=1, complaints=["x"])
    read = Findings.of_json(json.loads(json.dumps(found.as_json())))
    assert read == found
    read.add(found)
    assert (read.kills["pulled"], read.lost, read.complaints) == (4, 2, ["x", "x"])
