"""The list of processes that PM2 gets."""

from __future__ import annotations

import os
import sys

import pytest

from subnet17.log_files import LOG_FILES_VARIABLE
from subnet17.ops.processes import as_pm2_app, fingerprint, list_processes
from subnet17.settings import PROJECT_ROOT, GenerationTable, OperationsTable, Settings


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


def test_a_change_that_running_processes_follow_by_themselves_asks_for_no_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = fingerprint(Settings())
    assert fingerprint(Settings(operations=OperationsTable(log_level="debug"))) == started
    assert fingerprint(Settings(generation=GenerationTable(port=9000))) != started
    monkeypatch.setenv("S17_OPERATIONS__LOG_LEVEL", "debug")  # only the file is followed
    assert fingerprint(Settings(operations=OperationsTable(log_level="debug"))) != started
