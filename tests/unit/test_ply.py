"""The PLY codec: what is written is read back, and everything else is refused by name."""

from __future__ import annotations

import io
import tracemalloc
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subnet17.errors import AssetError, TooLargeError
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.limits import MAX_LOG_SCALE, MAX_LOGIT, check_finite
from subnet17.splat.ply import NAMES, read_ply, write_ply

FIELDS = tuple(field.name for field in fields(GaussianCloud))


def make_cloud(count: int = 5, seed: int = 0) -> GaussianCloud:
    table = np.random.default_rng(seed).normal(size=(count, 14)).astype(np.float32)
    return GaussianCloud(
        means=table[:, :3],
        log_scales=table[:, 3:6] - 4,
        quats=table[:, 6:10],
        logit_opacities=table[:, 10],
        sh0=table[:, 11:],
    )


def header(
    *,
    count: int | str = 1,
    names: tuple[str, ...] = NAMES,
    form: str = "binary_little_endian 1.0",
    extra: str = "",
    line_end: str = "\n",
) -> bytes:
    lines = ["ply", f"format {form}", f"element vertex {count}", *(f"property float {n}" for n in names)]
    text = "\n".join(lines) + "\n" + extra + "end_header\n"
    return text.replace("\n", line_end).encode()


def body(values: dict[str, float] | None = None, names: tuple[str, ...] = NAMES) -> bytes:
    row = {"rot_0": 1.0, **(values or {})}
    return np.array([row.get(name, 0.5) for name in names], dtype="<f4").tobytes()


def assert_same(left: GaussianCloud, right: GaussianCloud) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@st.composite
def clouds(draw: st.DrawFn) -> GaussianCloud:
    count = draw(st.integers(1, 20))
    finite = st.floats(-80, 80, width=32)
    rows = draw(st.lists(st.lists(finite, min_size=14, max_size=14), min_size=count, max_size=count))
    t = np.array(rows, dtype=np.float32)
    return GaussianCloud(t[:, :3], t[:, 3:6], t[:, 6:10], t[:, 10], t[:, 11:])


@given(clouds())
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back_bit_for_bit(cloud: GaussianCloud) -> None:
    content = write_ply(cloud)
    assert_same(read_ply(content), cloud)
    assert_same(read_ply(io.BytesIO(content)), cloud)


def test_official_asset_is_rewritten_byte_for_byte(shared_dir: Path) -> None:
    content = (shared_dir / "hamburger.ply").read_bytes()
    cloud = read_ply(content)
    assert len(cloud) == 52_709
    assert write_ply(cloud) == content


def test_bytes_views_and_streams_give_the_same_cloud() -> None:
    content = write_ply(make_cloud())
    for source in (content, bytearray(content), memoryview(content), io.BytesIO(content)):
        assert_same(read_ply(source), make_cloud())


def test_stream_that_trickles_is_read_whole() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(7, size or 0))

    assert_same(read_ply(Trickle(write_ply(make_cloud()))), make_cloud())


def test_cloud_does_not_share_memory_with_the_file() -> None:
    content = bytearray(write_ply(make_cloud(1)))
    cloud = read_ply(content)
    content[-56:] = bytes(56)
    assert_same(cloud, make_cloud(1))


def test_properties_in_any_order_with_unknown_ones_between_are_found() -> None:
    names = ("nx", *reversed(NAMES), "f_rest_0", "f_rest_44")
    values = {name: float(i) for i, name in enumerate(names)}
    cloud = read_ply(header(names=names) + body(values, names))
    assert cloud.means.tolist() == [[values["x"], values["y"], values["z"]]]
    assert cloud.quats.tolist() == [[values[f"rot_{i}"] for i in range(4)]]
    assert cloud.logit_opacities.tolist() == [values["opacity"]]


def test_comments_are_read_over_even_when_they_say_end_header() -> None:
    extra = "comment end_header\nobj_info made by \xe9\ncomment\n"
    content = header(extra=extra) + body()
    assert_same(read_ply(content), read_ply(header() + body()))


def test_crlf_header_is_read_like_lf() -> None:
    # The body starts with a byte that is a line feed: only a strict header keeps it.
    first = {"x": float(np.frombuffer(b"\n\r\n\x3f", "<f4")[0])}
    assert_same(read_ply(header(line_end="\r\n") + body(first)), read_ply(header() + body(first)))


@pytest.mark.parametrize(
    "content",
    [
        header().replace(b"end_header\n", b"end_header\r\n") + body(),
        header(line_end="\r\n").replace(b"end_header\r\n", b"end_header\n") + body(),
        header(line_end="\r") + body(),
    ],
)
def test_mixed_or_bare_cr_line_ends_are_refused(content: bytes) -> None:
    with pytest.raises(AssetError, match=r"mixes line ends|not a PLY"):
        read_ply(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a PLY"),
        (b"\x28\xb5\x2f\xfd1234", "not a PLY"),
        (b"ply\nend_header\n", "no format line"),
        (b"ply\nformat binary_little_endian 1.0\nend_header\n", "declares no element"),
        (header()[:-11] + body(), "no end_header"),
        (header(form="ascii 1.0") + b"0 " * 14, "ascii 1.0.*expected 'format binary_little_endian"),
        (header(form="binary_big_endian 1.0") + body(), "binary_big_endian"),
        (header(form="binary_little_endian 2.0") + body(), "2.0"),
        (header(extra="element camera 1\nproperty float fov\n") + body(), "2 elements .vertex, camera"),
        (header().replace(b"element vertex 1", b"element splat 1") + body(), "1 elements .splat"),
        (header().replace(b"float opacity", b"double opacity") + body(), "'double opacity'; only float"),
        (header().replace(b"float z", b"uchar z") + body(), "'uchar z'; only float"),
        (header(extra="property list uchar int near\n") + body(), "'list uchar int near'"),
        (header(names=NAMES[:-1]) + body(), "lacks 1 of 14 properties: rot_3"),
        (header(names=(*NAMES, "x")) + body(), "more than once: x"),
        (header(count="-1") + body(), "element vertex -1"),
        (header(count="1_0") + body(), "element vertex 1_0"),
        (header(count="9" * 30) + body(), "can't be read"),
        (header(count=0), "holds 0 splats, at least 1"),
        (header(extra="nonsense\n") + body(), "'nonsense'"),
        (header(extra="\n") + body(), "can't be read"),
        (header(extra="comment \n" * 300) + body(), "more than 256 lines"),
        (header(extra="comment " + "a" * 20_000 + "\n") + body(), "first 16384 bytes"),
        (header(extra="property float " + "a" * 65 + "\n") + body(), "can't be read"),
    ],
)
def test_other_layouts_are_refused_by_name(content: bytes, says: str) -> None:
    for source in (content, io.BytesIO(content)):
        with pytest.raises(AssetError, match=says) as caught:
            read_ply(source)
        assert "kind" not in caught.value.detail
        assert len(caught.value.message) < 400
        assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "content",
    [
        header(names=("x", "y", "z")) + bytes(12),
        header(names=("x", "y", "z", "nx", "ny", "nz"), form="ascii 1.0"),
        header(names=("x", "y", "z"), extra="element face 2\nproperty list uchar int vertex_indices\n"),
        header(extra="element face 2\nproperty list uchar int vertex_indices\n") + body(),
        header(names=("x", "y", "z")).replace(b"float", b"double") + bytes(24),
        header(names=("x", "y", "z"), extra="property uchar red\n") + bytes(13),
    ],
)
def test_mesh_is_told_apart_and_says_what_to_do(content: bytes) -> None:
    with pytest.raises(AssetError, match=r"looks like a mesh.*convert it to splats") as caught:
        read_ply(content)
    assert caught.value.detail["kind"] == "mesh"


@pytest.mark.parametrize(("change", "measured"), [(-1, 111), (-112, 0), (1, 113), (5000, 5112)])
def test_body_of_another_length_is_refused_with_both_lengths(change: int, measured: int) -> None:
    content = header(count=2) + body() * 2
    content = content[:change] if change < 0 else content + bytes(change)
    with pytest.raises(AssetError, match=f"has {measured} bytes, expected 112 for 2 splats of 14") as caught:
        read_ply(content)
    assert caught.value.detail == {"expected_bytes": 112, "measured_bytes": measured}
    with pytest.raises(AssetError, match=r"bytes, expected 112 "):
        read_ply(io.BytesIO(content))


def test_count_and_size_over_their_limits_are_refused() -> None:
    with pytest.raises(TooLargeError, match="announces 3 splats, at most 2"):
        read_ply(header(count=3) + body() * 3, max_splats=2)
    assert len(read_ply(header(count=2) + body() * 2, max_splats=2)) == 2
    with pytest.raises(TooLargeError, match="168 bytes, at most 167"):
        read_ply(header(count=3) + body() * 3, max_bytes=167)
    with pytest.raises(TooLargeError, match="99999999999999999999 splats"):
        read_ply(header(count="9" * 20) + body())


@pytest.mark.parametrize("count", [5_000_000, 10**11])
def test_lying_header_allocates_nothing(count: int) -> None:
    content = header(count=count) + body() * 3
    tracemalloc.start()
    try:
        for source in (content, io.BytesIO(content)):
            with pytest.raises((AssetError, TooLargeError)):
                read_ply(source)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * 2**20


def test_stream_longer_than_announced_is_not_read_to_its_end() -> None:
    stream = io.BytesIO(header(count=1000) + body() * 1000 + bytes(8 * 2**20))
    with pytest.raises(AssetError, match="at least 56001 bytes, expected 56000"):
        read_ply(stream)
    assert stream.tell() < 2**20


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        *((name, np.nan, None) for name in NAMES),
        ("y", np.inf, "means"),
        ("f_dc_2", -np.inf, "sh0"),
        ("scale_1", np.inf, "log_scales"),
        ("scale_1", -np.inf, "log_scales"),
        ("scale_1", 89.0, "log_scales"),
        ("rot_3", np.inf, "quats"),
    ],
)
def test_values_that_can_not_be_rendered_are_refused_with_place_and_count(
    name: str, value: float, field: str | None
) -> None:
    content = header(count=3) + body() + body({name: value}) * 2
    with pytest.raises(AssetError, match=r"2 bad values of .* in splat 1") as caught:
        read_ply(content)
    assert caught.value.detail["count"] == 2
    assert caught.value.detail["first_index"] == 1
    assert caught.value.detail["field"] in FIELDS
    assert field in (None, caught.value.detail["field"])


def test_infinite_opacity_logits_become_finite_and_keep_their_opacity() -> None:
    content = header(count=3) + body({"opacity": np.inf}) + body({"opacity": -np.inf}) + body({"opacity": 50})
    cloud = read_ply(content)
    assert cloud.logit_opacities.tolist() == [MAX_LOGIT, -MAX_LOGIT, 50.0]
    assert cloud.opacities[0] == 1.0
    assert cloud.opacities[1] < 1e-8


def test_zero_quaternion_is_read_as_the_identity() -> None:
    cloud = read_ply(header() + body({f"rot_{i}": 0.0 for i in range(4)}))
    assert cloud.unit_quats.tolist() == [[1, 0, 0, 0]]


def test_largest_allowed_log_scale_has_a_finite_scale() -> None:
    cloud = make_cloud(1)
    widest = replace(cloud, log_scales=np.full((1, 3), MAX_LOG_SCALE, dtype=np.float32))
    assert np.isfinite(check_finite(widest).scales).all()
    with np.errstate(over="ignore"):
        assert np.isinf(np.exp(np.float32(MAX_LOG_SCALE + 1e-3)))


def test_finite_cloud_is_handed_back_uncopied() -> None:
    cloud = make_cloud()
    assert check_finite(cloud) is cloud


def test_unreadable_values_are_not_written() -> None:
    means = make_cloud().means.copy()
    means[3, 1] = np.nan
    with pytest.raises(AssetError, match="means holds 1 bad values of 15, the first is nan in splat 3"):
        write_ply(replace(make_cloud(), means=means))
