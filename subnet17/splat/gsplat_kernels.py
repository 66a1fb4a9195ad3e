"""gsplat's CUDA kernels: whether they can be had here, and having them, compiled on first use.

gsplat from the registry is source only: the first import on a machine compiles for minutes, and leaves the
result in torch's folder of extensions for all later ones.
"""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from subnet17.errors import UnavailableError
from subnet17.log import get_logger

VERSION = "1.5.3"
"""What the validators render with; another one may draw other pixels."""
COMPILER_FIX = "install NVIDIA's CUDA toolkit (nvcc) or a gsplat wheel that holds compiled kernels"
DEFAULT_CUDA_HOME = Path("/usr/local/cuda")


def why_no_gsplat() -> str:
    """Why gsplat can't be used here; empty if it can. Looks, and imports nothing."""
    if missing := [name for name in ("torch", "gsplat") if importlib.util.find_spec(name) is None]:
        return f"{', '.join(missing)} not installed"
    if _is_compiled() or find_nvcc():
        return ""
    return f"gsplat's kernels are not compiled and there is no CUDA compiler: {COMPILER_FIX}"


def find_nvcc() -> Path | None:
    """The CUDA compiler that torch would take."""
    homes = [Path(home) for name in ("CUDA_HOME", "CUDA_PATH") if (home := os.environ.get(name))]
    named = [home / "bin" / "nvcc" for home in [*homes, DEFAULT_CUDA_HOME]]
    found = [str(path) for path in named if path.is_file()]
    if on_path := shutil.which("nvcc"):
        found.append(on_path)
    return Path(found[0]) if found else None


def load_gsplat() -> Any:
    """The package, its kernels loaded; compiles them where this has not been done yet.

    Raises:
        UnavailableError: it is not installed, of another version, or can't be compiled.
    """
    gsplat = sys.modules.get("gsplat")
    if gsplat is not None and _kernels_of(gsplat) is not None:
        return gsplat
    with _one_at_a_time(), _tools_on_path(), redirect_stdout(sys.stderr):  # gsplat prints
        try:
            gsplat = importlib.import_module("gsplat")
            kernels = _kernels_of(gsplat)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"[:400]
            raise UnavailableError(f"gsplat can't be loaded: {told}; {COMPILER_FIX}") from error
    if gsplat.__version__.partition("+")[0] != VERSION:
        raise UnavailableError(f"gsplat is {gsplat.__version__}, the validators render with {VERSION}")
    if kernels is None:
        raise UnavailableError(f"gsplat has no CUDA kernels: {COMPILER_FIX}, or set renderer to cpu")
    return gsplat


def _kernels_of(gsplat: Any) -> Any:
    return importlib.import_module(f"{gsplat.__name__}.cuda._backend")._C


def _is_compiled() -> bool:
    """Whether the package holds compiled kernels, or torch's folder of extensions does."""
    spec = importlib.util.find_spec("gsplat")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    return any(any(folder.glob("csrc*.so")) for folder in folders) or any(
        _extensions().glob("**/gsplat_cuda/gsplat_cuda.so")
    )


def _extensions() -> Path:
    named = os.environ.get("TORCH_EXTENSIONS_DIR")
    return Path(named) if named else Path.home() / ".cache" / "torch_extensions"


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two processes compiling in one folder would spoil each other's work."""
    _extensions().mkdir(parents=True, exist_ok=True)
    with (_extensions() / "gsplat.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the file
        if not _is_compiled():
            get_logger().info("compiling gsplat's kernels, once: this takes minutes")
        yield


@contextmanager
def _tools_on_path() -> Iterator[None]:
    """ninja and nvcc are looked for on PATH, where an environment that is not activated has no tools."""
    nvcc = find_nvcc()
    folders = [str(Path(sys.executable).parent), *([str(nvcc.parent)] if nvcc else [])]
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([*folders, before])
    try:
        yield
    finally:
        os.environ["PATH"] = before
