"""A mesh file as splats that the network takes: the job behind `/convert/` and the command-line tool.

Covers: PLY meshes, GLB and OBJ with vertex colours, face colours or one base colour texture, within limits
that keep a conversion to seconds. Not covered: lights, transparency, rigs; see `splat.from_mesh`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from subnet17.errors import InvalidInputError, UnknownFormatError
from subnet17.serving.inputs import decode_base64, parse_json_object, shown, shown_name
from subnet17.serving.stages import Stages
from subnet17.splat.from_mesh import MIN_SPLATS, mesh_to_splats
from subnet17.splat.ply import write_ply
from subnet17.splat.spz import encode_spz
from subnet17.validation.mesh_file import read_mesh
from subnet17.validation.mesh_views import fit_mesh

SplatFormat = Literal["ply", "spz"]

DEFAULT_SPLATS = 100_000
MAX_SPLATS = 500_000
MAX_FACES = 500_000
MAX_MESH_BYTES = 32 * 2**20
MAX_TEXT_BYTES = 16 * 2**20
"""Of an OBJ or an ASCII PLY, which are read about ten times as slowly."""
KNOWN_FIELDS = frozenset({"data", "format", "splats"})


@dataclass(frozen=True)
class Conversion:
    """The splats of a mesh.

    Attributes:
        data: The file's bytes. splats: Their number. faces: Of the mesh.
        notes: What the caller should know. timings_s: Seconds per stage.
    """

    data: bytes
    splats: int
    faces: int
    notes: list[str] = field(default_factory=list)
    timings_s: dict[str, float] = field(default_factory=dict)


def answer_conversion(body: bytes) -> Conversion:
    """Answers `/convert/`: JSON in, a file out.

    Raises:
        InvalidInputError: not the JSON asked for, or a mesh that can't be converted.
    """
    stages = Stages()
    with stages("parse"):
        fields = parse_json_object(body)
        data = decode_base64(fields.get("data"), field="data")
        asset_format, count = read_format(fields.get("format")), read_count(fields.get("splats"))
    conversion = convert_mesh(data, asset_format, count, stages=stages)
    if ignored := sorted(shown_name(name) for name in fields.keys() - KNOWN_FIELDS)[:8]:
        conversion.notes.append(f"ignored, because not known: {', '.join(ignored)}")
    return conversion


def convert_mesh(
    data: bytes, asset_format: SplatFormat, count: int, *, stages: Stages | None = None
) -> Conversion:
    """Reads a mesh, covers it with splats and writes them.

    Args:
        data: A PLY mesh, GLB or OBJ.
        asset_format: Of the result.
        count: Splats, 7000 to 500,000.
        stages: Where the times are noted.

    Raises:
        AssetError: unreadable, or nothing to cover. TooLargeError: over a limit of this file.
        UnknownFormatError: none of the three formats.
    """
    stages = stages or Stages()
    with stages("read"):
        mesh = read_mesh(data, max_faces=MAX_FACES, max_bytes=MAX_MESH_BYTES, max_text_bytes=MAX_TEXT_BYTES)
        fit_mesh(mesh)
    with stages("convert"):
        cloud = mesh_to_splats(mesh, count=count)
    with stages("write"):
        written = write_ply(cloud) if asset_format == "ply" else encode_spz(cloud)
    return Conversion(written, len(cloud), len(mesh.faces), timings_s=stages.timings_s)


def read_format(value: Any) -> SplatFormat:
    """`ply` where nothing is said.

    Raises:
        UnknownFormatError: neither ply nor spz.
    """
    if value is None:
        return "ply"
    for name in get_args(SplatFormat):
        if value == name:
            known: SplatFormat = name
            return known
    raise UnknownFormatError(
        f"format is {shown(value)}, expected ply or spz", field="format", allowed=list(get_args(SplatFormat))
    )


def read_count(value: Any) -> int:
    """100,000 where nothing is said.

    Raises:
        InvalidInputError: not a whole number of 7000 to 500,000.
    """
    if value is None:
        return DEFAULT_SPLATS
    if isinstance(value, bool) or not isinstance(value, int) or not MIN_SPLATS <= value <= MAX_SPLATS:
        raise InvalidInputError(
            f"splats is {shown(value)}, expected a whole number of {MIN_SPLATS} to {MAX_SPLATS}",
            field="splats",
            measured=value if isinstance(value, int) and abs(value) < 2**63 else None,
            allowed=[MIN_SPLATS, MAX_SPLATS],
        )
    return value
