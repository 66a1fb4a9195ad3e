"""Which off-screen OpenGL this machine has, asked in a process of its own: a broken driver may crash it.

Run as a program, by setup and by the workers. Needs no package: it looks through ctypes for an EGL device or
for OSMesa that gives a context of OpenGL 4.1 (3.3 for OSMesa), and prints what it found as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

EGL_LIBRARIES = ("libEGL.so.1", "libEGL.so")
GL_LIBRARIES = ("libGL.so.1", "libGL.so")
"""PyOpenGL looks there for its functions, also beside EGL."""
OSMESA_LIBRARIES = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")

EGL_PLATFORM_DEVICE = 0x313F
EGL_OPENGL_API = 0x30A2
EGL_CONFIG = (0x3033, 0x0001, 0x3040, 0x0008, 0x3025, 24, 0x3038)
"""Pbuffers, desktop OpenGL, 24 bits of depth."""
EGL_CONTEXT = (0x3098, 4, 0x30FB, 1, 0x30FD, 1, 0x3038)
"""OpenGL 4.1 core, as pyrender asks for it."""
OSMESA_CONTEXT = (0x22, 0x1908, 0x30, 24, 0x33, 0x34, 0x36, 3, 0x37, 3, 0)
"""RGBA, 24 bits of depth, OpenGL 3.3 core."""
GL_UNSIGNED_BYTE = 0x1401
GL_RENDERER = 0x1F01
MAX_DEVICES = 32

Found = dict[str, Any]


def find() -> Found:
    """`{"platform": "egl"|"osmesa", "device": int, "renderer": str}`, or `{"missing": [sentences]}`."""
    missing = []
    for search in (find_egl, find_osmesa):
        try:
            return search()
        except (OSError, AttributeError, LookupError) as error:
            missing.append(f"{search.__name__.removeprefix('find_')}: {error}")
    return {"missing": missing}


def find_egl() -> Found:
    """The first EGL device that gives a context.

    Raises:
        OSError: no libEGL, or no libGL. LookupError: no device of it can be used.
    """
    _load(GL_LIBRARIES)
    egl = _load(EGL_LIBRARIES)
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    devices = _list_devices(egl)
    for index, device in enumerate(devices):
        renderer = _try_device(egl, device)
        if renderer is not None:
            return {"platform": "egl", "device": index, "renderer": renderer}
    raise LookupError(f"none of {len(devices)} devices gives an OpenGL 4.1 context")


def find_osmesa() -> Found:
    """OSMesa, which draws without any device.

    Raises:
        OSError: no libOSMesa. AttributeError: it is too old. LookupError: it gives no context.
    """
    library = _load(OSMESA_LIBRARIES)
    library.OSMesaCreateContextAttribs.restype = ctypes.c_void_p
    library.OSMesaGetProcAddress.restype = ctypes.c_void_p
    context = library.OSMesaCreateContextAttribs(_integers(OSMESA_CONTEXT), None)
    pixels = ctypes.create_string_buffer(16 * 16 * 4)
    current = context and library.OSMesaMakeCurrent(
        ctypes.c_void_p(context), pixels, GL_UNSIGNED_BYTE, 16, 16
    )
    if not current:
        raise LookupError("it gives no OpenGL 3.3 context")
    return {"platform": "osmesa", "device": 0, "renderer": _renderer_of(library.OSMesaGetProcAddress)}


def _load(names: tuple[str, ...]) -> Any:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            last = error
    raise last


def _integers(values: tuple[int, ...]) -> Any:
    return (ctypes.c_int * len(values))(*values)


def _function(egl: Any, name: bytes, result: Any, *arguments: Any) -> Any:
    address = egl.eglGetProcAddress(name)
    if not address:
        raise LookupError(f"{name.decode()} is missing")
    return ctypes.CFUNCTYPE(result, *arguments)(address)


def _list_devices(egl: Any) -> list[Any]:
    devices = (ctypes.c_void_p * MAX_DEVICES)()
    count = ctypes.c_int()
    query = _function(
        egl, b"eglQueryDevicesEXT", ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p
    )
    if not query(MAX_DEVICES, ctypes.byref(devices), ctypes.byref(count)):
        raise LookupError("it lists no devices")
    return list(devices[: count.value])


def _try_device(egl: Any, device: Any) -> str | None:
    """The name of what draws on a device; None where it gives no context."""
    display_of = _function(
        egl, b"eglGetPlatformDisplayEXT", ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p
    )
    egl.eglCreateContext.restype = ctypes.c_void_p
    display = ctypes.c_void_p(display_of(EGL_PLATFORM_DEVICE, device, None))
    if not display or not egl.eglInitialize(display, None, None):
        return None
    config, count = ctypes.c_void_p(), ctypes.c_int()
    chosen = egl.eglChooseConfig(display, _integers(EGL_CONFIG), ctypes.byref(config), 1, ctypes.byref(count))
    if not chosen or not count.value or not egl.eglBindAPI(EGL_OPENGL_API):
        return None
    context = ctypes.c_void_p(egl.eglCreateContext(display, config, None, _integers(EGL_CONTEXT)))
    if not context or not egl.eglMakeCurrent(display, None, None, context):
        return None
    return _renderer_of(egl.eglGetProcAddress)


def _renderer_of(address_of: Any) -> str:
    get_string = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_uint)(address_of(b"glGetString"))
    return (get_string(GL_RENDERER) or b"unknown").decode("ascii", "replace")


if __name__ == "__main__":
    found = find()
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(1 if "missing" in found else 0)  # without the drivers' own clean-up, which is known to hang
