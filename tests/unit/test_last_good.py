"""What a start keeps for the day on which the configuration can't be used."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from subnet17 import last_good
from subnet17 import settings as settings_module
from subnet17.errors import ConfigError
from subnet17.ops.orchestrator import Orchestrator
from subnet17.ops.processes import list_processes
from subnet17.ops.state import Files
from subnet17.reload import SettingsFollower
from subnet17.settings import load_settings
from subnet17.settings_uses import MINER


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mining.toml"
    path.write_text(
        '[miner]\nport = 9001\napi_key = "secret"\n[operations]\ndata_dir = "/there \\"d\\u00e4\\""\n'
    )
    monkeypatch.setattr(last_good, "FOLDER", tmp_path / "kept")
    monkeypatch.setenv("S17_CONFIG", str(path))
    return path


def test_a_good_file_is_used_and_nothing_is_told(config: Path) -> None:
    last_good.keep()
    assert last_good.load_or_recall() == (load_settings(), "")


def test_a_mistake_in_the_file_leaves_what_was_kept_under_the_environment(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_good.keep()
    config.write_text("[miner]\nport = many\n")
    monkeypatch.setenv("S17_GENERATION__PORT", "9002")
    settings, why = last_good.load_or_recall()
    assert (settings.miner.port, settings.generation.port) == (9001, 9002)
    assert settings.operations.data_dir == '/there "dä"'
    assert "not valid TOML" in why and "settings of the last start" in why


def test_a_mistake_in_the_environment_leaves_what_was_kept(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_good.keep()
    monkeypatch.setenv("S17_GENERATION__PORT", "many")
    settings, why = last_good.load_or_recall()
    assert settings.miner.port == 9001
    assert "[generation] port" in why


def test_without_a_good_start_the_defaults_and_the_environment_count(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[miner")
    last_good.keep()
    monkeypatch.setenv("S17_GENERATION__PORT", "9002")
    settings, why = last_good.load_or_recall()
    assert not last_good.is_kept()
    assert (settings.miner.port, settings.generation.port) == (8095, 9002)
    assert "going by the defaults" in why


def test_only_the_owner_can_read_what_is_kept(config: Path) -> None:
    last_good.keep()
    [kept] = last_good.FOLDER.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_bytes() == config.read_bytes()
    config.unlink()
    last_good.keep()  # no file, and one was asked for: a mistake
    assert last_good.is_kept()


def test_what_a_supervisor_starts_anew_goes_by_the_last_good_file_until_it_is_mended(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(last_good.STARTED_VARIABLE, "abc")
    assert SettingsFollower(MINER).current.miner.port == 9001
    config.write_text("[miner]\nprt = 9002\n")
    follower = SettingsFollower(MINER)
    assert follower.current.miner.port == 9001
    assert "did you mean port" in str(follower.as_json()["error"])
    follower.look()
    assert "did you mean port" in str(follower.as_json()["error"])
    config.write_text("[miner]\nport = 9001\nmax_candidates = 7\n")
    follower.look()
    assert (follower.as_json()["error"], follower.current.miner.max_candidates) == ("", 7)
    config.unlink()
    follower = SettingsFollower(MINER)
    assert follower.current.miner.max_candidates == 7
    assert "can't read" in str(follower.as_json()["error"])


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("blank", ["", " \n", None])
def test_a_file_that_is_being_written_is_none_for_what_a_supervisor_starts_anew(
    blank: str | None, named: bool, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not named:
        monkeypatch.delenv("S17_CONFIG")
        monkeypatch.setattr(settings_module, "PROJECT_ROOT", config.parent)
    last_good.keep()
    monkeypatch.setenv(last_good.STARTED_VARIABLE, "abc")
    if blank is None:
        config.unlink()
    else:
        config.write_text(blank)
    for _ in range(2):  # the first one keeps nothing in its place
        follower = SettingsFollower(MINER)
        assert follower.current.miner.port == 9001
        assert str(config) in str(follower.as_json()["error"])
    monkeypatch.delenv(last_good.STARTED_VARIABLE)
    if blank is not None or not named:
        assert SettingsFollower(MINER).current.miner.port == 8095  # by hand it is what it says


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("blank", ["", " \n", None])
def test_a_start_by_hand_takes_no_lost_file_for_the_defaults(
    blank: str | None, named: bool, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not named:
        monkeypatch.delenv("S17_CONFIG")
        monkeypatch.setattr(settings_module, "PROJECT_ROOT", config.parent)
    assert last_good.load_to_start().miner.port == 9001
    [copy] = last_good.FOLDER.iterdir()
    if blank is None:
        config.unlink()
    else:
        config.write_text(blank)
    for _ in range(2):  # the first one takes nothing away
        with pytest.raises(ConfigError) as refused:
            last_good.load_to_start()
        assert f"{config} is {'gone' if blank is None else 'empty'}" in refused.value.message
        assert f"cp {copy} {config}" in refused.value.message
        assert f"rm {copy}" in refused.value.message
    settings, why = last_good.load_or_recall()  # for `stop` and `status`
    assert settings.miner.port == 9001
    assert str(config) in why


@pytest.mark.parametrize("blank", ["", None])
def test_where_nothing_was_kept_a_start_without_a_file_has_the_defaults_and_says_so(
    blank: str | None, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("S17_CONFIG")
    monkeypatch.setattr(settings_module, "PROJECT_ROOT", config.parent)
    if blank is None:
        config.unlink()
    else:
        config.write_text(blank)
    for _ in range(2):
        assert last_good.load_to_start().miner.port == 8095
        assert capsys.readouterr().err.count(str(config)) == 1
        assert not last_good.is_kept()
    assert last_good.load_or_recall()[1] == ""


def test_what_run_starts_anew_is_where_the_lost_file_said(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[miner]\nport = 9001\n")
    settings = last_good.load_to_start()
    operations = settings.operations.model_copy(update={"data_dir": str(tmp_path)})
    orchestrator = Orchestrator(
        settings,
        list_processes(settings, local=False),
        supervisor=SimpleNamespace(kind="own"),  # type: ignore[arg-type]
        files=Files(settings.model_copy(update={"operations": operations})),
        local=False,
    )
    config.write_text("")
    process, described = orchestrator._describe("subnet17-miner")
    assert (process.port, described.miner.port) == (9001, 9001)


def test_a_copy_of_an_empty_file_holds_nothing_up(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last_good.keep()
    [copy] = last_good.FOLDER.iterdir()
    for path in (copy, config):
        path.write_text("")
    assert last_good.load_to_start().miner.port == 8095


def test_a_start_by_hand_asks_for_a_file_that_is_right(config: Path) -> None:
    last_good.keep()
    config.write_text("[miner]\nprt = 9002\n")
    with pytest.raises(ConfigError, match="did you mean port"):
        SettingsFollower(MINER)
