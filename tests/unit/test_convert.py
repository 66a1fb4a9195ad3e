"""Meshes become splats that the network takes, whatever file they come in; broken ones are named."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
import typer

from subnet17.errors import AssetError, InvalidInputError, S17Error, TooLargeError, UnknownFormatError
from subnet17.splat.cameras import fit_for_render, official_cameras
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.ply import read_ply
from subnet17.splat.rasterize_cpu import render_views
from subnet17.splat.spz import decode_spz
from subnet17.validation import convert
from subnet17.validation.checks import check_cloud
from subnet17.validation.convert import answer_conversion, convert_mesh
from subnet17.validation.convert_cli import main

REPO = Path(__file__).resolve().parents[2]
KINDS = ["ply", "glb", "obj"]


def green_ball() -> trimesh.Trimesh:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=7)
    ball.visual.vertex_colors = np.tile(np.array([20, 200, 40, 255], np.uint8), (len(ball.vertices), 1))
    return ball


def export(mesh: trimesh.Trimesh, kind: str) -> bytes:
    data = mesh.export(file_type=kind)
    return data.encode() if isinstance(data, str) else data


def body_of(data: bytes, **fields: Any) -> bytes:
    return json.dumps({"data": base64.b64encode(data).decode()} | fields).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_becomes_splats_that_are_not_refused(kind: str) -> None:
    made = convert_mesh(export(green_ball(), kind), "ply", 8000)
    cloud = read_ply(made.data)
    assert (len(cloud), made.splats, made.faces) == (8000, 8000, 1280)
    assert check_cloud(cloud) == []
    assert np.allclose(np.median(cloud.rgb, axis=0) * 255, [20, 200, 40], atol=2)


def test_spz_holds_the_same_as_ply() -> None:
    data = export(green_ball(), "glb")
    packed = decode_spz(convert_mesh(data, "spz", 7000).data)
    assert np.allclose(packed.means, read_ply(convert_mesh(data, "ply", 7000).data).means, atol=1e-3)


def test_the_result_hides_what_is_behind_it_once_validators_have_fitted_it() -> None:
    cloud: GaussianCloud = read_ply(convert_mesh(export(green_ball(), "ply"), "ply", 20_000).data)
    view = render_views(fit_for_render(cloud), official_cameras().subset([3]))
    assert view.alphas[0, 259, 259] > 0.98
    assert np.abs(view.images[0, 259, 259].astype(int) - [20, 200, 40]).max() <= 6


def test_a_request_says_format_and_number_and_unknown_fields_are_told() -> None:
    made = answer_conversion(body_of(export(green_ball(), "ply"), format="spz", splats=9000, fmt="x"))
    assert len(decode_spz(made.data)) == 9000
    assert made.notes == ["ignored, because not known: fmt"]
    assert set(made.timings_s) == {"parse", "read", "convert", "write"}


def test_a_request_without_them_asks_for_a_ply_of_100000() -> None:
    assert len(read_ply(answer_conversion(body_of(export(green_ball(), "ply"))).data)) == 100_000


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"format": "glb"}, UnknownFormatError),
        ({"format": 7}, UnknownFormatError),
        ({"splats": 6999}, InvalidInputError),
        ({"splats": 500_001}, InvalidInputError),
        ({"splats": 10**400}, InvalidInputError),
        ({"splats": 8000.0}, InvalidInputError),
        ({"splats": True}, InvalidInputError),
        ({"splats": "8000"}, InvalidInputError),
    ],
)
def test_bad_fields_are_the_callers_fault(fields: dict[str, Any], kind: type[S17Error]) -> None:
    with pytest.raises(kind, match=next(iter(fields))) as caught:
        answer_conversion(body_of(b"x", **fields))
    json.dumps(caught.value.as_json())


@pytest.mark.parametrize("data", [b"hello", b"glTF", b"ply\nend_header\n", export(green_ball(), "glb")[:-9]])
def test_what_is_no_mesh_is_the_callers_fault(data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        answer_conversion(body_of(data))


def test_splats_are_no_mesh() -> None:
    with pytest.raises(AssetError, match="faces"):
        convert_mesh(convert_mesh(export(green_ball(), "ply"), "ply", 7000).data, "ply", 7000)


def test_a_mesh_over_the_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "MAX_FACES", 1279)
    with pytest.raises(TooLargeError, match="1280 faces"):
        convert_mesh(export(green_ball(), "ply"), "ply", 7000)


@pytest.mark.parametrize(
    "vertices",
    [np.zeros((3, 3)), [[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[-3e38, 0, 0], [3e38, 0, 0], [0, 3e38, 0]]],
    ids=["point", "line", "endless"],
)
def test_a_mesh_with_nothing_to_cover_is_refused(vertices: object) -> None:
    sheet = trimesh.Trimesh(vertices, [[0, 1, 2]], process=False)
    with pytest.raises(InvalidInputError):
        convert_mesh(export(sheet, "ply"), "ply", 7000)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_meshes_end_in_splats_or_in_the_callers_fault(kind: str) -> None:
    random = np.random.default_rng(11)
    sound = np.frombuffer(export(green_ball(), kind), np.uint8)
    for _ in range(40):
        damaged = sound.copy()
        places = random.integers(len(damaged) // 8, len(damaged), random.integers(1, 30))
        damaged[places] = random.integers(48, 58, len(places)) if kind == "obj" else random.integers(0, 256)
        try:
            made = convert_mesh(damaged.tobytes(), "ply", 7000)
        except InvalidInputError:
            continue
        assert len(read_ply(made.data)) == 7000


def test_the_tool_converts_a_file(tmp_path: Path) -> None:
    (tmp_path / "ball.obj").write_bytes(export(green_ball(), "obj"))
    names = [str(tmp_path / "ball.obj"), str(tmp_path / "ball.spz"), "--splats", "7500"]
    ran = subprocess.run(
        [sys.executable, str(REPO / "convert_mesh.py"), *names], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert len(decode_spz((tmp_path / "ball.spz").read_bytes())) == 7500
    assert "7500 splats of 1280 faces" in ran.stdout


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [("no.glb", "a.ply", "neither"), ("no.glb", "a.glb", "format"), ("absent", "a.ply", "absent")],
)
def test_the_tool_says_what_is_wrong_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, target: str, told: str
) -> None:
    (tmp_path / "no.glb").write_bytes(b"nothing")
    with pytest.raises(typer.Exit) as ended:
        main(tmp_path / source, tmp_path / target)
    assert ended.value.exit_code == 2 and told in capsys.readouterr().err
    assert not (tmp_path / target).exists()
