"""A changed mining.toml: live keys at once and together, others after a restart, a broken file not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from subnet17 import reload
from subnet17.errors import ConfigError
from subnet17.log import configure_logging, log_style
from subnet17.reload import SettingsFollower
from subnet17.settings import LIVE, Settings, Sources, known_keys
from subnet17.settings_sources import MAX_CONFIG_BYTES
from tests.config_files import mutants, place_something_else

GOOD = """# what an operator wrote
[generation]
num_inference_steps = 20
octree_resolution = 256
port = 9001
api_key = "hush-hush"

[validation]
max_concurrent_requests = 4

[operations]
log_level = "info"
"""
MUTANTS = 1000
ALL_TABLES = tuple(Settings.model_fields)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mining.toml"
    path.write_text(GOOD)
    return path


def follow(path: Path, **sources: Any) -> SettingsFollower:
    return SettingsFollower(ALL_TABLES, path, environ=sources.pop("environ", {}), **sources)


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@contextmanager
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_a_live_key_takes_effect_and_the_others_wait_for_a_restart(path: Path) -> None:
    follower = follow(path)
    told: list[Settings] = []
    follower.add(told.append)
    rewrite(path, "steps = 20", "steps = 10")
    rewrite(path, "port = 9001", "port = 9002")
    with logged() as lines:
        follower.look()
    assert (follower.current.generation.num_inference_steps, follower.current.generation.port) == (10, 9001)
    assert told == [follower.current]
    shown = follower.as_json()
    assert shown["needs_restart"] == {"generation.port": {"running": 9001, "file": 9002}}
    assert lines[0]["changed"] == ["generation.num_inference_steps: 20 -> 10"]
    assert lines[1]["keys"] == ["generation.port: 9001 -> 9002"]


def test_a_key_put_back_no_longer_waits_for_a_restart(path: Path) -> None:
    follower = follow(path)
    rewrite(path, "port = 9001", "port = 9002")
    follower.look()
    path.write_text(GOOD)
    follower.look()
    assert (follower.as_json()["needs_restart"], follower.as_json()["reloads"]) == ({}, 2)


def test_equal_settings_have_equal_stamps(path: Path) -> None:
    follower = follow(path)
    before = follower.as_json()["stamp"]
    rewrite(path, "steps = 20", "steps = 10")
    follower.look()
    assert follower.as_json()["stamp"] != before
    path.write_text(GOOD + "# the same settings\n")
    follower.look()
    assert follower.as_json()["stamp"] == before


def test_secrets_are_never_shown(path: Path) -> None:
    follower = follow(path)
    rewrite(path, "hush-hush", "hush-money")
    with logged() as lines:
        follower.look()
    shown = f"{lines} {follower.as_json()}"
    assert "generation.api_key" in shown
    assert "hush" not in shown
    rewrite(path, '"hush-money"', "51234567")
    follower.look()
    assert "api_key = <hidden>" in str(follower.as_json()["error"])


def test_changes_of_what_a_process_does_not_use_are_not_its_business(path: Path) -> None:
    follower = SettingsFollower(
        ("validation", "operations.log_level", "operations.data_dir"), path, environ={}
    )
    stamp = follower.as_json()["stamp"]
    rewrite(path, "port = 9001", "port = 9002")
    rewrite(path, "log_level", "max_restarts = 7\nlog_format = 'json'\nlog_level")
    with logged() as lines:
        follower.look()
    assert (follower.as_json()["needs_restart"], follower.as_json()["stamp"]) == ({}, stamp)
    assert lines[0]["changed"] == []
    assert "9002" not in str(lines)
    rewrite(path, "max_restarts = 7", "data_dir = 'elsewhere'")
    follower.look()
    assert set(follower.as_json()["needs_restart"]) == {"operations.data_dir"}  # type: ignore[call-overload]


def test_environment_and_flags_of_the_start_still_come_first(path: Path) -> None:
    environ = {"S17_GENERATION__NUM_INFERENCE_STEPS": "7"}
    follower = follow(path, environ=environ, flags={"generation": {"octree_resolution": 99}})
    environ.clear()
    path.write_text("[generation]\nnum_inference_steps = 1\noctree_resolution = 16\nprofile = 'speed'\n")
    follower.look()
    table = follower.current.generation
    assert (table.num_inference_steps, table.octree_resolution, table.profile) == (7, 99, "speed")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[generation]\nprofile = 'speed", "not valid TOML"),
        ("[generation]\nprofile = 'speed'\nnum_inference_steps = 0\n", "num_inference_steps = 0"),
        ("[generation]\nprofile = 'speed'\nprt = 1\n", "did you mean port?"),
        ("[generation]\nprofile = 'speed'\n[mining]\n", "did you mean miner?"),
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("[generation]\nprofile = 'speed'\n#" + "x" * MAX_CONFIG_BYTES, "has more than 65536 bytes"),
        ("[miner]\n" + ".".join("a" * 20_000) + " = 1", "at most 200 are read"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing_and_says_why(path: Path, content: str, said: str) -> None:
    follower = follow(path)
    before = follower.current
    path.write_text(content)
    follower.look()
    assert follower.current is before
    assert said in str(follower.as_json()["error"])
    path.write_text(GOOD)
    follower.look()
    assert (follower.as_json()["error"], follower.current) == ("", before)


def test_a_broken_file_is_told_once_for_each_content(path: Path) -> None:
    follower = follow(path)
    with logged() as lines:
        for content in ("a", "a", "a", "b", "b"):
            path.write_text(content)
            follower.look()
        path.unlink()
        follower.look()
        follower.look()
    assert [line["log_level"] for line in lines] == ["error"] * 3


@pytest.mark.parametrize("number", range(5))
def test_what_is_no_readable_file_changes_nothing(path: Path, number: int) -> None:
    follower = follow(path)
    before = follower.current
    place_something_else(path, number)
    follower.look()
    assert follower.current is before
    assert str(path) in str(follower.as_json()["error"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_changes_nothing(path: Path) -> None:
    follower = follow(path)
    before = follower.current
    path.chmod(0)
    follower.look()
    assert follower.current is before
    assert "Permission denied" in str(follower.as_json()["error"])


def test_a_refused_read_changes_nothing_for_any_user(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = follow(path)
    before = follower.current

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("subnet17.settings_sources._open_at_once", refuse)
    follower.look()
    assert follower.current is before
    assert "Permission denied" in str(follower.as_json()["error"])


def test_a_default_file_that_comes_later_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subnet17.settings.PROJECT_ROOT", tmp_path)
    follower = SettingsFollower(ALL_TABLES, environ={})
    follower.look()
    assert (follower.current, follower.as_json()["error"]) == (Settings(), "")
    (tmp_path / "mining.toml").write_text(GOOD)
    follower.look()
    assert follower.current.generation.num_inference_steps == 20


def test_a_default_file_that_goes_does_not_bring_the_defaults_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subnet17.settings.PROJECT_ROOT", tmp_path)
    (tmp_path / "mining.toml").write_text(GOOD)
    follower = SettingsFollower(ALL_TABLES, environ={})
    (tmp_path / "mining.toml").unlink()
    follower.look()
    assert follower.current.generation.num_inference_steps == 20
    assert "is gone" in str(follower.as_json()["error"])


def test_a_bug_in_reading_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = follow(path)
    before = follower.current
    monkeypatch.setattr(Sources, "combine", lambda *_: 1 / 0)
    path.write_text(GOOD + "\n")
    follower.look()
    assert follower.current is before
    assert "ZeroDivisionError" in str(follower.as_json()["error"])


def test_the_log_level_is_every_process_s(path: Path) -> None:
    configure_logging(service="test", level="info")
    follower = follow(path)
    rewrite(path, '"info"', '"error"')
    follower.look()
    assert log_style().level == "error"
    rewrite(path, '"error"', '"info"')
    follower.look()
    assert log_style().level == "info"


def in_force(started: Settings, in_file: Settings) -> dict[str, dict[str, Any]]:
    """By another way: what must be in force, from what runs and what the file says."""
    values = started.model_dump()
    for table in ALL_TABLES:
        for key in known_keys(table, LIVE):
            values[table][key] = getattr(getattr(in_file, table), key)
    return values


def test_a_thousand_damaged_files_are_taken_whole_or_not_at_all(path: Path) -> None:
    follower = follow(path)
    started, told = follower.current, [follower.current]
    follower.add(told.append)
    outcomes = {"good": 0, "bad": 0}
    clear(path)
    for number, content in enumerate(mutants(GOOD, MUTANTS)):
        path.write_bytes(content)
        if number % 50 == 49:
            place_something_else(path, number // 50)
        before = follower.current
        follower.look()
        try:
            expected = in_force(started, Sources(path, environ={}).combine(path_content(path)))
        except ConfigError:
            outcomes["bad"] += 1
            assert follower.current is before, number
            assert follower.as_json()["error"], number
        else:
            outcomes["good"] += 1
            assert follower.current.model_dump() == expected, number
            assert follower.as_json()["error"] == "", number
        assert follower.current is told[-1], "what is told is what is in force"
        clear(path)
    assert min(outcomes.values()) > MUTANTS / 10, outcomes
    path.write_text(GOOD)
    follower.look()
    assert (follower.current, follower.as_json()["error"]) == (started, "")


def path_content(path: Path) -> bytes:
    """As `Sources.read`, but what is empty is no configuration while another one is in force."""
    content = Sources(path, environ={}).read()
    if not content or not content.strip():
        raise ConfigError("empty")
    return content


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


async def until_steps(follower: SettingsFollower, steps: int) -> None:
    async with asyncio.timeout(60):
        while follower.current.generation.num_inference_steps != steps:  # noqa: ASYNC110 - as seen from outside
            await asyncio.sleep(0.02)


@pytest.fixture
async def watched(path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A follower at work, which would not look by itself within the test's time."""
    monkeypatch.setattr(reload, "SETTLE_S", 0.02)
    follower = follow(path)
    watching = asyncio.create_task(follower.watch())
    await asyncio.sleep(0.3)
    yield follower
    assert not watching.done()
    watching.cancel()


async def test_a_file_written_in_place_is_followed(path: Path, watched: SettingsFollower) -> None:
    rewrite(path, "steps = 20", "steps = 11")
    await until_steps(watched, 11)
    rewrite(path, "steps = 11", "steps = 12")
    await until_steps(watched, 12)


def replace_as_vim(path: Path, text: str) -> None:
    path.rename(path.with_suffix(".toml~"))
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)


async def test_a_file_put_in_the_old_one_s_place_is_followed(path: Path, watched: SettingsFollower) -> None:
    for steps in (11, 12):
        replace_as_vim(path, GOOD.replace("steps = 20", f"steps = {steps}"))
        await until_steps(watched, steps)


async def test_a_link_that_is_pointed_elsewhere_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for steps in (20, 11):
        (tmp_path / f"v{steps}").mkdir()
        (tmp_path / f"v{steps}" / "mining.toml").write_text(GOOD.replace("steps = 20", f"steps = {steps}"))
    (tmp_path / "data").symlink_to("v20")
    (tmp_path / "mining.toml").symlink_to("data/mining.toml")
    follower = follow(tmp_path / "mining.toml")
    watching = asyncio.create_task(follower.watch())
    await asyncio.sleep(0.3)
    (tmp_path / "data.new").symlink_to("v11")  # as config maps are changed
    (tmp_path / "data.new").rename(tmp_path / "data")
    await until_steps(follower, 11)
    watching.cancel()


async def test_a_folder_that_goes_and_comes_back_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "LOOK_S", 0.2)
    (tmp_path / "etc").mkdir()
    path = tmp_path / "etc" / "mining.toml"
    path.write_text(GOOD)
    follower = follow(path)
    watching = asyncio.create_task(follower.watch())
    await asyncio.sleep(0.3)
    path.unlink()
    path.parent.rmdir()
    await asyncio.sleep(0.5)
    assert follower.current.generation.num_inference_steps == 20
    path.parent.mkdir()
    path.write_text(GOOD.replace("steps = 20", "steps = 11"))
    await until_steps(follower, 11)
    watching.cancel()


async def test_where_nothing_can_be_watched_the_file_is_looked_at(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(reload, "awatch", refuse)
    monkeypatch.setattr(reload, "LOOK_S", 0.05)
    follower = follow(path)
    watching = asyncio.create_task(follower.watch())
    rewrite(path, "steps = 20", "steps = 11")
    await until_steps(follower, 11)
    watching.cancel()


async def test_a_file_that_is_still_being_written_is_not_read(
    path: Path, watched: SettingsFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "SETTLE_S", 1.5)  # no pause of a busy machine between two lines lasts so long
    with path.open("w") as file:
        for line in GOOD.replace("steps = 20", "steps = 11").splitlines(keepends=True):
            file.write(line)
            file.flush()
            await asyncio.sleep(0.02)
    await until_steps(watched, 11)
    assert (watched.as_json()["reloads"], watched.as_json()["error"]) == (1, "")


async def test_a_storm_of_damaged_files_does_not_end_the_watch(path: Path, watched: SettingsFollower) -> None:
    for content in mutants(GOOD, 60):
        path.with_suffix(".new").write_bytes(content)
        path.with_suffix(".new").rename(path)
        await asyncio.sleep(0.01)
    replace_as_vim(path, GOOD.replace("steps = 20", "steps = 13"))
    await until_steps(watched, 13)
    assert watched.as_json()["error"] == ""
