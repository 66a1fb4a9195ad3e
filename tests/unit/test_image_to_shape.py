"""A picture becomes the latents that hy3dgen's own pipeline makes, and a field that its own decoder gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageDraw

from subnet17.deadline import Deadline
from subnet17.errors import ConfigError, DeadlineError, InvalidInputError, StageError, UnavailableError
from subnet17.settings import GenerationTable

torch = pytest.importorskip("torch")
pytest.importorskip("hy3dgen")

from subnet17.generation.shape import hunyuan_checkpoint, image_to_shape  # noqa: E402
from subnet17.generation.shape.hunyuan_checkpoint import load_hunyuan  # noqa: E402
from subnet17.generation.shape.image_to_shape import ImageToShape  # noqa: E402
from subnet17.generation.shape.shape_model import ShapeModel  # noqa: E402
from subnet17.generation.shape.shape_sampler import guidance_kind  # noqa: E402
from subnet17.gpu.card import Card  # noqa: E402
from subnet17.gpu.models import Loaded, ModelCache  # noqa: E402
from tests.tiny_hunyuan import SUBFOLDER, shape_config, write_decoder, write_shape_model  # noqa: E402

CPU = torch.device("cpu")
VARIANTS = {
    "standard": (SUBFOLDER, {}),
    "fast": ("hunyuan3d-dit-v2-0-fast", {"guidance_embed": True}),
    "turbo": ("hunyuan3d-dit-v2-0-turbo", {"guidance_embed": True, "scheduler": "consistency"}),
    "turbo-plain": ("hunyuan3d-dit-v2-0-turbo", {"scheduler": "consistency"}),
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder per variant, as the hub lays them out."""
    root = tmp_path_factory.mktemp("checkpoints")
    for variant, (subfolder, config) in VARIANTS.items():
        write_shape_model(root / variant / subfolder, shape_config(**config))
    write_decoder(root / "standard" / "vae-turbo", geo_decoder_downsample_ratio=2, geo_decoder_ln_post=False)
    write_shape_model(root / "own-names" / SUBFOLDER, published=False)
    return root


def settings_for(root: Path, variant: str = "standard", **changed: Any) -> GenerationTable:
    subfolder = VARIANTS.get(variant, (SUBFOLDER,))[0]
    return GenerationTable(model_path=str(root / variant), subfolder=subfolder, device="cpu", **changed)


def picture(size: int = 48) -> Image.Image:
    image = Image.new("RGBA", (size, size))
    drawing = ImageDraw.Draw(image)
    drawing.ellipse((size // 4, size // 6, size // 2 + 8, size - 6), fill=(200, 80, 30, 255))
    drawing.rectangle((size // 2, size // 2, size - 8, size - 10), fill=(20, 90, 200, 255))
    return image


def unhurried(stage: str) -> None:
    """A deadline that never passes."""


def own_call(pipeline: Any, *, seed: int, steps: int, guidance: float) -> Any:
    return pipeline(
        image=picture(),
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="latent",
        enable_pbar=False,
    )


class WholeCache:
    """A model cache with room for everything."""

    def __init__(self) -> None:
        self.card = SimpleNamespace(device="cpu")
        self.models: dict[str, Any] = {}
        self.held = 0

    def register(self, name: str, load: Any, assumed_bytes: int) -> None:
        assert assumed_bytes > 10**9
        self.load = {name: load}

    @contextmanager
    def lease(self, name: str, deadline: Deadline) -> Iterator[Any]:
        deadline.check(name)
        if name not in self.models:
            self.models[name] = self.load[name]()
        self.held += 1
        try:
            yield self.models[name].value
        finally:
            self.held -= 1


@pytest.mark.parametrize(
    ("variant", "guidance", "pipeline_guidance"),
    [
        ("standard", 5.0, 5.0),
        ("standard", 0.0, 0.0),
        ("standard", 1.0, 1.0),  # no doubling: the pipeline doubles, for the same result
        ("standard", -1.0, -1.0),
        ("fast", 5.0, 5.0),
        ("turbo", 5.0, 5.0),
        ("turbo-plain", 5.0, -1.0),  # distilled by its name
    ],
)
def test_latents_are_those_of_the_pipelines_own_call(
    checkpoints: Path, variant: str, guidance: float, pipeline_guidance: float
) -> None:
    settings = settings_for(checkpoints, variant)
    model = ShapeModel(load_hunyuan(settings), CPU, distilled="turbo" in settings.subfolder)
    expected = own_call(model.pipeline, seed=11, steps=4, guidance=pipeline_guidance)
    latents = model.latents(picture(), [11], steps=4, guidance=guidance, check=unhurried)
    assert latents.shape == (1, 24, 8)
    torch.testing.assert_close(latents, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("variant", ["standard", "turbo"])
def test_a_seed_gives_the_same_latents_in_any_batch(checkpoints: Path, variant: str) -> None:
    model = ShapeModel(load_hunyuan(settings_for(checkpoints, variant)), CPU)
    together = model.latents(picture(), [3, 4, 5], steps=2, guidance=5.0, check=unhurried)
    alone = model.latents(picture(), [4], steps=2, guidance=5.0, check=unhurried)
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_the_picture_and_the_guidance_matter(checkpoints: Path) -> None:
    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU)
    other = picture().transpose(Image.Transpose.ROTATE_90)
    base = model.latents(picture(), [1], steps=2, guidance=5.0, check=unhurried)
    assert not torch.allclose(base, model.latents(other, [1], steps=2, guidance=5.0, check=unhurried))
    assert not torch.allclose(base, model.latents(picture(), [1], steps=2, guidance=2.0, check=unhurried))


def test_the_field_is_that_of_the_pipelines_own_decoder(checkpoints: Path) -> None:
    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU)
    latents = model.latents(picture(), [1], steps=2, guidance=5.0, check=unhurried)
    points = torch.rand(40, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    vae = model.pipeline.vae
    expected = vae.geo_decoder(queries=points[None], latents=vae(latents / vae.scale_factor))[0, :, 0]
    torch.testing.assert_close(model.decoder(latents)(points), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.decoder(latents[0])(points), expected, atol=1e-5, rtol=1e-5)


def test_loads_what_hy3dgens_own_loader_loads(checkpoints: Path) -> None:
    ours = load_hunyuan(settings_for(checkpoints))
    pipelines = hunyuan_checkpoint.import_hy3dgen()
    theirs = pipelines.Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        str(checkpoints / "own-names"), device="cpu", dtype=torch.float16, subfolder=SUBFOLDER
    )
    for part in ("model", "vae", "conditioner"):
        expected = getattr(theirs, part).state_dict()
        found = getattr(ours, part).state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected), part
        assert not any(tensor.is_meta for tensor in getattr(ours, part).buffers())
        assert not getattr(ours, part).training


def test_another_decoder_is_taken_from_its_own_folder(checkpoints: Path) -> None:
    pipeline = load_hunyuan(settings_for(checkpoints, vae_subfolder="vae-turbo"))
    assert pipeline.vae.geo_decoder.downsample_ratio == 2
    model = ShapeModel(pipeline, CPU)
    latents = model.latents(picture(), [1], steps=1, guidance=5.0, check=unhurried)
    assert model.decoder(latents)(torch.zeros(3, 3)).shape == (3,)


def test_what_turns_meshes_into_latents_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = hunyuan_checkpoint.import_hy3dgen().ShapeVAE
    plain = model.__init__

    def with_encoder(self: Any, **params: Any) -> None:
        plain(self, **params)
        self.encoder = torch.nn.Linear(3, 3)
        self.pre_kl = torch.nn.Linear(3, 3)

    bare = write_shape_model(tmp_path / "standard" / SUBFOLDER)
    monkeypatch.setattr(model, "__init__", with_encoder)
    in_module_only = load_hunyuan(settings_for(tmp_path))
    write_shape_model(bare)
    in_both = load_hunyuan(settings_for(tmp_path))
    monkeypatch.undo()
    in_file_only = load_hunyuan(settings_for(tmp_path))
    for pipeline in (in_module_only, in_both, in_file_only):
        assert not hasattr(pipeline.vae, "encoder")
        assert not any(tensor.is_meta for tensor in pipeline.vae.parameters())


def test_work_is_given_up_between_steps(checkpoints: Path) -> None:
    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU)
    seen: list[str] = []

    def impatient(stage: str) -> None:
        seen.append(stage)
        if len(seen) == 3:
            raise DeadlineError("too late", stage=stage)

    with pytest.raises(DeadlineError):
        model.latents(picture(), [1], steps=9, guidance=5.0, check=impatient)
    assert seen[-1] == "shape step 3 of 9"


def test_a_run_leaves_the_pipelines_scheduler_alone(checkpoints: Path) -> None:
    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU)
    before = model.pipeline.scheduler.timesteps.clone()
    model.latents(picture(), [1], steps=2, guidance=5.0, check=unhurried)
    assert torch.equal(model.pipeline.scheduler.timesteps, before)


def test_numbers_that_are_not_finite_are_told(checkpoints: Path) -> None:
    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU)
    model.pipeline.model.final_layer.linear.bias.fill_(float("nan"))
    with pytest.raises(StageError) as caught:
        model.latents(picture(), [1], steps=2, guidance=5.0, check=unhurried)
    assert caught.value.detail["stage"] == "shape"


@pytest.mark.parametrize("box", [None, (3, 3, 8, 40), (3, 3, 40, 8)])
def test_a_picture_that_shows_nothing_is_the_callers_fault(
    checkpoints: Path, box: tuple[int, int, int, int] | None
) -> None:
    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU)
    image = Image.new("RGBA", (48, 48))
    if box:
        image.paste((255, 0, 0, 255), box)
    with pytest.raises(InvalidInputError):
        model.latents(image, [1], steps=2, guidance=5.0, check=unhurried)


@pytest.mark.parametrize("size", [(400, 8), (8, 400)])
def test_a_very_thin_picture_is_taken(checkpoints: Path, size: tuple[int, int]) -> None:
    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU)
    image = Image.new("RGBA", (400, 400))
    image.paste((255, 0, 0, 255), (0, 0, *size))
    assert len(model.latents(image, [1], steps=1, guidance=5.0, check=unhurried)) == 1


def test_the_cache_holds_the_model_only_while_leased(checkpoints: Path) -> None:
    cache = WholeCache()
    shape = ImageToShape(settings_for(checkpoints, num_inference_steps=2), cache)  # type: ignore[arg-type]
    with shape.lease(Deadline.after(60)) as held:
        assert cache.held == 1
        latents = held.latents(picture(), [1])
        assert held.decoder(latents)(torch.zeros(1, 3)).shape == (1,)
    assert cache.held == 0
    kinds = [type(module).__name__ for module in cache.models["shape"].modules]
    assert kinds == ["SingleImageEncoder", "Hunyuan3DDiT", "ShapeVAE"]


def test_a_model_that_was_moved_out_comes_back_the_same(checkpoints: Path) -> None:
    cache = ModelCache(Card("cpu"), idle_unload_s=0, reserve_bytes=0)
    shape = ImageToShape(settings_for(checkpoints, num_inference_steps=2), cache)
    points = torch.rand(20, 3)
    values = []
    for _ in range(2):
        with shape.lease(Deadline.after(60)) as held:
            values.append(held.decoder(held.latents(picture(), [1]))(points))
        assert cache.evict_idle() > 0
    assert torch.equal(*values)


def test_a_deadline_ends_a_leased_run(checkpoints: Path) -> None:
    shape = ImageToShape(settings_for(checkpoints), WholeCache())  # type: ignore[arg-type]
    with (
        pytest.raises(DeadlineError),
        shape.lease(Deadline.after(60)) as held,
    ):
        image_to_shape.ShapeLease(held.model, held.settings, Deadline.after(-1)).latents(picture(), [1])


def test_any_pipeline_can_stand_in_for_the_load_from_disk(checkpoints: Path) -> None:
    made = load_hunyuan(settings_for(checkpoints))
    shape = ImageToShape(GenerationTable(device="cpu"), WholeCache(), load=lambda _: made)  # type: ignore[arg-type]
    with shape.lease(Deadline.after(60)) as held:
        assert held.model.pipeline is made


def test_warming_up_compiles_each_kind_of_block_once(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch._dynamo.reset()
    graphs: list[Any] = []

    def count(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU, compiled=True, backend=count)
    model.field_decoder.batch_points = 16
    plain = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU)
    shape = ImageToShape(settings_for(checkpoints), one_model_cache(model))  # type: ignore[arg-type]
    shape.warm_up(Deadline.after(60))
    assert len(graphs) == 5, "double block, single block, vision layer, decoder block, points"
    model.latents(picture(), [1, 2, 3], steps=1, guidance=5.0, check=unhurried)
    latents = model.latents(picture(), [9], steps=3, guidance=5.0, check=unhurried)
    values = model.decoder(latents)(torch.zeros(20, 3))
    assert len(graphs) == 5, "nothing is compiled after the warm-up"
    expected = plain.latents(picture(), [9], steps=3, guidance=5.0, check=unhurried)
    torch.testing.assert_close(latents, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(values, plain.decoder(expected)(torch.zeros(20, 3)), atol=1e-4, rtol=1e-4)


def test_where_compilation_fails_the_model_runs_without(checkpoints: Path) -> None:
    torch._dynamo.reset()

    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler on this machine")

    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU, compiled=True, backend=broken)
    shape = ImageToShape(settings_for(checkpoints), one_model_cache(model))  # type: ignore[arg-type]
    shape.warm_up(Deadline.after(60))
    assert not model.compiled
    assert len(model.latents(picture(), [1], steps=1, guidance=5.0, check=unhurried)) == 1


def test_compiled_blocks_survive_moving_out_and_in(checkpoints: Path) -> None:
    torch._dynamo.reset()
    calls: list[str] = []

    def noting(graph: Any, inputs: Any) -> Any:
        def run(*arguments: Any) -> Any:
            calls.append("compiled")
            return graph(*arguments)

        return run

    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU, compiled=True, backend=noting)
    cache = ModelCache(Card("cpu"), idle_unload_s=0, reserve_bytes=0)
    cache.register("compiled", lambda: Loaded(model, model.modules), 10**6)
    counts, values = [], []
    with cache.lease("compiled", Deadline.after(60)), model.compiled.warming():
        model.decoder(model.latents(picture(), [1], steps=1, guidance=5.0, check=unhurried))(
            torch.zeros(1, 3)
        )
    for _ in range(2):
        assert cache.evict_idle() > 0
        calls.clear()
        with cache.lease("compiled", Deadline.after(60)):
            values.append(model.latents(picture(), [1], steps=1, guidance=5.0, check=unhurried))
            model.decoder(values[-1])(torch.zeros(1, 3))
        counts.append(len(calls))
    assert counts == [2 + 2 + 2 + 2 + 1] * 2, "each of the blocks, and the points"
    assert torch.equal(*values)


def one_model_cache(model: ShapeModel) -> WholeCache:
    cache = WholeCache()
    cache.models["shape"] = SimpleNamespace(value=model)
    return cache


@pytest.mark.parametrize(
    ("embedded", "guidance", "distilled", "kind"),
    [
        (True, 5.0, False, "embedded"),
        (True, -1.0, True, "embedded"),
        (False, 5.0, True, "none"),
        (False, 5.0, False, "doubled"),
        (False, 1.0, False, "none"),
        (False, -0.5, False, "none"),
    ],
)
def test_kind_of_guidance(embedded: bool, guidance: float, distilled: bool, kind: str) -> None:
    model = SimpleNamespace(guidance_embed=embedded)
    assert guidance_kind(model, guidance, distilled=distilled) == kind


def test_another_denoiser_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a denoiser of Hunyuan3D-2"):
        ShapeModel(SimpleNamespace(model=torch.nn.Linear(1, 1)), CPU)


def damage(folder: Path, what: str) -> None:
    config = shape_config()
    if what == "config":
        (folder / "config.yaml").write_text("model: [unclosed")
    elif what == "not a table":
        (folder / "config.yaml").write_text("- 1")
    elif what == "foreign code":
        config["scheduler"] = {"target": "os.system", "params": {"command": "true"}}
        write_shape_model(folder, config)
    elif what == "other sizes":
        written = (folder / "model.fp16.safetensors").read_bytes()
        config["model"]["params"]["hidden_size"] = 64
        config["model"]["params"]["axes_dim"] = [32]
        write_shape_model(folder, config)
        (folder / "model.fp16.safetensors").write_bytes(written)
    elif what == "cut":
        whole = (folder / "model.fp16.safetensors").read_bytes()
        (folder / "model.fp16.safetensors").write_bytes(whole[: len(whole) // 2])
    elif what == "no weights":
        (folder / "model.fp16.safetensors").unlink()


@pytest.mark.parametrize(
    "what", ["config", "not a table", "foreign code", "other sizes", "cut", "no weights"]
)
def test_a_damaged_checkpoint_is_named(tmp_path: Path, what: str) -> None:
    folder = write_shape_model(tmp_path / "standard" / SUBFOLDER)
    damage(folder, what)
    with pytest.raises(UnavailableError) as caught:
        load_hunyuan(settings_for(tmp_path))
    assert str(tmp_path) in caught.value.message


def test_without_hy3dgen_the_error_says_what_to_install(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Any:
        if name.startswith("hy3dgen"):
            raise ModuleNotFoundError("No module named 'pymeshlab'", name="pymeshlab")
        return name

    monkeypatch.setattr(hunyuan_checkpoint.importlib, "import_module", absent)
    with pytest.raises(UnavailableError, match="pymeshlab is not installed or") as caught:
        load_hunyuan(settings_for(checkpoints))
    assert caught.value.detail["missing"] == "pymeshlab"


def test_a_clone_in_the_project_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Hunyuan3D-2" / "hy3dgen").mkdir(parents=True)
    path: list[str] = []
    monkeypatch.setattr(hunyuan_checkpoint, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(hunyuan_checkpoint.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(hunyuan_checkpoint.sys, "path", path)
    hunyuan_checkpoint.import_hy3dgen()
    assert path == [str(tmp_path / "Hunyuan3D-2")]


def test_nothing_is_printed(checkpoints: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = ShapeModel(load_hunyuan(settings_for(checkpoints)), CPU)
    capfd.readouterr()
    model.decoder(model.latents(picture(), [1], steps=2, guidance=5.0, check=unhurried))(torch.zeros(9, 3))
    assert capfd.readouterr() == ("", "")
