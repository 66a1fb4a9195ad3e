"""Start under PM2: what is left behind when it fails, and what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from subnet17.errors import ConfigError
from subnet17.ops import launch, pm2
from subnet17.ops.accepted import Acceptance
from subnet17.ops.children import MARK
from subnet17.ops.processes import fingerprint, list_processes
from subnet17.ops.state import Files
from subnet17.settings import PROJECT_ROOT, GenerationTable, OperationsTable, Settings


class FakePm2:
    """A PM2 whose daemon comes up with the first command, as the real one's does."""

    def __init__(self, *, runs: bool, apps: dict[str, pm2.Pm2App] | None = None) -> None:
        self.runs = runs
        self.apps = apps or {}
        self.ended = False

    def daemon_runs(self) -> bool:
        return self.runs

    def list_apps(self) -> dict[str, pm2.Pm2App]:
        self.runs = True
        return self.apps

    def end_daemon(self) -> None:
        self.ended, self.runs = True, False


def fail_to_start(fake: FakePm2, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("daemon_runs", "list_apps", "end_daemon"):
        monkeypatch.setattr(pm2, name, getattr(fake, name))

    def refuse(_: object) -> None:
        raise ConfigError("port 8093 is in use")

    monkeypatch.setattr(launch, "check_ports", refuse)
    with pytest.raises(ConfigError, match="in use"):
        launch._start_or_clear(Settings(), local=True)


def test_a_failed_start_ends_the_daemon_it_spawned(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePm2(runs=False)
    fail_to_start(fake, monkeypatch)
    assert fake.ended


def test_a_failed_start_leaves_a_daemon_that_ran_before(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePm2(runs=True)
    fail_to_start(fake, monkeypatch)
    assert not fake.ended


def test_a_failed_start_leaves_a_daemon_with_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    other = pm2.Pm2App("other", "online", 1, 0, (), "/elsewhere", "")
    fake = FakePm2(runs=False, apps={"other": other})
    fail_to_start(fake, monkeypatch)
    assert not fake.ended


def test_what_runs_with_other_settings_is_started_anew_and_the_rest_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, now = Settings(), Settings(generation=GenerationTable(port=9000))
    processes = list_processes(now, local=False)
    deleted: list[str] = []
    monkeypatch.setattr(pm2, "delete_app", deleted.append)
    for settings in (before, now):
        apps = {
            p.name: pm2.Pm2App(p.name, "online", 1, 0, p.args, str(PROJECT_ROOT), fingerprint(p, settings))
            for p in processes
        }
        monkeypatch.setattr(pm2, "list_apps", lambda apps=apps: apps)
        launch._stop_outdated(processes, now, local=False)
    assert deleted == [
        "subnet17-miner",
        "generation-server",
    ]  # it reads nothing of what has changed: the other server


def test_a_daemon_is_told_by_its_pid_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PM2_HOME", str(tmp_path))
    assert not pm2.daemon_runs()
    (tmp_path / "pm2.pid").write_text("1")
    assert pm2.daemon_runs()
    (tmp_path / "pm2.pid").write_text("")
    assert not pm2.daemon_runs()


def test_the_accepted_line_is_one_line_whatever_the_prompt_and_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = "a [/] robot " + "with a very long description " * 8
    launch._print_accepted(Acceptance(1, prompt, 0.5), launch.Console(width=40))
    assert capsys.readouterr().out == f"accepted by validator 1: score 0.500 for {prompt!r}\n"


def test_the_last_lines_of_a_long_log_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "subnet17-miner.err.log").write_text("x" * 2**20 + "\none\ntwo\n")
    monkeypatch.setenv("S17_OPERATIONS__LOG_DIR", str(tmp_path))
    assert launch._last_lines("subnet17-miner", 2).endswith("\none\ntwo")


def test_a_subnet_started_anew_meets_a_miner_without_the_earlier_runs_cooldowns(tmp_path: Path) -> None:
    settings = Settings(operations=OperationsTable(data_dir=str(tmp_path)))
    launch._set_journals_aside(settings)  # there is no earlier run
    (tmp_path / "localnet").mkdir()
    neurons = [{"hotkey": "5Validator", "is_serving": True}, {"hotkey": "5Local", "is_serving": False}]
    (tmp_path / "localnet" / "neurons.json").write_text(json.dumps(neurons))
    for run in ("first", "second"):
        for hotkey in ("5Local", "5Real", "5Validator"):
            (tmp_path / "miner" / hotkey).mkdir(parents=True, exist_ok=True)
        (tmp_path / "miner" / "5Local" / "journal.sqlite").write_text(run)
        launch._set_journals_aside(settings)
        kept = {path.name for path in (tmp_path / "miner").iterdir()}
        assert kept == {"5Local.previous", "5Real", "5Validator"}
        assert (tmp_path / "miner" / "5Local.previous" / "journal.sqlite").read_text() == run


def test_what_the_operator_had_stopped_is_looked_after_again_once_it_was_started(tmp_path: Path) -> None:
    files = Files(Settings(operations=OperationsTable(data_dir=str(tmp_path))))
    files.order(lambda orders: orders.stopped.update({"subnet17-miner", "local-subnet"}))
    launch._withdraw_stops(files, {"subnet17-miner", "generation-server"})
    orders = files.read_orders()
    assert orders.stopped == {"local-subnet"}
    assert orders.starts == {"subnet17-miner": orders.number}
    launch._withdraw_stops(files, {"subnet17-miner", "generation-server"})
    assert files.read_orders() == orders


def test_what_our_own_supervision_runs_is_not_called_another_program(tmp_path: Path) -> None:
    settings = Settings(operations=OperationsTable(data_dir=str(tmp_path)))
    launch._refuse_beside_own_supervision(settings)
    marked = os.environ | {MARK: f"{tmp_path}:generation-server"}
    code = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=marked,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(ConfigError, match="generation-server: running already"):
            launch._refuse_beside_own_supervision(settings)
        child.kill()
