"""`local_validation_runner.py`: one prompt through both servers, everything kept in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from subnet17.errors import S17Error
from subnet17.serving.run import exit_with
from subnet17.settings import PROJECT_ROOT, load_settings
from subnet17.trials.servers import RunningServers
from subnet17.trials.trial import STEPS, Trial, open_run_folder, random_seed, run_trial, save_assets

DEFAULT_PROMPT = "a cute cat wearing a wizard hat"
OUTPUT = PROJECT_ROOT / "locally_validated_assets"


def make_progress(console: Console) -> Progress:
    """The progress bar of both tools."""
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=console,
    )


def main(
    prompt: Annotated[str, typer.Argument(help="What to make.")] = DEFAULT_PROMPT,
    seed: Annotated[int | None, typer.Option(min=0, help="Default: random.")] = None,
    output: Annotated[Path, typer.Option(help="Parent folder of the run.")] = OUTPUT,
    config: Annotated[str | None, typer.Option(help="A mining.toml.")] = None,
) -> None:
    """Makes one asset, scores it, and saves asset, previews, score and timings."""
    console = Console()
    try:
        servers = RunningServers(load_settings(config))
        servers.check()
        chosen = random_seed() if seed is None else seed
        with open_run_folder(output) as folder, make_progress(console) as progress:
            bar = progress.add_task("generate", total=len(STEPS))

            def advance(step: str) -> None:
                following = [*STEPS, "done"][STEPS.index(step) + 1]
                progress.update(bar, advance=1, description=following)

            trial = run_trial(servers, prompt, chosen, on_step=advance)
            save_assets(trial, folder)
    except (S17Error, OSError) as error:
        raise typer.Exit(exit_with(error)) from None
    print_trial(console, trial, folder)
    if trial.refusals:
        raise typer.Exit(1)


def print_trial(console: Console, trial: Trial, folder: Path) -> None:
    """A summary for a person."""
    verdict = trial.verdict
    table = Table(title=escape(trial.prompt), show_header=False, title_justify="left")
    table.add_row("score", f"{trial.score:.4f} ({verdict.get('scorer', '?')} scorer)")
    for name in ("iqa", "alignment_score", "ssim", "lpips"):
        table.add_row(name, f"{verdict[name]:.4f}")
    table.add_row("seed", str(trial.seed))
    table.add_row("back end", trial.backend)
    table.add_row("size", f"{len(trial.ply) / 1e6:.1f} MB PLY, {len(trial.spz) / 1e6:.2f} MB SPZ")
    table.add_row("time", ", ".join(f"{step} {spent_s:.2f} s" for step, spent_s in trial.timings_s.items()))
    for note in trial.notes:
        table.add_row("note", escape(note))
    for refusal in trial.refusals:
        table.add_row("[red]refused[/]", escape(refusal))
    console.print(table)
    console.print(f"saved in {escape(str(folder))}", soft_wrap=True)
