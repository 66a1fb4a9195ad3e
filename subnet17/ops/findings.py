"""Judges what `check_facts.py` gathered: each fault with what was found, what is needed, and the fix.

Pure functions of the facts and of what the machine is for; the standard library of Python 3.8 is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from subnet17.ops.check_facts import Facts

MIN_CUDA = (12, 1)
TORCH_CUDA = 13
"""What the pinned torch is built for; a driver for an older one needs another build of it."""
MIN_CAPABILITY = 8.0
"""Ampere: the first that computes in bfloat16."""
MIN_NODE = 18
PYTHONS = ((3, 11), (3, 12))
INSTALL_BYTES = {"cpu": 3e9, "dev": 10e9, "gpu": 20e9}
MODEL_BYTES = 40e9
WRONG_CLOCK_S, DOUBTFUL_CLOCK_S = 3.0, 1.0
"""Validators refuse at four seconds."""
NEAR = 0.9
"""A machine sold as 32 GB shows a little less."""


class Severity(IntEnum):
    """How bad a finding is; the worst is the exit code."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        severity: How bad it is.
        subject: What was looked at.
        found: What was found, and what is needed.
        fix: What to do; empty when all is well.
    """

    severity: Severity
    subject: str
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Aim:
    """What the machine is to be used for.

    Attributes:
        target: "gpu" or "cpu", as setup takes it.
        local: A local subnet only.
        dev: With what the tests need.
        node: Whether PM2 is to supervise.
    """

    target: str = "gpu"
    local: bool = False
    dev: bool = False
    node: bool = True

    @property
    def gpu(self) -> bool:
        """Whether the real models are to run."""
        return self.target == "gpu"


def judge(facts: Facts, aim: Aim) -> list[Finding]:
    """All findings, in the order in which one would mend them."""
    return [finding for look in LOOKS for finding in look(facts, aim)]


def _ok(subject: str, found: str) -> list[Finding]:
    return [Finding(Severity.OK, subject, found)]


def _warn(subject: str, found: str, fix: str) -> list[Finding]:
    return [Finding(Severity.WARNING, subject, found, fix)]


def _error(subject: str, found: str, fix: str) -> list[Finding]:
    return [Finding(Severity.ERROR, subject, found, fix)]


def _python(facts: Facts, aim: Aim) -> list[Finding]:
    if facts.conda and not facts.installed:
        return _ok("python", "conda makes an environment with Python 3.11")
    found = f"Python {facts.python[0]}.{facts.python[1]}, 3.11 or 3.12 is needed"
    fix = "apt-get install python3.11 python3.11-venv, or install conda"
    if facts.python not in PYTHONS:
        return _error("python", found, fix)
    if not facts.venv and not facts.installed:
        return _error("python", "this Python can't make environments: venv is missing", fix)
    return _ok("python", found)


def _environment(facts: Facts, aim: Aim) -> list[Finding]:
    if facts.settings_error:
        return _error(
            "settings", facts.settings_error, "correct mining.toml or the environment variable named"
        )
    if not facts.installed:
        return _warn("environment", "not set up, or older than the project", "./setup_mining_environment.sh")
    return _ok("environment", "up to date")


def _gpu(facts: Facts, aim: Aim) -> list[Finding]:
    if not aim.gpu:
        return _ok("gpu", "not needed: the embedded back ends run on the CPU")
    if facts.driver is None:
        return _error("driver", "nvidia-smi does not answer", "install the NVIDIA driver, then reboot")
    findings = _ok("driver", f"{facts.driver}, CUDA {_shown(facts.driver_cuda)}")
    if facts.driver_cuda is not None and facts.driver_cuda < MIN_CUDA:
        text = f"the driver offers CUDA {_shown(facts.driver_cuda)}, {_shown(MIN_CUDA)} is needed"
        findings = _error("driver", text, "install a newer NVIDIA driver (530 or newer), then reboot")
    elif facts.driver_cuda and facts.runtime_cuda and facts.driver_cuda[0] < facts.runtime_cuda[0]:
        text = (
            f"the driver offers CUDA {_shown(facts.driver_cuda)}, torch brings {_shown(facts.runtime_cuda)}"
        )
        findings = _error("driver", text, _newer_driver(facts.runtime_cuda[0]))
    elif facts.driver_cuda and facts.runtime_cuda is None and facts.driver_cuda[0] < TORCH_CUDA:
        text = f"the driver offers CUDA {_shown(facts.driver_cuda)}, the pinned torch brings {TORCH_CUDA}"
        findings = _warn("driver", text, _newer_driver(TORCH_CUDA))
    if facts.missing_libraries:
        text = f"the shape model's packages need {', '.join(facts.missing_libraries)}"
        findings = findings + _error("libraries", text, "apt-get install libgl1 libglib2.0-0 libopengl0")
    best = max(facts.gpus, key=lambda gpu: gpu.memory_bytes)
    shown = f"{len(facts.gpus)} x {best.name}, {best.memory_bytes / 2**30:.0f} GiB"
    if 0 < best.compute_capability < MIN_CAPABILITY:
        return findings + _error(
            "gpu", f"{shown}: older than RTX 30", "use a card of the RTX 30 series or newer"
        )
    if best.memory_bytes < NEAR * 24e9:
        return findings + _warn(
            "gpu", f"{shown}, 24 GB are needed for the models", "--backend auto stays embedded"
        )
    return findings + _ok("gpu", shown)


def _shown(version: tuple[int, int] | None) -> str:
    return "unknown" if version is None else f"{version[0]}.{version[1]}"


def _size(facts: Facts, aim: Aim) -> list[Finding]:
    cores, memory_bytes = (12, 32e9) if aim.gpu else (2, 4e9)
    shown = f"{facts.cores} cores, {facts.memory_bytes / 1e9:.0f} GB"
    if facts.cores < cores or facts.memory_bytes < NEAR * memory_bytes:
        needed = f"{cores} cores and {memory_bytes / 1e9:.0f} GB are the minimum"
        return _warn("cpu, memory", f"{shown}, {needed}", "use a larger machine, or expect slow work")
    return _ok("cpu, memory", shown)


def _disk(facts: Facts, aim: Aim) -> list[Finding]:
    free, shown = facts.disk_free_bytes, f"{facts.disk_free_bytes / 1e9:.1f} GB free"
    floor = 0.5e9 if aim.local else float(facts.min_free_disk_bytes)
    needed = 0.0 if facts.installed else INSTALL_BYTES["gpu" if aim.gpu else "dev" if aim.dev else "cpu"]
    if free < max(floor, needed):
        text = f"{shown}, {max(floor, needed) / 1e9:.1f} GB are needed"
        return _error(
            "disk", text, "free disk space; old runs lie in locally_validated_assets, competition_results"
        )
    if aim.gpu and not facts.installed and free < floor + needed + MODEL_BYTES:
        return _warn(
            "disk", f"{shown}, the models take about 40 GB more", "make room, or set HF_HOME to another disk"
        )
    return _ok("disk", shown)


def _hub(facts: Facts, aim: Aim) -> list[Finding]:
    if not aim.gpu:
        return []
    if not facts.hf_token:
        fix = "accept the licence at huggingface.co/black-forest-labs/FLUX.1-schnell, then: hf auth login"
        return _warn("hf token", "none: FLUX can't be downloaded without", fix)
    return _ok("hf token", "present")


def _node(facts: Facts, aim: Aim) -> list[Finding]:
    if not aim.node:
        return []
    if facts.node is None or facts.node[0] < MIN_NODE or not facts.npm:
        found = f"Node.js {_shown(facts.node)}" if facts.node else "Node.js is missing"
        fix = f"install Node.js {MIN_NODE} or newer with npm (apt-get install nodejs npm), or use --no-node"
        return _error("node", f"{found}{'' if facts.npm else ', npm is missing'}", fix)
    if not facts.pm2:
        return _warn("pm2", "not installed", "./setup_mining_environment.sh, or npm install -g pm2")
    return _ok("node, pm2", f"Node.js {_shown(facts.node)}, PM2 is there")


def _newer_driver(cuda: int) -> str:
    return (
        f"install a driver for CUDA {cuda} (580 or newer for 13), then reboot; or, after setup, a build of"
        " the same torch for the driver's CUDA into the environment"
    )


def _opengl(facts: Facts, aim: Aim) -> list[Finding]:
    if facts.opengl is None:
        fix = "apt-get install libegl1 libgl1 libgl1-mesa-dri"
        return _warn("opengl", "neither EGL nor OSMesa works: no pictures of meshes", fix)
    return _ok("opengl", facts.opengl)


def _packages(facts: Facts, aim: Aim) -> list[Finding]:
    if not facts.codecs or facts.bittensor is None:
        return []
    names = " ".join(facts.codecs)
    fix = f"python -m pip uninstall -y {names}; python -m pip install --force-reinstall --no-deps cyscale"
    return _error(
        "packages", f"{names} beside bittensor {facts.bittensor}: their codecs overwrite each other", fix
    )


def _ports(facts: Facts, aim: Aim) -> list[Finding]:
    findings = []
    for name, (port, holder) in facts.ports.items():
        if holder == "another":
            fix = f"ss -ltnp 'sport = :{port}' names it; stop it, or set another port in mining.toml"
            findings += _error("ports", f"{port} ({name}) is held by another program", fix)
    ours = sum(holder == "ours" for _, holder in facts.ports.values())
    return findings or _ok("ports", f"{ours} in use by this project" if ours else "free")


def _clock(facts: Facts, aim: Aim) -> list[Finding]:
    if aim.local:
        return []
    skew_s = facts.clock_skew_s
    if skew_s is None:
        why = facts.unknown.get("clock", "not looked at")
        return _warn("clock", why, "timedatectl must say: System clock synchronized: yes")
    shown = f"{abs(skew_s):.2f} s off"
    fix = "timedatectl set-ntp true, or install chrony; validators refuse at 4 s"
    if abs(skew_s) >= DOUBTFUL_CLOCK_S:
        return (_error if abs(skew_s) >= WRONG_CLOCK_S else _warn)("clock", shown, fix)
    return _ok("clock", shown)


def _registration(facts: Facts, aim: Aim) -> list[Finding]:
    if aim.local:
        return []
    complain = (
        _error if aim.gpu else _warn
    )  # what the embedded back ends make is not sent to a public network
    why = facts.unknown.get("registration", "")
    if facts.hotkey is False:
        fix = "btcli wallet new_hotkey on another machine, then copy the hotkey here (README, GPU machine)"
        return complain("wallet", f"there is no hotkey {facts.hotkey_file}", fix)
    if facts.wallet_error:
        return complain(
            "wallet", facts.wallet_error, "the miner will not start with it: see README, GPU machine"
        )
    if facts.registered is False:
        return complain("registration", f"not registered: {why}", "btcli subnet register --netuid 17")
    if facts.registered is None:
        return _warn(
            "registration", f"unknown: {why or 'not looked at'}", "run this again; or: btcli subnet list"
        )
    return _ok("registration", why)


LOOKS: Sequence[Callable[[Facts, Aim], list[Finding]]] = (
    _python,
    _environment,
    _packages,
    _gpu,
    _size,
    _disk,
    _hub,
    _node,
    _opengl,
    _ports,
    _clock,
    _registration,
)
