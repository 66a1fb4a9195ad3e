"""The reference scorer as a whole: its scores, what it keeps, what it says when something is missing."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "open_clip", "torchmetrics")):
    pytest.skip("needs the packages of the GPU installation", allow_module_level=True)


import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from subnet17.deadline import Deadline
from subnet17.errors import ConfigError, DeviceLostError, NotOfferedError, StageError, UnavailableError
from subnet17.gpu.card import Card
from subnet17.gpu.compiled_blocks import CompiledBlocks
from subnet17.gpu.models import Loaded, ModelCache
from subnet17.gpu.pressure import Pressure
from subnet17.settings import ValidationTable
from subnet17.splat.cameras import RenderedViews
from subnet17.validation.scoring.reference import lpips_files
from subnet17.validation.scoring.reference.kept import Kept
from subnet17.validation.scoring.reference.lpips_files import WeightsFile, find_lpips, read_weights
from subnet17.validation.scoring.reference.offer import Offer
from subnet17.validation.scoring.reference.per_view import combine
from subnet17.validation.scoring.reference.quality import load_quality
from subnet17.validation.scoring.reference.scorer import (
    KINDS,
    ReferenceScorer,
    build_reference_scorer,
)
from subnet17.validation.scoring.reference.text_alignment import load_text_alignment
from tests import plain_scorer
from tests.tiny_scorer import TinyNetworks, turning_views, write_tiny_networks

CPU = torch.device("cpu")
PROMPT = "a spotted ball"


def new_cache() -> ModelCache:
    return ModelCache(Card("cpu"), idle_unload_s=0, reserve_bytes=0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyNetworks:
    return write_tiny_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return turning_views()


@pytest.fixture(scope="module")
def views(images: np.ndarray) -> RenderedViews:
    return RenderedViews(images, np.zeros(images.shape[:3], np.float32))


@pytest.fixture
def folder(tiny: TinyNetworks, tmp_path: Path) -> Path:
    """A copy of all weights that a test may damage."""
    return Path(shutil.copytree(Path(tiny.settings.quality_model).parent, tmp_path / "copy"))


def settings_of(folder: Path, **changes: Any) -> ValidationTable:
    return ValidationTable(
        device="cpu",
        text_alignment_model=str(folder / "clip"),
        image_alignment_model=str(folder / "vision"),
        quality_model=str(folder / "quality"),
        quality_backbone=str(folder / "quality"),
        lpips_model=str(folder / "lpips"),
        **changes,
    )


def expected_measures(tiny: TinyNetworks, images: np.ndarray) -> dict[str, float]:
    """All but the alignment."""
    return {
        "iqa": float(np.mean(plain_scorer.qualities(tiny.backbone, tiny.head, images))),
        "ssim": plain_scorer.root_of_product(plain_scorer.kept(plain_scorer.ssims(images))),
        "lpips": 1
        - plain_scorer.root_of_product(plain_scorer.kept(plain_scorer.lpips_distances(tiny.alexnet, images))),
    }


def check(found: Any, expected: dict[str, float]) -> None:
    measured = {name: getattr(found, name) for name in expected}
    assert measured == pytest.approx(expected, abs=1e-4)
    score = plain_scorer.official_score(**expected)
    assert score > 0.2
    assert found.score == pytest.approx(score, abs=1e-4)


def test_scores_against_text_and_picture_are_the_official_ones(
    tiny: TinyNetworks, images: np.ndarray, views: RenderedViews
) -> None:
    scorer = build_reference_scorer(tiny.settings, new_cache())
    shared = expected_measures(tiny, images)
    cosines = plain_scorer.text_cosines(tiny.clip, images, PROMPT)
    aligned = plain_scorer.root_of_product(list(np.clip(plain_scorer.kept(cosines), 0, 1))) / 0.35
    check(scorer.score_text(views, PROMPT), shared | {"alignment": aligned})
    picture = images[3][::2, ::3].copy()
    cosines = plain_scorer.image_cosines(tiny.vision, images, picture)
    aligned = plain_scorer.root_of_product(plain_scorer.kept(cosines))
    check(scorer.score_image(views, picture), shared | {"alignment": aligned})


def test_measures_of_recorded_values() -> None:
    """Numbers per view of the official views (SSIM) and made-up ones with two outliers each (the others)."""
    ssims = [0.78916, *np.linspace(0.8155, 0.8443, 14), 1.0]
    cosines = [0.05, *np.linspace(0.26, 0.30, 14), 0.6]
    distances = [0.0, *np.linspace(0.05, 0.07, 14), 0.3]
    values = {"iqa": np.full(16, 0.8), "alignment": cosines, "ssim": ssims, "lpips": distances}
    found = combine({name: np.array(value) for name, value in values.items()}, kind="text")
    assert found.alignment == pytest.approx(np.exp(np.log(cosines[1:-1]).mean()) / 0.35)
    assert found.ssim == pytest.approx(np.exp(np.log(ssims[1:-1]).mean()))
    assert found.lpips == pytest.approx(1 - np.exp(np.log(distances[1:-1]).mean()))
    assert found.score == pytest.approx(
        0.75 * 0.8
        + 0.2 * found.alignment
        + 0.025 / (1 + np.exp(-35 * (found.ssim - 0.83)))
        + 0.025 * found.lpips / (1 + np.exp(-30 * (found.lpips - 0.7)))
    )


def test_a_picture_alignment_is_not_scaled_and_a_negative_one_counts_as_nothing() -> None:
    values = {name: np.full(16, 0.6) for name in ("iqa", "alignment", "ssim", "lpips")}
    assert combine(values, kind="image").alignment == pytest.approx(0.6)
    assert combine(values | {"alignment": np.full(16, -0.1)}, kind="image").score == 0.0


def test_alignment_above_one_is_not_cut() -> None:
    values = {name: np.full(16, 0.42) for name in ("iqa", "alignment", "ssim", "lpips")}
    assert combine(values, kind="text").alignment == pytest.approx(1.2)


def test_networks_are_read_at_first_use(tiny: TinyNetworks, views: RenderedViews) -> None:
    cache = new_cache()
    scorer = build_reference_scorer(tiny.settings, cache)
    assert {model["state"] for model in cache.as_json()} == {"unloaded"}
    scorer.score_text(views, PROMPT)
    loaded = {model["name"] for model in cache.as_json() if model["state"] == "device"}
    assert loaded == {"quality", "lpips", "ssim", "text_alignment"}


def test_warming_up_loads_everything_that_is_asked_for(tiny: TinyNetworks) -> None:
    for image_tasks in (True, False):
        cache = new_cache()
        settings = tiny.settings.model_copy(update={"image_tasks": image_tasks})
        build_reference_scorer(settings, cache).warm_up(Deadline.after(100))
        loaded = {model["name"] for model in cache.as_json() if model["state"] == "device"}
        assert ("image_alignment" in loaded) == image_tasks
        assert {"quality", "lpips", "text_alignment"} <= loaded


def test_pictures_are_refused_where_they_are_switched_off(tiny: TinyNetworks, views: RenderedViews) -> None:
    scorer = build_reference_scorer(tiny.settings.model_copy(update={"image_tasks": False}), new_cache())
    with pytest.raises(UnavailableError, match="image_tasks"):
        scorer.score_image(views, np.zeros((8, 8, 3), np.uint8))


def test_without_the_picture_network_texts_are_scored(folder: Path, views: RenderedViews) -> None:
    (folder / "vision" / "model.safetensors").unlink()
    cache = new_cache()
    scorer = build_reference_scorer(settings_of(folder), cache)
    assert list(scorer.missing()) == ["image"]
    with pytest.raises(NotOfferedError, match=r"model\.safetensors missing; fix"):
        scorer.score_image(views, np.zeros((8, 8, 3), np.uint8))
    assert {model["state"] for model in cache.as_json()} == {"unloaded"}, "nothing was done for it"
    assert scorer.score_text(views, PROMPT).iqa > 0


def test_a_picture_network_that_does_not_load_leaves_the_texts(folder: Path, views: RenderedViews) -> None:
    (folder / "vision" / "config.json").write_text("{}")
    scorer = build_reference_scorer(settings_of(folder), new_cache())
    assert not scorer.missing()
    scorer.warm_up(Deadline.after(100))
    assert list(scorer.missing()) == ["image"]
    with pytest.raises(NotOfferedError, match="picture alignment network"):
        scorer.score_image(views, np.zeros((8, 8, 3), np.uint8))
    assert scorer.score_text(views, PROMPT).iqa > 0


def test_a_picture_network_that_does_not_fit_leaves_the_texts(
    tiny: TinyNetworks, views: RenderedViews
) -> None:
    def load() -> Loaded:
        raise torch.OutOfMemoryError("out of memory")

    cache = new_cache()
    scorer = build_reference_scorer(tiny.settings, cache)
    cache.register("image_alignment", load, 8)
    scorer.warm_up(Deadline.after(100))
    assert "out of GPU memory" in scorer.missing()["image"]
    assert scorer.score_text(views, PROMPT).iqa > 0


def test_warming_up_fails_where_nothing_can_be_scored_and_may_succeed_later(folder: Path) -> None:
    file = folder / "quality" / "config.json"
    whole = file.read_text()
    file.write_text('{"hidden_size": 8}')
    cache = new_cache()
    scorer = build_reference_scorer(settings_of(folder), cache)
    with pytest.raises(UnavailableError, match="quality network"):
        scorer.warm_up(Deadline.after(100))
    assert {model["state"] for model in cache.as_json()} == {"unloaded"}, "the others were not loaded in vain"
    file.write_text(whole)
    scorer.warm_up(Deadline.after(100))
    assert not scorer.missing()


def test_everything_that_is_missing_is_named(folder: Path) -> None:
    (folder / "quality" / "quality_scorer.safetensors").unlink()
    (folder / "lpips" / "alexnet.safetensors").unlink()
    (folder / "clip" / "open_clip_config.json").unlink()
    with pytest.raises(UnavailableError) as caught:
        build_reference_scorer(settings_of(folder, image_tasks=False), new_cache())
    for name in (
        "quality_scorer.safetensors",
        "alexnet.safetensors",
        lpips_files.URL,
        "open_clip_config.json",
    ):
        assert name in caught.value.message


def test_a_quality_file_of_another_backbone_is_refused(folder: Path) -> None:
    file = folder / "quality" / "quality_scorer.safetensors"
    weights = load_file(file)
    weights.pop("backbone.layernorm.weight")
    save_file(weights, file)
    with pytest.raises(UnavailableError, match=r"layernorm\.weight"):
        load_quality(settings_of(folder), CPU)


def test_a_checkpoint_that_does_not_fit_its_configuration_is_refused(folder: Path) -> None:
    file = folder / "clip" / "open_clip_config.json"
    file.write_text(file.read_text().replace('"layers": 1', '"layers": 2'))
    with pytest.raises(UnavailableError, match="text alignment network"):
        load_text_alignment(settings_of(folder), CPU)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"test_convnext"', '"hf-hub:someone/something"'),
        ('"width": 32', '"width": 32, "hf_model_name": "a/b"'),
    ],
)
def test_a_configuration_chooses_no_code_and_no_download(folder: Path, old: str, new: str) -> None:
    file = folder / "clip" / "open_clip_config.json"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(UnavailableError, match="no configuration of a ConvNeXt CLIP"):
        load_text_alignment(settings_of(folder), CPU)


def test_lpips_heads_come_with_torchmetrics(tiny: TinyNetworks) -> None:
    _, heads = find_lpips(tiny.settings)
    assert "torchmetrics" in heads.path.parts
    assert {len(value.reshape(-1)) for value in read_weights(heads).values()} == {64, 192, 384, 256}


def test_a_pickle_is_read_only_if_it_is_the_published_one(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "touched",))

    pickled = tmp_path / "alexnet-owt-7be5be79.pth"
    torch.save({"weights": Evil()}, pickled)
    backbone, _ = find_lpips(ValidationTable(lpips_model=str(tmp_path)))
    with pytest.raises(UnavailableError, match="not the published file"):
        read_weights(backbone)
    sha256 = lpips_files.hashlib.sha256(pickled.read_bytes()).hexdigest()
    with pytest.raises(Exception, match=r"[Ww]eights.only|Unsupported"):
        read_weights(WeightsFile(pickled, sha256))
    assert not (tmp_path / "touched").exists()


def test_alexnet_is_looked_for_where_torchvision_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    kept = tmp_path / "hub" / "checkpoints"
    kept.mkdir(parents=True)
    (kept / "alexnet-owt-7be5be79.pth").write_bytes(b"")
    assert find_lpips(ValidationTable())[0].path == kept / "alexnet-owt-7be5be79.pth"


def test_a_failed_download_of_alexnet_names_address_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    with pytest.raises(UnavailableError, match="by hand") as caught:
        find_lpips(ValidationTable())
    assert lpips_files.URL in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_another_device_than_the_caches_is_refused(tiny: TinyNetworks) -> None:
    with pytest.raises(ConfigError, match="cuda"):
        build_reference_scorer(tiny.settings.model_copy(update={"device": "cuda"}), new_cache())


def test_a_prompt_is_read_once(tiny: TinyNetworks, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_text_alignment(tiny.settings, CPU)
    read: list[Tensor] = []
    encode = network._clip.encode_text
    monkeypatch.setattr(network._clip, "encode_text", lambda tokens: read.append(tokens) or encode(tokens))
    few = torch.from_numpy(turning_views(2))
    first = network.cosines(few, "a cup", 16)
    assert torch.equal(network.cosines(few, "a cup", 16), first)
    assert len(read) == 1
    assert not torch.equal(network.cosines(few, "a plate", 16), first)
    assert len(read) == 2


def test_the_embedding_unused_for_longest_goes_first() -> None:
    kept: Kept[str] = Kept(limit=2)
    made: list[str] = []

    def ask(key: str) -> None:
        kept.get(key, lambda: made.append(key) or torch.zeros(1))  # type: ignore[func-returns-value]

    for key in ("a", "b", "a", "c", "a", "b"):
        ask(key)
    assert made == ["a", "b", "c", "b"]
    assert len(kept) == 2


class FakeNetwork:
    """Answers with constants; `troubles` are raised first, one per call."""

    def __init__(self, troubles: list[Exception], value: float = 0.5) -> None:
        self.troubles = troubles
        self.value = value
        self.batches: list[int] = []
        self.pair_batches: list[int] = []

    def scores(self, images: Tensor, batch: int) -> Tensor:
        self.batches.append(batch)
        if self.troubles:
            raise self.troubles.pop(0)
        return torch.full((len(images),), self.value)

    def cosines(self, images: Tensor, _: object, batch: int) -> Tensor:
        return torch.full((len(images),), 0.3)

    def distances(self, images: Tensor, batch: int) -> Tensor:
        self.pair_batches.append(batch)
        return torch.full((len(images),), 0.1)

    def similarities(self, images: Tensor, batch: int) -> Tensor:
        self.pair_batches.append(batch)
        return torch.full((len(images),), 0.9)


def fake_scorer(network: FakeNetwork, pressure: Pressure | None = None) -> ReferenceScorer:
    cache = new_cache()
    scorer = ReferenceScorer(ValidationTable(device="cpu"), cache, pressure=pressure)
    scorer.offer = Offer(["text", "image"], KINDS, lambda _: "")
    for name in cache.names:
        cache.register(name, lambda: Loaded(network, [nn.Linear(1, 1)]), 8)
    return scorer


def test_out_of_memory_the_views_are_judged_in_smaller_batches(views: RenderedViews) -> None:
    network = FakeNetwork([torch.OutOfMemoryError("out of memory")])
    pressure = Pressure()
    scorer = fake_scorer(network, pressure)
    assert scorer.score_text(views, PROMPT).iqa == pytest.approx(0.5)
    assert network.batches == [16, 8]
    assert network.pair_batches == [8, 8]
    assert pressure.level.index == 1


def test_a_lost_device_is_told_as_such(views: RenderedViews) -> None:
    lost = RuntimeError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(DeviceLostError):
        fake_scorer(FakeNetwork([lost])).score_text(views, PROMPT)


def test_numbers_that_are_not_finite_are_our_fault_and_no_score(views: RenderedViews) -> None:
    with pytest.raises(StageError, match="iqa"):
        fake_scorer(FakeNetwork([], value=float("nan"))).score_text(views, PROMPT)


def test_where_compilation_fails_the_network_runs_without(
    tiny: TinyNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compilation with a backend that fails stands in for a machine without a compiler."""
    from subnet17.validation.scoring.reference import scorer as module  # noqa: PLC0415

    @contextmanager
    def anything() -> Iterator[None]:
        yield

    network = load_quality(tiny.settings, CPU)

    def broken(_: Any, __: Any) -> Any:
        raise OSError("no compiler")

    network.compiled = CompiledBlocks(network._backbone.encoder.layer, CPU, backend=broken)
    few = torch.from_numpy(turning_views(2))
    module._warm(network, few)
    assert not network.compiled
    expected = plain_scorer.qualities(tiny.backbone, tiny.head, few.numpy())
    assert network.scores(few, 16).tolist() == pytest.approx(expected, abs=1e-4)
