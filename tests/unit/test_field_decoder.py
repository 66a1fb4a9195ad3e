"""The decoder of points is hy3dgen's own, in batches of one size."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("hy3dgen")

from subnet17.generation.shape.field_decoder import FieldDecoder  # noqa: E402 - after the skip
from subnet17.gpu.compiled_blocks import CompiledBlocks  # noqa: E402
from tests.tiny_hunyuan import random_weights, shape_config  # noqa: E402

VARIANTS: list[dict[str, Any]] = [
    {},
    {"qk_norm": False},
    {"qkv_bias": True},
    {"geo_decoder_ln_post": False},
    {"geo_decoder_downsample_ratio": 2, "geo_decoder_mlp_expand_ratio": 1},
    {"geo_decoder_downsample_ratio": 2, "geo_decoder_ln_post": False},
    {"include_pi": True},
]


def make_vae(**variant: Any) -> Any:
    from hy3dgen.shapegen.pipelines import instantiate_from_config  # noqa: PLC0415 - after the skip

    config = shape_config(**variant)["vae"]
    vae = instantiate_from_config(config)
    vae.load_state_dict(random_weights(config))
    return vae.float().eval().requires_grad_(False)


def some_points(count: int) -> Any:
    return (torch.rand(count, 3, generator=torch.Generator().manual_seed(3)) - 0.5) * 2.02


def some_tokens(vae: Any, seed: int = 5) -> Any:
    return vae(torch.randn(1, 24, 8, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_values_are_those_of_the_decoders_own_forward(variant: dict[str, Any]) -> None:
    vae = make_vae(**variant)
    points, tokens = some_points(50), some_tokens(vae)
    expected = vae.geo_decoder(queries=points[None], latents=tokens)[0, :, 0]
    values = FieldDecoder(vae.geo_decoder, batch_points=16).field(tokens)(points)
    assert expected.std() > 0.01, "a constant field would prove nothing"
    torch.testing.assert_close(values, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 64])
def test_any_number_of_points_gives_the_same_values_point_by_point(count: int) -> None:
    vae = make_vae()
    points, tokens = some_points(64), some_tokens(vae)
    whole = FieldDecoder(vae.geo_decoder, batch_points=64).field(tokens)(points)
    values = FieldDecoder(vae.geo_decoder, batch_points=16).field(tokens)(points[:count])
    assert values.shape == (count,)
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, whole[:count], atol=1e-6, rtol=1e-6)


def test_fields_of_two_shapes_do_not_share_keys() -> None:
    vae = make_vae()
    decoder = FieldDecoder(vae.geo_decoder, batch_points=16)
    points = some_points(16)
    first, second = (decoder.field(some_tokens(vae, seed)) for seed in (1, 2))
    before = first(points)
    assert not torch.allclose(before, second(points), atol=1e-3)
    torch.testing.assert_close(first(points), before)


def test_values_can_be_changed_in_place_and_carry_no_gradient() -> None:
    vae = make_vae()
    values = FieldDecoder(vae.geo_decoder, batch_points=16).field(some_tokens(vae))(some_points(5))
    values += 1
    assert not values.requires_grad


def test_points_of_another_precision_and_layout_are_taken() -> None:
    vae = make_vae()
    field = FieldDecoder(vae.geo_decoder, batch_points=16).field(some_tokens(vae))
    points = some_points(20)
    torch.testing.assert_close(field(points.double().t().contiguous().t()), field(points))


def test_half_precision_weights_do_not_move_points() -> None:
    # 0.70703125 and 0.70710677 are one number in half precision.
    vae = make_vae(include_pi=True).half()
    decoder = FieldDecoder(vae.geo_decoder)
    embedded = decoder._embed(torch.tensor([[0.70703125, 0.70710677, 0.0]]))
    angle = 8 * math.pi * 0.70710677
    frequencies = 4
    assert embedded[0, 3 + 2 * frequencies - 1].item() == pytest.approx(math.sin(angle), abs=1e-4)
    assert embedded[0, 3 + frequencies - 1].item() == pytest.approx(
        math.sin(8 * math.pi * 0.70703125), abs=1e-4
    )


def test_compiled_once_for_all_batches_and_shapes() -> None:
    torch._dynamo.reset()
    graphs = []

    def count(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    vae = make_vae()
    decoder = FieldDecoder(vae.geo_decoder, batch_points=16)
    points = some_points(50)
    eager = decoder.field(some_tokens(vae))(points)
    blocks = CompiledBlocks([decoder], torch.device("cpu"), backend=count)
    with blocks.warming():
        for seed in (5, 6):
            values = decoder.field(some_tokens(vae, seed))(points)
            decoder.field(some_tokens(vae, seed))(points[:3])
            if seed == 5:
                torch.testing.assert_close(values, eager)
    assert len(graphs) == 1
    blocks.leave_eager()
    decoder.batch_points = 8
    torch.testing.assert_close(decoder.field(some_tokens(vae))(points), eager, atol=1e-6, rtol=1e-6)
    assert len(graphs) == 1, "eager again"
