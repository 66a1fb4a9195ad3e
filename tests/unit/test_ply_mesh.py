"""PLY meshes as programs write them: read alike in text and in bytes, refused where their header lies."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pytest
import trimesh

from subnet17.errors import AssetError, TooLargeError
from subnet17.validation.mesh import analyse_mesh
from subnet17.validation.mesh_file import read_mesh
from subnet17.validation.ply_file import read_ply_mesh

FORMATS = ["ascii", "binary_little_endian", "binary_big_endian"]
CODES = {"uchar": "B", "char": "b", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d"}
POSITION = "float x, float y, float z"
PYRAMID = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.5, 0.5, 1)]
SIDES = [[3, 2, 1, 0], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
"""Of the pyramid: a square and four triangles."""

Row = Sequence[float | Sequence[float]]
"""A number for a single value, several for a list."""


def write_ply(
    form: str,
    faces: Sequence[Row],
    face: str = "list uchar int vertex_indices",
    vertices: Sequence[Row] = PYRAMID,
    vertex: str = POSITION,
) -> bytes:
    """A PLY of one of `FORMATS` whose elements have the properties that `face` and `vertex` declare."""
    header = ["ply", f"format {form} 1.0"]
    body = b""
    for name, rows, properties in (
        ("vertex", vertices, vertex.split(", ")),
        ("face", faces, face.split(", ")),
    ):
        header += [f"element {name} {len(rows)}", *(f"property {one}" for one in properties)]
        for row in rows:
            packed = [_pack(form, value, one.split()) for value, one in zip(row, properties, strict=True)]
            body += b"".join(packed) + (b"\n" if form == "ascii" else b"")
    return "\n".join([*header, "end_header", ""]).encode() + body


def _pack(form: str, value: float | Sequence[float], declared: list[str]) -> bytes:
    items, lengths = ([value], []) if isinstance(value, int | float) else (value, [len(value)])
    if form == "ascii":
        return b"".join(b"%r " % number for number in [*lengths, *items])
    order, item = "<" if "little" in form else ">", CODES[declared[-2]]
    length = struct.pack(order + CODES[declared[1]], *lengths) if lengths else b""
    return length + struct.pack(f"{order}{len(items)}{item}", *items)


@pytest.mark.parametrize("form", FORMATS)
def test_triangles_and_quads_may_be_mixed(form: str) -> None:
    mesh = read_mesh(write_ply(form, [[side] for side in SIDES]))
    report = analyse_mesh(mesh)
    assert (report.faces, report.watertight, report.winding_consistent) == (6, True, True)
    assert report.volume == pytest.approx(1 / 3)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("corners", [3, 4, 7])
def test_a_polygon_becomes_a_fan_around_its_first_corner(form: str, corners: int) -> None:
    turns = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    ring = [(float(np.cos(turn)), float(np.sin(turn)), 0.0) for turn in turns]
    mesh = read_mesh(write_ply(form, [[range(corners)]] * 2, vertices=ring))
    fan = [[0, corner, corner + 1] for corner in range(1, corners - 1)]
    assert mesh.faces.tolist() == fan * 2
    assert mesh.area == pytest.approx(corners * np.sin(2 * np.pi / corners))


@pytest.mark.parametrize("form", FORMATS)
def test_lines_and_points_among_the_faces_are_left_out(form: str) -> None:
    mesh = read_mesh(write_ply(form, [[[0, 1]], [[2, 3, 4]], [[]], [[0]]]))
    assert mesh.faces.tolist() == [[2, 3, 4]]
    with pytest.raises(AssetError, match="no triangles"):
        read_mesh(write_ply(form, [[[0, 1]], [[]]]))


@pytest.mark.parametrize("form", FORMATS)
def test_other_values_and_lists_before_and_behind_the_corners_are_read_over(form: str) -> None:
    face = "ushort flags, list int double texcoord, list uchar uint vertex_index, float quality"
    rows = [[7, [0.5] * (2 * len(side)), side, 1.5] for side in SIDES]
    vertex = "uchar selected, float x, double y, float z"
    vertices = [(1, *place) for place in PYRAMID]
    mesh = read_mesh(write_ply(form, rows, face, vertices, vertex))
    assert len(mesh.faces) == 6
    assert mesh.vertices.tolist() == [list(place) for place in PYRAMID]


@pytest.mark.parametrize("form", FORMATS)
def test_every_triangle_has_the_colour_of_its_polygon(form: str) -> None:
    face = "list uchar int vertex_indices, uchar red, uchar green, uchar blue"
    mesh = read_mesh(write_ply(form, [[side, place, 0, 9] for place, side in enumerate(SIDES)], face))
    assert mesh.visual.kind == "face"
    assert mesh.visual.face_colors[:, :3].tolist() == [[place, 0, 9] for place in (0, 0, 1, 2, 3, 4)]


@pytest.mark.parametrize("form", FORMATS)
def test_colours_of_vertices_survive_beside_texture_coordinates(form: str) -> None:
    vertex = f"{POSITION}, float s, float t, uchar red, uchar green, uchar blue, uchar alpha"
    vertices = [(*place, 0.25, 0.75, 200, 100, number, 255) for number, place in enumerate(PYRAMID)]
    mesh = read_mesh(write_ply(form, [[side] for side in SIDES], vertices=vertices, vertex=vertex))
    assert mesh.visual.kind == "vertex"
    assert mesh.visual.vertex_colors.tolist() == [[200, 100, number, 255] for number in range(5)]


@pytest.mark.parametrize("encoding", ["binary", "ascii"])
def test_a_mesh_of_triangles_is_read_as_trimesh_reads_it(encoding: str) -> None:
    ball = trimesh.creation.icosphere(subdivisions=3)
    ball.visual.vertex_colors = np.arange(4 * len(ball.vertices), dtype=np.uint8).reshape(-1, 4)
    data = ball.export(file_type="ply", encoding=encoding)
    ours, theirs = read_mesh(data), trimesh.load_mesh(trimesh.util.wrap_as_stream(data), "ply", process=False)
    assert (ours.vertices == theirs.vertices).all() and (ours.faces == theirs.faces).all()
    assert (ours.visual.vertex_colors == theirs.visual.vertex_colors).all()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("corners", [255, [3, 255]], ids=["alike", "mixed"])
def test_triangles_of_polygons_are_counted_before_they_are_made(form: str, corners: int | list[int]) -> None:
    """60,000 polygons of 255 corners, 15 MB, became 15 million triangles before anybody counted."""
    rows = [[[0] * count] for count in ([corners] * 20 if isinstance(corners, int) else corners * 20)]
    triangles = sum(len(row[0]) - 2 for row in rows)
    data = write_ply(form, rows, "list uchar uchar vertex_indices")
    assert len(read_ply_mesh(data, triangles).faces) == triangles
    with pytest.raises(TooLargeError, match=f"{triangles} faces"):
        read_ply_mesh(data, triangles - 1)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("face", "row"),
    [
        ("list char int vertex_indices", [[0, 1, 5]]),
        ("list uchar int vertex_indices", [[0, 1, -1]]),
        ("list uchar double vertex_indices", [[0, 1, float("nan")]]),
        ("list uchar double vertex_indices", [[0, 1, 1e300]]),
    ],
    ids=["behind", "negative", "nan", "huge"],
)
def test_corners_that_are_no_vertices_are_refused(form: str, face: str, row: Row) -> None:
    with pytest.raises(AssetError, match="outside"):
        read_mesh(write_ply(form, [[[0, 1, 2]], row], face))


@pytest.mark.parametrize("length", [b"-3", b"nan", b"inf", b"1e300", b"4"])
def test_a_list_of_a_text_that_is_longer_than_the_text_is_refused(length: bytes) -> None:
    data = write_ply("ascii", [[[0, 1, 2]], [[2, 3, 4]]])
    with pytest.raises(AssetError, match="promises 2 of face, 1 are there"):
        read_mesh(data.replace(b"3 2 3 4", length + b" 2 3 4"))


def test_a_negative_length_is_refused() -> None:
    data = write_ply("binary_little_endian", [[[0, 1, 2]], [[2, 3, 4]]], "list char char vertex_indices")
    with pytest.raises(AssetError, match="promises"):
        read_mesh(data[:-4] + struct.pack("4b", -3, 2, 3, 4))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("change", [b"", b"1 " * 8])
def test_a_body_of_another_length_is_refused(form: str, change: bytes) -> None:
    data = write_ply(form, [[side] for side in SIDES])
    with pytest.raises(AssetError, match="promise"):
        read_mesh(data + change if change else data[:-6])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"format ascii 1.0\n", b""),
        (b"format ascii 1.0\n", b"format ascii 1.0\nformat ascii 1.0\n"),
        (b"format ascii 1.0", b"format ascii 2.0"),
        (b"format ascii 1.0", b"format binary_middle_endian 1.0"),
        (b"property float y", b"property float x"),
        (b"property float y", b"property float v"),
        (b"property float y", b"property list uchar float y"),
        (b"property list uchar int vertex_indices", b"property int vertex_indices"),
        (b"property list uchar int vertex_indices\n", b""),
        (b"element face", b"element edge"),
        (b"element face 5", b"element vertex 5"),
        (b"0.5 0.5 1", b"0.5 0.5 one"),
    ],
)
def test_what_is_no_mesh_of_vertices_and_faces_is_refused(old: bytes, new: bytes) -> None:
    data = write_ply("ascii", [[side] for side in SIDES])
    assert old in data
    with pytest.raises(AssetError):
        read_mesh(data.replace(old, new))


@pytest.mark.parametrize("body", [b"", b"\n", b"  \n\n "])
def test_a_text_without_a_body_is_refused(body: bytes) -> None:
    data = write_ply("ascii", [[side] for side in SIDES])
    with pytest.raises(AssetError, match="promises"):
        read_mesh(data[: data.index(b"end_header") + 11] + body)


def test_more_vertices_than_the_triangles_could_have_are_refused() -> None:
    with pytest.raises(TooLargeError, match="5 vertices"):
        read_ply_mesh(write_ply("ascii", [[[0, 1, 2]]]), 1)
