"""How long a validator is left alone: after failures, and when its judgement can't be trusted.

Failures: the rest doubles from one to the next; after some in a row the validator is ejected for a window,
gets one probe, and is ejected for twice as long when that fails too. Judgement: set aside for an hour, then
two, and so on. All with jitter: miners that failed together must not return together.

Not covered: cooldowns, which are the validator's word (validators.py).
"""

from __future__ import annotations

import random

from subnet17.log import get_logger
from subnet17.mining.book import ValidatorState
from subnet17.mining.feedback import Prices

log = get_logger()

FIRST_REST_S = 15.0
MAX_REST_S = 300.0
OUR_TROUBLE_REST_S = 60.0
"""When the network here is down, everybody is tried again soon and nobody is ejected."""
FIRST_EJECTION_S = 600.0
MAX_EJECTION_S = 4 * 3600.0
FIRST_ASIDE_S = 3600.0
MAX_ASIDE_S = 86_400.0
STRANGER_REST_S = 600.0
"""Of a validator that does not know us yet: it reads the chain about so often."""
JITTER = 0.25


class Rests:
    """Reckons rests and keeps their counts in the validator's state.

    Args:
        prices: A local subnet may run faster: our rests run with it.
    """

    def __init__(self, prices: Prices, rng: random.Random) -> None:
        self._scale = prices.resend_s / Prices.resend_s
        self._rng = rng

    def after_failure(self, state: ValidatorState, *, eject_after: int, is_trouble_ours: bool) -> float:
        """Seconds to rest now; `state.failures` counts the last one already."""
        rest_s = _doubled(FIRST_REST_S, state.failures - 1, MAX_REST_S)
        if is_trouble_ours:
            return self._varied(min(rest_s, OUR_TROUBLE_REST_S))
        if state.failures < eject_after:
            return self._varied(rest_s)
        return self._eject(state)

    def _eject(self, state: ValidatorState) -> float:
        state.ejections += 1
        state.ejected = f"ejected after {state.failures} failures in a row: {state.last_error}"
        window_s = self._varied(_doubled(FIRST_EJECTION_S, state.ejections - 1, MAX_EJECTION_S))
        log.warning(
            "validator ejected",
            validator=state.neuron.uid,
            failures=state.failures,
            rest_s=round(window_s),
            reason=state.last_error,
        )
        return window_s

    def aside(self, state: ValidatorState, why: str) -> float:
        """Seconds for which it gets no task."""
        state.asides += 1
        state.aside = why
        rest_s = self._varied(_doubled(FIRST_ASIDE_S, state.asides - 1, MAX_ASIDE_S))
        log.warning("validator set aside", validator=state.neuron.uid, rest_s=round(rest_s), reason=why)
        return rest_s

    def as_stranger(self) -> float:
        """Seconds until a validator that does not know our hotkey is asked again."""
        return self._varied(STRANGER_REST_S)

    def _varied(self, seconds: float) -> float:
        return seconds * self._scale * (1.0 + self._rng.uniform(-JITTER, JITTER))


def _doubled(first_s: float, times: int, most_s: float) -> float:
    return float(min(most_s, first_s * 2.0 ** min(times, 30)))
