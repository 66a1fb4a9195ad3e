"""The picture's camera is found from outlines."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from coloured_shapes import ball, make_coloured_shape  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from subnet17.generation.colour.fit_view import draw_outlines, fit_view  # noqa: E402
from subnet17.generation.colour.view import View, project  # noqa: E402

CAR, CAT = "a red sports car", "a cute cat wearing a wizard hat"
CHAIR, TREE = "a wooden chair", "an ancient tree with glowing runes"


def mask_of(picture):
    return torch.from_numpy(np.asarray(picture)[..., 3].copy()).float() / 255


def turn_between(first_deg: float, second_deg: float) -> float:
    return abs((first_deg - second_deg + 180) % 360 - 180)


@pytest.fixture(scope="module")
def shapes():
    return {prompt: make_coloured_shape(prompt, count=16_000) for prompt in (CAR, CAT, CHAIR, TREE)}


@pytest.mark.parametrize(
    ("prompt", "azimuth_deg", "elevation_deg"),
    [
        (CAR, 35, 15),
        (CAR, -80, 5),
        (CAT, -30, 20),
        (CAT, 0, 0),
        (CHAIR, 50, 25),
        (CHAIR, -10, 35),
        (TREE, 40, 10),
    ],
)
def test_the_view_of_a_rendered_picture_is_found(shapes, prompt, azimuth_deg, elevation_deg):
    shape = shapes[prompt]
    view = fit_view(shape.points, mask_of(shape.photograph(azimuth_deg, elevation_deg)))
    assert turn_between(view.azimuth_deg, azimuth_deg) <= 10
    assert abs(view.elevation_deg - elevation_deg) <= 10
    assert view.iou >= 0.9


def test_found_places_are_those_of_the_picture(shapes):
    shape = shapes[CHAIR]
    mask = mask_of(shape.photograph(35.0))
    places = fit_view(shape.points, mask).project(shape.points)[:, :2].long()
    assert float((mask[places[:, 1], places[:, 0]] > 0.1).float().mean()) > 0.95


def blocks() -> torch.Tensor:
    """Three blocks of different sizes: no direction's outline is another's mirror image."""
    unit = torch.rand(9000, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    sizes = unit.new_tensor([[1.0, 0.3, 0.5], [0.3, 0.8, 0.3], [0.2, 0.2, 0.9]]).repeat(3000, 1)
    middles = unit.new_tensor([[0.0, 0.0, 0.0], [0.35, 0.5, 0.1], [-0.3, 0.2, 0.5]]).repeat(3000, 1)
    return unit * sizes + middles


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.floats(-70, 70), st.floats(0, 35), st.floats(0.0, 0.4), st.floats(0.5, 1.0))
def test_any_camera_in_front_is_found(azimuth_deg, elevation_deg, perspective, scale):
    points = blocks()
    truth = torch.tensor(
        [[math.radians(azimuth_deg), math.radians(elevation_deg), perspective, math.log(scale), 0.1, -0.05]]
    )
    middle = (points.amin(0) + points.amax(0)) / 2
    unit = (points - middle) / (points - middle).norm(dim=1).amax()
    view = fit_view(points, draw_outlines(project(truth, unit), 90)[0])
    assert turn_between(view.azimuth_deg, azimuth_deg) <= 10
    assert view.iou >= 0.9


def test_what_outlines_cannot_tell_is_taken_from_the_front():
    view = fit_view(ball(), draw_outlines(ball()[None, :, :2] * 0.8, 90)[0])
    assert abs(view.azimuth_deg) <= 10
    assert view.iou >= 0.95


def test_a_shape_unlike_the_picture_is_told_by_its_overlap():
    cross = torch.zeros(100, 100)
    cross[45:55, 5:95] = cross[5:95, 45:55] = 1.0
    assert fit_view(ball(), cross).iou < 0.6


@pytest.mark.parametrize("mask", [torch.zeros(64, 48), torch.zeros(1, 1)])
def test_an_empty_mask_gives_the_front(mask):
    view = fit_view(ball(500), mask)
    assert (view.azimuth_deg, view.elevation_deg, view.iou) == (0.0, 0.0, 0.0)


def test_a_single_point_gives_the_front():
    assert fit_view(torch.ones(1, 3), torch.ones(32, 32)).iou == 0.0


def test_the_convention_is_front_towards_plus_z_and_right_towards_plus_x():
    view = View(0.0, 0.0, 0.0, (0.0, 0.0, 0.0), 1.0, 50.0, (64.0, 64.0), 1.0)
    places = view.project(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    assert places.tolist() == [[114.0, 64.0, 0.0], [64.0, 14.0, 0.0], [64.0, 64.0, -50.0]]
    side = View(90.0, 0.0, 0.0, (0.0, 0.0, 0.0), 1.0, 50.0, (64.0, 64.0), 1.0)
    assert side.facing(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]])).item() == pytest.approx(1.0)


def test_the_far_half_is_folded_to_the_front_level():
    view = View(90.0, 30.0, 0.2, (0.0, 0.0, 0.0), 1.0, 50.0, (64.0, 64.0), 1.0)
    folded = view.fold_forward(torch.tensor([[-0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]))
    assert torch.allclose(folded, torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), atol=1e-6)
