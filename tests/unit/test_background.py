"""Removing backgrounds, and framing what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from subnet17.errors import ConfigError, InvalidInputError, UnavailableError
from subnet17.generation.picture.background import (
    NetworkBackground,
    PlainFirst,
    choose_background,
    cut_out,
    frame,
    has_useful_alpha,
)
from subnet17.generation.picture.plain_ground import PlainBackground, _colour_beside, to_oklab
from subnet17.settings import GenerationTable

SIZE = 128
MARK = (200, 30, 40)


def picture(ground: Any = (255, 255, 255), *, noise: float = 0) -> Image.Image:
    """A red ring with a hole of 24 px radius, an edge of one soft pixel, on a ground."""
    scale = 4
    mask = Image.new("L", (SIZE * scale, SIZE * scale))
    draw = ImageDraw.Draw(mask)
    draw.ellipse([24 * scale, 24 * scale, 104 * scale, 104 * scale], fill=255)
    draw.ellipse([40 * scale, 40 * scale, 88 * scale, 88 * scale], fill=0)
    mask = mask.resize((SIZE, SIZE), Image.Resampling.BOX)
    image = ground if isinstance(ground, Image.Image) else Image.new("RGB", (SIZE, SIZE), ground)
    image = Image.composite(Image.new("RGB", (SIZE, SIZE), MARK), image, mask)
    if not noise:
        return image
    grain = np.random.default_rng(0).normal(0, noise, (SIZE, SIZE, 3))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def alpha_of(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image)[..., 3]


def gradient() -> Image.Image:
    ramp = np.linspace(255, 205, SIZE)[:, None, None] * np.ones((1, SIZE, 3))
    return Image.fromarray(ramp.astype(np.uint8))


@pytest.mark.parametrize("ground", [(255, 255, 255), (128, 128, 128), (0, 200, 0), (0, 0, 0)])
@pytest.mark.parametrize("noise", [0, 2])
def test_object_stays_and_ground_and_hole_go(ground: tuple[int, int, int], noise: float) -> None:
    alpha = alpha_of(PlainBackground()(picture(ground, noise=noise)))
    assert (alpha[:20] == 0).all()
    assert (alpha[60:68, 28:36] == 255).all()
    assert (alpha[56:72, 56:72] == 0).all()


def test_a_gradient_is_a_plain_ground() -> None:
    alpha = alpha_of(PlainBackground()(picture(gradient())))
    assert (alpha[:20] == 0).all() and (alpha[110:] == 0).all() and (alpha[60:68, 28:36] == 255).all()


def test_edges_are_soft_and_free_of_the_ground() -> None:
    cut = np.asarray(PlainBackground()(picture((0, 255, 0)))).astype(int)
    edge = (cut[..., 3] > 60) & (cut[..., 3] < 255)
    assert edge.sum() >= 10
    assert np.median(cut[edge][:, 1]) < 90  # the ground's 255 would show as a green fringe


def test_a_label_in_nearly_the_grounds_colour_stays() -> None:
    image = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle([30, 30, 100, 100], fill=MARK)
    draw.rectangle([50, 50, 80, 80], fill=(246, 246, 246))
    assert alpha_of(PlainBackground()(image))[65, 65] == 255


def test_an_object_that_touches_the_border_stays() -> None:
    image = Image.new("RGB", (SIZE, SIZE), (255, 255, 255))
    ImageDraw.Draw(image).rectangle([40, 60, 90, SIZE], fill=(20, 20, 90))
    alpha = alpha_of(PlainBackground()(image))
    assert alpha[-1, 65] == 255 and alpha[-1, 5] == 0


def textured() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2))


def test_a_textured_ground_is_refused_with_what_was_measured() -> None:
    with pytest.raises(InvalidInputError) as caught:
        PlainBackground()(picture(textured()))
    assert caught.value.detail["kind"] == "ground"
    assert caught.value.detail["measured"] < caught.value.detail["allowed"]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 200), (17, 5)])
def test_tiny_pictures_do_not_crash(size: tuple[int, int]) -> None:
    try:
        assert PlainBackground()(Image.new("RGB", size, MARK)).size == size
    except InvalidInputError as error:
        assert error.detail["kind"] == "ground"


def test_oklab_knows_white_black_and_a_published_colour() -> None:
    lab = to_oklab(np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0]], np.uint8))
    expected = [[1, 0, 0], [0, 0, 0], [0.62796, 0.22486, 0.12585]]
    assert np.allclose(lab, expected, atol=1e-3)


def test_frame_centres_the_object_at_the_asked_size() -> None:
    image = Image.new("RGBA", (300, 200), (9, 9, 9, 0))
    image.paste((*MARK, 255), (250, 20, 290, 100))
    framed = frame(image, 100, border=0.2)
    seen = alpha_of(framed) > 127
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert framed.size == (100, 100)
    assert (rows[0], rows[-1] + 1) == (10, 90)
    assert (columns[0], columns[-1] + 1) == (30, 70)
    assert tuple(np.asarray(framed)[50, 50]) == (*MARK, 255)


def test_frame_keeps_edges_free_of_what_lies_under_clear_pixels() -> None:
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((*MARK, 255), (16, 16, 48, 48))
    framed = np.asarray(frame(image, 200)).astype(int)
    half_seen = (framed[..., 3] > 20) & (framed[..., 3] < 255)
    assert half_seen.sum() == 0 or framed[half_seen][:, 1].max() < 80


@pytest.mark.parametrize("dots", [0, 5])
def test_a_picture_that_shows_nothing_is_refused(dots: int) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    for x in range(dots):
        image.putpixel((x * 3, 9), (255, 0, 0, 255))
    with pytest.raises(InvalidInputError) as caught:
        frame(image, 64)
    assert caught.value.detail["kind"] == "empty"


def test_a_line_of_one_pixel_is_framed() -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (10, 30, 50, 31))
    seen = alpha_of(frame(image, 64)) > 0
    assert seen.any(axis=1).sum() >= 8  # less would be refused by the shape model as noise


def never(_: Image.Image) -> Image.Image:
    raise AssertionError("must not be called")


def test_useful_transparency_skips_removal() -> None:
    image = PlainBackground()(picture())
    cut, notes = cut_out(image, type("R", (), {"name": "x", "__call__": lambda _, i: never(i)})())
    assert cut is not None and "own transparency" in notes[0]


@pytest.mark.parametrize("alpha", [0, 255])
def test_uniform_alpha_is_not_useful(alpha: int) -> None:
    image = picture().convert("RGBA")
    image.putalpha(alpha)
    assert not has_useful_alpha(image)


def test_a_clear_picture_is_refused_whatever_lies_under_it() -> None:
    image = picture().convert("RGBA")
    image.putalpha(0)
    with pytest.raises(InvalidInputError, match="shows nothing"):
        cut_out(image, PlainBackground())
    image.putpixel((3, 3), (255, 0, 0, 255))
    with pytest.raises(InvalidInputError, match="shows nothing"):
        cut_out(image, PlainBackground())


def test_a_large_picture_is_cut_out_smaller_and_as_it_was() -> None:
    large = picture().resize((4000, 3000))
    cut, _ = cut_out(large, PlainBackground())
    assert (cut.size, large.size) == ((2048, 1536), (4000, 3000))


def test_edges_take_the_mean_colour_beside_them() -> None:
    generator = np.random.default_rng(0)
    rgb = generator.integers(0, 256, (30, 17, 3), dtype=np.uint8)
    inside = generator.random((30, 17)) < 0.02
    rows, columns = np.nonzero(~inside)
    colours, known = _colour_beside(rgb, inside, rows, columns)
    for place in range(len(rows)):
        window = np.s_[
            max(0, rows[place] - 4) : rows[place] + 5, max(0, columns[place] - 4) : columns[place] + 5
        ]
        beside = rgb[window][inside[window]]
        assert known[place] == (len(beside) > 0)
        if len(beside):
            assert np.allclose(colours[place], beside.mean(axis=0), atol=1e-3)


class FakeSession:
    def predict(self, image: Image.Image) -> list[Image.Image]:
        return [Image.new("L", (image.width // 2, image.height // 2), 77)]


def weights(tmp_path: Path, name: str = "u2net.onnx") -> Path:
    (tmp_path / name).write_bytes(b"not a network")
    return tmp_path / name


def test_a_network_reads_the_named_file_and_its_mask_is_the_alpha(tmp_path: Path) -> None:
    asked: list[Any] = []

    def open_session(kind: str, **options: Any) -> FakeSession:
        asked.append((kind, options))
        return FakeSession()

    path = weights(tmp_path)
    cut = NetworkBackground(path, open_session=open_session)(picture())
    assert cut.size == (SIZE, SIZE) and (alpha_of(cut) == 77).all()
    assert asked == [("u2net_custom", {"model_path": str(path)})]


def test_plain_first_asks_the_network_only_about_other_grounds(tmp_path: Path) -> None:
    network = NetworkBackground(weights(tmp_path), open_session=lambda *_, **__: FakeSession())
    both = PlainFirst(PlainBackground(), network)
    assert (alpha_of(both(picture())) != 77).all()
    assert (alpha_of(both(picture(textured()))) == 77).all()


def test_the_choice_follows_the_settings(tmp_path: Path) -> None:
    assert choose_background(GenerationTable(background="plain"))[0].name == "plain"
    remover, reason = choose_background(GenerationTable())
    assert remover.name == "plain" and "no network" in reason
    with pytest.raises(ConfigError, match="background_model"):
        choose_background(GenerationTable(background="network"))
    remover, reason = choose_background(GenerationTable(background_model=str(tmp_path)))
    assert remover.name == "plain" and str(tmp_path) in reason
    with pytest.raises(UnavailableError, match="no background weights"):
        choose_background(GenerationTable(background="network", background_model=str(tmp_path)))


def test_damaged_or_unknown_network_weights_are_named(tmp_path: Path) -> None:
    pytest.importorskip("rembg", reason="only the GPU installation has it", exc_type=ImportError)
    with pytest.raises(UnavailableError, match=r"u2net\.onnx"):
        NetworkBackground(weights(tmp_path))
    with pytest.raises(UnavailableError, match="no known network"):
        NetworkBackground(weights(tmp_path, "other.onnx"))
