"""Which faces of a mesh meet at an edge, and how sharply they turn there."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from subnet17.splat.surface_edges import link_edges, measure_turns, weld_faces
from subnet17.splat.surface_samples import measure_faces

AXIS = [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def measure(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """(F, 3) turns in radians."""
    welded = weld_faces(vertices, faces)
    mates, firsts, _ = link_edges(welded)
    turns = np.full(faces.shape, np.nan)
    measure_turns(welded, measure_faces(vertices, welded)[1], mates, firsts, turns.reshape(-1))
    return turns


def blades(degrees: list[float]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """One triangle per angle around the edge from vertex 0 to vertex 1, every second one wound backwards."""
    angles = np.deg2rad(degrees)
    tips = np.column_stack([np.cos(angles), np.sin(angles), np.full(len(angles), 0.5)])
    faces = [[0, 1, 2 + i] if i % 2 else [1, 0, 2 + i] for i in range(len(angles))]
    return np.vstack([AXIS, tips]), np.array(faces, np.int32)


def ring_from(mates: NDArray[np.int32], edge: int) -> list[int]:
    ring = [edge]
    while mates[ring[-1]] != edge:
        ring.append(int(mates[ring[-1]]))
    return ring


def test_open_edges_are_their_own_mates_and_turn_back() -> None:
    vertices, faces = blades([0])
    mates, firsts, ends = link_edges(faces)
    assert mates.tolist() == firsts.tolist() == [0, 1, 2]
    assert ends.tolist() == [[0, 2], [1, 2], [0, 1]]
    assert measure(vertices, faces) == pytest.approx(np.pi)


@pytest.mark.parametrize("turn", [0, 1, 30, 90, 179])
def test_two_faces_are_each_others_mates_however_they_are_wound(turn: float) -> None:
    vertices, faces = blades([0, 180 - turn])
    for wound in (faces, faces[:, ::-1], np.stack([faces[0], faces[1, ::-1]])):
        mates, firsts, ends = link_edges(np.ascontiguousarray(wound))
        assert (mates[mates] == np.arange(6)).all()
        assert len(firsts) == len(ends) == 5
        turns = measure(vertices, np.ascontiguousarray(wound))
        assert np.sort(np.rad2deg(turns), axis=None) == pytest.approx([turn] * 2 + [180] * 4, abs=1e-5)


def test_straightest_continuation_counts_where_three_faces_meet() -> None:
    vertices, faces = blades([0, 170, 250])
    mates, _, _ = link_edges(faces)
    assert sorted(ring_from(mates, 2)) == [2, 5, 8]
    assert np.rad2deg(measure(vertices, faces)[:, 2]) == pytest.approx([10, 10, 70], abs=1e-5)


def test_doubled_faces_continue_as_the_single_ones_do() -> None:
    vertices, faces = blades([0, 150])
    doubled = np.vstack([faces, faces[:, [0, 2, 1]]])
    turns = measure(vertices, np.ascontiguousarray(doubled))
    shared = np.concatenate([turns[:2, 2], turns[2:, 1]])
    assert np.rad2deg(shared) == pytest.approx([30] * 4, abs=1e-5)


def test_all_faces_of_an_edge_are_linked_and_the_work_stays_bounded() -> None:
    count = 200_000  # comparing all pairs would take minutes
    vertices, faces = blades(np.linspace(0, 360, count, endpoint=False).tolist())
    mates, firsts, _ = link_edges(faces)
    assert len(firsts) == 2 * count + 1
    assert sorted(ring_from(mates, 2)) == list(range(2, 3 * count, 3))
    turns = measure(vertices, faces)
    assert np.isfinite(turns).all()
    assert turns[:, :2] == pytest.approx(np.pi)


def test_a_fan_around_one_vertex_is_closed() -> None:
    count = 100_000
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    rim = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(count)])
    around = np.arange(1, count + 1, dtype=np.int32)
    faces = np.column_stack([np.zeros_like(around), around, np.roll(around, -1)])
    turns = measure(np.vstack([[0, 0, 0], rim]), faces)
    assert turns[:, 1:] == pytest.approx(0, abs=1e-6)
    assert turns[:, 0] == pytest.approx(np.pi)


def test_faces_that_share_no_vertices_are_neighbours() -> None:
    box = trimesh.creation.box()
    corners = np.ascontiguousarray(box.triangles.reshape(-1, 3))
    soup = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    assert len(np.unique(weld_faces(corners, soup))) == 8
    turns = np.sort(measure(corners, soup), axis=None)
    assert turns == pytest.approx([0] * 12 + [np.pi / 2] * 24)
