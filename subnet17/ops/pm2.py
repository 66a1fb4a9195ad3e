"""Talks to PM2's command line: what runs, start, delete. Touches only the names it is given."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from subnet17.errors import ConfigError, PeerError
from subnet17.last_good import STARTED_VARIABLE
from subnet17.settings import PROJECT_ROOT

LOCAL_FLAG = "SUBNET17_LOCAL"
"""Read by ecosystem.config.js."""
COMMAND_TIMEOUT_S = 120.0
"""Beside the time that an app may take to end."""


@dataclass(frozen=True)
class Pm2App:
    """One app as PM2 reports it."""

    name: str
    status: str
    pid: int
    restarts: int
    args: tuple[str, ...]
    cwd: str
    settings: str
    """Fingerprint of the settings it was started with; empty when it was started otherwise."""

    @property
    def online(self) -> bool:
        """Whether PM2 says that it runs."""
        return self.status == "online"

    @property
    def ours(self) -> bool:
        """Whether it runs from this checkout."""
        return self.cwd == str(PROJECT_ROOT)


def find_pm2() -> str:
    """The pm2 on PATH, else the one that the setup script installed in the project.

    Raises:
        ConfigError: there is none.
    """
    local = PROJECT_ROOT / "node_modules" / ".bin" / "pm2"
    found = shutil.which("pm2") or (str(local) if local.exists() else None)
    if found is None:
        raise ConfigError("pm2 is missing: run ./setup_mining_environment.sh, or npm install -g pm2")
    return found


def is_usable() -> bool:
    """Whether PM2 and the Node.js that it needs are installed."""
    try:
        find_pm2()
    except ConfigError:
        return False
    return shutil.which("node") is not None


def list_apps() -> dict[str, Pm2App]:
    """All of this PM2_HOME's apps by name, ours and others'."""
    output = _call("jlist", "--silent")
    start = output.find("[")  # a first call prints that it spawned the daemon
    try:
        rows: list[dict[str, Any]] = json.loads(output[start:])
    except ValueError:
        raise PeerError(f"pm2 jlist gave no JSON: {output[:200]!r}") from None
    return {row["name"]: _as_app(row) for row in rows}


def _as_app(row: dict[str, Any]) -> Pm2App:
    state = row["pm2_env"]
    args = state.get("args") or []
    return Pm2App(
        name=row["name"],
        status=state["status"],
        pid=int(row.get("pid") or 0),
        restarts=int(state.get("restart_time") or 0),
        args=tuple(args.split() if isinstance(args, str) else args),
        cwd=str(state.get("pm_cwd", "")),
        settings=str((state.get("env") or {}).get(STARTED_VARIABLE, "")),
    )


def start_app(name: str, *, local: bool) -> None:
    """Starts an app of ecosystem.config.js, by the last good settings where mining.toml can't be used."""
    env = {STARTED_VARIABLE: "pm2"} | ({LOCAL_FLAG: "1"} if local else {})
    _call("start", "ecosystem.config.js", "--only", name, env=env)


def stop_app(name: str, kill_timeout_s: float) -> None:
    """Stops an app (SIGINT, then SIGKILL after its kill_timeout); it stays on PM2's list."""
    _call("stop", name, timeout_s=kill_timeout_s + COMMAND_TIMEOUT_S)


def delete_app(name: str, kill_timeout_s: float) -> None:
    """Stops an app (SIGINT, then SIGKILL after its kill_timeout) and takes it off PM2's list."""
    _call("delete", name, timeout_s=kill_timeout_s + COMMAND_TIMEOUT_S)


def home() -> Path:
    """Where the PM2 that is talked to keeps its files: a PM2 for each such folder, and none knows another."""
    return Path(os.environ.get("PM2_HOME") or Path.home() / ".pm2")


def go_by(kept: str) -> str:
    """Talks to the PM2 of the last start from now on, where that lives and has an app of ours.

    HOME and PM2_HOME are others under sudo or cron, and the processes are where they were started.

    Args:
        kept: Its home; empty where none was kept.

    Returns:
        What to tell whoever asked for another one by PM2_HOME; empty when there is nothing to tell.
    """
    asked = os.environ.get("PM2_HOME")
    if not kept or Path(kept) == home() or not _is_daemon(daemon_pid(Path(kept))):
        return ""
    os.environ["PM2_HOME"] = kept
    try:
        found = any(app.ours for app in list_apps().values())
    except PeerError:
        found = False
    if not found:
        if asked is None:
            del os.environ["PM2_HOME"]
        else:
            os.environ["PM2_HOME"] = asked
        return ""
    return (
        f"PM2_HOME is {asked}, and our processes run under the PM2 of {kept}: going by that" if asked else ""
    )


def _is_daemon(pid: int) -> bool:
    """Whether a PM2 is alive and takes our orders; after a reboot the number may be another program's."""
    try:
        process = psutil.Process(pid)
        return os.geteuid() in {0, process.uids().effective} and "pm2" in " ".join(process.cmdline()).lower()
    except (psutil.Error, ValueError):
        return False


def daemon_runs() -> bool:
    """Whether PM2's own process of this PM2_HOME is alive and takes our orders.

    Starts none, unlike PM2's commands. Another user's takes none.
    """
    if not (pid := daemon_pid()):
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def daemon_pid(in_home: Path | None = None) -> int:
    """Of PM2's own process, also of one that was killed; 0 where there was none.

    Args:
        in_home: None: in the home of the PM2 that is talked to.
    """
    try:
        return int(((in_home or home()) / "pm2.pid").read_text())
    except (OSError, ValueError):
        return 0


def end_daemon() -> None:
    """Ends PM2's own process. Only for a daemon that has no app left."""
    _call("kill")


def _call(*args: str, env: Mapping[str, str] | None = None, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program with our own names
            [find_pm2(), *args],
            cwd=PROJECT_ROOT,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PeerError(f"pm2 {args[0]} did not answer within {timeout_s:.0f} s") from None
    except OSError as error:  # no memory, no more processes
        raise PeerError(f"pm2 {args[0]} can't be run: {error}") from None
    if done.returncode != 0:
        raise PeerError(f"pm2 {' '.join(args)} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout
