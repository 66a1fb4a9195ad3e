"""The local tools: what they keep and print, on servers that answer from memory."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from PIL import Image
from rich.console import Console

from subnet17.errors import PeerError
from subnet17.splat.ply import write_ply
from subnet17.trials import competition, runner
from subnet17.trials.trial import run_trial, save_assets
from subnet17.validation.scoring.warmup import make_ball

PLY = write_ply(make_ball())
SCORES = {1: 0.4, 2: 0.9, 3: 0.9, 4: 0.2}
MARKUP = "a [/] robot [bold]"
"""Means something to rich, which must not."""


def picture() -> str:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


class FakeServers:
    """Scores by seed; seed 5 fails."""

    def __init__(self, *_: object) -> None:
        self.seed = 0

    def check(self) -> None: ...

    def generate(self, prompt: str, *, seed: int, asset_format: str) -> tuple[bytes, httpx.Headers]:
        if seed == 5:
            raise PeerError("no [/] answer")
        self.seed = seed
        return (PLY if asset_format == "ply" else b"glTF"), httpx.Headers({"x-notes": '["[/]"]'})

    def validate(self, prompt: str, spz: bytes) -> dict[str, Any]:
        numbers = dict.fromkeys(("iqa", "alignment_score", "ssim", "lpips"), 0.5)
        pictures = {"preview": picture(), "grid_preview": picture()}
        return {"score": SCORES[self.seed], "reasons": [], "scorer": "embedded"} | numbers | pictures


def test_only_the_best_trial_keeps_its_files() -> None:
    servers: Any = FakeServers()
    trials, failures = competition._run_all(Console(quiet=True), servers, "a robot", [1, 2, 3, 4, 5])
    assert [trial.score for trial in trials] == [0.4, 0.9, 0.9, 0.2]
    assert [bool(trial.ply and trial.spz and trial.glb) for trial in trials] == [False, True, False, False]
    assert all("preview.png" in trial.previews for trial in trials)
    assert [seed for seed, _ in failures] == [5]


def test_a_competition_saves_the_best_and_says_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(competition, "RunningServers", FakeServers)
    with pytest.raises(typer.Exit) as stopped:
        competition.main(MARKUP, num_variants=5, seed=1, output=tmp_path, config=None)
    assert stopped.value.exit_code == 1
    (run,) = tmp_path.iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["best"] == {"seed": 2, "score": 0.9}
    assert (run / "asset.ply").read_bytes() == PLY
    assert (run / "contact_sheet.png").exists() and (run / "summary.csv").exists()
    printed = capsys.readouterr().out
    assert MARKUP in printed and "no [/] answer" in printed


def test_prompts_and_notes_are_printed_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    servers: Any = FakeServers()
    trial = run_trial(servers, MARKUP, 1)
    save_assets(trial, tmp_path)
    runner.print_trial(Console(), trial, tmp_path)
    assert MARKUP in capsys.readouterr().out
    assert json.loads((tmp_path / "score.json").read_text(encoding="utf-8"))["notes"] == ["[/]"]


def test_a_folder_that_cannot_be_written_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "RunningServers", FakeServers)
    (tmp_path / "file").write_text("")
    with pytest.raises(typer.Exit) as stopped:
        runner.main("a robot", seed=1, output=tmp_path / "file", config=None)
    assert stopped.value.exit_code == 2
    assert f"error: can't write to {tmp_path}/file: Not a directory" in capsys.readouterr().err


@pytest.mark.parametrize("tool", [runner, competition])
def test_the_folder_is_tried_before_the_work(
    tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PeerError("worked in vain")

    monkeypatch.setattr(tool, "RunningServers", FakeServers)
    monkeypatch.setattr(tool, "run_trial", fail)
    variants = {"num_variants": 2} if tool is competition else {}
    for output in (Path("/proc/nope"), tmp_path):
        with pytest.raises(typer.Exit):
            tool.main("a robot", seed=1, output=output, config=None, **variants)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_and_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "RunningServers", FakeServers)
    monkeypatch.setattr(runner, "run_trial", lambda *_, **__: pytest.fail("the folder comes first"))
    with pytest.raises(typer.Exit) as stopped:
        runner.main("a robot", seed=1, output=Path("/proc/nope"), config=None)
    assert stopped.value.exit_code == 2
    assert "error: can't write to /proc/nope" in capsys.readouterr().err
