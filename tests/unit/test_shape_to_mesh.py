"""Meshes of a field: closed, outward, in place, without crumbs, with as few faces as asked."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("fast_simplification")

from analytic_fields import CELL, ball, pair, plate, saturated, shell, torus  # noqa: E402

from subnet17.errors import ConfigError, StageError  # noqa: E402
from subnet17.generation.shape.shape_to_mesh import field_to_mesh  # noqa: E402

SHAPES = {
    "ball": ball(),
    "torus": torus(),
    "plate": plate(2 * CELL),
    "thin plate": plate(1.2 * CELL),
    "shell": shell(0.7, 2.5 * CELL),
    "pair": pair(1.5 * CELL),
}


def mesh_of(field, **options):
    return field_to_mesh(field, resolution=96, device="cpu", **options)


@pytest.mark.parametrize("faces", [6000, 1_000_000])
@pytest.mark.parametrize("name", SHAPES)
def test_mesh_is_closed_outward_and_in_place(name, faces):
    shape = SHAPES[name]
    mesh = mesh_of(saturated(shape), faces=faces)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    assert mesh.area == pytest.approx(shape.area, rel=0.02 if "plate" not in name else 0.05)
    away = shape.distance(torch.tensor(mesh.vertices).float()).abs() / CELL
    assert away.max() < 0.7
    if "plate" not in name and faces == 6000:
        assert len(mesh.faces) <= 6000


def test_axes_and_scale_are_the_fields():
    mesh = mesh_of(ball(0.2, (0.1, 0.3, -0.5)).distance)
    assert mesh.bounds == pytest.approx(np.array([[-0.1, 0.1, -0.7], [0.3, 0.5, -0.3]]), abs=0.1 * CELL)


def test_crumbs_are_left_out_and_parts_are_kept():
    balls = [ball(0.5, (-0.4, 0, 0)), ball(0.3, (0.6, 0, 0)), ball(0.03, (0.0, 0.8, 0.0))]
    mesh = mesh_of(lambda points: torch.stack([b.distance(points) for b in balls]).amax(dim=0))
    assert len(mesh.split(only_watertight=False)) == 2
    assert mesh.bounds[1, 1] < 0.6


def test_what_leaves_the_cube_is_closed_at_its_border():
    mesh = mesh_of(ball(0.6, (0.8, 0.0, 0.0)).distance)
    assert mesh.is_watertight
    assert mesh.bounds[1, 0] > 1.01 - CELL


def test_unreadable_patches_leave_no_hole():
    shape = ball()
    mesh = mesh_of(lambda p: torch.where((p - 0.4).norm(dim=1) < 0.07, torch.nan, shape.distance(p)))
    assert mesh.is_watertight
    assert (shape.distance(torch.tensor(mesh.vertices).float()).abs() / CELL).max() < 0.7


def test_empty_field_is_told():
    with pytest.raises(StageError, match="no surface"):
        mesh_of(lambda points: torch.full((len(points),), -1.0))


@pytest.mark.skipif(importlib.util.find_spec("diso") is not None, reason="diso is installed")
def test_missing_dual_marching_cubes_are_named_before_any_work():
    def untouched(points):
        raise AssertionError("evaluated")

    with pytest.raises(ConfigError, match="diso"):
        mesh_of(untouched, mc_algo="dmc")


def test_unknown_algorithm_is_refused():
    with pytest.raises(ConfigError, match="'mc' or 'dmc'"):
        mesh_of(ball().distance, mc_algo="cubes")
