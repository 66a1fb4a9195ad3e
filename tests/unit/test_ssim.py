"""SSIM against scikit-image, which agrees with torchmetrics once the borders are reflected beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from subnet17.validation.aggregate import geometric_mean, outlier_filter
from subnet17.validation.ssim import Images, neighbour_ssims


def ssim(a: Images, b: Images) -> float:
    """Of two images, which are each other's neighbours."""
    there, back = neighbour_ssims(np.stack([a, b]))
    assert there == pytest.approx(back, abs=1e-6)
    return float(there)


def reflected(image: Images) -> Images:
    return np.pad(image, [(5, 5), (5, 5), (0, 0)], mode="reflect")


def slow_ssim(a: Images, b: Images) -> float:
    """scikit-image leaves out the outermost 5 pixels: here those that were added."""
    return float(
        structural_similarity(
            reflected(a) / 255,
            reflected(b) / 255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=-1,
        )
    )


def picture(seed: int, height: int = 60, width: int = 73) -> Images:
    """A smooth pattern with noise on white."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 8.0
    waves = 0.5 + 0.4 * np.sin(x[..., None] + random.uniform(0, 6, 3)) * np.cos(y[..., None] + seed)
    noisy = waves + random.normal(scale=0.05, size=waves.shape)
    noisy[: height // 3] = 1.0
    return (255 * noisy.clip(0, 1)).astype(np.uint8)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (3, 3)])
def test_ssim_equals_the_reference(first: int, second: int) -> None:
    a, b = picture(first), picture(second)
    assert ssim(a, b) == pytest.approx(slow_ssim(a, b), abs=1e-5)


@pytest.mark.parametrize("values", [(0, 0), (255, 255), (0, 255), (254, 255), (1, 0)])
def test_flat_images_equal_the_reference(values: tuple[int, int]) -> None:
    a, b = (np.full((24, 31, 3), value, np.uint8) for value in values)
    # Rounding of a variance that is 0; 1.2e-4 where the processor has no fused multiply-add.
    assert ssim(a, b) == pytest.approx(slow_ssim(a, b), abs=2e-4)


def test_channels_weigh_the_same() -> None:
    a = picture(0)
    scores = []
    for channel in range(3):
        b = a.copy()
        b[..., channel] = 255 - b[..., channel]
        scores.append(ssim(a, b))
        assert scores[-1] == pytest.approx(slow_ssim(a, b), abs=1e-5)
    assert len(set(scores)) == 3


def test_equal_images_score_one_and_order_does_not_matter() -> None:
    a, b = picture(0), picture(1)
    assert ssim(a, a) == pytest.approx(1.0, abs=1e-6)
    assert ssim(a, b) == pytest.approx(ssim(b, a), abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_neighbours_are_the_next_view_and_the_first_after_the_last(count: int) -> None:
    images = np.stack([picture(seed) for seed in range(count)])
    expected = [slow_ssim(images[i], images[(i + 1) % count]) for i in range(count)]
    assert neighbour_ssims(images) == pytest.approx(expected, abs=1e-5)


def test_smallest_image_equals_the_reference() -> None:
    a, b = picture(0, 6, 6), picture(1, 6, 6)
    assert ssim(a, b) == pytest.approx(slow_ssim(a, b), abs=1e-5)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 5, 20, 3), np.uint8),
        np.zeros((2, 20, 20), np.uint8),
        np.zeros((2, 20, 20, 4), np.uint8),
        np.zeros((2, 20, 20, 3), np.float32),
        np.zeros((0, 20, 20, 3), np.uint8),
    ],
    ids=["small", "grey", "rgba", "float", "none"],
)
def test_other_shapes_and_types_are_refused(images: Images) -> None:
    with pytest.raises(ValueError, match="expected"):
        neighbour_ssims(images)


def test_official_views_give_the_official_score(shared_dir: Path) -> None:
    scores = neighbour_ssims(np.load(shared_dir / "hamburger_views.npz")["images"])
    kept = outlier_filter(scores)
    dropped = sorted(set(scores) - set(kept))
    assert dropped == pytest.approx([0.78916, 1.0], abs=1e-5)
    assert len(kept) == 14
    assert geometric_mean(kept) == pytest.approx(0.82033, abs=5e-6)
