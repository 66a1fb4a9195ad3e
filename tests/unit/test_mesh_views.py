"""Meshes before the official cameras: seen as their splats are, bounded, or told why not."""

from __future__ import annotations

import ctypes
import gc
import io
import json
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from subnet17.deadline import Deadline
from subnet17.errors import AssetError, DeadlineError, TooLargeError, UnavailableError
from subnet17.serving.stages import Stages
from subnet17.splat.cameras import fit_for_render, official_cameras
from subnet17.splat.from_mesh import mesh_to_splats
from subnet17.splat.rasterize_cpu import render_views
from subnet17.validation import intake, mesh_gl, mesh_views
from subnet17.validation.gl_probe import find_egl
from subnet17.validation.intake import Intake
from subnet17.validation.mesh_gl import GlThread, find_platform
from subnet17.validation.mesh_views import fit_mesh, render_mesh
from subnet17.validation.requests import ValidationRequest
from subnet17.validation.verdict import Verdict

REPO = Path(__file__).resolve().parents[2]
CAMERAS = official_cameras()


@pytest.fixture(scope="module")
def gl() -> Iterator[GlThread]:
    thread = GlThread()
    try:
        thread.run(lambda pyrender, renderer: None)
    except UnavailableError as error:
        pytest.skip(error.message)
    yield thread


def coloured_pair() -> trimesh.Trimesh:
    """A box with a ball beside its top, far from the origin, coloured by height."""
    box = trimesh.creation.box(extents=(1, 2, 0.6)).subdivide().subdivide()
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    ball.apply_translation((0.8, 1, 0))
    pair = trimesh.util.concatenate([box, ball])
    height = ((pair.vertices[:, 1] + 1) * 90).clip(0, 255)
    pair.visual.vertex_colors = np.column_stack(
        [height, 255 - height, np.full_like(height, 60), np.full_like(height, 255)]
    ).astype(np.uint8)
    pair.apply_translation((5, -3, 2))
    return pair


def test_a_mesh_is_seen_where_and_as_its_splats_are(gl: GlThread) -> None:
    mesh, cameras = coloured_pair(), CAMERAS.subset([0, 1, 4, 9])
    drawn = render_mesh(mesh, cameras, gl)
    splats = render_views(fit_for_render(mesh_to_splats(mesh)), cameras)
    assert ((drawn.alphas > 0.5) != (splats.alphas > 0.5)).mean() < 0.01
    inside = (drawn.alphas > 0.99) & (splats.alphas > 0.99)
    assert inside.mean() > 0.1
    gaps = np.abs(drawn.images.astype(int) - splats.images)[inside]
    assert np.median(gaps) <= 4


def test_views_are_white_around_and_antialiased(gl: GlThread) -> None:
    views = render_mesh(trimesh.creation.icosphere(subdivisions=3), CAMERAS, gl)
    assert views.images.shape == (16, 518, 518, 3) and views.alphas.shape == (16, 518, 518)
    assert (views.images[:, :3] == 255).all() and (views.alphas[:, :3] == 0).all()
    assert set(np.unique(views.images[1][views.alphas[1] == 1])) == {128}  # mid grey where nothing is said
    assert ((views.alphas > 0) & (views.alphas < 1)).any()
    assert np.array_equal(views.images[0], views.images[15])


def test_faces_are_seen_from_behind_and_alpha_is_ignored(gl: GlThread) -> None:
    sheet = trimesh.Trimesh([[-1, -1, 0], [1, -1, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    sheet.visual.face_colors = np.array([[10, 200, 30, 20]], np.uint8)
    views = render_mesh(sheet, CAMERAS.subset([0, 7]), gl)
    assert (views.images[:, 259, 259] == [10, 200, 30]).all()


def textured_square(image: Image.Image) -> trimesh.Trimesh:
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    square = trimesh.Trimesh(np.column_stack([corners, np.zeros(4)]), [[0, 1, 2], [0, 2, 3]], process=False)
    square.visual = trimesh.visual.TextureVisuals(uv=corners, image=image)
    return square


@pytest.mark.parametrize("size", [(64, 5000), (27, 40)], ids=["reduced", "odd rows"])
def test_a_texture_is_the_right_way_up_whatever_its_size(gl: GlThread, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (250, 10, 10))
    image.paste((10, 10, 250), (0, size[1] // 2, *size))
    view = render_mesh(textured_square(image), CAMERAS.subset([0]), gl).images[0]
    assert (view[160, 259] == [250, 10, 10]).all() and (view[380, 259] == [10, 10, 250]).all()


def test_what_a_mesh_took_is_freed(gl: GlThread) -> None:
    render_mesh(coloured_pair(), CAMERAS.subset([1]), gl)
    held = gl.run(lambda _, renderer: (renderer._renderer._meshes, renderer._renderer._mesh_textures))
    assert held == (set(), set())


def test_a_small_drawing_after_a_large_one_has_its_own_size(gl: GlThread) -> None:
    assert render_mesh(coloured_pair(), official_cameras(64), gl).images.shape == (16, 64, 64, 3)
    assert render_mesh(coloured_pair(), CAMERAS.subset([2]), gl).images.shape == (1, 518, 518, 3)


def test_many_faces_are_refused_before_anything_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_views, "MAX_FACES", 11)
    with pytest.raises(TooLargeError, match="12 faces, at most 11"):
        render_mesh(trimesh.creation.box(), CAMERAS, GlThread())


def test_faces_stacked_behind_each_other_are_refused() -> None:
    sheets = [textured_square(Image.new("RGB", (2, 2))) for _ in range(1000)]
    for index, sheet in enumerate(sheets):
        sheet.apply_translation((0, 0, index / 1000))
    with pytest.raises(TooLargeError, match="paint"):
        render_mesh(trimesh.util.concatenate(sheets), CAMERAS, GlThread())


def test_needles_across_the_picture_are_refused_though_they_have_no_area() -> None:
    ends = np.random.default_rng(3).normal(size=(60_000, 3))
    ends /= np.linalg.norm(ends, axis=1, keepdims=True)
    needles = np.stack([ends, -ends, -ends + 1e-3], axis=1).reshape(-1, 3)
    mesh = trimesh.Trimesh(needles, np.arange(len(needles)).reshape(-1, 3), process=False)
    with pytest.raises(TooLargeError, match="paint"):
        render_mesh(mesh, CAMERAS, GlThread())


def test_endless_texture_coordinates_are_drawn_somehow(gl: GlThread) -> None:
    square = textured_square(Image.new("RGB", (4, 4), (9, 9, 9)))
    square.visual.uv = np.array([[3e38, -3e38], [np.nan, np.inf], [0, 1], [1e30, 0]])
    assert (render_mesh(square, CAMERAS.subset([0]), gl).images[0, 259, 259] == 9).all()


def test_a_drawing_that_takes_too_long_is_given_up(gl: GlThread) -> None:
    with pytest.raises(DeadlineError, match="0 of 16 views"):
        render_mesh(coloured_pair(), CAMERAS, gl, deadline=Deadline.after(-1))
    assert render_mesh(coloured_pair(), CAMERAS.subset([0]), gl).alphas.any()


@pytest.mark.parametrize(
    "vertices",
    [np.zeros((3, 3)), [[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[-1e308, 0, 0], [1.5e308, 0, 0], [0, 1, 0]]],
    ids=["point", "line", "endless"],
)
def test_a_mesh_without_extent_or_area_is_refused(vertices: object) -> None:
    with pytest.raises(AssetError):
        fit_mesh(trimesh.Trimesh(vertices, [[0, 1, 2]], process=False))


def test_vertices_of_no_face_do_not_count() -> None:
    mesh = trimesh.creation.box()
    stray = trimesh.Trimesh(np.vstack([mesh.vertices, [[99, 0, 0]]]), mesh.faces, process=False)
    assert np.allclose(fit_mesh(stray)[:-1], fit_mesh(mesh))


def test_a_texture_that_is_cut_short_is_the_files_fault(gl: GlThread) -> None:
    stream = io.BytesIO()
    Image.effect_noise((200, 200), 90).convert("RGB").save(stream, "PNG")
    cut = Image.open(io.BytesIO(stream.getvalue()[:9000]))
    with pytest.raises(AssetError, match="texture"):
        render_mesh(textured_square(cut), CAMERAS.subset([0]), gl)


def test_without_egl_and_osmesa_the_reason_and_the_remedy_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "probe.py"
    script.write_text('print(\'{"missing": ["egl: no library"]}\'); raise SystemExit(1)')
    monkeypatch.setattr(mesh_gl, "PROBE", script)
    with pytest.raises(UnavailableError, match=r"egl: no library.*apt-get install libegl1"):
        render_mesh(coloured_pair(), CAMERAS, GlThread())


def test_meshes_that_cannot_be_drawn_are_let_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "probe.py"
    script.write_text("print('{}')")
    monkeypatch.setattr(mesh_gl, "PROBE", script)
    thread, kept = GlThread(), []
    for _ in range(3):
        mesh = coloured_pair()
        kept.append(weakref.ref(mesh))
        with suppress(UnavailableError):
            render_mesh(mesh, CAMERAS, thread)
    del mesh
    gc.collect()
    assert [there() for there in kept] == [None] * 3


@pytest.mark.parametrize("ending", ["import os; os.abort()", "print('no json')"])
def test_a_driver_that_crashes_takes_only_the_probe_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    script = tmp_path / "probe.py"
    script.write_text(ending)
    monkeypatch.setattr(mesh_gl, "PROBE", script)
    with pytest.raises(UnavailableError, match="neither EGL nor OSMesa"):
        find_platform()


@pytest.mark.parametrize("missing", ["libEGL", "libGL"])  # PyOpenGL looks into both
def test_egl_without_a_library_is_an_error_of_the_system(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> object:
        if name.startswith(missing):
            raise OSError(f"{name}: cannot open shared object file")
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    with pytest.raises(OSError, match=missing):
        find_egl()


def test_a_turntable_that_cannot_be_drawn_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object, **__: object) -> None:
        raise DeadlineError("drew 3 of 30 views of the mesh in time")

    monkeypatch.setattr(intake, "render_mesh", give_up)
    verdict = Verdict(ValidationRequest(b"", 0, "a ball", turntable=True), Stages(), mesh=coloured_pair())
    Intake(2**20, 7000).draw_turntable(verdict)
    assert verdict.turntable is None
    assert verdict.notes == ["no turntable of the mesh: drew 3 of 30 views of the mesh in time"]


OSMESA_DRAWING = """
import numpy as np, trimesh
from subnet17.splat.cameras import official_cameras
from subnet17.validation import mesh_gl
from subnet17.validation.mesh_views import render_mesh
mesh_gl.find_platform = lambda: mesh_gl.GlPlatform("osmesa", 0, "forced")
views = render_mesh(trimesh.creation.icosphere(), official_cameras().subset([1]), mesh_gl.GlThread())
print(views.images[0, 259, 259].tolist(), bool(((views.alphas > 0) & (views.alphas < 1)).any()))
"""


def test_osmesa_draws_the_same_way() -> None:
    try:
        ctypes.CDLL("libOSMesa.so.8")
    except OSError:
        pytest.skip("libosmesa6 is not installed")
    ran = subprocess.run(
        [sys.executable, "-c", OSMESA_DRAWING], capture_output=True, text=True, cwd=REPO, check=False
    )
    assert ran.stdout.splitlines()[-1:] == ["[128, 128, 128] True"], ran.stderr


def test_the_probe_says_what_it_found_as_json() -> None:
    ran = subprocess.run(
        [sys.executable, "-I", str(mesh_gl.PROBE)], capture_output=True, text=True, check=False
    )
    found = json.loads(ran.stdout)
    assert (ran.returncode == 0) == ("platform" in found)
    assert found.get("platform") in {"egl", "osmesa", None}
