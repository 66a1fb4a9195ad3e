"""Which back end is chosen, and what is said about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from subnet17.errors import ConfigError
from subnet17.generation import flux_hunyuan_backend
from subnet17.generation.backends import choose_backend
from subnet17.gpu.monitor import GpuState
from subnet17.settings import GenerationTable


def gpu(total_bytes: int) -> GpuState:
    return GpuState(0, "card", total_bytes, 0, 40, 0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with one card of 24 GB and all packages."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(flux_hunyuan_backend, "read_gpus", lambda: [gpu(24 * 10**9)])
    monkeypatch.setattr(flux_hunyuan_backend, "missing_packages", list)
    return monkeypatch


def test_auto_takes_the_gpu_that_is_there(machine: pytest.MonkeyPatch) -> None:
    backend = choose_backend(GenerationTable())
    assert (backend.name, backend.workers, backend.limits_memory) == ("flux-hunyuan", 1, False)
    assert backend.reason.startswith("auto: a GPU")


def test_auto_falls_back_without_a_gpu_and_says_so(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(flux_hunyuan_backend, "read_gpus", list)
    backend = choose_backend(GenerationTable())
    assert (backend.name, backend.limits_memory) == ("procedural", True)
    assert "no NVIDIA GPU answers" in backend.reason


def test_auto_takes_no_card_that_is_too_small(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(flux_hunyuan_backend, "read_gpus", lambda: [gpu(12 * 10**9)])
    assert "12.0 GB of GPU memory, 22 GB are needed" in choose_backend(GenerationTable()).reason
    machine.setattr(flux_hunyuan_backend, "read_gpus", lambda: [gpu(24 * 10**9)])
    limited = GenerationTable(vram_limit_bytes=8 * 10**9)
    assert choose_backend(limited).name == "procedural"
    assert "vram_limit_bytes is 8.0 GB, 16 GB are needed" in choose_backend(limited).reason


def test_auto_works_under_the_limit_advised_for_a_shared_card(machine: pytest.MonkeyPatch) -> None:
    assert choose_backend(GenerationTable(vram_limit_bytes=20 * 10**9)).name == "flux-hunyuan"


def test_auto_names_packages_that_are_missing(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(flux_hunyuan_backend, "missing_packages", lambda: ["torch", "hy3dgen"])
    assert "torch, hy3dgen not installed" in choose_backend(GenerationTable()).reason


def test_auto_heeds_hidden_devices(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES" in choose_backend(GenerationTable()).reason


def test_asked_for_without_its_packages_is_an_error_that_says_what_to_do(
    machine: pytest.MonkeyPatch,
) -> None:
    machine.setattr(flux_hunyuan_backend, "missing_packages", lambda: ["diffusers"])
    with pytest.raises(ConfigError, match=r"needs diffusers: run ./setup_mining_environment.sh --gpu"):
        choose_backend(GenerationTable(backend="flux-hunyuan"))


def test_each_device_named_gets_a_worker(machine: pytest.MonkeyPatch) -> None:
    settings = GenerationTable(backend="flux-hunyuan", device="cuda:0, cuda:1")
    assert choose_backend(settings).workers == 2
    with pytest.raises(ConfigError, match="names no device"):
        choose_backend(GenerationTable(backend="flux-hunyuan", device=" , "))


def test_missing_packages_are_found_by_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flux_hunyuan_backend, "PACKAGES", ("json", "no_such_package"))
    missing = flux_hunyuan_backend.missing_packages()
    assert "no_such_package" in missing
    assert "json" not in missing


def test_a_clone_beside_the_project_stands_in_for_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(flux_hunyuan_backend, "PROJECT_ROOT", tmp_path / "project")
    monkeypatch.setattr(flux_hunyuan_backend.importlib.util, "find_spec", lambda _: None)
    assert "hy3dgen" in flux_hunyuan_backend.missing_packages()
    (tmp_path / "Hunyuan3D-2" / "hy3dgen").mkdir(parents=True)
    assert "hy3dgen" not in flux_hunyuan_backend.missing_packages()


def test_the_server_process_imports_no_torch() -> None:
    code = (
        "import sys; from subnet17.generation import app, backends, cli; "
        "backends.choose_backend(__import__('subnet17.settings').settings.GenerationTable()); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
