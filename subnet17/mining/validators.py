"""What the miner knows about each validator, and whom it asks next.

Covers: cooldowns on the validator's own clock, one pull or task in hand each, growing and jittered rests
after failures, a fair order, the stop when we are not registered. Does not cover: persistence.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

from subnet17.errors import PeerTimeoutError, S17Error
from subnet17.log import get_logger
from subnet17.mining.chain import Neuron
from subnet17.mining.clock import SYSTEM_CLOCK, Clock
from subnet17.mining.feedback import Prices
from subnet17.mining.protocol import OWNER_HOTKEY

log = get_logger()

FIRST_REST_S = 15.0
MAX_REST_S = 1800.0
JITTER = 0.25
MAX_COOLDOWN_S = 86_400.0
"""A validator can't send itself away for longer."""
SKEW_WARNING_S = 10.0
"""Beyond it our first request may be refused as too old."""
OWNER_EVERY = 5
"""The owner's validator carries the organic traffic: it goes first on every fifth turn."""
SMOOTHING = 0.2
QUICK_REPLY_S = 2.0
"""A reply that took longer says little of its clock: some servers stamp Date when a request arrives."""
COUNTS = ("pulls", "tasks", "accepted", "rejected", "skipped", "errors")


@dataclass
class ValidatorState:
    """One validator, as seen from here.

    Attributes:
        ready_s: Monotonic time from which it may be pulled.
        cooldown_until_s: The same as the validator said it: Unix seconds on its own clock.
        skew_s: Its clock minus ours, at least.
        skew_from_reply_s: How long the reply took that told it; infinite before the first.
        busy: A pull is under way, or a task of it is in our hands.
        failures: In a row.
    """

    neuron: Neuron
    ready_s: float = 0.0
    cooldown_until_s: int = 0
    skew_s: float = 0.0
    skew_from_reply_s: float = math.inf
    busy: bool = False
    failures: int = 0
    last_error: str = ""
    reply_s: float = 0.0
    last_reward: float = 0.0
    violations: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, event: str) -> None:
        """Counts an event for the status page."""
        self.counts[event] = self.counts.get(event, 0) + 1

    def as_json(self, now_s: float) -> dict[str, Any]:
        """For the status page."""
        return {
            "uid": self.neuron.uid,
            "hotkey": self.neuron.hotkey,
            "address": self.neuron.address,
            "stake": self.neuron.stake,
            "busy": self.busy,
            "ready_in_s": round(max(0.0, self.ready_s - now_s), 1),
            "cooldown_until_s": self.cooldown_until_s,
            "cooldown_violations": self.violations,
            "clock_skew_s": round(self.skew_s, 1),
            "reply_s": round(self.reply_s, 3),
            "failures": self.failures,
            "last_error": self.last_error,
            "last_reward": self.last_reward,
            **{name: self.counts.get(name, 0) for name in COUNTS},
        }


class Roster:
    """All validators and the order among them.

    Args:
        margin_s: Waited beyond a cooldown.
        prices: The subnet's time constants.
    """

    def __init__(
        self,
        *,
        margin_s: float,
        prices: Prices,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
    ) -> None:
        self._margin_s = margin_s
        self._prices = prices
        self._clock = clock
        self._rng = rng or random.Random()
        self._states: dict[str, ValidatorState] = {}
        self._listed: frozenset[str] = frozenset()
        self._turn = 0
        self._stopped_until_s = 0.0

    def __iter__(self) -> Any:
        return iter(self._states.values())

    def get(self, hotkey: str) -> ValidatorState:
        """The state of a validator that was listed once."""
        return self._states[hotkey]

    @property
    def listed(self) -> list[ValidatorState]:
        """The validators of the last update."""
        return [self._states[hotkey] for hotkey in self._listed]

    def update(self, neurons: tuple[Neuron, ...]) -> None:
        """Takes the current validators. Those that left keep their state: their cooldowns still hold."""
        for neuron in neurons:
            if neuron.hotkey in self._states:
                self._states[neuron.hotkey].neuron = neuron
            else:
                self._states[neuron.hotkey] = ValidatorState(neuron, ready_s=self._clock.monotonic_s())
        self._listed = frozenset(n.hotkey for n in neurons)

    def next_ready(self) -> ValidatorState | None:
        """Whom to pull from now; None when nobody is ready. The caller sets `busy`.

        Time waited since being ready, weighted up to double by stake, so that everybody's turn comes.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._stopped_until_s:
            return None
        ready = [s for s in self.listed if not s.busy and s.ready_s <= now_s]
        if not ready:
            return None
        self._turn += 1
        owner = next((s for s in ready if s.neuron.hotkey == OWNER_HOTKEY), None)
        if owner is not None and self._turn % OWNER_EVERY == 0:
            return owner
        most = max(s.neuron.stake for s in ready) or 1.0

        def urgency(state: ValidatorState) -> tuple[float, float]:
            share = state.neuron.stake / most
            return ((now_s - state.ready_s) * (1.0 + share), share)

        return max(ready, key=urgency)

    def wait_s(self) -> float:
        """Until somebody may be ready; 1.0 at the most, since tasks in hand may end any time."""
        now_s = self._clock.monotonic_s()
        times = [max(s.ready_s, self._stopped_until_s) - now_s for s in self.listed if not s.busy]
        return min([1.0, *(max(0.01, t) for t in times)])

    def note_reply(self, state: ValidatorState, *, skew_s: float | None, elapsed_s: float) -> None:
        """A validator answered: its clock and speed, and an end to its failures."""
        if skew_s is not None and elapsed_s <= max(QUICK_REPLY_S, state.skew_from_reply_s):
            if abs(state.skew_s) <= SKEW_WARNING_S:
                _warn_of_skew(state, skew_s)
            state.skew_s, state.skew_from_reply_s = skew_s, elapsed_s
        state.reply_s += SMOOTHING * (elapsed_s - state.reply_s) if state.reply_s else elapsed_s
        state.failures = 0

    def validator_now_s(self, state: ValidatorState) -> float:
        """Unix seconds on the validator's clock."""
        return self._clock.wall_s() + state.skew_s

    def cool_down(self, state: ValidatorState, until_s: int, *, at_least_s: float = 0.0) -> None:
        """No pull before a time on the validator's clock plus the margin."""
        state.cooldown_until_s = until_s
        left_s = until_s - self.validator_now_s(state)
        if left_s > MAX_COOLDOWN_S:
            log.warning("absurd cooldown, shortened", validator=state.neuron.uid, left_s=round(left_s))
        wait_s = min(left_s, MAX_COOLDOWN_S) + self._margin_s if left_s > 0 else 0.0
        self.rest(state, max(wait_s, at_least_s))

    def rest(self, state: ValidatorState, seconds: float) -> None:
        """No pull for so long, nor before an earlier promise."""
        state.ready_s = max(state.ready_s, self._clock.monotonic_s() + seconds)

    def fail(self, state: ValidatorState, error: S17Error) -> float:
        """A call failed: the next one comes after a rest that doubles from failure to failure.

        Returns:
            The rest in seconds.
        """
        state.failures += 1
        state.last_error = error.message
        state.count("errors")
        _warn_of_skew(state, error.detail.get("skew_s") or 0.0)
        scale = self._prices.resend_s / Prices.resend_s
        rest_s = min(MAX_REST_S, FIRST_REST_S * 2.0 ** min(state.failures - 1, 20)) * scale
        rest_s *= 1.0 + self._rng.uniform(-JITTER, JITTER)
        if isinstance(error, PeerTimeoutError):
            rest_s = max(rest_s, self._prices.pull_timeout_wait_s)
        self.rest(state, rest_s)
        return rest_s

    def stop_all(self, seconds: float) -> None:
        """Nobody is pulled for so long: we are not registered."""
        self._stopped_until_s = self._clock.monotonic_s() + seconds

    def resume_all(self) -> None:
        """Ends `stop_all`: we are registered after all."""
        self._stopped_until_s = 0.0

    @property
    def stopped_s(self) -> float:
        """How long nobody will be pulled."""
        return max(0.0, self._stopped_until_s - self._clock.monotonic_s())


def _warn_of_skew(state: ValidatorState, skew_s: float) -> None:
    if abs(skew_s) > SKEW_WARNING_S:
        log.warning("clocks differ, check NTP", validator=state.neuron.uid, skew_s=round(skew_s, 1))
