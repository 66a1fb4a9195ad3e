"""Colours from a picture: what is seen, what is mirrored, what is filled in."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from coloured_shapes import ball, disc_picture, make_coloured_shape  # noqa: E402

from subnet17.generation.colour.bled_picture import bleed_picture  # noqa: E402
from subnet17.generation.colour.colour_surface import colour_surface  # noqa: E402
from subnet17.generation.colour.fit_view import fit_view  # noqa: E402
from subnet17.generation.colour.seen_colours import DepthRaster, look_up  # noqa: E402
from subnet17.generation.colour.spread_colours import spread_colours  # noqa: E402
from subnet17.generation.colour.symmetry import find_symmetries  # noqa: E402
from subnet17.generation.colour.view import View  # noqa: E402

CPU = torch.device("cpu")
RED, BLUE, GREEN = (200, 30, 30), (30, 40, 200), (30, 180, 60)
FRONT = View(0.0, 0.0, 0.0, (0.0, 0.0, 0.0), 1.0, 51.2, (64.0, 64.0), 1.0)
"""The unit ball fills `disc_picture`."""


def unit_rgb(colour):
    return torch.tensor(colour).float() / 255


@pytest.fixture(scope="module")
def car():
    return make_coloured_shape("a red sports car")


@pytest.fixture(scope="module")
def coloured_car(car):
    return colour_surface(car.points, car.normals, car.photograph(35.0))


def test_what_the_picture_shows_keeps_its_colours(car, coloured_car):
    assert car.compare(coloured_car[0], 35.0) < 0.045


def test_the_other_side_of_a_symmetric_shape_takes_the_mirrored_colours(car, coloured_car):
    rgb, notes = coloured_car
    assert any(note.startswith("mirror: 1.00") for note in notes)
    assert car.compare(rgb, -35.0) < 0.07


def test_the_back_takes_plausible_colours(car, coloured_car):
    assert car.compare(coloured_car[0], 180.0) < 0.16
    body = coloured_car[0][car.points[:, 2] < car.points[:, 2].min() * 0.97].mean(dim=0)
    assert body[0] > 1.3 * body[1]
    assert body[0] > 1.3 * body[2]


def test_the_picture_of_a_seen_point_is_near_its_true_colour(car):
    picture = bleed_picture(car.photograph(35.0), CPU)
    view = fit_view(car.points, picture.alpha)
    rgb, sure = look_up(picture, view, DepthRaster(view, car.points, car.normals), car.points, car.normals)
    assert float((sure > 0.9).float().mean()) > 0.05
    # Of the median point: this model has skins just below others, which the renderer blends.
    assert float((rgb - car.rgb).abs().mean(dim=1)[sure > 0.9].median()) < 0.04


def test_no_background_gets_into_the_colours(car):
    on_white, on_black = car.photograph(35.0, ground=1.0), car.photograph(35.0, ground=0.0)
    view = fit_view(car.points, torch.from_numpy(np.asarray(on_white)[..., 3].copy()).float() / 255)
    first, second = (colour_surface(car.points, car.normals, p, view=view)[0] for p in (on_white, on_black))
    assert float((first - second).abs().max()) < 0.03


def test_a_back_without_symmetry_takes_the_colours_around_it():
    tree = make_coloured_shape("an ancient tree with glowing runes")
    rgb, notes = colour_surface(tree.points, tree.normals, tree.photograph(-30.0))
    assert not any(note.startswith(("mirror", "half turn")) for note in notes)
    crown = rgb[(tree.points[:, 2] < -0.4) & (tree.points[:, 1] > 0.2)]
    assert len(crown) > 100
    assert bool((crown[:, 1] > crown[:, [0, 2]].amax(dim=1)).float().mean() > 0.95)


def test_layers_go_on_around_the_back():
    points = ball()
    rgb, _ = colour_surface(points, points, disc_picture(RED, BLUE), view=FRONT)
    back = points[:, 2] < -0.5
    upper, lower = rgb[back & (points[:, 1] > 0.3)], rgb[back & (points[:, 1] < -0.3)]
    assert float((upper - unit_rgb(RED)).abs().max()) < 0.1
    assert float((lower - unit_rgb(BLUE)).abs().max()) < 0.1


def test_colours_that_are_spread_stay_between_those_known():
    points = ball(3000)
    weights = (points[:, 0] > 0.6).float()
    rgb = torch.where(points[:, 1:2] > 0, unit_rgb(RED), unit_rgb(GREEN))
    spread = spread_colours(points, rgb, weights)
    assert float((spread - rgb).abs()[(weights > 0) & (points[:, 1].abs() > 0.3)].max()) < 0.05
    low, high = torch.minimum(unit_rgb(RED), unit_rgb(GREEN)), torch.maximum(unit_rgb(RED), unit_rgb(GREEN))
    assert bool(((spread >= low - 1e-3) & (spread <= high + 1e-3)).all())


def test_parts_that_nothing_touches_get_a_colour_too():
    points = torch.cat([ball(2000), ball(500) * 0.1 + 3.0])
    weights = torch.cat([torch.ones(2000), torch.zeros(500)])
    spread = spread_colours(points, unit_rgb(RED).expand(2500, 3), weights)
    assert float((spread - unit_rgb(RED)).abs().max()) < 0.01


def test_a_plate_in_front_keeps_its_colour_to_itself():
    x, y = torch.meshgrid(torch.linspace(-0.5, 0.5, 90), torch.linspace(-0.5, 0.5, 90), indexing="xy")
    plate = torch.stack([x.flatten(), y.flatten(), torch.zeros(8100)], dim=1)
    hidden = plate * 0.5 - torch.tensor([0.0, 0.0, 0.4])
    points = torch.cat([plate, hidden])
    normals = torch.tensor([0.0, 0.0, 1.0]).expand_as(points)
    raster = DepthRaster(FRONT, points, normals)
    sure = look_up(bleed_picture(disc_picture(RED, RED), CPU), FRONT, raster, points, normals)[1]
    assert bool((sure[8100:] == 0).all())
    assert float((sure[:8100] > 0.99).float().mean()) > 0.9


def test_a_partner_in_mid_air_tells_nothing():
    points = ball()
    raster = DepthRaster(FRONT, points, points)
    picture = bleed_picture(disc_picture(RED, RED), CPU)
    floating = torch.tensor([[0.0, 0.0, 1.3], [0.0, 0.0, 1.0], [0.0, 0.0, 0.5]])
    normals = torch.tensor([0.0, 0.0, 1.0]).expand(3, 3)
    sure = look_up(picture, FRONT, raster, floating, normals, is_partner=True)[1]
    assert sure[0] == 0
    assert sure[1] > 0.9
    assert sure[2] == 0


def test_symmetries_are_told_with_their_figures(car):
    shares = {s.name: s.share for s in find_symmetries(car.points)}
    assert shares["mirror"] > 0.98
    assert shares["half turn"] < 0.95
    lopsided = torch.cat([ball(2000), ball(2000) * 0.4 + torch.tensor([1.0, 0.8, 0.3])])
    assert all(s.share < 0.85 for s in find_symmetries(lopsided))
    moved = {s.name: s for s in find_symmetries(car.points + torch.tensor([3.0, 0.0, -2.0]))}
    assert moved["mirror"].share > 0.98
    assert moved["mirror"].offset.tolist() == pytest.approx([6.0, 0.0, 0.0], abs=0.05)


def test_thin_parts_keep_their_colour_and_outlines_lose_the_background():
    pixels = np.full((128, 128, 4), 255, np.uint8)
    pixels[..., 3] = 0
    pixels[20:60, 20:60] = (*RED, 255)
    pixels[18:20, 20:60] = (228, 142, 142, 160)
    pixels[90:92, 10:118] = (*BLUE, 255)
    picture = bleed_picture(Image.fromarray(pixels, "RGBA"), CPU)
    rgb, cover = picture.sample(torch.tensor([[40.0, 19.0], [100.5, 91.0], [40.0, 5.0], [5.0, 120.0]]))
    assert torch.allclose(rgb[0], unit_rgb(RED), atol=0.02)
    assert torch.allclose(rgb[1], unit_rgb(BLUE), atol=0.02)
    assert torch.allclose(rgb[2], unit_rgb(RED), atol=0.1)
    assert bool((cover[:2] > 0.7).all())
    assert cover[2:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGBA", (64, 64), (255, 255, 255, 0)),
        Image.new("RGBA", (1, 1), (10, 20, 30, 0)),
    ],
)
def test_a_picture_that_shows_nothing_gives_grey_and_says_so(picture):
    rgb, notes = colour_surface(ball(500), ball(500), picture)
    assert bool((rgb == 0.5).all())
    assert "shows nothing" in notes[0]


@pytest.mark.parametrize("size", [(64, 64), (1, 1), (300, 7)])
def test_a_picture_of_one_colour_gives_that_colour(size):
    rgb, _ = colour_surface(ball(800), ball(800), Image.new("RGB", size, GREEN))
    assert float((rgb - unit_rgb(GREEN)).abs().max()) < 0.01


def test_points_that_all_look_away_take_the_mean():
    points = ball(1000)
    rgb, _ = colour_surface(points, -points, disc_picture(RED, RED), view=FRONT)
    assert float((rgb - unit_rgb(RED)).abs().max()) < 0.01


@pytest.mark.parametrize(
    ("points", "normals"),
    [
        (ball(900) * 1e-5, ball(900)),
        (torch.zeros(1, 3), torch.zeros(1, 3)),
        (torch.ones(50, 3), torch.ones(50, 3)),
        (
            torch.rand(40, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.0, 0.0]),
            torch.tensor([[0.0, 0.0, 1.0]]).expand(40, 3),
        ),
        (torch.where(ball(900) > 0.9, torch.nan, ball(900)), ball(900)),
        (torch.where(ball(900) > 0.9, torch.inf, ball(900)), torch.full((900, 3), torch.nan)),
        (ball(900).double(), ball(900).half()),
    ],
)
def test_odd_shapes_get_finite_colours(points, normals):
    rgb, notes = colour_surface(points, normals, disc_picture(RED, BLUE, size_px=48))
    assert rgb.dtype == torch.float32
    assert rgb.shape == points.shape
    assert bool(((rgb >= 0) & (rgb <= 1)).all())
    assert notes


def test_no_points_give_no_colours():
    rgb, notes = colour_surface(torch.zeros(0, 3), torch.zeros(0, 3), disc_picture(RED, BLUE))
    assert rgb.shape == (0, 3)
    assert "no points" in notes[0]


def test_a_picture_of_something_else_is_told():
    bar = Image.new("RGBA", (128, 128), (255, 255, 255, 0))
    bar.paste((*RED, 255), (5, 60, 123, 68))
    rgb, notes = colour_surface(ball(2000), ball(2000), bar)
    assert "differ" in notes[0]
    assert float((rgb - unit_rgb(RED)).abs().max()) < 0.05


def test_the_same_call_gives_the_same_bytes():
    points = torch.cat([ball(3000), ball(2000) * 0.5 + torch.tensor([0.8, 0.7, 0.2])])
    normals = torch.cat([ball(3000), ball(2000)])
    picture = disc_picture(RED, BLUE)
    first, second = (colour_surface(points, normals, picture)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_vertices_of_a_mesh_can_be_coloured():
    trimesh = pytest.importorskip("trimesh")
    mesh = trimesh.creation.icosphere(subdivisions=4)
    points = torch.from_numpy(np.array(mesh.vertices)).float()
    rgb, _ = colour_surface(points, torch.from_numpy(np.array(mesh.vertex_normals)), disc_picture(RED, BLUE))
    top, bottom = rgb[points[:, 1] > 0.4], rgb[points[:, 1] < -0.4]
    assert float((top - unit_rgb(RED)).abs().mean()) < 0.05
    assert float((bottom - unit_rgb(BLUE)).abs().mean()) < 0.05
