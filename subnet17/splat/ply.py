"""Splats as a 3DGS PLY: a strict reader for untrusted bytes, and a writer.

Covers: binary little endian, one element `vertex` of float properties. Does not cover meshes (told apart
and refused with detail `kind="mesh"`), ASCII and big endian files, or spherical harmonics above degree 0
(read over).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, NoReturn

import numpy as np

from subnet17.errors import AssetError
from subnet17.splat.cloud import Float32, GaussianCloud
from subnet17.splat.limits import MAX_BYTES, MAX_SPLATS, check_bytes, check_count, check_finite

MAX_HEADER_BYTES = 16 * 1024
MAX_HEADER_LINES = 256
"""A file with normals and degree-3 harmonics has 66."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "means": ("x", "y", "z"),
    "sh0": ("f_dc_0", "f_dc_1", "f_dc_2"),
    "logit_opacities": ("opacity",),
    "log_scales": ("scale_0", "scale_1", "scale_2"),
    "quats": ("rot_0", "rot_1", "rot_2", "rot_3"),
}
"""The cloud's fields and their properties, in the order in which they are written. rot is wxyz."""

NAMES = tuple(name for names in COLUMNS.values() for name in names)

_FORMAT = "format binary_little_endian 1.0"
_CHUNK_BYTES = 2**20


@dataclass
class _Element:
    name: str
    count: int
    properties: list[str] = field(default_factory=list)
    """All names, in file order."""
    foreign: list[str] = field(default_factory=list)
    """Declarations of those that are not one float."""


def write_ply(cloud: GaussianCloud) -> bytes:
    """Writes the cloud as the network's own tools do: 14 float properties, no normals, LF line ends.

    Raises:
        AssetError: a value that `check_finite` refuses, and so would every reader.
    """
    cloud = check_finite(cloud)
    header = ["ply", _FORMAT, f"element vertex {len(cloud)}"]
    header += [f"property float {name}" for name in NAMES]
    header += ["end_header", ""]
    columns = [getattr(cloud, name).reshape(len(cloud), -1) for name in COLUMNS]
    return "\n".join(header).encode("ascii") + np.hstack(columns).astype("<f4", copy=False).tobytes()


def read_ply(
    source: bytes | memoryview | BinaryIO, *, max_splats: int = MAX_SPLATS, max_bytes: int = MAX_BYTES
) -> GaussianCloud:
    """Reads a 3DGS PLY, believing nothing it says before it is checked.

    A stream is read to its end, in chunks: a header that promises more than there is allocates nothing.
    Values are checked by `check_finite`.

    Args:
        source: The file. A stream is read from where it stands.
        max_splats: Largest vertex count.
        max_bytes: Largest body that the header may announce.

    Raises:
        AssetError: not a PLY, a mesh (`kind="mesh"`), another layout, a body of another length than the
            header says, or values that can't be rendered.
        TooLargeError: more splats or bytes than allowed.
    """
    content: bytes | bytearray | memoryview
    if isinstance(source, bytes | bytearray | memoryview):
        stream, content = None, source
    else:
        stream, content = source, _read_on(source, bytearray(), MAX_HEADER_BYTES)
    lines, body_at = _split_header(bytes(memoryview(content)[:MAX_HEADER_BYTES]))
    vertex = _check_layout(lines)
    check_count(vertex.count, max_splats)
    expected_bytes = 4 * vertex.count * len(vertex.properties)
    check_bytes(expected_bytes, max_bytes)
    if stream is not None and isinstance(content, bytearray):
        # One byte more than announced tells a body that is too long.
        content = _read_on(stream, content, body_at + expected_bytes + 1)
    _check_length(vertex, expected_bytes, len(content) - body_at, is_whole=stream is None)
    table = np.frombuffer(content, dtype="<f4", offset=body_at).reshape(vertex.count, -1)
    return check_finite(_to_cloud(table, vertex.properties))


def _to_cloud(table: Float32, properties: list[str]) -> GaussianCloud:
    at = {name: properties.index(name) for name in NAMES}
    # Indexing with lists copies: the cloud does not keep the whole file alive.
    fields = {key: table[:, [at[name] for name in names]] for key, names in COLUMNS.items()}
    fields["logit_opacities"] = fields["logit_opacities"][:, 0]
    return GaussianCloud(**fields)


def _read_on(stream: BinaryIO, content: bytearray, limit_bytes: int) -> bytearray:
    while len(content) < limit_bytes:
        chunk = stream.read(min(_CHUNK_BYTES, limit_bytes - len(content)))
        if not chunk:
            break
        content += chunk
    return content


def _split_header(start: bytes) -> tuple[list[bytes], int]:
    """The header's lines without their ends, and where the body starts."""
    if not start.startswith((b"ply\n", b"ply\r\n")):
        raise AssetError(f"not a PLY: it starts with {_shown(start)}, expected 'ply' and a line end")
    line_end = b"\r\n" if start.startswith(b"ply\r") else b"\n"
    lines: list[bytes] = []
    at = 0
    while len(lines) < MAX_HEADER_LINES:
        end = start.find(b"\n", at)
        if end < 0:
            raise AssetError(
                f"the PLY header has no end_header in its first {len(start)} bytes, "
                f"at most {MAX_HEADER_BYTES} are read"
            )
        line, at = start[at : end + 1], end + 1
        # Were line ends mixed, a CR after end_header could belong to the header or to the body.
        if not line.endswith(line_end) or b"\r" in line[: -len(line_end)]:
            raise AssetError(f"the PLY header mixes line ends, in line {len(lines) + 1}: {_shown(line)}")
        lines.append(line[: -len(line_end)])
        if lines[-1] == b"end_header":
            return lines, at
    raise AssetError(f"the PLY header has more than {MAX_HEADER_LINES} lines, which is the most allowed")


def _check_layout(lines: list[bytes]) -> _Element:
    """The vertex element, once the header is known to describe splats and nothing else."""
    declared = [line.split() for line in lines[1:-1]]
    declared = [words for words in declared if words[:1] not in ([b"comment"], [b"obj_info"])]
    if not declared or declared[0][:1] != [b"format"]:
        raise AssetError(f"the PLY header has no format line after its first, expected '{_FORMAT}'")
    elements = _parse_elements(declared[1:])
    _check_not_mesh(elements)
    if declared[0] != _FORMAT.encode().split():
        raise AssetError(f"the PLY says {_shown(b' '.join(declared[0]))}, expected '{_FORMAT}'")
    if [element.name for element in elements] != ["vertex"]:
        names = ", ".join(element.name for element in elements[:8])
        raise AssetError(
            f"the PLY has {len(elements)} elements ({names}); exactly one, vertex, is expected",
            elements=len(elements),
        )
    _check_properties(elements[0])
    return elements[0]


def _parse_elements(declared: list[list[bytes]]) -> list[_Element]:
    elements: list[_Element] = []
    for words in declared:
        match words:
            case [b"element", name, count] if count.isdigit() and len(count) <= 20 and _is_name(name):
                elements.append(_Element(name.decode(), int(count)))
            case [b"property", kind, *_, name] if elements and _is_name(name):
                elements[-1].properties.append(name.decode())
                if len(words) != 3 or kind not in (b"float", b"float32"):
                    elements[-1].foreign.append(_shown(b" ".join(words[1:])))
            case _:
                raise AssetError(f"the PLY header has a line that can't be read: {_shown(b' '.join(words))}")
    if not elements:
        raise AssetError("the PLY header declares no element; one, vertex, is expected")
    return elements


def _check_not_mesh(elements: list[_Element]) -> None:
    vertex = elements[0]
    if any(element.name == "face" for element in elements):
        _refuse_mesh("it has faces")
    names = set(vertex.properties)
    if vertex.name == "vertex" and {"x", "y", "z"} <= names and "opacity" not in names:
        _refuse_mesh("its vertices have no opacity")


def _refuse_mesh(why: str) -> NoReturn:
    raise AssetError(
        f"this PLY looks like a mesh: {why}; convert it to splats before it is submitted", kind="mesh"
    )


def _check_properties(vertex: _Element) -> None:
    if vertex.foreign:
        raise AssetError(
            f"the PLY has {len(vertex.foreign)} vertex properties that are not float, "
            f"the first is {vertex.foreign[0]}; only float is allowed"
        )
    missing = [name for name in NAMES if name not in vertex.properties]
    if missing:
        raise AssetError(f"the PLY lacks {len(missing)} of {len(NAMES)} properties: {', '.join(missing)}")
    twice = sorted({name for name in vertex.properties if vertex.properties.count(name) > 1})
    if twice:
        raise AssetError(f"the PLY declares properties more than once: {', '.join(twice)}")


def _check_length(vertex: _Element, expected_bytes: int, measured_bytes: int, *, is_whole: bool) -> None:
    if measured_bytes == expected_bytes:
        return
    at_least = "at least " if measured_bytes > expected_bytes and not is_whole else ""
    raise AssetError(
        f"the PLY body has {at_least}{measured_bytes} bytes, expected {expected_bytes} "
        f"for {vertex.count} splats of {len(vertex.properties)} floats",
        expected_bytes=expected_bytes,
        measured_bytes=measured_bytes,
    )


def _is_name(token: bytes) -> bool:
    return len(token) <= 64 and token.isascii() and token.decode("latin-1").isprintable()


def _shown(line: bytes) -> str:
    """Bytes from the file, quoted, short and free of control characters."""
    return repr(line[:48]).removeprefix("b")
