"""Faces seen from outside: nothing that shows is lost, what is buried goes."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from subnet17.splat.visible import drop_hidden_faces, visible_faces


def ball(radius: float, x: float = 0.0) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    mesh.apply_translation((x, 0, 0))
    return mesh


def test_ball_inside_a_ball_is_hidden() -> None:
    outer, inner = ball(1.0), ball(0.7)
    seen = visible_faces(trimesh.util.concatenate([outer, inner]))
    assert seen[: len(outer.faces)].all()
    assert not seen[len(outer.faces) :].any()


def test_overlapping_balls_lose_only_what_is_inside_the_other() -> None:
    pair = trimesh.util.concatenate([ball(1.0), ball(1.0, x=0.8)])
    left = np.arange(len(pair.faces)) < len(pair.faces) // 2
    other = np.where(left[:, None], [0.8, 0, 0], [0, 0, 0])
    depth = 1.0 - np.linalg.norm(pair.triangles_center - other, axis=1)
    seen = visible_faces(pair)
    assert seen[depth < 0].all()
    assert not seen[depth > 0.2].any()


@pytest.mark.parametrize("depth", [0.5, 1.0])
def test_inside_of_an_open_cup_shows(depth: float) -> None:
    cup = trimesh.creation.cylinder(0.5, depth, sections=64).subdivide_to_size(0.06)
    cup.update_faces(cup.triangles_center[:, 2] < depth / 2 - 1e-6)
    inside = cup.copy()
    inside.apply_scale(0.97)
    inside.invert()
    assert visible_faces(trimesh.util.concatenate([cup, inside])).all()


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]]),
        trimesh.creation.box(),
        trimesh.creation.cylinder(0.001, 1.0),
    ],
    ids=["sheet", "box", "needle"],
)
def test_thin_and_coarse_meshes_stay_whole(mesh: trimesh.Trimesh) -> None:
    assert visible_faces(mesh).all()


def test_meshes_without_extent_stay_as_they_are() -> None:
    assert visible_faces(trimesh.Trimesh()).shape == (0,)
    point = trimesh.Trimesh(np.ones((3, 3)), [[0, 1, 2]], process=False)
    assert visible_faces(point).tolist() == [True]
    unknown = trimesh.Trimesh(np.full((3, 3), np.nan), [[0, 1, 2]], process=False, validate=False)
    assert visible_faces(unknown).tolist() == [True]


def test_broken_faces_change_nothing_about_the_others() -> None:
    mesh = trimesh.util.concatenate([ball(1.0), ball(0.7)])
    vertices = np.vstack([mesh.vertices, [[np.nan] * 3, [np.inf] * 3]])
    faces = np.vstack([mesh.faces, [[len(vertices) - 2] * 3, [len(vertices) - 1] * 3]])
    broken = trimesh.Trimesh(vertices, faces, process=False, validate=False)
    assert (visible_faces(broken)[:-2] == visible_faces(mesh)).all()


def test_dropping_keeps_colours_and_repeats_exactly() -> None:
    mesh = trimesh.util.concatenate([ball(1.0), ball(0.7)])
    mesh.visual.vertex_colors = np.arange(4 * len(mesh.vertices)).reshape(-1, 4) % 256
    less, again = drop_hidden_faces(mesh), drop_hidden_faces(mesh)
    assert 0 < len(less.faces) < len(mesh.faces)
    assert np.array_equal(less.faces, again.faces)
    assert np.array_equal(less.visual.vertex_colors, mesh.visual.vertex_colors)
