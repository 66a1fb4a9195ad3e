"""Searches the knobs of the generator with optuna, at the running server: each try is written, then measured.

The study lies in SQLite beside the data and goes on where it stopped, one for each generator and profile. The
winner of a search has had luck: it is measured again, beside what was there before, and only that is told.
Not for a server that mines: its work would be done by whatever is being tried.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subnet17.errors import ConfigError, PeerError
from subnet17.ops.tuning.config_file import ConfigFile, keep_pending, restore_pending
from subnet17.ops.tuning.samples import Difference, Terms
from subnet17.ops.tuning.space import Changes, Knob, knobs_of, value_of
from subnet17.ops.tuning.trial import Outcome, Servers, try_changes

if TYPE_CHECKING:
    import optuna

STUDY = "search.sqlite"
SEED = 17
MAX_FAILURES = 3
"""In a row; then something else is wrong than the values that are tried."""


async def search(
    servers: Servers,
    file: ConfigFile,
    folder: Path,
    terms: Terms,
    *,
    profile: str,
    tries: int,
    keep: Callable[[Difference], bool],
    on_try: Callable[[int, Changes, float | None], None] = lambda number, changes, worth: None,
) -> Outcome | None:
    """Tries values, then measures the best of the whole study beside those of now.

    Args:
        folder: Of the optimizer's own files.
        profile: In force; it stays.
        tries: To add to the study.
        keep: Whether the best stays, by what was measured at last.
        on_try: Told number, values and worth (None: it failed).

    Returns:
        The last measurement; None when the values of now are the best of the study.

    Raises:
        ConfigError: the file or the study can't be used.
        PeerError: nothing can be measured. The values of before stand again.
    """
    knobs = knobs_of("generation", servers.backend)
    settings = file.settings()
    now: Changes = {knob.name: value_of(settings, knob.name) for knob in knobs}
    study = _open_study(folder / STUDY, f"{servers.backend}-{profile}")
    if not study.trials and all(k.low <= float(now[k.name]) <= k.high for k in knobs):
        study.enqueue_trial(dict(now))
    keep_pending(folder, file, list(now))
    try:
        await _try_all(study, servers, file, knobs, terms, tries, on_try)
    finally:
        restore_pending(folder, file)
    await servers.in_force(now)
    if not _completed(study):
        raise PeerError("no try of the study could be measured")
    best: Changes = {knob.name: _clean(study.best_params[knob.name], knob) for knob in knobs}
    if best == now:
        return None
    return await try_changes(servers, file, folder, best, terms, keep=keep)


async def _try_all(
    study: optuna.Study,
    servers: Servers,
    file: ConfigFile,
    knobs: list[Knob],
    terms: Terms,
    tries: int,
    on_try: Callable[[int, Changes, float | None], None],
) -> None:
    import optuna  # noqa: PLC0415 - half a second and 70 MB that nothing else needs

    failures = 0
    for _ in range(tries):
        trial = study.ask()
        changes: Changes = {knob.name: _suggest(trial, knob) for knob in knobs}
        try:
            file.write(changes)
            await servers.in_force(changes)
            sample = await servers.measure()
        except PeerError:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            on_try(trial.number, changes, None)
            failures += 1
            if failures >= MAX_FAILURES:
                raise
            continue
        failures = 0
        worth = sample.worth(terms)
        assert worth is not None  # noqa: S101 - a sample that was measured has pieces
        trial.set_user_attr("sample", sample.as_json(terms))
        study.tell(trial, worth.mean)
        on_try(trial.number, changes, worth.mean)


def _suggest(trial: optuna.Trial, knob: Knob) -> int | float:
    if float(knob.step).is_integer():
        return trial.suggest_int(knob.name, int(knob.low), int(knob.high), step=int(knob.step))
    return round(trial.suggest_float(knob.name, knob.low, knob.high, step=knob.step), 6)


def _clean(value: Any, knob: Knob) -> int | float:
    return int(value) if float(knob.step).is_integer() else round(float(value), 6)


def _open_study(path: Path, name: str) -> optuna.Study:
    import optuna  # noqa: PLC0415 - see above

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        study = optuna.create_study(
            study_name=name, storage=storage, direction="maximize", load_if_exists=True
        )
        # the sampler forgets its place: the same seed would suggest the same beginnings again
        study.sampler = optuna.samplers.TPESampler(seed=SEED + len(study.trials))
    except Exception as error:  # of SQLAlchemy, alembic or optuna
        reason = str(error).splitlines()[0][:200]
        raise ConfigError(f"the study {path} can't be used, move it away: {reason}") from None
    return study


def _completed(study: optuna.Study) -> bool:
    with contextlib.suppress(ValueError):
        return study.best_trial is not None
    return False
