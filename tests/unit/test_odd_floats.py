"""Numbers that are none, or too large: what becomes of each, as docs/scoring.md says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zstandard

from subnet17.errors import AssetError
from subnet17.splat.cameras import RenderableCloud, fit_for_render
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.limits import MAX_LOG_SCALE, MAX_LOGIT
from subnet17.splat.ply import COLUMNS, NAMES, read_ply, write_ply
from subnet17.splat.spz import decode_spz, encode_spz
from subnet17.validation.checks import check_cloud, check_scene
from subnet17.validation.scoring.warmup import make_ball

BALL = make_ball(8000)
NAN, INF = float("nan"), float("inf")
HEADER_BYTES = 16


def ply_with(name: str, value: float, splat: int = 5) -> bytes:
    """The ball with one number replaced behind the writer's back."""
    data = bytearray(write_ply(BALL))
    body = np.frombuffer(data, "<f4", offset=data.index(b"end_header\n") + 11).reshape(-1, len(NAMES))
    body[splat, NAMES.index(name)] = value
    return bytes(data)


def spz_with(width_before: int, value: int) -> bytes:
    """The ball as SPZ with a byte of its first splat replaced: 9 bytes a splat come before alphas, 16 before
    rotations."""
    payload = bytearray(zstandard.ZstdDecompressor().decompress(encode_spz(BALL)))
    payload[HEADER_BYTES + width_before * len(BALL)] = value
    return zstandard.ZstdCompressor().compress(bytes(payload))


def with_all(**fields: Any) -> GaussianCloud:
    arrays = {
        name: np.broadcast_to(np.float32(value), getattr(BALL, name).shape) for name, value in fields.items()
    }
    return replace(BALL, **arrays)


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_refused_wherever_it_stands(name: str) -> None:
    with pytest.raises(AssetError, match="nan in splat 5"):
        read_ply(ply_with(name, NAN))


@pytest.mark.parametrize("value", [INF, -INF])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "opacity"])
def test_infinity_is_refused_where_it_can_not_be_drawn(name: str, value: float) -> None:
    with pytest.raises(AssetError, match="inf in splat 5"):
        read_ply(ply_with(name, value))


@pytest.mark.parametrize(("value", "logit"), [(INF, MAX_LOGIT), (-INF, -MAX_LOGIT), (1e30, 1e30)])
def test_an_infinite_opacity_is_clamped_and_a_large_one_kept(value: float, logit: float) -> None:
    cloud = read_ply(ply_with("opacity", value))
    assert cloud.logit_opacities[5] == np.float32(logit)
    assert cloud.opacities[5] == pytest.approx(1.0 if value > 0 else 0.0, abs=1e-8)


@pytest.mark.parametrize(("alpha", "logit"), [(255, MAX_LOGIT), (0, -MAX_LOGIT)])
def test_an_alpha_byte_of_an_infinite_logit_is_clamped(alpha: int, logit: float) -> None:
    cloud = decode_spz(spz_with(9, alpha))
    assert cloud.logit_opacities[0] == logit
    assert check_cloud(cloud) == []


def test_a_rotation_longer_than_one_has_no_real_part_and_is_made_a_unit() -> None:
    quat = decode_spz(spz_with(16, 255)).unit_quats[0]
    assert np.isfinite(quat).all() and np.linalg.norm(quat) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("value", "refused"), [(MAX_LOG_SCALE, False), (88.73, True), (1e30, True)])
def test_a_scale_beyond_float32_is_refused(value: float, refused: bool) -> None:
    data = ply_with("scale_1", value)
    if not refused:
        assert np.isfinite(read_ply(data).scales).all()
        return
    with pytest.raises(AssetError, match="log_scales"):
        read_ply(data)


@pytest.mark.parametrize("value", [-200.0, -3e38])
def test_a_scale_too_small_for_a_number_is_zero(value: float) -> None:
    cloud = read_ply(ply_with("scale_1", value))
    assert cloud.scales[5, 1] == 0
    assert check_scene(fit_for_render(cloud)) == []


def test_a_zero_quaternion_is_read_as_the_identity() -> None:
    quats = BALL.quats.copy()
    quats[5] = 0
    cloud = read_ply(write_ply(replace(BALL, quats=quats)))
    assert cloud.unit_quats[5].tolist() == [1, 0, 0, 0]
    assert check_cloud(cloud) == []


def test_nothing_but_zero_quaternions_are_all_identities() -> None:
    assert [refusal.code for refusal in check_cloud(with_all(quats=0.0))] == ["identity_rotations"]


@pytest.mark.parametrize("size", [1e-40, 1e30])
def test_a_quaternion_of_any_length_is_made_a_unit(size: float) -> None:
    units = replace(BALL, quats=BALL.quats * np.float32(size)).unit_quats
    assert np.allclose(np.linalg.norm(units, axis=1), 1, atol=1e-5)


def codes_of(cloud: GaussianCloud) -> list[str]:
    refusals = check_cloud(cloud)
    if refusals:
        return [refusal.code for refusal in refusals]
    with np.errstate(all="ignore"):
        scene = fit_for_render(cloud)
    assert isinstance(scene, RenderableCloud)
    return [refusal.code for refusal in check_scene(scene)]


def test_a_box_whose_size_overflows_or_is_nothing_is_refused() -> None:
    assert codes_of(replace(BALL, means=BALL.means * np.float32(3e38))) == ["no_extent"]
    assert codes_of(with_all(means=2.0)) == ["no_extent"]


def test_values_that_overflow_once_fitted_are_refused() -> None:
    small = replace(BALL, means=BALL.means * np.float32(1e-30))
    assert codes_of(replace(small, log_scales=np.full_like(BALL.log_scales, 60))) == ["not_finite"]
    assert codes_of(replace(BALL, means=BALL.means * np.float32(1e-44))) == ["not_finite"]


def test_colours_beyond_the_range_are_kept() -> None:
    assert read_ply(ply_with("f_dc_0", 1e6)).sh0[5, 0] == np.float32(1e6)
    assert set(COLUMNS) == {"means", "sh0", "logit_opacities", "log_scales", "quats"}
