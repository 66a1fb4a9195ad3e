"""Asks validators for their versions: rarely, and only in a cooldown, so never in the way of a pull."""

from __future__ import annotations

from typing import Protocol

from subnet17.errors import PeerError
from subnet17.log import get_logger
from subnet17.mining.book import MAX_TEXT_CHARS, ValidatorState
from subnet17.mining.chain import Neuron
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.protocol import GetVersion
from subnet17.mining.transport import Reply
from subnet17.mining.validators import Roster

log = get_logger()

INTERVAL_S = 6 * 3600.0
LOOK_S = 20.0
"""Between two questions, so that not all validators are asked at once."""
QUIET_S = 60.0
"""Left of a cooldown, at the least: longer than a call takes."""


class Asker(Protocol):
    """What sends the question."""

    async def get_version(self, validator: Neuron) -> Reply[GetVersion]:
        """See `Transport`."""


async def ask_versions(asker: Asker, roster: Roster, *, clock: Clock = SYSTEM_CLOCK) -> None:
    """Asks for ever, one validator at a time."""
    while True:
        await clock.sleep(LOOK_S)
        state = _next(roster, clock.monotonic_s())
        if state is not None:
            await _ask(asker, roster, state, clock)


def _next(roster: Roster, now_s: float) -> ValidatorState | None:
    """Who has never been asked, or not for the longest time, and has nothing else to do now."""
    quiet = [s for s in roster.listed if not s.busy and not s.failures and s.ready_s - now_s > QUIET_S]
    never = now_s - INTERVAL_S
    due = [s for s in quiet if (never if s.asked_version_s is None else s.asked_version_s) <= never]
    return min(due, key=lambda s: never if s.asked_version_s is None else s.asked_version_s, default=None)


async def _ask(asker: Asker, roster: Roster, state: ValidatorState, clock: Clock) -> None:
    state.asked_version_s = clock.monotonic_s()  # also when it fails: it is not worth a second call
    try:
        answer = (await asker.get_version(state.neuron)).synapse
    except PeerError as error:
        log.debug("no version told", validator=state.neuron.uid, reason=error.message)
        return
    before = state.version, state.validation_version
    roster.note_version(state, answer.version, answer.validation_version[:MAX_TEXT_CHARS])
    now = state.version, state.validation_version
    if before != now:
        log.info(
            "validator's version",
            validator=state.neuron.uid,
            version=now[0],
            validation_version=now[1],
            before=before[0] or None,
        )
