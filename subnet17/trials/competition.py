"""`local_compete_validation.py`: several seeds of one prompt, the best of them, and a summary."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from subnet17.errors import S17Error
from subnet17.serving.run import exit_with
from subnet17.settings import PROJECT_ROOT, load_settings
from subnet17.trials.contact_sheet import make_contact_sheet
from subnet17.trials.runner import make_progress
from subnet17.trials.servers import RunningServers
from subnet17.trials.trial import Trial, open_run_folder, random_seed, run_trial, save_assets

DEFAULT_PROMPT = "a detailed fantasy sword"
OUTPUT = PROJECT_ROOT / "competition_results"
COLUMNS = (
    "rank",
    "seed",
    "score",
    "iqa",
    "alignment_score",
    "ssim",
    "lpips",
    "generate_s",
    "score_s",
    "reasons",
)


def main(
    prompt: Annotated[str, typer.Argument(help="What to make.")] = DEFAULT_PROMPT,
    num_variants: Annotated[
        int, typer.Option("-n", "--num_variants", "--num-variants", min=1, max=1000, help="How many seeds.")
    ] = 5,
    seed: Annotated[
        int | None, typer.Option(min=0, help="First seed, the others follow. Default: random.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Parent folder of the run.")] = OUTPUT,
    config: Annotated[str | None, typer.Option(help="A mining.toml.")] = None,
) -> None:
    """Makes N variants of one prompt, keeps the best, and summarises all."""
    console = Console()
    first = random_seed() if seed is None else seed
    try:
        settings = load_settings(config)
        servers = RunningServers(settings)
        servers.check()
        threshold = settings.miner.competitive_score_threshold
        with open_run_folder(output) as folder:
            trials, failures = _run_all(console, servers, prompt, [first + i for i in range(num_variants)])
            if not trials:
                raise failures[0][1]
            best = max(trials, key=lambda trial: trial.score)
            save_assets(best, folder)
            save_summary(trials, failures, folder, competitive_score_threshold=threshold)
    except (S17Error, OSError) as error:
        raise typer.Exit(exit_with(error)) from None
    _print_summary(console, trials, folder, threshold)
    if failures or best.refusals:
        for failed_seed, failure in failures:
            console.print(f"[red]seed {failed_seed} failed:[/] {escape(str(failure))}")
        raise typer.Exit(1)


def _run_all(
    console: Console, servers: RunningServers, prompt: str, seeds: list[int]
) -> tuple[list[Trial], list[tuple[int, S17Error]]]:
    """All trials, of which only the best one keeps its files, and what failed."""
    trials: list[Trial] = []
    failures: list[tuple[int, S17Error]] = []
    with make_progress(console) as progress:
        bar = progress.add_task("competing", total=len(seeds))
        for seed in seeds:
            try:
                trials.append(run_trial(servers, prompt, seed))
            except S17Error as error:
                failures.append((seed, error))
            best = max(trials, key=lambda trial: trial.score, default=None)
            trials = [trial if trial is best or not trial.ply else trial.without_files() for trial in trials]
            progress.update(bar, advance=1, description=f"best so far {best.score if best else 0:.4f}")
    return trials, failures


def save_summary(
    trials: list[Trial],
    failures: list[tuple[int, S17Error]],
    folder: Path,
    *,
    competitive_score_threshold: float,
) -> None:
    """Writes summary.json, summary.csv and contact_sheet.png, the best first."""
    ranked = sorted(trials, key=lambda trial: trial.score, reverse=True)
    rows = [_row_of(rank, trial) for rank, trial in enumerate(ranked, start=1)]
    scores = [trial.score for trial in ranked]
    summary = {
        "prompt": ranked[0].prompt,
        "scorer": ranked[0].verdict.get("scorer"),
        "best": {"seed": ranked[0].seed, "score": scores[0]},
        "competitive": scores[0] >= competitive_score_threshold,
        "competitive_score_threshold": competitive_score_threshold,
        "mean_score": statistics.fmean(scores),
        "median_score": statistics.median(scores),
        "worst_score": scores[-1],
        "variants": rows,
        "failed": [{"seed": seed, **error.as_json()["error"]} for seed, error in failures],
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
    with (folder / "summary.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    pictures = [(trial.previews.get("preview.png"), _caption(trial)) for trial in ranked]
    (folder / "contact_sheet.png").write_bytes(make_contact_sheet(pictures, highlight=0))


def _row_of(rank: int, trial: Trial) -> dict[str, Any]:
    verdict = trial.verdict
    return {
        "rank": rank,
        "seed": trial.seed,
        "score": round(trial.score, 6),
        **{name: round(float(verdict[name]), 6) for name in ("iqa", "alignment_score", "ssim", "lpips")},
        "generate_s": trial.timings_s["generate"],
        "score_s": trial.timings_s["score"],
        "reasons": "; ".join(trial.refusals),
    }


def _caption(trial: Trial) -> str:
    return f"seed {trial.seed}\nscore {trial.score:.4f}"


def _print_summary(console: Console, trials: list[Trial], folder: Path, threshold: float) -> None:
    ranked = sorted(trials, key=lambda trial: trial.score, reverse=True)
    table = Table("rank", "seed", "score", "iqa", "alignment", "generate", title=escape(ranked[0].prompt))
    for rank, trial in enumerate(ranked, start=1):
        table.add_row(
            str(rank),
            str(trial.seed),
            f"{trial.score:.4f}",
            f"{trial.verdict['iqa']:.4f}",
            f"{trial.verdict['alignment_score']:.4f}",
            f"{trial.timings_s['generate']:.2f} s",
        )
    console.print(table)
    best = ranked[0]
    verb = "reaches" if best.score >= threshold else "is below"
    console.print(
        f"best: seed {best.seed}, {best.score:.4f}, {verb} competitive_score_threshold {threshold:g}"
    )
    console.print(f"saved in {escape(str(folder))}", soft_wrap=True)
