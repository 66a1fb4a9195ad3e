"""Hunyuan3D-Paint is read from the files as published, by hy3dgen's real modules, onto the host."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from subnet17.deadline import Deadline
from subnet17.errors import UnavailableError
from subnet17.settings import GenerationTable

torch = pytest.importorskip("torch")
pytest.importorskip("hy3dgen")
pytest.importorskip("xatlas")

from subnet17.generation.colour.paint import Painter, choose_painter  # noqa: E402 - after the skips
from subnet17.generation.colour.paint_checkpoint import DELIGHT, PAINT, find_paint, load_paint  # noqa: E402
from subnet17.generation.colour.paint_pickles import rewrite_pickles  # noqa: E402
from subnet17.gpu.card import Card  # noqa: E402
from subnet17.gpu.models import ModelCache  # noqa: E402
from subnet17.gpu.residency import Residence  # noqa: E402
from tests import software_rasterizer  # noqa: E402
from tests.tiny_paint import write_tiny_paint  # noqa: E402


class Code:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("ran",)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_paint(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_tiny_paint(tmp_path_factory.mktemp("rewritten"))
    assert len(rewrite_pickles(settings_for(root))) == 2
    return root


@pytest.fixture
def rasterizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "custom_rasterizer", software_rasterizer)


def settings_for(root: Path | str, **changed: str) -> GenerationTable:
    return GenerationTable(model_path=str(root), device="cpu", **changed)  # type: ignore[arg-type]


def cache() -> ModelCache:
    return ModelCache(Card("cpu"), idle_unload_s=0, reserve_bytes=0)


@pytest.mark.usefixtures("rasterizer")
def test_all_weights_arrive_on_the_host_and_can_be_moved(rewritten: Path) -> None:
    pipeline = load_paint(settings_for(rewritten), torch.device("cpu"))
    views = pipeline.models["multiview_model"].pipeline
    pickled = torch.load(rewritten / PAINT / "unet" / "diffusion_pytorch_model.bin", weights_only=True)
    read = views.unet.state_dict()
    assert read.keys() == pickled.keys()
    assert all(torch.equal(read[name], pickled[name]) for name in pickled)
    assert views.scheduler.config.timestep_spacing == "trailing"
    assert views.scheduler.config.prediction_type == "v_prediction"
    delight = pipeline.models["delight_model"].pipeline
    residence = Residence([views.unet, views.vae, delight.unet, delight.vae, delight.text_encoder], "cpu")
    assert residence.nbytes > sum(tensor.nbytes for tensor in pickled.values())


@pytest.mark.usefixtures("rasterizer")
def test_the_painter_loads_at_its_first_lease_and_is_measured(rewritten: Path) -> None:
    models = cache()
    painter, why = choose_painter(settings_for(rewritten), models)
    assert isinstance(painter, Painter)
    assert why == "auto: all its parts are there"
    painter.warm_up(Deadline.after(60))
    (told,) = models.as_json()
    assert (told["name"], told["size"]) == ("paint", "measured")


@pytest.mark.usefixtures("rasterizer")
def test_pickles_alone_are_not_read_and_the_way_on_is_told(published: Path) -> None:
    with pytest.raises(UnavailableError, match="paint_pickles") as caught:
        find_paint(settings_for(published))
    assert f"{PAINT}/unet/*.safetensors" in caught.value.message
    painter, why = choose_painter(settings_for(published), cache())
    assert painter is None
    assert why.startswith("auto: Hunyuan3D-Paint's weights are not there")
    with pytest.raises(UnavailableError):
        choose_painter(settings_for(published, texture="paint"), cache())


def test_a_missing_compiled_part_is_named_with_how_to_get_it(
    rewritten: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "custom_rasterizer", None)
    with pytest.raises(UnavailableError, match="custom_rasterizer can't be imported") as caught:
        choose_painter(settings_for(rewritten, texture="paint"), cache())
    assert "pip install --no-build-isolation" in caught.value.message
    painter, why = choose_painter(settings_for(rewritten), cache())
    assert painter is None
    assert "custom_rasterizer" in why


@pytest.mark.usefixtures("rasterizer")
def test_nothing_is_looked_for_where_painting_is_not_wanted() -> None:
    assert choose_painter(settings_for("nowhere/at-all", texture="projection"), cache()) == (
        None,
        "chosen by the settings",
    )


@pytest.mark.usefixtures("rasterizer")
def test_a_hub_model_is_only_looked_for_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub  # noqa: PLC0415

    asked: list[bool] = []

    def look(source: str, *, local_files_only: bool = False, **rest: object) -> str:
        asked.append(local_files_only)
        raise FileNotFoundError(source)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", look)
    with pytest.raises(UnavailableError, match=f"hf download tencent/Hunyuan3D-2 .*{DELIGHT}"):
        find_paint(GenerationTable())
    assert asked
    assert all(asked)


@pytest.mark.usefixtures("rasterizer")
def test_weights_of_something_else_are_an_error_that_names_the_folder(
    rewritten: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(rewritten, folder)
    vae = folder / PAINT / "vae" / "diffusion_pytorch_model.safetensors"
    shutil.copy(vae, folder / PAINT / "unet" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(UnavailableError, match="can't be read as Hunyuan3D-Paint") as caught:
        load_paint(settings_for(folder), torch.device("cpu"))
    assert caught.value.detail["folder"] == str(folder)


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / PAINT / "unet"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    torch.save({"weight": Code()}, folder / "diffusion_pytorch_model.bin")
    with pytest.raises(UnavailableError, match=r"can't be read: UnpicklingError: Weights only load failed"):
        rewrite_pickles(settings_for(tmp_path))
    assert not list(folder.glob("*.safetensors*"))
