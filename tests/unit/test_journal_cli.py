"""The journal's command line, on a journal that a miner holds open."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from peers import SPZ, HeldClock, assignment, submission

from subnet17.mining.journal import Journal
from subnet17.mining.journal_cli import main
from subnet17.mining.records import Answer
from subnet17.mining.tasks import Candidate, Score

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """A journal with an accepted task and an open one; the settings lead there."""
    monkeypatch.setenv("S17_OPERATIONS__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    folder = tmp_path / "miner" / "5Own"
    journal = Journal.open(folder, clock=HeldClock())
    task = assignment(task_id="accepted-task", prompt="a [bold] red chair")
    made = Candidate(0, 77, SPZ, "flux-hunyuan", 2.0)
    parcel = submission(assignment=task, index=0)
    await journal.pulled(task, validator={"uid": 4})
    await journal.generated(task, made)
    await journal.scored(task, made, Score(0.8125, "reference", (), 0.2))
    await journal.sending(parcel)
    await journal.answered(parcel, Answer("accepted", fidelity=0.75, reward=12.5))
    await journal.pulled(assignment(task_id="open-task", validator="5Other", kind="image", prompt="aW1hZ2U="))
    await journal.add_market({"rank": 3})
    yield folder
    await journal.aclose()


def test_the_list_shows_tasks_and_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for text in (
        "accepted",
        "accept…",
        "a [bold] red chair",
        "0.8125",
        "0.7500",
        "pulled",
        "open-t…",
        "(a picture)",
    ):
        assert text in said
    assert "1 accepted, 1 pulled" in said
    assert main(["list", "--state", "pulled"]) == 0
    assert "accept…" not in capsys.readouterr().out


def test_one_task_is_shown_with_its_candidates_and_its_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "acc"]) == 0
    said = capsys.readouterr().out
    for text in ("a [bold] red chair", "accepted", "0 *", "77", "flux-hunyuan"):
        assert text in said
    (asset,) = [word for line in said.splitlines() for word in line.split() if word.endswith(".spz")]
    assert Path(asset).read_bytes() == SPZ


async def test_what_validators_write_does_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    journal = Journal.open(tmp_path, clock=HeldClock())
    await journal.pulled(assignment(task_id="\x1b[31mred", prompt="a\x1b]0;title\x07 chair\n\x1b[2J\x9b1m"))
    await journal.aclose()
    capsys.readouterr()
    for command in (["list"], ["show", "\x1b[31m"]):
        assert main([*command, "--folder", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert "chair" in said
        assert all(c.isprintable() or c == "\n" for c in said)


def test_an_export_holds_every_table_and_no_bytes(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    assert main(["export", "--output", str(output)]) == 0
    tables = json.loads(output.read_text())
    assert [row["task_id"] for row in tables["tasks"]] == ["accepted-task", "open-task"]
    assert tables["candidates"][0]["score"] == 0.8125
    assert tables["validators"][0]["uid"] == 4
    assert tables["market"][0]["rank"] == 3


def test_a_csv_export_has_one_line_for_each_task(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["task_id"], row["score"], row["verdict"]) for row in rows] == [
        ("accepted-task", "0.8125", "accepted"),
        ("open-task", "", ""),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "nothing"], 2, "no task"),
        (["show", ""], 2, "write more of it"),
        (["list", "--hotkey", "5Other"], 1, "no journal"),
        (["list", "--limit", "0"], 2, "limit"),
        (["dance"], 2, "dance"),
    ],
)
def test_a_mistake_is_told_and_no_success(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert main(arguments) == code
    assert said in capsys.readouterr().err


def test_with_several_hotkeys_one_must_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.parent / "5Own.previous").mkdir()
    (folder.parent / "5Own.previous" / "journal.sqlite").touch()
    assert main(["list"]) == 0
    (folder.parent / "5Else").mkdir()
    (folder.parent / "5Else" / "journal.sqlite").touch()
    assert main(["list"]) == 2
    assert "5Else, 5Own" in capsys.readouterr().err
    assert main(["list", "--hotkey", "5Own"]) == 0


def test_it_runs_as_a_module_without_bittensor(folder: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "subnet17.mining.journal", "list"]
    ended = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "accepted-task"[:8] in ended.stdout
    assert "bittensor" not in ended.stderr
