"""Does the embedded scorer rank assets rightly? Prints the share of pairs in the right order.

For each case an asset is made for a prompt, with a seed that is not one of the scorer's, and scored
    own      against its own prompt
    other    against another prompt, of another family
    noisy    as a noisy copy (jittered centres, colours and sizes), against its own prompt
    noise    as a random cloud of splats, against the same prompt
The right order is own > other, own > noisy, own > noise, noisy > noise.

Run: python -m benchmarks.rank_embedded [--cases 200] [--splats 30000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from subnet17.procedural.make import ABSTRACT, make_model
from subnet17.procedural.model import families
from subnet17.procedural.prompt import understand
from subnet17.splat.cameras import RenderedViews, fit_for_render, official_cameras
from subnet17.splat.cloud import GaussianCloud
from subnet17.splat.from_mesh import mesh_to_splats
from subnet17.splat.rasterize_cpu import render_views
from subnet17.validation.scoring.embedded import EmbeddedScorer
from subnet17.validation.scoring.scores import Scores

LOCAL_PROMPTS = Path(__file__).resolve().parents[1] / "subnet17" / "localnet" / "prompts.txt"
COLOURS = ("", "red ", "blue ", "green ", "yellow ", "black ", "white ", "purple ", "orange ")
FIRST_SEED = 1000
"""Far from the scorer's reference seeds."""


@dataclass(frozen=True)
class Case:
    """One prompt with everything that is scored for it."""

    prompt: str
    other: str
    own: Scores
    by_other: Scores
    noisy: Scores
    noise: Scores


def add_noise(cloud: GaussianCloud, *, seed: int) -> GaussianCloud:
    """The cloud with centres off by 1 % of its extent, colours by 0.15 and sizes by 30 %, each a sigma."""
    rng = np.random.default_rng(seed)
    extent = float(np.ptp(cloud.means, axis=0).max())
    return GaussianCloud(
        means=cloud.means + rng.normal(0, 0.01 * extent, cloud.means.shape).astype(np.float32),
        log_scales=cloud.log_scales + rng.normal(0, 0.3, cloud.log_scales.shape).astype(np.float32),
        quats=cloud.quats,
        logit_opacities=cloud.logit_opacities,
        sh0=cloud.sh0 + rng.normal(0, 0.15 / 0.282, cloud.sh0.shape).astype(np.float32),
    )


def make_noise(*, seed: int, count: int = 20_000) -> GaussianCloud:
    """Splats of random place, size, turn, opacity and colour in a cube."""
    rng = np.random.default_rng(seed)
    return GaussianCloud.from_activated(
        means=rng.uniform(-0.75, 0.75, (count, 3)).astype(np.float32),
        scales=np.exp(rng.normal(-4.2, 0.4, (count, 3))).astype(np.float32),
        quats=rng.normal(size=(count, 4)).astype(np.float32),
        opacities=rng.uniform(0.05, 0.99, count).astype(np.float32),
        rgb=rng.uniform(0, 1, (count, 3)).astype(np.float32),
    )


def known_prompts() -> list[str]:
    """The local subnet's prompts whose subject is known, then every family's words in changing colours."""
    listed = LOCAL_PROMPTS.read_text(encoding="utf-8").splitlines() if LOCAL_PROMPTS.exists() else []
    prompts = [line for line in listed if line and not line.startswith("#") and understand(line).family]
    words = [w for name, f in families().items() if name != ABSTRACT for w in f.words]
    return prompts + [f"a {COLOURS[i % len(COLOURS)]}{word}" for i, word in enumerate(words)]


def choose_cases(count: int) -> Iterator[tuple[str, str, int]]:
    """(prompt, prompt of another family, seed)."""
    prompts = known_prompts()
    rng = np.random.default_rng(17)
    order = rng.permutation(len(prompts))
    for i in range(count):
        prompt = prompts[order[i % len(prompts)]]
        strangers = [p for p in prompts if understand(p).family != understand(prompt).family]
        yield prompt, strangers[int(rng.integers(len(strangers)))], FIRST_SEED + i


def render(cloud: GaussianCloud) -> RenderedViews:
    """The 16 official views."""
    return render_views(fit_for_render(cloud), official_cameras())


def score_case(scorer: EmbeddedScorer, prompt: str, other: str, seed: int, splats: int) -> Case:
    """Makes, spoils, renders and scores."""
    cloud = mesh_to_splats(make_model(prompt, seed=seed).mesh, count=splats, seed=seed)
    views = render(cloud)
    return Case(
        prompt,
        other,
        own=scorer.score_text(views, prompt),
        by_other=scorer.score_text(views, other),
        noisy=scorer.score_text(render(add_noise(cloud, seed=seed)), prompt),
        noise=scorer.score_text(render(make_noise(seed=seed)), prompt),
    )


def share_right(cases: list[Case], better: str, worse: str) -> float:
    """Share of the cases in which `better` has the higher score."""
    return float(np.mean([getattr(c, better).score > getattr(c, worse).score for c in cases]))


def print_report(cases: list[Case]) -> None:
    """Shares, medians, and the cases to look at."""
    for better, worse in (("own", "by_other"), ("own", "noisy"), ("own", "noise"), ("noisy", "noise")):
        print(f"{better:>6} > {worse:<9} {share_right(cases, better, worse):.1%} of {len(cases)}")
    for kind in ("own", "by_other", "noisy", "noise"):
        scores = np.array([getattr(c, kind).score for c in cases])
        low, median, high = np.percentile(scores, [10, 50, 90])
        line = f"{kind:>9}  score median {median:.3f}, 10th {low:.3f}, 90th percentile {high:.3f}"
        print(f"{line}, >= 0.7 {np.mean(scores >= 0.7):.0%}, 0 {np.mean(scores == 0):.0%}")
    for case in sorted(cases, key=lambda c: c.own.score - max(c.by_other.score, c.noisy.score))[:10]:
        own = f"own {case.own.score:.3f} (iqa {case.own.iqa:.2f}, alignment {case.own.alignment:.2f})"
        others = f"as {case.other!r} {case.by_other.score:.3f}, noisy {case.noisy.score:.3f}"
        print(f"  {case.prompt!r}: {own}, {others}")


def main() -> None:
    """Parses the flags and runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--splats", type=int, default=30_000)
    args = parser.parse_args()
    started_s = time.perf_counter()
    scorer = EmbeddedScorer()
    print(f"{len(families())} families, scorer loaded in {time.perf_counter() - started_s:.1f} s")
    print_report([score_case(scorer, *case, args.splats) for case in choose_cases(args.cases)])
    print(f"{time.perf_counter() - started_s:.0f} s in all")


if __name__ == "__main__":
    main()
