"""Gathers what `findings.py` judges. The standard library of Python 3.8 is enough: it runs before setup.

Where the environment is there, its Python runs this, and the settings, packages and the registration are
looked at too. Nothing is changed, and no secret is read further than to see that it is there.
"""

from __future__ import annotations

import csv
import ctypes
import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from subnet17.ops.time_server import ask_skew

ROOT = Path(__file__).resolve().parents[2]
COMMAND_TIMEOUT_S = 20.0
REGISTRATION_TIMEOUT_S = 120.0
"""Importing bittensor, connecting and reading the metagraph."""
DEFAULT_PORTS = {"generation-server": 8093, "validation-server": 8094, "subnet17-miner": 8095}
DEFAULT_TIME_SERVER = "pool.ntp.org"
CODECS = ("scalecodec", "substrate-interface")
"""Own a package of the same import name as bittensor's codec: whichever was installed last wins."""


@dataclass(frozen=True)
class Gpu:
    """One GPU as nvidia-smi tells it; compute_capability such as 8.9, 0 where it is not told."""

    name: str
    memory_bytes: int
    compute_capability: float = 0.0


@dataclass
class Facts:
    """What was found. None: it could not be looked at, and `unknown` may say why.

    Attributes:
        python: Version of the interpreter that setup would use, or that it made.
        conda: Whether conda is there, which brings a Python of its own.
        venv: Whether this Python can make environments: Debian ships it without.
        installed: The environment is made and of the project's files as they are now.
        driver_cuda: The newest CUDA version that the driver offers; None without a driver.
        runtime_cuda: The CUDA version that the installed torch brings; None without one.
        ports: By process: its port, and who holds it: nobody, ours or another.
        registered: Whether the hotkey is registered on the subnet.
        wallet_error: Why the miner would refuse the wallet, such as an unencrypted coldkey beside it.
        settings_error: Why mining.toml or the environment variables can't be used; empty when they can.
    """

    python: tuple[int, int] = (0, 0)
    conda: bool = False
    venv: bool = False
    installed: bool = False
    cores: int = 0
    memory_bytes: int = 0
    disk_free_bytes: int = 0
    gpus: list[Gpu] = field(default_factory=list)
    driver: str | None = None
    driver_cuda: tuple[int, int] | None = None
    runtime_cuda: tuple[int, int] | None = None
    node: tuple[int, int] | None = None
    npm: bool = False
    pm2: bool = False
    opengl: str | None = None
    missing_libraries: list[str] = field(default_factory=list)
    hf_token: bool = False
    clock_skew_s: float | None = None
    ports: dict[str, tuple[int, str]] = field(default_factory=dict)
    codecs: list[str] = field(default_factory=list)
    bittensor: str | None = None
    hotkey: bool | None = None
    hotkey_file: str = ""
    wallet_error: str = ""
    registered: bool | None = None
    settings_error: str = ""
    min_free_disk_bytes: int = 10 * 10**9
    unknown: dict[str, str] = field(default_factory=dict)


def gather(*, local: bool, installed: bool) -> Facts:
    """Looks at this machine.

    Args:
        local: For a local subnet: nobody outside is asked, no wallet is looked for.
        installed: Setup has told that the environment is up to date.
    """
    settings, error = _settings()
    facts = Facts(settings_error=error, installed=installed)
    facts.python = (sys.version_info[0], sys.version_info[1])
    facts.conda, facts.venv = shutil.which("conda") is not None, _has_venv()
    facts.cores = len(os.sched_getaffinity(0))
    facts.memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    facts.disk_free_bytes = shutil.disk_usage(str(ROOT)).free
    facts.gpus, facts.driver, facts.driver_cuda = read_nvidia_smi()
    facts.runtime_cuda = _runtime_cuda()
    facts.node, facts.npm = _node_version(), shutil.which("npm") is not None
    facts.pm2 = bool(shutil.which("pm2")) or (ROOT / "node_modules" / ".bin" / "pm2").exists()
    facts.opengl = _opengl()
    facts.missing_libraries = missing_libraries()
    facts.hf_token = has_hf_token()
    ports = DEFAULT_PORTS if settings is None else _ports_of(settings)
    facts.ports = {name: (port, holder_of(port)) for name, port in ports.items()}
    facts.bittensor = _version("bittensor")
    facts.codecs = [name for name in CODECS if _version(name)]
    if settings is not None:
        facts.min_free_disk_bytes = settings.operations.min_free_disk_bytes
    if not local:
        _ask_outside(facts, settings)
    return facts


def _ask_outside(facts: Facts, settings: Any) -> None:
    server = DEFAULT_TIME_SERVER if settings is None else settings.operations.time_server
    try:
        facts.clock_skew_s = ask_skew(server)
    except OSError as error:
        facts.unknown["clock"] = f"{server} gave no time: {error}"
    if settings is None:
        facts.unknown["registration"] = "looked at once the environment is set up"
        return
    wallet = Path(settings.miner.wallet_path).expanduser() / settings.miner.wallet_name
    hotkey = wallet / "hotkeys" / settings.miner.hotkey_name
    facts.hotkey, facts.hotkey_file = hotkey.is_file(), str(hotkey)
    if facts.hotkey and facts.bittensor:
        _read_registration(facts)


def read_nvidia_smi() -> tuple[list[Gpu], str | None, tuple[int, int] | None]:
    """GPUs, the driver's version and the newest CUDA version that it offers; nothing without a driver."""
    query = "--query-gpu=driver_version,name,memory.total,compute_cap"
    listed = run(["nvidia-smi", query, "--format=csv,noheader,nounits"])
    if not listed:
        return [], None, None
    gpus, driver = [], None
    for row in csv.reader(listed.splitlines(), skipinitialspace=True):
        if len(row) < 4:
            continue
        driver = row[0]
        gpus.append(Gpu(row[1], int(_number(row[2]) * 2**20), _number(row[3])))
    if driver is None:
        return [], None, None
    return gpus, driver, as_version(run(["nvidia-smi"]) or "", r"CUDA (?:UMD )?Version:\s*")  # UMD since 610


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # "[N/A]"


def run(command: list[str], timeout_s: float = COMMAND_TIMEOUT_S) -> str | None:
    """What a command prints; None when it is missing, fails or hangs."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs
            command, cwd=str(ROOT), capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def as_version(text: str, before: str = "") -> tuple[int, int] | None:
    """The first `major.minor` in a text, behind a pattern; None where there is none."""
    found = re.search(before + r"v?(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else None


def holder_of(port: int) -> str:
    """Who holds a port of 127.0.0.1: nobody, ours (it answers as our processes do) or another."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return "ours" if _answers_as_ours(port) else "another"
    return "nobody"


def _answers_as_ours(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _KeepErrors())
    try:
        with opener.open(f"http://127.0.0.1:{port}/health/", timeout=3) as reply:
            body = json.loads(reply.read(10_000))
    except (OSError, ValueError):
        return False
    return isinstance(body, dict) and {"ready", "reason"} <= body.keys()


class _KeepErrors(urllib.request.HTTPErrorProcessor):
    """503 is an answer too: a process that is not ready says why."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response


def has_hf_token() -> bool:
    """Whether a token for the hub is there. It is not read."""
    if os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN"):
        return True
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    file = Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser()
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _settings() -> tuple[Any, str]:
    try:
        from subnet17.settings import load_settings  # noqa: PLC0415 - its packages may not be installed yet
    except ImportError:
        return None, ""
    try:
        return load_settings(), ""
    except Exception as error:
        return None, str(error)


def _ports_of(settings: Any) -> dict[str, int]:
    tables = (settings.generation, settings.validation, settings.miner)
    return {name: table.port for name, table in zip(DEFAULT_PORTS, tables)}  # noqa: B905 - no strict= in Python 3.8


def _has_venv() -> bool:
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


def _node_version() -> tuple[int, int] | None:
    return as_version(run(["node", "--version"]) or "")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _runtime_cuda() -> tuple[int, int] | None:
    for package in ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu13", "nvidia-cuda-runtime-cu12"):
        if found := _version(package):
            return as_version(found)
    return None


def missing_libraries() -> list[str]:
    """The system's libraries that hy3dgen's packages (OpenCV, PyMeshLab) load and that are not there."""
    missing = []
    for name in ("libGL.so.1", "libgthread-2.0.so.0", "libOpenGL.so.0"):
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def _opengl() -> str | None:
    output = run([sys.executable, "-I", str(ROOT / "subnet17" / "validation" / "gl_probe.py")])
    try:
        return str(json.loads(output or "{}")["platform"])
    except (ValueError, KeyError):
        return None


def _read_registration(facts: Facts) -> None:
    output = run([sys.executable, "-m", "subnet17.mining.registration"], REGISTRATION_TIMEOUT_S)
    try:
        told = json.loads((output or "").splitlines()[-1])
        facts.registered, facts.unknown["registration"] = told["registered"], str(told["why"])
        facts.wallet_error = "" if told["usable"] else str(told["why"])
    except (ValueError, LookupError, TypeError):
        facts.unknown["registration"] = "the chain could not be read"
