"""What the miner knows of one validator, and the row that keeps it over restarts.

Covers: times and clocks, failures, what was earned, versions; conversion to and from a row in Unix time.
Does not cover: what follows from it (validators.py), or the storage (journal.py).
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from subnet17.log import get_logger
from subnet17.mining.chain import Neuron
from subnet17.mining.clock import Clock
from subnet17.mining.protocol import Feedback

log = get_logger()

MAX_COOLDOWN_S = 86_400.0
"""A validator can't send itself away for longer."""
COUNTS = ("pulls", "tasks", "accepted", "rejected", "skipped", "validator_fault", "unpaid", "errors")
REPLIES_KEPT = 32
SMOOTHING = 0.1
"""Weight of the newest call in the success rate: about the last twenty count."""
MAX_TEXT_CHARS = 300
MAX_SKEW_S = 10.0 * 365 * 86_400
MAX_COUNT = 2**53


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
        silent: The last failure brought no HTTP answer: the fault may as well be ours.
        silent_since_s: Monotonic time of the first such failure in a row.
        ejected: Why it is out after too many failures; empty when it is not.
        ejections: Since its last answer.
        aside: Why its judgement is not trusted; empty when it is.
        asides: Since it last accepted a result.
        unpaid_row: Results in a row that it neither paid nor rejected.
        unpaid_since_s: Monotonic time of the first of them; before all when another process saw it.
        paid_s: Monotonic time when it last accepted a result, in this process.
        blocked: Kept out by the settings.
        passed_over: Turns since it was last chosen in which it was ready.
        chosen_because: Why it was chosen the last time.
        pull_times_s: What the last pulls took.
        submit_times_s: What the last submits took, judging included.
        success_rate: Share of calls that brought an answer, lately.
        asked_version_s: Monotonic time of the last question for its versions; None: never.
    """

    neuron: Neuron
    ready_s: float = 0.0
    cooldown_until_s: int = 0
    skew_s: float = 0.0
    skew_from_reply_s: float = math.inf
    busy: bool = False
    failures: int = 0
    silent: bool = False
    silent_since_s: float = 0.0
    ejected: str = ""
    ejections: int = 0
    aside: str = ""
    asides: int = 0
    unpaid_row: int = 0
    unpaid_since_s: float = -math.inf
    paid_s: float = -math.inf
    blocked: bool = False
    passed_over: int = 0
    chosen_because: str = ""
    last_error: str = ""
    pull_times_s: deque[float] = field(default_factory=lambda: deque(maxlen=REPLIES_KEPT))
    submit_times_s: deque[float] = field(default_factory=lambda: deque(maxlen=REPLIES_KEPT))
    success_rate: float = 1.0
    violations: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    last_local_score: float = 0.0
    last_fidelity: float = 0.0
    average_fidelity: float = 0.0
    last_reward: float = 0.0
    duel_rating: float = 0.0
    window_generations: int = 0
    version: int = 0
    validation_version: str = ""
    asked_version_s: float | None = None

    @property
    def pull_s(self) -> float:
        """Median of the last pulls' times; 0 before the first."""
        return statistics.median(self.pull_times_s) if self.pull_times_s else 0.0

    @property
    def slowest_submit_s(self) -> float:
        """Of the last submits; 0 before the first."""
        return max(self.submit_times_s, default=0.0)

    @property
    def away(self) -> str:
        """Why it is out for longer than a cooldown; empty when it is not."""
        return "blocked in the settings" if self.blocked else self.ejected or self.aside

    def count(self, event: str) -> None:
        """Counts an event for the status page."""
        self.counts[event] = self.counts.get(event, 0) + 1

    def note_call(self, *, answered: bool) -> None:
        """Keeps the success rate."""
        self.success_rate += SMOOTHING * (answered - self.success_rate)

    def note_feedback(self, feedback: Feedback, *, local_score: float | None) -> None:
        """What a validator says of us with a result."""
        self.last_local_score = local_score if local_score is not None else self.last_local_score
        self.last_fidelity = feedback.task_fidelity_score
        self.average_fidelity = feedback.average_fidelity_score
        self.last_reward = feedback.current_miner_reward
        self.duel_rating = feedback.current_duel_rating
        self.window_generations = feedback.generations_within_the_window

    def as_json(self, now_s: float) -> dict[str, Any]:
        """For the status page."""
        return {
            "uid": self.neuron.uid,
            "hotkey": self.neuron.hotkey,
            "address": self.neuron.address,
            "stake": self.neuron.stake,
            "busy": self.busy,
            "away": self.away,
            "chosen_because": self.chosen_because,
            "ready_in_s": round(max(0.0, self.ready_s - now_s), 1),
            "cooldown_until_s": self.cooldown_until_s,
            "cooldown_violations": self.violations,
            "clock_skew_s": round(self.skew_s, 1),
            "pull_s": round(self.pull_s, 3),
            "slowest_submit_s": round(self.slowest_submit_s, 3),
            "success_rate": round(self.success_rate, 3),
            "failures": self.failures,
            "ejections": self.ejections,
            "asides": self.asides,
            "unpaid_row": self.unpaid_row,
            "last_error": self.last_error,
            "last_local_score": round(self.last_local_score, 4),
            "last_fidelity": round(self.last_fidelity, 4),
            "average_fidelity": round(self.average_fidelity, 4),
            "last_reward": self.last_reward,
            "duel_rating": round(self.duel_rating, 1),
            "window_generations": self.window_generations,
            "version": self.version,
            "validation_version": self.validation_version,
            **{name: self.counts.get(name, 0) for name in COUNTS},
        }

    def as_row(self, clock: Clock) -> dict[str, Any]:
        """JSON for the disk: monotonic times become Unix seconds, since the monotonic clock ends with us."""
        ahead_s = clock.wall_s() - clock.monotonic_s()
        asked_s = self.asked_version_s
        return {
            "neuron": self.neuron.model_dump(),
            "ready_at_s": self.ready_s + ahead_s,
            "asked_version_at_s": 0.0 if asked_s is None else asked_s + ahead_s,
            "skew_from_reply_s": min(self.skew_from_reply_s, MAX_COOLDOWN_S),
            "pull_times_s": [round(t, 4) for t in self.pull_times_s],
            "submit_times_s": [round(t, 4) for t in self.submit_times_s],
            "counts": dict(self.counts),
            "silent": self.silent,
            **{name: getattr(self, name) for name in (*_NUMBERS, *_TEXTS)},
        }

    @classmethod
    def from_row(
        cls, row: Mapping[str, Any], *, neuron: Neuron, clock: Clock, unknown_rest_s: float
    ) -> ValidatorState:
        """The state in a row of `as_row`. What can't be read is left out, with a warning.

        Args:
            neuron: The validator as it is now.
            unknown_rest_s: Rest when the row does not tell it: better late than a violation.
        """
        reader = _Reader(row)
        now_s, wall_s = clock.monotonic_s(), clock.wall_s()
        # Our clock may have been set since: whatever the row says, nobody rests for ever.
        ready_at_s = reader.number("ready_at_s", wall_s + unknown_rest_s, -math.inf, math.inf)
        rest_s = min(max(0.0, ready_at_s - wall_s), MAX_COOLDOWN_S)
        asked_at_s = reader.number("asked_version_at_s", 0.0, 0.0, math.inf)
        state = cls(
            neuron,
            ready_s=now_s + rest_s,
            skew_from_reply_s=reader.number("skew_from_reply_s", math.inf, 0.0, math.inf),
            silent=row.get("silent") is True,
            asked_version_s=now_s - max(0.0, wall_s - asked_at_s) if asked_at_s else None,
            **{name: reader.number(name, *limits) for name, limits in _NUMBERS.items()},
        )
        for name in _TEXTS:
            setattr(state, name, reader.text(name))
        state.pull_times_s.extend(reader.times("pull_times_s"))
        state.submit_times_s.extend(reader.times("submit_times_s"))
        state.counts.update(reader.counts("counts"))
        reader.warn(neuron.uid)
        return state


def neuron_in(row: Mapping[str, Any]) -> Neuron | None:
    """The validator's last known address; None when the row does not tell it."""
    try:
        return Neuron.model_validate(row.get("neuron"))
    except ValidationError:
        return None


_NUMBERS: dict[str, tuple[float, float, float]] = {
    "cooldown_until_s": (0, 0, MAX_COUNT),
    "skew_s": (0.0, -MAX_SKEW_S, MAX_SKEW_S),
    "failures": (0, 0, MAX_COUNT),
    "ejections": (0, 0, MAX_COUNT),
    "asides": (0, 0, MAX_COUNT),
    "unpaid_row": (0, 0, MAX_COUNT),
    "success_rate": (1.0, 0.0, 1.0),
    "violations": (0, 0, MAX_COUNT),
    "last_local_score": (0.0, -math.inf, math.inf),
    "last_fidelity": (0.0, -math.inf, math.inf),
    "average_fidelity": (0.0, -math.inf, math.inf),
    "last_reward": (0.0, -math.inf, math.inf),
    "duel_rating": (0.0, -math.inf, math.inf),
    "window_generations": (0, -MAX_COUNT, MAX_COUNT),
    "version": (0, -MAX_COUNT, MAX_COUNT),
}
"""Fields kept as they are: default, least and greatest."""
_TEXTS = ("ejected", "aside", "last_error", "validation_version")


class _Reader:
    """Reads fields of a row one by one, so that an odd one costs only itself."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row
        self._odd: list[str] = []

    def number(self, name: str, default: float, least: float, most: float) -> Any:
        """A number of the default's type within its limits."""
        value = self._row.get(name, default)
        if _is_number(value) and least <= value <= most:
            return type(default)(value)
        self._odd.append(name)
        return default

    def text(self, name: str) -> str:
        value = self._row.get(name, "")
        if isinstance(value, str):
            return value[:MAX_TEXT_CHARS]
        self._odd.append(name)
        return ""

    def times(self, name: str) -> list[float]:
        values = self._row.get(name, [])
        if isinstance(values, list) and all(_is_number(v) and v >= 0 for v in values):
            return values
        self._odd.append(name)
        return []

    def counts(self, name: str) -> dict[str, int]:
        values = self._row.get(name, {})
        if isinstance(values, dict) and all(
            isinstance(v, int) and 0 <= v <= MAX_COUNT for v in values.values()
        ):
            return values
        self._odd.append(name)
        return {}

    def warn(self, uid: int) -> None:
        if "ready_at_s" not in self._row:
            self._odd.append("ready_at_s")
        if self._odd:
            log.warning(
                "odd fields in the validator book, left out", validator=uid, fields=",".join(self._odd)
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
