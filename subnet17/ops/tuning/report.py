"""Shows an analysis to people: tables of targets, benchmark, validators, market and proposals."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from subnet17.ops.tuning.analysis import Analysis, compare_with_targets
from subnet17.ops.tuning.history import History, ValidatorHistory

MARKET_FIGURES = ("rank", "miners", "incentive", "duel_rating", "average_fidelity", "window_generations")


def as_report(found: Analysis) -> RenderableType:
    """For people."""
    return Group(*_parts(found))


def _parts(found: Analysis) -> Iterator[RenderableType]:
    yield _targets_table(found)
    if found.problem is not None:
        yield f"[yellow]not measured:[/] {escape(found.problem.message)}"
    if found.samples:
        yield _benchmark_table(found)
    if found.history is None:
        yield f"[dim]no history:[/] {escape(found.no_history)}"
    else:
        yield _validators_table(found.history)
        yield _market_table(found.history)
    yield _proposals(found)


def _targets_table(found: Analysis) -> Table:
    table = Table(title="targets", title_justify="left")
    for column in ("target", "wanted", "benchmark", "journal", "met"):
        table.add_column(column, no_wrap=True)
    table.add_column("from", overflow="fold")
    marks = {True: "[green]yes[/]", False: "[red]no[/]", None: "[dim]unknown[/]"}
    for row in compare_with_targets(found):
        figures = (str(figure) if figure else "-" for figure in (row.benchmark, row.journal))
        table.add_row(row.name, row.target, *figures, marks[row.met], escape(row.note))
    return table


def _benchmark_table(found: Analysis) -> Table:
    count = max(len(sample.pieces) for sample in found.samples.values())
    title = f"benchmark of {found.backend or 'the generator'} by the {found.scorer or 'unknown'} scorer"
    caption = f"{count} requests each, mean ± standard deviation; * in force; score counts "
    caption += f"{found.terms.quality_factor:.2g} in worth"
    if others := sum(sample.others for sample in found.samples.values()):
        caption += f"; {others} jobs of others ran meanwhile"
    table = Table(title=escape(title), title_justify="left", caption=caption)
    for column in ("profile", "generation s", "score", "fit", "worth"):
        table.add_column(column, no_wrap=True)
    for name, sample in found.samples.items():
        shown = f"[bold]{name} *[/]" if name == found.profile else name
        figures = (str(f) for f in (sample.generation_s, sample.score))
        table.add_row(shown, *figures, f"{sample.fit_share:.0%}", str(sample.worth(found.terms)))
    return table


def _validators_table(history: History) -> Table:
    title = f"journal, {history.hours:g} h: {history.tasks} tasks answered"
    table = Table(title=title, title_justify="left", caption=escape(history.folder))
    for column in (
        "validator",
        "tasks",
        "accepted",
        "rejected",
        "skipped",
        "other",
        "our score",
        "its score",
    ):
        table.add_column(column, no_wrap=True)
    for entry in sorted(history.validators.values(), key=lambda v: -v.tasks):
        table.add_row(f"{entry.hotkey[:12]}…", *_counts(entry), *_scores(entry))
    return table


def _counts(entry: ValidatorHistory) -> Iterator[str]:
    for count in (entry.tasks, entry.accepted, entry.rejected, entry.skipped, entry.other):
        yield str(count)


def _scores(entry: ValidatorHistory) -> Iterator[str]:
    facts = entry.as_json()
    for name in ("scores", "fidelities"):
        yield "-" if facts[name] is None else f"{facts[name]:.3f}"


def _market_table(history: History) -> RenderableType:
    if not any(history.market.values()):
        return "[dim]no market view: the miner has not noted its standing yet (one row an hour)[/]"
    table = Table(title="market", title_justify="left")
    for column in ("", *(name.replace("_", " ") for name in history.market)):
        table.add_column(column)
    for name in MARKET_FIGURES:
        values = [row.get(name) for row in history.market.values()]
        if any(value is not None for value in values):
            table.add_row(
                name.replace("_", " "), *("-" if value is None else f"{value:g}" for value in values)
            )
    return table


def _proposals(found: Analysis) -> RenderableType:
    if not found.proposals:
        why = "nothing to propose" if found.samples or found.history else "nothing measured, nothing proposed"
        return f"[bold]{why}[/]"
    table = Table(title="proposals (--apply writes them)", title_justify="left")
    for column in ("change", "why", "effect"):
        table.add_column(column, overflow="fold")
    for proposal in found.proposals:
        changes = ", ".join(f"{n}: {proposal.was[n]} -> {value}" for n, value in proposal.changes.items())
        restart = " (needs a restart)" if proposal.needs_restart else ""
        table.add_row(escape(changes + restart), escape(proposal.why), escape(proposal.evidence))
    return table
