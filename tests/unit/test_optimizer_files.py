"""What the optimizer writes and reads: mining.toml, the journal's figures, the count of uptime."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peers import HeldClock, assignment, key, memory_folder, submission
from rich.console import Console

from subnet17.errors import ConfigError, JournalError
from subnet17.mining import market
from subnet17.mining.journal import Journal
from subnet17.mining.records import Answer
from subnet17.mining.tasks import Candidate, Score
from subnet17.ops.state import Files, ProcessState, State
from subnet17.ops.tuning import history
from subnet17.ops.tuning.analysis import Analysis, compare_with_targets
from subnet17.ops.tuning.config_file import ConfigFile, keep_pending, restore_pending
from subnet17.ops.tuning.history import find_journal, read_history
from subnet17.ops.tuning.proposals import Proposal, Targets, propose
from subnet17.ops.tuning.report import as_report
from subnet17.ops.tuning.samples import Terms
from subnet17.ops.tuning.space import KNOBS, PROFILE
from subnet17.ops.uptime import UptimeWatch, read_uptime
from subnet17.settings import MinerTable, OperationsTable, Settings, Sources, known_keys, table_of

WRITTEN = """# my miner
[miner]
wallet_name = "default"   # the cold one lies elsewhere
max_candidates = 3

# the card
[generation]
octree_resolution = 256 # fits
"""


def config(folder: Path, text: str = WRITTEN, **environ: str) -> ConfigFile:
    (folder / "mining.toml").write_text(text, newline="")
    return ConfigFile(Sources(folder / "mining.toml", environ=environ))


@pytest.mark.parametrize("name", KNOBS)
def test_each_knob_stays_within_what_the_setting_allows(name: str) -> None:
    knob = KNOBS[name]
    table, _, setting = name.partition(".")
    assert setting in known_keys(table)
    facts = table_of(table).model_json_schema()["properties"][setting]
    assert facts["minimum"] <= knob.low < knob.high <= facts["maximum"]
    default = table_of(table).model_fields[setting].default
    assert knob.low <= default <= knob.high
    assert round((knob.high - knob.low) / knob.step, 6).is_integer()


def test_a_knob_moves_by_its_step_and_stops_at_its_bounds() -> None:
    knob = KNOBS["generation.octree_resolution"]
    assert knob.moved(384, 1) == 448
    assert knob.moved(500, 1) == 512
    assert knob.moved(512, 1) is None
    assert knob.moved(192, -1) is None
    assert knob.moved(1024, 1) is None, "beyond the bounds it is the operator's"
    assert KNOBS["miner.self_validation_min_score"].moved(0.7, -1) == 0.65


def test_a_changed_key_leaves_comments_and_layout(tmp_path: Path) -> None:
    file = config(tmp_path)
    file.write({"generation.octree_resolution": 320, PROFILE: "speed"})
    text = file.path.read_text()
    assert text == WRITTEN.replace("256", "320") + 'profile = "speed"\n'
    file.write({"generation.octree_resolution": 256, PROFILE: None})
    assert file.path.read_text() == WRITTEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "generation = {octree_resolution = 256}\n",
        "generation.octree_resolution = 256\n[miner]\n",
        "[generation]\r\noctree_resolution = 256\r\n\r\n[miner]\r\nport = 1\r\n",
        "[generation]\n'octree_resolution' = 2_56\n[operations]\nalert_command = [\n  'a', # b\n]\n",
        "[miner]\nmax_candidates = 1\n[generation]\n# the end",
    ],
)
def test_any_way_of_writing_is_changed_right_or_refused(text: str, tmp_path: Path) -> None:
    file = config(tmp_path, text)
    wanted = tomllib.loads(text)
    for table, setting in (("generation", "octree_resolution"), ("miner", "max_candidates")):
        wanted.setdefault(table, {})[setting] = 5 if table == "miner" else 320
    file.write({"generation.octree_resolution": 320, "miner.max_candidates": 5})
    assert tomllib.loads(file.path.read_text()) == wanted


def test_what_is_not_there_is_made_with_what_is_needed_only(tmp_path: Path) -> None:
    (tmp_path / "mining.toml").write_text("")
    file = ConfigFile(Sources(tmp_path / "mining.toml", environ={}))
    file.write({PROFILE: "quality"})
    assert tomllib.loads(file.path.read_text()) == {"generation": {"profile": "quality"}}


def test_a_value_out_of_range_and_a_key_of_the_environment_are_refused(tmp_path: Path) -> None:
    file = config(tmp_path, S17_GENERATION__PROFILE="speed")
    for changes, told in (
        ({"generation.octree_resolution": 5000}, "octree_resolution = 5000"),
        ({PROFILE: "quality"}, "'speed' by the environment"),
    ):
        with pytest.raises(ConfigError, match=told):
            file.write(changes)  # type: ignore[arg-type]
    assert file.path.read_text() == WRITTEN


def test_a_read_only_file_and_folder_are_left_alone(tmp_path: Path) -> None:
    file = config(tmp_path)
    file.path.chmod(0o444)
    with pytest.raises(ConfigError, match="is read-only: chmod"):
        file.write({PROFILE: "speed"})
    assert file.path.read_text() == WRITTEN
    assert [path.name for path in tmp_path.iterdir()] == ["mining.toml"]


def test_mode_and_link_of_the_file_stay(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    config(tmp_path / "real").path.chmod(0o640)
    link = tmp_path / "mining.toml"
    link.symlink_to(tmp_path / "real" / "mining.toml")
    ConfigFile(Sources(link, environ={})).write({PROFILE: "speed"})
    assert link.is_symlink()
    assert link.stat().st_mode & 0o777 == 0o640
    assert "speed" in link.read_text()


def test_a_change_of_somebody_else_in_between_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = config(tmp_path)
    theirs = WRITTEN.replace("256", "128")

    def meddle(*_: object) -> None:
        file.path.write_text(theirs)

    monkeypatch.setattr("subnet17.ops.tuning.config_file._check_writable", meddle)
    with pytest.raises(ConfigError, match="changed by somebody else"):
        file.write({PROFILE: "speed"})
    assert file.path.read_text() == theirs


def test_what_a_killed_trial_left_changed_is_put_back(tmp_path: Path) -> None:
    text = WRITTEN.replace("256", "0x100")
    file = config(tmp_path, text)
    names = [PROFILE, "generation.octree_resolution"]
    keep_pending(tmp_path, file, names)
    file.write({PROFILE: "speed", "generation.octree_resolution": 448})
    assert sorted(restore_pending(tmp_path, file)) == sorted(names)
    assert file.path.read_text() == text
    assert restore_pending(tmp_path, file) == []


def test_what_others_changed_during_a_trial_stays(tmp_path: Path) -> None:
    file = config(tmp_path)
    keep_pending(tmp_path, file, [PROFILE])
    file.write({PROFILE: "speed"})
    file.path.write_text(file.path.read_text().replace("= 3", "= 2"))
    restore_pending(tmp_path, file)
    assert file.path.read_text() == WRITTEN.replace("= 3", "= 2")


def test_a_damaged_note_of_a_trial_is_told(tmp_path: Path) -> None:
    (tmp_path / "pending.json").write_text("[1]")
    with pytest.raises(ConfigError, match="with a backup"):
        restore_pending(tmp_path, config(tmp_path))


# ---- the journal

DAY_S = 86_400.0
TERMS = Terms(target_s=5.0)


async def write_journal(
    folder: Path, verdicts: dict[str, list[str]], market_rows: list[dict[str, Any]]
) -> None:
    """Tasks with these verdicts, half a minute apart, after rows of the market an hour apart."""
    clock = HeldClock()
    journal = Journal.open(folder, clock=clock)
    for row in market_rows:
        await journal.add_market(row)
        clock.now_s += 3600
    for validator, ends in verdicts.items():
        for number, verdict in enumerate(ends):
            task = assignment(task_id=f"{validator}-{number}", validator=key(validator).ss58_address)
            made = Candidate(0, 7, b"asset", "flux-hunyuan", 2.0)
            await journal.pulled(task)
            await journal.generated(task, made)
            await journal.scored(task, made, Score(0.79, "reference", (), 0.5))
            skip = verdict == "skip_or_duplicate"
            parcel = submission(assignment=task, index=None if skip else 0)
            await journal.sending(parcel)
            await journal.answered(parcel, Answer(verdict, fidelity=0.78 if verdict == "accepted" else 0.0))
            clock.now_s += 30
    await journal.aclose()


async def test_the_journal_tells_rates_times_and_scores_by_validator(tmp_path: Path) -> None:
    folder = tmp_path / "miner" / "5Abc"
    ends = {"Good": ["accepted"] * 8, "Odd": ["accepted", "rejected", "skip_or_duplicate", "validator_fault"]}
    await write_journal(
        folder, ends, [{"duel_rating": 1000.0, "rank": 7}, {"duel_rating": 1200.0, "rank": 5}]
    )
    found = read_history(find_journal(tmp_path), since_s=0, until_s=1_700_000_000 + 2 * 3600 + 600)
    good, odd = (found.validators[key(name).ss58_address] for name in ("Good", "Odd"))
    assert (good.accepted, good.tasks) == (8, 8)
    assert (odd.accepted, odd.rejected, odd.skipped, odd.other) == (1, 1, 1, 1)
    assert odd.as_json()["fidelities"] == 0.78
    assert found.acceptance == 9 / 10
    assert (found.tasks, found.skipped, found.threshold, found.free_s) == (12, 1, 0.6, 30.0)
    assert found.candidate_s == 2.5
    assert len(found.sample.pieces) == 11, "a fault of the validator says nothing of us"
    assert found.sample.fit_share == 9 / 11
    assert found.market["now"]["rank"] == 5
    assert found.quality_factor == 1500 / 1200


async def test_a_journal_alone_is_shown_and_judged(tmp_path: Path) -> None:
    ends = {"Odd": ["accepted"] * 6 + ["rejected"] * 6}
    await write_journal(tmp_path, ends, [{"duel_rating": 1000.0, "rank": 7}])
    found = read_history(tmp_path, since_s=0, until_s=1_700_003_600 + 600)
    analysis = Analysis(Targets.of(Settings()), TERMS, history=found)
    met = {row.name: row.met for row in compare_with_targets(analysis)}
    assert met == {"generation": True, "quality": False, "acceptance": False, "uptime": None}
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(as_report(analysis))
    shown = console.export_text()
    assert "6 of 12 judged" in shown
    assert key("Odd").ss58_address[:8] in shown
    assert "duel rating" in shown
    changes = [p.changes for p in proposals_of(found)]
    assert changes == [{"miner.self_validation_min_score": 0.75}, {"miner.max_candidates": 5}]


async def test_a_task_for_which_nothing_was_generated_makes_no_generation_faster(tmp_path: Path) -> None:
    await write_journal(tmp_path, {"Odd": ["accepted"] * 5}, [])
    with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
        journal.execute("DELETE FROM candidate WHERE task_id IN (SELECT task_id FROM candidate LIMIT 2)")
    journal.close()
    sample = read_history(tmp_path, since_s=0, until_s=1_700_003_600 + 600).sample
    assert [piece.generation_s is None for piece in sample.pieces].count(True) == 2
    known = [piece.generation_s for piece in sample.pieces if piece.generation_s is not None]
    assert sample.generation_s is not None
    assert (sample.generation_s.mean, sample.generation_s.count) == (sum(known) / 3, 3)


def proposals_of(found: history.History) -> list[Proposal]:
    settings = Settings(miner=MinerTable(competitive_score_threshold=0.85))
    return propose(settings, profile="", samples={}, history=found, backend="", terms=TERMS)


async def test_only_the_span_that_was_asked_for_counts(tmp_path: Path) -> None:
    await write_journal(tmp_path, {"Good": ["accepted"] * 4}, [{"rank": 3}])
    start_s = 1_700_003_600.0
    assert read_history(tmp_path, since_s=start_s + 45, until_s=start_s + 75).tasks == 1
    late = read_history(tmp_path, since_s=start_s + 9 * DAY_S, until_s=start_s + 10 * DAY_S)
    assert (late.tasks, late.acceptance, late.threshold, late.candidate_s) == (0, None, None, None)
    assert late.market == {"now": {}, "a_day_ago": {}, "a_week_ago": {}}
    assert late.quality_factor == 1.0


async def test_of_several_journals_the_one_written_last_counts(tmp_path: Path) -> None:
    for number, name in enumerate(("5Old", "5New")):
        folder = tmp_path / "miner" / name
        await write_journal(folder, {}, [])
        for path in folder.iterdir():
            os.utime(path, (1000.0 + number, 1000.0 + number))
    assert find_journal(tmp_path).name == "5New"
    assert find_journal(tmp_path, "5Old").name == "5Old"
    for hotkey in ("5None", ""):
        with pytest.raises(JournalError, match="no journal in"):
            find_journal(tmp_path if hotkey else tmp_path / "empty", hotkey)
    with pytest.raises(ConfigError):
        find_journal(tmp_path, "../secrets")


def test_a_journal_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database, far from it" * 100)
    with pytest.raises(JournalError, match="can't be read"):
        read_history(tmp_path, since_s=0, until_s=1)


def test_the_market_counts_as_in_the_miner() -> None:
    assert (history.PLAIN_RATING, history.FACTOR_LIMITS) == (market.PLAIN_RATING, market.FACTOR_LIMITS)


# ---- uptime


@pytest.fixture
def settings() -> Iterator[Settings]:
    with memory_folder() as folder:
        yield Settings(operations=OperationsTable(data_dir=str(folder)))


def test_uptime_is_what_was_watched_and_healthy(settings: Settings) -> None:
    now_s = [1_700_000_000.0]
    watch = UptimeWatch(settings, clock=lambda: now_s[0])
    files = Files(settings)
    files.folder.mkdir(parents=True)

    def live(doing: Any, looks: int, step_s: float = 5.0) -> None:
        files.save(State(processes={"generation-server": ProcessState(doing=doing), "other": ProcessState()}))
        for _ in range(looks):
            now_s[0] += step_s
            watch.look()

    live("healthy", 60)
    live("restarting", 12)
    live("down", 100)
    live("healthy", 1, step_s=3600.0)
    live("healthy", 24)
    shares = read_uptime(settings).shares(days=2, now_s=now_s[0])
    assert list(shares) == ["generation-server"]
    day = shares["generation-server"]
    assert (day.watched_s, day.healthy_s) == (60 * 5 + 12 * 5 + 24 * 5, 60 * 5 + 24 * 5)
    assert read_uptime(settings).shares(days=2, now_s=now_s[0] + 5 * DAY_S) == {}


def test_a_damaged_count_begins_anew(settings: Settings) -> None:
    folder = Files(settings).folder
    folder.mkdir(parents=True)
    (folder / "uptime.json").write_text(json.dumps({"days": 3}))
    assert read_uptime(settings).days == {}
