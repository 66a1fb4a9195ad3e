"""Each network of the reference scorer against a plain implementation, one float32 picture at a time."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "open_clip", "torchmetrics")):
    pytest.skip("needs the packages of the GPU installation", allow_module_level=True)


import open_clip
import torch
from torch import Tensor

from subnet17.validation.aggregate import geometric_mean, outlier_filter
from subnet17.validation.scoring.reference.image_alignment import load_image_alignment
from subnet17.validation.scoring.reference.network import pairs_in_batches
from subnet17.validation.scoring.reference.perceptual import load_perceptual
from subnet17.validation.scoring.reference.pictures import clip_input, lpips_input, quality_input
from subnet17.validation.scoring.reference.quality import QualityNetwork, load_quality
from subnet17.validation.scoring.reference.similarity import Similarity, neighbour_ssims, window_taps
from subnet17.validation.scoring.reference.split_linear import SplitLinear, split, tf32_products
from subnet17.validation.scoring.reference.text_alignment import (
    TextAlignment,
    halve_products,
    load_text_alignment,
)
from tests import plain_scorer
from tests.tiny_scorer import TinyNetworks, turning_views, write_tiny_networks

CPU = torch.device("cpu")
PROMPTS = ("a red ball", "a wooden chair with a very tall back and " + "carved " * 90)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyNetworks:
    return write_tiny_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def views() -> np.ndarray:
    return turning_views()


@pytest.fixture(scope="module")
def tensor(views: np.ndarray) -> Tensor:
    return torch.from_numpy(views)


@pytest.mark.parametrize("prompt", PROMPTS, ids=["short", "longer than the text tower reads"])
def test_text_alignment_equals_one_picture_at_a_time(
    tiny: TinyNetworks, views: np.ndarray, tensor: Tensor, prompt: str
) -> None:
    found = load_text_alignment(tiny.settings, CPU).cosines(tensor, prompt, 16)
    expected = plain_scorer.text_cosines(tiny.clip, views, prompt)
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
    assert np.ptp(expected) > 1e-3


def test_picture_alignment_equals_one_picture_at_a_time(
    tiny: TinyNetworks, views: np.ndarray, tensor: Tensor
) -> None:
    picture = turning_views(2, 300)[0][:, 40:]
    found = load_image_alignment(tiny.settings, CPU).cosines(tensor, picture, 16)
    expected = plain_scorer.image_cosines(tiny.vision, views, picture)
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
    assert np.ptp(expected) > 1e-3


def test_quality_equals_one_picture_at_a_time(tiny: TinyNetworks, views: np.ndarray, tensor: Tensor) -> None:
    found = load_quality(tiny.settings, CPU).scores(tensor, 16)
    expected = plain_scorer.qualities(tiny.backbone, tiny.head, views)
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
    assert np.ptp(expected) > 1e-3


def test_quality_with_split_products_is_the_same(tiny: TinyNetworks, tensor: Tensor) -> None:
    plain = load_quality(tiny.settings, CPU).scores(tensor[:2], 16)
    again = load_quality(tiny.settings, CPU)
    network = QualityNetwork(again._backbone, again._head[0], CPU, splits=True)
    assert not any(
        isinstance(module, torch.nn.Linear) for part in network.modules for module in part.modules()
    )
    assert network.scores(tensor[:2], 16).tolist() == pytest.approx(plain.tolist(), abs=1e-5)


def test_lpips_equals_torchmetrics_on_pairs(tiny: TinyNetworks, views: np.ndarray, tensor: Tensor) -> None:
    found = load_perceptual(tiny.settings, CPU).distances(tensor, 16)
    expected = plain_scorer.lpips_distances(tiny.alexnet, views)
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
    assert expected[-1] == pytest.approx(0.0, abs=1e-6)
    assert min(expected[:-1]) > 1e-3


def test_ssim_equals_torchmetrics_on_pairs() -> None:
    views = turning_views(6, 96)
    found = neighbour_ssims(torch.from_numpy(views), window_taps()).tolist()
    assert Similarity(CPU).similarities(torch.from_numpy(views), 16).tolist() == pytest.approx(
        found, abs=1e-5
    )
    assert found == pytest.approx(plain_scorer.ssims(views), abs=1e-4)  # torchmetrics rounds on white
    assert found == pytest.approx(plain_scorer.ssims(views, torch.float64), abs=1e-5)


def test_ssim_of_flat_and_equal_views() -> None:
    flat = torch.full((2, 20, 24, 3), 255, dtype=torch.uint8)
    assert neighbour_ssims(flat, window_taps()).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_ssim_of_official_views_is_the_official_score(shared_dir: Path) -> None:
    views = torch.from_numpy(plain_scorer.fixture_views(shared_dir))
    for scores in (neighbour_ssims(views, window_taps()), Similarity(CPU).similarities(views, 16)):
        kept = outlier_filter(scores.double().numpy())
        assert geometric_mean(kept) == pytest.approx(0.82033, abs=1e-4)


def test_small_batches_give_the_same(tiny: TinyNetworks, tensor: Tensor) -> None:
    quality, text = load_quality(tiny.settings, CPU), load_text_alignment(tiny.settings, CPU)
    few = tensor[:5]
    assert quality.scores(few, 2).tolist() == pytest.approx(quality.scores(few, 16).tolist(), abs=1e-6)
    assert text.cosines(few, "a cup", 2).tolist() == pytest.approx(
        text.cosines(few, "a cup", 16).tolist(), abs=1e-6
    )


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5])
def test_neighbours_in_small_batches_differ_as_much(
    tiny: TinyNetworks, tensor: Tensor, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tensor[:5]
    lpips, ssim = load_perceptual(tiny.settings, CPU), Similarity(CPU)
    at_once: list[int] = []
    compare = lpips._compare_all
    monkeypatch.setattr(lpips, "_compare_all", lambda images: at_once.append(len(images)) or compare(images))
    whole, parts = compare(few), lpips.distances(few, batch)
    assert parts.tolist() == pytest.approx(whole.tolist(), abs=1e-6)
    assert max(at_once) <= batch + 1
    pieces = pairs_in_batches(ssim._compare_all, few, batch)
    assert pieces.tolist() == pytest.approx(neighbour_ssims(few, window_taps()).tolist(), abs=1e-6)


def test_clip_pixels_are_stretched_three_times_and_half() -> None:
    grey = torch.full((1, 30, 30, 3), 128, dtype=torch.uint8)
    found = clip_input(grey, 8)
    expected = [
        (128 / 255 - 3 * m) / (3 * s) for m, s in zip(plain_scorer.MEAN, plain_scorer.STD, strict=True)
    ]
    assert found.dtype == torch.float16
    assert found[0, :, 4, 4].tolist() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("prepare", "side_px"),
    [(lambda images: clip_input(images, 224), 8 * 224), (lpips_input, 8 * 256)],
    ids=["clip", "lpips"],
)
def test_rows_between_the_sampled_ones_leave_no_trace(
    prepare: Callable[[Tensor], Tensor], side_px: int
) -> None:
    """Resampled without antialiasing: with it, a line anywhere would darken its surroundings."""
    white = torch.full((1, side_px, 32, 3), 255, dtype=torch.uint8)
    lined = white.clone()
    lined[:, 519] = 0  # 8 n + 7; the weights of a reduction by eight are on 8 n + 2 to 8 n + 5
    assert torch.equal(prepare(white), prepare(lined))


def test_views_of_518_px_reach_dino_unchanged() -> None:
    views = torch.from_numpy(turning_views(2))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in plain_scorer.IMAGENET)
    assert torch.allclose(quality_input(views), (views.permute(0, 3, 1, 2) / 255 - mean) / std, atol=1e-6)
    assert quality_input(views[:, ::2, ::2]).shape == (2, 3, 518, 518)


def test_overshoot_is_clipped_before_lpips() -> None:
    edge = torch.zeros((1, 518, 518, 3), dtype=torch.uint8)
    edge[:, :, 259:] = 255
    found = lpips_input(edge)
    assert (found.min(), found.max()) == (0.0, 1.0)


def test_split_products_keep_float32_where_tensor_cores_round() -> None:
    random = torch.Generator().manual_seed(0)
    linear = torch.nn.Linear(256, 64)
    values = torch.randn(32, 256, generator=random) * 8
    exact = torch.nn.functional.linear(values.double(), linear.weight.double(), linear.bias.double())

    def rounded(tensor: Tensor) -> Tensor:
        return split(tensor)[0].double()

    high, low = split(values)
    layer = SplitLinear(linear)
    on_cores = torch.cat([high, high, low], dim=-1)
    found = rounded(on_cores) @ rounded(layer.weight.detach()).T + linear.bias.double()
    plain = rounded(values) @ rounded(linear.weight.detach()).T + linear.bias.double()
    assert torch.equal(high + low, values)
    assert (found - exact).abs().max() < 2e-5
    assert (plain - exact).abs().max() > 1e-3
    assert torch.allclose(layer(values).double(), exact, atol=1e-4)


def test_reduced_precision_ends_with_its_context() -> None:
    before = torch.get_float32_matmul_precision()
    with tf32_products():
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before


class CountingBackend:
    """Stands in for the compiler: counts the graphs that it is given, and runs them as they are."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: Any, _: Any) -> Any:
        self.graphs += 1
        return graph.forward


def test_blocks_of_one_shape_share_a_compilation_and_nothing_is_compiled_later(
    tiny: TinyNetworks, tensor: Tensor
) -> None:
    backend = CountingBackend()
    clip = copy.deepcopy(tiny.clip)
    tokenizer = open_clip.get_tokenizer("convnext_large_d")
    network = TextAlignment(clip, tokenizer, CPU, compiled=True, backend=backend)
    blocks = [module for module in clip.visual.modules() if type(module).__name__ == "ConvNeXtBlock"]
    shapes = {block.conv_dw.weight.shape for block in blocks}
    network.warm_up(tensor[:4])
    assert backend.graphs == len(shapes)
    found = network.cosines(tensor[:3], "a cup", 16)
    assert backend.graphs == len(shapes)
    expected = plain_scorer.text_cosines(tiny.clip, tensor[:3].numpy(), "a cup")
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def test_compiled_quality_is_the_same(tiny: TinyNetworks, tensor: Tensor) -> None:
    backend = CountingBackend()
    network = QualityNetwork(
        copy.deepcopy(tiny.backbone),
        copy.deepcopy(tiny.head),
        CPU,
        compiled=True,
        backend=backend,
        splits=True,
    )
    network.warm_up(tensor[:2])
    assert backend.graphs == 1
    expected = plain_scorer.qualities(tiny.backbone, tiny.head, tensor[:2].numpy())
    assert network.scores(tensor[:2], 16).tolist() == pytest.approx(expected, abs=1e-4)


def test_weights_kept_in_half_precision_are_those_that_autocast_makes(
    tiny: TinyNetworks, tensor: Tensor
) -> None:
    """The GPU's way, on the CPU: the same roundings, done once instead of at every call."""
    tower = copy.deepcopy(tiny.clip.visual)
    pixels = clip_input(tensor[:2], 224)
    with torch.no_grad(), torch.autocast("cpu", torch.float16):
        expected = tower(pixels)
        halve_products(tower)
        found = tower(pixels)
    assert found.dtype == torch.float16
    assert torch.equal(found, expected)
