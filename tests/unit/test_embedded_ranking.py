"""The embedded scorer ranks assets rightly: a small version of benchmarks/rank_embedded.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rank_embedded import FIRST_SEED, Case, choose_cases, render, score_case, share_right
from subnet17.splat.ply import read_ply
from subnet17.validation.scoring.alignment import REFERENCE_SEEDS
from subnet17.validation.scoring.embedded import EmbeddedScorer

CASES = 7
"""Of four scored assets each: 21 pairs with the own prompt's on one side."""


@pytest.fixture(scope="module")
def scorer() -> EmbeddedScorer:
    return EmbeddedScorer()


@pytest.fixture(scope="module")
def cases(scorer: EmbeddedScorer) -> list[Case]:
    assert not set(REFERENCE_SEEDS) & set(range(FIRST_SEED, FIRST_SEED + CASES))
    return [score_case(scorer, *case, 20_000) for case in choose_cases(CASES)]


@pytest.mark.parametrize("worse", ["by_other", "noisy", "noise"])
def test_the_own_prompt_of_a_clean_asset_ranks_first(cases: list[Case], worse: str) -> None:
    assert share_right(cases, "own", worse) == 1


def test_scores_fall_where_a_miner_and_a_validator_need_them(cases: list[Case]) -> None:
    assert min(case.own.score for case in cases) >= 0.75
    assert max(case.noise.score for case in cases) < 0.3


def test_a_real_asset_is_told_from_another_subject(scorer: EmbeddedScorer, shared_dir: Path) -> None:
    views = render(read_ply((shared_dir / "hamburger.ply").read_bytes()))
    own, other = (scorer.score_text(views, prompt) for prompt in ("a hamburger", "a blue car"))
    assert own.score > 0.75
    assert other.score < own.score
    assert own.ssim == pytest.approx(0.82033, abs=2e-3)
