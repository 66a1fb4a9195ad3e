"""Services that are alive where nobody can order them: told from another installation's, and from ours."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from subnet17.errors import ConfigError
from subnet17.last_good import STARTED_VARIABLE
from subnet17.ops import commands, strays
from subnet17.ops.children import MARK
from subnet17.ops.crash_loops import CrashLimits
from subnet17.ops.state import Files, State
from subnet17.ops.strays import DATA_DIR_VARIABLE, find_strays
from subnet17.ops.supervisor import Seen
from subnet17.settings import OperationsTable, Settings

NAME = "generation-server"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(strays, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("PM2_HOME", str(tmp_path / "pm2"))
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv("S17_OPERATIONS__ORCHESTRATOR_LOG", str(tmp_path / "log"))
    (tmp_path / "generation_server.py").write_text("print(flush=True); input()")
    return Settings(operations=OperationsTable(data_dir=str(tmp_path / "data")))


@contextmanager
def service(folder: Path, **environ: str) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, str(folder / "generation_server.py")],
        env=os.environ | environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_what_another_pm2_runs_is_named_with_its_home(settings: Settings, tmp_path: Path) -> None:
    with service(tmp_path, **{STARTED_VARIABLE: "1", "PM2_HOME": "/x/h1"}) as pid:
        (stray,) = find_strays(settings, {})
        assert (stray.name, stray.pid, stray.pm2_home) == (NAME, pid, "/x/h1")
        assert f"it runs as pid {pid} of user {psutil.Process().username()}" in stray.why
        assert find_strays(settings, {NAME: Seen("up", pid)}) == []
        assert find_strays(settings, {NAME: Seen("stopped")}) == [stray]
        assert find_strays(settings, {}, before_s=psutil.Process(pid).create_time() - 1) == []
    assert find_strays(settings, {}) == []


@pytest.mark.parametrize(
    "environ",
    [
        {},  # started by hand
        {STARTED_VARIABLE: "1", DATA_DIR_VARIABLE: "/x/other"},
        {STARTED_VARIABLE: "1", MARK: f"/x/other:{NAME}"},
    ],
)
def test_what_is_not_this_installations_is_left_out(
    environ: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    with service(tmp_path, **environ):
        assert find_strays(settings, {}) == []


def test_another_users_counts_by_its_command_line_and_the_kept_home(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: psutil.Process) -> dict[str, str]:
        raise psutil.AccessDenied(process.pid)

    Files(settings).save(State(pm2_home="/home/a/.pm2"))
    monkeypatch.setattr(psutil.Process, "environ", refuse)
    with service(tmp_path) as pid:
        assert [(stray.pid, stray.pm2_home) for stray in find_strays(settings, {})] == [(pid, "/home/a/.pm2")]


def test_a_stop_of_everything_forgets_pauses_and_counts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = CrashLimits.of(settings.operations)
    state = State(supervisor="own", orders_done=3)
    kept = state.of(NAME)
    kept.doing, kept.restarts = "aside", 7
    kept.crashes.note_failure(time.time(), "no wallet", limits)
    kept.crashes.put_aside(time.time(), limits)
    Files(settings).save(state)
    monkeypatch.setattr(commands, "settings_to_look_with", lambda: (settings, ""))
    assert commands.stop_all()
    after = Files(settings).read_state()
    assert after.orders_done == 3
    assert after.of(NAME).doing == "down"
    assert after.of(NAME).restarts == 0
    assert after.of(NAME).crashes.aside_until_s is None
    assert after.of(NAME).crashes.times_aside == 0


def test_nobody_is_told_that_nothing_runs_while_something_does(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(strays, "GONE_S", 0.0)
    monkeypatch.setattr(commands, "settings_to_look_with", lambda: (settings, ""))
    with service(tmp_path, **{STARTED_VARIABLE: "1", "PM2_HOME": "/x/h1"}) as pid:
        assert not commands.stop_all()
        told = capsys.readouterr()
        assert f"pid {pid} of user" in told.err
        assert "PM2_HOME=/x/h1" in told.err
        assert told.out == ""
        with pytest.raises(ConfigError, match=f"pid {pid} of user"):
            commands.carry_out(commands.to_start, [NAME], settings, local=False)
    assert Files(settings).read_orders().starts == {}
    assert commands.stop_all()
    assert capsys.readouterr().out == "nothing of ours was running\n"
