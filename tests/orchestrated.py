"""Installations for tests of the orchestrator: the project's own code and commands, in folders of their own.

`copy_project` puts stand-ins (stand_in.py) in the services' place, so that the command table, PM2's
configuration and all code of the orchestrator are the real ones and only the services are small.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.ports import reserve_ports

REPO = Path(__file__).resolve().parents[1]
GENERATION, VALIDATION, MINER = "generation-server", "validation-server", "subnet17-miner"
NAMES = (VALIDATION, GENERATION, MINER)
"""In the order in which they start."""
SCRIPTS = {name: name.replace("-", "_") for name in NAMES}


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 90.0, what: str) -> None:
    """Polls; fails the test when it takes too long."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {timeout_s:g} s for {what}"
        time.sleep(0.05)


class House:
    """One installation: where it is, its ports and environment, and what happens in it."""

    def __init__(self, root: Path, folder: Path, ports: dict[str, int], **settings: object) -> None:
        self.root = root
        self.folder = folder
        self.ports = ports
        self.running: subprocess.Popen[bytes] | None = None
        tables = {GENERATION: "GENERATION", VALIDATION: "VALIDATION", MINER: "MINER"}
        keys = {f"S17_{tables[name]}__PORT": port for name, port in ports.items()} | {
            "S17_OPERATIONS__DATA_DIR": folder / "data",
            "S17_OPERATIONS__LOG_DIR": folder / "logs",
            "S17_OPERATIONS__ORCHESTRATOR_LOG": folder / "mining_orchestrator.log",
            "PM2_HOME": folder / "pm2",
            "COLUMNS": 200,
        }
        clean = {n: v for n, v in os.environ.items() if not n.startswith(("S17_", "SUBNET17_", "PM2_"))}
        self.env = clean | {name: str(value) for name, value in (keys | settings).items()}

    def command(self, *args: str) -> list[str]:
        return [sys.executable, str(self.root / "mining_orchestrator.py"), *args]

    def call(self, *args: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a command of the orchestrator to its end."""
        return subprocess.run(
            self.command(*args),
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def run(self, *args: str) -> subprocess.Popen[bytes]:
        """Starts `run`."""
        with (self.folder / "run.log").open("ab") as log:
            self.running = subprocess.Popen(
                self.command("run", *args), cwd=self.root, env=self.env, stdout=log, stderr=log
            )
        return self.running

    def end(self, *, how: signal.Signals = signal.SIGTERM, timeout_s: float = 90) -> int:
        """Sends a signal to `run` and gives its exit code."""
        assert self.running is not None
        self.running.send_signal(how)
        return self.running.wait(timeout_s)

    def state(self) -> dict[str, dict[str, Any]]:
        """What the orchestrator remembers, by process; nothing before a `run` under way has written it."""
        try:
            tree = json.loads((self.folder / "data" / "orchestrator" / "state.json").read_text())
        except FileNotFoundError:
            return {}
        alive = self.running is not None and self.running.poll() is None
        return {} if alive and tree["pid"] != self.running.pid else dict(tree["processes"])  # type: ignore[union-attr]

    def doing(self) -> dict[str, str]:
        return {name: str(state["doing"]) for name, state in self.state().items()}

    def wait_for(self, timeout_s: float = 90, **doing: str) -> None:
        """Waits until the named processes (underscores for dashes) are doing that."""
        wanted = {name.replace("_", "-"): value for name, value in doing.items()}
        try:
            wait_until(lambda: self._is_doing(wanted), timeout_s=timeout_s, what=str(wanted))
        except AssertionError as error:
            said = (self.folder / "run.log").read_text()
            raise AssertionError(f"{error}; {self.state()}\n{said}") from None

    def _is_doing(self, wanted: dict[str, str]) -> bool:
        assert self.running is None or self.running.poll() is None, "run has ended"
        return wanted.items() <= self.doing().items()

    def wait_healthy(self, timeout_s: float = 90) -> None:
        self.wait_for(timeout_s, **dict.fromkeys((name.replace("-", "_") for name in NAMES), "healthy"))

    def log(self) -> str:
        path = self.folder / "mining_orchestrator.log"
        return path.read_text() if path.exists() else ""

    def report(self) -> tuple[int, dict[str, dict[str, Any]]]:
        """Exit code and rows of `status --json`."""
        ended = self.call("status", "--json")
        return ended.returncode, {row["name"]: row for row in json.loads(ended.stdout)["rows"]}

    def pids(self) -> dict[str, int]:
        """The services that run now: told by their scripts and this house's folder."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("S17_OPERATIONS__DATA_DIR") == str(self.folder / "data"):
                    scripts = [Path(part).stem for part in process.cmdline()[1:2]]
                    names = [name for name in NAMES if SCRIPTS[name] in scripts]
                    if names and process.status() != psutil.STATUS_ZOMBIE:
                        found[names[0]] = process.pid
        return found

    def set_mode(self, name: str, mode: str) -> None:
        """How a stand-in misbehaves from now on; empty: not at all."""
        new = self.root / "mode.new"
        new.write_text(mode)
        new.replace(self.root / f"{SCRIPTS[name]}.mode")

    def history(self) -> list[tuple[str, str]]:
        """Starts and ends of the stand-ins, as (name, what)."""
        path = self.root / "history"
        lines = path.read_text().splitlines() if path.exists() else []
        parts = [line.split() for line in lines]
        return [(part[1].replace("_", "-"), part[2]) for part in parts]

    def pm2(self, *args: str) -> str:
        local = REPO / "node_modules" / ".bin" / "pm2"
        command = [shutil.which("pm2") or str(local), *args]
        return subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=120, check=False
        ).stdout

    def apps(self) -> dict[str, dict[str, Any]]:
        output = self.pm2("jlist", "--silent")
        return {app["name"]: app for app in json.loads(output[output.find("[") :])}

    def close(self) -> None:
        """Ends all that still runs."""
        if self.running is not None and self.running.poll() is None:
            self.running.kill()
            self.running.wait()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("S17_OPERATIONS__DATA_DIR") == str(self.folder / "data"):
                    process.kill()


def copy_project(root: Path) -> None:
    """The package, the entry point and PM2's configuration, with stand-ins for the services.

    Without what was compiled: other tests write and rename such files while this copies.
    """
    root.mkdir()
    shutil.copytree(REPO / "subnet17", root / "subnet17", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mining_orchestrator.py", "ecosystem.config.js"):
        shutil.copy2(REPO / name, root / name)
    for script in SCRIPTS.values():
        shutil.copy2(REPO / "tests" / "stand_in.py", root / f"{script}.py")
    if (REPO / "node_modules").is_dir():
        (root / "node_modules").symlink_to(REPO / "node_modules")
    nobody_outside = '[operations]\ntime_server = ""\nnetwork_check_hosts = []\n'
    (root / "mining.toml").write_text(nobody_outside)
    (root / ".tools").mkdir()
    (root / ".tools" / "python").write_text(sys.executable)


@contextmanager
def open_house(root: Path, folder: Path, **settings: object) -> Iterator[House]:
    """A house in a copied project; nothing of it runs afterwards."""
    folder.mkdir(exist_ok=True)
    for left in [root / "history", *root.glob("*.mode")]:
        left.unlink(missing_ok=True)
    quick = {
        "S17_OPERATIONS__HEALTH_INTERVAL_S": 0.2,
        "S17_OPERATIONS__HEALTH_TIMEOUT_S": 4,
        "S17_OPERATIONS__HEALTH_FAILURES": 2,
        "S17_OPERATIONS__KILL_TIMEOUT_S": 1.5,
        "S17_OPERATIONS__CRASH_LOOP_PAUSE_S": 2,
        "S17_OPERATIONS__MIN_FREE_DISK_BYTES": 0,
        "S17_MINER__DRAIN_TIMEOUT_S": 0.5,
    }
    ports = dict(zip(NAMES, reserve_ports(len(NAMES)), strict=True))
    house = House(root, folder, ports, **(quick | settings))
    try:
        yield house
    finally:
        house.close()
