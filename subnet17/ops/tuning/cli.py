"""The optimizer's command line: `performance_optimizer.py`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from click.exceptions import Abort
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from subnet17.errors import ConfigError, OverloadedError, S17Error
from subnet17.log import configure_logging, get_logger
from subnet17.ops.tuning.analysis import Analysis, analyse, fit_score_of, read_journal, terms_of
from subnet17.ops.tuning.benchmark import PROMPTS, REQUESTS, RunningServers
from subnet17.ops.tuning.config_file import PENDING, ConfigFile, restore_pending
from subnet17.ops.tuning.proposals import EXPECTED, Proposal
from subnet17.ops.tuning.report import as_report
from subnet17.ops.tuning.samples import Difference, Terms
from subnet17.ops.tuning.search import search
from subnet17.ops.tuning.space import PROFILE, PROFILES, Changes, value_of
from subnet17.ops.tuning.trial import FOLDER, Outcome, alone, find_outcome, note_outcome, try_changes
from subnet17.ops.tuning.watch import INTERVAL_S, RealMachine, Watch
from subnet17.settings import Settings, Sources

EXIT_OK = 0
EXIT_NOT_MEASURED = 1
EXIT_USAGE = 2
EXIT_BUSY = 3
EXIT_TAKEN_BACK = 4
EXIT_INTERRUPTED = 130

log = get_logger()


class ProfileName(StrEnum):
    """Of `--profile`."""

    SPEED = "speed"
    BALANCED = "balanced"
    QUALITY = "quality"


class Run:
    """One run of the command: its settings, files and what the journal tells."""

    def __init__(self, config: Path | None, *, hours: float, hotkey: str, requests: int, force: bool) -> None:
        self.sources = Sources(config)
        self.file = ConfigFile(self.sources)
        self.settings: Settings = self.file.settings()
        self.folder = self.settings.data_dir / FOLDER
        self.force = force
        self.requests = requests
        self.hotkey = hotkey
        now_s = time.time()
        self.history, self.no_history = read_journal(
            self.settings, hotkey=hotkey, since_s=now_s - hours * 3600, until_s=now_s
        )
        self.terms: Terms = terms_of(self.settings, self.history)

    def servers(self) -> RunningServers:
        """A client of the running servers."""
        fit_score = fit_score_of(self.settings, self.history)
        return RunningServers(self.settings, fit_score=fit_score, requests=self.requests, force=self.force)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """For as long as settings are changed. Puts back what a killed run left changed."""
        with alone(self.folder):
            if restored := restore_pending(self.folder, self.file):
                _say(f"put back what a killed run had left changed: {', '.join(restored)}")
                self.settings = self.file.settings()
            yield


def optimise(
    *,
    config: Annotated[Path | None, typer.Option(help="A mining.toml.")] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the proposals; what measures worse is taken back.")
    ] = False,
    profile: Annotated[
        ProfileName | None, typer.Option(help="Switch to this profile, measured before and after.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Measure from time to time and switch profiles, until stopped.")
    ] = False,
    tries: Annotated[
        int, typer.Option("--search", min=0, help="Search the generator's settings with so many tries.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Measure also when there is other work.")] = False,
    hours: Annotated[float, typer.Option(min=0.1, max=2160, help="Of the journal.")] = 24.0,
    requests: Annotated[int, typer.Option(min=2, max=len(PROMPTS), help="In a benchmark.")] = REQUESTS,
    interval_s: Annotated[float, typer.Option(min=1, help="Between two rounds of --watch.")] = INTERVAL_S,
    hotkey: Annotated[str, typer.Option(help="Whose journal; default: the one written last.")] = "",
) -> int:
    """Measures, compares with the targets and proposes settings. Changes nothing unless told to."""
    if sum((apply and not tries, profile is not None, watch, tries > 0)) > 1:
        raise typer.BadParameter("choose one of --apply, --profile, --watch and --search (also with --apply)")
    run = Run(config, hours=hours, hotkey=hotkey, requests=requests, force=force)
    if watch:
        return _watch(run, interval_s)
    if profile is not None:
        return asyncio.run(_switch(run, profile.value, as_json=as_json))
    if tries:
        return asyncio.run(_search(run, tries, apply=apply, as_json=as_json))
    return asyncio.run(_analyse(run, apply=apply, as_json=as_json))


async def _analyse(run: Run, *, apply: bool, as_json: bool) -> int:
    if (run.folder / PENDING).exists():
        _say("a trial is under way, or was killed (the next run that changes settings puts back its values)")
    async with run.servers() as servers:
        with _progress("measuring", len(PROFILES) * (run.requests + 1), as_json) as advance:
            found = await analyse(run.settings, servers, run.history, run.no_history, on_piece=advance)
        found.proposals = [_with_evidence(run, p, servers.backend) for p in found.proposals]
        if not as_json:
            Console().print(as_report(found))
        applied, code = await _apply(run, servers, found) if apply else ([], _exit_of(found))
    if as_json:
        _print_json(found.as_json() | ({"applied": applied} if apply else {}))
    return code


def _exit_of(found: Analysis) -> int:
    if found.problem is None:
        return EXIT_OK
    return EXIT_BUSY if isinstance(found.problem, OverloadedError) else EXIT_NOT_MEASURED


def _with_evidence(run: Run, proposal: Proposal, backend: str) -> Proposal:
    """What was only expected, with the figures of the last time when it was tried."""
    known = find_outcome(run.folder, proposal.changes, proposal.was, backend=backend)
    if known is None or proposal.evidence != EXPECTED:
        return proposal
    before, after = (known[name]["worth"] for name in ("before", "after"))
    when = time.strftime("%Y-%m-%d", time.gmtime(known["at_s"]))
    told = (
        f"measured on {when}: worth {before['mean']:.3g} ± {before['spread']:.2g} before,"
        f" {after['mean']:.3g} ± {after['spread']:.2g} after; {'kept' if known['kept'] else 'taken back'}"
    )
    return Proposal(proposal.changes, proposal.was, proposal.why, told)


async def _apply(run: Run, servers: RunningServers, found: Analysis) -> tuple[list[dict[str, Any]], int]:
    """Tries what a benchmark can tell; writes the rest, which only the journal will tell."""
    tried: Changes = {}
    applied: list[dict[str, Any]] = []
    code = _exit_of(found)
    with run.changing():
        for proposal in found.proposals:
            if proposal.is_measurable:
                tried |= proposal.changes
            else:
                run.file.write(proposal.changes)
                applied.append(_tell_written(proposal))
        if tried:
            outcome = await _try(run, servers, tried, keep=lambda difference: not difference.is_worse)
            applied.append(outcome.as_json(run.terms))
            code = code or (EXIT_OK if outcome.kept else EXIT_TAKEN_BACK)
    if not applied:
        _say("nothing to apply")
    return applied, code


def _tell_written(proposal: Proposal) -> dict[str, Any]:
    told = ", ".join(f"{name}: {proposal.was[name]} -> {value}" for name, value in proposal.changes.items())
    restart = "; a restart is needed (mining_orchestrator.py restart)" if proposal.needs_restart else ""
    _say(f"{told}\n  written{restart}; {EXPECTED}")
    return {"changes": proposal.changes, "needs_restart": proposal.needs_restart, "effect": EXPECTED}


async def _switch(run: Run, profile: str, *, as_json: bool) -> int:
    """The operator's own choice: it stays, whatever is measured."""
    with run.changing():
        if value_of(run.settings, PROFILE) == profile:
            _say(f"the profile is {profile} already")
            return EXIT_OK
        async with run.servers() as servers:
            try:
                await servers.check()
            except S17Error as error:
                return _switch_unmeasured(run, profile, error, as_json=as_json)
            try:
                outcome = await _try(run, servers, {PROFILE: profile}, keep=lambda _: True)
            except OverloadedError as error:
                return _switch_unmeasured(run, profile, error, as_json=as_json)
    if as_json:
        _print_json(outcome.as_json(run.terms))
    return EXIT_OK


def _switch_unmeasured(run: Run, profile: str, why: S17Error, *, as_json: bool) -> int:
    run.file.write({PROFILE: profile})
    _say(f"written: {PROFILE} = {profile}; not measured: {why.message}")
    if as_json:
        _print_json({"changes": {PROFILE: profile}, "not_measured": why.message})
    return EXIT_BUSY if isinstance(why, OverloadedError) else EXIT_NOT_MEASURED


async def _search(run: Run, tries: int, *, apply: bool, as_json: bool) -> int:
    def keep(difference: Difference) -> bool:
        return apply and difference.is_better

    def told(number: int, changes: Changes, worth: float | None) -> None:
        values = ", ".join(f"{name.partition('.')[2]}={value}" for name, value in changes.items())
        _say(f"try {number}: {values}: {'failed' if worth is None else f'worth {worth:.4f}'}")

    with run.changing():
        async with run.servers() as servers:
            await servers.check()
            if not run.force and await servers.miner_pulls():
                raise OverloadedError(
                    "the miner takes tasks: stop it first, or --force tries settings on them"
                )
            outcome = await search(
                servers,
                run.file,
                run.folder,
                run.terms,
                profile=await servers.profile(),
                tries=tries,
                keep=keep,
                on_try=told,
            )
            if outcome is not None:
                _tell_outcome(run, outcome, servers.backend)
    if outcome is None:
        _say("no values of the study measured better than those of now")
    if as_json:
        _print_json(outcome.as_json(run.terms) if outcome else {})
    return EXIT_TAKEN_BACK if apply and outcome is not None and not outcome.kept else EXIT_OK


async def _try(
    run: Run, servers: RunningServers, changes: Changes, *, keep: Callable[[Difference], bool]
) -> Outcome:
    outcome = await try_changes(servers, run.file, run.folder, changes, run.terms, keep=keep)
    _tell_outcome(run, outcome, servers.backend)
    return outcome


def _tell_outcome(run: Run, outcome: Outcome, backend: str) -> None:
    note_outcome(run.folder, outcome, run.terms, backend=backend, now_s=time.time())
    difference = outcome.difference
    verdict = (
        "better" if difference.is_better else "worse" if difference.is_worse else "no difference to tell"
    )
    _say(
        ", ".join(f"{name}: {outcome.was[name]} -> {value}" for name, value in outcome.changes.items())
        + f"\n  before: generation {outcome.before.generation_s} s, score {outcome.before.score},"
        f" worth {outcome.before.worth(run.terms)}"
        + f"\n  after:  generation {outcome.after.generation_s} s, score {outcome.after.score},"
        f" worth {outcome.after.worth(run.terms)}"
        + f"\n  {verdict}: {difference.mean:+.4f} ± {difference.error:.4f};"
        f" {'kept' if outcome.kept else 'the old values stand again'}"
    )


def _watch(run: Run, interval_s: float) -> int:
    operations = run.settings.operations
    configure_logging(service="optimizer", level=operations.log_level, form=operations.log_format)
    machine = RealMachine(run.sources, hotkey=run.hotkey, force=run.force, requests=run.requests)
    try:
        asyncio.run(Watch(machine, run.folder).run(interval_s))
    except KeyboardInterrupt:
        log.info("optimizer ends")
    return EXIT_OK


@contextmanager
def _progress(told: str, total: int, hidden: bool) -> Iterator[Callable[[], None]]:
    with Progress(console=Console(stderr=True), transient=True, disable=hidden) as progress:
        bar = progress.add_task(told, total=total)
        yield lambda: progress.advance(bar)


def _say(text: str) -> None:
    """To stderr: stdout is the analysis."""
    Console(stderr=True).print(escape(text), soft_wrap=True, highlight=False)


def _print_json(tree: dict[str, Any]) -> None:
    print(json.dumps(tree, indent=2, ensure_ascii=False))  # noqa: T201


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; expected errors become one line on stderr.

    Returns:
        0 done; 1 the servers could not be measured; 2 a mistake in the settings or the command line, or a
        file that can't be written; 3 the servers have other work; 4 what was tried was taken back; 130 ended
        by SIGINT or SIGTERM.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(optimise)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # an orderly end: trials put back the file
    try:
        command = typer.main.get_command(app)
        return int(
            command.main(arguments, prog_name="performance_optimizer.py", standalone_mode=False) or EXIT_OK
        )
    except S17Error as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201
        if isinstance(error, ConfigError):
            return EXIT_USAGE
        return EXIT_BUSY if isinstance(error, OverloadedError) else EXIT_NOT_MEASURED
    except (KeyboardInterrupt, Abort):
        return EXIT_INTERRUPTED
    except Exception as error:
        if (show := getattr(error, "show", None)) is None:  # not a usage error of the command line itself
            raise
        show()
        return EXIT_USAGE
