"""Start under PM2: what is left behind when it fails, and what it prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from subnet17 import last_good
from subnet17.errors import ConfigError, PeerError, PeerTimeoutError, S17Error
from subnet17.ops import launch, orchestrator_cli, pm2
from subnet17.ops.accepted import Acceptance
from subnet17.ops.children import MARK
from subnet17.ops.commands import to_start
from subnet17.ops.processes import MINER, Process, fingerprint, list_processes
from subnet17.ops.state import Files, Orders, State
from subnet17.ops.supervisor import Seen
from subnet17.settings import PROJECT_ROOT, OperationsTable, Settings
from tests.ports import reserve_ports


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

    def fail(*_: object, **__: object) -> bool:
        pm2.list_apps()
        raise PeerError("pm2 start failed")

    monkeypatch.setattr(
        launch, "_look", lambda _, processes, **__: {p.name: Seen("up", 1) for p in processes}
    )
    monkeypatch.setattr(launch, "carry_out", fail)
    monkeypatch.setattr(launch, "check_wallet", lambda _: None)
    with pytest.raises(PeerError, match="start failed"):
        launch._start_or_clear(Settings(), local=False)


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


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a house without PM2's daemon; whatever would be started is noted in `ordered`."""
    monkeypatch.setenv("PM2_HOME", str(tmp_path / "pm2"))
    operations = OperationsTable(data_dir=str(tmp_path), min_free_disk_bytes=0)
    ports = iter(reserve_ports(3))
    tables = {name: {"port": next(ports)} for name in ("generation", "validation", "miner")}
    return Settings.model_validate({"operations": operations, **tables})


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    given: list[tuple[str, list[str]]] = []

    def carry_out(change: object, names: list[str], *_: object, **__: object) -> bool:
        given.append((change.__name__, names))  # type: ignore[attr-defined]
        return True

    monkeypatch.setattr(launch, "carry_out", carry_out)
    monkeypatch.setattr(launch, "_wait_accepted", lambda *_: Acceptance(0, "a red ball", 0.9))
    return given


def test_the_settings_supervisor_is_respected(settings: Settings, ordered: list[object]) -> None:
    own = settings.operations.model_copy(update={"supervisor": "own"})
    with pytest.raises(ConfigError, match=r"operations\.supervisor is own"):
        launch._start(settings.model_copy(update={"operations": own}), local=False)
    assert ordered == []


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (State(supervisor="own", pid=os.getpid()), "its supervisor is own, not pm2"),
        (State(supervisor="pm2", pid=os.getpid(), local=True), "it keeps a local subnet"),
    ],
)
def test_a_living_run_that_keeps_something_else_is_named(
    state: State, why: str, settings: Settings, ordered: list[object]
) -> None:
    files = Files(settings)
    files.save(state)
    with files.acting("run"), pytest.raises(ConfigError, match=why) as refused:
        launch._start(settings, local=False)
    assert f"run (pid {os.getpid()})" in str(refused.value)
    assert ordered == []


def test_only_a_local_subnet_that_is_not_as_it_should_be_begins_anew(
    settings: Settings, ordered: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = list_processes(settings, local=True)
    up = {p.name: Seen("up", 1, args=p.args, settings=fingerprint(p, settings)) for p in processes}
    names = [p.name for p in processes]
    monkeypatch.setattr(launch, "_look", lambda *_, **__: up)
    launch._start(settings, local=True)
    assert ordered == [("to_start", names)]
    up["local-subnet"] = replace(up["local-subnet"], settings="other")
    launch._start(settings, local=True)
    assert ordered[1:] == [("to_stop", ["local-subnet", "subnet17-miner"]), ("to_start", names)]


def test_a_missing_wallet_is_told_before_anything_is_started(
    settings: Settings, ordered: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = {"wallet_path": str(tmp_path / "my wallets"), "wallet_name": "alice"}
    settings = settings.model_copy(update={"miner": settings.miner.model_copy(update=path)})
    with pytest.raises(ConfigError) as refused:
        launch._start(settings, local=False)
    assert str(tmp_path / "my wallets" / "alice" / "hotkeys" / "default") in refused.value.message
    assert "btcli wallet new_hotkey --wallet.name alice --wallet.hotkey default" in refused.value.message
    assert f"--wallet.path '{tmp_path}/my wallets'" in refused.value.message
    assert ordered == []
    launch._start(settings, local=True)
    assert len(ordered) == 1

    def up(_: Settings, processes: list[Process], **__: object) -> dict[str, Seen]:
        return {p.name: Seen("up", 1, args=p.args, settings=fingerprint(p, settings)) for p in processes}

    monkeypatch.setattr(launch, "_look", up)
    launch._start(settings, local=False)  # a miner that runs has read it
    assert len(ordered) == 2


class FakeMiner(BaseHTTPRequestHandler):
    """A miner's page that says these reasons one after the other, the last one for ever."""

    reasons: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        reason = self.reasons.pop(0) if len(self.reasons) > 1 else self.reasons[0]
        body = json.dumps({"ready": True, "pulling": not reason, "reason": reason or None}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def miner_that_says(settings: Settings, *reasons: str) -> Iterator[None]:
    FakeMiner.reasons = list(reasons)
    with ThreadingHTTPServer((settings.miner.host, settings.miner.port), FakeMiner) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


FULL = "0.10 GB are free on the disk of /x, 2.00 GB are asked for: lower [operations] min_free_disk_bytes"


def test_the_wait_ends_for_a_reason_that_only_another_setting_mends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch, "STAYS_S", 0.2)
    monkeypatch.setattr(launch, "POLL_S", 0.05)
    loading = "generation server: loading [flux]"
    with (
        miner_that_says(settings, loading, loading, loading, FULL),
        pytest.raises(S17Error, match=r"nothing will be accepted.*are asked for") as ended,
    ):
        launch._wait_accepted(settings, 0.0)
    assert not isinstance(ended.value, ConfigError)  # exit code 1
    shown = capsys.readouterr().out
    assert shown.count("takes no tasks: generation server: loading [flux]") == 1
    assert shown.count(FULL) == 1


def test_a_reason_that_passes_does_not_end_the_wait(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "POLL_S", 0.05)
    monkeypatch.setattr(launch, "ACCEPTED_TIMEOUT_S", 1.0)
    with (
        miner_that_says(settings, FULL, "held by me: new fans"),
        pytest.raises(PeerTimeoutError, match="within 1 s; the miner's last words: held by me"),
    ):
        launch._wait_accepted(settings, 0.0)
    with pytest.raises(PeerTimeoutError, match="nothing was accepted"):  # nobody answers
        launch._wait_accepted(settings, 0.0)


@pytest.mark.parametrize("local", [False, True])
def test_a_floor_that_the_miner_would_not_pull_below_is_told_before_the_start(
    local: bool, settings: Settings, ordered: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "check_wallet", lambda _: None)
    data = {"data_dir": str(tmp_path / "disk" / "data"), "min_free_disk_bytes": 10**11}
    operations = settings.operations.model_copy(update=data)
    settings = settings.model_copy(update={"operations": operations})
    (tmp_path / "disk").mkdir()
    free = {PROJECT_ROOT: 10**12, tmp_path / "disk": 10**9}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free.get(path, 10**9)))
    with pytest.raises(ConfigError, match=rf"disk of {tmp_path}/disk.* has 1.0 GB free, at least .* needed"):
        launch._start(settings, local=local)
    assert ordered == []
    (tmp_path / "disk" / "data" / "miner").mkdir(parents=True)
    if not local:  # it can make room by itself
        launch._start(settings, local=local)


@contextmanager
def local_miner(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """One process of a local set-up under our own supervision, told by its mark and its command line."""
    args = next(p.args for p in list_processes(settings, local=True) if p.name == MINER)
    script = settings.data_dir / "subnet17_miner.py"
    script.write_text("import sys; print(flush=True); sys.stdin.read()")
    with subprocess.Popen(
        [sys.executable, script, *args],
        env=os.environ | {MARK: f"{settings.data_dir}:{MINER}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


def test_a_forgotten_flag_does_not_lead_from_a_local_subnet_to_the_public_network(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(settings)
    files.save(State(supervisor="own", local=True))
    monkeypatch.setattr(last_good, "load_to_start", lambda: settings)
    monkeypatch.setattr(orchestrator_cli, "SettingsFollower", lambda _: SimpleNamespace(current=settings))
    monkeypatch.setattr(orchestrator_cli, "open_log", lambda _: None)
    with local_miner(settings) as child:
        for order in ("start", "run"):
            assert orchestrator_cli.main([order]) == 2
            told = capsys.readouterr().err
            assert f"a local set-up runs ({MINER})" in told
            assert "add --local, or stop first (./stop_mining.sh)" in told
        with pytest.raises(ConfigError, match="add --local, or stop first"):
            launch._start(settings, local=False)
        assert child.poll() is None
    assert files.read_orders() == Orders()


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


def test_a_start_withdraws_what_the_operator_had_stopped(tmp_path: Path) -> None:
    orders = Orders(number=4, stopped={"subnet17-miner", "local-subnet"})
    to_start(orders, ["subnet17-miner", "generation-server"])
    assert orders.stopped == {"local-subnet"}
    assert orders.starts == {"subnet17-miner": 4, "generation-server": 4}


def test_what_our_own_supervision_runs_is_not_called_another_program(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "check_wallet", lambda _: None)
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
        with pytest.raises(ConfigError, match="run already under the supervisor own, wanted is pm2"):
            launch._start(settings, local=False)
        child.kill()
