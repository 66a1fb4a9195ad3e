"""The list of processes that PM2 gets."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from subnet17 import last_good
from subnet17.log_files import LOG_FILES_VARIABLE
from subnet17.ops.processes import as_pm2_app, fingerprint, list_processes, main
from subnet17.settings import PROJECT_ROOT, Settings


def test_every_process_is_a_script_of_the_project_run_by_this_python() -> None:
    for process in list_processes(Settings(), local=True):
        app = as_pm2_app(process, Settings())
        # PM2 hands a script with a space to a shell, which an absolute one in such a folder would not survive
        assert app["script"] == process.script
        assert (PROJECT_ROOT / process.script).is_file()
        assert app["interpreter"] == sys.executable


def test_a_local_run_adds_the_subnet_and_starts_the_miner_last() -> None:
    public = [process.name for process in list_processes(Settings(), local=False)]
    local = [process.name for process in list_processes(Settings(), local=True)]
    assert set(local) - set(public) == {"local-subnet"}
    assert public[-1] == local[-1] == "subnet17-miner"


def test_processes_are_given_time_to_end() -> None:
    for process in list_processes(Settings(), local=True):
        assert int(str(as_pm2_app(process, Settings())["kill_timeout"])) >= 30_000


def test_each_process_is_told_which_files_take_its_output() -> None:
    for process in list_processes(Settings(), local=True):
        app = as_pm2_app(process, Settings())
        env = app["env"]
        assert isinstance(env, dict)
        assert env[LOG_FILES_VARIABLE].split(os.pathsep) == [app["out_file"], app["error_file"]]


def changed_for(**tables: dict[str, object]) -> set[str]:
    """The processes that a change of these keys has started anew."""
    before, now = Settings(), Settings.model_validate(tables)
    return {p.name for p in list_processes(now, local=True) if fingerprint(p, before) != fingerprint(p, now)}


def test_a_change_restarts_the_processes_that_read_it_and_do_not_follow_it() -> None:
    servers = {"generation-server", "validation-server"}
    assert changed_for(operations={"log_level": "debug"}) == set()  # all follow it
    assert changed_for(operations={"alert_webhook_url": "https://a.test"}) == set()  # none reads it
    assert changed_for(generation={"splat_count": 9000}) == set()
    assert changed_for(generation={"subfolder": "hunyuan3d-dit-v2-0-turbo"}) == {"generation-server"}
    assert changed_for(generation={"port": 9000}) == {"generation-server", "subnet17-miner"}
    assert changed_for(network={"local_time_scale": 0.5}) == {"local-subnet", "subnet17-miner"}
    assert changed_for(operations={"log_format": "json"}) == servers | {"local-subnet", "subnet17-miner"}
    assert changed_for(operations={"kill_timeout_s": 90}) == servers | {"local-subnet", "subnet17-miner"}


@pytest.mark.parametrize("variable", ["S17_GENERATION__SPLAT_COUNT", "s17_ignored"])
def test_a_live_key_of_the_environment_is_not_followed(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation, validation = (
        next(p for p in list_processes(Settings(), local=False) if p.name == name)
        for name in ("generation-server", "validation-server")
    )
    before = fingerprint(generation, Settings()), fingerprint(validation, Settings())
    monkeypatch.setenv(variable, "9000")
    now = fingerprint(generation, Settings()), fingerprint(validation, Settings())
    assert (now[0] != before[0]) == variable.startswith("S17_")
    assert now[1] == before[1]


@pytest.mark.parametrize(
    ("slip", "said"), [("[generation]\nprofil = 1\n", "did you mean profile?"), ("", "is empty")]
)
def test_what_pm2_is_told_to_start_again_goes_by_the_last_good_file(
    slip: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mining.toml"
    config.write_text('[operations]\nlog_dir = "/there"\n')
    monkeypatch.setattr(last_good, "FOLDER", tmp_path / "kept")
    monkeypatch.setenv("S17_CONFIG", str(config))
    monkeypatch.setattr(sys, "argv", ["processes"])
    last_good.keep()
    config.write_text(slip)
    assert main() == 2  # by hand
    assert said in capsys.readouterr().err
    monkeypatch.setenv(last_good.STARTED_VARIABLE, "pm2")
    assert main() == 0
    assert json.loads(capsys.readouterr().out)[0]["out_file"] == "/there/validation-server.out.log"
    shutil.rmtree(tmp_path / "kept")
    assert main() == (2 if slip else 0)  # nothing was kept: an empty file says the defaults
