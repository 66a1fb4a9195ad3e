"""Profiles scale what the settings say, and never leave what is allowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from subnet17.generation.profiles import MIN_SPLATS, PROFILES, plan_work
from subnet17.gpu.pressure import LEVELS
from subnet17.settings import GenerationTable


def test_balanced_work_is_what_the_settings_say() -> None:
    work = plan_work(GenerationTable(), "balanced", LEVELS[0])
    assert (work.image_size_px, work.image_steps, work.shape_steps) == (512, 4, 30)
    assert (work.octree_resolution, work.splats) == (384, 100_000)


def test_each_profile_does_more_than_the_one_before() -> None:
    speed, balanced, quality = (plan_work(GenerationTable(), name, LEVELS[0]) for name in PROFILES)
    for one, more in ((speed, balanced), (balanced, quality)):
        assert one.shape_steps < more.shape_steps
        assert one.octree_resolution < more.octree_resolution
        assert one.splats < more.splats
        assert one.faces < more.faces


@given(
    image_px=st.integers(64, 2048),
    octree=st.integers(16, 1024),
    steps=st.integers(1, 100),
    splats=st.integers(7000, 2_000_000),
    name=st.sampled_from(sorted(PROFILES)),
    level=st.sampled_from(LEVELS),
)
def test_work_stays_within_what_models_and_validators_take(
    image_px: int, octree: int, steps: int, splats: int, name: str, level: object
) -> None:
    settings = GenerationTable(
        image_size_px=image_px,
        octree_resolution=octree,
        image_steps=steps,
        num_inference_steps=steps,
        splat_count=splats,
    )
    work = plan_work(settings, name, level)  # type: ignore[arg-type]
    assert 64 <= work.image_size_px <= 2048
    assert work.image_size_px % 16 == 0
    assert 16 <= work.octree_resolution <= 1024
    assert work.image_steps >= 1
    assert work.shape_steps >= 1
    assert work.splats >= MIN_SPLATS
