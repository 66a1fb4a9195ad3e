"""Prompt -> pictures on tiny checkpoints in the real formats."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from subnet17.deadline import Deadline
from subnet17.errors import ConfigError, DeadlineError, UnavailableError
from subnet17.generation.picture.shaped_prompt import shape_prompt
from subnet17.settings import GenerationTable

torch = pytest.importorskip("torch", reason="only the GPU installation has it")
pytest.importorskip("diffusers", reason="only the GPU installation has it")

from subnet17.generation.picture.flux_checkpoint import load_flux  # noqa: E402
from subnet17.generation.picture.flux_parts import ImageHalf, TextHalf  # noqa: E402
from subnet17.generation.picture.flux_plan import (  # noqa: E402
    Plan,
    choose_plan,
    fits_fp8,
    image_blocks,
    prepare_image,
    prepare_text,
    text_blocks,
)
from subnet17.generation.picture.text_to_image import KEPT_EMBEDDINGS, TextToImage  # noqa: E402
from subnet17.gpu.card import Card  # noqa: E402
from subnet17.gpu.models import ModelCache  # noqa: E402
from subnet17.gpu.residency import Residence  # noqa: E402
from tests.tiny_flux import build_tiny_flux, build_tiny_klein, write_tiny_flux  # noqa: E402

SIZE = 64
KINDS = ["schnell", "dev", "klein"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    for kind in KINDS:
        write_tiny_flux(folder / kind, kind)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def checkpoint(checkpoints: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(checkpoints / "schnell", tmp_path / "schnell"))


def table(folder: Path, **keys: Any) -> GenerationTable:
    return GenerationTable(text_to_image_model=str(folder), device="cpu", **keys)


class CountingCache(ModelCache):
    """The real cache, which also tells which models were leased."""

    def __init__(self) -> None:
        super().__init__(Card("cpu", limit_bytes=10**9), idle_unload_s=0, reserve_bytes=0)
        self.leased: list[str] = []

    @contextmanager
    def lease(self, name: str, deadline: Deadline) -> Iterator[Any]:
        self.leased.append(name)
        with super().lease(name, deadline) as value:
            yield value


def painter(folder: Path, **options: Any) -> tuple[TextToImage, CountingCache]:
    cache = CountingCache()
    return TextToImage(table(folder), cache, **options), cache


def paint(flux: TextToImage, prompt: str, seeds: list[int], **asked: Any) -> list[np.ndarray[Any, Any]]:
    asked = {"size_px": SIZE, "steps": 2, "deadline": Deadline.after(60), **asked}
    return [np.asarray(picture).astype(int) for picture in flux(prompt, seeds, **asked)]


@pytest.mark.parametrize("kind", KINDS)
def test_one_picture_per_seed_that_depends_on_nothing_but_prompt_and_seed(
    checkpoints: Path, kind: str
) -> None:
    flux, _ = painter(checkpoints / kind)
    first, second = paint(flux, "a red ball", [7, 8])
    assert first.shape == (SIZE, SIZE, 3)
    assert np.abs(first - second).mean() > 5
    alone = paint(flux, "a red ball", [8])[0]
    assert np.abs(alone - second).max() <= 1  # kernels round by batch
    assert np.array_equal(alone, paint(flux, "a red ball", [8])[0])
    assert not np.array_equal(alone, paint(flux, "a wooden chair", [8])[0])


@pytest.mark.parametrize("kind", ["schnell", "dev"])
def test_the_picture_is_what_the_whole_pipeline_draws(checkpoints: Path, kind: str) -> None:
    flux, _ = painter(checkpoints / kind)
    reference = load_flux(table(checkpoints / kind))
    reference.set_progress_bar_config(disable=True)
    drawn = reference(
        shape_prompt("a red ball"),
        height=SIZE,
        width=SIZE,
        num_inference_steps=2,
        guidance_scale=3.5,
        max_sequence_length=256 if kind == "schnell" else 512,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    assert np.abs(np.asarray(drawn).astype(int) - paint(flux, "a red ball", [7])[0]).max() <= 1


def test_undistilled_klein_is_guided_without_its_text_encoder_at_hand() -> None:
    pipeline = build_tiny_klein(distilled=False)
    text, image = TextHalf(pipeline), ImageHalf(pipeline)
    pictures = {}
    for prompt in ("a red ball", ""):
        embedding = text.encode(prompt)
        assert set(embedding) == {"prompt_embeds", "negative_prompt_embeds"}
        pictures[prompt] = np.asarray(image.paint(embedding, [1, 2], size_px=SIZE, steps=2)[0])
    assert not np.array_equal(pictures["a red ball"], pictures[""])


def test_halves_hold_nothing_of_each_other(checkpoints: Path) -> None:
    pipeline = load_flux(table(checkpoints / "schnell"))
    text, image = TextHalf(pipeline).modules, ImageHalf(pipeline).modules
    assert {type(m).__name__ for m in text} == {"CLIPTextModel", "T5EncoderModel"}
    assert {type(m).__name__ for m in image} == {"FluxTransformer2DModel", "AutoencoderKL"}


def test_the_checkpoint_is_read_once_for_both_halves_and_let_go(checkpoints: Path) -> None:
    loads: list[Any] = []

    def load(settings: GenerationTable) -> Any:
        loads.append(load_flux(settings))
        return loads[-1]

    flux, _ = painter(checkpoints / "schnell", load=load)
    paint(flux, "a red ball", [1])
    paint(flux, "a wooden chair", [1])
    assert len(loads) == 1
    assert loads[0] not in vars(flux).values()


def test_a_load_that_failed_is_tried_again(checkpoints: Path) -> None:
    answers: list[Callable[[GenerationTable], Any]] = [lambda _: 1 / 0, load_flux]

    def load(settings: GenerationTable) -> Any:
        return answers.pop(0)(settings)

    flux, _ = painter(checkpoints / "schnell", load=load)
    with pytest.raises(ZeroDivisionError):
        paint(flux, "a red ball", [1])
    assert len(paint(flux, "a red ball", [1])) == 1


def test_a_known_prompt_skips_the_text_encoder(checkpoints: Path) -> None:
    flux, cache = painter(checkpoints / "schnell")
    paint(flux, "a red ball", [1])
    cache.leased.clear()
    paint(flux, "a red ball", [2])
    assert cache.leased == ["image"]
    flux.forget()
    paint(flux, "a red ball", [2])
    assert cache.leased[1:] == ["text_encoder", "image"]


def test_embeddings_are_kept_for_the_latest_prompts_only(checkpoints: Path) -> None:
    flux, cache = painter(checkpoints / "schnell")
    for number in range(KEPT_EMBEDDINGS + 1):
        paint(flux, f"ball {number}", [1], steps=1)
        paint(flux, "ball 1", [1], steps=1)
    cache.leased.clear()
    paint(flux, "ball 1", [1], steps=1)
    paint(flux, "ball 0", [1], steps=1)
    assert cache.leased == ["image", "text_encoder", "image"]


def test_a_passed_deadline_starts_nothing(checkpoints: Path) -> None:
    flux, cache = painter(checkpoints / "schnell")
    with pytest.raises(DeadlineError):
        paint(flux, "a red ball", [1], deadline=Deadline.after(-1))
    assert cache.leased == []


@pytest.mark.parametrize(("asked", "drawn"), [(64, 64), (79, 64), (96, 96), (3, 16)])
def test_sizes_are_rounded_down_to_what_latents_hold(checkpoints: Path, asked: int, drawn: int) -> None:
    flux, _ = painter(checkpoints / "schnell")
    assert paint(flux, "a red ball", [1], size_px=asked, steps=1)[0].shape == (drawn, drawn, 3)


@pytest.mark.parametrize("guidance", [False, True])
def test_clip_loses_only_our_words_and_t5_reads_all(guidance: bool) -> None:
    pipeline = build_tiny_flux(guidance=guidance)
    seen: dict[str, Any] = {}
    for part in ("text_encoder", "text_encoder_2"):
        getattr(pipeline, part).register_forward_pre_hook(
            lambda module, args, kwargs: seen.update({type(module).__name__: args[0][0].tolist()}),
            with_kwargs=True,
        )
    user = "a rusty robot with two arms " * 6
    TextHalf(pipeline).encode(shape_prompt(user))
    asked = pipeline.tokenizer(user.strip()).input_ids
    assert seen["CLIPTextModel"][: min(77, len(asked)) - 2] == asked[: min(77, len(asked)) - 2]
    assert len(seen["CLIPTextModel"]) == 77
    assert len(seen["T5EncoderModel"]) == (512 if guidance else 256)
    wanted = pipeline.tokenizer_2(shape_prompt(user)).input_ids
    assert seen["T5EncoderModel"][: len(wanted)] == wanted


def test_fused_projections_draw_the_same_and_drop_what_they_replace(checkpoints: Path) -> None:
    pipeline = load_flux(table(checkpoints / "schnell"))
    embedding = TextHalf(pipeline).encode("a red ball")
    before = np.asarray(ImageHalf(pipeline).paint(embedding, [1], size_px=SIZE, steps=2)[0]).astype(int)
    count = sum(p.numel() for p in pipeline.transformer.parameters())
    prepare_image(pipeline, Plan("cpu"))
    after = np.asarray(ImageHalf(pipeline).paint(embedding, [1], size_px=SIZE, steps=2)[0]).astype(int)
    assert np.abs(after - before).max() <= 1
    assert any("to_qkv" in name for name, _ in pipeline.transformer.named_parameters())
    assert sum(p.numel() for p in pipeline.transformer.parameters()) == count
    prepare_image(pipeline, Plan("cpu"))  # a second time, as after a failure, changes nothing
    assert sum(p.numel() for p in pipeline.transformer.parameters()) == count


def test_text_weights_in_fp8_take_half_the_memory_and_mean_nearly_the_same(checkpoints: Path) -> None:
    pytest.importorskip("torchao", reason="only the GPU installation has it")
    pipeline = load_flux(table(checkpoints / "schnell"))
    pipeline.text_encoder_2.to(torch.bfloat16)
    before = TextHalf(pipeline).encode("a red ball")["prompt_embeds"].float()
    for _ in range(2):
        prepare_text(pipeline, Plan("cpu", text="fp8"))
    linear = next(m for b in text_blocks(pipeline) for m in b.modules() if isinstance(m, torch.nn.Linear))
    assert linear.weight.qdata.element_size() == 1
    after = TextHalf(pipeline).encode("a red ball")["prompt_embeds"].float()
    assert 0 < (after - before).abs().mean() < 0.1 * before.abs().mean()


def test_a_transformer_in_fp8_is_half_as_large_draws_the_same_and_moves_without_compiling_anew(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quant_api = pytest.importorskip(
        "torchao.quantization.quant_api", reason="only the GPU installation has it"
    )
    # torchao asks for a GPU, although the CPU has a (slow) kernel too.
    monkeypatch.setattr(quant_api, "_check_hardware_support", lambda _: None)
    torch._dynamo.reset()
    pipeline = load_flux(table(checkpoints / "schnell")).to(dtype=torch.bfloat16)
    embedding = TextHalf(pipeline).encode("a red ball")
    before = np.asarray(ImageHalf(pipeline).paint(embedding, [1], size_px=SIZE, steps=2)[0]).astype(int)
    bf16_bytes = Residence([pipeline.transformer.transformer_blocks], "cpu").nbytes
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    prepare_image(pipeline, Plan("cpu", image="fp8", compile=True, compile_backend=backend))
    assert Residence([pipeline.transformer.transformer_blocks], "cpu").nbytes < 0.7 * bf16_bytes
    half = ImageHalf(pipeline, compiled=True)
    fp8 = np.asarray(half.paint(embedding, [1], size_px=SIZE, steps=2, may_compile=True)[0]).astype(int)
    assert 0 < np.abs(fp8 - before).mean() < 0.1 * before.std()
    compiled, residence = len(graphs), Residence(half.modules, "cpu")
    for _ in range(2):
        residence.move_in()
        again = np.asarray(half.paint(embedding, [1], size_px=SIZE, steps=2)[0]).astype(int)
        residence.move_out()
        assert np.array_equal(again, fp8)
    assert len(graphs) == compiled


def test_layers_that_fp8_kernels_refuse_stay_as_they_are(checkpoints: Path) -> None:
    assert fits_fp8(torch.nn.Linear(32, 48)) and not fits_fp8(torch.nn.Linear(24, 48))
    assert not fits_fp8(torch.nn.Linear(32, 20)) and not fits_fp8(torch.nn.LayerNorm(32))


@pytest.mark.parametrize("kind", ["schnell", "klein"])
def test_blocks_compile_without_a_break_and_unknown_shapes_compile_nothing(
    checkpoints: Path, kind: str
) -> None:
    torch._dynamo.reset()
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    plan = Plan("cpu", compile=True, compile_backend=backend)
    flux, _ = painter(checkpoints / kind, plan=plan)
    plain, _ = painter(checkpoints / kind, plan=Plan("cpu"))
    flux.warm_up([SIZE], deadline=Deadline.after(120))
    warm = len(graphs)
    assert warm >= 3  # two kinds of blocks and the decoder
    same = paint(flux, "a red ball", [3])[0], paint(plain, "a red ball", [3])[0]
    assert np.abs(same[0] - same[1]).max() <= 1
    paint(flux, "a red ball", [3], size_px=SIZE + 16)
    paint(flux, "a red ball", [3, 4])
    assert len(graphs) == warm


def test_fp8_where_it_can_not_be_computed_is_a_setting_error() -> None:
    with pytest.raises(ConfigError, match="weights_precision"):
        choose_plan(GenerationTable(device="cpu", weights_precision="fp8"))
    assert choose_plan(GenerationTable(device="cpu")) == Plan("cpu")


@pytest.mark.parametrize(
    ("capability", "total_gib", "keys", "image", "text"),
    [
        ((9, 0), 140, {}, "fp8", "full"),
        ((9, 0), 140, {"vram_limit_bytes": 24 * 10**9}, "fp8", "fp8"),
        ((8, 9), 24, {}, "fp8", "fp8"),
        ((8, 0), 80, {}, "full", "full"),
        ((9, 0), 140, {"weights_precision": "bf16"}, "full", "full"),
    ],
)
def test_precision_follows_the_card(
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int],
    total_gib: int,
    keys: dict[str, Any],
    image: str,
    text: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    card = type("Card", (), {"total_memory": total_gib * 2**30})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    plan = choose_plan(GenerationTable(device="cuda:0", **keys))
    assert (plan.image, plan.text) == (image, text)


def refused(folder: Path) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        load_flux(table(folder))
    return caught.value


def test_a_missing_index_is_named(checkpoint: Path) -> None:
    (checkpoint / "model_index.json").unlink()
    assert "model_index.json missing" in refused(checkpoint).message


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"_class_name": "FluxPipeline", "vae": []}'])
def test_a_broken_index_is_named(checkpoint: Path, index: str) -> None:
    (checkpoint / "model_index.json").write_text(index)
    assert "model_index.json" in refused(checkpoint).message


def test_another_kind_of_model_is_named(checkpoint: Path) -> None:
    path = checkpoint / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_class_name": "StableDiffusionPipeline"}))
    assert "StableDiffusionPipeline" in refused(checkpoint).message


def test_missing_weights_of_a_part_are_named(checkpoint: Path) -> None:
    for path in (checkpoint / "vae").glob("*.safetensors"):
        path.unlink()
    assert "vae/*.safetensors missing" in refused(checkpoint).message


def test_a_missing_shard_is_named(checkpoint: Path) -> None:
    index = {"weight_map": {"a": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
    (checkpoint / "transformer/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    assert "00002-of-00002" in refused(checkpoint).message


def test_cut_weights_are_named(checkpoint: Path) -> None:
    path = next((checkpoint / "transformer").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-100])
    assert str(path) in refused(checkpoint).message


def test_weights_that_do_not_fit_their_config_are_named(checkpoint: Path) -> None:
    path = checkpoint / "transformer/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"in_channels": 12}))
    assert str(checkpoint) in refused(checkpoint).message


def test_too_little_host_memory_is_named(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers  # noqa: PLC0415

    def starve(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(diffusers.FluxPipeline, "from_pretrained", starve)
    assert refused(checkpoint).detail["kind"] == "memory"


def test_every_block_is_prepared() -> None:
    pipeline = build_tiny_flux(guidance=False)
    assert len(list(image_blocks(pipeline.transformer))) == 2
    assert len(list(text_blocks(pipeline))) == 2
    assert len(list(text_blocks(build_tiny_klein()))) == 28


@given(st.text(min_size=1).filter(lambda text: text.strip().rstrip(".,;: ")))
def test_the_users_words_come_first(prompt: str) -> None:
    shaped = shape_prompt(prompt)
    assert shaped.startswith(prompt.strip().rstrip(".,;: "))
    assert len(shaped) > len(prompt.strip().rstrip(".,;: ")) or "background" in prompt.lower()


def test_a_plain_prompt_gets_everything_that_3d_needs() -> None:
    assert shape_prompt("a red ball.") == (
        "a red ball, a single whole object, centred in the frame, three-quarter view,"
        " soft even light without shadows, plain white background"
    )


@pytest.mark.parametrize(
    ("prompt", "left_out"),
    [
        ("isometric view of a house", "three-quarter"),
        ("a house seen from above", "three-quarter"),
        ("a single red ball", "single whole"),
        ("a ball, centered", "centred in"),
        ("a ball on a black background", "plain white"),
        ("a ball in studio lighting", "soft even light"),
    ],
)
def test_what_the_prompt_asks_for_is_not_asked_again(prompt: str, left_out: str) -> None:
    assert left_out not in shape_prompt(prompt)


def test_pale_objects_get_a_ground_they_show_on() -> None:
    assert shape_prompt("a white porcelain cup").endswith("plain grey background")
