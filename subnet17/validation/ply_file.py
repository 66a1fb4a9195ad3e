"""PLY meshes from outside, read by our own code: trimesh takes no binary file of triangles and quads.

Covers: text and both byte orders, polygons of any number of corners (as fans of triangles), colours of
vertices and faces; counts that the header announces against what is there, and the triangles that polygons
make before any is made.
Not covered: polygons that are not convex, whose fans overlap; lists in vertices and elements other than
vertices and faces (refused); normals and texture coordinates (left out: no picture comes along).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import trimesh
from numpy.typing import NDArray

from subnet17.errors import AssetError
from subnet17.splat.limits import check_announced
from subnet17.validation.ply_header import Element, Property, read_header

Int64 = NDArray[np.int64]
Values = NDArray[Any]
Body = NDArray[np.uint8]
"""Rows one after the other without gaps, those of a text as float64."""

AXES = ("x", "y", "z")
COLOURS = ("red", "green", "blue", "alpha")
CORNERS = ("vertex_indices", "vertex_index")


@dataclass(frozen=True)
class _Place:
    """Where a property lies in N rows.

    Attributes:
        at: (N,) bytes of the value, or of a list's first item. lengths: (N,) of a list; None for a value.
    """

    property: Property
    at: Int64
    lengths: Int64 | None


def read_ply_mesh(data: bytes, max_faces: int) -> trimesh.Trimesh:
    """Reads vertices, faces and their colours; indices are in range, coordinates are not checked.

    Raises:
        AssetError: not what it claims. TooLargeError: over `max_faces` triangles, or their vertices.
    """
    header = read_header(data)
    vertex, face = _check_elements(header.elements, max_faces)
    at = header.body_at
    body = _read_numbers(data[at:]) if header.text else np.frombuffer(data, np.uint8)[at:]
    places = _locate_all(body, header.elements)
    triangles, made = _triangulate(body, places[face.name], vertex.count, max_faces)
    face_colours = _read(body, places[face.name], COLOURS)
    return trimesh.Trimesh(
        _read(body, places[vertex.name], AXES),
        triangles,
        vertex_colors=_read(body, places[vertex.name], COLOURS),
        face_colors=None if face_colours is None else np.repeat(face_colours, made, axis=0),
        process=False,
    )


def _check_elements(elements: list[Element], max_faces: int) -> tuple[Element, Element]:
    """Vertices and faces, once they are known to have what is read of them."""
    counts = {element.name: element.count for element in elements}
    if len(elements) != 2 or counts.keys() != {"vertex", "face"} or not all(counts.values()):
        raise AssetError(f"PLY elements {counts!r:.200}, expected vertices and faces", elements=counts)
    vertex, face = sorted(elements, key=lambda element: element.name != "vertex")
    if missing := [axis for axis in AXES if not vertex.has(axis)]:
        raise AssetError(f"the PLY's vertices have no {', '.join(missing)}")
    if lists := [each.name for each in vertex.properties if each.length]:
        raise AssetError(f"the PLY's vertices have lists ({lists[0][:40]}), which are not read")
    if not any(face.has(name, as_list=True) for name in CORNERS):
        raise AssetError(f"the PLY's faces have no list of {' or '.join(CORNERS)}")
    check_announced(face.count, max_faces, "faces")
    check_announced(vertex.count, 3 * max_faces, "vertices")
    return vertex, face


def _read_numbers(text: bytes) -> Body:
    try:
        return np.fromstring(text, np.float64, sep=" ").view(np.uint8)
    except ValueError:
        raise AssetError("the PLY says that it is text, but it holds what is no number") from None


def _locate_all(body: Body, elements: list[Element]) -> dict[str, dict[str, _Place]]:
    """Where everything lies, which fills the body exactly."""
    places, at = {}, 0
    for element in elements:
        if at + element.least_bytes > len(body):
            raise AssetError(f"the PLY header promises {element.count} of {element.name}, fewer are there")
        places[element.name], at = _locate(body, at, element)
    if at != len(body):
        raise AssetError(
            f"the PLY goes on behind the {elements[-1].count} of {elements[-1].name} it promises"
        )
    return places


def _locate(body: Body, at: int, element: Element) -> tuple[dict[str, _Place], int]:
    """Where an element's properties lie, and where its last row ends. Lists mostly are all of one length."""
    step = _walk(body, at, element, 1)[1] - at
    rows = at + step * np.arange(element.count + 1)
    places = _place_properties(body, rows[:-1], element)
    lengths = [place.lengths for place in places.values() if place.lengths is not None]
    if rows[-1] > len(body) or any((each != each[0]).any() for each in lengths):
        rows = np.array(_walk(body, at, element, element.count))
        places = _place_properties(body, rows[:-1], element)
    return places, int(rows[-1])


def _walk(body: Body, at: int, element: Element, count: int) -> list[int]:
    """Where rows begin, each found from the one before, and where the last one ends."""
    lists, tail = _lay_out(element)
    buffer, end, rows = body.data, len(body), [at]
    for _ in range(count):
        for gap, length_format, item_bytes in lists:
            at += gap
            if at + length_format.size > end:
                _refuse_promise(element, rows)
            (length,) = length_format.unpack_from(buffer, at)
            at += length_format.size
            if not 0 <= length * item_bytes <= end - at:  # also where it is NaN
                _refuse_promise(element, rows)
            at += int(length) * item_bytes
        at += tail
        if at > end:
            _refuse_promise(element, rows)
        rows.append(at)
    return rows


def _refuse_promise(element: Element, rows: list[int]) -> NoReturn:
    raise AssetError(
        f"the PLY header promises {element.count} of {element.name}, {len(rows) - 1} are there whole"
    )


def _lay_out(element: Element) -> tuple[list[tuple[int, struct.Struct, int]], int]:
    """Of a row's lists: bytes since the last, form of the length, bytes of an item. And bytes behind all."""
    lists, gap = [], 0
    for each in element.properties:
        if each.length is None:
            gap += each.stored.itemsize
        else:
            form = each.length.byteorder.replace("|", "=") + each.length.char
            lists.append((gap, struct.Struct(form), each.stored.itemsize))
            gap = 0
    return lists, gap


def _place_properties(body: Body, at: Int64, element: Element) -> dict[str, _Place]:
    """By name, for rows that begin at (N,) bytes."""
    places = {}
    for each in element.properties:
        lengths = None
        if each.length is not None:
            lengths = _to_integers(_gather(body, at, each.length))
            at = at + each.length.itemsize
        places[each.name] = _Place(each, at, lengths)
        at = at + each.stored.itemsize * (1 if lengths is None else lengths)
    return places


def _gather(body: Body, at: Int64, item: np.dtype[Any]) -> Values:
    """(N,) values that begin at these bytes; what lies outside is something."""
    at = at.clip(0, len(body) - item.itemsize)
    raw = np.empty((len(at), item.itemsize), np.uint8)
    for byte in range(item.itemsize):
        raw[:, byte] = body[at + byte]
    return raw.view(item)[:, 0]


def _to_integers(values: Values) -> Int64:
    with np.errstate(invalid="ignore"):
        return values.astype(np.int64)


def _read(body: Body, places: dict[str, _Place], names: tuple[str, ...]) -> Values | None:
    """(N, 3) or (N, 4) values of the type that is declared; None unless the first three are there."""
    found = [places[name] for name in names if name in places and places[name].lengths is None]
    if {place.property.name for place in found}.issuperset(names[:3]):
        return np.column_stack([_column(body, place.at, place.property) for place in found])
    return None


def _column(body: Body, at: Int64, one: Property) -> Values:
    with np.errstate(over="ignore", invalid="ignore"):
        return _gather(body, at, one.stored).astype(one.declared)


def _triangulate(body: Body, places: dict[str, _Place], vertices: int, max_faces: int) -> tuple[Int64, Int64]:
    """(T, 3) triangles, fans around a face's first corner, and (F,) how many each face has made."""
    at, lengths, item = next(_lists(places, CORNERS))
    made = np.maximum(lengths - 2, 0)
    check_announced(int(made.sum()), max_faces, "faces")
    firsts = np.cumsum(lengths) - lengths
    items = np.repeat(at - item.itemsize * firsts, lengths) + item.itemsize * np.arange(lengths.sum())
    corners = _gather(body, items, item)
    if len(corners) and not (corners.min() >= 0 and corners.max() < vertices):  # also where one is NaN
        raise AssetError(f"a face names a vertex outside 0..{vertices - 1}", vertices=vertices)
    face = np.repeat(np.arange(len(made)), made)
    second = firsts[face] + np.arange(1, len(face) + 1) - (np.cumsum(made) - made)[face]
    return _to_integers(corners)[np.column_stack([firsts[face], second, second + 1])], made


def _lists(places: dict[str, _Place], names: tuple[str, ...]) -> Iterator[tuple[Int64, Int64, np.dtype[Any]]]:
    """Where those begin that are lists, how long they are, and what they hold."""
    for name in names:
        if name in places and (lengths := places[name].lengths) is not None:
            yield places[name].at, lengths, places[name].property.stored
