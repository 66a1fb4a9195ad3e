"""The CPU rasteriser against a plain reference and against the official views."""

from __future__ import annotations

import math
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import pytest
from splat_oracle import render_plainly

from subnet17.splat.cameras import (
    VIEWS,
    Cameras,
    RenderableCloud,
    RenderedViews,
    fit_for_render,
    official_cameras,
    orbit_cameras,
)
from subnet17.splat.ply import read_ply
from subnet17.splat.rasterize_cpu import render_views

SIZE_PX = 50
"""Not a multiple of the tile: the last tiles hang over the edge."""
LEVEL = 1 / 255


def random_scene(
    seed: int, count: int = 300, *, spread: float = 0.5, scale: tuple[float, float] = (0.01, 0.2)
) -> RenderableCloud:
    rng = np.random.default_rng(seed)
    quats = rng.normal(size=(count, 4))
    return RenderableCloud(
        means=rng.normal(0.0, spread, (count, 3)).astype(np.float32),
        quats=(quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32),
        scales=np.exp(rng.uniform(math.log(scale[0]), math.log(scale[1]), (count, 3))).astype(np.float32),
        opacities=rng.uniform(0.0, 1.0, count).astype(np.float32),
        rgb=rng.uniform(-0.1, 1.1, (count, 3)).astype(np.float32),
    )


def around_the_camera(cameras: Cameras) -> RenderableCloud:
    """Splats in front of, beside and behind the first camera, some nearer than its near plane."""
    rotation, translation = cameras.viewmats[0][:3, :3], cameras.viewmats[0][:3, 3]
    scene = random_scene(7, spread=0.3, scale=(0.001, 0.05))
    eye = -rotation.T @ translation
    return RenderableCloud(
        (scene.means + eye).astype(np.float32), scene.quats, scene.scales, scene.opacities, scene.rgb
    )


def one_splat(**changes: object) -> RenderableCloud:
    fields: dict[str, object] = {
        "means": [[0, 0, 0]],
        "quats": [[1, 0, 0, 0]],
        "scales": [[0.2, 0.2, 0.2]],
        "opacities": [0.5],
        "rgb": [[1, 0, 0]],
    }
    arrays = {name: np.array(value, dtype=np.float32) for name, value in (fields | changes).items()}
    return RenderableCloud(**arrays)


def joined(*scenes: RenderableCloud) -> RenderableCloud:
    names = ("means", "quats", "scales", "opacities", "rgb")
    return RenderableCloud(**{n: np.concatenate([getattr(s, n) for s in scenes]) for n in names})


def two_cameras(size_px: int = SIZE_PX) -> Cameras:
    return orbit_cameras(np.array([0.0, 100.0]), size_px=size_px)


def assert_same(ours: RenderedViews, other: RenderedViews) -> None:
    np.testing.assert_array_equal(ours.images, other.images)
    np.testing.assert_array_equal(ours.alphas, other.alphas)


SCENES = {
    "mixed": random_scene(1),
    "elongated": random_scene(2, scale=(0.0005, 1.0)),
    "tiny": random_scene(3, count=600, scale=(1e-6, 0.004)),
    "large": random_scene(4, scale=(0.3, 3.0)),
    "mostly off screen": random_scene(5, spread=3.0),
    "around the camera": around_the_camera(two_cameras()),
    "needles and sheets": random_scene(6, scale=(1e-4, 30.0)),
    "opaque": joined(
        *[one_splat(means=[[0, 0, z]], opacities=[1.0], rgb=[[z, 0.2, 0.9]]) for z in (-0.3, 0, 0.3)]
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_equals_the_plain_reference_within_one_level(name: str) -> None:
    cameras = two_cameras()
    rendered = render_views(SCENES[name], cameras, background=0.4)
    for view in range(len(cameras)):
        image, alpha = render_plainly(SCENES[name], cameras, view, background=0.4)
        levels = (image * 255).astype(np.uint8).astype(int)
        difference = np.abs(levels - rendered.images[view])
        assert difference.max() <= 1
        assert np.mean(difference > 0) < 0.005  # only where truncation falls either way
        assert np.abs(alpha - rendered.alphas[view]).max() <= LEVEL
    assert rendered.alphas.max() > 0.1  # the scene is in the picture


@pytest.mark.parametrize("size_px", [1, 15, 16, 17, 64])
def test_draws_every_pixel_of_any_image_size(size_px: int) -> None:
    cameras = two_cameras(size_px)
    rendered = render_views(SCENES["mixed"], cameras)
    image, _ = render_plainly(SCENES["mixed"], cameras, 1)
    assert np.abs((image * 255).astype(np.uint8).astype(int) - rendered.images[1]).max() <= 1


def test_equals_the_official_views(shared_dir: Path) -> None:
    scene = fit_for_render(read_ply((shared_dir / "hamburger.ply").read_bytes()))
    with np.load(shared_dir / "hamburger_views.npz") as archive:
        official = archive["images"].astype(int)
    difference = render_views(scene, official_cameras()).images - official
    psnr_db = 10 * np.log10(255**2 / np.square(difference).mean(axis=(1, 2, 3)))
    print("PSNR of the 16 views, dB:", np.round(psnr_db, 1).tolist())
    assert len(psnr_db) == VIEWS
    assert psnr_db.min() >= 60, psnr_db.tolist()
    assert np.abs(difference).max() <= 1


def test_shows_the_background_where_nothing_is() -> None:
    rendered = render_views(one_splat(scales=[[0.05] * 3]), two_cameras(), background=0.25)
    assert (rendered.images[:, 0, 0] == 63).all()  # 63.75, truncated
    assert (rendered.alphas[:, 0, 0] == 0).all()


def test_alpha_is_what_hides_the_background() -> None:
    scene = SCENES["mixed"]
    on_black = render_views(scene, two_cameras(), background=0.0)
    on_grey = render_views(scene, two_cameras(), background=0.5)
    unclipped = (on_grey.images < 255).all(axis=-1) & (on_black.images > 0).all(axis=-1)
    gained = (on_grey.images.astype(float) - on_black.images)[unclipped] / 255
    expected = 0.5 * (1 - on_grey.alphas[unclipped])[:, None]
    assert unclipped.sum() > 500
    assert np.abs(gained - expected).max() <= 1.01 * LEVEL
    assert_alphas_are_fractions(on_grey)


def test_draws_the_first_of_two_at_equal_depth_in_front() -> None:
    red, blue = one_splat(opacities=[1.0]), one_splat(opacities=[1.0], rgb=[[0, 0, 1]])
    middle = SIZE_PX // 2
    for scene, channel in ((joined(red, blue), 0), (joined(blue, red), 2)):
        assert render_views(scene, two_cameras()).images[0, middle, middle, channel] >= 250


def test_equal_cameras_give_equal_pictures_of_their_own() -> None:
    cameras = official_cameras(SIZE_PX)
    rendered = render_views(SCENES["mixed"], cameras)
    np.testing.assert_array_equal(rendered.images[0], rendered.images[-1])
    assert len({image.tobytes() for image in rendered.images}) == VIEWS - 1
    assert_same(
        render_views(SCENES["mixed"], cameras.subset([15])),
        RenderedViews(rendered.images[-1:], rendered.alphas[-1:]),
    )


def test_pixels_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = official_cameras(SIZE_PX)
    many = render_views(SCENES["mixed"], cameras)
    for threads in (1, 2, 5):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        assert_same(render_views(SCENES["mixed"], cameras), many)


def test_renders_the_same_in_a_spawned_process() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        theirs = pool.apply(render_views, (SCENES["mixed"], two_cameras()))
    assert_same(theirs, render_views(SCENES["mixed"], two_cameras()))


@pytest.mark.parametrize(
    "scene",
    [
        random_scene(1, count=0),
        one_splat(means=[[0, 0, 50]]),
        one_splat(opacities=[0.0]),
        one_splat(opacities=[0.0039]),
        one_splat(means=[[30, 0, 0]]),
    ],
    ids=["no splats", "behind", "transparent", "just below 1/255", "beside"],
)
def test_a_scene_without_visible_splats_is_background(scene: RenderableCloud) -> None:
    rendered = render_views(scene, orbit_cameras(np.array([0.0]), size_px=SIZE_PX))
    assert (rendered.images == 255).all()
    assert (rendered.alphas == 0).all()


@pytest.mark.parametrize(
    ("near", "far", "drawn"), [(2.4, 2.6, True), (2.51, 100, False), (0.01, 2.49, False)]
)
def test_draws_what_lies_between_near_and_far(near: float, far: float, drawn: bool) -> None:
    cameras = replace(two_cameras(), near=near, far=far)  # the splat's centre is 2.5 away
    assert (render_views(one_splat(), cameras).alphas.max() > 0.1) == drawn


def test_no_cameras_give_no_pictures() -> None:
    rendered = render_views(SCENES["mixed"], two_cameras().subset([]))
    assert rendered.images.shape == (0, SIZE_PX, SIZE_PX, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("field", ["means", "quats", "scales", "opacities", "rgb"])
def test_leaves_out_what_is_not_finite(field: str, value: float) -> None:
    broken = one_splat()
    getattr(broken, field).flat[0] = value
    assert_same(
        render_views(joined(broken, SCENES["mixed"]), two_cameras()),
        render_views(SCENES["mixed"], two_cameras()),
    )


def test_survives_degenerate_splats() -> None:
    rng = np.random.default_rng(11)
    values = np.array([0, -0.0, 1e-45, 1e-20, 1e-7, 0.5, 1, 1e4, 1e9, 1e19, 1e38, np.inf, np.nan], np.float32)

    def draw(*shape: int) -> np.ndarray:
        return rng.choice(values, shape) * rng.choice([1, -1], shape).astype(np.float32)

    n = 4000
    unit = SCENES["mixed"].quats[rng.integers(0, 300, n)]
    opacities = rng.choice(np.array([0, 0.00393, 0.5, 0.9995, 1], np.float32), n)
    wild = RenderableCloud(draw(n, 3), unit, np.abs(draw(n, 3)), opacities, rng.random((n, 3), np.float32))
    near = RenderableCloud(
        rng.normal(0, 0.5, (n, 3)).astype(np.float32),
        *[getattr(wild, f) for f in ("quats", "scales", "opacities", "rgb")],
    )
    for scene in (wild, near):
        with np.errstate(all="raise"):
            assert_alphas_are_fractions(render_views(scene, two_cameras()))


@pytest.mark.parametrize(("opacity", "alpha"), [(0.5, 0.5), (1.0, 0.999)])
def test_a_splat_larger_than_the_world_covers_the_picture(opacity: float, alpha: float) -> None:
    rendered = render_views(one_splat(scales=[[1000.0] * 3], opacities=[opacity]), two_cameras())
    np.testing.assert_allclose(rendered.alphas, alpha, atol=1e-5)


def assert_alphas_are_fractions(rendered: RenderedViews) -> None:
    assert np.isfinite(rendered.alphas).all()
    assert rendered.alphas.min() >= 0
    assert rendered.alphas.max() <= 1
