"""The painter in hy3dgen's own baking code, with a slow rasteriser and drawn views instead of networks."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from subnet17.deadline import Deadline
from subnet17.errors import DeviceLostError, S17Error, StageError, UnavailableError
from subnet17.generation.asset import write_mesh
from subnet17.generation.request import GenerationRequest
from subnet17.settings import GenerationTable
from subnet17.splat.mesh_colours import colour_samples
from subnet17.splat.ply import read_ply

torch = pytest.importorskip("torch")
pytest.importorskip("hy3dgen")
pytest.importorskip("xatlas")

from subnet17.generation.colour import paint  # noqa: E402 - after the skips
from subnet17.generation.colour.mesh_colours import with_vertex_colours  # noqa: E402
from subnet17.generation.colour.paint import Painter  # noqa: E402
from subnet17.generation.flux_hunyuan_job import FluxHunyuanJob, Pieces  # noqa: E402
from subnet17.gpu.card import Card  # noqa: E402
from subnet17.gpu.models import ModelCache  # noqa: E402
from subnet17.gpu.pressure import LEVELS, Pressure  # noqa: E402
from tests import software_rasterizer  # noqa: E402
from tests.unit.analytic_fields import ball  # noqa: E402

SIDES = {
    "front": ((0, 0, 1), (220, 30, 30)),
    "left": ((1, 0, 0), (30, 220, 30)),
    "back": ((0, 0, -1), (30, 30, 220)),
    "right": ((-1, 0, 0), (220, 220, 30)),
    "top": ((0, 1, 0), (220, 30, 220)),
    "bottom": ((0, -1, 0), (30, 220, 220)),
}
"""hy3dgen's six views in its order, the direction that each is seen from, and the colour that it gets."""
MID = LEVELS[0]


class DrawnViews:
    """Stands in for both networks: no shadows to remove, and each view in one colour."""

    def __init__(self) -> None:
        self.pipeline = SimpleNamespace(components={"unet": torch.nn.Linear(4, 4), "scheduler": object()})

    def __call__(self, image: Image.Image, controls: Any = (), cameras: Any = ()) -> Any:
        if not controls:
            return image
        assert len(controls) == 2 * len(cameras) == 12
        return [Image.new("RGB", (64, 64), colour) for _, colour in SIDES.values()]


def load_drawn(_: GenerationTable, device: Any) -> Any:
    texgen = __import__("hy3dgen.texgen.pipelines", fromlist=["pipelines"])
    config = texgen.Hunyuan3DTexGenConfig("", "")
    pipeline = texgen.Hunyuan3DPaintPipeline.__new__(texgen.Hunyuan3DPaintPipeline)
    pipeline.config, pipeline.render = config, texgen.MeshRender(device=str(device))
    pipeline.models = {"delight_model": DrawnViews(), "multiview_model": DrawnViews()}
    return pipeline


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "custom_rasterizer", software_rasterizer)
    monkeypatch.setattr(paint, "TEXTURE_PX", 256)


def painter_of(load: Any = load_drawn, **settings: Any) -> Painter:
    cache = ModelCache(Card("cpu"), idle_unload_s=0, reserve_bytes=0)
    return Painter(GenerationTable(device="cpu", **settings), cache, load=load)


def picture() -> Image.Image:
    image = Image.new("RGBA", (64, 64))
    image.paste((200, 60, 40, 255), (12, 12, 52, 52))
    return image


@pytest.fixture(scope="module")
def painted() -> trimesh.Trimesh:
    """A block of 1.0 x 0.8 x 0.6, painted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "custom_rasterizer", software_rasterizer)
        patch.setattr(paint, "TEXTURE_PX", 256)
        with painter_of().lease(Deadline.after(60)) as run:
            return run(block(), picture(), MID)


def block() -> trimesh.Trimesh:
    return trimesh.creation.box((1.0, 0.8, 0.6)).subdivide().subdivide()


def test_each_side_gets_what_was_painted_for_it(painted: trimesh.Trimesh) -> None:
    faces = np.arange(len(painted.faces))
    rgb = colour_samples(painted, faces, np.full((len(faces), 3), 1 / 3)) * 255
    for name, (direction, colour) in SIDES.items():
        facing = painted.face_normals @ np.array(direction) > 0.9
        assert facing.any(), name
        off = np.abs(np.median(rgb[facing], axis=0) - colour).max()
        assert off < 2, (name, off)


def test_vertex_colours_are_the_textures(painted: trimesh.Trimesh) -> None:
    coloured = with_vertex_colours(painted)
    assert coloured.visual.kind == "vertex"
    front = painted.vertices @ (0, 0, 1) > 0.29
    inner = front & (np.abs(painted.vertices[:, :2]) < 0.3).all(axis=1)
    assert np.abs(np.asarray(coloured.visual.vertex_colors)[inner, :3] - (220.0, 30, 30)).max() < 2


def test_a_painted_mesh_keeps_its_place_and_its_texture_in_a_glb(painted: trimesh.Trimesh) -> None:
    data = write_mesh(painted, "glb")
    read = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh")
    assert read.visual.kind == "texture"
    assert read.visual.material.baseColorTexture.size == (256, 256)
    assert np.allclose(read.bounds, block().bounds, atol=1e-6)
    assert len(read.faces) == len(block().faces)


def test_the_mesh_is_untouched_and_nothing_stays_on_the_device() -> None:
    pipelines: list[Any] = []

    def load(settings: GenerationTable, device: Any) -> Any:
        pipelines.append(load_drawn(settings, device))
        return pipelines[0]

    mesh = block()
    before = mesh.vertices.copy(), mesh.faces.copy()
    with painter_of(load).lease(Deadline.after(60)) as run:
        run(mesh, picture(), LEVELS[3])
    assert np.array_equal(mesh.vertices, before[0])
    assert np.array_equal(mesh.faces, before[1])
    kept = vars(pipelines[0].render)
    assert kept["texture_size"] == (128, 128)  # half of it at the lowest level
    assert not [name for name, value in kept.items() if isinstance(value, torch.Tensor | trimesh.Trimesh)]


def test_what_could_not_be_done_in_time_is_not_begun() -> None:
    painter = painter_of()
    painter._last_s = 30.0
    with pytest.raises(StageError, match="the last one took 30 s"), painter.lease(Deadline.after(20)):
        pass


class BallModel:
    """Stands in for the shape model: every picture is a ball."""

    def __init__(self) -> None:
        self.model = SimpleNamespace(device=torch.device("cpu"), field_decoder=SimpleNamespace())

    def lease(self, deadline: Deadline) -> Any:
        return self

    def __enter__(self) -> BallModel:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def latents(self, *_: Any, **__: Any) -> Any:
        return torch.zeros(1, 4, 4)

    def decoder(self, latents: Any) -> Any:
        return ball(0.7).distance


class Failing:
    """A painter whose paintings end as `errors` say, one by one; None is a good one."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.shares: list[float] = []

    def lease(self, deadline: Deadline) -> Any:
        return self

    def __enter__(self) -> Any:
        return self.paint

    def __exit__(self, *_: object) -> None:
        return None

    def paint(self, mesh: trimesh.Trimesh, image: Image.Image, level: Any) -> trimesh.Trimesh:
        self.shares.append(level.octree_share)
        if error := self.errors.pop(0):
            raise error
        green = Image.new("RGB", (8, 8), (20, 200, 40))
        visual = trimesh.visual.TextureVisuals(
            uv=np.full((len(mesh.vertices), 2), 0.5),
            material=trimesh.visual.material.PBRMaterial(baseColorTexture=green),
        )
        return trimesh.Trimesh(mesh.vertices, mesh.faces, visual=visual, process=False)


def out_of_memory() -> Exception:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def job(
    painter: Any, *, asset_format: Any = "ply", profile: Any = "quality", **settings: Any
) -> FluxHunyuanJob:
    tiny = {"octree_resolution": 24, "splat_count": 7000, "device": "cpu"}
    table = GenerationTable(**(tiny | settings))
    stream = io.BytesIO()
    picture().save(stream, "PNG")
    background: Any = SimpleNamespace(name="none")
    shape: Any = BallModel()
    nothing: Any = None
    pieces = Pieces(table, nothing, background, shape, Pressure(), lambda: None, painter)
    request = GenerationRequest(None, stream.getvalue(), 0, asset_format, profile)
    return FluxHunyuanJob(pieces, request, Deadline.after(60))


GREEN = np.array((20, 200, 40)) / 255


def test_splats_take_the_painted_colours() -> None:
    made = job(Failing(None)).run()
    cloud = read_ply(made.data)
    assert len(cloud) == made.splats == 14_000
    assert np.abs(cloud.rgb - GREEN).max() < 0.01
    assert {"paint", "splats"} <= set(made.timings_s)
    assert "colour" not in made.timings_s


def test_meshes_take_the_texture_or_its_colours() -> None:
    glb = trimesh.load(
        io.BytesIO(job(Failing(None), asset_format="glb").run().data), file_type="glb", force="mesh"
    )
    assert glb.visual.kind == "texture"
    ply = trimesh.load(io.BytesIO(job(Failing(None), asset_format="mesh_ply").run().data), file_type="ply")
    assert np.abs(np.asarray(ply.visual.vertex_colors)[:, :3] - GREEN * 255).max() < 1


@pytest.mark.parametrize("asset_format", ["ply", "glb"])
@pytest.mark.parametrize("error", [KeyError("a bug"), StageError("no texture"), UnavailableError("damaged")])
def test_a_failed_painting_is_an_asset_as_without_it_and_a_note(error: Exception, asset_format: Any) -> None:
    made = job(Failing(error), asset_format=asset_format).run()
    plain = job(None, asset_format=asset_format).run()
    assert made.data == plain.data
    (note,) = set(made.notes) - set(plain.notes)
    assert note.startswith("not painted, coloured from the picture instead: ")


def test_out_of_memory_paints_again_a_level_lower_and_then_refuses() -> None:
    again = Failing(out_of_memory(), None)
    assert np.abs(read_ply(job(again).run().data).rgb - GREEN).max() < 0.01
    assert len(again.shares) == 2
    with pytest.raises(UnavailableError) as caught:
        job(Failing(out_of_memory(), out_of_memory())).run()
    assert caught.value.detail["kind"] == "memory"


def test_a_lost_device_is_no_matter_of_texture() -> None:
    with pytest.raises(DeviceLostError):
        job(Failing(RuntimeError("CUDA error: an illegal memory access was encountered"))).run()


@pytest.mark.parametrize(
    ("texture", "painted_profiles"),
    [("auto", {"quality"}), ("projection", set()), ("paint", {"speed", "balanced", "quality"})],
)
def test_profiles_paint_as_the_setting_says(texture: str, painted_profiles: set[str]) -> None:
    seen = {
        profile
        for profile in ("speed", "balanced", "quality")
        if "paint" in job(Failing(None), profile=profile, texture=texture).run().timings_s
    }
    assert seen == painted_profiles


def test_weights_that_cannot_be_loaded_end_the_start_only_where_painting_is_insisted_on() -> None:
    def refuse(*_: Any) -> Any:
        raise UnavailableError("damaged")

    painter_of(refuse).warm_up(Deadline.after(5))
    with pytest.raises(S17Error, match="damaged"):
        painter_of(refuse, texture="paint").warm_up(Deadline.after(5))
