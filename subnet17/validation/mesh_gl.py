"""Off-screen OpenGL for pyrender: which platform there is, and one thread that owns its context.

A context belongs to one thread at a time, and PyOpenGL is bound to one platform when it is first imported. So
a process asks once what there is (gl_probe.py, in a process of its own), and draws in one thread only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from subnet17.errors import UnavailableError
from subnet17.log import get_logger
from subnet17.serving.worker_process import tell
from subnet17.splat.cameras import IMAGE_SIZE_PX

R = TypeVar("R")

PROBE = Path(__file__).with_name("gl_probe.py")
PROBE_TIMEOUT_S = 30.0
APT_COMMAND = "apt-get install libegl1 libgl1 libgl1-mesa-dri (or libosmesa6)"

_OSMESA_CONSTANTS = {
    "OSMESA_DEPTH_BITS": 0x30,
    "OSMESA_PROFILE": 0x33,
    "OSMESA_CORE_PROFILE": 0x34,
    "OSMESA_CONTEXT_MAJOR_VERSION": 0x36,
    "OSMESA_CONTEXT_MINOR_VERSION": 0x37,
}


@dataclass(frozen=True)
class GlPlatform:
    """Where pyrender draws.

    Attributes:
        name: "egl" or "osmesa". device: Number of the EGL device. renderer: What the driver calls itself.
    """

    name: str
    device: int
    renderer: str


def find_platform() -> GlPlatform:
    """Looks for EGL, else for OSMesa.

    Raises:
        UnavailableError: neither is there; says what to install.
    """
    command = [sys.executable, "-I", str(PROBE)]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False)  # noqa: S603
        found = json.loads(ended.stdout or b"{}")
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        found = {"missing": [f"the probe failed: {type(error).__name__}"]}
    if "platform" not in found:
        missing = "; ".join(found.get("missing", ["the driver crashed"]))
        raise UnavailableError(
            f"meshes can't be drawn: neither EGL nor OSMesa works here ({missing}). "
            f"Debian/Ubuntu: {APT_COMMAND}"
        )
    return GlPlatform(found["platform"], found["device"], found["renderer"])


def import_pyrender(platform: GlPlatform) -> Any:
    """The pyrender module on a platform. For one platform in a process: PyOpenGL can't change it later.

    Raises:
        UnavailableError: it is not installed, or does not import.
    """
    os.environ["PYOPENGL_PLATFORM"] = platform.name
    os.environ["EGL_DEVICE_ID"] = str(platform.device)
    if not hasattr(np, "infty"):
        np.infty = np.inf  # type: ignore[attr-defined] # pyrender uses the name that numpy 2 dropped
    try:
        if platform.name == "osmesa":
            _complete_osmesa()
        _leave_out_viewer()
        import pyrender  # noqa: PLC0415 - takes two seconds, and chooses the platform
    except Exception as error:
        raise UnavailableError(
            f"meshes can't be drawn: pyrender does not import: {type(error).__name__}: {error}"[:300]
        ) from None
    return pyrender


def _leave_out_viewer() -> None:
    """Puts an empty module in the place of pyrender's windows: pyglet fails beside half of X's libraries."""
    viewer = types.ModuleType("pyrender.viewer")
    viewer.Viewer = None  # type: ignore[attr-defined]
    sys.modules.setdefault(viewer.__name__, viewer)


def _complete_osmesa() -> None:
    """Adds what pyrender needs of OSMesa and the PyOpenGL release that it asks for does not declare."""
    import ctypes  # noqa: PLC0415

    from OpenGL import osmesa  # noqa: PLC0415
    from OpenGL.platform import PLATFORM  # noqa: PLC0415
    from OpenGL.raw.osmesa._types import OSMesaContext  # noqa: PLC0415

    create = PLATFORM.OSMesa.OSMesaCreateContextAttribs
    create.restype, create.argtypes = OSMesaContext, [ctypes.c_void_p, OSMesaContext]
    osmesa.OSMesaCreateContextAttribs = create
    for name, value in _OSMESA_CONSTANTS.items():
        setattr(osmesa, name, value)
    PLATFORM.GetCurrentContext.restype = ctypes.c_void_p  # a key of tables: a pointer can't be hashed


class GlThread:
    """The one thread that draws, with pyrender and a renderer of 518x518 px that are kept."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="gl")
        self._renderer: Any = None
        self._preparing: Future[str | None] | None = None
        self.pyrender: Any = None
        self.platform: GlPlatform | None = None

    def prepare(self) -> None:
        """Starts to import and to make the context, without waiting."""
        if self._preparing is None:
            self._preparing = self._pool.submit(self._prepare)

    def run(self, work: Callable[[Any, Any], R]) -> R:
        """Calls work(pyrender, renderer) in the thread and waits.

        Raises:
            UnavailableError: nothing can be drawn here.
        """
        self.prepare()
        assert self._preparing is not None  # noqa: S101 - set by the line above
        if (missing := self._preparing.result()) is not None:
            raise UnavailableError(missing)
        return self._pool.submit(lambda: work(self.pyrender, self._renderer)).result()

    def _prepare(self) -> str | None:
        """Why nothing can be drawn: in words, as one error raised again and again would keep every mesh."""
        try:
            self.platform = find_platform()
            self.pyrender = import_pyrender(self.platform)
            self._renderer = self._make_renderer()
        except UnavailableError as error:
            get_logger().warning("no pictures of meshes", reason=error.message)
            tell({"meshes_drawn_by": None, "meshes_reason": error.message})
            return error.message
        get_logger().info("meshes are drawn", platform=self.platform.name, renderer=self.platform.renderer)
        tell({"meshes_drawn_by": f"{self.platform.name}: {self.platform.renderer}"})
        return None

    def _make_renderer(self) -> Any:
        try:
            renderer = self.pyrender.OffscreenRenderer(IMAGE_SIZE_PX, IMAGE_SIZE_PX)
        except Exception as error:  # drivers fail in many ways
            raise UnavailableError(
                f"meshes can't be drawn: no OpenGL context: {type(error).__name__}: {error}"[:300]
            ) from None
        # OSMesa has framebuffers too, and with them alpha and antialiasing as on EGL
        renderer._platform.supports_framebuffers = lambda: True
        return renderer
