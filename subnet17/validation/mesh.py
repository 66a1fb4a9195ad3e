"""What a mesh is worth as a solid: holes, pieces, handles, broken faces.

Covers: topology after joining vertices at exactly the same place (files split them at texture seams).
Not covered: self-intersections, and gaps however narrow between vertices that are not quite at one place.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy import sparse

Int64 = NDArray[np.int64]

DEGENERATE_RATIO = 1e-12
"""A face is degenerate below this share of the squared longest side of the mesh."""


@dataclass(frozen=True)
class MeshReport:
    """Facts about one mesh; lengths in file units.

    Attributes:
        vertices: As in the file. faces: Triangles.
        watertight: Every edge belongs to exactly two faces.
        winding_consistent: Faces that share an edge run along it in opposite directions.
        components: Pieces connected through edges.
        degenerate_faces: With a corner twice or practically no area.
        duplicate_faces: With the same corners as an earlier face, in any order.
        open_edges: Of one face only. non_manifold_edges: Of three or more.
        genus: Handles of all pieces together; None unless watertight and consistently wound.
        area: Of all faces. volume: Enclosed; None unless watertight and consistently wound.
        bbox_low: Lowest x, y, z. bbox_high: highest.
        has_vertex_colours: A colour per vertex. has_texture: texture coordinates and an image.
    """

    vertices: int
    faces: int
    watertight: bool
    winding_consistent: bool
    components: int
    degenerate_faces: int
    duplicate_faces: int
    open_edges: int
    non_manifold_edges: int
    genus: int | None
    area: float
    volume: float | None
    bbox_low: tuple[float, float, float]
    bbox_high: tuple[float, float, float]
    has_vertex_colours: bool
    has_texture: bool

    def as_json(self) -> dict[str, Any]:
        """The same, with lists for tuples."""
        tree = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in tree.items()}


@dataclass(frozen=True)
class _Edges:
    """3F half-edges sorted so that those between the same two vertices follow each other.

    `source` is 3 * face + corner of each one's start, `ends` (3F, 2) its start and end vertex, `first` where
    a group begins and `sizes` how many faces share that edge.
    """

    source: Int64
    ends: Int64
    first: Int64
    sizes: Int64


def analyse_mesh(mesh: trimesh.Trimesh) -> MeshReport:
    """Measures a mesh with at least one face, all vertices finite and all indices in range.

    About 0.5 s for 200,000 faces.
    """
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    joined = _join_places(vertices)[faces]
    areas, volume = _measure(vertices[faces], low)
    collapsed = (joined == np.roll(joined, 1, axis=1)).any(axis=1)
    solid = joined[~collapsed]
    edges = _group_edges(solid)
    watertight = bool(len(solid)) and bool((edges.sizes == 2).all())
    consistent = _winds_consistently(edges)
    components = _count_groups(edges.source // 3, edges, len(solid))
    closed = watertight and consistent
    return MeshReport(
        vertices=len(vertices),
        faces=len(faces),
        watertight=watertight,
        winding_consistent=consistent,
        components=components,
        degenerate_faces=int((collapsed | (areas <= DEGENERATE_RATIO * (high - low).max() ** 2)).sum()),
        duplicate_faces=_count_duplicates(solid),
        open_edges=int((edges.sizes == 1).sum()),
        non_manifold_edges=int((edges.sizes > 2).sum()),
        genus=_genus(edges, len(solid), components) if closed else None,
        area=float(areas.sum()),
        volume=abs(volume) if closed else None,
        bbox_low=(float(low[0]), float(low[1]), float(low[2])),
        bbox_high=(float(high[0]), float(high[1]), float(high[2])),
        has_vertex_colours=mesh.visual.kind == "vertex",
        has_texture=mesh.visual.kind == "texture" and _image_of(mesh) is not None,
    )


def _image_of(mesh: trimesh.Trimesh) -> Any:
    material = mesh.visual.material
    return getattr(material, "baseColorTexture", None) or getattr(material, "image", None)


def _measure(
    triangles: NDArray[np.float64], origin: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """(F,) areas and the signed volume between the faces and a point."""
    a, b, c = np.moveaxis(triangles - origin, 1, 0)
    normals = np.cross(b - a, c - a)
    return 0.5 * np.linalg.norm(normals, axis=1), float((a * normals).sum() / 6)


def _join_places(vertices: NDArray[np.float64]) -> Int64:
    """(V,) one number per distinct place."""
    places = vertices + 0.0  # -0 becomes 0
    order = np.lexsort(places.T)
    ordered = places[order]
    new = np.append(False, (ordered[1:] != ordered[:-1]).any(axis=1))
    joined = np.empty(len(vertices), np.int64)
    joined[order] = np.cumsum(new)
    return joined


def _group_edges(faces: Int64) -> _Edges:
    ends = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    keys = ends.min(axis=1) * (ends.max(initial=0) + 1) + ends.max(axis=1)
    source = np.argsort(keys, kind="stable")
    keys = keys[source]
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    return _Edges(source, ends[source], first, np.diff(np.append(first, len(keys))))


def _winds_consistently(edges: _Edges) -> bool:
    pairs = edges.first[edges.sizes == 2]
    return not bool((edges.ends[pairs, 0] == edges.ends[pairs + 1, 0]).any())


def _count_groups(members: Int64, edges: _Edges, count: int) -> int:
    """Pieces that are left when the members on the same edge are joined, neighbour with neighbour."""
    follows = np.ones(len(members), bool)
    follows[edges.first] = False
    later = np.flatnonzero(follows)
    return _count_pieces(members[later - 1], members[later], count)


def _count_pieces(left: Int64, right: Int64, count: int) -> int:
    graph = sparse.coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    return int(sparse.csgraph.connected_components(graph, directed=False, return_labels=False))


def _genus(edges: _Edges, faces: int, components: int) -> int:
    """Handles of a closed, oriented surface, from V - E + F = 2 * (components - handles).

    V counts fans of faces rather than places: where two pieces only touch at a point they have one each.
    Across an edge the fan at one face's start goes on at the other face's end, whose corner is the next one.
    """
    one, other = edges.source[edges.first], edges.source[edges.first + 1]
    left, right = np.append(one, _next_corner(one)), np.append(_next_corner(other), other)
    fans = _count_pieces(left, right, 3 * faces)
    return components - (fans - len(edges.first) + faces) // 2


def _next_corner(source: Int64) -> Int64:
    following: Int64 = source - source % 3 + (source + 1) % 3
    return following


def _count_duplicates(faces: Int64) -> int:
    corners = np.sort(faces, axis=1)
    ordered = corners[np.lexsort(corners.T)]
    return int((ordered[1:] == ordered[:-1]).all(axis=1).sum())
