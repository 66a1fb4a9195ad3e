"""The orchestrator's files: replaced whole, one holder, orders that none overlooks."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from subnet17.errors import ConfigError
from subnet17.ops.orchestrator_status import Report, Row, make_report
from subnet17.ops.processes import find_name
from subnet17.ops.state import Files, Orders, ProcessState, State
from subnet17.settings import OperationsTable, Settings

REPO = Path(__file__).resolve().parents[2]
WHY = "port 8094 (validation-server) is in use by another program: stop it, or choose another port"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PM2_HOME", str(tmp_path / "pm2"))
    return Settings(operations=OperationsTable(data_dir=str(tmp_path)))


@pytest.fixture
def files(settings: Settings) -> Files:
    return Files(settings)


def stop(name: str) -> object:
    return lambda orders: orders.stopped.add(name)


def test_what_was_saved_is_read_again(files: Files) -> None:
    state = State(supervisor="own", local=True)
    state.of("subnet17-miner").crashes.last_failure = "no wallet"
    files.save(state)
    assert files.read_state() == state


@pytest.mark.parametrize("content", [b"", b"{", b'{"processes": 3}', b"\xff\xfe"])
def test_a_damaged_file_starts_anew(files: Files, content: bytes) -> None:
    files.save(State(supervisor="own"))
    (files.folder / "state.json").write_bytes(content)
    assert files.read_state() == State()


def test_a_full_disk_does_not_end_the_supervision(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.save(State(supervisor="own"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    files.save(State(supervisor="pm2"))
    assert files.read_state().supervisor == "own"
    monkeypatch.undo()
    files.save(State(supervisor="pm2"))
    assert files.read_state().supervisor == "pm2"


def test_orders_add_up_and_grow_also_when_their_file_was_lost(files: Files) -> None:
    files.order(stop("a"))  # type: ignore[arg-type]
    assert files.order(stop("b")) == Orders(number=2, stopped={"a", "b"})  # type: ignore[arg-type]
    files.save(State(orders_done=2))
    (files.folder / "orders.json").unlink()
    assert files.order(stop("c")).number == 3  # type: ignore[arg-type]


def test_one_holds_the_lock_and_a_killed_one_lets_go(files: Files) -> None:
    code = f"""
import sys, time
from subnet17.ops.state import Files
from subnet17.settings import OperationsTable, Settings
with Files(Settings(operations=OperationsTable(data_dir={str(files.folder.parent)!r}))).acting("run"):
    print("holds", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPO, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert files.holder == f"run (pid {other.pid})"
        with pytest.raises(ConfigError, match=rf"at work: run \(pid {other.pid}\)"), files.acting("stop"):
            pass
        other.kill()
    assert files.holder == ""
    with files.acting("stop"):
        assert files.holder.startswith("stop")
    assert files.holder == ""


@pytest.mark.parametrize("given", ["generation_server", "generation-server", "generation_server.py"])
def test_a_process_is_named_as_its_script_or_as_pm2_shows_it(given: str) -> None:
    assert find_name(given, ["validation-server", "generation-server"]) == "generation-server"


def test_an_unknown_process_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean subnet17-miner"):
        find_name("subnet17_minor", ["generation-server", "subnet17-miner"])


def test_a_status_of_80_columns_cuts_nothing() -> None:
    row = Row("validation-server", "restarting", 4194304, 86_000.0, 999, 3, "127.0.0.1:8101-8102", WHY)
    out = StringIO()
    Console(file=out, width=80).print(Report("pm2", "run (pid 4194304)", [row], None).as_table())
    told = " ".join(out.getvalue().split())
    assert f"{row.name} {row.status} {row.pid} 23h 53m {row.restarts} {row.address}" in told
    assert f"{row.name}: {WHY}; recent failures: 3" in told
    assert "orchestrator: run (pid 4194304), supervisor: pm2" in told


async def test_what_an_ended_orchestrator_was_doing_is_not_shown_as_under_way(
    files: Files, settings: Settings
) -> None:
    state = State(supervisor="own")
    state.processes["validation-server"] = ProcessState(doing="failing", why=WHY)
    state.processes["generation-server"] = ProcessState(doing="waiting", why=WHY)
    files.save(state)
    with files.acting("run"):
        during = [(row.status, row.note) for row in (await make_report(settings, files)).rows]
    after = [(row.status, row.note) for row in (await make_report(settings, files)).rows]
    assert during == [("down", ""), ("waiting", WHY), ("down", "")]
    assert after == [("down", ""), ("down", ""), ("down", "")]
