"""What ends no supervision: a process that the system does not let us start, a folder that can't be used."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from subnet17.ops import orchestrator_cli
from subnet17.ops.keeper import Keeper
from subnet17.ops.processes import Process
from subnet17.ops.state import ProcessState
from subnet17.ops.supervisor import Seen
from subnet17.settings import OperationsTable, Settings

API_KEY = "never-to-be-shown"


class FullDisk:
    """A supervisor whose log files can't be opened."""

    kind = "own"

    async def look(self) -> dict[str, Seen]:
        return {}

    async def start(self, process: Process, _: Settings) -> None:
        raise OSError(28, "No space left on device", f"{process.name}.err.log")

    async def stop(self, process: Process, *, within_s: float | None = None) -> None: ...

    async def clear(self) -> None: ...

    async def tend(self) -> None: ...


async def test_a_process_that_the_system_does_not_start_is_put_aside() -> None:
    settings = Settings(operations=OperationsTable(crash_loop_failures=2, health_interval_s=0.1))
    process = Process("generation-server", "generation_server.py", (), "127.0.0.1", 0)
    state = ProcessState()
    async with httpx.AsyncClient() as client:
        keeper = Keeper(
            process,
            describe=lambda: (process, settings),
            supervisor=FullDisk(),
            state=state,
            save=lambda: None,
            client=client,
            waits_for=list,
        )
        keeping = asyncio.create_task(keeper.keep())
        async with asyncio.timeout(60):
            await keeper.settled.wait()
        keeping.cancel()
    assert state.doing == "aside"
    assert "can't be started: [Errno 28] No space left on device: 'generation-server.err.log'" in state.why


@pytest.mark.parametrize("command", ["status", "stop", "run"])
def test_a_data_folder_that_cannot_be_used_is_told_in_a_line_without_the_settings(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("S17_OPERATIONS__DATA_DIR", str(tmp_path / "file" / "data"))
    monkeypatch.setenv("S17_OPERATIONS__ORCHESTRATOR_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("S17_MINER__API_KEY", API_KEY)
    assert orchestrator_cli.main([command]) == 1
    told = capfd.readouterr()
    assert str(tmp_path / "file") in told.err.splitlines()[-1]
    assert "Traceback" not in told.err
    assert API_KEY not in told.err + told.out


def test_the_trace_of_a_bug_shows_no_settings(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("S17_MINER__API_KEY", API_KEY)

    async def broken(settings: Settings, _: object) -> None:
        raise ZeroDivisionError(settings.miner.port)

    monkeypatch.setattr(orchestrator_cli, "make_report", broken)
    assert orchestrator_cli.main(["status"]) == 1
    told = capfd.readouterr()
    assert "ZeroDivisionError" in told.err
    assert API_KEY not in told.err + told.out
